"""Requests, answers, faults on demand and credentials of the providers' simulated REST APIs."""

import asyncio
import base64
import contextlib
import hmac
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import uvicorn

MAX_BODY_BYTES = 1 << 20

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(slots=True)
class ApiRequest:
    """A request as it arrived.

    Attributes:
        method: ``GET``, ``POST`` or ``DELETE``.
        path: What follows the account, such as ``Call/`` of ``/v1/Account/{auth_id}/Call/``.
        query: Decoded query.
        body: Decoded JSON object or form; empty when there is none.
        headers: Lower-case names.
        status: What it was answered with; None while it is not.
    """

    method: str
    path: str
    query: dict[str, str]
    body: dict[str, Any]
    headers: dict[str, str]
    status: int | None = None


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """An answer; ``body`` None is empty, text is sent as it stands, anything else as JSON."""

    status: int
    body: dict[str, Any] | str | None = None


@dataclass(slots=True)
class ApiFault:
    """A fault that strikes requests on demand.

    Attributes:
        status: What is answered.
        body: Answered as it stands when text, as JSON otherwise.
        path: Only requests whose path contains this.
        method: Only requests with this method; empty is any.
        times: How many requests it strikes.
        hang_s: Do not answer at all for this long, or until the client gives up.
        carried_out: Whether the request takes effect all the same, as when an answer is lost.
    """

    status: int = 500
    body: dict[str, Any] | str | None = field(default_factory=lambda: {"error": "internal error"})
    path: str = ""
    method: str = ""
    times: int = 1
    hang_s: float = 0.0
    carried_out: bool = False

    def strikes(self, request: ApiRequest) -> bool:
        """Tell whether it strikes this request."""
        fits = self.path in request.path and self.method in {"", request.method}
        return self.times > 0 and fits


class BadRequestError(Exception):
    """A parameter is missing or wrong: 400."""


def authorised(headers: dict[str, str], user: str, password: str) -> bool:
    """Tell whether the Basic credentials are these."""
    expected = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
    return hmac.compare_digest(headers.get("authorization", ""), f"Basic {expected}")


def parse_body(content_type: str, body: bytes) -> dict[str, Any]:
    """Read a JSON object or a form.

    Raises:
        BadRequestError: It is neither.
    """
    if not body:
        return {}
    if content_type.startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(body.decode(), keep_blank_values=True))
    try:
        parsed = json.loads(body)
    except ValueError as exc:
        raise BadRequestError("the body is not JSON") from exc
    if not isinstance(parsed, dict):
        raise BadRequestError("the body is not a JSON object")
    return parsed


def require(body: Mapping[str, Any], *names: str) -> list[str]:
    """Return the named parameters.

    Raises:
        BadRequestError: One is missing or empty.
    """
    for name in names:
        if not body.get(name):
            raise BadRequestError(f"{name} parameter not present")
    return [str(body[name]) for name in names]


async def read_body(receive: Receive) -> bytes:
    """Read a request's body.

    Raises:
        BadRequestError: It is too large.
    """
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if len(body) > MAX_BODY_BYTES:
            raise BadRequestError("the body is too large")
        if not message.get("more_body", False):
            return body


async def write_answer(send: Send, answer: ApiAnswer) -> None:
    """Send an answer."""
    kind, body = "application/json", b""
    if isinstance(answer.body, str):
        kind, body = "text/html; charset=utf-8", answer.body.encode()
    elif answer.body is not None:
        body = json.dumps(answer.body).encode()
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def hang(receive: Receive, limit_s: float) -> None:
    """Keep the client waiting until it gives up or ``limit_s`` have passed."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            while (await receive())["type"] != "http.disconnect":
                pass


class Server(uvicorn.Server):
    """uvicorn that leaves the process's signal handlers alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the process's signal handlers alone."""
        yield


def new_server(app: App) -> Server:
    """Return a quiet server for ``app``; it serves on sockets that are handed to it."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        interface="asgi3",
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=1,
    )
    return Server(config)
