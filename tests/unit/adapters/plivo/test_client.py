"""Plivo's REST API as the client speaks it, and what it makes of every answer."""

import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx
import pytest

from fwai.adapters.plivo.client import PlivoClient
from fwai.errors import ApiAuthError, ApiError, ApiUnknownError

AUTH_ID = "MAXXXXXXXXXXXXXXXXXX"
TOKEN = "a-very-secret-token"
ACCOUNT = f"/v1/Account/{AUTH_ID}"
SENT = httpx.Response(202, json={"message_uuid": ["m-1"], "api_id": "a"})
Answer = httpx.Response | Exception
Work = Callable[[PlivoClient], Awaitable[object]]


@dataclass
class Plivo:
    """Answers every request the same way and remembers it."""

    answer: Answer
    requests: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    @property
    def body(self) -> dict[str, object]:
        body: dict[str, object] = json.loads(self.requests[0].content)
        return body


async def ask(plivo: Plivo, work: Work, base_url: str = "https://api.example") -> object:
    async with httpx.AsyncClient(transport=httpx.MockTransport(plivo)) as http:
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
    plivo = Plivo(SENT)

    message_id = await ask(plivo, text)

    assert message_id == "m-1"
    request = plivo.requests[0]
    assert (request.method, request.url.path) == ("POST", f"{ACCOUNT}/Message/")
    assert request.headers["Content-Type"] == "application/json"
    secret = base64.b64encode(f"{AUTH_ID}:{TOKEN}".encode()).decode()
    assert request.headers["Authorization"] == f"Basic {secret}"
    assert plivo.body == {
        "src": "918888800000",
        "dst": "919999900001",
        "text": "Namaste, आपका कोर्स",
        "type": "sms",
    }


async def test_a_dial_names_every_url_and_limit() -> None:
    plivo = Plivo(httpx.Response(201, json={"message": "call fired", "request_uuid": "r-1"}))

    request_id = await ask(plivo, dial)

    assert request_id == "r-1"
    assert plivo.requests[0].url.path == f"{ACCOUNT}/Call/"
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
    plivo = Plivo(httpx.Response(202, json={}))

    await ask(plivo, transfer)

    assert (plivo.requests[0].method, plivo.requests[0].url.path) == (
        "POST",
        f"{ACCOUNT}/Call/call-1/",
    )
    assert plivo.body == {
        "legs": "aleg",
        "aleg_url": "https://h.example/plivo/human?v=1",
        "aleg_method": "POST",
    }


async def test_a_hang_up_deletes_the_call() -> None:
    plivo = Plivo(httpx.Response(204))

    await ask(plivo, hang_up)

    assert (plivo.requests[0].method, plivo.requests[0].url.path) == (
        "DELETE",
        f"{ACCOUNT}/Call/call-1/",
    )


async def test_a_call_that_is_already_over_is_hung_up() -> None:
    await ask(Plivo(httpx.Response(404, json={"error": "not found"})), hang_up)


@pytest.mark.parametrize("call_id", ["../Message", "a/b", "x?y=1#z", "é\n"])
async def test_a_call_id_cannot_lead_to_another_path(call_id: str) -> None:
    plivo = Plivo(httpx.Response(204))

    await ask(plivo, lambda client: client.hang_up(call_id))

    path = plivo.requests[0].url.raw_path.decode()
    assert path.startswith(f"{ACCOUNT}/Call/")
    assert path.removeprefix(f"{ACCOUNT}/Call/").count("/") == 1
    assert "?" not in path


@pytest.mark.parametrize("base", ["https://api.example", "https://api.example/", "http://[::1]:8"])
async def test_a_base_url_may_end_in_a_slash(base: str) -> None:
    plivo = Plivo(SENT)

    await ask(plivo, text, base)

    assert str(plivo.requests[0].url) == f"{base.rstrip('/')}{ACCOUNT}/Message/"


@pytest.mark.parametrize("uuid", ["m-1", ["m-1"], ["m-1", "m-2"]])
async def test_an_id_comes_alone_or_in_a_list(uuid: object) -> None:
    assert await ask(Plivo(httpx.Response(202, json={"message_uuid": uuid})), text) == "m-1"
    assert await ask(Plivo(httpx.Response(201, json={"request_uuid": uuid})), dial) == "m-1"


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
    plivo = Plivo(answer)

    with pytest.raises(ApiUnknownError):
        await ask(plivo, work)

    assert len(plivo.requests) == 1


@pytest.mark.parametrize("work", [hang_up, transfer])
@pytest.mark.parametrize("body", ["", "not json", "[]", "null"])
async def test_a_body_that_is_no_json_does_not_matter_where_nothing_is_read(
    body: str, work: Work
) -> None:
    await ask(Plivo(httpx.Response(202, text=body)), work)


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (301, ApiError, False),
        (307, ApiError, False),
        (400, ApiError, False),
        (401, ApiAuthError, False),
        (403, ApiAuthError, False),
        (404, ApiError, False),
        (405, ApiError, False),
        (409, ApiError, False),
        (422, ApiError, False),
        (429, ApiError, True),
        (500, ApiUnknownError, False),
        (502, ApiUnknownError, False),
        (503, ApiUnknownError, False),
    ],
)
@pytest.mark.parametrize("work", [text, dial, transfer])
async def test_every_status_has_its_error_and_no_second_request(
    status: int, kind: type[ApiError], retryable: bool, work: Work
) -> None:
    plivo = Plivo(httpx.Response(status, json={"error": {"to": "+919999900001"}}))

    with pytest.raises(ApiError) as failed:
        await ask(plivo, work)

    assert type(failed.value) is kind
    assert (failed.value.status, failed.value.retryable) == (status, retryable)
    assert failed.value.provider == "plivo"
    assert len(plivo.requests) == 1


@pytest.mark.parametrize("status", [401, 500, 429, 302])
async def test_a_hang_up_that_was_refused_is_an_error(status: int) -> None:
    with pytest.raises(ApiError):
        await ask(Plivo(httpx.Response(status)), hang_up)


@pytest.mark.parametrize(
    "error",
    [httpx.ConnectError("refused"), httpx.ConnectTimeout("slow"), httpx.PoolTimeout("full")],
    ids=lambda error: type(error).__name__,
)
async def test_what_never_left_may_be_tried_again(error: Exception) -> None:
    plivo = Plivo(error)

    with pytest.raises(ApiError) as failed:
        await ask(plivo, text)

    assert type(failed.value) is ApiError
    assert failed.value.retryable
    assert len(plivo.requests) == 1


@pytest.mark.parametrize(
    "error",
    [
        httpx.ReadTimeout("slow"),
        httpx.WriteTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.WriteError("reset"),
        httpx.RemoteProtocolError("garbage"),
        httpx.DecodingError("gzip"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("work", [text, dial, hang_up])
async def test_no_answer_means_that_the_outcome_is_unknown(error: Exception, work: Work) -> None:
    plivo = Plivo(error)

    with pytest.raises(ApiUnknownError) as failed:
        await ask(plivo, work)

    assert not failed.value.retryable
    assert failed.value.status is None
    assert len(plivo.requests) == 1


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
    with pytest.raises(ApiError) as failed:
        await ask(Plivo(answer), text)

    said = f"{failed.value} {failed.value!r}"
    assert TOKEN not in said
    assert AUTH_ID not in said
    assert "99999" not in said
    assert "Namaste" not in said
