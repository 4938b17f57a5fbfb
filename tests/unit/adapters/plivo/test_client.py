"""Plivo's REST API as the client speaks it, and what it makes of every answer."""

import base64
from collections.abc import Awaitable, Callable

import httpx
import pytest

from fwai.adapters.plivo.client import PlivoClient
from fwai.errors import ApiError, ApiUnknownError
from unit.adapters.client_kit import (
    STATUSES,
    Answer,
    FakeRest,
    assert_means,
    assert_silent_on,
    failure,
    never_sent,
    no_answer,
)

AUTH_ID = "MAXXXXXXXXXXXXXXXXXX"
TOKEN = "a-very-secret-token"
ACCOUNT = f"/v1/Account/{AUTH_ID}"
SENT = httpx.Response(202, json={"message_uuid": ["m-1"], "api_id": "a"})
Work = Callable[[PlivoClient], Awaitable[object]]


async def ask(plivo: FakeRest, work: Work, base_url: str = "https://api.example") -> object:
    async with plivo.client() as http:
        return await work(PlivoClient(http, AUTH_ID, TOKEN, "+918888800000", base_url))


def text(client: PlivoClient) -> Awaitable[object]:
    return client.send_sms("+919999900001", "Namaste, आपका कोर्स")


def hang_up(client: PlivoClient) -> Awaitable[object]:
    return client.hang_up("call-1")


def transfer(client: PlivoClient) -> Awaitable[object]:
    return client.transfer("call-1", "https://h.example/plivo/human?v=1")


def dial(client: PlivoClient) -> Awaitable[object]:
    return client.dial(
        "+919999900001",
        answer_url="https://h/a?v=1",
        hangup_url="https://h/h",
        ring_url="https://h/r",
    )


async def test_a_text_message_is_sent_once_with_account_and_digits() -> None:
    plivo = FakeRest(SENT)

    message_id = await ask(plivo, text)

    assert message_id == "m-1"
    request = plivo.request
    assert plivo.asked(ACCOUNT) == ["POST /Message/"]
    assert request.headers["Content-Type"] == "application/json"
    secret = base64.b64encode(f"{AUTH_ID}:{TOKEN}".encode()).decode()
    assert request.headers["Authorization"] == f"Basic {secret}"
    assert plivo.body == {
        "src": "918888800000",
        "dst": "919999900001",
        "text": "Namaste, आपका कोर्स",
        "type": "sms",
    }


SETTINGS = {"entity_id": "11010", "template_id": "11070", "template_category": "transactional"}


@pytest.mark.parametrize(
    ("settings", "dlt", "sent"),
    [
        ({}, None, {}),
        (
            SETTINGS,
            None,
            {
                "dlt_entity_id": "11010",
                "dlt_template_id": "11070",
                "dlt_template_category": "transactional",
            },
        ),
        (
            SETTINGS,
            {"template_id": "11071", "category": "service_implicit", "sender": "ACMEAC"},
            {
                "dlt_entity_id": "11010",
                "dlt_template_id": "11071",
                "dlt_template_category": "service_implicit",
                "src": "ACMEAC",
            },
        ),
        ({}, {"entity_id": "11012"}, {"dlt_entity_id": "11012"}),
    ],
)
async def test_a_text_is_sent_with_what_its_wording_is_registered_under(
    settings: dict[str, str], dlt: dict[str, str] | None, sent: dict[str, str]
) -> None:
    plivo = FakeRest(SENT)
    async with plivo.client() as http:
        client = PlivoClient(http, AUTH_ID, TOKEN, "+918888800000", dlt=settings)
        await client.send_sms("+919999900001", "Hello", dlt=dlt)

    plain = {"src": "918888800000", "dst": "919999900001", "text": "Hello", "type": "sms"}
    assert plivo.body == plain | sent


async def test_a_dial_names_every_url_and_limit() -> None:
    plivo = FakeRest(httpx.Response(201, json={"message": "call fired", "request_uuid": "r-1"}))

    request_id = await ask(plivo, dial)

    assert request_id == "r-1"
    assert plivo.asked(ACCOUNT) == ["POST /Call/"]
    assert plivo.body == {
        "from": "918888800000",
        "to": "919999900001",
        "answer_url": "https://h/a?v=1",
        "answer_method": "POST",
        "hangup_url": "https://h/h",
        "hangup_method": "POST",
        "ring_url": "https://h/r",
        "ring_method": "POST",
        "ring_timeout": 45,
        "time_limit": 3600,
    }


async def test_a_transfer_names_the_xml_of_the_callers_leg() -> None:
    plivo = FakeRest(httpx.Response(202, json={}))

    await ask(plivo, transfer)

    assert plivo.asked(ACCOUNT) == ["POST /Call/call-1/"]
    assert plivo.body == {
        "legs": "aleg",
        "aleg_url": "https://h.example/plivo/human?v=1",
        "aleg_method": "POST",
    }


