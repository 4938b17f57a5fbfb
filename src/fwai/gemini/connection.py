"""One socket to the Live service: opened with a deadline, errors in our own words.

Ours rather than the SDK's session, because the SDK costs five to eight times more per audio message
(docs/adr/0004). It sends and reads what the SDK would; `tests/contract/gemini` holds it to that.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import structlog
from picows import WSError, WSHandshakeError, ws_connect

from fwai.errors import AgentError, WireError
from fwai.gemini import messages
from fwai.gemini.faults import (
    LINK,
    MODEL,
    SETUP,
    TIMEOUT,
    UNREADABLE,
    LiveFault,
    detail_of,
    fault_of_close,
    fault_of_error,
    fault_of_status,
    masked_words,
)
from fwai.gemini.messages import ServerMessage, ServiceError, SetupDone
from fwai.http.websocket import Socket

GOOGLE_LIVE_URL: Final = "wss://generativelanguage.googleapis.com"
API_VERSION: Final = "v1beta"  # what the Live reference documents; the SDK's own default is not
MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
MAX_WIRE_ERRORS: Final = 3
HIGH_WATER_BYTES: Final = 24 * 1024  # half a second of base64 audio at 16 kHz
INVALID_ARGUMENT: Final = 1007
CLOSE_S: Final = 2.0  # what a peer that no longer reads is given to take our last bytes
MAX_EARLY: Final = 100
_CLOSE_CODES: Final = {400: 1007, 404: 1008}
_SETUP_FAULTS: Final = {400: SETUP, 404: MODEL}
_PATH = f"/ws/google.ai.generativelanguage.{API_VERSION}.GenerativeService.BidiGenerateContent"

_events = structlog.get_logger()
_log = logging.getLogger("fwai.gemini.socket")
_log.setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class LiveEndpoint:
    """Where the Live service is and who we are there.

    Attributes:
        base_url: ``wss://host`` or ``ws://host``; a URL that has a path already is used as it is.
        api_key: Sent as a header, never in the URL.
        open_s: How long connecting and set-up may take together, in seconds.
    """

    base_url: str
    api_key: str = field(repr=False)
    open_s: float = 5.0
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The full URL of the bidirectional method."""
        base = self.base_url.rstrip("/")
        return base if urlsplit(base).path else base + _PATH


