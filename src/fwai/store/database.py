"""The database by URL: its engine, SQLite's settings, and what its failures mean to an operator."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import structlog
from sqlalchemy import Table, event, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util.concurrency import in_greenlet

from fwai.errors import StoreError
from fwai.store.database_errors import store_error
from fwai.store.database_url import (
    COMMAND_S,
    CONNECT_S,
    DatabaseUrl,
    parse_url,
    place_of,
    sqlite_file,
)
from fwai.store.database_watch import DatabaseWatch
from fwai.store.folders import make_folder
from fwai.store.storable import storable_json, storable_values
from fwai.store.tables import DEMO_OPTION

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

BUSY_TIMEOUT_MS = 5000
POOL_SIZE = 2
FILE_MODE = 0o640
WAL_TRIES = 50
WAL_RETRY_S = 0.1
WAL_LIMIT_BYTES = 16 * 1024 * 1024
EMPTY_TRIES = 5
EMPTY_WAIT_MS = 200
EMPTY_RETRY_S = 0.3
CHECKPOINT_WRITES = 200
CHECKPOINT_PAGES = 8_000  # 32 MB: where nobody moves the log in time, a commit does
_log = structlog.get_logger()


class Database:
    """The engine and the one name an operator knows the database by.

    Args:
        url: What ``DATABASE_URL`` says.
        command_s: The longest a statement may take, in seconds; PostgreSQL only.
        pool_size: Connections that are kept; PostgreSQL only.
        demo: Whether every row that is written is marked as a demo's.
        watch: Hears whether it takes what is written, or None.

    Raises:
        StoreError: The URL is unusable, or its driver is not installed.

    Attributes:
        url: The URL with its driver filled in.
        place: The file's path, or the URL without its password.
        engine: SQLAlchemy's engine; disposed of by ``close``.
        demo: Whether every row that is written is marked as a demo's.
    """

    def __init__(
        self,
        url: str,
        command_s: float = COMMAND_S,
        pool_size: int = POOL_SIZE,
        *,
        demo: bool = False,
        watch: DatabaseWatch | None = None,
    ) -> None:
        self.watch = watch
        parsed = parse_url(url)
        self.demo = demo
        self.url = parsed.url
        self.place = place_of(self.url)
        # SQLite has one writer; its own way of waiting is to sleep, up to 100 ms at a time.
        sqlite_file = self.url.get_backend_name() == "sqlite"
        self._turn = asyncio.Lock() if sqlite_file else nullcontext()
        self._written = 0  # transactions since the log was moved into the file
        self._grown = asyncio.Event()
        try:
            self.engine = _create_engine(parsed, command_s, pool_size)
            self.engine = self.engine.execution_options(**{DEMO_OPTION: demo})
        except ImportError as exc:
            raise StoreError(f"database {self.place}: run pip install {exc.name}") from exc

    @classmethod
    async def open(
        cls,
        url: str,
        command_s: float = COMMAND_S,
        *,
        demo: bool = False,
        watch: DatabaseWatch | None = None,
    ) -> Self:
        """Open a database that can be written to; ``close`` it in the end.

        Args:
            url: What ``DATABASE_URL`` says.
            command_s: The longest a statement may take, in seconds; PostgreSQL only.
            demo: Whether every row that is written is marked as a demo's.
            watch: Hears whether it takes what is written, or None.

        Raises:
            StoreError: It cannot be reached or written; the text names the place and the fix.
        """
        prepare_file(url)
        database = cls(url, command_s, demo=demo, watch=watch)
        try:
            if database.engine.dialect.name == "sqlite":
                await database._use_wal()
            async with database.write() as connection:
                if database.engine.dialect.name == "sqlite":
                    await connection.exec_driver_sql("BEGIN IMMEDIATE")
                await connection.execute(text("SELECT 1"))
        except BaseException:
            await database.close()
            raise
        return database

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Lend a connection for reading.

        Raises:
            StoreError: The database failed.
        """
        with self._translated():
            async with self.engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Lend a connection in a transaction that is committed at the end of the block.

        Raises:
            StoreError: The database failed; nothing of the block was kept.
        """
        with self._translated():
            async with self._turn, self.engine.begin() as connection:
                yield connection
        if self.watch is not None:
            self.watch.worked()
        self._written += 1
        if self._written >= CHECKPOINT_WRITES:
            self._grown.set()

    async def keep_small(self) -> None:
        """Move what was written from SQLite's log into its file, now and then, until cancelled.

        Without it some commit does it, and whoever waits for it waits for the disk: 300 ms have
        been seen. In this way readers and writers go on meanwhile.
        """
        while self.engine.dialect.name == "sqlite":
            await self._grown.wait()
            self._grown.clear()
            self._written = 0
            try:
                async with self.read() as connection:
                    await connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")
            except StoreError as exc:
                _log.warning("database_log_not_moved", error=str(exc))

    async def empty_log(self) -> bool:
        """Move SQLite's log into its file and cut it to nothing; False while somebody reads.

        What was erased stands in the log until then. PostgreSQL has none that we could empty.

        Raises:
            StoreError: The database failed.
        """
        if self.engine.dialect.name != "sqlite":
            return True
        for _ in range(EMPTY_TRIES):
            async with self.read() as connection:
                # Who waits for a reader here holds the writers up.
                await connection.exec_driver_sql(f"PRAGMA busy_timeout={EMPTY_WAIT_MS}")
                try:
                    asked = await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
                    busy = asked.scalar_one()
                finally:
                    await connection.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
            if not busy:
                return True
            await asyncio.sleep(EMPTY_RETRY_S)
        return False

    @asynccontextmanager
    async def change(self) -> AsyncIterator[AsyncConnection]:
        """Lend a connection that alone may write, for what is read first and written then.

        PostgreSQL has no such lock: read with ``FOR UPDATE`` there.

        Raises:
            StoreError: The database failed; nothing of the block was kept.
        """
        async with self.write() as connection:
            if self.engine.dialect.name == "sqlite":
                await connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    def insert(self, table: Table) -> "sqlite.Insert | postgresql.Insert":
        """Return an INSERT that knows ``on_conflict_do_nothing``."""
        return insert_into(self.engine.dialect.name, table)

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()

    async def _use_wal(self) -> None:
        """Set the file's journal mode; SQLite does not wait here for another process, so we do."""
        for attempt in range(1, WAL_TRIES + 1):
            try:
                async with self.write() as connection:
                    await connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            except StoreError as exc:
                if attempt == WAL_TRIES or "is locked" not in str(exc):
                    raise
                await asyncio.sleep(WAL_RETRY_S)
            else:
                return

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError, TimeoutError) as exc:
            if self.watch is not None:
                self.watch.failed(exc)
            raise store_error(self.place, exc) from exc


