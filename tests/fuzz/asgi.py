"""Requests to an ASGI application without a socket, as uvicorn would make them."""

import asyncio
import re
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

Application = Callable[..., Any]
# What a request may come to. Never 500; 503 says that it may come again.
ALLOWED: Final = frozenset(
    {
        200,
        201,
        202,
        204,
        302,
        304,
        307,
        400,
        401,
        403,
        404,
        405,
        406,
        409,
        411,
        413,
        415,
        422,
        428,
        429,
        503,
    }
)
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
KINDS: Final = {"form": "application/x-www-form-urlencoded", "json": "application/json"}
ANSWER_S: Final = 20.0
# A disk that is slow to sync would be most of a run.
MEMORY: Final = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
_UNFIT: Final = re.compile(rb"[^!-~]")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request.

    Attributes:
        target: Path and query as they stand in the request's first line.
    """

    method: str
    target: bytes
    kind: str
    body: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)

    @property
    def path(self) -> bytes:
        return self.target.partition(b"?")[0]

    @property
    def query(self) -> bytes:
        return self.target.partition(b"?")[2]


def asked(message: bytes) -> Asked:
    """Read a message of a wire of requests: method, address, kind; then the body."""
    head, _, body = message.partition(b"\n")
    method, _, rest = head.partition(b" ")
    target, _, kind = rest.partition(b" ")
    name = method.decode("ascii", "replace").upper()
    target = _UNFIT.sub(lambda odd: b"%%%02x" % odd[0][0], target)
    return Asked(
        name if name in METHODS else "POST",
        target if target.startswith(b"/") else b"/" + target,
        KINDS.get(kind.decode("ascii", "replace"), "application/json"),
        body,
    )


async def answered(app: Application, one: Asked) -> tuple[int, bytes]:
    """Give an application a request; return status and body.

    Raises:
        Exception: Whatever the application does not answer itself.
    """
    status, body = 0, b""
    given = False
    over = asyncio.Event()

    async def receive() -> MutableMapping[str, Any]:
        nonlocal given
        if given:
            await over.wait()
            return {"type": "http.disconnect"}
        given = True
        return {"type": "http.request", "body": one.body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal status, body
        if message["type"] == "http.response.start":
            status = message["status"]
        elif message["type"] == "http.response.body":
            body += message.get("body", b"")
            if not message.get("more_body", False):
                over.set()

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 40_000),
        "scheme": "http",
        "method": one.method,
        "root_path": "",
        "path": unquote(one.path.decode("ascii")),
        "raw_path": one.path,
        "query_string": one.query,
        "headers": [
            (b"host", b"localhost:3000"),
            (b"content-type", one.kind.encode()),
            (b"content-length", str(len(one.body)).encode()),
            *one.headers,
        ],
        "state": {},
    }
    async with asyncio.timeout(ANSWER_S):
        await app(scope, receive, send)
    assert status in ALLOWED, f"answered {status} {body[:300]!r}"
    return status, body
