"""Exotel's endpoints over ASGI: who is let in, and what the rest of the server is told."""

import json
from base64 import b64encode
from dataclasses import replace
from urllib.parse import urlencode

import httpx
import pytest
from fastapi import WebSocket
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from fwai.adapters.exotel.admission import MAX_BODY_BYTES
from fwai.adapters.exotel.client import ExotelClient
from fwai.adapters.exotel.codec import ExotelCodec, ExotelStarted
from fwai.adapters.exotel.leg import MAX_CALL_S, ExotelLeg
from fwai.adapters.exotel.line import ExotelLine
from fwai.adapters.exotel.routes import (
    REFUSED,
    ExotelWebhooks,
    _RequestHandler,
)
from fwai.domain.call import CallOffer, CallState, Direction
from fwai.interfaces.media import CallerLeg
from unit.adapters.exotel.kit import HOOKS, INCOMING, KNOWN, OUTGOING, SECRET, Exotel
from unit.adapters.handler_kit import TOKEN, FakeCalls, FakeReports

# ---- who is let in ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["voicebot", "status", "sms-status", "passthru"])
@pytest.mark.parametrize("secret", ["wrong", f"{SECRET}x", SECRET.upper(), "%F0%9F%94%91"])
async def test_a_wrong_secret_is_refused(path: str, secret: str) -> None:
    exotel = Exotel()

    response = await exotel.send(path, INCOMING, secret=secret)

    assert response.status_code == 403
    assert SECRET not in response.text
    assert exotel.calls.untouched


async def test_an_empty_secret_admits_nobody() -> None:
    exotel = Exotel(hooks=replace(HOOKS, secret=""))

    assert (await exotel.send("voicebot", INCOMING, secret="x")).status_code == 403
    assert (await exotel.send("voicebot", INCOMING, secret="")).status_code == 404


@pytest.mark.parametrize("path", ["voicebot", "status", "sms-status", "passthru"])
async def test_another_account_is_refused(path: str) -> None:
    exotel = Exotel()

    assert (await exotel.send(path, {**INCOMING, "AccountSid": "other"})).status_code == 403
    assert exotel.calls.untouched


@pytest.mark.parametrize("path", ["voicebot", "status", "sms-status", "passthru"])
async def test_a_body_without_end_is_refused(path: str) -> None:
    body = b"x" * (MAX_BODY_BYTES + 1)

    response = await Exotel().send(path, {}, method="POST", content=body)

    assert response.status_code == 413


