"""Graph as the client speaks it, and what it makes of every answer."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest

from fwai.adapters.whatsapp.client import GraphError, WhatsAppClient
from fwai.adapters.whatsapp.codes import _MEANINGS, Retry, meaning
from fwai.adapters.whatsapp.events import Party
from fwai.errors import ApiAuthError, ApiError, ApiUnknownError
from unit.adapters.client_kit import Answer, FakeRest

DONE = httpx.Response(200, json={"messaging_product": "whatsapp", "success": True})
PLACED = httpx.Response(200, json={"calls": [{"id": "wacid.1"}]})
SENT = httpx.Response(200, json={"contacts": [], "messages": [{"id": "wamid.1"}]})
Work = Callable[[WhatsAppClient], Awaitable[object]]
USER = Party("+919900000001", "IN.1")


def refusal(code: int, status: int = 400) -> httpx.Response:
    error = {"message": "m", "code": code, "error_data": {"details": "d"}, "fbtrace_id": "t"}
    return httpx.Response(status, json={"error": error})


class Keys:
    """A token that may be renewed once."""

    def __init__(self, *fresh: str) -> None:
        self.token = "old-token"
        self._fresh = list(fresh)
        self.refused: list[str] = []

    def current(self) -> str:
        return self.token

    async def renew(self, refused: str) -> str | None:
        self.refused.append(refused)
        if not self._fresh:
            return None
        self.token = self._fresh.pop(0)
        return self.token


async def ask(work: Work, *answers: Answer, keys: Keys | None = None) -> tuple[object, FakeRest]:
    meta = FakeRest(*answers)
    async with meta.client() as http:
        client = WhatsAppClient(http, "PN/1", keys or Keys(), "https://graph.example/", "v25.0")
        try:
            return await work(client), meta
        except ApiError as exc:
            return exc, meta


def pre_accept(client: WhatsAppClient) -> Awaitable[object]:
    return client.pre_accept("wacid.1=", "v=0\r\n")


def accept(client: WhatsAppClient) -> Awaitable[object]:
    return client.accept("wacid.1=", "v=0\r\n")


def reject(client: WhatsAppClient) -> Awaitable[object]:
    return client.reject("wacid.1=")


def terminate(client: WhatsAppClient) -> Awaitable[object]:
    return client.terminate("wacid.1=")


def dial(client: WhatsAppClient) -> Awaitable[object]:
    return client.connect(USER, "v=0\r\n", "job-7")


def text(client: WhatsAppClient) -> Awaitable[object]:
    return client.send(USER, "text", {"preview_url": False, "body": "नमस्ते"})


@pytest.mark.parametrize("work", [pre_accept, accept])
async def test_answering_actions(work: Work) -> None:
    result, meta = await ask(work, DONE)

    assert result is None
    (request,) = meta.requests
    assert str(request.url) == "https://graph.example/v25.0/PN%2F1/calls"
    assert request.headers["Authorization"] == "Bearer old-token"
    assert request.headers["Content-Type"] == "application/json"
    assert meta.body == {
        "messaging_product": "whatsapp",
        "call_id": "wacid.1=",
        "action": work.__name__,
        "session": {"sdp_type": "answer", "sdp": "v=0\r\n"},
    }


@pytest.mark.parametrize("work", [reject, terminate])
async def test_ending_actions(work: Work) -> None:
    _, meta = await ask(work, DONE)

    assert meta.body == {
        "messaging_product": "whatsapp",
        "call_id": "wacid.1=",
        "action": work.__name__,
    }


async def test_dialling() -> None:
    result, meta = await ask(dial, PLACED)

    assert result == "wacid.1"
    assert meta.body == {
        "messaging_product": "whatsapp",
        "to": "919900000001",
        "action": "connect",
        "session": {"sdp_type": "offer", "sdp": "v=0\r\n"},
        "biz_opaque_callback_data": "job-7",
    }


async def test_a_user_without_a_number() -> None:
    _, meta = await ask(lambda c: c.connect(Party("", "IN.1"), "v=0", "j"), PLACED)
    assert meta.body["recipient"] == "IN.1"
    assert "to" not in meta.body

    result, meta = await ask(lambda c: c.connect(Party(), "v=0", "j"), PLACED)
    assert isinstance(result, ApiError)
    assert not meta.requests


async def test_messages() -> None:
    result, meta = await ask(text, SENT)

    assert result == "wamid.1"
    assert meta.requests[0].url.path.endswith("/messages")
    assert meta.body == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "919900000001",
        "type": "text",
        "text": {"preview_url": False, "body": "नमस्ते"},
    }


async def test_looking_up() -> None:
    _, meta = await ask(lambda c: c.permission(USER), httpx.Response(200, json={}))
    assert meta.requests[0].url.query == b"user_wa_id=919900000001"
    _, meta = await ask(lambda c: c.permission(Party("", "IN.1")), httpx.Response(200, json={}))
    assert meta.requests[0].url.query == b"recipient=IN.1"
    _, meta = await ask(lambda c: c.settings(), httpx.Response(200, json={}))
    assert meta.requests[0].url.path.endswith("/settings")


LOST: list[Answer] = [
    httpx.ReadTimeout("t"),
    httpx.ReadError("r"),
    httpx.Response(502, text="<html>"),
]


@pytest.mark.parametrize("lost", LOST)
async def test_actions_on_a_call_are_tried_twice(lost: Answer) -> None:
    for work in (pre_accept, accept, reject, terminate):
        result, meta = await ask(work, lost, DONE)
        assert result is None
        assert meta.requests[0].content == meta.requests[1].content

        result, meta = await ask(work, lost)
        assert isinstance(result, ApiUnknownError)
        assert len(meta.requests) == 2


@pytest.mark.parametrize("lost", LOST)
async def test_what_begins_something_is_sent_once(lost: Answer) -> None:
    for work in (dial, text):
        result, meta = await ask(work, lost)
        assert isinstance(result, ApiUnknownError)
        assert len(meta.requests) == 1


async def test_what_was_never_sent_is_sent_again() -> None:
    result, meta = await ask(dial, httpx.ConnectError("c"), PLACED)
    assert result == "wacid.1"

    result, meta = await ask(dial, httpx.ConnectError("c"))
    assert isinstance(result, ApiError)
    assert result.retryable
    assert len(meta.requests) == 2


@pytest.mark.parametrize("code", [138004, 138007])
async def test_some_codes_are_tried_again_once(code: int) -> None:
    result, _ = await ask(dial, refusal(code, 500), PLACED)
    assert result == "wacid.1"


@pytest.mark.parametrize(
    ("code", "status", "retryable"),
    [
        *((138006, 401, False), (138000, 401, False), (138013, 400, False), (138003, 400, False)),
        *((138005, 429, True), (138002, 429, True), (131044, 400, False), (100, 400, False)),
        *((999999, 400, False), (999999, 429, True), (130429, 400, True)),
    ],
)
async def test_a_refusal_is_said_in_words(code: int, status: int, retryable: bool) -> None:
    result, meta = await ask(dial, refusal(code, status))

    assert isinstance(result, GraphError)
    assert (result.code, result.status, result.retryable) == (code, status, retryable)
    assert len(meta.requests) == 1
    assert result.meaning.words in str(result)


@pytest.mark.parametrize(("code", "status"), [(200, 403), (10, 400), (3, 400), (0, 401)])
async def test_missing_permissions_need_a_person(code: int, status: int) -> None:
    result, meta = await ask(text, refusal(code, status))

    assert isinstance(result, ApiAuthError)
    assert len(meta.requests) == 1


async def test_a_refused_token_is_renewed_once() -> None:
    keys = Keys("new-token")
    result, meta = await ask(dial, refusal(190, 401), PLACED, keys=keys)
    assert result == "wacid.1"
    assert meta.credentials == ["Bearer old-token", "Bearer new-token"]

    keys = Keys("new-token", "newer-token")
    result, meta = await ask(dial, refusal(190, 401), keys=keys)
    assert isinstance(result, ApiAuthError)
    assert len(meta.requests) == 2

    result, meta = await ask(dial, refusal(190, 401), keys=Keys())
    assert isinstance(result, ApiAuthError)
    assert len(meta.requests) == 1


@pytest.mark.parametrize("status", [400, 404])
async def test_ending_what_is_over_is_no_error(status: int) -> None:
    for work in (reject, terminate):
        assert (await ask(work, refusal(138999, status)))[0] is None


async def test_ending_may_fail() -> None:
    assert isinstance((await ask(terminate, refusal(138005, 429)))[0], GraphError)
    assert isinstance((await ask(terminate, refusal(138000, 401)))[0], GraphError)


ODD = [
    *(httpx.Response(200), httpx.Response(200, text="<html>"), httpx.Response(200, json=[1])),
    *(httpx.Response(200, json={"success": False}), httpx.Response(200, json={"calls": [7]})),
    httpx.Response(200, json={"calls": [{"id": 7}], "messages": "x"}),
]


@pytest.mark.parametrize("odd", ODD)
async def test_an_odd_answer_is_not_taken_for_success(odd: httpx.Response) -> None:
    for work in (accept, dial, text):
        assert isinstance((await ask(work, odd))[0], ApiUnknownError)


async def test_an_error_in_a_good_answer_is_an_error() -> None:
    error = httpx.Response(200, json={"error": {"code": 138006}})
    assert isinstance((await ask(dial, error))[0], GraphError)
    assert isinstance((await ask(dial, httpx.Response(400, json={"error": "text"})))[0], GraphError)
    assert isinstance((await ask(dial, httpx.Response(302)))[0], GraphError)


async def test_no_wait_is_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fwai.adapters.whatsapp.client.REQUEST_S", 0.02)

    async def say_nothing(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        return DONE

    async with httpx.AsyncClient(transport=httpx.MockTransport(say_nothing)) as http:
        with pytest.raises(ApiUnknownError):
            await WhatsAppClient(http, "PN", Keys(), "https://g").accept("w", "v=0")


def test_every_code_has_words_and_only_few_are_tried_again() -> None:
    assert all(one.words for one in _MEANINGS.values())
    assert {code for code, one in _MEANINGS.items() if one.retry is Retry.ONCE} == {138004, 138007}
    assert meaning(None, 503).retry is Retry.ONCE
    assert meaning(None).retry is Retry.NEVER
