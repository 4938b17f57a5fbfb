"""A workflow called as a tool: what is sent, and what each failure means.

What its answers mean is in test_workflow_answer.py and tests/contract/n8n.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from fwai.errors import ApiError, ApiUnknownError
from fwai.integrations.signing import Signer
from fwai.integrations.url_guard import UrlGuard
from fwai.integrations.workflow import MAX_WORDS_CHARS, WorkflowClient
from fwai.integrations.workflow_answer import MAX_TEXT_CHARS, WorkflowAnswer

SECRET = "whsec_" + base64.b64encode(b"Letters-and-digits-0123456789_ab").decode()
URL = "https://n8n.example.com/webhook/hidden"
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
        await call(httpx.Response(status, json={"message": "There is none.", "x": "hidden"}))

    assert isinstance(failure.value, ApiUnknownError) is unknown
    assert failure.value.retryable is retryable
    assert failure.value.status == status
    assert "hidden" not in str(failure.value)
    assert failure.value.words == ("" if status in (302, 401) else "There is none.")


async def test_a_404_for_a_workflow_that_is_switched_off_names_no_path() -> None:
    said = {"code": 404, "message": 'The webhook "hidden" is not registered', "hint": "hidden"}
    with capture_logs() as logs, pytest.raises(ApiError, match=r"refused \(HTTP 404\)$") as failure:
        await call(httpx.Response(404, json=said))

    assert failure.value.words == ""
    assert [(line["event"], line["reason"]) for line in logs] == [
        ("workflow_refused", "not_registered")
    ]
    assert "hidden" not in str(logs)


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
    picture = httpx.Response(200, content=b"\x89PNG", headers={"Content-Type": "image/png"})
    with pytest.raises(ApiError, match="the answer is a file and no text") as failure:
        await call(picture)

    assert (failure.value.status, failure.value.retryable) == (200, False)
    assert not isinstance(failure.value, ApiUnknownError)


async def test_a_page_is_no_answer_and_nobody_knows_what_was_done() -> None:
    with capture_logs() as logs, pytest.raises(ApiUnknownError, match="a web page") as failure:
        await call(httpx.Response(200, html="<html><body>hidden</body></html>"))

    assert failure.value.status == 200
    assert [line["reason"] for line in logs] == ["a web page"]
    assert "hidden" not in f"{logs}{failure.value}"


async def test_an_answer_that_is_too_long_is_cut_and_says_so() -> None:
    for chars in (MAX_TEXT_CHARS + 1, 65_536, 65_537, 1_000_000):
        answer = await call(httpx.Response(200, text="x" * chars))

        assert len(answer.text) == MAX_TEXT_CHARS
        assert answer.shortened


async def test_words_of_a_refusal_are_short_and_on_one_line() -> None:
    with pytest.raises(ApiError) as failure:
        await call(httpx.Response(409, text="No.\n\n" + "y" * 500))

    assert failure.value.words.startswith("No. yyy")
    assert len(failure.value.words) == MAX_WORDS_CHARS


async def test_a_workflow_that_was_only_started_is_told_as_that() -> None:
    assert await call(httpx.Response(202)) == WorkflowAnswer("", started=True)
    assert (await call(httpx.Response(200, json={"message": "Workflow was started"}))).started


async def test_who_is_not_reached_is_in_the_log() -> None:
    with capture_logs() as logs, pytest.raises(ApiError):
        await call(httpx.ConnectError("hidden"))

    assert [line["event"] for line in logs] == ["workflow_not_reached"]
    assert "hidden" not in str(logs)
