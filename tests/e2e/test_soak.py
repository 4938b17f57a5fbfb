"""Two hundred calls, hung up at every stage: nothing may be left of any of them."""

import asyncio
import gc
from itertools import cycle
from pathlib import Path

import httpx
import psutil
import pytest

from e2e.house import running
from e2e.process import free_port, ready, server, world
from fwai.demo.world import SimulatedWorld
from fwai.simulator.common.caller import (
    AwaitHangUp,
    Drop,
    HangUp,
    Hear,
    Say,
    SendMalformed,
    Step,
    Wait,
)

CALLS = 200
AT_ONCE = 25

# One script per stage of a call at which somebody gives up.
STAGES: list[list[Step]] = [
    [HangUp()],
    [Drop()],
    [Wait(60), HangUp()],
    [Wait(200), Drop()],
    [Wait(700), HangUp()],
    [Wait(1500), Drop()],
    [Hear("greeting"), HangUp()],
    [Hear("greeting"), Say("ask_ai"), HangUp()],
    [Hear("greeting"), Say("ask_ai"), Wait(1200), Drop()],
    [Hear("greeting"), Say("goodbye"), AwaitHangUp()],
    [Wait(300), *[SendMalformed("not_json")] * 3],
]


async def _calls(world: SimulatedWorld, count: int) -> None:
    scripts = cycle(STAGES)
    turnstile = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, script: list[Step]) -> None:
        async with turnstile:
            phone = world.phone(number=f"+91999990{number:04}")
            async with asyncio.timeout(40):
                await phone.call(script)

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(one(number, next(scripts)))


@pytest.mark.timeout(120)
async def test_calls_hung_up_at_every_stage_leave_no_task_and_no_session(tmp_path: Path) -> None:
    async with running(tmp_path) as house:
        await _calls(house.world, len(STAGES))  # what is made once is made now
        await house.quiet()
        await asyncio.sleep(0.3)
        tasks = len(asyncio.all_tasks())

        await _calls(house.world, 4 * len(STAGES))
        await house.quiet()
        await asyncio.sleep(1.2)  # keep-alive connections of the telephones close
        house.over.clear()
        gc.collect()

        assert len(asyncio.all_tasks()) <= tasks
        for session in house.world.model.sessions:
            assert session.violations == []


@pytest.mark.timeout(170)
async def test_two_hundred_calls_leave_no_socket_file_or_memory_in_the_server(
    tmp_path: Path,
) -> None:
    port = free_port()
    async with world(port) as (outside, values):
        with server(tmp_path, port, **values) as process:
            await ready(port)
            watched = psutil.Process(process.pid)
            await _calls(outside, CALLS)  # the allocator finds its size
            await asyncio.sleep(2.0)
            descriptors, rss_kb = watched.num_fds(), watched.memory_info().rss // 1024

            await _calls(outside, CALLS)
            await asyncio.sleep(2.0)

            assert watched.num_fds() <= descriptors
            grown_kb = watched.memory_info().rss // 1024 - rss_kb
            assert grown_kb < 6 * 1024, f"grew by {grown_kb} kB over {CALLS} calls"
            async with httpx.AsyncClient() as client:
                state = (await client.get(f"http://127.0.0.1:{port}/readyz")).json()
            assert state["calls"] == 0
        assert "exception" not in (tmp_path / "server.log").read_text()
