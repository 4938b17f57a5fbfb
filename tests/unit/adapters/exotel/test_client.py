"""Exotel's REST API as the client speaks it, and what it makes of every answer."""

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from fwai.adapters.exotel.client import KEPT, MAX_SMS, ExotelClient
from fwai.errors import ApiError, ApiUnknownError
from unit.adapters.client_kit import (
    Answer,
    FakeRest,
    assert_means,
    assert_silent_on,
    every_status,
    failure,
    never_sent,
    no_answer,
)

SID, KEY, TOKEN = "acme1", "api-key", "a-very-secret-token"
ACCOUNT = f"/v1/Accounts/{SID}"
CALL = {"Call": {"Sid": "c1", "Status": "in-progress", "RecordingUrl": None, "Duration": None}}
XML = "<TwilioResponse><Call><Sid>c1</Sid><Status>in-progress</Status></Call></TwilioResponse>"
SMS = {"SMSMessage": {"Sid": "m1", "Status": "queued", "DateSent": None}}
STREAM = "wss://h.example/exotel/s/stream/t?sample-rate=8000"
Work = Callable[[ExotelClient], Awaitable[object]]


async def ask(
    exotel: FakeRest, work: Work, base_url: str = "https://api.example", **dlt: str
) -> object:
    async with exotel.client() as http:
        more: Any = dlt
        return await work(ExotelClient(http, SID, KEY, TOKEN, "08047100000", base_url, **more))


def text(client: ExotelClient) -> Awaitable[object]:
    return client.send_sms("+919999900001", "Namaste, आपका कोर्स")


def dial(client: ExotelClient) -> Awaitable[object]:
    return client.dial("+919999900001", stream_url=STREAM, status_url="https://h/exotel/s/status")


def details(client: ExotelClient) -> Awaitable[object]:
    return client.details("c1")


POSTS = pytest.mark.parametrize("work", [text, dial])


# ---- what is asked ------------------------------------------------------------------------------


async def test_a_dial_names_the_customer_as_from_and_us_as_caller_id() -> None:
    exotel = FakeRest(httpx.Response(200, json=CALL))

    assert await ask(exotel, dial) == "c1"

    assert exotel.asked(ACCOUNT) == ["POST /Calls/connect.json"]
    secret = base64.b64encode(f"{KEY}:{TOKEN}".encode()).decode()
    assert exotel.request.headers["Authorization"] == f"Basic {secret}"
    assert exotel.form == {
        "From": ["+919999900001"],
        "CallerId": ["08047100000"],
        "StreamUrl": [STREAM],
        "StreamType": ["bidirectional"],
        "CallType": ["trans"],
        "TimeLimit": ["3600"],
        "TimeOut": ["45"],
        "StatusCallback": ["https://h/exotel/s/status"],
        "StatusCallbackEvents[]": ["ringing", "answered", "terminal"],
    }


async def test_a_stream_url_that_exotel_would_not_take_is_not_sent() -> None:
    exotel = FakeRest(httpx.Response(200, json=CALL))

    with pytest.raises(ValueError, match="600"):
        await ask(exotel, lambda c: c.dial("+91", stream_url="w" * 600, status_url=""))

    assert exotel.requests == []


async def test_a_text_message_is_sent_with_its_registration() -> None:
    exotel = FakeRest(httpx.Response(200, json=SMS))

    assert await ask(exotel, text, dlt_entity_id="e1", dlt_template_id="t1") == "m1"

    assert exotel.asked(ACCOUNT) == ["POST /Sms/send.json"]
    assert exotel.form == {
        "From": ["08047100000"],
        "To": ["+919999900001"],
        "Body": ["Namaste, आपका कोर्स"],
        "EncodingType": ["unicode"],
        "SmsType": ["transactional"],
        "Priority": ["normal"],
        "DltEntityId": ["e1"],
        "DltTemplateId": ["t1"],
    }


