"""Gaps in the sound of a conversation held in real time: the one fault that may be the machine's.

A machine that stops for half a second in the middle of a call makes its caller hear a gap that is
not the server's. A test that fails with `SoundGap` and with nothing else is therefore run again
(`conftest.py`), and every such run is reported; any other failure stands at once.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from fwai.simulator.common.caller import CallReport

_GAPS = re.compile(r"\d+ gaps? in the agent's speech")
# What a gap does to the speech it is in, where the caller complains of one as well.
_TORN = re.compile(r"what was heard at \d+ ms was not intelligible|.* was cut off after \d+ ms")


class SoundGap(AssertionError):  # noqa: N818 - it is what was heard
    """Sound came late or with a hole in it."""


def is_gap(error: BaseException | None) -> bool:
    """Say whether nothing but gaps made a test fail; of a task group, every one of its errors."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_gap, error.exceptions))
    return isinstance(error, SoundGap)


@contextmanager
def on_time() -> Iterator[None]:
    """Make what is asserted inside count as sound that must be whole and on time."""
    try:
        yield
    except AssertionError as exc:
        raise SoundGap(str(exc)) from exc


def besides_gaps(problems: Sequence[str]) -> list[str]:
    """Return what a caller complains of that no gap explains."""
    if not any(map(_GAPS.match, problems)):
        return list(problems)
    return [one for one in problems if not (_GAPS.match(one) or _TORN.fullmatch(one))]


def assert_no_problems(problems: Sequence[str]) -> None:
    """Fail with what a caller complains of; with `SoundGap` if that is gaps only."""
    if others := besides_gaps(problems):
        raise AssertionError("; ".join(others))
    if problems:
        raise SoundGap("; ".join(problems))


def assert_satisfied(report: CallReport) -> None:
    """Fail unless the caller is satisfied; with `SoundGap` if only gaps are complained of."""
    assert_no_problems(report.problems)
