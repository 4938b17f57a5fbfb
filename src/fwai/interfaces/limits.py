"""Limits that were reached, for whoever is to hear of them."""

from typing import Final, Protocol

from fwai.domain.quota import Quota


class LimitAlarms(Protocol):
    """Hears of limits that were reached. No method blocks or raises."""

    def reached(self, limit: str, most: int) -> None:
        """A limit was reached, and something was refused or put off.

        Args:
            limit: Name of its setting.
            most: How much there may be.
        """
        ...


class DailyLimitAlarms(Protocol):
    """Hears of daily limits that are reached. No method blocks or raises."""

    def used_up(self, quota: Quota, day: str) -> None:
        """A daily limit of the whole installation is reached; told once that day, however often.

        Args:
            quota: The limit.
            day: ISO 8601.
        """
        ...


class _Unheard:
    """Implements ``LimitAlarms`` and ``DailyLimitAlarms`` for nobody."""

    def reached(self, limit: str, most: int) -> None:
        """Tell nobody."""

    def used_up(self, quota: Quota, day: str) -> None:
        """Tell nobody."""


UNHEARD: Final = _Unheard()
