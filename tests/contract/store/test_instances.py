"""The instances of a database: registered, seen, declared dead by one winner."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest

from fwai.domain.instance import DEAD, DRAINING, STOPPED, UP, InstanceRecord, ProcessIdentity
from fwai.store.database import Database
from fwai.store.instances import Instances

PROCESS = ProcessIdentity("host-1", "boot-1", 4242, 987_654_321)


@pytest.fixture
def instances(database: Database) -> Instances:
    return Instances(database)


async def known(instances: Instances) -> Mapping[str, InstanceRecord]:
    return {one.id: one for one in await instances.all()}


async def test_an_instance_is_known_with_its_process_and_its_age(instances: Instances) -> None:
    assert await instances.register("a", PROCESS, "http://10.0.1.4:3000") == 1

    (one,) = await instances.all()

    assert (one.id, one.epoch, one.state, one.calls) == ("a", 1, UP, 0)
    assert (one.process, one.url) == (PROCESS, "http://10.0.1.4:3000")
    assert one.lives
    assert -0.01 <= one.age_s < 5.0
    assert one.seen_at.tzinfo is not None


async def test_a_heartbeat_makes_it_younger_and_tells_of_it(
    instances: Instances, database: Database
) -> None:
    await instances.register("a", PROCESS)
    await asyncio.sleep(0.05)
    before = (await known(instances))["a"]

    assert await instances.beat("a", 1, DRAINING, 7)

    after = (await known(instances))["a"]
    assert (after.state, after.calls, after.lives) == (DRAINING, 7, True)
    assert after.seen_at > before.seen_at
    assert after.age_s < before.age_s


async def test_one_of_many_declares_it_dead_and_it_notices(
    instances: Instances, other_database: Database
) -> None:
    await instances.register("a", PROCESS)
    seen = (await known(instances))["a"]
    judges = (instances, Instances(other_database))

    won = await asyncio.gather(*(judge.declare_dead(seen) for judge in judges * 4))

    assert sorted(won) == [False] * 7 + [True]
    assert (await known(instances))["a"].state == DEAD
    assert not await instances.beat("a", 1, UP, 0)
    assert not await instances.stop("a", 1)


async def test_who_was_seen_meanwhile_is_not_declared_dead(instances: Instances) -> None:
    await instances.register("a", PROCESS)
    seen = (await known(instances))["a"]
    await asyncio.sleep(0.01)
    await instances.beat("a", 1, UP, 0)

    assert not await instances.declare_dead(seen)


async def test_a_new_life_has_a_new_epoch_and_the_old_one_is_not_heard(
    instances: Instances,
) -> None:
    await instances.register("a", PROCESS)
    await instances.declare_dead((await known(instances))["a"])

    assert await instances.register("a", replace(PROCESS, pid=4343)) == 2

    one = (await known(instances))["a"]
    assert (one.epoch, one.state, one.process.pid) == (2, UP, 4343)
    assert not await instances.beat("a", 1, UP, 0)
    assert await instances.beat("a", 2, UP, 0)


async def test_a_clean_stop_says_so_at_once(instances: Instances) -> None:
    await instances.register("a", PROCESS)

    assert await instances.stop("a", 1)

    one = (await known(instances))["a"]
    assert (one.state, one.lives) == (STOPPED, False)
    assert not await instances.declare_dead(one)


async def test_those_that_are_over_for_a_day_are_forgotten(
    instances: Instances, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("living", "stopped", "new"):
        await instances.register(name, PROCESS)
    await instances.stop("stopped", 1)
    assert await instances.purge() == 0

    monkeypatch.setattr("fwai.store.instances.PURGED_AFTER_S", -1.0)

    assert await instances.purge() == 1
    assert set(await known(instances)) == {"living", "new"}
