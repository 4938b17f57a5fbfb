"""Bounds what connections cost: how many there are, how slow and how large a request may be.

Theory of operation. A connection that has not sent a whole head yet has proven nothing: it is
closed after a few seconds, and when there are too many connections the one that has waited longest
without a whole request gives way to the new one, so that whoever holds connections open keeps
nobody out. A WebSocket is not counted any more once its handshake was handed on: its route has a
token checked. The head is measured before the parser sees it. Who is refused while it still sends
is answered and listened to a little longer: were the connection closed at once, the kernel would
reset it, and a proxy would tell its client 502.
"""

import asyncio
import ipaddress
import resource
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from fwai.domain.host import is_loopback

MAX_DESCRIPTORS: Final = 65_536
MOST_CONNECTIONS: Final = 1_024
LINGER_S: Final = 2.0  # a peer that still sends takes our answer, and is reset then
LINGER_BYTES: Final = 2 * 1024 * 1024  # so much is read of what it sends
SCARCE: Final = 0.9
REPORT_S: Final = 60.0
_REASONS: Final = {
    400: "Bad Request",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
}

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What connections may cost.

    Attributes:
        total: HTTP connections at a time.
        per_address: Of them from one address (of IPv6 one /64); loopback, where a proxy runs, is
            not limited.
        head_s: From the connection, or from the first byte of a further request, to a whole head.
        request_s: From there to the whole body.
        head_bytes: Longest head.
    """

    total: int = MOST_CONNECTIONS
    per_address: int = 64
    head_s: float = 10.0
    request_s: float = 30.0
    head_bytes: int = 65_536


def raise_descriptor_limit() -> int:
    """Raise this process's soft limit of open files as far as it may, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return soft


