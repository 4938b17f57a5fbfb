"""What every ``CallPermissionStore`` must do: the one in memory, and those in a database."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes import InMemoryCallPermissions
from fwai.domain.call_permission import CallPermission, Grant
from fwai.interfaces.store import CallPermissionStore
from fwai.store.call_permissions import CallPermissions
from fwai.store.database import Database
from unit.store.kit import PHONE, T0, a_database, empty, sqlite_url

Change = Callable[[CallPermission], CallPermission]

times = st.floats(min_value=0, max_value=4e9, allow_nan=False)
standings = st.builds(
    CallPermission,
    grant=st.sampled_from(Grant),
    expires_at=times,
    asked_at=st.lists(times, max_size=8).map(tuple),
    unanswered=st.integers(0, 1000),
    user_at=times,
    checked_at=times,
)


def _replied(at: float, accepted: bool) -> Change:
    return lambda old: old.replied(at, accepted=accepted, permanent=False, expires_at=None)


changes: st.SearchStrategy[Change] = st.one_of(
    times.map(lambda at: lambda old: old.asked(at)),
    times.map(lambda at: lambda old: old.connected(at)),
    times.map(lambda at: lambda old: old.heard_from(at)),
    st.builds(_replied, times, st.booleans()),
    st.just(CallPermission.missed),
    st.just(CallPermission.refused),
)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[CallPermissionStore]:
    if request.param == "memory":
        yield InMemoryCallPermissions()
        return
    url = sqlite_url(tmp_path)
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql")
    async with a_database(url) as opened:
        yield CallPermissions(opened)
        await empty(opened)


async def test_of_a_user_who_is_unknown_nothing_is_kept(store: CallPermissionStore) -> None:
    assert await store.load(PHONE) == CallPermission()


async def test_what_was_changed_is_kept_for_that_user(store: CallPermissionStore) -> None:
    changed = await store.change(PHONE, lambda old: old.asked(T0).missed())
    again = await store.change(PHONE, lambda old: old.heard_from(T0 + 1.25))

    assert changed == CallPermission(asked_at=(T0,), unanswered=1)
    assert again == CallPermission(asked_at=(T0,), unanswered=1, user_at=T0 + 1.25)
    assert await store.load(PHONE) == again
    assert await store.load(PHONE.lstrip("+")) == CallPermission()


async def test_a_change_that_fails_changes_nothing(store: CallPermissionStore) -> None:
    await store.change("user.1", lambda old: old.heard_from(T0))

    def fail(old: CallPermission) -> CallPermission:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.change("user.2", fail)

    assert await store.load("user.1") == CallPermission(user_at=T0)
    assert await store.load("user.2") == CallPermission()


async def test_changes_at_once_are_all_applied(store: CallPermissionStore) -> None:
    await asyncio.gather(*(store.change(PHONE, CallPermission.missed) for _ in range(8)))

    assert (await store.load(PHONE)).unanswered == 8


async def test_changes_of_two_processes_are_all_applied(
    database: Database, other_database: Database
) -> None:
    both = (CallPermissions(database), CallPermissions(other_database))

    await asyncio.gather(*(one.change(PHONE, CallPermission.missed) for one in both * 4))

    assert (await both[0].load(PHONE)).unanswered == 8


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
async def test_what_is_no_time_is_kept_as_never(database: Database, wrong: float) -> None:
    kept = CallPermissions(database)
    said: dict[str, Any] = {"status": "temporary", "expiration_time": wrong}

    changed = await kept.change(PHONE, lambda old: old.said_by_meta({"permission": said}, T0))

    assert changed == CallPermission(Grant.TEMPORARY, checked_at=T0)
    assert await kept.load(PHONE) == changed


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(standing=standings, steps=st.lists(changes, max_size=5))
async def test_a_store_keeps_what_the_changes_make(
    store: CallPermissionStore, standing: CallPermission, steps: list[Change]
) -> None:
    model = InMemoryCallPermissions()

    for step in [lambda old: standing, *steps]:
        assert await store.change(PHONE, step) == await model.change(PHONE, step)

    assert await store.load(PHONE) == await model.load(PHONE)
