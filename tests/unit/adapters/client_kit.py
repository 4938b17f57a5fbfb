"""A REST API with scripted answers, and what every provider's client must make of each answer."""

import json
from collections.abc import Awaitable
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from fastapi import FastAPI

from fwai.errors import ApiAuthError, ApiError, ApiUnknownError

Answer = httpx.Response | Exception

NEVER_SENT = [
    httpx.ConnectError("refused"),
    httpx.ConnectTimeout("slow"),
    httpx.PoolTimeout("full"),
]
NO_ANSWER = [
    httpx.ReadTimeout("slow"),
    httpx.WriteTimeout("slow"),
    httpx.ReadError("reset"),
    httpx.WriteError("reset"),
    httpx.RemoteProtocolError("garbage"),
    httpx.DecodingError("gzip"),
]
STATUSES: list[tuple[int, type[ApiError], bool]] = [
    (301, ApiError, False),
    (307, ApiError, False),
    (400, ApiError, False),
    (401, ApiAuthError, False),
    (402, ApiError, False),
    (403, ApiAuthError, False),
    (404, ApiError, False),
    (405, ApiError, False),
    (409, ApiError, False),
    (422, ApiError, False),
    (429, ApiError, True),
    (500, ApiUnknownError, False),
    (502, ApiUnknownError, False),
    (504, ApiUnknownError, False),
]
"""What a status means for a request that starts something: the error, and whether to try again."""

every_status = pytest.mark.parametrize(("status", "kind", "retryable"), STATUSES)
never_sent = pytest.mark.parametrize("error", NEVER_SENT, ids=lambda error: type(error).__name__)
no_answer = pytest.mark.parametrize("error", NO_ANSWER, ids=lambda error: type(error).__name__)


class FakeRest:
    """Answers requests in turn, the last answer for all that follow, and keeps them.

    Attributes:
        credentials: The Authorization header of each request, as it was when it came.
    """

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.credentials: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.credentials.append(request.headers.get("Authorization", ""))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self) -> httpx.AsyncClient:
        """Return a client all of whose requests come here."""
        return httpx.AsyncClient(transport=httpx.MockTransport(self))

    @property
    def request(self) -> httpx.Request:
        """The last request."""
        return self.requests[-1]

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """JSON of every request."""
        return [json.loads(request.content or b"{}") for request in self.requests]

    @property
    def body(self) -> dict[str, Any]:
        return self.bodies[-1]

    @property
    def forms(self) -> list[dict[str, list[str]]]:
        """Form of every request."""
        return [parse_qs(one.content.decode(), keep_blank_values=True) for one in self.requests]

    @property
    def form(self) -> dict[str, list[str]]:
        return self.forms[-1]

    def asked(self, root: str) -> list[str]:
        """Return method and path of every request, without what comes before and with ``root``."""
        return [f"{one.method} {one.url.path.partition(root)[2]}" for one in self.requests]

    def segments_below(self, root: str) -> str:
        """Return what the last request's path has below ``root``; it must be there."""
        path = self.request.url.raw_path.decode()
        assert path.startswith(root)
        assert "?" not in path
        return path.removeprefix(root)


async def failure(rest: FakeRest, asked: Awaitable[object]) -> ApiError:
    """Return the error of a request, which must have been tried once."""
    with pytest.raises(ApiError) as failed:
        await asked
    assert len(rest.requests) == 1
    return failed.value


def assert_means(
    error: ApiError, kind: type[ApiError], *, retryable: bool, status: int | None = None
) -> None:
    assert type(error) is kind
    assert (error.status, error.retryable) == (status, retryable)


def assert_silent_on(error: ApiError, *secrets: str) -> None:
    """No secret and no number may stand in the text of an error."""
    said = f"{error} {error!r}"
    for secret in secrets:
        assert secret not in said


async def send(
    app: FastAPI,
    method: str,
    where: str,
    content: bytes,
    headers: dict[str, str],
    base_url: str = "http://10.0.0.7:3000",
) -> httpx.Response:
    """Send a webhook over ASGI, under a host name that is not the public one."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=base_url) as http:
        return await http.request(method, where, content=content, headers=headers)