def login(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


BASIC = replace(HOOKS, basic=("user", "pass"))


@pytest.mark.parametrize(
    ("hooks", "path", "headers"),
    [
        (HOOKS, "/exotel/wrong/stream", {}),
        (HOOKS, "/exotel/wrong/stream/tok-_1", {}),
        (HOOKS, f"/exotel/{SECRET}/stream/guess", {}),
        (HOOKS, f"/exotel/{SECRET}/stream?t=guess", {}),
        (BASIC, f"/exotel/{SECRET}/stream", {}),
        (BASIC, f"/exotel/{SECRET}/stream", login("user", "guess")),
        (BASIC, f"/exotel/{SECRET}/stream/tok-_1", login("guess", "pass")),
        (BASIC, "/exotel/wrong/stream", login("user", "pass")),
    ],
)
def test_a_stream_is_refused_before_it_is_accepted(
    hooks: ExotelWebhooks, path: str, headers: dict[str, str]
) -> None:
    exotel = Exotel(hooks=hooks)
    client = TestClient(exotel.app(httpx.AsyncClient()))

    with (
        pytest.raises(WebSocketDisconnect) as refused,
        client.websocket_connect(path, headers=headers),
    ):
        pass

    assert refused.value.code == 1008
    assert exotel.calls.untouched


@pytest.mark.parametrize(
    ("hooks", "path", "headers"),
    [
        (HOOKS, f"/exotel/{SECRET}/stream", {}),
        (HOOKS, f"/exotel/{SECRET}/stream/tok-_1", {}),
        (HOOKS, f"/exotel/{SECRET}/stream?t=tok-_1&sample-rate=16000", {}),
        (BASIC, f"/exotel/{SECRET}/stream", login("user", "pass")),
    ],
)
def test_a_stream_that_fits_gets_as_far_as_the_socket(
    hooks: ExotelWebhooks, path: str, headers: dict[str, str]
) -> None:
    """Whole streams need a real server: tests/e2e/test_exotel.py."""
    client = TestClient(Exotel(hooks=hooks).app(httpx.AsyncClient()))

    with (
        pytest.raises(RuntimeError, match="MediaSocketProtocol"),
        client.websocket_connect(path, headers=headers),
    ):
        pass


@pytest.mark.parametrize(
    ("account", "token", "carried"),
    [
        ("acme1", "", True),
        ("acme1", TOKEN, True),
        ("", TOKEN, True),
        ("", "", False),
        ("other", "", False),
        ("other", TOKEN, True),
        ("500025", TOKEN, True),
        ("ACME1", "", True),
        (" acme1 ", "", True),
        ("acme", "", False),
    ],
)
async def test_a_stream_is_ours_by_its_token_or_its_account(
    account: str, token: str, carried: bool
) -> None:
    class Carrying(FakeCalls):
        async def carry(self, token: str, provider_call_id: str, leg: CallerLeg) -> bool:
            return token == TOKEN

    calls = Carrying(tokens={TOKEN})
    started = ExotelStarted("c1", "s1", account, "09999900001", "08047100000")
    async with httpx.AsyncClient() as rest:
        client = ExotelClient(rest, "acme1", "key", "token", HOOKS.line, "https://api")
        line = ExotelLine(client, HOOKS.line, HOOKS.public_url, SECRET, HOOKS.stream_url)
        requests = _RequestHandler(HOOKS, calls, client, line, FakeReports())
        socket = WebSocket({"type": "websocket"}, None, None)  # type: ignore[arg-type]
        code = await requests._carry(socket, ExotelLeg(ExotelCodec(8000)), started, token)

    assert code == (None if carried else REFUSED)
    assert len(calls.offers) == (1 if carried and not token else 0)


# ---- where the stream goes ----------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_call_gets_its_own_stream_address(method: str) -> None:
    exotel = Exotel(hooks=replace(HOOKS, sample_rate=16000))

    response = await exotel.send("voicebot", INCOMING, method=method)

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    url = f"wss://voice.example.com/exotel/{SECRET}/stream/tok-_1?sample-rate=16000"
    assert response.json() == {"url": url}
    assert exotel.calls.offers == [
        CallOffer("exotel", "c1", Direction.INBOUND, "+919999900001", "+918047100000")
    ]


async def test_a_call_announced_in_json_is_the_same_call() -> None:
    exotel = Exotel()
    body = json.dumps({"callsid": "c1", "From": "09999900001", "To": "08047100000"}).encode()

    await exotel.send("voicebot", {}, method="POST", content=body, content_type="application/json")

    assert exotel.calls.offers == [
        CallOffer("exotel", "c1", Direction.INBOUND, "+919999900001", "+918047100000")
    ]


async def test_basic_credentials_are_in_the_address_when_they_are_wanted() -> None:
    response = await Exotel(hooks=BASIC).send("voicebot", INCOMING)

    assert response.json()["url"].startswith("wss://user:pass@voice.example.com/exotel/")


async def test_without_a_call_id_the_stream_itself_will_say() -> None:
    exotel = Exotel()

    response = await exotel.send("voicebot", {})

    url = f"wss://voice.example.com/exotel/{SECRET}/stream?sample-rate=8000"
    assert response.json() == {"url": url}
    assert exotel.calls.untouched


async def test_a_probe_starts_nothing() -> None:
    exotel = Exotel()

    response = await exotel.send("voicebot", INCOMING, method="HEAD")

    assert (response.status_code, response.content) == (200, b"")
    assert exotel.calls.untouched


async def test_a_listening_applet_is_told_to_be_one() -> None:
    exotel = Exotel()

    response = await exotel.send("voicebot", {**INCOMING, "mode": "listen"})

    assert response.json()["url"].endswith("?sample-rate=8000&mode=listen")
    assert exotel.calls.offers[0].listen_only


async def test_a_busy_server_says_so() -> None:
    assert (await Exotel(FakeCalls(busy=True)).send("voicebot", INCOMING)).status_code == 503


async def test_a_call_that_is_over_gets_no_stream() -> None:
    assert (await Exotel(FakeCalls(ticket=None)).send("voicebot", INCOMING)).status_code == 409


async def test_a_call_out_that_exotel_knows_is_taken() -> None:
    exotel = Exotel(answer=KNOWN)

    assert (await exotel.send("voicebot", OUTGOING)).status_code == 200
    assert exotel.calls.offers == [
        CallOffer("exotel", "c1", Direction.OUTBOUND, "+919999900001", "+918047100000")
    ]


@pytest.mark.parametrize(
    "answer", [httpx.Response(404), httpx.Response(500), httpx.ReadTimeout("slow")]
)
async def test_a_call_out_that_nobody_knows_is_refused(answer: httpx.Response | Exception) -> None:
    exotel = Exotel(answer=answer)

    assert (await exotel.send("voicebot", OUTGOING)).status_code == 403
    assert exotel.calls.untouched


# ---- how it went --------------------------------------------------------------------------------

ENDED = {"CallSid": "c1", "Status": "no-answer", "EventType": "terminal"}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", urlencode(ENDED).encode()),
        ("application/json", json.dumps(ENDED).encode()),
        (
            "multipart/form-data; boundary=x",
            b"".join(
                f'--x\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode()
                for k, v in ENDED.items()
            )
            + b"--x--\r\n",
        ),
    ],
)
async def test_the_end_is_heard_in_every_content_type(content_type: str, body: bytes) -> None:
    exotel = Exotel()

    response = await exotel.send(
        "status", {}, method="POST", content=body, content_type=content_type
    )

    assert response.status_code == 200
    assert exotel.calls.endings == [("exotel", "c1", CallState.NO_ANSWER, "no-answer")]


