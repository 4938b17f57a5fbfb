"""The server as a process of its own, and a simulated world around it."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx

from fwai.demo.world import SimulatedWorld, open_simulated_world

ROOT = Path(__file__).parents[2]


def environment(folder: Path, **values: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {
        **kept,
        "HOST": "127.0.0.1",
        "DATA_DIR": str(folder),
        "TRANSCRIPTS_DIR": str(folder / "transcripts"),
        "DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'fwai.db'}",
        "PROMPTS_FILE": str(ROOT / "prompts.json"),
        "LOG_FORMAT": "json",
        "AGENT_CLIPS": "false",  # nobody is connected with before a call
        **values,
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def server(folder: Path, port: int, **values: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the server as its own process until the block is left."""
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "run.py")],
            cwd=folder, env=environment(folder, PORT=str(port), **values), stderr=log,
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(10)


async def ready(port: int, within_s: float = 15.0) -> None:
    async with httpx.AsyncClient() as client, asyncio.timeout(within_s):
        while True:
            try:
                if (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)


@asynccontextmanager
async def world(port: int) -> AsyncIterator[tuple[SimulatedWorld, dict[str, str]]]:
    """A simulated world and the environment that points a server process at it."""
    async with open_simulated_world(port) as world:
        settings = world.settings
        yield (
            world,
            {
                "CALL_PROVIDER": "plivo",
                "GOOGLE_API_KEY": "demo",
                "GEMINI_LIVE_URL": settings.gemini_live_url,
                "PLIVO_AUTH_ID": settings.plivo_auth_id,
                "PLIVO_AUTH_TOKEN": settings.plivo_auth_token.get_secret_value(),
                "PLIVO_PHONE_NUMBER": settings.plivo_phone_number,
                "PLIVO_API_URL": settings.plivo_api_url,
                "PUBLIC_URL": settings.public_url,
            },
        )
