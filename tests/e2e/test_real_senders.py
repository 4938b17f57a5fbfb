"""Streams as other people's clients send them, against the whole server."""

import asyncio
import base64
import json
from pathlib import Path
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import httpx
from structlog.testing import capture_logs
from websockets.asyncio.client import connect

from e2e.house import House, running
from fwai.domain.call import CallState, EndReason
from fwai.simulator.plivo.signature import PlivoSigner

RATE = 16_000
TWO_SECONDS = base64.b64encode(bytes(2 * 2 * RATE)).decode()
SILENCE = base64.b64encode(b"\xff" * 160).decode()

PLIVO_CALL = "0e1b4c3a-9d53-4c5a-8f3e-1f0a6d2b7c11"


async def over(house: House) -> tuple[EndReason, CallState, float]:
    """Wait until the one call is over; return how it ended and how much the model was sent."""
    await house.quiet()
    ((_, ending),) = house.over
    return ending.reason, ending.state, heard_ms(house)


def heard_ms(house: House) -> float:
    return sum(session.audio_ms for session in house.world.model.sessions)


async def test_an_exotel_stream_of_two_second_messages_that_only_its_token_names(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, call_provider="exotel", exotel_sample_rate=RATE) as house:
        secret = house.world.settings.exotel_webhook_secret.get_secret_value()
        fields = {"CallSid": "c1", "CallFrom": "09999900001", "CallTo": "08047100000"}
        async with httpx.AsyncClient() as http:
            asked = await http.get(f"{house.url}/exotel/{secret}/voicebot/", params=fields)

        async with connect(asked.json()["url"], proxy=None, compression=None) as stream:
            body = {"account_sid": "500025", "media_format": {"type": "raw", "rate": RATE}}
            await stream.send(json.dumps({"event": "start", "stream_sid": "s", "start": body}))
            await stream.recv()  # the agent greets: the model listens
            for _ in range(2):
                media = {"event": "media", "media": {"payload": TWO_SECONDS}}
                assert len(json.dumps(media)) > 85_000
                await stream.send(json.dumps(media))
                await asyncio.sleep(2.0)  # nobody speaks faster
            async with asyncio.timeout(10):
                while heard_ms(house) < 3_900:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)

        reason, state, model_heard_ms = await over(house)

        assert (reason, state) == (EndReason.CALLER_HUNG_UP, CallState.COMPLETED)
        assert model_heard_ms > 3_900
        ((session, _),) = house.over
        assert session.call.provider_call_id == "c1"


async def test_a_plivo_stream_with_an_internal_account_number_is_an_ordinary_call(
    tmp_path: Path,
) -> None:
    with capture_logs() as logs:
        async with running(tmp_path) as house:
            form = {"call_uuid": PLIVO_CALL, "From": "919999900001", "To": "918888800000"}
            where = f"{house.url}/plivo/answer/?v=1"
            signer = PlivoSigner(house.world.settings.plivo_tokens[0])
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            async with httpx.AsyncClient() as http:
                answered = await http.post(
                    where,
                    content=urlencode(form),
                    headers={**headers, **signer.voice("POST", where, form)},
                )
            url = ET.fromstring(answered.text).findtext("Stream") or ""  # noqa: S314 - our own

            async with connect(url, proxy=None, compression=None) as stream:
                body = {
                    "callId": PLIVO_CALL,
                    "streamId": "s-1",
                    "accountId": 500025,
                    "mediaFormat": {"type": "audio/x-mulaw", "rate": 8000},
                }
                for message in (
                    {"event": "start", "start": body},
                    {"event": "start", "start": body},
                    {"event": "dtmf", "dtmf": {"digit": 5}},
                    {"event": "playedStream", "streamId": "s-1"},
                    *[{"event": "media", "media": {"payload": SILENCE}}] * 100,
                ):
                    await stream.send(json.dumps(message))
                await stream.recv()

            reason, state, model_heard_ms = await over(house)

    assert (reason, state) == (EndReason.CALLER_HUNG_UP, CallState.COMPLETED)
    assert model_heard_ms > 1_900
    assert [line["event"] for line in logs].count("stream_account_differs") == 1
    assert not any(line["event"] == "stream_message_unreadable" for line in logs)
