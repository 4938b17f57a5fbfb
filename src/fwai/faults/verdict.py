"""Judges a call against the bounds of its row."""

from dataclasses import asdict, dataclass
from typing import Any

from fwai.faults.call import CallTrace
from fwai.faults.measures import Measures, measure
from fwai.faults.row import Bounds


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a row came out.

    Attributes:
        problems: What does not hold, in words; empty when the row does.
    """

    name: str
    group: str
    measures: Measures
    problems: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether everything is within bounds."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """Return it for a JSON document."""
        return {
            "name": self.name,
            "group": self.group,
            "holds": self.holds,
            "problems": list(self.problems),
            **asdict(self.measures),
        }


def judge(trace: CallTrace) -> Verdict:
    """Judge a call that is over."""
    measures, bounds, row = measure(trace), trace.plan.bounds, trace.plan.row
    problems = [*_too_long(measures, bounds), *_wrong(measures, bounds)]
    if trace.caller.gave_up:
        problems.append("the caller gave up")
    if trace.broke:
        problems.append(f"broke: {trace.broke}")
    if trace.tasks_left:
        problems.append(f"tasks left: {', '.join(trace.tasks_left)}")
    if measures.ended == "transferred" and not trace.fallback.transfers:
        problems.append("transferred to nobody")
    return Verdict(row.name, row.group, measures, tuple(problems))


_LIMITS = {
    "gap_ms": "gap in an answer",
    "owed_ms": "owed silence",
    "next_ms": "silence after a sentence",
    "answer_ms": "answer late",
    "barge_ms": "heard on after a barge-in",
    "connections": "connections",
    "hang_up_ms": "hang-up late",
    "unheard": "unheard words written",
    "steps": "watchdog steps",
}


def _too_long(measures: Measures, bounds: Bounds) -> list[str]:
    found = []
    for name, what in _LIMITS.items():
        limit, value = getattr(bounds, name), getattr(measures, name)
        if limit is not None and value > limit:
            unit = " ms" if name.endswith("_ms") else ""
            found.append(f"{what} {value:g}{unit} (at most {limit:g})")
    return found


def _wrong(measures: Measures, bounds: Bounds) -> list[str]:
    found = []
    if bounds.ends is not None and measures.ended not in bounds.ends:
        found.append(f"ended {measures.ended} (not {' or '.join(bounds.ends)})")
    if bounds.words_lost is not None and len(measures.words_lost) > bounds.words_lost:
        found.append(f"words lost: {' '.join(measures.words_lost)}")
    if bounds.lost_clips is not None and len(measures.lost_clips) > bounds.lost_clips:
        found.append(f"never reached the model: {', '.join(measures.lost_clips)}")
    if measures.lost:
        found.append(f"effects lost: {_counts(measures.lost)}")
    if measures.doubled:
        found.append(f"effects doubled: {_counts(measures.doubled)}")
    if measures.greetings > 1:
        found.append(f"greeted {measures.greetings} times")
    if bounds.told and not measures.told:
        found.append("nothing told")
    if bounds.said and not set(bounds.said) & set(measures.said):
        found.append(f"not said: {' or '.join(bounds.said)}")
    return found


def _counts(items: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(items.items()))
