"""Plivo's webhooks over ASGI: who is let in, and what the rest of the server is told."""

from dataclasses import replace
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from fwai.adapters.plivo.routes import MAX_FORM_BYTES
from fwai.adapters.plivo.webhook import BUSY_XML, EMPTY_XML
from fwai.domain.call import CallOffer, CallState, Direction
from fwai.simulator.plivo.signature import PlivoSigner
from unit.adapters.handler_kit import FakeCalls
from unit.adapters.plivo.kit import (
    CALL,
    HANG_UP,
    HOOKS,
    INBOUND,
    PUBLIC_URL,
    TOKEN,
    VOICE_PATHS,
    Line,
    answered,
    stream_of,
)

# ---- who is let in ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*VOICE_PATHS, "message-status"])
async def test_an_unsigned_webhook_is_refused_without_a_word(path: str) -> None:
    calls = FakeCalls()

    response = await Line(calls).send(path, HANG_UP, headers={})

    assert response.status_code == 403
    assert TOKEN not in response.text
    assert calls.untouched


@pytest.mark.parametrize("path", [*VOICE_PATHS, "message-status"])
async def test_a_forged_webhook_is_refused(path: str) -> None:
    calls = FakeCalls()

    response = await Line(calls, signer=PlivoSigner("a-guess")).send(path, HANG_UP)

    assert response.status_code == 403
    assert calls.untouched


@pytest.mark.parametrize("path", VOICE_PATHS)
async def test_a_signed_webhook_is_accepted(path: str) -> None:
    assert (await Line(FakeCalls()).send(path, INBOUND)).status_code == 200


async def test_either_account_may_have_signed() -> None:
    signer = PlivoSigner("sub-token", main_auth_token=TOKEN)

    assert (await Line(FakeCalls(), signer=signer).send("answer", INBOUND)).status_code == 200


async def test_a_rotated_token_still_counts() -> None:
    hooks = replace(HOOKS, tokens=("new-token", TOKEN))

    assert (await Line(FakeCalls(), hooks).send("answer", INBOUND)).status_code == 200


async def test_a_voice_signature_does_not_open_the_message_route_nor_the_other_way_round() -> None:
    line = Line(FakeCalls())
    voice = line.signer.voice("POST", f"{PUBLIC_URL}/plivo/message-status?v=1", HANG_UP)
    message = line.signer.message("POST", f"{PUBLIC_URL}/plivo/hangup?v=1")

    assert (await line.send("message-status", HANG_UP, headers=voice)).status_code == 403
    assert (await line.send("hangup", HANG_UP, headers=message)).status_code == 403


@pytest.mark.parametrize("path", VOICE_PATHS)
async def test_a_development_setting_lets_unsigned_webhooks_in(path: str) -> None:
    line = Line(FakeCalls(), replace(HOOKS, allow_unsigned=True))

    assert (await line.send(path, INBOUND, headers={})).status_code == 200


async def test_the_public_url_is_what_was_signed_not_the_host_header() -> None:
    """Behind a proxy the server is reached under another name and scheme."""
    line = Line(FakeCalls())
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
    response = await Line(FakeCalls()).send("answer", INBOUND, query=query)

    assert response.status_code == 200


async def test_a_get_is_answered_like_a_post() -> None:
    calls = FakeCalls()

    response = await Line(calls).send("answer", {}, method="GET", query=urlencode(INBOUND))

    assert stream_of(response).text is not None
    assert calls.offers[0].provider_call_id == CALL


async def test_the_body_of_a_get_says_nothing() -> None:
    """The signature of a GET covers its query only; a body could put another call in its place."""
    calls = FakeCalls()

    await Line(calls).send(
        "answer", {}, method="GET", query=urlencode(INBOUND), content=b"CallUUID=other&From=1"
    )

    assert calls.offers[0].provider_call_id == CALL


@pytest.mark.parametrize("path", [*VOICE_PATHS[1:], "message-status"])
async def test_notifications_are_posts(path: str) -> None:
    assert (await Line(FakeCalls()).send(path, {}, method="GET")).status_code == 405


async def test_a_form_that_is_too_long_is_refused_before_it_is_read() -> None:
    calls = FakeCalls()

    response = await Line(calls).send("answer", {**INBOUND, "x": "y" * MAX_FORM_BYTES})

    assert response.status_code == 413
    assert calls.untouched


@pytest.mark.parametrize("content", [b"\xff\xfe=\x00", b"{}", b"%zz=%", b"&&&=&="])
async def test_a_body_that_is_no_form_is_refused(content: bytes) -> None:
    response = await Line(FakeCalls()).send("answer", INBOUND, content=content)

    assert response.status_code == 403


# ---- a call comes in ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("audio", "content_type"),
    [("mulaw8k", "audio/x-mulaw;rate=8000"), ("l16_16k", "audio/x-l16;rate=16000")],
)
async def test_a_call_is_answered_with_its_stream(audio: str, content_type: str) -> None:
    response = await Line(FakeCalls(), replace(HOOKS, audio=audio)).send("answer", INBOUND)

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
    line = Line(FakeCalls(), replace(HOOKS, public_url="http://127.0.0.1:3000"))

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
        ("266696687", ""),
        ("+7378742833", ""),
        ("sip:alice@phone.plivo.com", ""),
        ("", ""),
    ],
)
async def test_numbers_are_brought_to_one_form(raw: str, number: str) -> None:
    calls = FakeCalls()

    await answered({**INBOUND, "From": raw}, calls)

    assert calls.offers == [
        CallOffer("plivo", CALL, Direction.INBOUND, caller=number, line="+918888800000")
    ]


