"""What the memory of signed webhooks must do, on each database."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from fwai.store.database import Database
from fwai.store.job_tables import nonces as table
from fwai.store.nonces import Nonces
from unit.store.kit import Clock

ONE, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def nonces(database: Database, clock: Clock) -> Nonces:
    return Nonces(database, clock=clock, most=3)


async def test_the_first_request_decides_what_a_nonce_says(nonces: Nonces) -> None:
    assert await nonces.first("n-1", ONE) == ONE
    assert await nonces.first("n-1", OTHER) == ONE
    assert await nonces.first("n-1", ONE) == ONE
    assert await nonces.first("n-2", OTHER) == OTHER


async def test_another_process_and_a_later_one_know_it(
    nonces: Nonces, other_database: Database
) -> None:
    await nonces.first("n-1", ONE)

    assert await Nonces(other_database).first("n-1", OTHER) == ONE


async def test_of_many_at_once_one_is_first(nonces: Nonces, other_database: Database) -> None:
    other = Nonces(other_database)

    found = await asyncio.gather(
        *(one.first("n-1", said) for one in (nonces, other) for said in (ONE, OTHER) * 3)
    )

    assert len(set(found)) == 1


async def test_old_nonces_are_forgotten_and_the_oldest_of_too_many(
    nonces: Nonces, database: Database, clock: Clock
) -> None:
    for name in ("n-1", "n-2", "n-3", "n-4", "n-5"):
        await nonces.first(name, ONE)
        clock.move(60)

    assert await nonces.purge(clock() - timedelta(seconds=250)) == 2, "one old, one too many"
    assert await nonces.purge(clock() - timedelta(seconds=250)) == 0

    async with database.read() as connection:
        left = await connection.scalars(select(table.c.nonce).order_by(table.c.nonce))
        assert list(left) == ["n-3", "n-4", "n-5"]
        assert await connection.scalar(select(func.count()).select_from(table)) == 3
