"""Calls and messages through `WhatsAppLine`, carried out and told of by the simulated Meta."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from fakes import InMemoryCallPermissions
from fwai.adapters.webrtc.clock import MediaClock
from fwai.adapters.webrtc.peer import PeerOptions
from fwai.adapters.webrtc.ports import UdpPorts
from fwai.adapters.whatsapp.account import WhatsApp, WhatsAppOptions, open_whatsapp
from fwai.adapters.whatsapp.dialer import PermissionNeededError
from fwai.adapters.whatsapp.peer import WebRtcPeer
from fwai.adapters.whatsapp.token import AppKeys
from fwai.domain.call import CallState
from fwai.errors import ApiError, ApiUnknownError
from fwai.simulator.common.caller import HangUp, Wait
from fwai.simulator.common.rest import ApiFault
from fwai.simulator.meta.messages import MessageFate
from fwai.simulator.meta.phone import MetaCall
from fwai.simulator.meta.server import MetaSimulator, meta_error
from fwai.templates.whatsapp_templates import render
from unit.adapters.handler_kit import OURS, FakeReports, PlacedCalls, an_order
from unit.adapters.media_server import listening

SECRET, TOKEN = "app-secret", "EAAtoken"
TO = "+919900000001"
PORTS = (43_100, 43_199)
User = Callable[["House", MetaCall], Awaitable[object]]


@dataclass
class House:
    """Meta, our line, and what the server is told."""

    meta: MetaSimulator
    number: WhatsApp
    calls: PlacedCalls
    reports: FakeReports

    async def place(self, **order: object) -> str:
        return await self.calls.place(self.number.line, an_order(TO, **order))

    async def quiet(self) -> None:
        """Wait until nothing is left of any call on either side."""
        async with asyncio.timeout(10):
            while self.meta.live_calls or self.number.calls.active:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


@asynccontextmanager
async def house(folder: Path, user: User | None = None) -> AsyncIterator[House]:
    calls, reports, app = PlacedCalls(), FakeReports(), FastAPI()
    found: list[House] = []

    async def on_call(call: MetaCall) -> None:
        if user is not None:
            await user(found[0], call)

    peer = WebRtcPeer(PeerOptions(UdpPorts(*PORTS), MediaClock(), loopback=True))
    async with (
        listening(app) as (port, _),
        MetaSimulator(
            f"http://127.0.0.1:{port}/webhook", SECRET, TOKEN, on_call=on_call, ring_s=20.0
        ) as meta,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        options = WhatsAppOptions(
            phone_number_id="PNID1",
            access_token=TOKEN,
            verify_token="verify-me",
            keys=AppKeys("", SECRET),
            token_cache=folder / "token.json",
            graph_url=meta.url,
        )
        async with open_whatsapp(
            options, http, peer, calls, InMemoryCallPermissions(), reports=reports
        ) as number:
            app.include_router(number.router)
            found.append(House(meta, number, calls, reports))
            yield found[0]
            calls.leave.set()
            await found[0].quiet()


async def picks_up(world: House, call: MetaCall) -> None:
    await world.meta.answer(call, [Wait(300), HangUp()], after_s=0.1)


async def declines(world: House, call: MetaCall) -> None:
    await world.meta.status(call, "REJECTED")


async def lets_it_ring(world: House, call: MetaCall) -> None:
    call.hang_up()  # Meta gives up


async def test_a_call_that_is_answered_is_carried_to_its_end(tmp_path: Path) -> None:
    async with house(tmp_path, picks_up) as world:
        call_id = await world.place()
        assert await world.calls.until_over() is CallState.COMPLETED
        await world.quiet()
        assert world.meta.violations == []
        assert world.number.line.number == "+15550001111"

    assert world.calls.news[:3] == ["ringing", "offered", "carried"]
    assert [offer.call_id for offer in world.calls.offers] == [OURS]
    assert world.calls.rang == [(OURS, call_id)]
    assert set(world.calls.ended_for) == {OURS}


UNANSWERED = [(declines, CallState.REJECTED), (lets_it_ring, CallState.NO_ANSWER)]


@pytest.mark.parametrize(("user", "state"), UNANSWERED)
async def test_a_call_that_nobody_takes_comes_out_as_what_it_was(
    tmp_path: Path, user: User, state: CallState
) -> None:
    async with house(tmp_path, user) as world:
        await world.place()
        assert await world.calls.until_over() is state

    assert "offered" not in world.calls.news
    assert set(world.calls.ended_for) == {OURS}


async def test_the_orders_ring_time_is_the_users(tmp_path: Path) -> None:
    async with house(tmp_path) as world:
        await world.place(ring_s=1)
        assert await world.calls.until_over() is CallState.NO_ANSWER

    (call,) = world.meta.calls.values()
    assert call.actions == ["terminate"]


async def test_a_call_that_rings_is_taken_back(tmp_path: Path) -> None:
    async with house(tmp_path) as world:
        call_id = await world.place()
        await world.number.line.hang_up(call_id)
        await world.quiet()
        await world.calls.until_over()

    assert "offered" not in world.calls.news
    assert world.meta.calls[call_id].actions == ["terminate"]


async def test_a_user_who_has_not_permitted_it_is_not_called(tmp_path: Path) -> None:
    async with house(tmp_path) as world:
        world.meta.permission = {
            "permission": {"status": "no_permission"},
            "actions": [{"action_name": "start_call", "can_perform_action": False}],
        }
        with pytest.raises(PermissionNeededError) as failed:
            await world.place()
        await world.number.line.ask_permission(TO, "Asha", "the course")

    assert failed.value.kind == "permission_needed"
    assert world.meta.calls == {}
    (asked,) = world.meta.messages
    assert asked["template"]["name"] == "call_permission"


async def test_a_call_whose_answer_was_lost_is_ended_and_told_of(tmp_path: Path) -> None:
    """Its media went with the request that failed, so nobody could be heard."""
    async with house(tmp_path) as world:
        lost = meta_error(1, 500, "unknown")
        fault = ApiFault(lost.status, lost.body, path="calls", method="POST", carried_out=True)
        world.meta.faults.append(fault)
        with pytest.raises(ApiUnknownError):
            await world.place()
        await world.calls.until_over()

    assert len(world.meta.calls) == 1
    assert world.calls.ended_for == [OURS]


# ---- messages -----------------------------------------------------------------------------------


async def heard(world: House, count: int) -> None:
    async with asyncio.timeout(5):
        while len(world.reports.heard) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_reports_on_a_message_name_its_job(tmp_path: Path) -> None:
    template = render("callback_scheduled", {"name": "Asha", "when": "Monday"})
    async with house(tmp_path) as world:
        world.meta.fates.append(MessageFate(("sent", "delivered"), 0.01))
        world.meta.fates.append(MessageFate(("sent",), 0.01, error=131026))
        first = await world.number.messages.send_text(TO, "Hello", template, "job-7")
        await heard(world, 2)
        second = await world.number.messages.send_text(TO, "", template, "job-8")
        await heard(world, 4)

    assert [one.reference for one in world.meta.sent_messages] == ["job-7", "job-8"]
    assert world.reports.heard == [
        ("whatsapp", first, "sent", "job-7", ""),
        ("whatsapp", first, "delivered", "job-7", ""),
        ("whatsapp", second, "sent", "job-8", ""),
        ("whatsapp", second, "failed", "job-8", "131026"),
    ]


async def test_a_text_outside_the_window_without_a_template_is_an_error(tmp_path: Path) -> None:
    async with house(tmp_path) as world:
        with pytest.raises(ApiError, match="24 hours"):
            await world.number.messages.send_text(TO, "Hello", None, "job-7")
        assert not world.meta.messages
