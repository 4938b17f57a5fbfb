"""Failures that the process has seen and not seen mended."""

from typing import Protocol

from fwai.domain.failure import Area, Trouble


class Failures(Protocol):
    """Hears of failures and of their mending. No method blocks or raises."""

    def seen(self, trouble: Trouble) -> None:
        """Something is wrong; saying it again only counts it."""
        ...

    def mended(self, area: Area, what: str) -> None:
        """It works, as it may have done all the time; cheap enough to be said after each use."""
        ...
