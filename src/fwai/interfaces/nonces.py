"""Which signed requests were taken: their nonces, and hashes of what they said."""

from collections.abc import Coroutine
from datetime import datetime
from typing import Any, Protocol, TypeVar

ValueT = TypeVar("ValueT")


class NonceLog(Protocol):
    """Nonces of signed requests, known to every process and after a restart."""

    async def first(self, nonce: str, content: str) -> str:
        """Return the hash of the first request with this nonce; ``content`` if this is the first.

        Args:
            nonce: A hash of it and of its kind; 64 characters.
            content: A hash of what the request says; 64 characters.

        Raises:
            StoreError: The database failed.
        """
        ...


class NoncePurge(Protocol):
    """What housekeeping needs of the nonces."""

    async def purge(self, before: datetime) -> int:
        """Forget those from before a time, and the oldest of too many; return how many."""
        ...


class BoundedWaits(Protocol):
    """Waits for work only so long."""

    async def within(self, work: Coroutine[Any, Any, ValueT], seconds: float) -> ValueT:
        """Return what ``work`` returns, or raise what it raises.

        Raises:
            TimeoutError: It was not done in time.
        """
        ...