@pytest.mark.parametrize(
    ("line", "raw", "number"),
    [
        ("+918888800000", "09999900001", "+919999900001"),
        ("+918888800000", "9999900001", "+919999900001"),
        ("+918888800000", "0919999900001", "+919999900001"),
        ("+918888800000", "12025550100", "+12025550100"),
        ("+12025550199", "2025550100", "+12025550100"),
        ("+12025550199", "919999900001", "+919999900001"),
        ("+918888800000", "+91919999900001", ""),
        ("+918888800000", "140", ""),
    ],
)
async def test_a_network_that_leaves_the_country_out_means_ours(
    line: str, raw: str, number: str
) -> None:
    calls = FakeCalls()

    await Line(calls, hooks=replace(HOOKS, line=line)).send("answer", {**INBOUND, "From": raw})

    assert [offer.caller for offer in calls.offers] == [number]


async def test_the_remote_party_of_an_outbound_call_is_whom_we_dialled() -> None:
    calls = FakeCalls()

    await answered({**INBOUND, "Direction": "Outbound", "CallStatus": "in-progress"}, calls)

    assert calls.offers == [
        CallOffer("plivo", CALL, Direction.OUTBOUND, caller="+918888800000", line="+919999900001")
    ]


async def test_a_call_without_any_other_field_is_offered() -> None:
    calls = FakeCalls()

    response = await answered({"CallUUID": CALL}, calls)

    assert stream_of(response).text
    assert calls.offers == [CallOffer("plivo", CALL, Direction.INBOUND, caller="", line="")]


async def test_a_request_that_names_no_call_gets_nothing() -> None:
    calls = FakeCalls()

    response = await answered({"From": "919999900001"}, calls)

    assert response.text == EMPTY_XML
    assert calls.untouched


async def test_a_full_house_says_busy() -> None:
    assert (await answered(INBOUND, FakeCalls(busy=True))).text == BUSY_XML


async def test_a_call_that_is_known_to_be_over_gets_nothing() -> None:
    assert (await answered(INBOUND, FakeCalls(ticket=None))).text == EMPTY_XML


async def test_a_repeated_delivery_is_offered_again_and_answered() -> None:
    """What a repetition means is the call handler's to know."""
    calls = FakeCalls()

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
    calls = FakeCalls()

    response = await answered(fields, calls)

    assert response.text == EMPTY_XML
    assert calls.offers == []
    assert [ending[:2] for ending in calls.endings] == [("plivo", CALL)]


@pytest.mark.parametrize("path", ["answer", "hangup"])
async def test_a_hang_up_is_passed_on_with_state_and_cause(path: str) -> None:
    calls = FakeCalls()

    response = await Line(calls).send(path, HANG_UP)

    assert response.status_code == 200
    assert calls.endings == [("plivo", CALL, CallState.COMPLETED, "Normal Hangup")]


async def test_a_repeated_hang_up_is_passed_on_again() -> None:
    """Deliveries repeat; who keeps the state decides that nothing is left to do."""
    calls = FakeCalls()
    line = Line(calls)

    await line.send("hangup", HANG_UP)
    await line.send("hangup", HANG_UP)

    assert calls.endings[0] == calls.endings[1]


async def test_a_cause_is_cut_to_a_length_fit_for_a_log() -> None:
    calls = FakeCalls()

    await Line(calls).send("hangup", {**HANG_UP, "HangupCauseName": "x" * 500})

    assert len(calls.endings[0][3]) == 60


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("ring", {"CallUUID": CALL, "CallStatus": "ringing"}),
        ("stream-status", {"Event": "DroppedStream", "StreamID": "s-1", "CallUUID": CALL}),
        ("stream-status", {"event": "started"}),
        ("message-status", {"MessageUUID": "m-1", "Status": "delivered"}),
        ("message-status", {}),
    ],
)
async def test_notifications_are_acknowledged(path: str, form: dict[str, str]) -> None:
    calls = FakeCalls()

    response = await Line(calls).send(path, form)

    assert (response.status_code, response.text) == (200, "")
    assert calls.untouched


def test_secrets_stay_out_of_a_repr() -> None:
    assert TOKEN not in repr(HOOKS)


@pytest.mark.parametrize(("path", "asked"), [("hangup", HANG_UP), ("answer", HANG_UP)])
@pytest.mark.parametrize("direction", ["inbound", "outbound", ""])
async def test_whoever_hung_up_before_we_were_asked_is_told(
    path: str, asked: dict[str, str], direction: str
) -> None:
    calls = FakeCalls()

    await Line(calls).send(path, {**asked, "Direction": direction})

    told = [(offer.provider_call_id, offer.direction) for offer, _, _ in calls.misses]
    assert len(calls.endings) == 1
    assert told == ([(asked["CallUUID"], Direction.INBOUND)] if direction == "inbound" else [])
