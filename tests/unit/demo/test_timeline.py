"""Lines of the demo come in the order of what they tell."""

import io
import re

import pytest

from fwai.demo.report import ConsoleReport
from fwai.demo.timeline import MAX_HELD, SETTLED_MS, TimeLine
from fwai.demo.verdict import Verdict

Event = tuple[str, dict[str, object]]


def started(at: float) -> Event:
    return "agent_started", {"at_ms": at}


def heard(start: float, end: float, text: str, told_at: float) -> Event:
    facts = {"start_ms": start, "end_ms": end, "text": text, "whole": True, "at_ms": told_at}
    return "agent_heard", facts


def says(at: float, text: str) -> Event:
    return "caller_says", {"at_ms": at, "text": text}


def ended(at: float) -> Event:
    return "ended", {"at_ms": at, "cause": "Normal Hangup"}


def cleared(at: float) -> Event:
    return "cleared", {"at_ms": at, "unheard_ms": 150.0}


CALL: list[Event] = [
    ("stream_opened", {"at_ms": 0.0}),
    started(400),
    heard(400, 4000, "greeting", 4500),
    says(4700, "question"),
    started(7200),
    says(9700, "interruption"),
    cleared(9900),
    heard(7200, 9900, "answer", 10_300),
    started(12_700),
    heard(12_700, 15_000, "price", 15_500),
    ended(16_000),
]


@pytest.mark.parametrize(
    "events",
    [
        CALL,
        # The agent's beginning is noticed a little later than what came after it.
        [says(1000, "a"), started(980), ("step", {"at_ms": 1500}), heard(980, 2000, "b", 2500)],
        # Its last words are recognised after the end.
        [started(100), ended(2500), heard(100, 2400, "bye", 2900)],
        # Two agents' utterances, recognised in the wrong order.
        [started(100), started(900), heard(900, 1500, "b", 2000), heard(100, 800, "a", 2100)],
        # Recognised without ever having begun.
        [says(3000, "x"), heard(2000, 2500, "early", 3100), ended(3300)],
        # Never recognised: nothing that follows may be lost.
        [started(100), says(3000, "x"), cleared(3100), ended(4000)],
        [("gap", {"at_ms": 500.0}), started(450), heard(450, 900, "a", 1300)],
        [],
    ],
)
def test_what_is_printed_is_in_order_and_nothing_is_lost(events: list[Event]) -> None:
    out = io.StringIO()
    report = ConsoleReport(out)
    for kind, facts in events:
        report.event(kind, **facts)
    report.report(Verdict())

    talk = out.getvalue().partition("Latency")[0]
    times = [float(at) for at in re.findall(r"^ +([0-9.]+) s", talk, re.MULTILINE)]
    lines = sum(kind not in ("agent_started", "step") for kind, _ in events)
    assert times == sorted(times)
    assert len(times) == lines


def written(lines: list[str], *steps: tuple[str, float, str]) -> list[str]:
    line = TimeLine(lines.append)
    for act, at, text in steps:
        if act == "begin":
            line.begin(at)
        elif act == "add":
            line.add(at, text)
        else:
            line.pass_to(at)
    return lines


def test_a_line_waits_only_as_long_as_something_earlier_may_come() -> None:
    assert written([], ("add", 1000, "a"), ("pass", 1000 + SETTLED_MS - 1, "")) == []
    assert written([], ("add", 1000, "a"), ("pass", 1000 + SETTLED_MS, "")) == ["a"]


def test_what_comes_later_waits_for_words_that_are_not_known_yet() -> None:
    steps = [("begin", 1000.0, ""), ("add", 2000.0, "b"), ("pass", 9000.0, "")]

    assert written([], *steps) == []
    assert written([], *steps, ("add", 1000.0, "a")) == ["a", "b"]


def test_only_so_many_lines_wait() -> None:
    steps = [("begin", 1.0, ""), *(("add", 10.0 + n, str(n)) for n in range(MAX_HELD + 5))]

    assert written([], *steps) == [str(n) for n in range(5)]


def test_another_call_begins_at_nought_again() -> None:
    lines: list[str] = []
    line = TimeLine(lines.append)
    line.begin(500)
    line.add(60_000, "the end")
    line.finish()
    line.begin(100)
    line.add(200, "b")
    line.pass_to(9000)
    line.add(100, "a")

    assert lines == ["the end", "a", "b"]
