"""What strangers, monitors and proxies send to a real server: every route, over real sockets."""
# ruff: noqa: E501 - tables of bytes read better in long lines

import asyncio
import itertools
import json
import os
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from starlette.routing import Route

from e2e.house import House, running
from postgres import drop_database, fresh_database

# Hypothesis counts garbage collections in a callback of its own, which fails when a collection
# comes while a deeply nested body is read at the limit of recursion.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <function gc_cumulative_time:pytest.PytestUnraisableExceptionWarning"
)

KEY = "0123456789abcdef0123"
HEADS = ("/", "/healthz", "/readyz", "/console/talk", "/openapi.json", "/docs")
MAX_ANSWER_S = 20


@dataclass
class Answer:
    """One answer as it came over the socket."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def is_problem(self) -> bool:
        kind = self.headers.get("content-type", "")
        if kind != "application/problem+json":
            return False
        said = json.loads(self.body)
        named = {"type", "title", "status", "detail"} <= said.keys()
        return named and bool(said["status"] == self.status)


@dataclass
class Asked:
    """One request, written byte by byte."""

    method: str
    path: str
    headers: list[tuple[str, bytes]] = field(default_factory=list)
    body: bytes = b""

    def bytes(self) -> bytes:
        given = {name.lower() for name, _ in self.headers}
        lines = [f"{self.method} {self.path} HTTP/1.1".encode("latin-1")]
        if "host" not in given:
            lines.append(b"Host: voice.example.com")
        if self.body and "content-length" not in given and "transfer-encoding" not in given:
            lines.append(f"Content-Length: {len(self.body)}".encode())
        lines += [name.encode() + b": " + value for name, value in self.headers]
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.body


class Line:
    """A connection that is opened again when the server closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, asked: Asked, *, close: bool = False) -> Answer:
        async with asyncio.timeout(MAX_ANSWER_S):
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            writer.write(asked.bytes())
            answer = await read_answer(reader, body=asked.method != "HEAD")
        if close or answer.headers.get("connection", "").lower() == "close":
            await self.close()
        return answer

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def read_answer(reader: asyncio.StreamReader, *, body: bool = True) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split(" ")[1])
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    content = b""
    if body and headers.get("transfer-encoding") == "chunked":
        while size := int(await reader.readline(), 16):
            content += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    elif body and "content-length" in headers:
        content = await reader.readexactly(int(headers["content-length"]))
    return Answer(status, headers, content)


@asynccontextmanager
async def serving(folder: Path, **settings: object) -> AsyncIterator[tuple[House, Line]]:
    """Serve all providers and the browser, with a key for the API."""
    everything: dict[str, object] = {
        "call_provider": "plivo,exotel,whatsapp",
        "browser_calls": True,
        "api_keys": KEY,
        "record_calls": True,
        # Thousands of requests of one client are what is tested here.
        "requests_per_minute": 1_000_000,
        "api_calls_per_minute": 1_000_000,
        **settings,
    }
    async with running(folder, **everything) as house:
        line = Line(house.world.settings.port)
        try:
            yield house, line
        finally:
            await line.close()


def routes(house: House) -> Iterator[tuple[str, str]]:
    """Yield method and path of every route, with something in place of its parameters."""
    secret = house.world.settings.exotel_webhook_secret.get_secret_value()
    for route in _leaves(house.server.app.routes):
        path = re.sub(r"\{secret\}", secret, route.path)
        path = re.sub(r"\{[^}]*\}", "x-1", path)
        for method in sorted((route.methods or {"GET"}) - {"HEAD"}):
            yield method, path


def _leaves(found: Iterable[object]) -> Iterator[APIRoute | Route]:
    for route in found:
        if isinstance(route, APIRoute | Route):
            yield route
        else:
            yield from _leaves(getattr(getattr(route, "original_router", None), "routes", ()))


BEARER = ("Authorization", f"Bearer {KEY}".encode())
JSON = ("Content-Type", b"application/json")

# ---- hostile requests ---------------------------------------------------------------------------

