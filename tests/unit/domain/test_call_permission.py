"""Call permissions of users: what may be done, what changes it, and the dialer that asks."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from fakes import InMemoryCallPermissions
from fwai.adapters.whatsapp.call_state import Progress
from fwai.adapters.whatsapp.calls import WhatsAppCalls
from fwai.adapters.whatsapp.client import GraphError
from fwai.adapters.whatsapp.dialer import PermissionNeededError, WhatsAppDialer
from fwai.adapters.whatsapp.events import Party, Problem
from fwai.adapters.whatsapp.permissions import MAX_WAITING, PermissionUpdates
from fwai.domain.call import CallState
from fwai.domain.call_permission import DAY_S, CallPermission, Grant, action_allowed
from fwai.errors import ApiError, StoreError
from fwai.interfaces.store import CallPermissionChange
from unit.adapters.whatsapp.kit import NOW, USER, World, calls_of

TEMPORARY = CallPermission(Grant.TEMPORARY, expires_at=NOW + 10)
ALLOWED = {
    "permission": {"status": "temporary", "expiration_time": NOW + DAY_S},
    "actions": [{"action_name": "start_call", "can_perform_action": True}],
}
DENIED = {
    "permission": {"status": "no_permission"},
    "actions": [
        {"action_name": "start_call", "can_perform_action": False},
        {"action_name": "send_call_permission_request", "can_perform_action": True},
    ],
}


def test_grants_and_their_end() -> None:
    assert TEMPORARY.may_call(NOW)
    assert not TEMPORARY.may_call(NOW + 10)
    assert CallPermission(Grant.PERMANENT).may_call(NOW)
    assert not CallPermission().may_call(NOW)


def test_asking_is_limited_and_a_connected_call_resets_it() -> None:
    once = CallPermission().asked(NOW)
    assert not once.may_ask(NOW + DAY_S - 1)
    assert once.may_ask(NOW + DAY_S)
    twice = once.asked(NOW + DAY_S)
    assert not twice.may_ask(NOW + 2 * DAY_S)
    assert twice.may_ask(NOW + 7 * DAY_S)
    assert twice.connected(NOW + 2 * DAY_S).may_ask(NOW + 2 * DAY_S)
    assert not CallPermission(Grant.PERMANENT).may_ask(NOW)


def test_replies() -> None:
    def after(
        *, accepted: bool = True, permanent: bool = False, expires_at: float | None = None
    ) -> CallPermission:
        return CallPermission(unanswered=3).replied(
            NOW, accepted=accepted, permanent=permanent, expires_at=expires_at
        )

    assert after(expires_at=NOW + 5).expires_at == NOW + 5
    assert after().expires_at == NOW + 168 * 3600
    assert after(permanent=True).grant is Grant.PERMANENT
    assert after(accepted=False).grant is Grant.NONE
    assert after().unanswered == 0


def test_a_grant_that_comes_late_or_again_revives_nothing() -> None:
    def says(old: CallPermission, at: float, *, accepted: bool) -> CallPermission:
        return old.replied(at, accepted=accepted, permanent=accepted, expires_at=None)

    granted = says(CallPermission(), NOW, accepted=True)
    revoked = says(granted, NOW + 60, accepted=False)

    assert says(revoked, NOW, accepted=True) == revoked
    assert says(granted.refused(), NOW, accepted=True).grant is Grant.NONE
    assert says(granted, NOW, accepted=False).grant is Grant.NONE
    assert says(revoked, NOW + 61, accepted=True).grant is Grant.PERMANENT


def test_four_missed_calls_take_the_permission_away() -> None:
    standing = TEMPORARY
    for _ in range(3):
        standing = standing.missed()
        assert standing.may_call(NOW)
    assert not standing.missed().may_call(NOW)


def test_the_window_of_24_hours() -> None:
    assert not CallPermission().window_open(NOW)
    heard = CallPermission().heard_from(NOW).heard_from(NOW - 500)
    assert heard.window_open(NOW + DAY_S - 1)
    assert not heard.window_open(NOW + DAY_S)
    assert CallPermission().connected(NOW).window_open(NOW)


@pytest.mark.parametrize(
    ("answer", "grant", "expires_at"),
    [
        (ALLOWED, Grant.TEMPORARY, NOW + DAY_S),
        ({"permission": {"status": "temporary", "expiration": str(NOW)}}, Grant.TEMPORARY, NOW),
        ({"permission": {"status": "temporary"}}, Grant.TEMPORARY, NOW + 60),
        ({"permission": {"status": "temporary", "expiration": "x"}}, Grant.TEMPORARY, NOW + 60),
        ({"permission": {"status": "permanent"}}, Grant.PERMANENT, 0.0),
        (DENIED, Grant.NONE, 0.0),
        ({}, Grant.NONE, 0.0),
        ({"permission": "x", "actions": 7}, Grant.NONE, 0.0),
    ],
)
def test_what_meta_answers(answer: Mapping[str, Any], grant: Grant, expires_at: float) -> None:
    standing = CallPermission().said_by_meta(answer, NOW)
    assert (standing.grant, standing.expires_at, standing.checked_at) == (grant, expires_at, NOW)


def test_actions() -> None:
    assert action_allowed(ALLOWED, "start_call") is True
    assert action_allowed(DENIED, "start_call") is False
    assert action_allowed(ALLOWED, "send_call_permission_request") is None
    assert action_allowed({"actions": [7, {}]}, "start_call") is None


# ---- the store behind a queue --------------------------------------------------------------------


async def test_changes_are_applied_in_order_and_not_waited_for() -> None:
    contacts = PermissionUpdates(InMemoryCallPermissions())
    contacts.enqueue("u", lambda kept: kept.asked(NOW))
    contacts.enqueue("u", lambda kept: kept.connected(NOW))
    contacts.enqueue("", lambda kept: kept)
    worker = asyncio.create_task(contacts.run())
    await contacts.wait_until_applied()
    worker.cancel()
    assert (await contacts.load("u")).asked_at == ()
    for _ in range(MAX_WAITING + 5):
        contacts.enqueue("u", lambda kept: kept)


async def test_a_sick_store_stops_nothing() -> None:
    class Sick(InMemoryCallPermissions):
        async def change(self, user: str, change: CallPermissionChange) -> CallPermission:
            if user == "sick":
                raise StoreError("disk full")
            return await super().change(user, change)

    contacts = PermissionUpdates(Sick())
    contacts.enqueue("sick", CallPermission.missed)
    contacts.enqueue("well", CallPermission.missed)
    worker = asyncio.create_task(contacts.run())
    await contacts.wait_until_applied()
    worker.cancel()
    assert (await contacts.load("well")).unanswered == 1


# ---- the dialer ----------------------------------------------------------------------------------


class Api:
    """Permissions and messages of a faked Meta."""

    def __init__(self, answer: Mapping[str, Any] | Exception = ALLOWED) -> None:
        self.answer = answer
        self.fault: Exception | None = None
        self.looked_up = 0
        self.sent: list[tuple[str, Any]] = []

    async def permission(self, user: Party) -> Mapping[str, Any]:
        self.looked_up += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def send(self, to: Party, kind: str, content: Mapping[str, Any]) -> str:
        if self.fault is not None:
            raise self.fault
        self.sent.append((kind, content))
        return "wamid.1"


def dialer(
    api: Api, calls: WhatsAppCalls, *known: CallPermission
) -> tuple[WhatsAppDialer, PermissionUpdates]:
    store = InMemoryCallPermissions()
    if known:
        store._kept[USER.key] = known[0]
    contacts = PermissionUpdates(store)
    return WhatsAppDialer(api, contacts, calls, lambda: NOW), contacts


async def test_a_known_permission_is_not_looked_up() -> None:
    api, world = Api(), World()
    async with calls_of(world) as calls:
        assert await dialer(api, calls, TEMPORARY)[0].dial(USER, "j") == "wacid.1"
    assert not api.looked_up


async def test_an_unknown_one_is_and_is_kept() -> None:
    api, world = Api(), World()
    async with calls_of(world) as calls:
        one, contacts = dialer(api, calls)
        await one.dial(USER, "j")
    assert api.looked_up == 1
    assert (await contacts.load(USER.key)).may_call(NOW)


async def test_without_permission_nobody_is_called() -> None:
    api, world = Api(DENIED), World()
    async with calls_of(world) as calls:
        one, _ = dialer(api, calls)
        for _ in range(2):
            with pytest.raises(PermissionNeededError) as caught:
                await one.dial(USER, "j")
            assert caught.value.may_ask
    assert api.looked_up == 1, "not asked again within a minute"
    assert world.steps == []


async def test_an_answer_without_actions_goes_by_the_permission() -> None:
    world = World()
    async with calls_of(world) as calls:
        with pytest.raises(PermissionNeededError):
            await dialer(Api({}), calls)[0].dial(USER, "j")
        permanent = {"permission": {"status": "permanent"}}
        await dialer(Api(permanent), calls)[0].dial(USER, "j")


async def test_a_refusal_for_want_of_permission_is_kept() -> None:
    api = Api()
    world = World(faults={"dial": GraphError(Problem(138006), 401)})
    async with calls_of(world) as calls:
        one, contacts = dialer(api, calls, TEMPORARY)
        with pytest.raises(PermissionNeededError):
            await one.dial(USER, "j")
        assert not (await contacts.load(USER.key)).may_call(NOW)
        world.faults["dial"] = GraphError(Problem(138012), 400)
        with pytest.raises(GraphError):
            await dialer(api, calls, TEMPORARY)[0].dial(USER, "j")


async def test_a_failed_look_up_is_an_api_error() -> None:
    world = World()
    async with calls_of(world) as calls:
        with pytest.raises(ApiError):
            await dialer(Api(ApiError("whatsapp", "down")), calls)[0].dial(USER, "j")


async def test_asking_for_permission() -> None:
    api, world = Api(), World()
    async with calls_of(world) as calls:
        one, _ = dialer(api, calls, CallPermission().heard_from(NOW))
        assert await one.ask(USER, "May we call?") == "wamid.1"
        kind, content = api.sent[0]
        assert (kind, content["type"]) == ("interactive", "call_permission_request")
        with pytest.raises(PermissionNeededError) as caught:
            await one.ask(USER, "May we call?")
        assert not caught.value.may_ask
        with pytest.raises(ApiError, match="template"):
            await dialer(api, calls)[0].ask(USER, "May we call?")


@pytest.mark.parametrize(("code", "grant"), [(138009, Grant.UNKNOWN), (138017, Grant.PERMANENT)])
async def test_a_refused_request_teaches_something(code: int, grant: Grant) -> None:
    api, world = Api(), World()
    api.fault = GraphError(Problem(code), 400)
    async with calls_of(world) as calls:
        one, contacts = dialer(api, calls, CallPermission().heard_from(NOW))
        with pytest.raises(GraphError):
            await one.ask(USER, "May we call?")
    standing = await contacts.load(USER.key)
    assert standing.grant is grant
    assert not standing.may_ask(NOW)


async def test_how_calls_fare_is_kept() -> None:
    world = World()
    async with calls_of(world) as calls:
        one, contacts = dialer(Api(), calls, TEMPORARY)
        for state in (CallState.RINGING, CallState.NO_ANSWER, CallState.REJECTED, CallState.FAILED):
            one.on_progress(Progress("w", "j", USER, state))
        worker = asyncio.create_task(contacts.run())
        await contacts.wait_until_applied()
        assert (await contacts.load(USER.key)).unanswered == 2
        one.on_progress(Progress("w", "j", USER, CallState.IN_PROGRESS))
        await contacts.wait_until_applied()
        worker.cancel()
    standing = await contacts.load(USER.key)
    assert standing.unanswered == 0
    assert standing.window_open(NOW)
