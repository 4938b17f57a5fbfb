"""The one task that writes turns and tool calls to the database, many rows in a transaction.

Theory of operation: ``add`` only appends to a bounded list. ``run`` writes it when the oldest row
is a second old or 200 rows wait. A batch that fails for a reason that can pass (locked, disk
full, server away) stays and is tried again with growing pauses; inserting a row twice does
nothing, so an answer that was lost does no harm. What is no fault of the database or of the way to
it is the row's: a driver refuses half a character with an error of its own. A row whose call is not
kept yet (the database was away when the call began) waits for it, up to `ORPHAN_S`. A row that can
never be written is dropped alone and counted. Above 10 000 rows new ones are dropped and counted:
the transcript files have them anyway.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any

import structlog
from sqlalchemy import Table
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from fwai.store.database import Database, insert_into
from fwai.store.database_errors import cause_of, is_fault_of_row
from fwai.store.database_watch import ROWS

FLUSH_S = 1.0
FLUSH_ROWS = 200
CHUNK_ROWS = 500
MAX_ROWS = 10_000
STOP_S = 10.0
RETRY_MAX_S = 30.0
ORPHAN_S = 900.0
ORPHAN_RETRY_S = 3.0

Row = Mapping[str, Any]

_log = structlog.get_logger()


class BatchWriter:
    """Inserts rows in batches; ``run`` is its one task.

    Args:
        flush_s: How old the oldest row may become before it is written.
        max_rows: Above it new rows are dropped and counted.
        on_written: Told the tables of each batch that was committed; must not block.

    Attributes:
        dropped_rows: Rows that were never written, since the start.
    """

    def __init__(
        self,
        database: Database,
        *,
        flush_s: float = FLUSH_S,
        max_rows: int = MAX_ROWS,
        on_written: Callable[[frozenset[str]], None] = lambda _: None,
    ) -> None:
        self.dropped_rows = 0
        self._on_written = on_written
        self._database = database
        self._flush_s = flush_s
        self._max_rows = max_rows
        self._rows: list[tuple[Table, Row]] = []
        self._orphans: deque[tuple[Table, Row, float]] = deque()  # with when they are given up
        self._orphans_due = 0.0
        self._writing = asyncio.Lock()
        self._wake_event = asyncio.Event()
        self._many = asyncio.Event()
        self._stopping = False
        self._dropping = False
        self._failing = False

    def add(self, table: Table, row: Row) -> None:
        """Accept a row; never blocks, drops it when too many wait."""
        if len(self._rows) >= self._max_rows:
            self.dropped_rows += 1
            if not self._dropping:
                self._dropping = True
                _log.error("database_rows_dropped", pending=len(self._rows))
            return
        self._rows.append((table, row))
        self._wake_event.set()
        if len(self._rows) >= FLUSH_ROWS and not self._failing:
            self._many.set()

    def orphans_are_due(self) -> None:
        """Try the rows that wait for their call with the next flush: a call was just kept."""
        self._orphans_due = 0.0

    async def run(self) -> None:
        """Write batches until ``stop``; what is left when cancelled is written first."""
        pause = self._flush_s
        try:
            while not self._stopping:
                await self._until_there_is_work()
                await self._linger(pause)
                if await self.flush():
                    pause = self._flush_s
                else:
                    pause = min(max(pause, FLUSH_S) * 2, RETRY_MAX_S)
        finally:
            await self._finish()

    def stop(self) -> None:
        """Let ``run`` write the rest and return."""
        self._stopping = True
        self._wake_event.set()
        self._many.set()

    async def flush(self) -> bool:
        """Write what is pending now; False when the database failed and the rows are kept."""
        async with self._writing:
            await self._adopt()
            while self._rows:
                if not await self._write_chunk():
                    return False
            if not self._stopping:
                self._wake_event.clear()
                self._many.clear()
            return True

    async def _until_there_is_work(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(ORPHAN_RETRY_S if self._orphans else None):
                await self._wake_event.wait()

    async def _linger(self, pause: float) -> None:
        if self._failing and not self._stopping:
            self._many.clear()  # the number of rows is no reason to hurry now
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._many.wait()

    async def _finish(self) -> None:
        try:
            async with asyncio.timeout(STOP_S):
                await self.flush()
        except TimeoutError:
            pass
        left = len(self._rows) + len(self._orphans)
        if left:
            _log.error("database_rows_lost", rows=left)

    async def _write_chunk(self) -> bool:
        chunk = self._rows[:CHUNK_ROWS]
        try:
            async with self._database.engine.begin() as connection:
                await _insert(connection, chunk)
        except Exception as exc:  # noqa: BLE001 - one row's fault must not stop the others
            if not is_fault_of_row(exc):
                self._report(exc)
                return False
            return await self._write_singly(chunk)
        del self._rows[: len(chunk)]
        self._report(None)
        self._on_written(frozenset(table.name for table, _ in chunk))
        return True

    async def _adopt(self) -> None:
        """Try again the rows whose call was not kept yet."""
        now = asyncio.get_running_loop().time()
        if now < self._orphans_due:
            return
        waiting: list[tuple[Table, Row, float]] = []
        try:
            while self._orphans:
                table, row, until = self._orphans[0]
                refused = await self._write_one((table, row))
                orphan = self._orphans.popleft()  # only now: a cancelled try loses nothing
                if refused is None:
                    continue
                if now < until and (_no_call_yet(refused) or not is_fault_of_row(refused)):
                    waiting.append(orphan)
                    if not is_fault_of_row(refused):
                        break  # it is the database's fault: the others would fail, too
                    continue
                self.dropped_rows += 1
                _log.error("database_rows_refused", orphans=1)
        finally:
            self._orphans.extendleft(reversed(waiting))
            self._orphans_due = now + ORPHAN_RETRY_S if self._orphans else 0.0

    async def _write_one(self, entry: tuple[Table, Row]) -> Exception | None:
        """Write one row; return why it was not."""
        try:
            async with self._database.engine.begin() as connection:
                await _insert(connection, [entry])
        except Exception as exc:  # noqa: BLE001 - one row's fault must not stop the others
            return exc
        return None

    async def _write_singly(self, chunk: Sequence[tuple[Table, Row]]) -> bool:
        """Write row by row, to lose only the one that cannot be written."""
        refused = Counter[str]()
        for entry in chunk:
            exc = await self._write_one(entry)
            if exc is not None and not is_fault_of_row(exc):
                self._report(exc)
                return False
            if exc is not None and _no_call_yet(exc) and len(self._orphans) < self._max_rows:
                self._orphans.append((*entry, asyncio.get_running_loop().time() + ORPHAN_S))
            elif exc is not None:
                refused[type(exc).__name__] += 1
            del self._rows[0]
        self.dropped_rows += refused.total()
        if refused:
            _log.error("database_rows_refused", **refused)
        self._report(None)
        return True

    def _report(self, exc: BaseException | None) -> None:
        if exc is not None and not self._failing:
            _log.error("database_write_failed", cause=type(cause_of(exc)).__name__)
        elif exc is None and self._failing:
            _log.warning("database_writes_resumed", dropped_rows=self.dropped_rows)
            self._dropping = False
        self._failing = exc is not None
        watch = self._database.watch
        if watch is not None and exc is not None:
            watch.failed(exc, ROWS)
        elif watch is not None:
            watch.worked(ROWS)


def _no_call_yet(exc: BaseException) -> bool:
    """Whether the row of the call is missing that this row belongs to."""
    if not isinstance(exc, IntegrityError):
        return False
    state = getattr(exc.orig, "sqlstate", None)  # PostgreSQL's code; SQLite has only words
    return state == "23503" or "FOREIGN KEY" in str(exc.orig)


async def _insert(connection: AsyncConnection, entries: Sequence[tuple[Table, Row]]) -> None:
    by_table = sorted(entries, key=lambda entry: entry[0].name)
    for _, group in groupby(by_table, key=lambda entry: entry[0].name):
        rows = list(group)
        insert = insert_into(connection.dialect.name, rows[0][0])
        statement = insert.on_conflict_do_nothing()
        await connection.execute(statement, [dict(row) for _, row in rows])