HEADERS: list[tuple[str, bytes]] = [
    *(("Host", value) for value in (b"[", b"[::1", b"]", b"a b", b"\xff\xfe", b"host:99999", b"%")),
    *(("Host", value) for value in (b"", b"localhost:x", b"[::ffff:127.0.0.1]", b"/", b"user@host")),
    *(("Origin", value) for value in (b"http://[", b"http://[::1", b"null", b"\xff", b"//", b"a:b:c")),
    ("Origin", b"https://voice.example.com:port"),
    ("Referer", b"http://["),
    *(("Forwarded", value) for value in (b"for=[", b'for="', b";;;", b"\xff", b"for=1;host=[")),
    *(("X-Forwarded-For", value) for value in (b"[", b"unknown", b"\xff", b"1,2,,3")),
    ("X-Forwarded-Host", b"["),
    ("X-Forwarded-Proto", b"gopher"),
    ("X-Forwarded-Port", b"many"),
    ("X-Forwarded-Prefix", b"/../"),
    ("X-Real-IP", b"not-an-address"),
    *(("Content-Type", value) for value in (
        b"application/json; charset=klingon", b"application/json;charset", b"\xff/\xfe", b"json",
        b"multipart/form-data", b"multipart/form-data; boundary=", b"application/x-www-form-urlencoded",
        b'multipart/form-data; boundary="\xff"', b"application/json; charset=\"", b";", b"",
    )),
    *(("Authorization", value) for value in (
        b"Basic !!!", b"Basic \xff", b"Basic", b"Bearer", b"Bearer \xff\xfe", b"Bearer \xc3\xa9",
        b"Basic " + b"A" * 7000, b"\xff", b"Digest x", b"Bearer " + b"k" * 7000, b"Basic dXNlcg==",
    )),
    ("X-API-Key", b"\xff\xfe"),
    *(("Cookie", value) for value in (
        b"fwai_session=", b"fwai_session=\xff", b"fwai_session=a.b.c", b"=;=;", b'fwai_session="', b"fwai_session=1.x.2",
        b"fwai_session=" + b"9" * 6000 + b".x.y", b"\xff=\xff",
    )),
    *(("Range", value) for value in (
        b"bytes=", b"bytes=-", b"bytes=5-1", b"bytes=0-0,1-1", b"items=0-1", b"bytes=99999999999999999999-",
        b"\xff", b"bytes=a-b", b"bytes=-0", b"bytes=" + b"0-0," * 1500,
    )),
    *(("Idempotency-Key", value) for value in (b"\xff", b"a\tb", b" ", b"", b"k" * 6000, b"\xc2\x80")),
    *(("Accept", value) for value in (b"\xff", b";q=x", b"text/plain;q=NaN", b"," * 5000, b"")),
    ("Accept-Encoding", b"\xff, gzip;q=x"),
    ("Accept-Language", b"\xff"),
    *((name, b"\xff") for name in ("If-Match", "If-None-Match", "If-Modified-Since", "If-Range")),
    ("If-Modified-Since", b"yesterday"),
    ("Last-Event-ID", b"\xb2\xb3"),
    ("Last-Event-ID", b"9" * 500),
    ("Sec-Fetch-Site", b"\xff"),
    ("Content-Encoding", b"gzip"),
    ("Expect", b"something-else"),
    ("Connection", b"\xff"),
    ("Upgrade", b"h2c"),
    ("X-Hub-Signature-256", b"sha256=\xff"),
    ("X-Hub-Signature-256", b"sha256="),
    *((f"X-Plivo-Signature-{kind}", b"\xff,,") for kind in ("V2", "V3", "Ma-V3", "V3-Nonce")),
    ("X-HTTP-Method-Override", b"DELETE"),
]  # fmt: skip
QUERIES = [
    "%", "%zz", "%ff%fe", "%00", "a=%00", "a=%ff", "=", "&&&", "a[]=1&a[b]=2", "limit=1e999",
    "limit=%00", "limit=-1", "limit=99999999999999999999", "cursor=%ff", "cursor=%00", "cursor=AAAA",
    "status=%00", "phone=%00", "phone=%ff", "from=NaN", "from=9999-99-99", "to=%ed%a0%80",
    "provider=%00", "format=%ff", "hub.mode=%00&hub.verify_token=%ff&hub.challenge=%00", "t=%00",
    "agent=%00", "q=" + "a" * 6000,
]  # fmt: skip
PATHS = [
    "%00",
    "%ff%fe",
    "%2e%2e%2f",
    "..",
    "%ed%a0%80",
    "a%0d%0aX:%20y",
    "x" * 3000,
    "%",
    "%zz",
    "%2F",
]
DEEP = b"[" * 50_000
BODIES = [
    b"{", b"\xff\xfe", b"null", b"[]", b"7", b'"x"', b"NaN", b"Infinity", b'{"to": NaN}', b'{"to": 1e999}',
    b'{"to": -Infinity}', b'{"to": "\\ud800"}', b'{"\\ud800": 1}', b'{"to": "\\u0000"}', b'{"to": ' + b"9" * 5000 + b"}",
    b'{"to": 1e400}', b'{"to": null}', b'{"to": true}', b'{"to": {"to": []}}', DEEP, b'{"a":' * 20_000, b"\0",
    b'{"to": "+919999900000", "context": {"a": "\\ud800"}}', b'{"to": "+919999900000", "context": {"\\u0000": "x"}}',
    b'{"to": "+919999900000", "webhook_url": "http://["}', b'{"to": "+919999900000", "not_before": "9999-12-31T23:59:59-23:59"}',
    b'{"to": "+919999900000", "not_before": 1e308}', b'{"to": "+919999900000", "not_before": "0001-01-01T00:00:00+23:59"}',
    b'{"to": "+919999900000", "when": "\\ud800", "note": "\\u0000"}', b'{"to": "+919999900000", "when": "9999-12-31T23:59:59Z"}',
    b'{"to": "+919999900000", "arguments": {"text": "\\ud800\\u0000"}}', b'{"to": "+919999900000", "arguments": []}',
    b'{"to": "+919999900000", "arguments": {"text": 1e999}}', b'{"sdp": "\\ud800"}', b'{"sdp": "v=0"}', b'{"sdp": 1e999}',
    b'{"object": "whatsapp_business_account", "entry": [{"changes": [{"value": "\\ud800"}]}]}',
    b"a=%ff&CallUUID=%00&From=%ed%a0%80", b"CallSid=%00&CallFrom=%ff&stream=%7b%22a%22%3a",
    b"--x\r\nContent-Disposition: form-data; name=\"CallSid\"\r\n\r\n\xff\r\n--x--",
]  # fmt: skip


