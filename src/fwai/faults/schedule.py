"""Random schedules of faults: calls of a few turns in which anything happens, seeded."""

import random
from typing import Final

import msgspec

from fwai.faults.row import Bounds, On, Plan, Row, State, Step
from fwai.simulator.gemini.scenario import Fault, TurnFault

GROUP: Final = "random"
_TURNS: Final = ("ask_courses", "ask_ai", "ask_sms", "book_demo", "ask_hindi")
_MOMENTS: Final[tuple[On, ...]] = (
    "agent_speaks",
    "agent_done",
    "caller_speaks",
    "caller_done",
)
_CODES: Final = (1000, 1006, 1007, 1008, 1011)
_TURN_FAULTS: Final[tuple[TurnFault, ...]] = (
    "mute",
    "refused",
    "near_silence",
    "unknown_fields",
    "twice",
    "words_late",
)
_AWAY_MS: Final = (1_000.0, 2_500.0, 4_000.0, 8_000.0)
BOUNDS: Final = Bounds(
    owed_ms=5_000,
    next_ms=6_000,
    hang_up_ms=1_000,
    words_lost=0,
    ends=("agent_hung_up", "agent_failed", "transferred"),
)
"""A silence may be one in which the connection is known to be gone or not: the longer bound."""


def schedules(count: int, seed: int) -> list[Plan]:
    """Return so many calls; the same seed makes the same ones, whatever their number."""
    return [_plan(number, random.Random(f"{seed}/{number}")) for number in range(count)]  # noqa: S311 - nothing secret


def _plan(number: int, chance: random.Random) -> Plan:
    turns = chance.sample(_TURNS, chance.randint(2, 4))
    steps = [Step(say=clip, ms=chance.choice([300.0, 900.0, 2_500.0])) for clip in turns]
    steps.append(Step(say="goodbye"))
    hits = tuple(hit for _ in range(chance.randint(1, 2)) for hit in _hit(chance))
    row = Row(
        name=f"random {number}",
        group=GROUP,
        script="random",
        state="random",
        hits=hits,
        faults=_in_turns(chance),
        human=chance.random() < 0.5,
        setup_ms=chance.choice([0.0, 300.0, 800.0]),
        tool_s={"send_sms": chance.choice([0.3, 3.0, 8.0])},
        late_transcript=chance.random() < 0.3,
        blocking=chance.random() < 0.2,
    )
    state = State(
        script="random",
        on=chance.choice(_MOMENTS),
        nth=chance.randint(1, len(turns)),
        ms=chance.choice([0.0, 50.0, 300.0, 700.0, 1_000.0, 2_000.0, 4_000.0]),
    )
    inaudible = any(fault.kind == "near_silence" for fault in row.faults)
    bounds = msgspec.structs.replace(
        BOUNDS,
        hang_up_ms=9_000 if inaudible else BOUNDS.hang_up_ms,
        # A transcript that is under way when its connection dies is lost with it.
        words_lost=10 if row.late_transcript else 0,
    )
    return Plan(row=row, steps=tuple(steps), state=state, bounds=bounds)


def _hit(chance: random.Random) -> list[Fault]:
    """Return one thing that is done to a connection, with what makes it worse."""
    after_ms = chance.choice([0.0, 100.0, 1_500.0, 5_000.0])
    worse = [
        [],
        [],
        [Fault(kind="reset", for_ms=chance.choice(_AWAY_MS))],
        [Fault(kind="refuse", status=chance.choice([429, 503]), for_ms=chance.choice(_AWAY_MS))],
        [Fault(kind="setup_hang", for_ms=chance.choice(_AWAY_MS))],
        [Fault(kind="refuse_handle", times=1)],
    ]
    kinds = [
        Fault(kind="close", code=chance.choice(_CODES), after_ms=after_ms),
        Fault(kind="abort", after_ms=after_ms),
        Fault(kind="go_away", time_left_ms=chance.choice([0.0, 3_000.0, 8_000.0])),
        Fault(kind="stall", after_ms=after_ms),
        Fault(kind="half_open", after_ms=after_ms),
        # Under an id of its own, and after the caller has said more, it may be meant.
        Fault(kind="ask_again", after_ms=after_ms),
        Fault(kind="phantom_interrupted", after_ms=after_ms),
        Fault(kind="unknown_message", after_ms=after_ms),
    ]
    return [*chance.choice(worse), chance.choice(kinds)]


def _in_turns(chance: random.Random) -> tuple[Fault, ...]:
    if chance.random() < 0.6:
        return ()
    kind = chance.choice(_TURN_FAULTS)
    return (Fault(kind=kind, from_turn=chance.randint(0, 3), times=chance.randint(1, 2)),)
