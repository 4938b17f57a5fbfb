"""Puts the lines of a call in order of time: what the agent said is known only once it was said."""

from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

SETTLED_MS: Final = 300.0  # how much later than another thing an earlier one may be told
MAX_HELD: Final = 200


@dataclass(order=True, slots=True)
class _Line:
    at_ms: float
    number: int
    text: str | None = field(compare=False)  # None: it is not known yet


class TimeLine:
    """Holds lines back until nothing earlier can come; at most `MAX_HELD` of them.

    Args:
        write: Takes each line, in order of its time.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._held: list[_Line] = []
        self._count = 0
        self._now_ms = 0.0

    def begin(self, at_ms: float) -> None:
        """Keep the place of a line whose words come later; later ones wait for it."""
        self._hold(at_ms, None)

    def add(self, at_ms: float, text: str) -> None:
        """Add a line, in the place that was kept for this time if there is one."""
        kept = next((one for one in self._held if one.text is None and one.at_ms == at_ms), None)
        if kept is None:
            self._hold(at_ms, text)
        else:
            kept.text = text
            self._write_settled()

    def pass_to(self, at_ms: float) -> None:
        """Note that it is at least so late by now."""
        self._now_ms = max(self._now_ms, at_ms)
        self._write_settled()

    def finish(self) -> None:
        """Write all that is left, without places that were kept in vain; another call may begin."""
        for line in self._held:
            if line.text is not None:
                self._write(line.text)
        self._held.clear()
        self._now_ms = 0.0

    def _hold(self, at_ms: float, text: str | None) -> None:
        self._count += 1
        insort(self._held, _Line(at_ms, self._count, text))
        self._write_settled()

    def _write_settled(self) -> None:
        while self._held and self._is_settled(self._held[0]):
            line = self._held.pop(0)
            if line.text is not None:
                self._write(line.text)

    def _is_settled(self, line: _Line) -> bool:
        if len(self._held) > MAX_HELD:
            return True
        return line.text is not None and line.at_ms <= self._now_ms - SETTLED_MS
