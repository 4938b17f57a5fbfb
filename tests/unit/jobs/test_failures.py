"""What is out of order: it stands until it is mended, and is told once each way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise, permutations
from typing import Any

import pytest
from structlog.testing import capture_logs

from fwai.domain.failure import Area, Trouble
from fwai.jobs.events import Events
from fwai.jobs.failures import MAX_FAILURES, QUIET_S, FailureRegistry
from unit.jobs.kit import T0, MemoryJobs, loop_clock
from virtual_time import run as virtual

EVENTS = Events("https://n8n.example.com", None, None)  # type: ignore[arg-type]
FULL = Trouble(Area.STORAGE, "recordings", "the disk is full (ENOSPC)", "free disk space")
KEY = Trouble(Area.MODEL, "gemini", "Gemini refuses the key", "check GOOGLE_API_KEY", True)
LOGIN = Trouble(Area.PROVIDER, "plivo", "it refuses us (status 401)", "check PLIVO_AUTH_TOKEN")


class Desk:
    """A registry that tells into a queue in memory."""

    def __init__(self) -> None:
        clock = loop_clock()
        self.queue = MemoryJobs(clock)
        self.registry = FailureRegistry(clock)
        self.enqueue_sick = 0
        self.slow_s = 0.0
        enqueue = self.queue.enqueue

        async def sick(new: Any) -> Any:  # noqa: ANN401
            await asyncio.sleep(self.slow_s)
            if self.enqueue_sick:
                self.enqueue_sick -= 1
                self.queue.sick = 1
                self.queue._fail()
            return await enqueue(new)

        self.queue.enqueue = sick  # type: ignore[method-assign]

    def told(self) -> list[tuple[str, str]]:
        """Return the type and the cause of each event."""
        bodies = [job.payload["body"] for job in self.queue.rows.values()]
        return [(body["type"], body["data"]["cause"]) for body in bodies]


@asynccontextmanager
async def desk() -> AsyncIterator[Desk]:
    async with asyncio.TaskGroup() as group:
        found = Desk()
        group.create_task(found.registry.run(found.queue, EVENTS))
        try:
            yield found
        finally:
            found.registry.stop()


@pytest.mark.parametrize(
    ("trouble", "down", "up"),
    [
        (FULL, "storage.failed", "storage.mended"),
        (KEY, "agent.down", "agent.up"),
        (LOGIN, "service.failed", "service.mended"),
        (replace(LOGIN, area=Area.DATABASE), "service.failed", "service.mended"),
        (replace(LOGIN, area=Area.MAIL), "service.failed", "service.mended"),
        (replace(LOGIN, area=Area.EVENTS), "service.failed", "service.mended"),
        (replace(LOGIN, area=Area.CONFIGURATION), "service.failed", "service.mended"),
        (replace(LOGIN, area=Area.SERVER), "service.failed", "service.mended"),
    ],
)
def test_a_failure_is_told_when_it_begins_and_when_it_is_mended(
    trouble: Trouble, down: str, up: str
) -> None:
    async def story() -> None:
        async with desk() as one:
            for _ in range(5):
                one.registry.seen(trouble)
                await asyncio.sleep(20)
            (standing,) = one.registry.standing()
            assert (standing.times, standing.trouble) == (5, trouble)
            assert one.told() == [(down, trouble.cause)]
            one.registry.mended(trouble.area, trouble.what)
            one.registry.mended(trouble.area, trouble.what)
            await asyncio.sleep(0.1)
            assert one.registry.standing() == []
            assert one.told() == [(down, trouble.cause), (up, trouble.cause)]
        first = next(iter(one.queue.rows.values()))
        assert first.payload["body"]["timestamp"] == "2026-11-24T04:00:00.000Z"
        assert first.payload["body"]["data"] == {
            "area": trouble.area.value,
            "what": trouble.what,
            "cause": trouble.cause,
            "fix": trouble.fix,
            "stops_calls": trouble.stops_calls,
            "since": "2026-11-24T04:00:00.000Z",
            "times": 1,
        }

    virtual(story())


def test_what_begins_again_while_its_end_is_being_told_is_told_again() -> None:
    async def story() -> None:
        async with desk() as one:
            one.registry.seen(KEY)
            await asyncio.sleep(1)
            one.slow_s = 5.0
            one.registry.mended(KEY.area, KEY.what)
            await asyncio.sleep(1)
            one.registry.seen(KEY)
            await asyncio.sleep(2 * QUIET_S)
            assert [kind for kind, _ in one.told()] == ["agent.down", "agent.up", "agent.down"]

    virtual(story())


def test_what_was_never_seen_cannot_be_mended() -> None:
    async def story() -> None:
        async with desk() as one:
            one.registry.mended(Area.MODEL, "gemini")
            await asyncio.sleep(1)
            assert one.told() == []

    virtual(story())


def test_another_cause_of_the_same_is_told_and_keeps_since_when() -> None:
    async def story() -> None:
        async with desk() as one:
            one.registry.seen(LOGIN)
            await asyncio.sleep(100)
            other = replace(LOGIN, cause="it cannot be reached, or does not answer")
            one.registry.seen(other)
            await asyncio.sleep(100)
            (standing,) = one.registry.standing()
            assert (standing.trouble, standing.first_at) == (other, T0)
            assert f"since {T0 + timedelta(seconds=100):%Y-%m-%dT%H:%M:%SZ}" in standing.sentence
            assert one.told() == [
                ("service.failed", LOGIN.cause),
                ("service.failed", other.cause),
            ]

    virtual(story())


def test_a_cause_that_changed_and_was_mended_before_it_was_told_is_only_mended() -> None:
    async def story() -> None:
        async with desk() as one:
            one.registry.seen(LOGIN)
            await asyncio.sleep(1)
            one.registry.seen(replace(LOGIN, cause="another"))
            await asyncio.sleep(1)
            one.registry.mended(LOGIN.area, LOGIN.what)
            await asyncio.sleep(0.1)
            assert one.told() == [("service.failed", LOGIN.cause), ("service.mended", "another")]
            one.registry.seen(replace(LOGIN, cause="a third"))
            await asyncio.sleep(QUIET_S)
            assert one.told()[2:] == [("service.failed", "a third")]

    virtual(story())


def test_what_fails_and_works_by_turns_is_told_once_a_minute_at_most() -> None:
    async def story() -> None:
        async with desk() as one:
            for _ in range(600):
                one.registry.seen(LOGIN)
                await asyncio.sleep(0.5)
                one.registry.mended(LOGIN.area, LOGIN.what)
                await asyncio.sleep(0.5)
            await asyncio.sleep(QUIET_S + 1)
            told = [kind for kind, _ in one.told()]
            assert 2 <= len(told) <= 22
            assert told[0] == "service.failed"
            assert told[-1] == "service.mended"
            assert all(a != b for a, b in pairwise(told)), "by turns"

    virtual(story())


def test_what_could_not_be_told_is_told_when_the_database_is_back_though_it_is_mended() -> None:
    async def story() -> None:
        async with desk() as one:
            one.enqueue_sick = 3
            down = replace(LOGIN, area=Area.DATABASE, what="database")
            one.registry.seen(down)
            await asyncio.sleep(0.5)
            one.registry.mended(down.area, down.what)
            assert one.told() == []
            await asyncio.sleep(120)
            assert [kind for kind, _ in one.told()] == ["service.failed", "service.mended"]

    virtual(story())


@pytest.mark.parametrize("order", list(permutations((FULL, KEY, LOGIN))))
def test_several_stand_side_by_side_the_oldest_first(order: tuple[Trouble, ...]) -> None:
    async def story() -> None:
        async with desk() as one:
            for trouble in order:
                one.registry.seen(trouble)
                await asyncio.sleep(1)
            assert [one.trouble for one in one.registry.standing()] == list(order)

    virtual(story())


def test_the_table_is_bounded_and_the_log_says_each_once() -> None:
    async def story() -> None:
        async with desk() as one:
            with capture_logs() as logs:
                for number in range(MAX_FAILURES + 9):
                    for _ in range(3):
                        one.registry.seen(replace(LOGIN, what=f"p{number}"))
            assert len(one.registry.standing()) == MAX_FAILURES
            assert len(logs) == MAX_FAILURES
            assert logs[0]["event"] == "failure_seen"
            assert logs[0]["fix"] == LOGIN.fix

    virtual(story())


@pytest.mark.parametrize(("sick", "told"), [(0, ["agent.down"]), (10**6, [])])
def test_a_stop_tells_the_rest_if_it_can(sick: int, told: list[str]) -> None:
    async def story() -> None:
        async with desk() as one:
            one.enqueue_sick = 1
            one.registry.seen(KEY)
            await asyncio.sleep(0.1)
            one.enqueue_sick = sick
        assert [kind for kind, _ in one.told()] == told

    virtual(story())


def test_a_sentence_says_what_since_when_and_the_fix() -> None:
    async def story() -> None:
        async with desk() as one:
            one.registry.seen(FULL)
            (standing,) = one.registry.standing()
            assert standing.sentence == (
                "storage: recordings: the disk is full (ENOSPC), since 2026-11-24T04:00:00Z; "
                "free disk space"
            )

    virtual(story())


def test_a_notice_that_cannot_be_told_costs_no_other_one() -> None:
    async def story() -> None:
        async with desk() as one:
            enqueue = one.queue.enqueue

            async def broken(new: Any) -> Any:  # noqa: ANN401
                if new.payload["body"]["data"]["what"] == FULL.what:
                    raise ValueError("nobody expected that")
                return await enqueue(new)

            one.queue.enqueue = broken  # type: ignore[method-assign]
            one.registry.seen(FULL)
            one.registry.seen(LOGIN)
            await asyncio.sleep(5)
            assert one.told() == [("service.failed", LOGIN.cause)]
            assert len(one.registry.standing()) == 2

    with capture_logs() as logs:
        virtual(story())

    assert [one["event"] for one in logs].count("failure_notice_broken") == 1
