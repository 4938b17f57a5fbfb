"""A workflow called as a tool: what it says, within bounds, and what each failure means."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwai.errors import ApiError, ApiUnknownError
from fwai.integrations.signing import Signer
from fwai.integrations.url_guard import UrlGuard
from fwai.integrations.workflow import (
    MAX_DATA_CHARS,
    MAX_TEXT_CHARS,
    WorkflowAnswer,
    WorkflowClient,
    parse_answer,
)

SECRET = "whsec_" + base64.b64encode(b"Letters-and-digits-0123456789_ab").decode()
URL = "https://n8n.example.com/webhook/hidden"
JSON = "application/json; charset=utf-8"
Answer = httpx.Response | Exception


async def resolve(host: str, port: int) -> Sequence[str]:
    assert (host, port) == ("n8n.example.com", 443)
    return ["8.8.4.4"]


async def call(answer: Answer, payload: Mapping[str, Any] | None = None) -> WorkflowAnswer:
    sent: list[httpx.Request] = []

    def receive(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        if isinstance(answer, Exception):
            raise answer
        # As from a network: not read yet.
        stream = httpx.ByteStream(answer.content)
        return httpx.Response(answer.status_code, headers=answer.headers, stream=stream)

    guard = UrlGuard([], [URL], lookup=resolve)
    async with httpx.AsyncClient(transport=httpx.MockTransport(receive)) as http:
        client = WorkflowClient(http, Signer(SECRET), guard, now=lambda: 1000.0)
        try:
            return await client.call(URL, "msg_1", payload or {"city": "Pune"}, 5.0)
        finally:
            assert len(sent) == 1, "a workflow is called once"
            body = sent[0].content
            assert json.loads(body) == (payload or {"city": "Pune"})
            signed = Signer(SECRET).headers("msg_1", 1000, body)
            assert {name: sent[0].headers[name] for name in signed} == signed


def read(body: str | bytes | object, kind: str = JSON) -> WorkflowAnswer:
    if not isinstance(body, str | bytes):
        body = json.dumps(body)
    return parse_answer(kind, "identity", body.encode() if isinstance(body, str) else body)


# ---- answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "text", "data"),
    [
        ({"message": "It is on its way."}, "It is on its way.", {}),
        ({"text": " On its way. ", "eta": "5 pm"}, "On its way.", {"eta": "5 pm"}),
        ({"output": "On its way.", "n": [1, {"a": None}]}, "On its way.", {"n": [1, {"a": None}]}),
        ({"text": "second", "message": "first"}, "first", {"text": "second"}),
        ({"message": {"not": "text"}, "text": "words"}, "words", {"message": {"not": "text"}}),
        ({"eta": "5 pm"}, "", {"eta": "5 pm"}),
        ([{"message": "One item.", "a": 1}], "One item.", {"a": 1}),
        ('"Just words."', "Just words.", {}),
        (["Just words."], "Just words.", {}),
        ({}, "", {}),
    ],
)
def test_json_is_read_as_words_and_facts(body: object, text: str, data: object) -> None:
    assert read(body) == WorkflowAnswer(text, data)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["text/plain", "text/plain; charset=utf-8", "Text/Plain"])
def test_plain_text_is_words(kind: str) -> None:
    assert read(" नमस्ते \n", kind) == WorkflowAnswer("नमस्ते")


@pytest.mark.parametrize("kind", ["application/json", "APPLICATION/JSON", "application/hal+json"])
def test_json_goes_by_several_names(kind: str) -> None:
    assert read({"message": "a"}, kind).text == "a"


@pytest.mark.parametrize("kind", ["", JSON, "text/html"])
def test_an_empty_answer_says_nothing(kind: str) -> None:
    assert read(b" \n", kind) == WorkflowAnswer("")


def test_words_are_cut_for_the_model() -> None:
    long = "x" * 5000
    for answer in (read({"message": long}), read(long, "text/plain"), read(f'"{long}"')):
        assert len(answer.text) <= MAX_TEXT_CHARS
    assert read({"message": "x" * 5000}).text.endswith("x…")
    assert read({"message": "x" * MAX_TEXT_CHARS}).text == "x" * MAX_TEXT_CHARS


def test_facts_that_do_not_fit_are_left_out() -> None:
    answer = read({"a": 1, "long": "x" * MAX_DATA_CHARS, "b": 2, "message": "Fine."})

    assert answer == WorkflowAnswer("Fine.", {"a": 1, "b": 2})
    many = read({str(n): "x" * 100 for n in range(500)})
    assert len(json.dumps(many.data)) <= MAX_DATA_CHARS + 2 * len(many.data)


@pytest.mark.parametrize(
    ("body", "kind", "why"),
    [
        ("<html>", "text/html", "neither JSON nor plain text"),
        ("{}", "", "neither JSON nor plain text"),
        ("{}", "application/octet-stream", "neither JSON nor plain text"),
        ("{", JSON, "not valid JSON"),
        (b"\xff\xfe{}", JSON, "not valid JSON"),
        ('{"a": NaN}', JSON, "not valid JSON"),
        ('{"a": -Infinity}', JSON, "not valid JSON"),
        ('{"message": "\\ud800"}', JSON, "not valid JSON"),
        ('{"a": ' + "1" * 60_000 + "}", JSON, "not valid JSON"),
        ("[" * 60_000, JSON, "not valid JSON"),
        ('{"a":' * 200 + "1" + "}" * 200, JSON, "nested more than 8 deep"),
        ({"a": [[[[[[[[1]]]]]]]]}, JSON, "nested more than 8 deep"),
        ([], JSON, "neither one object nor a string"),
        ([{}, {}], JSON, "neither one object nor a string"),
        ("5", JSON, "neither one object nor a string"),
        ("null", JSON, "neither one object nor a string"),
        ("true", JSON, "neither one object nor a string"),
        ([[{}]], JSON, "neither one object nor a string"),
    ],
)
def test_what_cannot_be_read_is_refused(body: object, kind: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read(body, kind)


def test_a_compressed_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="compressed"):
        parse_answer(JSON, "gzip", b"\x1f\x8b")


@given(st.binary(max_size=200), st.sampled_from([JSON, "text/plain", "text/html", ""]))
def test_whatever_comes_is_read_or_refused(body: bytes, kind: str) -> None:
    try:
        answer = parse_answer(kind, "", body)
    except ValueError:
        return
    json.dumps({"text": answer.text, "data": answer.data}, ensure_ascii=False).encode()


# ---- calls ------------------------------------------------------------------------------------


async def test_a_workflow_is_called_with_a_signed_payload() -> None:
    answer = await call(
        httpx.Response(200, json={"message": "Booked.", "slot": 5}), {"name": "आशा", "n": [1]}
    )

    assert answer == WorkflowAnswer("Booked.", {"slot": 5})


async def test_n8ns_answer_without_a_body_is_fine() -> None:
    assert await call(httpx.Response(204)) == WorkflowAnswer("")


@pytest.mark.parametrize(
    ("status", "unknown", "retryable"),
    [
        (302, False, False), (400, False, False), (401, False, False), (404, False, False),
        (410, False, False), (429, False, True), (500, True, False), (502, True, False),
        (503, True, False), (504, True, False),
    ],
)  # fmt: skip
async def test_what_a_refusal_means(status: int, unknown: bool, retryable: bool) -> None:
    with pytest.raises(ApiError, match=r"n8n\.example\.com") as failure:
        await call(httpx.Response(status, json={"message": "hidden"}))

    assert isinstance(failure.value, ApiUnknownError) is unknown
    assert failure.value.retryable is retryable
    assert failure.value.status == status
    assert "hidden" not in str(failure.value)


async def test_a_404_for_a_workflow_that_is_switched_off_names_no_path() -> None:
    with pytest.raises(ApiError, match=r"refused \(HTTP 404\)$"):
        await call(httpx.Response(404, json={"message": 'The webhook "hidden" is not registered'}))


@pytest.mark.parametrize(
    "fault", [httpx.ConnectError("x"), httpx.ConnectTimeout("x"), httpx.PoolTimeout("x")]
)
async def test_what_was_not_sent_may_be_repeated(fault: Exception) -> None:
    with pytest.raises(ApiError) as failure:
        await call(fault)

    assert failure.value.retryable
    assert not isinstance(failure.value, ApiUnknownError)


@pytest.mark.parametrize(
    "fault",
    [httpx.ReadTimeout("x"), httpx.WriteTimeout("x"), httpx.ReadError("x"),
     httpx.RemoteProtocolError("x")],
)  # fmt: skip
async def test_what_may_have_arrived_is_not_repeated(fault: Exception) -> None:
    with pytest.raises(ApiUnknownError) as failure:
        await call(fault)

    assert not failure.value.retryable


async def test_an_answer_that_cannot_be_read_is_an_error_with_its_status() -> None:
    with pytest.raises(ApiError, match="the answer is neither JSON nor plain text") as failure:
        await call(httpx.Response(200, html="<p>hidden</p>"))

    assert (failure.value.status, failure.value.retryable) == (200, False)
    assert not isinstance(failure.value, ApiUnknownError)


async def test_an_answer_that_is_too_long_is_an_error() -> None:
    with pytest.raises(ApiError, match="longer than 64 KB"):
        await call(httpx.Response(200, text="x" * 65_537))
    assert len((await call(httpx.Response(200, text="x" * 65_536))).text) == MAX_TEXT_CHARS
