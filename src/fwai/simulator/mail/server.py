"""Serves SMTP on this machine: keeps what it is sent, and fails when told to.

Source: RFC 5321 (SMTP), RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 1870 (SIZE); read 2026-11-22.

Theory of operation: one task for each connection, a `SmtpSession`; all of them share the mailbox.
"""

import asyncio
import socket
import ssl
from types import TracebackType
from typing import Self

from fwai.simulator.common.tasks import SHUTDOWN_LIMIT_S, ServerTasks
from fwai.simulator.mail.session import SmtpSession
from fwai.simulator.mail.state import MailState, TlsMode


class Mailbox(MailState):
    """An SMTP server on 127.0.0.1; use as an async context manager.

    Args:
        user: The only one that may log in; empty asks nobody to.
        password: Of the user.
        tls: ``starttls`` offers it and allows AUTH only behind it; ``tls`` begins with it.
        port: 0 is any free one.

    Attributes:
        connections: How many there have been.
        trust: For a client that is to trust the server's certificate; None without TLS.
    """

    def __init__(
        self, user: str = "", password: str = "", *, tls: TlsMode = "none", port: int = 0
    ) -> None:
        super().__init__(user, password, tls)
        self.connections = 0
        self.trust: ssl.SSLContext | None = None
        self._wanted_port = port
        self._tasks = ServerTasks()
        self._server: asyncio.Server
        self._listener: socket.socket

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    async def wait_until_alone(self, timeout_s: float = 5.0) -> None:
        """Wait until no client is connected.

        Raises:
            TimeoutError: One stayed.
        """
        if self._tasks.running:
            await asyncio.wait(self._tasks.running, timeout=timeout_s)
        if self._tasks.running:
            raise TimeoutError("a client is still connected")

    async def __aenter__(self) -> Self:
        if self.tls != "none":
            from fwai.simulator.common.certificate import self_signed

            self.context, self.trust = await asyncio.to_thread(self_signed)
        self._listener = socket.create_server(("127.0.0.1", self._wanted_port))
        await self._tasks.__aenter__()
        self._server = await asyncio.start_server(
            self._welcome,
            sock=self._listener,
            ssl=self.context if self.tls == "tls" else None,
            limit=1 << 20,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        await self._tasks.__aexit__(kind, failure, trace)
        async with asyncio.timeout(SHUTDOWN_LIMIT_S):
            await self._server.wait_closed()

    def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._tasks.start(SmtpSession(self, reader, writer).run(), "mailbox_session")
