"""Rows of the fault matrix: whole calls in virtual time, judged as `python run.py faults` does."""

import msgspec
import pytest

from fwai.faults import matrix
from fwai.faults.row import Bounds, Plan

PLANS = {plan.row.name: plan for plan in matrix.plans()}
SHARE = [
    *(name for name in PLANS if name.startswith("no fault")),
    "goAway 60000 ms while agent_speaking, set-up 800 ms",
    "goAway 5000 ms while listening, set-up 800 ms",
    "close 1006 while tool_running, set-up 800 ms",
    "close 1011 while listening, set-up 800 ms",
    "handle refused with 1008 while listening",
    "resume dies at once while listening",
    "network cut for 1000 ms while listening",
    "pongs 2000 ms late",
    "turns with odd_length",
    "turns with missing_fields",
    "sound after the end of a turn",
    "audio in bursts of 15 s",
    "two tools at once, one taken back",
    "a 20 s tool across close, set-up 800 ms",
]


# One of each kind of fault besides.
KINDS = [
    "every session mute, with a human",
    "half_open while agent_speaking",
    "HTTP 503 in mid-call while listening, nobody to connect to",
    "handshake_hang for ever, from listening on, nobody to connect to",
    "reset for ever, from agent_speaking on, nobody to connect to",
    "setup_hang once, from listening on",
    "set-up refused once with 1011 in mid-call while listening",
    "network cut for 5000 ms while agent_speaking",
    "goAway without a time while listening, closed after 5000 ms",
    "one refused turn",
    "one tone turn",
    "one near_silence turn",
    "phantom interruption while agent_speaking",
    "one malformed message while listening",
    "error_frame, 4 times, while listening",
    "turns with unknown_fields",
    "turns with twice",
    "turns with words_late",
    "turns with words_mixed",
    "a turn without an end",
    "transcripts of the caller after the reply has begun",
    "audio at 0.6 of real time",
    "asked again under a new id, tool_was_done",
    "asked again by the resumed session, new id False, tool_was_told",
    "barge-in after close 1011, before_barge_in, set-up 0 ms",
    "HTTP 401 from the start, nobody to connect to",
    "HTTP 429 in mid-call while listening, with a human",
    "HTTP 503 in mid-call, with voice mail",
    "stall while agent_speaking",
    "close 1011 while draining, set-up 800 ms",
    "endless mute turns, with a human",
    "barge-in on the speech of a dead connection, away for 3000 ms",
]


@pytest.mark.parametrize("name", [*SHARE, *KINDS])
def test_a_row_holds(name: str) -> None:
    verdict = matrix.verdict(PLANS[name])

    assert verdict.problems == ()


def judged(plan: Plan, bounds: Bounds) -> str:
    return "; ".join(matrix.verdict(msgspec.structs.replace(plan, bounds=bounds)).problems)


def test_every_bound_is_held() -> None:
    none = Bounds(
        owed_ms=10,
        answer_ms=10,
        hang_up_ms=-1,
        connections=0,
        ends=("transferred",),
        told=True,
        said=("apology",),
    )

    problems = judged(PLANS["no fault: short"], none)

    assert "owed silence" in problems
    assert "answer late" in problems
    assert "hang-up late" in problems
    assert "connections 1 (at most 0)" in problems
    assert "ended agent_hung_up (not transferred)" in problems
    assert "nothing told" in problems
    assert "not said: apology" in problems


def test_effects_are_counted_against_what_is_wanted() -> None:
    plan = PLANS["no fault: tool"]
    row = msgspec.structs.replace(plan.row, effects={"book_demo": 1})

    problems = judged(msgspec.structs.replace(plan, row=row), Bounds())

    assert "effects lost: book_demo 1" in problems
    assert "effects doubled: send_sms 1" in problems


def test_what_breaks_is_a_verdict() -> None:
    plan = PLANS["no fault: short"]
    row = msgspec.structs.replace(plan.row, pace=msgspec.structs.replace(plan.row.pace, speed=0))

    assert "broke" in judged(msgspec.structs.replace(plan, row=row), Bounds())


def test_normal_calls_come_in_rounds() -> None:
    names = [plan.row.name for plan in matrix.plans("normal", rounds=3)]

    assert len(names) == len(set(names))
    assert sum(name.endswith(", round 3") for name in names) * 3 == len(names)


def test_random_calls_are_judged_by_their_group() -> None:
    (plan,) = matrix.plans(random=1, seed=5)

    assert matrix.verdict(plan).group == "random"


def test_rows_run_in_several_processes_in_order() -> None:
    plans = [PLANS["no fault: short"], PLANS["no fault: tool"]]

    assert [verdict.name for verdict in matrix.run(plans, jobs=2)] == [p.row.name for p in plans]
    assert [verdict.name for verdict in matrix.run(plans[:1])] == [plans[0].row.name]
