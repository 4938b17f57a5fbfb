"""What is kept of users: permission to call them and when they were last heard.

Webhooks must be answered at once, so what they change goes through a bounded queue to one worker:
the order is kept and the database is never waited for.
"""

import asyncio
from typing import Final

import structlog

from fwai.domain.call_permission import CallPermission
from fwai.errors import StoreError
from fwai.interfaces.store import CallPermissionChange, CallPermissionStore

MAX_WAITING: Final = 2_000


_log = structlog.get_logger()


class PermissionUpdates:
    """Applies what webhooks say, in order, without making them wait."""

    def __init__(self, store: CallPermissionStore) -> None:
        self._store = store
        self._waiting: asyncio.Queue[tuple[str, CallPermissionChange]] = asyncio.Queue(MAX_WAITING)

    def note(self, user: str, change: CallPermissionChange) -> None:
        """Have ``change`` applied soon; never waits, and drops it when too many wait."""
        if not user:
            return
        try:
            self._waiting.put_nowait((user, change))
        except asyncio.QueueFull:
            _log.warning("whatsapp_contact_not_kept", reason="too many wait")

    async def load(self, user: str) -> CallPermission:
        """Return what is kept of a user.

        Raises:
            StoreError: It cannot be read.
        """
        return await self._store.load(user)

    async def change(self, user: str, change: CallPermissionChange) -> CallPermission:
        """Apply ``change`` now.

        Raises:
            StoreError: It cannot be written.
        """
        return await self._store.change(user, change)

    async def run(self) -> None:
        """Apply what waits; to be run for the server's life."""
        while True:
            user, change = await self._waiting.get()
            try:
                await self._store.change(user, change)
            except StoreError as exc:
                _log.error("whatsapp_contact_not_kept", reason=str(exc))
            finally:
                self._waiting.task_done()

    async def settled(self) -> None:
        """Wait until nothing waits; for tests and for the end of the server."""
        await self._waiting.join()
