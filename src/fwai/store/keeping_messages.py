"""Removes voice messages whose time is over: like recordings, and never later than their call."""

import asyncio
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import ColumnElement, func, select

from fwai.domain.call import FINAL_STATES
from fwai.domain.keeping import KeepTime, Removed
from fwai.store import kept_files, voice_messages
from fwai.store.database import Database
from fwai.store.tables import calls

PORTION: Final = 200  # calls that one query asks for
PARTS_AFTER: Final = timedelta(days=1)
_KIND: Final = "voice messages"
_FINAL: Final = frozenset(state.value for state in FINAL_STATES)
_ended: Final[ColumnElement[datetime]] = func.coalesce(calls.c.ended_at, calls.c.written_at)

_log = structlog.get_logger()


class KeepingMessages:
    """Removes what is old enough, of one folder.

    Args:
        folder: None is none.
    """

    def __init__(self, database: Database, folder: Path | None) -> None:
        self._database = database
        self._folder = folder

    async def expire(
        self, keep: KeepTime, now: datetime, removed: Removed, is_over: Callable[[], bool]
    ) -> None:
        """Remove what is too old at ``now``, until ``is_over``; count it.

        A message is as old as its call, which stays while it goes on; one whose call is not known
        is as old as its file.

        Raises:
            StoreError: The database failed; running again goes on from there.
        """
        end = keep.end(now)
        try:
            parts_before = (now - PARTS_AFTER).timestamp()
            await asyncio.to_thread(voice_messages.remove_parts, self._folder, parts_before)
            found = await asyncio.to_thread(voice_messages.written_at, self._folder)
        except OSError as exc:
            removed.failed += 1
            _log.error("old_files_unreadable", folder=_KIND, cause=kept_files.cause_of(exc))
            return
        if end is None:
            return
        first = 0.0 if keep.not_before is None else keep.not_before.timestamp()
        for ids in kept_files.portions(list(found), PORTION):
            if is_over():
                return
            known = await self._known(ids, end)
            unknown = (one for one in ids if one not in known)
            old = {one for one in unknown if first <= found[one] <= end.timestamp()}
            await self.remove(old | {one for one, is_old in known.items() if is_old}, removed)

    async def remove(self, call_ids: Collection[str], removed: Removed) -> frozenset[str]:
        """Remove the messages of calls and count them; return the calls whose message stays."""
        if not call_ids:
            return frozenset()
        count = await asyncio.to_thread(voice_messages.remove, self._folder, sorted(call_ids))
        removed.recordings += count.files
        removed.bytes += count.bytes
        if count.stay:
            removed.failed += len(count.stay)
            _log.error("old_files_stay", folder=_KIND, files=len(count.stay), cause=count.cause)
        return count.stay

    async def _known(self, ids: Collection[str], end: datetime) -> dict[str, bool]:
        """Return which calls are known, and whether each was over by ``end``."""
        query = select(calls.c.id, calls.c.state, _ended.label("ended")).where(calls.c.id.in_(ids))
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return {row.id: row.state in _FINAL and row.ended <= end for row in rows}
