"""What is said of a call that does not keep its row's bounds."""

from types import SimpleNamespace
from typing import Any

import pytest

from fwai.faults import verdict
from fwai.faults.measures import Measures
from fwai.faults.row import Bounds

ROW = SimpleNamespace(name="a row", group="close")
WIDE = Bounds()


def trace(bounds: Bounds, **facts: object) -> Any:  # noqa: ANN401 - as much of a trace as is judged
    parts: dict[str, object] = {
        "plan": SimpleNamespace(bounds=bounds, row=ROW),
        "caller": SimpleNamespace(gave_up=False),
        "fallback": SimpleNamespace(transfers=[]),
        "broke": "",
        "tasks_left": [],
    }
    return SimpleNamespace(**parts | facts)


@pytest.mark.parametrize(
    ("measures", "bounds", "problem"),
    [
        (Measures(owed_ms=2001), Bounds(owed_ms=2000), "owed silence 2001 ms (at most 2000)"),
        (Measures(connections=3), Bounds(connections=2), "connections 3 (at most 2)"),
        (Measures(ended="silence"), Bounds(ends=("a", "b")), "ended silence (not a or b)"),
        (Measures(words_lost=["to", "you"]), Bounds(words_lost=1), "words lost: to you"),
        (Measures(lost_clips=["x", "y"]), Bounds(lost_clips=1), "never reached the model: x, y"),
        (Measures(lost={"b": 2, "a": 1}), WIDE, "effects lost: a 1, b 2"),
        (Measures(doubled={"a": 1}), WIDE, "effects doubled: a 1"),
        (Measures(greetings=2), WIDE, "greeted 2 times"),
        (Measures(), Bounds(told=True), "nothing told"),
        (Measures(said=["one_moment"]), Bounds(said=("apology",)), "not said: apology"),
        (Measures(ended="transferred"), WIDE, "transferred to nobody"),
    ],
)
def test_each_bound_that_is_not_kept_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, measures: Measures, bounds: Bounds, problem: str
) -> None:
    monkeypatch.setattr(verdict, "measure", lambda _: measures)

    found = verdict.judge(trace(bounds))

    assert found.problems == (problem,)
    assert not found.holds


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ({"caller": SimpleNamespace(gave_up=True)}, "the caller gave up"),
        ({"broke": "ValueError()"}, "broke: ValueError()"),
        ({"tasks_left": ["a", "b"]}, "tasks left: a, b"),
    ],
)
def test_a_call_that_breaks_has_not_held(
    monkeypatch: pytest.MonkeyPatch, facts: dict[str, object], problem: str
) -> None:
    monkeypatch.setattr(verdict, "measure", lambda _: Measures())

    assert verdict.judge(trace(WIDE, **facts)).problems == (problem,)


def test_a_call_within_its_bounds_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Measures(owed_ms=2000, said=["apology"], told=["x"], ended="transferred")
    monkeypatch.setattr(verdict, "measure", lambda _: kept)
    bounds = Bounds(owed_ms=2000, said=("apology",), told=True, ends=("transferred",))

    found = verdict.judge(trace(bounds, fallback=SimpleNamespace(transfers=["call-1"])))

    assert found.holds
    assert found.as_json()["problems"] == []
