"""WhatsApp as a line: who may be called, what keeps them from it, and asking for permission."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from fakes import InMemoryCallPermissions
from fwai.adapters.whatsapp.client import GraphError
from fwai.adapters.whatsapp.dialer import PermissionNeededError, WhatsAppDialer
from fwai.adapters.whatsapp.events import Party, Problem
from fwai.adapters.whatsapp.line import WhatsAppLine
from fwai.adapters.whatsapp.permissions import PermissionUpdates
from fwai.domain.call_permission import CallPermission
from fwai.errors import ApiError, ApiUnknownError, StoreError
from fwai.interfaces.calls import OutboundLine
from unit.adapters.handler_kit import OURS, an_order
from unit.adapters.whatsapp.kit import NOW, USER, World, calls_of

PERMITTED = CallPermission().replied(NOW, accepted=True, permanent=True, expires_at=None)
DENIED = {"permission": {"status": "no_permission"}, "actions": []}


class Api:
    """Answers about permission, and takes questions; ``faults`` by kind."""

    def __init__(self, **faults: Exception) -> None:
        self.faults = faults
        self.sent: list[tuple[str, Mapping[str, Any]]] = []

    async def permission(self, user: Party) -> Mapping[str, Any]:
        return DENIED

    async def send(self, to: Party, kind: str, content: Mapping[str, Any]) -> str:
        self.sent.append((kind, content))
        if kind in self.faults:
            raise self.faults[kind]
        return f"wamid.{len(self.sent)}"


class Sick(InMemoryCallPermissions):
    async def load(self, user: str) -> CallPermission:
        raise StoreError("disk")


class House:
    """A line with its world."""

    def __init__(
        self, *known: CallPermission, store: InMemoryCallPermissions | None = None
    ) -> None:
        self.world = World()
        self.api = Api()
        self.store = store or InMemoryCallPermissions()
        if known:
            self.store._kept[USER.number] = known[0]

    async def dial(self) -> str:
        return await self.on(lambda line: line.dial(an_order(USER.number)))

    async def ask(self, **values: str) -> str:
        return await self.on(lambda line: line.ask_permission(USER.number, **values))

    async def on(self, work: Callable[[WhatsAppLine], Awaitable[str]]) -> str:
        async with calls_of(self.world) as calls:
            (outcome,) = await asyncio.gather(work(self.line(calls)), return_exceptions=True)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def line(self, calls: Any) -> WhatsAppLine:  # noqa: ANN401
        dialer = WhatsAppDialer(self.api, PermissionUpdates(self.store), calls, lambda: NOW)
        return WhatsAppLine(dialer, calls)


async def test_it_is_all_that_a_line_must_be() -> None:
    async with calls_of(World()) as calls:
        line: OutboundLine = House().line(calls)
        assert line.number == "+15550001111"


async def test_a_user_who_permits_it_is_called_under_our_id() -> None:
    house = House(PERMITTED)

    assert await house.dial() == "wacid.1"

    assert house.world.steps[0] == "dial"
    assert {one.reference for one in house.world.progress} == {OURS}


async def test_want_of_permission_is_the_calls_cause() -> None:
    house = House()

    with pytest.raises(PermissionNeededError) as caught:
        await house.dial()

    assert caught.value.kind == "permission_needed"
    assert isinstance(caught.value, ApiError)
    assert not caught.value.retryable
    assert house.world.steps == []


async def test_a_store_that_fails_puts_the_call_off() -> None:
    with pytest.raises(ApiError) as caught:
        await House(store=Sick()).dial()

    assert caught.value.retryable


async def test_an_ambiguous_answer_is_said_to_be_one() -> None:
    house = House(PERMITTED)
    house.world.faults["dial"] = ApiUnknownError("whatsapp", "no answer")

    with pytest.raises(ApiUnknownError):
        await house.dial()

    assert house.world.steps == ["dial"]


async def test_hanging_up_ends_the_ringing() -> None:
    house = House(PERMITTED)
    async with calls_of(house.world) as calls:
        line = house.line(calls)
        call_id = await line.dial(an_order(USER.number))
        await asyncio.sleep(0)
        await line.hang_up(call_id)
        await line.hang_up(call_id)

    assert house.world.steps == ["dial", "terminate"]


# ---- asking -------------------------------------------------------------------------------------


async def test_within_a_day_of_the_users_word_the_question_is_free() -> None:
    house = House(CallPermission().heard_from(NOW))

    await house.ask(name="Asha", topic="the course")

    ((kind, content),) = house.api.sent
    assert kind == "interactive"
    assert content["type"] == "call_permission_request"
    assert content["body"]["text"] == "Hello Asha, may we call you on WhatsApp about the course?"


async def test_outside_it_is_a_template() -> None:
    house = House()

    await house.ask(name="Asha", topic="the course")

    ((kind, content),) = house.api.sent
    assert (kind, content["name"]) == ("template", "call_permission")
    (body,) = content["components"]
    assert [one["text"] for one in body["parameters"]] == ["Asha", "the course"]
    assert len(house.store._kept[USER.number].asked_at) == 1


async def test_only_a_number_is_needed() -> None:
    house = House()

    await house.ask()

    assert house.api.sent[0][0] == "template"


async def test_a_window_that_meta_says_is_closed_makes_it_a_template() -> None:
    house = House(CallPermission().heard_from(NOW))
    house.api.faults["interactive"] = GraphError(Problem(131047), 400)

    await house.ask()

    assert [kind for kind, _ in house.api.sent] == ["interactive", "template"]


async def test_nobody_is_asked_twice_a_day() -> None:
    house = House()
    await house.ask()

    with pytest.raises(PermissionNeededError) as caught:
        await house.ask()

    assert not caught.value.may_ask
    assert len(house.api.sent) == 1


@pytest.mark.parametrize("name", ["", "x" * 61, "two\nlines"])
async def test_what_does_not_fit_the_template_is_not_sent(name: str) -> None:
    house = House(CallPermission().heard_from(NOW))

    with pytest.raises(ValueError, match="name"):
        await house.ask(name=name)

    assert house.api.sent == []
