"""What the words of a DATABASE_URL do at a real server."""

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from fwai.errors import StoreError
from fwai.store.database import Database
from fwai.store.migrate import ensure_schema
from postgres import drop_database, fresh_database


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """The URL of a database without tables: they come by migrations here."""
    url = fresh_database("urls")
    yield url
    drop_database(url)


async def shown(url: str, name: str) -> str:
    database = await Database.open(url)
    try:
        async with database.read() as connection:
            return str((await connection.execute(text(f"SHOW {name}"))).scalar_one())
    finally:
        await database.close()


@pytest.mark.parametrize(
    ("query", "setting", "value"),
    [
        ("", "application_name", "fwai"),
        ("?application_name=desk", "application_name", "desk"),
        ("?sslmode=disable&connect_timeout=3", "application_name", "fwai"),
        ("?statement_timeout=3000", "statement_timeout", "3s"),
        ("?options=-c%20lock_timeout%3D4s", "lock_timeout", "4s"),
        ("?target_session_attrs=read-write", "transaction_read_only", "off"),
    ],
)
async def test_the_server_has_what_the_url_says(
    postgresql: str, query: str, setting: str, value: str
) -> None:
    assert await shown(postgresql + query, setting) == value


async def test_without_kept_statements_all_of_it_works(postgresql: str) -> None:
    url = f"{postgresql}?prepared_statements=off"
    await ensure_schema(url)
    database = await Database.open(url)
    try:
        for _ in range(3):
            async with database.read() as connection:
                rows = await connection.execute(text("SELECT name FROM pg_prepared_statements"))
                assert len(rows.all()) <= 1, "its own"
    finally:
        await database.close()


@pytest.mark.parametrize("query", ["?sslmode=verify-full", "?search_path=%00", "?lock_timeout=x"])
async def test_what_the_server_refuses_is_said_in_words(postgresql: str, query: str) -> None:
    with pytest.raises(StoreError, match="database postgresql"):
        await Database.open(postgresql + query)


async def test_migrations_that_start_together_run_once(postgresql: str) -> None:
    database = await Database.open(postgresql)
    async with database.write() as connection:
        await connection.execute(text("DROP SCHEMA public CASCADE"))
        await connection.execute(text("CREATE SCHEMA public"))
    await database.close()

    await asyncio.gather(*(ensure_schema(postgresql) for _ in range(4)))
