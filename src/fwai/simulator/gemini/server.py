"""Serves a simulated Gemini: Live, which knows a few phrases, and text on the same port.

Usage::

    async with GeminiLiveSimulator() as simulator:
        ...  # connect any Live client to simulator.url
        assert simulator.sessions[0].heard == ["ask_courses"]

On its own: ``python -m fwai.simulator.gemini.server --port 8003``. See docs/SIMULATORS.md.

Source: Google's Live API reference as used by google-genai 3.4.0 (read 2026-11-22).
"""

import argparse
import asyncio
import contextlib
import functools
import logging
import ssl as tls
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self, get_args
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from fwai.errors import ConfigError
from fwai.simulator.common.clips import ClipLibrary
from fwai.simulator.common.recognizer import Recognizer
from fwai.simulator.gemini.fault_book import FaultBook, FaultHistory
from fwai.simulator.gemini.http_port import HttpOnSamePort, SharedConnection
from fwai.simulator.gemini.link import SimClock, wait_closed
from fwai.simulator.gemini.memory import Memory
from fwai.simulator.gemini.record import SessionRecord
from fwai.simulator.gemini.scenario import (
    Fault,
    Scenario,
    SessionFault,
    Strike,
    demo,
    load_scenario,
)
from fwai.simulator.gemini.session import LiveSession
from fwai.simulator.gemini.text import TextService
from fwai.simulator.gemini.turns import SharedState

MAX_RECORDS = 1_000
"""Records kept; the oldest are forgotten."""

OPEN_LIMIT_S = 60.0
"""A handshake that takes longer is given up, one that a fault delays, too."""

MAX_FRAME_BYTES = 4 * 1024 * 1024
_LOG = logging.getLogger(__name__)


class _Connection(SharedConnection):
    """A connection that carries its record from the handshake to the session."""

    record: SessionRecord | None = None


