import asyncio
import time

from fwai.simulator.common.jumping_loop import JumpingLoop, tasks_left


def test_hours_pass_at_once_and_a_thread_is_waited_for() -> None:
    async def work() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.to_thread(time.sleep, 0.05)
        assert loop.time() == began
        await asyncio.sleep(7_200)
        assert not await tasks_left()
        return loop.time() - began

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        assert runner.run(work()) >= 7_200
