"""A TCP proxy on loopback whose answers come late, or that is away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

CHUNK = 65_536


@dataclass
class Proxy:
    """What lies between a client and a server.

    Attributes:
        delay_s: How late each piece comes that the server sends.
        away: Refuse and break every connection.
    """

    host: str
    target: int
    port: int = 0
    delay_s: float = 0.0
    away: bool = False
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def leave(self) -> None:
        """Break what is open, and take nothing until `come_back`."""
        self.away = True
        for writer in self._open:
            writer.transport.abort()

    def come_back(self) -> None:
        self.away = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.away:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection(self.host, self.target)
        self._open |= {writer, far_writer}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, far_writer, late=False))
                group.create_task(self._pass_on(far_reader, writer, late=True))
        finally:
            for one in (writer, far_writer):
                self._open.discard(one)
                one.close()

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, late: bool
    ) -> None:
        with suppress(OSError):
            while piece := await reader.read(CHUNK):
                if late and self.delay_s:
                    await asyncio.sleep(self.delay_s)
                writer.write(piece)
                await writer.drain()
        with suppress(OSError):
            writer.write_eof()


@asynccontextmanager
async def proxy_to(host: str, port: int) -> AsyncIterator[Proxy]:
    """Listen on a free port until the end of the block."""
    proxy = Proxy(host, port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        proxy.leave()
        server.close()
