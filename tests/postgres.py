"""A PostgreSQL database of its own for each test process, where one is at hand.

With ``FWAI_TEST_REQUIRE_SERVICES=1``, as in `.ci/run`, a server that is missing is a failure;
otherwise what needs it is skipped, with the reason.
"""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

URL_VARIABLE = "FWAI_TEST_POSTGRES_URL"
REQUIRE_VARIABLE = "FWAI_TEST_REQUIRE_SERVICES"
LIMIT_S = 30


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
        execution = _execute(os.environ[URL_VARIABLE], *statements)
        thread.submit(asyncio.run, execution).result(LIMIT_S)


def _do_without(reason: str) -> NoReturn:
    if os.environ.get(REQUIRE_VARIABLE) == "1":
        pytest.fail(f"{reason}, and {REQUIRE_VARIABLE} is set", pytrace=False)
    pytest.skip(f"{reason}: tests on PostgreSQL are skipped")


def fresh_database(name: str) -> str:
    """Make an empty database beside the one `FWAI_TEST_POSTGRES_URL` names; return its URL.

    Skips the test where there is no server, or fails it where one is required.
    """
    given = os.environ.get(URL_VARIABLE, "")
    if not given:
        _do_without(f"{URL_VARIABLE} is not set")
    name = f"fwai_{name}_{os.getpid()}"  # two runs at once must not drop each other's
    drop = f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'
    # A commit need not survive the machine: waiting for its disk would take most of the time.
    hurry = f'ALTER DATABASE "{name}" SET synchronous_commit = off'
    try:
        _administer(drop, f'CREATE DATABASE "{name}"', hurry)
    except (OSError, SQLAlchemyError) as exc:  # OSError: nobody listens, or not in time
        _do_without(f"no PostgreSQL at {URL_VARIABLE} ({type(exc).__name__})")
    return make_url(given).set(database=name).render_as_string(hide_password=False)


def drop_database(url: str) -> None:
    """Remove what `fresh_database` made."""
    name = make_url(url).database
    _administer(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
