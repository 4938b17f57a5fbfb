import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fwai.store.database import Database
from fwai.store.job_tables import metadata
from fwai.store.jobs import Jobs
from postgres import drop_database, fresh_database
from unit.store.kit import Clock, Kept, a_database, empty, jobs_in, kept_in, sqlite_url


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL database, with all tables, that no other test process uses."""
    url = fresh_database("store")
    with ThreadPoolExecutor(1) as thread:  # this one may be in a loop
        thread.submit(asyncio.run, _create_tables(url)).result()
    yield url
    drop_database(url)


async def _create_tables(url: str) -> None:
    async with a_database(url) as database, database.write() as connection:
        await connection.run_sync(metadata.create_all)


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    url = sqlite_url(tmp_path)
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql")
    async with a_database(url) as opened:
        yield opened
        await empty(opened)


@pytest.fixture
async def other_database(database: Database) -> AsyncIterator[Database]:
    """The same database, as another process has it open."""
    opened = await Database.open(database.url.render_as_string(hide_password=False))
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
def kept(database: Database, tmp_path: Path) -> Kept:
    return kept_in(database, tmp_path)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def jobs(database: Database, clock: Clock) -> Jobs:
    return jobs_in(database, clock)