def insert_into(dialect: str, table: Table) -> "sqlite.Insert | postgresql.Insert":
    """Return an INSERT into ``table`` that knows ``on_conflict_do_nothing``."""
    if dialect == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # 2.4 MB that SQLite does not need

    return postgresql.insert(table)


def prepare_file(url: str) -> None:
    """Create the directory of a SQLite file and look at the file; a server needs nothing.

    Raises:
        StoreError: The directory cannot be created or the file not be written.
    """
    parsed = parse_url(url).url
    if parsed.get_backend_name() != "sqlite":
        return
    path = Path(sqlite_file(parsed))
    parent = path.parent
    try:
        make_folder(parent)
        if not path.exists():
            path.touch(mode=FILE_MODE)  # its -wal file gets the same; others need not read it
    except OSError as exc:
        raise StoreError(
            f"database {path} cannot be created: {errno.errorcode.get(exc.errno or 0, 'error')};"
            " create its directory and make it writable for the service's user"
        ) from exc
    if not os.access(parent, os.W_OK | os.X_OK):
        raise StoreError(
            f"directory {parent} is not writable; make it writable for the service's user"
        )
    if path.exists() and not (path.is_file() and os.access(path, os.R_OK | os.W_OK)):
        raise StoreError(f"database {path}: it must be a file the service's user can write")


def _create_engine(parsed: DatabaseUrl, command_s: float, pool_size: int) -> AsyncEngine:
    url = parsed.url
    if url.get_backend_name() != "sqlite":
        engine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=True,
            pool_timeout=CONNECT_S,
            connect_args=parsed.connect_args | {"command_timeout": command_s},
            json_serializer=storable_json,
        )
        event.listen(engine.sync_engine, "before_cursor_execute", storable_values, retval=True)
        return engine
    # Each connection is a thread of aiosqlite, begun when it is first needed and then kept: those
    # beyond the pool's size would end after each use, and begin anew for the next one.
    engine = create_async_engine(
        url,
        pool_size=2 * POOL_SIZE,
        max_overflow=0,
        pool_timeout=CONNECT_S,
        json_serializer=storable_json,
    )
    event.listen(engine.sync_engine, "before_cursor_execute", storable_values, retval=True)
    event.listen(engine.sync_engine, "connect", _set_pragmas)
    event.listen(engine.sync_engine, "invalidate", _roll_back)
    return engine


def _set_pragmas(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    """Prepare each new SQLite connection; a crash of the machine may lose the last commits."""
    del record
    cursor = connection.cursor()
    try:
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA secure_delete=ON")  # what was erased is not in the file any more
        cursor.execute(f"PRAGMA journal_size_limit={WAL_LIMIT_BYTES}")  # also finds a damaged file
        cursor.close()
    except BaseException:
        connection.close()  # the pool has not seen it yet, and its thread would stay
        raise


def _roll_back(
    connection: DBAPIConnection, record: ConnectionPoolEntry, exc: BaseException | None
) -> None:
    """Let go of the write lock of a task that was cancelled in the middle of a transaction.

    SQLite keeps a closed connection's transaction open as long as a cursor of it lives, and the
    traceback of the cancellation holds one: everybody else would find the database locked.
    """
    del record, exc
    if in_greenlet():
        with suppress(Exception):
            connection.rollback()
