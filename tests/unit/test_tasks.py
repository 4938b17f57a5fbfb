"""Tasks that end nothing but themselves."""

import asyncio
import inspect

import virtual_time
from fwai.tasks import CLEAN_UP_S, IsolatedTasks


async def fails() -> None:
    await asyncio.sleep(1)
    raise ValueError("nobody expected that")


async def fails_as_many() -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(fails())


def test_an_exception_ends_its_task_and_no_other() -> None:
    cleaned = []

    async def neighbour() -> None:
        await asyncio.sleep(5)
        cleaned.append("neighbour")

    async def clean_up() -> None:
        cleaned.append("call")

    async def main() -> IsolatedTasks:
        async with asyncio.TaskGroup() as group:
            tasks = IsolatedTasks(group)
            tasks.start(neighbour(), "neighbour")
            tasks.start(fails(), "call:1", clean_up)
            tasks.start(fails_as_many(), "call:2", fails)
            tasks.start(fails(), "call:3")
        return tasks

    tasks = virtual_time.run(main())

    assert cleaned == ["call", "neighbour"]
    assert tasks.failed == 3


def test_what_cleans_up_has_a_limit() -> None:
    async def hangs() -> None:
        await asyncio.Event().wait()

    async def main() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as group:
            IsolatedTasks(group).start(fails(), "call:1", hangs)
        return loop.time() - began

    assert virtual_time.run(main()) == 1 + CLEAN_UP_S


def test_no_more_than_the_limit_and_none_once_closed() -> None:
    begun = []

    async def work(name: str) -> None:
        begun.append(name)
        await asyncio.sleep(1)

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            tasks = IsolatedTasks(group, limit=2)
            assert tasks.start(work("a"), "a") is not None
            assert tasks.start(work("b"), "b") is not None
            assert tasks.start(work("c"), "c") is None
            await asyncio.sleep(2)
            assert tasks.start(work("d"), "d") is not None
            tasks.closed = True
            assert tasks.start(work("e"), "e") is None

    virtual_time.run(main())

    assert begun == ["a", "b", "d"]


def test_a_task_that_is_cancelled_before_it_begins_leaves_nothing() -> None:
    work = fails()

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            task = IsolatedTasks(group).start(work, "call:1")
            assert task is not None
            task.cancel()

    virtual_time.run(main())

    assert inspect.getcoroutinestate(work) == inspect.CORO_CLOSED


def test_a_cancelled_task_is_no_failure() -> None:
    async def main() -> IsolatedTasks:
        async with asyncio.TaskGroup() as group:
            tasks = IsolatedTasks(group)
            task = tasks.start(asyncio.Event().wait(), "waits")  # type: ignore[arg-type]
            assert task is not None
            await asyncio.sleep(0)
            task.cancel()
        return tasks

    assert virtual_time.run(main()).failed == 0
