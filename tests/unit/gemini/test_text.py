"""One question to a text model: what is sent, and what every answer means."""

import json
from typing import Any

import httpx
import pytest

from fwai.errors import ApiAuthError, ApiError
from fwai.gemini.text import MAX_ANSWER, TextModel

SCHEMA = {"type": "object", "properties": {"summary": {"type": "string"}}}
KEY = "google-secret"


def said(*parts: str) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": [{"text": part} for part in parts]}}]}


class Google:
    """Answers every request the same way and remembers it."""

    def __init__(self, answer: httpx.Response | Exception) -> None:
        self.answer = answer
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def ask(self, model: str = "gemini-3.8-flash") -> dict[str, Any]:
        async with httpx.AsyncClient(transport=httpx.MockTransport(self)) as http:
            asker = TextModel(http, KEY, model, "https://text.example.com/")
            return await asker.ask("Sum up.", "caller: नमस्ते", SCHEMA)


async def test_the_question_carries_instruction_text_and_schema_and_hides_the_key() -> None:
    google = Google(httpx.Response(200, json=said('{"summary": ', '"ok"}')))

    assert await google.ask() == {"summary": "ok"}

    (request,) = google.requests
    assert str(request.url) == (
        "https://text.example.com/v1beta/models/gemini-3.8-flash:generateContent"
    )
    assert request.headers["x-goog-api-key"] == KEY
    body = json.loads(request.content)
    assert body["systemInstruction"] == {"parts": [{"text": "Sum up."}]}
    assert body["contents"] == [{"role": "user", "parts": [{"text": "caller: नमस्ते"}]}]
    assert body["generationConfig"]["responseSchema"] == SCHEMA
    assert body["generationConfig"]["responseMimeType"] == "application/json"


async def test_a_models_name_leads_nowhere_else() -> None:
    google = Google(httpx.Response(200, json=said("{}")))

    await google.ask("../../v1/files?x=")

    assert google.requests[0].url.raw_path.startswith(b"/v1beta/models/..%2F..%2Fv1%2Ffiles%3Fx%3D")


@pytest.mark.parametrize(
    ("status", "kind", "again"),
    [
        (400, ApiError, False),
        (401, ApiAuthError, False),
        (403, ApiAuthError, False),
        (404, ApiError, False),
        (429, ApiError, True),
        (500, ApiError, True),
        (503, ApiError, True),
        (302, ApiError, False),
    ],
)
async def test_a_refusal_says_whether_to_ask_again(
    status: int, kind: type[ApiError], again: bool
) -> None:
    with pytest.raises(kind) as refused:
        await Google(httpx.Response(status, text=f"the key {KEY} said नमस्ते")).ask()

    assert (refused.value.status, refused.value.retryable) == (status, again)
    assert KEY not in str(refused.value)
    assert "नमस्ते" not in str(refused.value)


@pytest.mark.parametrize(
    "fault", [httpx.ConnectError("x"), httpx.ReadTimeout("x"), httpx.RemoteProtocolError("x")]
)
async def test_no_answer_is_asked_again(fault: Exception) -> None:
    with pytest.raises(ApiError) as failed:
        await Google(fault).ask()

    assert failed.value.retryable


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no JSON",
        "[]",
        "null",
        "{}",
        '{"candidates": []}',
        '{"candidates": [{"finishReason": "SAFETY"}]}',
        '{"candidates": [{"content": {}}]}',
        '{"candidates": [{"content": {"parts": []}}]}',
        '{"candidates": [{"content": {"parts": [{"text": 5}]}}]}',
        '{"candidates": [{"content": {"parts": ["x"]}}]}',
        '{"candidates": "x"}',
        json.dumps(said("not json")),
        json.dumps(said('["a list"]')),
        json.dumps(said('"text"')),
        json.dumps(said('{"summary": "cut o')),
    ],
)
async def test_an_answer_that_is_none_may_be_one_the_next_time(body: str) -> None:
    with pytest.raises(ApiError, match="not what was asked for") as failed:
        await Google(httpx.Response(200, text=body)).ask()

    assert failed.value.retryable


async def test_an_endless_answer_is_not_asked_for_again() -> None:
    with pytest.raises(ApiError) as failed:
        await Google(httpx.Response(200, text=" " * (MAX_ANSWER + 1))).ask()

    assert not failed.value.retryable
