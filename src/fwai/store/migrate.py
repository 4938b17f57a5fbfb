"""Brings a database's schema up to date, outside the server's process.

The server only asks ``is_current`` (one SELECT) and never loads alembic; ``python -m
fwai.store.migrate URL`` does the work, and ``-`` instead of the URL reads it from standard input
so that a password never stands in a process list.

Revisions are numbered ``0001``, ``0002``, ... and only ever add to the schema. So a newer schema
serves older code: a release can be rolled back, and during a hand-over both run on one database.
"""

import asyncio
import sys
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from fwai.errors import StoreError
from fwai.store.database import Database
from fwai.store.database_errors import store_error

HEAD = "0008"
DEADLINE_S = 60
SCRIPTS = Path(__file__).parent / "migrations"
PACKAGE_ROOT = str(Path(__file__).parents[2])


async def is_current(engine: AsyncEngine) -> bool:
    """Whether the schema has everything this code needs; a newer one has, too.

    Raises:
        StoreError: The database cannot be read at all.
    """
    try:
        async with engine.connect() as connection:
            found = (
                await connection.execute(text("SELECT version_num FROM alembic_version"))
            ).all()
    except (SQLAlchemyError, OSError, TimeoutError) as exc:
        if _says_no_table(exc):
            return False
        raise store_error(engine.url.render_as_string(), exc) from exc
    return len(found) == 1 and str(found[0][0]) >= HEAD


async def ensure_schema(url: str) -> None:
    """Bring the schema up to date in a process of its own, when it is not.

    Raises:
        StoreError: It could not be done; the text says why.
    """
    database = await Database.open(url)
    try:
        if await is_current(database.engine):
            return
        await _upgrade_elsewhere(url, database.place)
        if not await is_current(database.engine):
            raise StoreError(f"database {database.place}: the schema is still not revision {HEAD}")
    finally:
        await database.close()


async def _upgrade_elsewhere(url: str, place: str) -> None:
    # In a plain clone the package is not installed: the child must find it where we did.
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {PACKAGE_ROOT!r}); "
        "from fwai.store.migrate import main; sys.exit(main())",
        "-",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            _, complaint = await process.communicate(url.encode())
    except TimeoutError:
        raise StoreError(f"database {place}: the migration took over {DEADLINE_S} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        lines = complaint.decode(errors="replace").strip().splitlines()
        raise StoreError(f"database {place}: the migration failed: {lines[-1] if lines else '?'}")


def upgrade(url: str) -> None:
    """Run every step the database lacks.

    Raises:
        StoreError: The database cannot be written, or was made by a newer version.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["url"] = url
    try:
        command.upgrade(config, "head")
    except CommandError as exc:
        raise StoreError(
            f"{exc}; a newer version made this database: install that version"
        ) from exc


def main() -> int:
    """Run as a program: one argument, the URL or ``-``."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m fwai.store.migrate URL   (- reads it from stdin)\n")
        return 2
    url = sys.stdin.readline().strip() if sys.argv[1] == "-" else sys.argv[1]
    try:
        upgrade(url)
    except StoreError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    return 0


def _says_no_table(exc: BaseException) -> bool:
    if not isinstance(exc, DBAPIError):
        return False
    undefined = getattr(exc.orig, "sqlstate", None) == "42P01"
    return undefined or "no such table" in str(exc.orig)


if __name__ == "__main__":
    sys.exit(main())
