"""Two hundred calls, hung up at every stage: nothing may be left of any of them."""

import asyncio
import gc
from itertools import cycle
from pathlib import Path

import psutil
import pytest

from e2e.house import House, running
from fwai.simulator.caller import AwaitHangUp, Drop, Garbage, HangUp, Hear, Say, Step, Wait

CALLS = 200
AT_ONCE = 20

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
    [Wait(300), *[Garbage("not_json")] * 3],
]


async def _calls(house: House, count: int) -> None:
    scripts = cycle(STAGES)
    turnstile = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, script: list[Step]) -> None:
        async with turnstile:
            phone = house.stage.phone(number=f"+91999990{number:04}")
            async with asyncio.timeout(40):
                await phone.call(script)

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(one(number, next(scripts)))


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.timeout(170)
async def test_two_hundred_calls_leave_no_task_socket_session_or_memory(tmp_path: Path) -> None:
    async with running(tmp_path) as house:
        await _calls(house, 2 * len(STAGES))  # what is made once is made now
        await house.quiet()
        await asyncio.sleep(0.3)
        gc.collect()
        tasks, descriptors = len(asyncio.all_tasks()), _descriptors()
        rss_kb = psutil.Process().memory_info().rss // 1024

        await _calls(house, CALLS)
        await house.quiet()
        await asyncio.sleep(1.2)  # keep-alive connections of the telephones close
        gc.collect()

        assert house.server.calls.active == 0
        assert house.stage.model.open_sessions == 0
        assert len(asyncio.all_tasks()) <= tasks
        assert _descriptors() <= descriptors + 2
        grown_kb = psutil.Process().memory_info().rss // 1024 - rss_kb
        assert grown_kb < 12 * 1024, f"grew by {grown_kb} kB (telephones and model included)"
        unended = [ending for _, ending in house.over if not ending.state.final]
        assert unended == []
        for session in house.stage.model.sessions:
            assert session.violations == []
