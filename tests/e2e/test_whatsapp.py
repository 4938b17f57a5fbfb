"""Whole WhatsApp calls over loopback: the real server between Meta and a Live model, both faked."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from e2e.house import House, running
from e2e.process import free_port, ready, server
from e2e.process import world as stage_world
from fakes import InMemoryCallPermissions
from fwai.adapters.webrtc.clock import MediaClock
from fwai.adapters.webrtc.peer import PeerOptions
from fwai.adapters.webrtc.ports import UdpPorts
from fwai.adapters.whatsapp.account import WhatsAppOptions, open_whatsapp
from fwai.adapters.whatsapp.call_state import CallTimers, Progress
from fwai.adapters.whatsapp.calls import WhatsAppCalls
from fwai.adapters.whatsapp.events import Party
from fwai.adapters.whatsapp.line import WhatsAppLine
from fwai.adapters.whatsapp.peer import WebRtcPeer
from fwai.adapters.whatsapp.token import AppKeys
from fwai.domain.call import Call, CallId, CallState, DialOrder, Direction, EndReason
from fwai.simulator.common.rest import ApiFault
from fwai.simulator.meta.media import NetworkConditions
from fwai.simulator.meta.phone import MetaCall
from fwai.simulator.meta.server import MetaSimulator, meta_error

SECRET, TOKEN = "app-secret", "EAAtoken"
USER = Party("+919900000001")


@dataclass
class WhatsApp:
    """A server with WhatsApp, and Meta."""

    house: House
    meta: MetaSimulator
    calls: WhatsAppCalls
    line: WhatsAppLine
    progress: list[Progress]

    async def place(self) -> str:
        """Place a call that the archive knows, as a job does."""
        server = self.house.server
        agent = next(iter(server.agents))
        call = Call(CallId("20261122-cd"), "whatsapp", Direction.OUTBOUND, USER.number, "", agent)
        await server.store.calls.place(call, CallState.QUEUED, time.time())
        return await server.calls.placer.place(call, self.line, DialOrder(call.id, USER.number, ""))

    async def quiet(self, within_s: float = 10.0) -> None:
        """Wait until nothing is left of any call on either side."""
        async with asyncio.timeout(within_s):
            while self.calls.active or self.meta.live_calls:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await self.house.quiet(within_s)


@asynccontextmanager
async def whatsapp(
    folder: Path,
    on_call: Callable[[WhatsApp, MetaCall], object] | None = None,
    *,
    pre_accept: bool = True,
    timers: CallTimers | None = None,
    ring_s: float = 30.0,
) -> AsyncIterator[WhatsApp]:
    options = PeerOptions(UdpPorts(21_000, 21_999), MediaClock(), loopback=True)
    async with (
        running(folder) as house,
        MetaSimulator(f"{house.url}/webhook", SECRET, TOKEN, ring_s=ring_s) as meta,
        httpx.AsyncClient() as http,
    ):
        progress: list[Progress] = []
        setup = WhatsAppOptions(
            phone_number_id="PNID1",
            access_token=TOKEN,
            verify_token="verify-me",
            keys=AppKeys("", SECRET),
            token_cache=folder / "token.json",
            line="+15550001111",
            graph_url=meta.url,
            pre_accept=pre_accept,
            timers=timers or CallTimers(),
        )
        async with open_whatsapp(
            setup,
            http,
            WebRtcPeer(options),
            house.server.calls,
            InMemoryCallPermissions(),
            progress.append,
        ) as number:
            house.server.app.include_router(number.router)
            yield WhatsApp(house, meta, number.calls, number.line, progress)


def never_slow(meta: MetaSimulator) -> None:
    assert all(status == 200 and seconds < 1.0 for status, seconds in meta.deliveries)


@pytest.mark.parametrize("pre_accept", [True, False])
async def test_a_user_calls_and_talks_and_hangs_up(tmp_path: Path, pre_accept: bool) -> None:
    with capture_logs() as logs:
        async with whatsapp(tmp_path, pre_accept=pre_accept) as world:
            await talk(world, pre_accept=pre_accept)
    said = str(logs)
    for secret in ("9900000001", "a=ice", "fingerprint", TOKEN, SECRET, "verify-me"):
        assert secret not in said


async def talk(world: WhatsApp, *, pre_accept: bool) -> None:
    call = await world.meta.call(repeats=2)
    async with asyncio.timeout(10):
        await call.answered.wait()
    await call.hear("greeting")
    await call.say("ask_ai")
    await call.hear("ai_answer")
    call.hang_up()
    await world.quiet()

    assert call.actions == (["pre_accept", "accept"] if pre_accept else ["accept"])
    assert call.violations == []
    ((_, ending),) = world.house.over
    assert (ending.state, ending.reason) == (CallState.COMPLETED, EndReason.CALLER_HUNG_UP)
    never_slow(world.meta)


async def test_the_agent_hangs_up_and_meta_is_told(tmp_path: Path) -> None:
    async with whatsapp(tmp_path) as world:
        call = await world.meta.call(without=("from", "direction"))
        await call.hear("greeting")
        await call.say("goodbye")
        await call.hear("goodbye_answer")
        await world.quiet(20)

        assert call.actions == ["pre_accept", "accept", "terminate"]
        assert call.violations == []
        ((_, ending),) = world.house.over
        assert ending.reason is EndReason.AGENT_HUNG_UP


async def test_bad_weather(tmp_path: Path) -> None:
    async with whatsapp(tmp_path) as world:
        call = await world.meta.call(network=NetworkConditions(loss=0.03, jitter_ms=40.0))
        await call.hear("greeting")
        await call.say("ask_ai")
        await call.hear("ai_answer")
        call.media.press("5")
        await asyncio.sleep(3.0)  # keys are noted once no more follow
        call.hang_up()
        await world.quiet()
        assert call.violations == []
        ((session, _),) = world.house.over
    assert session.call.caller == "+919900000001"
    assert "keys_pressed" in world.house.transcripts()[0]


FAULTS = [
    (ApiFault(500, meta_error(138007, 500).body, path="accept"), True),
    (ApiFault(503, "<html>", path="pre_accept"), True),
    (ApiFault(400, meta_error(100).body, path="pre_accept", times=9), False),
    (ApiFault(503, "<html>", path="accept", times=9), False),
    (ApiFault(401, meta_error(190).body, path="accept", times=9), False),
]


@pytest.mark.parametrize(("fault", "succeeds"), FAULTS)
async def test_graph_fails(tmp_path: Path, fault: ApiFault, succeeds: bool) -> None:
    async with whatsapp(tmp_path) as world:
        world.meta.faults.append(fault)
        call = await world.meta.call()
        if succeeds:
            async with asyncio.timeout(10):
                await call.answered.wait()
            call.hang_up()
        await world.quiet()

        assert call.answered.is_set() is succeeds
        assert call.violations == []
        if not succeeds:
            assert call.actions[-1] in ("reject", "terminate")


async def test_media_that_never_connects_is_rejected_in_time(tmp_path: Path) -> None:
    async with whatsapp(tmp_path, timers=CallTimers(connect_s=1.0)) as world:
        began = time.monotonic()
        call = await world.meta.call(network=NetworkConditions(deaf=True))
        await world.quiet()

        assert call.actions == ["pre_accept", "reject"]
        assert time.monotonic() - began < 5


async def test_the_user_gives_up_at_once_and_late_webhooks_do_nothing(tmp_path: Path) -> None:
    async with whatsapp(tmp_path) as world:
        call = await world.meta.call()
        call.hang_up()
        stale = await world.meta.call(age_s=60)
        stale.hang_up()
        await world.quiet()
        assert stale.actions == []
        assert not call.answered.is_set()
    assert world.house.server.calls.active == 0


async def test_the_server_calls_a_user(tmp_path: Path) -> None:
    async with whatsapp(tmp_path) as world:

        async def user(call: MetaCall) -> None:
            await asyncio.sleep(0.3)
            await world.meta.status(call, "ACCEPTED")
            await call.hear("greeting")
            call.hang_up()

        world.meta._on_call = user
        call_id = await world.place()
        await asyncio.sleep(0.1)
        await world.quiet()

        call = world.meta.calls[call_id]
        assert call.heard == ["greeting"]
        assert call.actions == []
        assert call.violations == []
        assert [one.state for one in world.progress] == [
            *(CallState.DIALING, CallState.RINGING, CallState.IN_PROGRESS, CallState.COMPLETED)
        ]


@pytest.mark.parametrize(
    ("ending", "state"), [("REJECTED", CallState.REJECTED), ("", CallState.NO_ANSWER)]
)
async def test_the_user_does_not_pick_up(tmp_path: Path, ending: str, state: CallState) -> None:
    async with whatsapp(tmp_path, ring_s=0.8) as world:

        async def user(call: MetaCall) -> None:
            if ending:
                await world.meta.status(call, ending)

        world.meta._on_call = user
        await world.place()
        await asyncio.sleep(1.2)
        await world.quiet()
        assert world.progress[-1].state is state


async def test_a_configured_server_answers_and_keeps_what_was_said(tmp_path: Path) -> None:
    """The server as an operator starts it, with nothing but environment variables."""
    port = free_port()
    async with (
        stage_world(port) as (_, values),
        MetaSimulator(f"http://127.0.0.1:{port}/webhook", SECRET, TOKEN) as meta,
    ):
        values |= {
            "CALL_PROVIDER": "whatsapp",
            "PHONE_NUMBER_ID": "PNID1",
            "META_ACCESS_TOKEN": TOKEN,
            "META_APP_SECRET": SECRET,
            "META_VERIFY_TOKEN": "verify-me",
            "META_GRAPH_URL": meta.url,
            "RTC_UDP_PORT_MIN": "22000",
            "RTC_UDP_PORT_MAX": "22100",
        }
        with server(tmp_path, port, **values):
            await ready(port)
            call = await meta.call()
            await call.hear("greeting")
            await call.say("ask_ai")
            await call.hear("ai_answer")
            call.hang_up()
            async with asyncio.timeout(10):
                while "call_ended" not in (tmp_path / "server.log").read_text():  # noqa: ASYNC110
                    await asyncio.sleep(0.1)

    assert call.violations == []
    assert call.actions == ["pre_accept", "accept"]
    (transcript,) = tmp_path.rglob("*.jsonl")
    assert "Are you a real person?" in transcript.read_text()
