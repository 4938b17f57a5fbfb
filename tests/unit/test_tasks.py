"""Tasks that end nothing but themselves."""

import asyncio
import inspect

from structlog.testing import capture_logs

import virtual_time
from fakes import SeenFailures
from fwai.tasks import CLEAN_UP_S, PAUSES_S, STEADY_S, IsolatedTasks, start_enduring


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


class Service:
    """A task of the process that fails so many times, each after so many seconds."""

    def __init__(self, *lasts_s: float) -> None:
        self.lasts_s = list(lasts_s)
        self.began: list[float] = []
        self.failures = SeenFailures()
        self.stopping = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        self.began.append(round(loop.time() - 1000.0, 1))
        if self.lasts_s:
            await asyncio.sleep(self.lasts_s.pop(0))
            raise ValueError("nobody expected that")
        await self.stopping.wait()


def test_what_the_process_needs_is_begun_again_and_the_neighbour_never_notices() -> None:
    async def main() -> Service:
        service = Service(1.0, 1.0, 1.0, 1.0, STEADY_S)
        async with asyncio.TaskGroup() as group:
            neighbour = group.create_task(asyncio.sleep(1e4))
            start_enduring(group, service.run, "writer", service.failures)
            await asyncio.sleep(1e3)
            service.stopping.set()
            await asyncio.sleep(1)
            assert not neighbour.done()
            neighbour.cancel()
        return service

    with capture_logs() as logs:
        service = virtual_time.run(main())

    pauses = [one["pause_s"] for one in logs if one["event"] == "task_begun_again"]
    assert pauses == [*PAUSES_S, PAUSES_S[-1], PAUSES_S[0]], "it had been steady before the last"
    assert service.began == [0.0, 1.5, 4.5, 10.5, 16.5, 77.0]
    assert service.failures.seen_at_all == 5


def test_it_is_told_as_a_failure_and_counts_as_mended_once_it_is_steady() -> None:
    async def main() -> list[list[str]]:
        service, told = Service(1.0), []
        async with asyncio.TaskGroup() as group:
            start_enduring(group, service.run, "writer", service.failures)
            for moment_s in (0.5, 1.0, STEADY_S - 1.0, 2.0):
                await asyncio.sleep(moment_s)
                told.append(service.failures.names)
            service.stopping.set()
        return told

    assert virtual_time.run(main()) == [[], ["writer"], ["writer"], []]


def test_it_ends_when_it_is_cancelled_also_between_two_beginnings() -> None:
    async def main() -> None:
        service = Service(1.0)
        async with asyncio.TaskGroup() as group:
            tasks = [
                start_enduring(group, service.run, "writer", service.failures),
                start_enduring(group, Service().run, "other"),
            ]
            await asyncio.sleep(1.1)
            for task in tasks:
                task.cancel()
        assert service.began == [0.0]
        assert all(task.cancelled() for task in tasks)

    virtual_time.run(main())
