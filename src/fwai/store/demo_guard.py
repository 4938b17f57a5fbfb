"""Whose world a database holds: one that a demo wrote to is never the business's, nor the reverse.

Theory of operation. The first server that opens a database writes into ``installation`` whether it
is a demo's. Every row says it as well (`tables.demo_column`), so that rows which were copied into
another database are found there. Whoever finds the other side's mark refuses to start: a simulated
promise would otherwise be kept by calling a real person. The second lock is `Jobs.lease`.
"""

from typing import Final

from sqlalchemy import ColumnElement, Table, false, literal, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from fwai.domain.call import CallId, CallState, Direction
from fwai.domain.callback import CallbackState
from fwai.errors import StoreError
from fwai.store.database import Database
from fwai.store.installation import Installation
from fwai.store.job_tables import callbacks, metadata
from fwai.store.tables import calls

DEMO: Final = "demo"
"""Name in ``installation`` of whether the database is a demo's."""

MARKED: Final = tuple(table for table in metadata.sorted_tables if "demo" in table.c)

_WAITS: Final = (CallState.QUEUED.value, CallState.SCHEDULED.value)
_OPEN: Final = tuple(state.value for state in CallbackState if not state.final)


async def claim(database: Database) -> None:
    """Take a database for the side that opened it, or find that it is its own already.

    Raises:
        StoreError: It is the other side's, or holds rows of it; the text names the fix.
    """
    installation = Installation(database)
    async with database.read() as connection:
        foreign = [table.name for table in MARKED if await _holds(connection, table, database)]
    # Whoever finds rows of the other side takes nothing, or those who own them were locked out.
    known = installation.get(DEMO) if foreign else installation.get_or_put(DEMO, database.demo)
    owner = await known
    if owner is database.demo and not foreign:
        return
    rows = f", rows in {', '.join(foreign)}" if foreign else ""
    if database.demo:
        raise StoreError(
            f"database {database.place} is the business's{rows}; a demo keeps to a database of its"
            " own: give it another folder"
        )
    fix = "move it away, or set DATABASE_URL to a database that no demo has used"
    if owner is False:
        fix = "they were copied here: DELETE FROM each of these tables WHERE demo"
    raise StoreError(
        f"database {database.place} holds what a demo simulated{rows}, and a server with real"
        f" calls acts on none of it; {fix}"
    )


class OlderDemo:
    """What the demo mode of version 1.0.0 and before left among the business's own rows.

    It wrote into the configured database and marked nothing. A call over the demo's number can be
    told all the same, where that number is not one of ours, and so can a promise made in one.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def waiting_calls(self, line: str) -> list[CallId]:
        """Return the calls that wait to be dialled from a line of the demo's.

        Raises:
            StoreError: The database failed.
        """
        here = (calls.c.line == line) & (calls.c.direction == Direction.OUTBOUND.value)
        query = select(calls.c.id).where(calls.c.state.in_(_WAITS), here)
        async with self._database.read() as connection:
            return [CallId(found) for found in await connection.scalars(query)]

    async def open_callbacks(self, line: str) -> list[str]:
        """Return the ids of callbacks that were promised in calls over a line of the demo's.

        Raises:
            StoreError: The database failed.
        """
        both = callbacks.join(calls, calls.c.id == callbacks.c.source_call_id)
        here = callbacks.c.state.in_(_OPEN) & (calls.c.line == line)
        query = select(callbacks.c.id).select_from(both).where(here)
        async with self._database.read() as connection:
            return list(await connection.scalars(query))


async def _holds(connection: AsyncConnection, table: Table, database: Database) -> bool:
    """Whether a table has a row of the other side."""
    side: ColumnElement[bool] = table.c.demo.is_(false() if database.demo else true())
    query = select(literal(1)).select_from(table).where(side).limit(1)
    return await connection.scalar(query) is not None
