"""Limits that were reached, for whoever is to hear of them."""

from typing import Final, Protocol


class LimitAlarms(Protocol):
    """Hears of limits that were reached. No method blocks or raises."""

    def reached(self, limit: str, most: int) -> None:
        """A limit was reached, and something was refused or put off.

        Args:
            limit: Name of its setting.
            most: How much there may be.
        """
        ...


class _Unheard:
    """Implements ``LimitAlarms`` for nobody."""

    def reached(self, limit: str, most: int) -> None:
        """Tell nobody."""


UNHEARD: Final[LimitAlarms] = _Unheard()
