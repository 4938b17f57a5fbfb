from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fwai.store.database import Database
from fwai.store.migrate import upgrade
from unit.store.kit import Kept, a_database, kept_in, sqlite_url


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with the schema that the migrations build, to be copied."""
    folder = tmp_path_factory.mktemp("migrated")
    upgrade(sqlite_url(folder))
    return folder / "data" / "fwai.db"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with a_database(sqlite_url(tmp_path)) as opened:
        yield opened


@pytest.fixture
async def kept(database: Database, tmp_path: Path) -> Kept:
    return kept_in(database, tmp_path)
