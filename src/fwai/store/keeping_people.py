"""Forgets what is known of people once it is too old: promises, demos, memories, permissions.

Who did what to them goes with it.

What still stands stays whatever its age; so does that somebody must not be called.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import RowMapping, Table, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fwai.domain.callback import CallbackState
from fwai.domain.contact import read_entry
from fwai.domain.keeping import Removed
from fwai.store.call_permissions import stored_permission
from fwai.store.database import Database
from fwai.store.job_tables import audit, bookings, callbacks, contacts, standings
from fwai.store.portions import PORTION, delete_portions, rest_after

_CALLBACKS_OVER: Final = callbacks.c.state.in_(
    sorted(state.value for state in CallbackState if state.final)
)


class KeepingPeople:
    """Forgets what is old enough."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def expire(
        self, end: datetime, now: datetime, removed: Removed, is_over: Callable[[], bool]
    ) -> None:
        """Forget what is from ``end`` or before, until ``is_over``; adds to ``removed``.

        Raises:
            StoreError: The database failed; running again goes on from there.
        """
        over = _CALLBACKS_OVER & (callbacks.c.written_at <= end) & (callbacks.c.due_at <= end)
        removed.callbacks += await delete_portions(self._database, callbacks, over)
        # None is longer than a day, which is the least that anything is kept: it is over.
        begun = bookings.c.starts_at <= end
        removed.bookings += await delete_portions(self._database, bookings, begun)
        removed.audit += await delete_portions(self._database, audit, audit.c.at <= end)

        async def forget_memories(connection: AsyncConnection, row: RowMapping) -> None:
            memory = [entry for entry in row["memory"] if read_entry(entry).at > end]
            here = contacts.c.phone == row["phone"]
            if not memory and not row["do_not_call"] and row["written_at"] <= end:
                await connection.execute(delete(contacts).where(here))
                removed.contacts += 1
            elif len(memory) < len(row["memory"]):
                await connection.execute(update(contacts).where(here).values(memory=memory))
            removed.memories += len(row["memory"]) - len(memory)

        def is_old(row: RowMapping) -> bool:
            empty = not row["memory"] and not row["do_not_call"] and row["written_at"] <= end
            return empty or any(read_entry(entry).at <= end for entry in row["memory"])

        async def forget_permission(connection: AsyncConnection, row: RowMapping) -> None:
            await connection.execute(delete(standings).where(standings.c.user == row["user"]))
            removed.permissions += 1

        def is_silent(row: RowMapping) -> bool:
            known = stored_permission(row)
            times = (known.user_at, known.checked_at, known.expires_at, *known.asked_at)
            return not known.may_call(now.timestamp()) and max(times) <= end.timestamp()

        await self._each(contacts, is_old, forget_memories, is_over)
        await self._each(standings, is_silent, forget_permission, is_over)

    async def _each(
        self,
        table: Table,
        chosen: Callable[[RowMapping], bool],
        change: Callable[[AsyncConnection, RowMapping], Awaitable[None]],
        is_over: Callable[[], bool],
    ) -> None:
        """Change the rows that are chosen, as they are when nobody else can change them."""
        (key,) = table.primary_key.columns
        async for rows in self._rows(table):
            if is_over():
                return
            names = [row[key.name] for row in rows if chosen(row)]
            if not names:
                continue
            began = time.monotonic()
            async with self._database.change() as connection:
                query = select(table).where(key.in_(names)).with_for_update()
                for row in (await connection.execute(query)).mappings().all():
                    if chosen(row):
                        await change(connection, row)
            await rest_after(began)

    async def _rows(self, table: Table) -> AsyncIterator[Sequence[RowMapping]]:
        (key,) = table.primary_key.columns
        query = select(table).order_by(key).limit(PORTION)
        last = None
        while True:
            further = query if last is None else query.where(key > last)
            async with self._database.read() as connection:
                rows = (await connection.execute(further)).mappings().all()
            if not rows:
                return
            yield rows
            last = rows[-1][key.name]
