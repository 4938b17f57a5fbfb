import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fwai.store.database import Database
from fwai.store.work_tables import metadata
from unit.store.kit import Kept, a_database, kept_in, sqlite_url


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    url = sqlite_url(tmp_path)
    if request.param == "postgresql":
        url = os.environ.get("FWAI_TEST_POSTGRES_URL", "")
        if not url:
            pytest.skip("FWAI_TEST_POSTGRES_URL is not set")
    async with a_database(url) as opened:
        yield opened
        async with opened.write() as connection:
            await connection.run_sync(metadata.drop_all)


@pytest.fixture
def kept(database: Database, tmp_path: Path) -> Kept:
    return kept_in(database, tmp_path)