async def test_a_hang_up_deletes_the_call() -> None:
    plivo = FakeRest(httpx.Response(204))

    await ask(plivo, hang_up)

    assert plivo.asked(ACCOUNT) == ["DELETE /Call/call-1/"]


async def test_a_call_that_is_already_over_is_hung_up() -> None:
    await ask(FakeRest(httpx.Response(404, json={"error": "not found"})), hang_up)


@pytest.mark.parametrize("call_id", ["../Message", "a/b", "x?y=1#z", "é\n"])
async def test_a_call_id_cannot_lead_to_another_path(call_id: str) -> None:
    plivo = FakeRest(httpx.Response(204))

    await ask(plivo, lambda client: client.hang_up(call_id))

    assert plivo.segments_below(f"{ACCOUNT}/Call/").count("/") == 1


@pytest.mark.parametrize("base", ["https://api.example", "https://api.example/", "http://[::1]:8"])
async def test_a_base_url_may_end_in_a_slash(base: str) -> None:
    plivo = FakeRest(SENT)

    await ask(plivo, text, base)

    assert str(plivo.request.url) == f"{base.rstrip('/')}{ACCOUNT}/Message/"


@pytest.mark.parametrize("uuid", ["m-1", ["m-1"], ["m-1", "m-2"]])
async def test_an_id_comes_alone_or_in_a_list(uuid: object) -> None:
    assert await ask(FakeRest(httpx.Response(202, json={"message_uuid": uuid})), text) == "m-1"
    assert await ask(FakeRest(httpx.Response(201, json={"request_uuid": uuid})), dial) == "m-1"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(202, text="<html>welcome to the wireless network</html>"),
        httpx.Response(202, text=""),
        httpx.Response(202, json=["m-1"]),
        httpx.Response(202, json={"message_uuid": []}),
        httpx.Response(202, json={"message_uuid": [7]}),
        httpx.Response(202, json={"message_uuid": None}),
    ],
)
@pytest.mark.parametrize("work", [text, dial])
async def test_a_success_that_names_no_id_is_not_taken_for_one(answer: Answer, work: Work) -> None:
    """Whatever answered may not have been Plivo; what it did is not known."""
    plivo = FakeRest(answer)

    assert isinstance(await failure(plivo, ask(plivo, work)), ApiUnknownError)


@pytest.mark.parametrize("work", [hang_up, transfer])
@pytest.mark.parametrize("body", ["", "not json", "[]", "null"])
async def test_a_body_that_is_no_json_does_not_matter_where_nothing_is_read(
    body: str, work: Work
) -> None:
    await ask(FakeRest(httpx.Response(202, text=body)), work)


@pytest.mark.parametrize(
    ("status", "kind", "retryable"), [*STATUSES, (503, ApiUnknownError, False)]
)
@pytest.mark.parametrize("work", [text, dial, transfer])
async def test_every_status_has_its_error_and_no_second_request(
    status: int, kind: type[ApiError], retryable: bool, work: Work
) -> None:
    plivo = FakeRest(httpx.Response(status, json={"error": {"to": "+919999900001"}}))

    error = await failure(plivo, ask(plivo, work))

    assert_means(error, kind, retryable=retryable, status=status)
    assert error.provider == "plivo"


@pytest.mark.parametrize("status", [401, 500, 429, 302])
async def test_a_hang_up_that_was_refused_is_an_error(status: int) -> None:
    with pytest.raises(ApiError):
        await ask(FakeRest(httpx.Response(status)), hang_up)


@never_sent
async def test_what_never_left_may_be_tried_again(error: Exception) -> None:
    plivo = FakeRest(error)

    assert_means(await failure(plivo, ask(plivo, text)), ApiError, retryable=True)


@no_answer
@pytest.mark.parametrize("work", [text, dial, hang_up])
async def test_no_answer_means_that_the_outcome_is_unknown(error: Exception, work: Work) -> None:
    plivo = FakeRest(error)

    assert_means(await failure(plivo, ask(plivo, work)), ApiUnknownError, retryable=False)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(400, json={"error": f"{TOKEN} for +919999900001 is wrong"}),
        httpx.Response(401, text=TOKEN),
        httpx.Response(500, text=TOKEN),
        httpx.Response(202, text=TOKEN),
        httpx.ConnectError(f"https://{AUTH_ID}:{TOKEN}@api"),
        httpx.ReadTimeout(f"https://{AUTH_ID}:{TOKEN}@api"),
    ],
)
async def test_an_error_text_holds_no_secret_and_no_number(answer: Answer) -> None:
    plivo = FakeRest(answer)

    assert_silent_on(await failure(plivo, ask(plivo, text)), TOKEN, AUTH_ID, "99999", "Namaste")
