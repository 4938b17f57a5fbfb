"""A whole server with its simulated world, for one test."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

from fwai.calls.session import CallSession
from fwai.demo.world import SimulatedWorld, open_simulated_world
from fwai.domain.call import CallEnding
from fwai.server.serving import DrainingServer, listen
from fwai.wiring.app import Server, open_server


@dataclass
class House:
    """What a test can look at.

    Attributes:
        over: Sessions that are over, with how they ended.
    """

    world: SimulatedWorld
    server: Server
    over: list[tuple[CallSession, CallEnding]]
    folder: Path

    @property
    def url(self) -> str:
        return self.world.settings.base_url

    def transcripts(self) -> list[str]:
        return [path.read_text() for path in sorted(self.folder.rglob("*.jsonl"))]

    async def quiet(self, within_s: float = 5.0) -> None:
        """Wait until every call is over on both sides; fail if one is not in time."""
        async with asyncio.timeout(within_s):
            while self.server.calls.active or self.world.model.open_sessions:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


@asynccontextmanager
async def _closed(listener: socket.socket) -> AsyncIterator[None]:
    with closing(listener):
        yield


@asynccontextmanager
async def running(folder: Path, **overrides: object) -> AsyncIterator[House]:
    """Serve on a free port until the block is left; with ``demo=True`` as a demo."""
    demo = bool(overrides.pop("demo", False))
    listener = listen("127.0.0.1", 0)
    settings: dict[str, object] = {
        "data_dir": folder,
        "database_url": f"sqlite+aiosqlite:///{folder / 'fwai.db'}",
        "transcripts_dir": folder / "transcripts",
        # One simulated caller makes more calls than any person does.
        "calls_per_caller": 10_000,
        "calls_at_once_per_caller": 1_000,
        **overrides,
    }
    over: list[tuple[CallSession, CallEnding]] = []

    def keep(session: CallSession, ending: CallEnding) -> None:
        over.append((session, ending))

    # A test that fails must leave no socket to trouble another one.
    async with (
        _closed(listener),
        open_simulated_world(int(listener.getsockname()[1]), settings) as world,
        open_server(world.settings, on_over=keep, demo=demo) as server,
        asyncio.TaskGroup() as tasks,
    ):
        http = DrainingServer(server, drain_s=5.0)
        tasks.create_task(http.serve(sockets=[listener]))
        async with asyncio.timeout(10):
            while not http.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.01)
        yield House(world, server, over, folder)
        server.calls.stop()
        http.should_exit = True
