"""Runs uvicorn on a listening socket, with a graceful drain of calls."""

import asyncio
import errno
import functools
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import structlog
import uvicorn

from fwai.adapters.media_socket import MediaSocketProtocol
from fwai.errors import ConfigError
from fwai.server.connections import (
    Connections,
    LimitedHttpProtocol,
    limits_for,
    raise_descriptor_limit,
)
from fwai.wiring.app import Server

BACKLOG: Final = 256
_HOST_FAULTS: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL)
POLL_S: Final = 0.2
GRACE_S: Final = 5  # for requests that still run, such as event streams, once calls are over
STOP_S: Final = 15.0  # for calls that were ended: a REST call and a close each

_log = structlog.get_logger()


def listen(host: str, port: int) -> socket.socket:
    """Bind the listening socket; port 0 takes a free one.

    Raises:
        ConfigError: The address cannot be bound; it is named with the fix.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit it: an answer's body must not wait 40 ms for a receipt of its head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((host, port))
    except (OSError, UnicodeError, TypeError) as exc:  # the latter two: no name can be written so
        listener.close()
        raise ConfigError([_not_bound(host, port, exc)]) from None
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def _not_bound(host: str, port: int, exc: Exception) -> str:
    """Return which setting keeps the socket from being bound, why, and the fix."""
    known = isinstance(exc, OSError) and not isinstance(exc, socket.gaierror)
    why = getattr(exc, "strerror", "") or "no host is named so"
    if not known or getattr(exc, "errno", None) in _HOST_FAULTS:
        fix = "set HOST to an address of this machine, 127.0.0.1 or 0.0.0.0"
        return f"HOST: cannot listen on {host} ({why}); {fix}"
    return f"PORT: cannot listen on {host}:{port} ({why}); set PORT to a free one"


class DrainingServer(uvicorn.Server):
    """uvicorn server that drains calls before it closes their sockets.

    The first signal stops admission and lets calls end by themselves, the second one ends them.

    Args:
        server: The server to run.
        drain_s: Longest wait for running calls.
        signals: Take the process's signals while it serves; else they are somebody else's.

    Attributes:
        open_connections: HTTP connections at the moment, and what was refused.
        stopped_by: The signal that asked for the end; None while there was none.
    """

    def __init__(self, server: Server, drain_s: float, *, signals: bool = True) -> None:
        descriptors = raise_descriptor_limit()
        self.open_connections = Connections(limits_for(descriptors), descriptors, time.monotonic)
        super().__init__(
            uvicorn.Config(
                server.app,
                loop="uvloop",
                http=functools.partial(  # type: ignore[arg-type]  # called like the class
                    LimitedHttpProtocol, open_connections=self.open_connections
                ),
                ws=MediaSocketProtocol,
                ws_per_message_deflate=False,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # whose header is believed: http/client_address
                timeout_keep_alive=30,
                timeout_graceful_shutdown=GRACE_S,
                backlog=BACKLOG,
            )
        )
        self._calls = server.calls
        self._drain_s = drain_s
        self._signals = 0
        self._takes_signals = signals
        self.stopped_by: int | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the process's signals for the time of the block, if they are ours."""
        if not self._takes_signals:
            yield
            return
        with super().capture_signals():
            yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start the drain; a second signal ends running calls, a third one exits at once."""
        self._signals += 1
        self.stopped_by = self.stopped_by or sig
        self._calls.drain()
        if self._signals > 2:
            super().handle_exit(sig, frame)

    async def drain_watch(self) -> None:
        """Exit once a drain was requested and the last call is over; the caller owns the task.

        uvicorn waits for the routes of open streams, so calls must be over before it is told.
        """
        while not self._calls.draining:  # noqa: ASYNC110 - a signal handler cannot set an event
            await asyncio.sleep(POLL_S)
        _log.info("stopping", calls=self._calls.active, at_most_s=self._drain_s)
        await self._until_no_call(self._drain_s)
        self._calls.stop()
        self._signals = 0
        await self._until_no_call(STOP_S)
        self.should_exit = True

    async def _until_no_call(self, max_s: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + max_s
        while self._calls.active and self._signals < 2 and loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)


async def serve(server: Server, listener: socket.socket, drain_s: float) -> int | None:
    """Serve until a signal came and the calls have drained; return the signal."""
    http = DrainingServer(server, drain_s)
    async with asyncio.TaskGroup() as tasks:
        watch = tasks.create_task(http.drain_watch(), name="drain_watch")
        await http.serve(sockets=[listener])
        _log.info("server_stopped", calls=server.calls.active)
        server.calls.stop()
        watch.cancel()
    return http.stopped_by
