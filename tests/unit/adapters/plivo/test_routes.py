"""Plivo's webhooks over ASGI: who is let in, and what the rest of the server is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, urlencode, urlsplit
from xml.etree import ElementTree as ET

import httpx
import pytest
from fastapi import FastAPI

from fakes import FakeControl
from fwai.adapters.plivo.routes import MAX_FORM_BYTES, PlivoWebhooks, router
from fwai.adapters.plivo.webhook import BUSY_XML, EMPTY_XML
from fwai.domain.call import CallId, CallOffer, CallState, Direction, StreamTicket
from fwai.errors import BusyError
from fwai.interfaces import CallControl, CallerLeg
from fwai.simulator.plivo_signature import PlivoSigner

PUBLIC_URL = "https://voice.example.com"
TOKEN = "account-token"
HOOKS = PlivoWebhooks(PUBLIC_URL, "MA1", (TOKEN,))
INBOUND = {
    "CallUUID": "c-1",
    "From": "919999900001",
    "To": "918888800000",
    "Direction": "inbound",
    "CallStatus": "ringing",
    "Event": "StartApp",
}
HANG_UP = {
    **INBOUND,
    "CallStatus": "completed",
    "Event": "Hangup",
    "HangupCause": "NORMAL_CLEARING",
    "HangupCauseName": "Normal Hangup",
    "AnswerTime": "2026-11-22 10:00:00",
    "Duration": "63",
}
VOICE_PATHS = ["answer", "hangup", "ring", "stream-status", "machine"]


@dataclass
class Calls:
    """A CallHandler that remembers what it was told."""

    ticket: StreamTicket | None = field(
        default_factory=lambda: StreamTicket(CallId("20261122-ab"), "tok-_1")
    )
    busy: bool = False
    offers: list[CallOffer] = field(default_factory=list)
    endings: list[tuple[str, str, CallState, str]] = field(default_factory=list)

    async def offer(self, offer: CallOffer, control: CallControl) -> StreamTicket | None:
        self.offers.append(offer)
        if self.busy:
            raise BusyError("all lines are in use")
        return self.ticket

    def admits(self, token: str) -> bool:
        return False

    async def carry(self, token: str, provider_call_id: str, leg: CallerLeg) -> bool:
        return False

    async def ended(
        self, provider: str, provider_call_id: str, state: CallState, cause: str = ""
    ) -> None:
        self.endings.append((provider, provider_call_id, state, cause))

    @property
    def untouched(self) -> bool:
        return not self.offers and not self.endings


@dataclass
class Line:
    """Plivo's side: signs a webhook and sends it, under a host name that is not the public one."""

    calls: Calls
    hooks: PlivoWebhooks = HOOKS
    signer: PlivoSigner = field(default_factory=lambda: PlivoSigner(TOKEN))

    async def send(
        self,
        path: str,
        form: Mapping[str, str],
        *,
        method: str = "POST",
        query: str = "v=1",
        headers: Mapping[str, str] | None = None,
        public_url: str = PUBLIC_URL,
        content: bytes | None = None,
    ) -> httpx.Response:
        where = f"/plivo/{path}" + (f"?{query}" if query else "")
        if headers is None:
            sign = self.signer.message if path == "message-status" else self.signer.voice
            headers = sign(method, f"{public_url}{where}", form if method == "POST" else {})
        app = FastAPI()
        app.include_router(router(self.hooks, self.calls, FakeControl()))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://10.0.0.7:3000") as http:
            return await http.request(
                method,
                where,
                content=urlencode(form).encode() if content is None else content,
                headers={"Content-Type": "application/x-www-form-urlencoded", **headers},
            )


async def answered(form: Mapping[str, str], calls: Calls | None = None) -> httpx.Response:
    return await Line(calls or Calls()).send("answer", form)


def stream_of(response: httpx.Response) -> ET.Element:
    stream = ET.fromstring(response.text).find("Stream")  # noqa: S314 - our own
    assert stream is not None
    return stream


# ---- who is let in ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*VOICE_PATHS, "message-status"])
async def test_an_unsigned_webhook_is_refused_without_a_word(path: str) -> None:
    calls = Calls()

    response = await Line(calls).send(path, HANG_UP, headers={})

    assert response.status_code == 403
    assert TOKEN not in response.text
    assert calls.untouched


@pytest.mark.parametrize("path", [*VOICE_PATHS, "message-status"])
async def test_a_forged_webhook_is_refused(path: str) -> None:
    calls = Calls()

    response = await Line(calls, signer=PlivoSigner("a-guess")).send(path, HANG_UP)

    assert response.status_code == 403
    assert calls.untouched


@pytest.mark.parametrize("path", VOICE_PATHS)
async def test_a_signed_webhook_is_accepted(path: str) -> None:
    assert (await Line(Calls()).send(path, INBOUND)).status_code == 200