@pytest.mark.parametrize(
    "fields",
    [
        {"CallSid": "c1", "EventType": "answered", "Status": "completed"},
        {"CallSid": "c1", "EventType": "ringing"},
        {"CallSid": "c1", "Status": "in-progress"},
        {"Status": "completed"},
        {"SmsSid": "m1", "Status": "failed", "CallSid": "c1"},
        {},
    ],
)
async def test_what_is_no_end_of_a_call_ends_none(fields: dict[str, str]) -> None:
    exotel = Exotel()

    assert (await exotel.send("status", fields, method="POST")).status_code == 200
    assert exotel.calls.untouched


# ---- what comes after the stream ----------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("stream", "handed_off", "status"),
    [
        ({}, "", 200),
        ({"Stream[Status]": "completed", "Stream[DisconnectedBy]": "bot"}, "", 200),
        ({"Stream[Status]": "completed", "Stream[DisconnectedBy]": "bot"}, "c1", 302),
        ({"Stream[Status]": "completed", "Stream[DisconnectedBy]": "bot"}, "c2", 200),
        ({"Stream[Status]": "failed", "Stream[Error]": "3009"}, "", 302),
        ({"Stream": '{"Status": "completed", "DisconnectedBy": "user"}'}, "", 200),
        ({"Stream": "not json"}, "", 200),
    ],
)
async def test_the_flow_goes_on_to_a_human_when_that_was_asked_for_or_we_failed(
    stream: dict[str, str], handed_off: str, status: int, method: str
) -> None:
    exotel = Exotel(handed_off=handed_off)

    response = await exotel.send("passthru", {**INCOMING, **stream}, method=method)

    assert (response.status_code, response.content) == (status, b"")
    assert exotel.calls.untouched


def test_a_call_ends_before_exotel_would_end_it() -> None:
    assert MAX_CALL_S == 55 * 60


def test_secrets_are_not_in_what_a_log_may_show() -> None:
    shown = repr(replace(HOOKS, basic=("user", "pass-word")))

    assert SECRET not in shown
    assert "pass-word" not in shown


@pytest.mark.parametrize("status", ["completed", "no-answer", "busy", "failed", "canceled"])
@pytest.mark.parametrize(
    ("fields", "missed"),
    [(INCOMING, True), (OUTGOING, False), ({**INCOMING, "Direction": ""}, False)],
)
async def test_whoever_hung_up_before_their_stream_came_is_told(
    status: str, fields: dict[str, str], missed: bool
) -> None:
    exotel = Exotel()

    await exotel.send("status", {**fields, "Status": status, "CallStatus": status})

    assert len(exotel.calls.endings) == 1
    assert [(offer.caller, offer.line) for offer, _, _ in exotel.calls.misses] == (
        [("+919999900001", "+918047100000")] if missed else []
    )


async def test_a_call_of_ours_is_never_missed() -> None:
    exotel = Exotel(placed="c1")

    await exotel.send("status", {**INCOMING, "Status": "completed"})

    assert exotel.calls.misses == []


@pytest.mark.parametrize("path", ["voicebot", "status", "sms-status", "passthru"])
async def test_a_field_that_says_two_things_is_refused(path: str) -> None:
    exotel = Exotel()
    twice = b"CallSid=aaaaaaaaaaaaaaaa1&CallSid=aaaaaaaaaaaaaaaa2"

    response = await exotel.send(path, {}, method="POST", content=twice)

    assert response.status_code == 403
    assert exotel.calls.untouched
