from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from unit.store.kit import Kept, a_database, kept_in, sqlite_url

from fwai.store.database import Database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with a_database(sqlite_url(tmp_path)) as opened:
        yield opened


@pytest.fixture
async def kept(database: Database, tmp_path: Path) -> Kept:
    return kept_in(database, tmp_path)
