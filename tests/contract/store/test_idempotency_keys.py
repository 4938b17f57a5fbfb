"""What Idempotency-Keys must do, on each database."""

import asyncio

import pytest

from fwai.domain.idempotency import Claim
from fwai.store.database import Database
from fwai.store.idempotency_keys import KEPT, IdempotencyKeys
from unit.store.kit import Clock

DAY_S = KEPT.total_seconds()


@pytest.fixture
def requests(database: Database, clock: Clock) -> IdempotencyKeys:
    return IdempotencyKeys(database, clock=clock)


async def test_the_first_has_the_key_and_the_second_waits(requests: IdempotencyKeys) -> None:
    first = await requests.claim("calls", "k-1", "f-1")
    second = await requests.claim("calls", "k-1", "f-1")

    assert first == Claim(first.generation, mine=True, same=True, claimed_at=first.claimed_at)
    assert second == Claim(first.generation, mine=False, same=True, claimed_at=first.claimed_at)


async def test_another_request_with_the_key_is_told_apart(requests: IdempotencyKeys) -> None:
    first = await requests.claim("calls", "k-1", "f-1")

    assert await requests.claim("calls", "k-1", "f-2") == Claim(
        first.generation, mine=False, same=False, claimed_at=first.claimed_at
    )
    assert (await requests.claim("calls", "k-1", "f-1")).same, "the first one's content stays"


async def test_scopes_and_keys_are_apart(requests: IdempotencyKeys) -> None:
    claims = [
        await requests.claim(scope, key, "f")
        for scope, key in (("calls", "k-1"), ("calls", "k-2"), ("callbacks", "k-1"))
    ]

    assert all(claim.mine for claim in claims)
    assert len({claim.generation for claim in claims}) == 3


@pytest.mark.parametrize("body", [{"call_id": "c-1"}, [1, 2.5], "text", None])
async def test_whoever_asks_again_gets_the_answer(requests: IdempotencyKeys, body: object) -> None:
    first = await requests.claim("calls", "k-1", "f-1")

    assert await requests.answer("calls", "k-1", first.generation, 202, body)

    again = await requests.claim("calls", "k-1", "f-1")
    assert again == Claim(
        first.generation,
        mine=False,
        same=True,
        claimed_at=first.claimed_at,
        status=202,
        body=body,
    )
    assert not await requests.answer("calls", "k-1", first.generation, 500, None)
    assert (await requests.claim("calls", "k-1", "f-1")).status == 202


async def test_of_many_at_once_one_has_the_key(
    requests: IdempotencyKeys, other_database: Database, clock: Clock
) -> None:
    other = IdempotencyKeys(other_database, clock=clock)

    claims = await asyncio.gather(
        *(one.claim("calls", "k-1", "f-1") for one in (requests, other) * 4)
    )

    assert [claim.mine for claim in claims].count(True) == 1
    assert len({claim.generation for claim in claims}) == 1


async def test_after_a_day_the_key_is_free_again(requests: IdempotencyKeys, clock: Clock) -> None:
    first = await requests.claim("calls", "k-1", "f-1")
    await requests.answer("calls", "k-1", first.generation, 202, {"call_id": "c-1"})
    clock.move(DAY_S - 1)
    assert not (await requests.claim("calls", "k-1", "f-2")).mine
    clock.move(1)

    second = await requests.claim("calls", "k-1", "f-2")

    assert second == Claim(second.generation, mine=True, same=True, claimed_at=second.claimed_at)
    assert second.generation != first.generation
    assert not await requests.answer("calls", "k-1", first.generation, 202, {})
    assert await requests.answer("calls", "k-1", second.generation, 202, {})
    clock.move(DAY_S - 1)
    assert not (await requests.claim("calls", "k-1", "f-2")).mine, "the day begins anew"


async def test_of_many_that_take_an_old_key_one_gets_it(
    requests: IdempotencyKeys, other_database: Database, clock: Clock
) -> None:
    other = IdempotencyKeys(other_database, clock=clock)
    await requests.claim("calls", "k-1", "f-1")
    clock.move(DAY_S)

    claims = await asyncio.gather(
        *(one.claim("calls", "k-1", "f-1") for one in (requests, other) * 4)
    )

    assert [claim.mine for claim in claims].count(True) == 1


async def test_old_keys_are_purged(requests: IdempotencyKeys, clock: Clock) -> None:
    first = await requests.claim("calls", "k-1", "f-1")
    clock.move(60)
    await requests.claim("calls", "k-2", "f-1")

    assert await requests.purge(clock()) == 1

    assert not await requests.answer("calls", "k-1", first.generation, 202, {})
    assert (await requests.claim("calls", "k-1", "f-1")).mine
    assert not (await requests.claim("calls", "k-2", "f-1")).mine