async def test_either_account_may_have_signed() -> None:
    signer = PlivoSigner("sub-token", main_auth_token=TOKEN)

    assert (await Line(Calls(), signer=signer).send("answer", INBOUND)).status_code == 200


async def test_a_rotated_token_still_counts() -> None:
    hooks = replace(HOOKS, tokens=("new-token", TOKEN))

    assert (await Line(Calls(), hooks).send("answer", INBOUND)).status_code == 200


async def test_a_voice_signature_does_not_open_the_message_route_nor_the_other_way_round() -> None:
    line = Line(Calls())
    voice = line.signer.voice("POST", f"{PUBLIC_URL}/plivo/message-status?v=1", HANG_UP)
    message = line.signer.message("POST", f"{PUBLIC_URL}/plivo/hangup?v=1")

    assert (await line.send("message-status", HANG_UP, headers=voice)).status_code == 403
    assert (await line.send("hangup", HANG_UP, headers=message)).status_code == 403


@pytest.mark.parametrize("path", VOICE_PATHS)
async def test_a_development_setting_lets_unsigned_webhooks_in(path: str) -> None:
    line = Line(Calls(), replace(HOOKS, allow_unsigned=True))

    assert (await line.send(path, INBOUND, headers={})).status_code == 200


async def test_the_public_url_is_what_was_signed_not_the_host_header() -> None:
    """Behind a proxy the server is reached under another name and scheme."""
    line = Line(Calls())
    where = "/plivo/answer?v=1"

    public = await line.send("answer", INBOUND)
    host = await line.send("answer", INBOUND, public_url="http://10.0.0.7:3000")
    claimed = await line.send(
        "answer",
        INBOUND,
        headers={
            **line.signer.voice("POST", f"https://evil.example{where}", INBOUND),
            "Host": "evil.example",
            "X-Forwarded-Host": "evil.example",
            "X-Forwarded-Proto": "https",
        },
    )

    assert [public.status_code, host.status_code, claimed.status_code] == [200, 403, 403]


@pytest.mark.parametrize("query", ["", "v=1", "a=1&b=2", "b=2&a=1", "x=%20y&x=a", "v="])
async def test_any_query_can_be_signed(query: str) -> None:
    response = await Line(Calls()).send("answer", INBOUND, query=query)

    assert response.status_code == 200


async def test_a_get_is_answered_like_a_post() -> None:
    calls = Calls()

    response = await Line(calls).send("answer", {}, method="GET", query=urlencode(INBOUND))

    assert stream_of(response).text is not None
    assert calls.offers[0].provider_call_id == "c-1"


async def test_the_body_of_a_get_says_nothing() -> None:
    """The signature of a GET covers its query only; a body could put another call in its place."""
    calls = Calls()

    await Line(calls).send(
        "answer", {}, method="GET", query=urlencode(INBOUND), content=b"CallUUID=other&From=1"
    )

    assert calls.offers[0].provider_call_id == "c-1"


@pytest.mark.parametrize("path", ["hangup", "ring", "machine", "stream-status", "message-status"])
async def test_notifications_are_posts(path: str) -> None:
    assert (await Line(Calls()).send(path, {}, method="GET")).status_code == 405


async def test_a_form_that_is_too_long_is_refused_before_it_is_read() -> None:
    calls = Calls()

    response = await Line(calls).send("answer", {**INBOUND, "x": "y" * MAX_FORM_BYTES})

    assert response.status_code == 413
    assert calls.untouched


@pytest.mark.parametrize("content", [b"\xff\xfe=\x00", b"{}", b"%zz=%", b"&&&=&="])
async def test_a_body_that_is_no_form_is_refused(content: bytes) -> None:
    response = await Line(Calls()).send("answer", INBOUND, content=content)

    assert response.status_code == 403


# ---- a call comes in ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("audio", "content_type"),
    [("mulaw8k", "audio/x-mulaw;rate=8000"), ("l16_16k", "audio/x-l16;rate=16000")],
)
async def test_a_call_is_answered_with_its_stream(audio: str, content_type: str) -> None:
    response = await Line(Calls(), replace(HOOKS, audio=audio)).send("answer", INBOUND)

    assert response.headers["Content-Type"].startswith("application/xml")
    stream = stream_of(response)
    url = urlsplit(stream.text or "")
    assert f"{url.scheme}://{url.netloc}{url.path}" == "wss://voice.example.com/plivo/stream"
    assert parse_qs(url.query) == {"call": ["20261122-ab"], "t": ["tok-_1"]}
    assert stream.attrib == {
        "bidirectional": "true",
        "keepCallAlive": "true",
        "contentType": content_type,
        "statusCallbackUrl": f"{PUBLIC_URL}/plivo/stream-status?v=1",
        "statusCallbackMethod": "POST",
    }