def limits_for(descriptors: int) -> ConnectionLimits:
    """Leave at least half of the descriptors to calls, the database and our own requests."""
    return ConnectionLimits(total=min(MOST_CONNECTIONS, descriptors // 2))


class Connections:
    """All HTTP connections of a server.

    Args:
        limits: What they may cost.
        descriptors: Files this process may have open.
        now: Monotonic time in seconds.
        counted_by: Returns what connections of a peer's address are counted by; empty where they
            are not.

    Attributes:
        refused: How many were closed or refused, by reason.
    """

    def __init__(
        self,
        limits: ConnectionLimits,
        descriptors: int,
        now: Callable[[], float],
        counted_by: Callable[[str], str] | None = None,
    ) -> None:
        self.limits = limits
        self.counted_by = counted_by or counted_address
        self._scarce_from = int(descriptors * SCARCE)
        self._now = now
        # In the order in which they became what they are; a dict keeps it.
        self._waiting: dict[LimitedHttpProtocol, None] = {}
        self._busy: dict[LimitedHttpProtocol, None] = {}
        self._by_address: Counter[str] = Counter()
        self._reported: dict[str, float] = {}
        self.refused: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._busy)

    def admit(self, connection: "LimitedHttpProtocol", descriptor: int) -> bool:
        """Count a new connection; False when it must be closed at once."""
        if descriptor >= self._scarce_from:
            self.report("descriptors_scarce")
        address = connection.address
        if address and self._by_address[address] >= self.limits.per_address:
            self.report("too_many_of_one_address")
            return False
        if len(self) >= self.limits.total:
            self.report("too_many")
            if not self._waiting:
                return False
            oldest = next(iter(self._waiting))
            self.forget(oldest)
            oldest.drop()
        self._by_address[address] += 1
        self._waiting[connection] = None
        return True

    def busy(self, connection: "LimitedHttpProtocol") -> None:
        """A whole head came: it is not closed to make room any more."""
        if self._waiting.pop(connection, connection) is None:
            self._busy[connection] = None

    def waits(self, connection: "LimitedHttpProtocol") -> None:
        """Its request was answered: it may give way again."""
        if self._busy.pop(connection, connection) is None:
            self._waiting[connection] = None

    def forget(self, connection: "LimitedHttpProtocol") -> None:
        """It is closed, or a WebSocket by now."""
        known = self._waiting.pop(connection, connection) is None
        if (self._busy.pop(connection, connection) is None) or known:
            self._by_address[connection.address] -= 1
            if not self._by_address[connection.address]:
                del self._by_address[connection.address]

    def report(self, reason: str) -> None:
        """Count a refusal, and log each reason at most once a minute."""
        self.refused[reason] += 1
        now = self._now()
        if now - self._reported.get(reason, -REPORT_S) >= REPORT_S:
            self._reported[reason] = now
            _log.warning("connections_refused", reason=reason, refused=self.refused[reason])


class LimitedHttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol within `ConnectionLimits`.

    Args:
        open_connections: All of this server.
        arguments: uvicorn's own.

    Attributes:
        address: What the peer is counted by; empty for loopback.
    """

    def __init__(self, *, open_connections: Connections, **arguments: Any) -> None:  # noqa: ANN401
        super().__init__(**arguments)
        self._open = open_connections
        self._limits = open_connections.limits
        self._timer: asyncio.TimerHandle | None = None
        self._in_head = True
        self._head_bytes = 0
        self._refused_bytes: int | None = None  # that came since it was refused
        self.address = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection and begin to wait for its first head."""
        super().connection_made(transport)
        self.address = self._open.counted_by(self.client[0] if self.client else "")
        sock = transport.get_extra_info("socket")
        if not self._open.admit(self, sock.fileno() if sock is not None else -1):
            transport.abort()
            return
        self._wait(self._limits.head_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._stop_waiting()
        self._open.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Measure a head before it is parsed."""
        if self.transport.is_closing():
            return
        if self._refused_bytes is not None:
            self._refused_bytes += len(data)
            if self._refused_bytes > LINGER_BYTES:
                self.flow.pause_reading()  # who cannot send on looks at the answer
            return
        if self._in_head:
            end = data.find(b"\r\n\r\n")
            self._head_bytes += len(data) if end < 0 else end
            if self._head_bytes > self._limits.head_bytes:
                self._refuse(431, "head_too_large")
                return
        super().data_received(data)

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection on: from here on its route knows whose it is."""
        self._stop_waiting()
        self._open.forget(self)
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        """Wait for the head of a further request."""
        super().on_message_begin()
        if self._timer is None:
            self._wait(self._limits.head_s)

    def on_headers_complete(self) -> None:
        """Wait for the body from now on."""
        self._in_head = False
        self._head_bytes = 0
        self._open.busy(self)
        self._wait(self._limits.request_s)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole; what comes next is another one's head."""
        self._in_head = True
        self._stop_waiting()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """It may give way to another connection again."""
        super().on_response_complete()
        if not self.transport.is_closing() and self.cycle.response_complete:
            self._open.waits(self)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP; the parser has given up."""
        self._refuse(400, "malformed", msg)

    def drop(self) -> None:
        """Close it now, whatever it was about to send."""
        self._stop_waiting()
        self.transport.abort()

    def _wait(self, limit_s: float) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(limit_s, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        self._refuse(408, "head_too_slow" if self._in_head else "body_too_slow")

    def _refuse(self, status: int, reason: str, said: str = "") -> None:
        """Answer where no answer has begun, take what still comes for a moment, and close."""
        self._open.report(reason)
        self._stop_waiting()
        cycle: RequestResponseCycle | None = self.cycle
        answering = cycle is not None and cycle.response_started and not cycle.response_complete
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True  # its route answers nobody any more
            cycle.message_event.set()
        if answering:
            self.transport.close()
            return
        text = said or _REASONS[status]
        self.transport.write(
            f"HTTP/1.1 {status} {_REASONS[status]}\r\nconnection: close\r\n"
            f"content-type: text/plain\r\ncontent-length: {len(text)}\r\n\r\n{text}".encode()
        )
        self._refused_bytes = 0
        self.transport.write_eof()
        self.flow.resume_reading()
        self._timer = self.loop.call_later(LINGER_S, self.drop)


def counted_address(host: str) -> str:
    """Return what connections of a peer are counted by; empty where they are not."""
    if not host or is_loopback(host):
        return ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
