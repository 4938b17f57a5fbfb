"""Whole calls from a browser over loopback: the real server, a Live model and a second peer."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiortc.rtp import RtpPacket

from contract.webrtc.lab import CLIPS, RATE, RECOGNIZER, SOUND, Phone, schedule
from e2e.house import House, running
from fwai.adapters.webrtc import opus
from fwai.domain.call import CallState, EndReason

CALLS = "/console/talk/calls"
KEY = "key-of-a-browser-0123456789"
QUIET = bytes(32_000 * 20)  # 20 s at 16 kHz: a browser never stops sending


def speech(clip: str) -> list[RtpPacket]:
    """Return a phrase and the silence of who listens after it."""
    pcm = CLIPS[clip].pcm(16_000) + QUIET
    encoder = opus.encoder(16_000, bitrate=32_000, complexity=5, max_rate=16_000)
    return [
        RtpPacket(
            payload_type=SOUND,
            sequence_number=number,
            timestamp=number * 960,
            ssrc=99,
            payload=encoder.encode(pcm[at : at + 640]),
        )
        for number, at in enumerate(range(0, len(pcm) - 639, 640))
    ]


@asynccontextmanager
async def open_to_browsers(folder: Path, **overrides: object) -> AsyncIterator[House]:
    """Serve calls from browsers, as the settings wire them."""
    ports = {"rtc_udp_port_min": 22_000, "rtc_udp_port_max": 22_099}
    async with running(folder, browser_calls=True, api_keys=KEY, **ports, **overrides) as house:
        yield house


@dataclass
class Browser:
    """What the page does, without a page."""

    http: httpx.AsyncClient
    phone: Phone = field(default_factory=Phone)
    call_id: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)

    async def call(self) -> None:
        answer = await self.http.post(CALLS, json={"sdp": await self.phone.offer()})
        assert answer.status_code == 201, answer.text
        self.call_id = answer.json()["call_id"]
        await self.phone.accept(answer.json()["sdp"])
        await self.phone.ready()

    async def follow(self) -> None:
        """Read events until the server says that it was all."""
        async with self.http.stream("GET", f"{CALLS}/{self.call_id}/events", timeout=30) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            async for line in stream.aiter_lines():
                if line.startswith("data: "):
                    self.events.append(json.loads(line.removeprefix("data: ")))

    async def hear(self, clip: str, within_s: float = 20.0) -> None:
        """Wait until all of a phrase was heard since the last one."""
        async with asyncio.timeout(within_s):
            while True:
                await asyncio.sleep(0.25)
                match = RECOGNIZER.identify(self.phone.pcm(RATE), RATE)
                whole = CLIPS[clip].duration_ms - 150
                if match is not None and match.clip.name == clip and match.heard_ms >= whole:
                    break
        self.phone.heard.clear()

    async def say(self, clip: str) -> None:
        """Say a phrase and listen; until cancelled, the silence is used up or the call is over."""
        # The server may hang up between two packets: what is sent then has no connection any more.
        with suppress(ConnectionError):
            await self.phone.say(schedule(speech(clip)))

    async def hang_up(self) -> None:
        answer = await self.http.delete(f"{CALLS}/{self.call_id}")
        assert answer.status_code == 204

    def said(self, role: str) -> str:
        return " ".join(event["text"] for event in self.events if event.get("role") == role)


@asynccontextmanager
async def browser(house: House) -> AsyncIterator[Browser]:
    async with httpx.AsyncClient(base_url=house.url, headers={"X-API-Key": KEY}) as http:
        one = Browser(http)
        yield one
        await one.phone.close()


async def test_a_browser_calls_asks_and_hangs_up(tmp_path: Path) -> None:
    async with open_to_browsers(tmp_path) as house, browser(house) as page:
        await page.call()
        async with asyncio.timeout(45), asyncio.TaskGroup() as tasks:
            tasks.create_task(page.follow())
            await page.hear("greeting")
            talking = tasks.create_task(page.say("ask_ai"))
            await page.hear("ai_answer")
            talking.cancel()
            await page.hang_up()
        await house.quiet()

        ((session, ending),) = house.over
        assert session.call.provider == "browser"
        assert (ending.state, ending.reason) == (CallState.COMPLETED, EndReason.CALLER_HUNG_UP)
        assert house.world.model.sessions[0].heard == ["ask_ai"]
    states = [event["state"] for event in page.events if event["type"] in ("state", "end")]
    assert states == ["ringing", "in_progress", "completed"]
    assert page.said("agent").startswith(CLIPS["greeting"].text)
    assert page.said("caller") == CLIPS["ask_ai"].text


async def test_the_agent_hangs_up(tmp_path: Path) -> None:
    async with open_to_browsers(tmp_path) as house, browser(house) as page:
        await page.call()
        async with asyncio.timeout(45), asyncio.TaskGroup() as tasks:
            following = tasks.create_task(page.follow())
            await page.hear("greeting")
            talking = tasks.create_task(page.say("goodbye"))
            await following
            talking.cancel()
        await house.quiet()

        ((_, ending),) = house.over
        assert ending.reason is EndReason.AGENT_HUNG_UP
    assert page.events[-1]["type"] == "end"
    assert page.events[-1]["reason"] == "agent_hung_up"


async def test_a_page_that_vanishes_leaves_nothing(tmp_path: Path) -> None:
    """No goodbye: its consent to be sent to runs out, or nothing is heard any more."""
    async with open_to_browsers(tmp_path) as house, browser(house) as page:
        await page.call()
        await page.hear("greeting")
        page.phone.vanish()
        await house.quiet(50)

        ((_, ending),) = house.over
        assert ending.reason is EndReason.STREAM_FAILED


async def test_the_only_line_is_busy(tmp_path: Path) -> None:
    async with (
        open_to_browsers(tmp_path, max_concurrent_calls=1) as house,
        browser(house) as first,
        browser(house) as second,
    ):
        await first.call()
        answer = await second.http.post(CALLS, json={"sdp": await second.phone.offer()})
        await first.hang_up()
        await house.quiet()

    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:fwai:problem:busy"


@pytest.mark.parametrize("when", ["connecting", "talking"])
async def test_a_stopped_server_waits_for_no_browser(tmp_path: Path, when: str) -> None:
    async with asyncio.timeout(8), open_to_browsers(tmp_path) as house, browser(house) as page:
        if when == "talking":
            await page.call()
        else:
            await page.http.post(CALLS, json={"sdp": await page.phone.offer()})
    assert house.server.calls.active == 0