async def test_without_a_registration_none_is_claimed() -> None:
    exotel = FakeRest(httpx.Response(202, json=SMS))

    await ask(exotel, lambda client: client.send_sms("+919999900001", "Hello"))

    assert exotel.form["EncodingType"] == ["plain"]
    assert not {"DltEntityId", "DltTemplateId"} & exotel.form.keys()


@pytest.mark.parametrize(
    ("dlt", "sent"),
    [
        (None, ("08047100000", "11010", "11070", "transactional")),
        (
            {"template_id": "11071", "sender": "ACMEAC", "category": "service_implicit"},
            ("ACMEAC", "11010", "11071", "transactional"),
        ),
        ({"category": "promotional"}, ("08047100000", "11010", "11070", "promotional")),
        (
            {"category": "service_explicit", "entity_id": "11012"},
            ("08047100000", "11012", "11070", "transactional_opt_in"),
        ),
    ],
)
async def test_a_text_is_sent_with_what_its_wording_is_registered_under(
    dlt: dict[str, str] | None, sent: tuple[str, ...]
) -> None:
    exotel = FakeRest(httpx.Response(200, json=SMS))
    registered = {"dlt_entity_id": "11010", "dlt_template_id": "11070"}

    def send(client: ExotelClient) -> Awaitable[object]:
        return client.send_sms("+919999900001", "Hello", dlt=dlt)

    await ask(exotel, send, **registered)

    names = ("From", "DltEntityId", "DltTemplateId", "SmsType")
    assert tuple(exotel.form[name][0] for name in names) == sent


async def test_a_text_that_is_too_long_is_not_sent() -> None:
    exotel = FakeRest(httpx.Response(200, json=SMS))

    with pytest.raises(ApiError):
        await ask(exotel, lambda client: client.send_sms("+91", "x" * (MAX_SMS + 1)))

    assert exotel.requests == []


async def test_a_call_is_looked_up() -> None:
    exotel = FakeRest(
        httpx.Response(
            200,
            json={
                "Call": {
                    "Sid": "c1",
                    "Status": "completed",
                    "Direction": "outbound-api",
                    "From": "09999900001",
                    "To": "08047100000",
                    "Duration": 63,
                }
            },
        )
    )

    found = await ask(exotel, details)

    assert exotel.asked(ACCOUNT) == ["GET /Calls/c1.json"]
    assert found is not None
    assert (found.status, found.direction, found.duration_s) == (  # type: ignore[attr-defined]
        "completed",
        "outbound-api",
        63,
    )


async def test_a_call_that_exotel_does_not_know_is_none() -> None:
    assert await ask(FakeRest(httpx.Response(404, text="not found")), details) is None


@pytest.mark.parametrize("call_id", ["../Sms", "a/b", "x?y=1#z", "é\n", ".."])
async def test_a_call_id_cannot_lead_to_another_path(call_id: str) -> None:
    exotel = FakeRest(httpx.Response(404))

    await ask(exotel, lambda client: client.details(call_id))

    assert "/" not in exotel.segments_below(f"{ACCOUNT}/Calls/")


# ---- what is made of an answer ------------------------------------------------------------------


async def test_an_answer_in_xml_is_read_too() -> None:
    assert await ask(FakeRest(httpx.Response(200, text=XML)), dial) == "c1"
    found = await ask(FakeRest(httpx.Response(200, text=XML)), details)
    assert found.status == "in-progress"  # type: ignore[attr-defined]


@POSTS
@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>welcome to the wireless network</html>"),
        httpx.Response(200, text=""),
        httpx.Response(200, json=["c1"]),
        httpx.Response(200, json={"Call": {}}),
        httpx.Response(200, json={"Call": {"Sid": None}}),
        httpx.Response(202, json={"Call": {"Sid": ["c1"]}}),
    ],
)
async def test_a_success_that_names_no_id_is_not_taken_for_one(answer: Answer, work: Work) -> None:
    exotel = FakeRest(answer)

    assert isinstance(await failure(exotel, ask(exotel, work)), ApiUnknownError)


