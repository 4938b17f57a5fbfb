"""What every HTTP request meets first: HEAD, answers before the body has come, unexpected faults.

Theory of operation. A proxy in front sends the whole body before it looks at the answer. When a
request is refused with its body unread and the connection closed, the kernel resets it, the proxy
loses the answer on the way and tells its client 502 in place of 401 or 413. So an answer that comes
early is sent, then the rest of the body is read and thrown away, and only then the connection is
closed. How much of it and for how long is bounded: it may be a stranger's. A body that announces
itself larger than any route takes reaches none, not even one that would not read it.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fwai.http.body import MAX_DIGITS
from fwai.http.problem import ProblemError

LARGEST_BODY: Final = 3 * 1024 * 1024  # of any route: Meta's webhooks
DRAIN_BYTES: Final = 2 * 1024 * 1024
DRAIN_S: Final = 2.0

_log = structlog.get_logger()


class _HeadAnswered(Exception):  # noqa: N818 - no error: what follows the headers is not wanted
    """The headers of the answer to HEAD are out."""


class Edge:
    """ASGI middleware around all routes.

    Args:
        app: The routes.
        acting: Beginnings of paths whose GET does something; HEAD is not answered as GET there.
        drain_s: The longest that the rest of a body is waited for after the answer.
    """

    def __init__(self, app: ASGIApp, acting: Sequence[str] = (), drain_s: float = DRAIN_S) -> None:
        self._app = app
        self._acting = tuple(acting)
        self._drain_s = drain_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; WebSockets go through as they are."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        head = scope["method"] == "HEAD" and not scope["path"].startswith(self._acting)
        exchange = _Exchange(scope, receive, send, head=head, drain_s=self._drain_s)
        asked = {**scope, "method": "GET"} if head else scope
        app = _too_large if _announced(scope) > LARGEST_BODY else self._app
        with contextlib.suppress(_HeadAnswered, ClientDisconnect):  # nobody reads any further
            try:
                await app(asked, exchange.receive, exchange.send)
            except (_HeadAnswered, ClientDisconnect):
                raise
            except Exception as exc:
                # Its text may hold personal data; its kind and place do not.
                _log.error("request_failed", error=type(exc).__name__, exc_info=True)
                if exchange.started:
                    raise
                problem = ProblemError(
                    "internal", "A fault of the server", 500, "The log of the server says more."
                )
                await problem.response()(asked, exchange.receive, exchange.send)


def _announced(scope: Scope) -> int:
    """Return how long the body is by its own word, in bytes; 0 when it says nothing."""
    length = dict(scope["headers"]).get(b"content-length", b"").strip()
    if not length.isdigit():
        return 0
    return int(length) if len(length) <= MAX_DIGITS else LARGEST_BODY + 1


async def _too_large(scope: Scope, receive: Receive, send: Send) -> None:
    problem = ProblemError("too-large", "Too large", 413, f"Send at most {LARGEST_BODY} bytes.")
    await problem.response()(scope, receive, send)


class _Exchange:
    """One request and its answer."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, *, head: bool, drain_s: float
    ) -> None:
        headers = dict(scope["headers"])
        self._receive = receive
        self._send = send
        self._head = head
        self._drain_s = drain_s
        self._unread = (
            headers.get(b"content-length", b"0").strip() != b"0" or b"transfer-encoding" in headers
        )
        # Who waits for our leave to send a body does not send it after an answer.
        self._waits = b"expect" in headers
        self.started = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._waits = False
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._unread = False
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            await self._start(message)
        elif not self._unread or message.get("more_body", False):
            await self._send(message)
        else:
            await self._send({**message, "more_body": True})
            await self._drain()
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _start(self, message: Message) -> None:
        if self._unread:
            closing = [*message.get("headers", []), (b"connection", b"close")]
            message = {**message, "headers": closing}
        await self._send(message)
        if self._head:
            await self.send({"type": "http.response.body", "body": b"", "more_body": False})
            raise _HeadAnswered

    async def _drain(self) -> None:
        """Read the rest of the body and throw it away, within bounds.

        Of more than that nothing is read: who cannot send on looks at the answer, and leaves.
        """
        if self._waits:
            return
        left = DRAIN_BYTES
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._drain_s):
                while self._unread and left > 0:
                    left -= len((await self.receive()).get("body", b""))
                if self._unread:
                    await asyncio.sleep(self._drain_s)