def hostile(method: str, path: str) -> Iterator[Asked]:
    """Yield a route's request with one thing wrong at a time."""
    body = b'{"to": "+919999900000"}' if method in ("POST", "PUT", "PATCH") else b""
    for name, value in HEADERS:
        headers = [(name, value)]
        if name not in ("Authorization", "X-API-Key", "Cookie"):
            headers.append(BEARER)
        if name != "Content-Type" and body:
            headers.append(JSON)
        yield Asked(method, path, headers, body)
    for query in QUERIES:
        yield Asked(method, f"{path}?{query}", [BEARER, *([JSON] if body else [])], body)
    for part in PATHS:
        if "x-1" in path:
            yield Asked(method, path.replace("x-1", part, 1), [BEARER, JSON], body)
    if body:
        kinds = (b"application/json", b"application/x-www-form-urlencoded")
        for content, kind in itertools.product(BODIES, kinds):
            yield Asked(method, path, [BEARER, ("Content-Type", kind)], content)
            yield Asked(
                method, path, [BEARER, ("Content-Type", kind), ("Idempotency-Key", b"k")], content
            )


def is_expected(asked: Asked, answer: Answer) -> bool:
    """Whether an answer is none of a fault: errors are problems, or the parser's own 400."""
    if answer.status >= 500:
        return answer.status == 503 and answer.is_problem
    if answer.status < 400 or answer.is_problem:
        return True
    return answer.status == 400 and answer.body == b"Invalid HTTP request received."


async def check_all(folder: Path, **settings: object) -> int:
    """Send every hostile request to every route; return how many were sent."""
    wrong, count, statuses = [], 0, set()
    async with serving(folder, **settings) as (house, line):
        for method, route in sorted(set(routes(house))):
            # An event stream does not end.
            path = f"{route}-no" if route.endswith("/events") else route
            for asked in hostile(method, path):
                answer = await line.ask(asked)
                count += 1
                statuses.add(answer.status)
                if not is_expected(asked, answer):
                    wrong.append((answer.status, asked.bytes()[:200], answer.body[:100]))
    assert wrong == []
    assert {200, 400, 401, 404, 422} <= statuses
    return count


@pytest.mark.timeout(300)
async def test_no_request_makes_a_fault_of_the_server(tmp_path: Path) -> None:
    assert await check_all(tmp_path) > 10_000


@pytest.mark.timeout(300)
@pytest.mark.skipif("FWAI_TEST_POSTGRES_URL" not in os.environ, reason="needs PostgreSQL")
async def test_nor_does_one_with_postgresql(tmp_path: Path) -> None:
    url = await asyncio.to_thread(fresh_database, "http_edges")
    try:
        assert await check_all(tmp_path, database_url=url) > 10_000
    finally:
        await asyncio.to_thread(drop_database, url)
