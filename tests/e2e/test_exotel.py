"""Whole calls on Exotel: the real server between a simulated telephone and a simulated model."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from e2e.house import House, running
from fwai.adapters.exotel.client import ExotelClient
from fwai.domain.call import CallState, EndReason
from fwai.simulator.common.caller import (
    AwaitHangUp,
    BargeIn,
    CallReport,
    Drop,
    HangUp,
    Hear,
    Press,
    Say,
    SendMalformed,
    Step,
    Wait,
)
from fwai.simulator.exotel.phone import ExotelPhone
from fwai.simulator.exotel.stream import StreamOptions
from gaps import assert_satisfied, on_time

WHOLE: list[Step] = [
    Hear("greeting"),
    Say("ask_courses"),
    BargeIn("barge_in", after_ms=700),
    Hear("price_answer"),
    Say("goodbye"),
    Hear("goodbye_answer"),
    AwaitHangUp(),
]
ASK_AND_LEAVE: list[Step] = [Hear("greeting"), Say("ask_ai"), Hear("ai_answer"), HangUp()]
SECRET = "path-that-must-not-show"
CAMEL = StreamOptions(spelling="camel")


def exotel(folder: Path, **overrides: object) -> AbstractAsyncContextManager[House]:
    return running(folder, call_provider="exotel", **overrides)


async def place(phone: ExotelPhone, script: Sequence[Step]) -> CallReport:
    async with asyncio.timeout(50):
        return await phone.call(script)


def base_of(house: House) -> str:
    secret = house.world.settings.exotel_webhook_secret.get_secret_value()
    return f"{house.url}/exotel/{secret}"


async def test_whole_calls_at_every_rate_in_both_spellings(tmp_path: Path) -> None:
    """Greeting, question, barge-in, goodbye; the address asked for or fixed; beside each other."""
    async with exotel(tmp_path) as house:
        world = house.world
        phones = [
            world.exotel_phone(),
            world.exotel_phone(stream=CAMEL, static_rate=16000),
            world.exotel_phone(stream=CAMEL, static_rate=24000),
        ]
        short = [
            world.exotel_phone(stream=CAMEL),
            world.exotel_phone(stream=StreamOptions(message_ms=20), static_rate=16000),
            world.exotel_phone(static_rate=24000),
        ]
        reports = await asyncio.gather(
            *(place(phone, WHOLE) for phone in phones),
            *(place(phone, ASK_AND_LEAVE) for phone in short),
        )
        await house.quiet()

        for report in reports:
            assert_satisfied(report)
            assert report.violations == []
            with on_time():
                assert report.gaps == []
        for report in reports[:3]:
            assert report.ended_by == "agent"
            assert report.checkpoints, "the goodbye was receipted before the stream was closed"
            assert [one.whole for one in report.heard if one.clip == "goodbye_answer"] == [True]
        assert sorted(ending.reason for _, ending in house.over) == [
            *[EndReason.AGENT_HUNG_UP] * 3,
            *[EndReason.CALLER_HUNG_UP] * 3,
        ]
        assert {ending.state for _, ending in house.over} == {CallState.COMPLETED}
        assert [session.voice.underruns for session, _ in house.over] == [0] * 6
        callers = {(session.call.caller, session.call.line) for session, _ in house.over}
        assert callers == {("+919999900001", "+918888800000")}


async def test_strangers_are_refused(tmp_path: Path) -> None:
    """Secret, Basic and token before the handshake is accepted; account and call once they are."""

    async def refused(url: str) -> int:
        with pytest.raises(InvalidStatus) as failed:
            async with connect(url, proxy=None):
                pass
        return failed.value.response.status_code

    async def closed(url: str, **start: object) -> int | None:
        ids = {"stream_sid": "s", "call_sid": "c", "account_sid": "demo1", "from": "09999900001"}
        async with connect(url, proxy=None) as socket, asyncio.timeout(5):
            await socket.send(json.dumps({"event": "connected"}))
            await socket.send(json.dumps({"event": "start", "start": {**ids, **start}}))
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            return socket.close_code

    async with exotel(tmp_path) as house:
        static = house.world.exotel_phone(static_rate=8000).url
        host = house.url.removeprefix("http://")
        path = static.partition("/exotel/")[2]
        login = static.removeprefix("ws://").partition("@")[0]

        assert await refused(f"ws://{host}/exotel/{path}") == 403
        assert await refused(f"ws://{login}x@{host}/exotel/{path}") == 403
        assert await refused(f"ws://{login}@{host}/exotel/wrong/stream") == 403
        assert await refused(static.replace("/stream", "/stream/guess")) == 403
        assert house.world.model.sessions == []

        assert await closed(static, account_sid="other") == 1008
        assert await closed(static, account_sid="") == 1008
        ours = house.world.settings.exotel_caller_id
        assert await closed(static, **{"from": ours, "to": "09999900001"}) == 1008
        assert house.server.calls.active == 0
        assert house.world.model.sessions == []

        async with httpx.AsyncClient() as http:
            fields = {"CallSid": "c9", "From": "09999900001"}
            url = (await http.get(f"{base_of(house)}/voicebot", params=fields)).json()["url"]
        assert await closed(url, call_sid="another") == 1008
        assert house.server.calls.active == 1, "the call itself still waits for its stream"


async def test_every_kind_of_call_beside_each_other(tmp_path: Path) -> None:
    """What start declares, lines that break, a stream that only listens, a call out."""
    with capture_logs() as logs:
        await every_kind_of_call(tmp_path)

    shown = json.dumps(logs, default=str)
    assert "call_answered" in shown
    assert "9999900001" not in shown
    assert SECRET not in shown
    assert "Which courses" not in shown


async def every_kind_of_call(folder: Path) -> None:
    async with exotel(folder, exotel_sample_rate=16000, exotel_webhook_secret=SECRET) as house:
        await asyncio.gather(
            what_start_says_wins(house),
            calls_break(house),
            a_stream_only_listens(house),
            a_call_out(house),
        )
        await house.quiet()

        told = [text for session in house.world.model.sessions for text in session.texts]
        assert "The caller pressed these keys: 4 2 #." in told
        heard = [clip for session in house.world.model.sessions for clip in session.heard]
        assert sorted(filter(None, heard)) == [*["ask_ai"] * 4, "ask_courses"]
        assert "4 2" not in "".join(house.transcripts())


async def what_start_says_wins(house: House) -> None:
    """The address asks for 16 kHz and the stream declares something else, mu-law even."""
    phones = [
        house.world.exotel_phone(stream=StreamOptions(mulaw=True)),
        house.world.exotel_phone(stream=StreamOptions(sample_rate=8000)),
        house.world.exotel_phone(stream=StreamOptions(sample_rate=24000)),
    ]
    reports = await asyncio.gather(*(place(phone, ASK_AND_LEAVE) for phone in phones))

    for report in reports:
        assert_satisfied(report)
        assert report.heard_clips == ["greeting", "ai_answer"]


async def calls_break(house: House) -> None:
    keys: list[Step] = [Hear("greeting"), Press("42#"), Wait(3500), HangUp()]
    rude: list[Step] = [
        Wait(500),
        SendMalformed("not_json"),
        SendMalformed("deep"),
        SendMalformed("not_json"),
    ]
    scripts: list[list[Step]] = [keys, [Hear("greeting"), Drop()], rude, [Wait(300), HangUp()]]
    await asyncio.gather(*(place(house.world.exotel_phone(), script) for script in scripts))


async def a_stream_only_listens(house: House) -> None:
    """What is said is written down, and nothing is ever sent."""
    phone = house.world.exotel_phone(stream=StreamOptions(listening=True), static_rate=8000)
    phone.url += "&mode=listen"
    report = await place(phone, [Wait(300), Say("ask_courses"), Wait(3500), HangUp()])

    assert_satisfied(report)
    assert report.heard == []
    (line,) = [
        [json.loads(line) for line in text.splitlines()]
        for text in house.transcripts()
        if "Which courses do you offer?" in text
    ]
    assert not [entry for entry in line if entry.get("role") in ("agent", "tool")]


async def a_call_out(house: House) -> None:
    """Dialled over REST, answered, talked to, and its end told by the status callback."""
    api, settings = house.world.exotel, house.world.settings
    assert api is not None
    static = house.world.exotel_phone(static_rate=8000)
    api.on_call = lambda _: ASK_AND_LEAVE
    api.template = replace(static, status_as="multipart", passthru_url=None)
    async with httpx.AsyncClient() as http:
        client = ExotelClient(
            http,
            settings.exotel_sid,
            settings.exotel_api_key.get_secret_value(),
            settings.exotel_api_token.get_secret_value(),
            settings.exotel_caller_id,
            api.url,
        )
        status_url = f"{base_of(house)}/status"
        sid = await client.dial("+919999900007", stream_url=static.url, status_url=status_url)
        report = await api.report(sid)
        details = await client.details(sid)

    assert_satisfied(report)
    assert [one.kind for one in report.deliveries] == [
        "status ringing",
        "status answered",
        "status",
    ]
    assert details is not None
    assert details.status == "completed"
    await house.quiet(20)
    calls = {session.call.provider_call_id: session.call for session, _ in house.over}
    assert calls[sid].caller == "+919999900007"
