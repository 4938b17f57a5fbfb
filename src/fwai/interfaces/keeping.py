"""What removes old things needs of the store. Every coroutine raises ``StoreError``."""

from datetime import datetime
from typing import Protocol

from fwai.domain.keeping import Removed


class Expiry(Protocol):
    """Removes what its owner does not want to keep any longer."""

    async def words_end(self, now: datetime) -> datetime | None:
        """Return up to when words are too old at ``now``; None when they are kept for ever."""
        ...

    async def expire(self, now: datetime, within_s: float) -> Removed:
        """Remove what is too old at ``now``, for so long, and return how much is gone."""
        ...


class TimeWitness(Protocol):
    """Knows of the time from elsewhere than this machine's clock."""

    @property
    def newest(self) -> datetime | None:
        """The newest time that was written before this process wrote; None when nothing was."""
        ...

    async def now(self) -> datetime | None:
        """Return the time now; None when it cannot be known."""
        ...