@POSTS
@every_status
async def test_every_status_has_its_error_and_no_second_request(
    status: int, kind: type[ApiError], retryable: bool, work: Work
) -> None:
    refused = {"RestException": {"Status": status, "Message": "+919999900001", "Code": "X"}}
    exotel = FakeRest(httpx.Response(status, json=refused))

    error = await failure(exotel, ask(exotel, work))

    assert_means(error, kind, retryable=retryable, status=status)
    assert error.provider == "exotel"


@pytest.mark.parametrize(("work", "kind"), [(text, ApiError), (dial, ApiUnknownError)])
async def test_a_full_platform_is_certain_for_a_text_and_not_for_a_call(
    work: Work, kind: type[ApiError]
) -> None:
    exotel = FakeRest(httpx.Response(503))

    error = await failure(exotel, ask(exotel, work))

    assert_means(error, kind, retryable=kind is ApiError, status=503)


@pytest.mark.parametrize(
    "answer", [httpx.Response(500), httpx.Response(503), httpx.ReadTimeout("slow")]
)
async def test_a_look_up_may_always_be_asked_again(answer: Answer) -> None:
    exotel = FakeRest(answer)

    error = await failure(exotel, ask(exotel, details))

    assert_means(error, ApiError, retryable=True, status=error.status)


@POSTS
@never_sent
async def test_what_never_left_may_be_tried_again(error: Exception, work: Work) -> None:
    exotel = FakeRest(error)

    assert_means(await failure(exotel, ask(exotel, work)), ApiError, retryable=True)


@POSTS
@no_answer
async def test_nothing_is_dialled_again_when_no_answer_came(error: Exception, work: Work) -> None:
    exotel = FakeRest(error)

    assert_means(await failure(exotel, ask(exotel, work)), ApiUnknownError, retryable=False)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(400, json={"error": f"{TOKEN} for +919999900001 is wrong"}),
        httpx.Response(401, text=TOKEN),
        httpx.Response(500, text=TOKEN),
        httpx.Response(200, text=TOKEN),
        httpx.ConnectError(f"https://{KEY}:{TOKEN}@api"),
    ],
)
async def test_an_error_text_holds_no_secret_and_no_number(answer: Answer) -> None:
    exotel = FakeRest(answer)

    assert_silent_on(await failure(exotel, ask(exotel, text)), TOKEN, KEY, "99999", "Namaste")


# ---- what is remembered -------------------------------------------------------------------------


async def test_a_call_that_was_dialled_is_known_without_asking() -> None:
    exotel = FakeRest(httpx.Response(200, json=CALL))

    async def dial_and_ask(client: ExotelClient) -> tuple[bool, bool]:
        await dial(client)
        return client.placed("c1"), await client.knows("c1")

    assert await ask(exotel, dial_and_ask) == (True, True)
    assert len(exotel.requests) == 1


@pytest.mark.parametrize(("status", "known"), [(200, True), (404, False)])
async def test_another_call_is_known_when_exotel_knows_it(status: int, known: bool) -> None:
    exotel = FakeRest(httpx.Response(status, json=CALL))

    assert await ask(exotel, lambda client: client.knows("c1")) is known


async def test_hanging_up_asks_for_nothing() -> None:
    exotel = FakeRest(httpx.Response(500))

    await ask(exotel, lambda client: client.hang_up("c1"))

    assert exotel.requests == []


async def test_a_hand_off_is_remembered_and_bounded() -> None:
    async def work(client: ExotelClient) -> tuple[bool, bool, bool]:
        for number in range(KEPT + 1):
            client.hand_off(f"c{number}")
        return client.handed_off("c0"), client.handed_off("c1"), client.handed_off("c1")

    assert await ask(FakeRest(httpx.Response(500)), work) == (False, True, True)
