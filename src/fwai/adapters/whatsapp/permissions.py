"""Stores call permissions, with a write queue for webhooks.

Webhooks must be answered at once, so their changes go through a bounded queue to one worker, in
order and without waiting for the database.
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
    """Applies permission changes in order, without making webhooks wait."""

    def __init__(self, store: CallPermissionStore) -> None:
        self._store = store
        self._queue: asyncio.Queue[tuple[str, CallPermissionChange]] = asyncio.Queue(MAX_WAITING)

    def enqueue(self, user: str, change: CallPermissionChange) -> None:
        """Enqueue ``change``; never waits, and drops it when the queue is full."""
        if not user:
            return
        try:
            self._queue.put_nowait((user, change))
        except asyncio.QueueFull:
            _log.warning("whatsapp_contact_not_kept", reason="too many wait")

    async def load(self, user: str) -> CallPermission:
        """Load a user's permission.

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
        """Apply enqueued changes; runs for the server's life."""
        while True:
            user, change = await self._queue.get()
            try:
                await self._store.change(user, change)
            except StoreError as exc:
                _log.error("whatsapp_contact_not_kept", reason=str(exc))
            except Exception as exc:  # noqa: BLE001 - one contact's fault must not stop the others
                _log.exception("whatsapp_contact_broken", error=type(exc).__name__)
            finally:
                self._queue.task_done()

    async def wait_until_applied(self) -> None:
        """Wait until the queue is empty; for tests and for shutdown."""
        await self._queue.join()
