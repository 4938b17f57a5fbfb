"""Ctrl-C: one line, exit code 130, at once, and nothing of it is left."""

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest

from e2e.process import ROOT, environment, free_port, ready
from fwai.simulator.gemini.server import GeminiLiveSimulator

AT_ONCE_S = 3.0


class Command:
    """A command with a process group of its own, as in a terminal."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def told(self) -> str:
        return self._log.read_text("utf-8")

    async def until(self, word: str) -> None:
        """Wait until it has printed a word."""
        async with asyncio.timeout(30):
            while word not in self.told:
                assert self._process.returncode is None, self.told
                await asyncio.sleep(0.05)

    async def interrupted(
        self, times: int = 1, gap_s: float = 0.05, *, alone: bool = False
    ) -> float:
        """Press Ctrl-C and return how long the end took; nothing of its group may be left.

        ``alone`` has the command get it and not its children, as from a supervisor.
        """
        began = time.monotonic()
        pid = self._process.pid
        for number in range(times):
            if number:
                await asyncio.sleep(gap_s)
            with suppress(ProcessLookupError):  # it was quicker than the next press
                (os.kill if alone else os.killpg)(pid, signal.SIGINT)
        async with asyncio.timeout(20):
            code = await self._process.wait()
        took = time.monotonic() - began
        left = [one.pid for one in psutil.process_iter() if _group(one.pid) == pid]
        assert (code, left) == (130, []), self.told
        return took


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


@asynccontextmanager
async def command(folder: Path, *words: str, **values: str) -> AsyncIterator[Command]:
    log = folder / "told.txt"
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(ROOT / "run.py"), *words),
            cwd=folder,
            env=environment(folder, **values),
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        yield Command(process, log)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def one_line(told: str) -> None:
    """Assert that the end is told in one line, and nothing of Python's own is."""
    assert told.count("Stopped.") == 1, told
    assert not re.search(r"Traceback|Error|Exception|never awaited|was destroyed", told), told


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("word", ["", "Server ready", "the call is answered", "Caller"])
async def test_the_demo_ends_at_once(tmp_path: Path, word: str, times: int) -> None:
    async with command(tmp_path, "demo") as demo:
        await demo.until(word)
        took = await demo.interrupted(times) if word else await early(demo, times)

        one_line(demo.told)
        assert took < AT_ONCE_S


async def early(demo: Command, times: int) -> float:
    """Press while Python still loads."""
    await asyncio.sleep(0.3)
    return await demo.interrupted(times)


@pytest.mark.parametrize("after_s", [0.6, 0.8, 1.0, 1.2, 1.4])
async def test_the_demo_ends_at_once_wherever_its_start_is(tmp_path: Path, after_s: float) -> None:
    """Somewhere in between its database is made, by a process of its own."""
    async with command(tmp_path, "demo", "--keep", str(tmp_path / "kept")) as demo:
        await asyncio.sleep(after_s)
        took = await demo.interrupted(alone=True)

        one_line(demo.told)
        assert took < AT_ONCE_S


async def test_a_second_press_later_needs_no_patience(tmp_path: Path) -> None:
    async with command(tmp_path, "demo") as demo:
        await demo.until("the call is answered")
        await demo.interrupted(2, gap_s=1.2)

        one_line(demo.told)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("mode", ["demo", "talk"])
async def test_a_server_for_this_machine_ends_at_once(
    tmp_path: Path, mode: str, times: int
) -> None:
    port = free_port()
    async with GeminiLiveSimulator() as model:
        values = {"GOOGLE_API_KEY": "key", "GEMINI_LIVE_URL": model.url} if mode == "talk" else {}
        async with command(tmp_path, PORT=str(port), **values) as server:
            await ready(port)
            took = await server.interrupted(times)

            one_line(server.told)
            assert took < AT_ONCE_S


async def test_a_server_that_has_not_begun_to_listen_ends_at_once(tmp_path: Path) -> None:
    async with command(tmp_path, PORT=str(free_port())) as server:
        await asyncio.sleep(0.5)
        took = await server.interrupted()

        one_line(server.told)
        assert took < AT_ONCE_S


@pytest.mark.parametrize("times", [1, 2])
async def test_the_simulator_ends_at_once(tmp_path: Path, times: int) -> None:
    async with command(tmp_path, "simulator", "--port", str(free_port())) as simulator:
        await simulator.until("LISTENING")
        took = await simulator.interrupted(times)

        one_line(simulator.told)
        assert took < AT_ONCE_S