async def test_a_plain_public_url_has_a_plain_stream() -> None:
    line = Line(Calls(), replace(HOOKS, public_url="http://127.0.0.1:3000"))

    response = await line.send("answer", INBOUND, public_url="http://127.0.0.1:3000")

    assert (stream_of(response).text or "").startswith("ws://127.0.0.1:3000/plivo/stream?")


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        ("919999900001", "+919999900001"),
        ("+919999900001", "+919999900001"),
        (" 919999900001", "+919999900001"),
        ("00919999900001", "+919999900001"),
        ("anonymous", ""),
        ("sip:alice@phone.plivo.com", ""),
        ("", ""),
    ],
)
async def test_numbers_are_brought_to_one_form(raw: str, number: str) -> None:
    calls = Calls()

    await answered({**INBOUND, "From": raw}, calls)

    assert calls.offers == [
        CallOffer("plivo", "c-1", Direction.INBOUND, caller=number, line="+918888800000")
    ]


async def test_the_remote_party_of_an_outbound_call_is_whom_we_dialled() -> None:
    calls = Calls()

    await answered({**INBOUND, "Direction": "Outbound", "CallStatus": "in-progress"}, calls)

    assert calls.offers == [
        CallOffer("plivo", "c-1", Direction.OUTBOUND, caller="+918888800000", line="+919999900001")
    ]


async def test_a_call_without_any_other_field_is_offered() -> None:
    calls = Calls()

    response = await answered({"CallUUID": "c-1"}, calls)

    assert stream_of(response).text
    assert calls.offers == [CallOffer("plivo", "c-1", Direction.INBOUND, caller="", line="")]


async def test_a_request_that_names_no_call_gets_nothing() -> None:
    calls = Calls()

    response = await answered({"From": "919999900001"}, calls)

    assert response.text == EMPTY_XML
    assert calls.untouched


async def test_a_full_house_says_busy() -> None:
    assert (await answered(INBOUND, Calls(busy=True))).text == BUSY_XML


async def test_a_call_that_is_known_to_be_over_gets_nothing() -> None:
    assert (await answered(INBOUND, Calls(ticket=None))).text == EMPTY_XML


async def test_a_repeated_delivery_is_offered_again_and_answered() -> None:
    """What a repetition means is the call handler's to know."""
    calls = Calls()

    first, second = await answered(INBOUND, calls), await answered(INBOUND, calls)

    assert first.text == second.text
    assert calls.offers[0] == calls.offers[1]


# ---- a call is over -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        HANG_UP,
        {**INBOUND, "CallStatus": "completed"},
        {**INBOUND, "CallStatus": "no-answer"},
        {**INBOUND, "CallStatus": "busy"},
        {**INBOUND, "CallStatus": "failed"},
        {**INBOUND, "CallStatus": "timeout"},
        {**INBOUND, "CallStatus": "cancel"},
        {**INBOUND, "CallStatus": "in-progress", "Event": "Hangup"},
    ],
)
async def test_a_hang_up_on_the_answer_url_opens_no_stream(fields: dict[str, str]) -> None:
    """Without a hang-up URL of its own Plivo posts it here."""
    calls = Calls()

    response = await answered(fields, calls)

    assert response.text == EMPTY_XML
    assert calls.offers == []
    assert [ending[:2] for ending in calls.endings] == [("plivo", "c-1")]


@pytest.mark.parametrize("path", ["answer", "hangup"])
async def test_a_hang_up_is_passed_on_with_state_and_cause(path: str) -> None:
    calls = Calls()

    response = await Line(calls).send(path, HANG_UP)

    assert response.status_code == 200
    assert calls.endings == [("plivo", "c-1", CallState.COMPLETED, "Normal Hangup")]


async def test_a_repeated_hang_up_is_passed_on_again() -> None:
    """Deliveries repeat; who keeps the state decides that nothing is left to do."""
    calls = Calls()
    line = Line(calls)

    await line.send("hangup", HANG_UP)
    await line.send("hangup", HANG_UP)

    assert calls.endings[0] == calls.endings[1]


async def test_a_cause_is_cut_to_a_length_fit_for_a_log() -> None:
    calls = Calls()

    await Line(calls).send("hangup", {**HANG_UP, "HangupCauseName": "x" * 500})

    assert len(calls.endings[0][3]) == 60


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("ring", {"CallUUID": "c-1", "CallStatus": "ringing"}),
        ("machine", {"CallUUID": "c-1", "Event": "MachineDetection", "Machine": "true"}),
        ("stream-status", {"Event": "DroppedStream", "StreamID": "s-1", "CallUUID": "c-1"}),
        ("stream-status", {"event": "started"}),
        ("message-status", {"MessageUUID": "m-1", "Status": "delivered"}),
        ("message-status", {}),
    ],
)
async def test_notifications_are_acknowledged(path: str, form: dict[str, str]) -> None:
    calls = Calls()

    response = await Line(calls).send(path, form)

    assert (response.status_code, response.text) == (200, "")
    assert calls.untouched


def test_secrets_stay_out_of_a_repr() -> None:
    assert TOKEN not in repr(HOOKS)