class LiveConnection:
    """An open Live session on one socket.

    Attributes:
        lost: Set with the reason once the socket is gone, by whoever closed it.
        dropped: Audio messages refused because the link was congested or closed.
        unreadable: Messages that could not be read.
    """

    def __init__(self) -> None:
        self._hear: Callable[[ServerMessage], None] | None = None
        self._early: list[ServerMessage] = []
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self.lost: asyncio.Future[AgentError] = self._loop.create_future()
        self._socket = Socket(self._receive, self._closed, MAX_MESSAGE_BYTES, HIGH_WATER_BYTES)
        self._given_up = False
        self._cut: asyncio.TimerHandle | None = None
        self._wire_errors = 0
        self.unreadable = 0
        self.dropped = 0

    @classmethod
    async def open(cls, endpoint: LiveEndpoint, setup: bytes) -> "LiveConnection":
        """Connect, send ``setup`` and wait for the service to accept it.

        Raises:
            AgentError: It could not be opened in time; the error says what may be tried next.
        """
        connection = cls()
        accepted = False
        try:
            async with asyncio.timeout(endpoint.open_s):
                await connection._connect(endpoint, setup)
            accepted = True
        except TimeoutError:
            raise _again("live: no answer in time", TIMEOUT, f"{endpoint.open_s:g} s") from None
        except WSHandshakeError as exc:
            raise _refused(int(exc.response.status) if exc.response is not None else None) from None
        except (OSError, WSError, ValueError) as exc:  # the address may be none
            raise _unconnected(exc) from exc
        finally:
            if not accepted:  # also when cancelled at the very moment the service accepted
                connection._give_up()
        return connection

    @property
    def is_open(self) -> bool:
        """Whether anything can still be sent."""
        return self._socket.open

    def listen(self, hear: Callable[[ServerMessage], None]) -> None:
        """Deliver every message from now on to ``hear``, those that came with the set-up first."""
        self._hear = hear
        early, self._early = self._early, []
        for message in early:
            hear(message)

    def send_audio(self, message: bytes) -> bool:
        """Send caller audio; dropped, counted and False when the link is half a second behind."""
        if self._socket.send(message, droppable=True):
            return True
        self.dropped += 1
        return False

    def send(self, message: bytes) -> bool:
        """Send a control message; False when the link is closed."""
        return self._socket.send(message)

    def close(self) -> None:
        """Close the socket and deliver nothing more."""
        self._hear = _ignore
        self._socket.close()
        if not self.lost.done() and self._cut is None:
            self._cut = self._loop.call_later(CLOSE_S, self._socket.abort)

    async def _connect(self, endpoint: LiveEndpoint, setup: bytes) -> None:
        await ws_connect(
            self._listener,
            endpoint.url,
            ssl_context=endpoint.tls,
            websocket_handshake_timeout=endpoint.open_s,
            max_frame_size=MAX_MESSAGE_BYTES,
            enable_auto_pong=False,  # the socket answers
            max_redirects=0,
            extra_headers={"x-goog-api-key": endpoint.api_key},
            logger_name=_log,
        )
        if not self._socket.send(setup):  # picows calls an end before the upgrade a success
            raise ConnectionResetError
        await self._ready

    def _listener(self) -> Socket:
        if self._given_up:  # the answer came after nobody waited for it any more
            raise ConnectionAbortedError
        return self._socket

    def _give_up(self) -> None:
        self._given_up = True
        self._socket.abort()

    def _receive(self, payload: memoryview) -> None:
        try:
            events = messages.read(payload)
        except WireError:
            # Counted, not fatal at once: one broken message says nothing of the next.
            self.unreadable += 1
            self._wire_errors += 1
            if self._wire_errors >= MAX_WIRE_ERRORS or not self._ready.done():
                self._fail(_again("live: unreadable messages", UNREADABLE))
            return
        self._wire_errors = 0
        for event in events:
            if type(event) is SetupDone:
                if not self._ready.done():
                    self._ready.set_result(None)
            elif type(event) is ServiceError and not self._ready.done():
                self._fail(setup_error(event))
            elif self._hear is not None:
                self._hear(event)
            elif len(self._early) < MAX_EARLY:
                self._early.append(event)

    def _fail(self, error: AgentError) -> None:
        self._settle(error)
        self._socket.abort()

    def _closed(self, code: int, reason: str) -> None:
        if self._cut is not None:
            self._cut.cancel()
        if self._socket.stalled:
            self._settle(_again("live: the link takes nothing", LINK, "it takes no audio"))
        else:
            opening = not self._ready.done()
            _events.info("live_closed", code=code, opening=opening, reason=masked_words(reason))
            self._settle(close_error(code, reason, opening=opening))

    def _settle(self, error: AgentError) -> None:
        if not self.lost.done():
            self.lost.set_result(error)
        if not self._ready.done():
            self._ready.set_exception(error)
            self._ready.exception()  # seen, even when nobody waits for it any more


def _ignore(_: ServerMessage) -> None:
    """Drop a message that came after the close."""


def close_error(code: int, reason: str, *, opening: bool = False) -> AgentError:
    """Say what a close code of the service means for the call.

    Args:
        code: Of the WebSocket.
        reason: The service's words; searched for signs and not passed on.
        opening: It came in answer to the set-up.
    """
    fault = fault_of_close(code, reason, opening=opening)
    text = f"live: closed by the service ({code})"
    again = not fault.lasting
    return AgentError(
        text if again else f"{text}, {fault.name}",
        code=code,
        # Bad argument or a handle that is no longer good: never the same thing again.
        resumable=again and code != INVALID_ARGUMENT,
        fresh=again,
        fault=fault.name,
        detail=detail_of(code, reason),
    )


def setup_error(error: ServiceError) -> AgentError:
    """Say what an error in answer to the set-up means; its numbers are those of HTTP.

    What judges the set-up itself counts as the close code that says the same.
    """
    text = f"live: set-up refused ({error.status or error.code})"
    fault = _SETUP_FAULTS.get(error.code or 0) or fault_of_status(error.code)
    judges = _CLOSE_CODES.get(error.code or 0)
    refused = error.code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    return AgentError(
        text,
        code=judges or error.code,
        resumable=not (judges or refused),
        fresh=not refused,
        fault=fault.name,
        detail=f"error {error.code}",
    )


def _refused(status: int | None) -> AgentError:
    fault = fault_of_status(status)
    return AgentError(
        f"live: connection refused (HTTP {status})",
        code=status,
        resumable=not fault.lasting,
        fresh=not fault.lasting,
        fault=fault.name,
        detail="no answer" if status is None else f"HTTP {status}",
    )


def _unconnected(exc: Exception) -> AgentError:
    fault = fault_of_error(exc)
    return AgentError(
        f"live: cannot connect ({type(exc).__name__})",
        resumable=not fault.lasting,
        fresh=not fault.lasting,
        fault=fault.name,
        detail=type(exc).__name__,
    )


def _again(text: str, fault: LiveFault, detail: str = "") -> AgentError:
    return AgentError(text, resumable=True, fresh=True, fault=fault.name, detail=detail)
