"""A PostgreSQL database of its own for each test process, where one is at hand."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

URL_VARIABLE = "FWAI_TEST_POSTGRES_URL"


async def _execute(url: str, *statements: str) -> None:
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            for statement in statements:
                await connection.execute(text(statement))
    finally:
        await engine.dispose()


def _administer(*statements: str) -> None:
    """Execute as the server's user; a fixture may be set up while a loop runs."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, _execute(os.environ[URL_VARIABLE], *statements)).result(30)


def fresh_database(name: str) -> str:
    """Make an empty database beside the one `FWAI_TEST_POSTGRES_URL` names; return its URL.

    Skips the test, with the reason, where that variable is not set.
    """
    given = os.environ.get(URL_VARIABLE, "")
    if not given:
        pytest.skip(f"{URL_VARIABLE} is not set: tests on PostgreSQL are skipped")
    worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    name = f"fwai_{name}_{worker}"
    drop = f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'
    _administer(drop, f'CREATE DATABASE "{name}"')
    return make_url(given).set(database=name).render_as_string(hide_password=False)


def drop_database(url: str) -> None:
    """Remove what `fresh_database` made."""
    name = make_url(url).database
    _administer(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