class GeminiLiveSimulator:
    """Serves Gemini on one port; an async context manager that listens while it is entered.

    Args:
        scenario: What to answer and what goes wrong; the built-in demo by default.
        host: Address to listen on.
        port: Port, 0 for any free one.
        ssl: Server-side TLS context, or None for plain ws.
        clock_scale: How much faster than the wall clock the simulator's time runs: thinking,
            sending and the believed playback. Caller audio is counted in samples, so a client
            may send it as fast as it likes.
        api_key: The only key that is let in; None lets in any, but not none.
        clips: The phrases, the shipped ones by default.

    Attributes:
        scenario: May be replaced; connections that are already open keep theirs.
        sessions: One record for each connection, refused ones included, oldest first.
        text: generateContent, on the same port: its script, its faults and what it was asked.
    """

    def __init__(
        self,
        scenario: Scenario | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        ssl: tls.SSLContext | None = None,
        clock_scale: float = 1.0,
        api_key: str | None = None,
        clips: ClipLibrary | None = None,
    ) -> None:
        self.scenario = scenario or demo()
        self.sessions: list[SessionRecord] = []
        self.text = TextService(api_key)
        self._clips = clips or ClipLibrary.load()
        problems = self.scenario.problems(self._clips)
        if problems:
            raise ConfigError(problems)
        self._recognizer = _recognizer(self._clips)
        self._host, self._port, self._ssl = host, port, ssl
        self._clock = SimClock(clock_scale)
        self._api_key = api_key
        self._memory = Memory()
        self._history = FaultHistory()
        self._count = 0
        self._live: dict[int, LiveSession] = {}
        self._news = asyncio.Event()
        self._server: Server | None = None
        self._http = HttpOnSamePort(self.text)

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._serve,
            self._host,
            self._port,
            ssl=self._ssl,
            compression=None,
            process_request=self._admit,
            create_connection=functools.partial(_Connection, http=self._http),  # type: ignore[arg-type]  # makes one all the same
            max_size=MAX_FRAME_BYTES,
            open_timeout=OPEN_LIMIT_S,
            ping_interval=None,
            close_timeout=2,
            logger=_LOG,
        )
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
            await self._http.close()
            await self._server.wait_closed()
            self._server = None

    @property
    def url(self) -> str:
        """Base URL; any path below it is served."""
        scheme = "ws" if self._ssl is None else "wss"
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{scheme}://{host}:{self._port}"

    @property
    def text_url(self) -> str:
        """Base URL of the text API, as ``http_options.base_url`` of google-genai takes it."""
        return self.url.replace("ws", "http", 1)

    @property
    def open_sessions(self) -> int:
        """Connections that are being served now."""
        return len(self._live)

    def strike(self, fault: Fault, session: int | None = None) -> None:
        """Let a fault happen now, in the session of this index or in the newest open one.

        Raises:
            LookupError: That session is not open.
            ValueError: A fault of this kind does not happen at one moment.
        """
        if fault.kind not in get_args(Strike):
            raise ValueError(f"{fault.kind} is not a fault of one moment")
        if session is None:
            session = max(self._live, default=-1)
        if session not in self._live:
            raise LookupError(f"session {session} is not open")
        self._live[session].strike_soon(fault)

    def begin(self, fault: Fault) -> None:
        """Let a fault of the handshake hold from now on, for its ``for_ms``.

        Raises:
            ValueError: A fault of this kind is none of the handshake.
        """
        if fault.kind not in get_args(SessionFault):
            raise ValueError(f"{fault.kind} is no fault of the handshake")
        self._history.begun.append((fault, self._clock.ms()))

    def forget(self) -> None:
        """Forget all resumable conversations, so that no handle is good any more."""
        self._memory.forget()

    async def wait(self, until: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """Wait until something is true of ``sessions``.

        Raises:
            TimeoutError: It did not come true.
        """
        async with asyncio.timeout(timeout_s):
            while not until():
                self._news.clear()
                await self._news.wait()

    async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Look at the opening handshake: refuse it, or begin a record."""
        url = urlsplit(request.path)
        auth, key = _credentials(request, url.query)
        record = SessionRecord(self._count, url.path, auth)
        self._count += 1
        self.sessions.append(record)
        del self.sessions[:-MAX_RECORDS]
        now_ms = self._clock.ms()
        if self._history.began_ms is None:
            self._history.began_ms = now_ms
        faults = FaultBook(self.scenario, self._history)
        refuse = faults.session_fault(record.index, "refuse", now_ms)
        if refuse is not None:
            record.refused = refuse.status
        elif not key or self._api_key not in (None, key):
            record.refused = 403
        self._news.set()
        if record.refused is not None:
            return connection.respond(record.refused, "refused by the simulator\n")
        if faults.session_fault(record.index, "reset", now_ms):
            connection.transport.abort()
            return None
        if hang := faults.session_fault(record.index, "handshake_hang", now_ms):
            await wait_closed(connection, self._clock, faults.over_ms(hang, now_ms))
        if isinstance(connection, _Connection):
            connection.record = record
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        record = connection.record if isinstance(connection, _Connection) else None
        if record is None:
            return
        shared = SharedState(
            self.scenario,
            self._clips,
            self._recognizer,
            self._clock,
            self._memory,
            self._news.set,
            FaultBook(self.scenario, self._history),
        )
        session = self._live[record.index] = LiveSession(connection, record, shared)
        _LOG.info("session %d opened", record.index)
        try:
            await session.run()
        finally:
            del self._live[record.index]
            _LOG.info("session %d closed: %s", record.index, record.close_code)
            self._news.set()


@functools.lru_cache(maxsize=4)
def _recognizer(clips: ClipLibrary) -> Recognizer:
    """Return what knows the phrases of a library; made once for each."""
    return Recognizer(clips)


def _credentials(request: Request, query: str) -> tuple[str | None, str]:
    """Return how a key came, or None, and the key."""
    for header in ("x-goog-api-key", "authorization"):
        value = request.headers.get(header)
        if value:
            return header, value.rsplit(" ", 1)[-1]
    fields = parse_qs(query)
    for name in ("key", "access_token"):
        if fields.get(name):
            return name, fields[name][0]
    return None, ""


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m fwai.simulator.gemini.server",
        description="A Gemini Live service on this machine; any API key is accepted.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8003, help="port (default: %(default)s)")
    parser.add_argument("--scenario", type=Path, help="JSON file (default: the built-in demo)")
    parser.add_argument("--clock-scale", type=float, default=1.0, help="run so much faster")
    parser.add_argument("--verbose", action="store_true", help="log each session")
    return parser.parse_args(arguments)


async def _serve_forever(options: argparse.Namespace) -> None:
    scenario = load_scenario(options.scenario, ClipLibrary.load()) if options.scenario else demo()
    simulator = GeminiLiveSimulator(
        scenario, host=options.host, port=options.port, clock_scale=options.clock_scale
    )
    async with simulator:
        print(f"LISTENING {simulator.url}", flush=True)  # noqa: T201 - what a starter waits for
        await asyncio.Event().wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the simulator until it is stopped; return the exit code."""
    options = _arguments(arguments)
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve_forever(options))
    except (ConfigError, OSError) as exc:
        print(f"cannot start: {exc}", file=sys.stderr)  # noqa: T201 - the command line's answer
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
