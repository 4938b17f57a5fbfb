"""The job of the day tidies up, removes what is too old, and writes the next one."""

import asyncio
from collections.abc import Callable, Collection, Coroutine
from datetime import datetime, timedelta
from typing import Any

import pytest

import virtual_time
from fwai.domain.job import (
    HOUSEKEEPING,
    SEND_SMS,
    Done,
    Job,
    JobOutcome,
    JobState,
    NewJob,
    Postpone,
)
from fwai.domain.keeping import Removed
from fwai.jobs.clock_watch import STEADY_S, ClockWatch
from fwai.jobs.housekeeping import (
    FALLBACKS_KEPT,
    GIVEN_UP_KEPT,
    GO_ON_AFTER,
    JOBS_KEPT,
    LOOK_AGAIN_S,
    MESSAGES,
    MESSAGES_KEPT,
    REQUESTS_KEPT,
    REVIVABLE,
    UNSAID_KEPT,
    Housekeeping,
)
from fwai.jobs.worker import JOB_S, Worker
from unit.jobs.kit import T0, MemoryJobs, a_job, no_mark
from unit.store.kit import Clock

DAY = timedelta(days=1)


class Cupboard(MemoryJobs):
    def __init__(self, clock: Callable[[], datetime], rows: int) -> None:
        super().__init__(clock)
        self.old = rows
        self.purged_before: list[tuple[datetime, ...]] = []
        self.words_before: list[tuple[datetime, Collection[str]]] = []

    async def purge(self, *before: datetime) -> int:
        self.purged_before.append(before)
        return self.old

    forget_old = purge

    async def forget_words(self, before: datetime, kinds: Collection[str] = ()) -> int:
        self.words_before.append((before, kinds))
        return 2


class Owner:
    """Keeps words so many days, and removes as much as it is told to have removed."""

    def __init__(self, days: int = 365, removed: Removed | None = None) -> None:
        self.days = days
        self.removed = removed or Removed()
        self.asked: list[tuple[datetime, float]] = []

    async def words_end(self, now: datetime) -> datetime | None:
        return now - self.days * DAY if self.days else None

    async def expire(self, now: datetime, within_s: float) -> Removed:
        self.asked.append((now, within_s))
        return self.removed


class Witness:
    newest: datetime | None = None

    async def now(self) -> datetime | None:
        return None


class Home:
    """The job of the day with what it tidies up."""

    def __init__(
        self,
        owner: Owner,
        *,
        keep_words: bool = True,
        now: Callable[[], datetime] | None = None,
        elapsed_s: Callable[[], float] | None = None,
    ) -> None:
        self.clock = Clock()
        self.clock.now = T0
        now = now or self.clock
        self.elapsed_s = 0.0
        self.jobs, self.requests, self.instances, self.messages, self.nonces = (
            Cupboard(now, n) for n in (3, 2, 1, 4, 5)
        )
        self.owner = owner
        watch = ClockWatch(Witness(), now, elapsed_s or (lambda: self.elapsed_s))
        self.housekeeping = Housekeeping(
            self.jobs,
            self.requests,
            self.instances,
            self.messages,
            owner,
            watch,
            nonces=self.nonces,
            keep_words=keep_words,
            clock=now,
        )

    async def keep(self, job: Job | None = None) -> JobOutcome:
        return await self.housekeeping(job or a_job(HOUSEKEEPING), no_mark)


async def test_the_old_is_forgotten_and_the_next_day_is_planned_once() -> None:
    home = Home(Owner(removed=Removed(calls=4, bytes=900)))

    outcomes = [await home.keep() for _ in range(2)]

    counts = Removed(calls=4, bytes=900).counts()
    assert outcomes == [Done({"rows": 15, "jobs_without_words": 2, **counts})] * 2
    assert counts.keys() >= {"calls", "transcripts", "recordings", "bytes", "failed", "more"}
    assert set(home.jobs.purged_before) == {(T0 - JOBS_KEPT, T0 - GIVEN_UP_KEPT)}
    assert set(home.requests.purged_before) == {(T0 - REQUESTS_KEPT,)}
    assert set(home.messages.purged_before) == {(T0 - MESSAGES_KEPT, T0 - FALLBACKS_KEPT)}
    assert {now for now, _ in home.owner.asked} == {T0}
    (planned,) = home.jobs.rows.values()
    assert planned.run_at == T0 + DAY


async def test_there_is_a_next_day_whatever_becomes_of_this_one() -> None:
    class Broken(Owner):
        async def expire(self, now: datetime, within_s: float) -> Removed:
            raise OSError("the disk is gone")

    home = Home(Broken())

    with pytest.raises(OSError, match="disk"):
        await home.keep()

    assert [job.run_at for job in home.jobs.rows.values()] == [T0 + DAY]


async def test_what_takes_long_goes_on_in_a_minute_and_within_the_time_of_a_job() -> None:
    home = Home(Owner(removed=Removed(calls=9, more=True)))

    assert isinstance(await home.keep(), Done)

    assert sorted(job.run_at for job in home.jobs.rows.values()) == [T0 + GO_ON_AFTER, T0 + DAY]
    ((_, within_s),) = home.owner.asked
    assert within_s + LOOK_AGAIN_S < JOB_S


@pytest.mark.parametrize(
    ("days", "keep_words", "forgotten"),
    [
        (365, True, [(REVIVABLE, ())]),
        (0, True, [(REVIVABLE, ())]),
        (30, True, [(REVIVABLE, ())]),
        (7, True, [(7 * DAY, ())]),
        (1, True, [(DAY, ())]),
        (365, False, [(REVIVABLE, ()), (UNSAID_KEPT, MESSAGES)]),
        (0, False, [(REVIVABLE, ()), (UNSAID_KEPT, MESSAGES)]),
    ],
)
async def test_words_of_what_was_given_up_stay_while_it_can_be_tried_again(
    days: int, keep_words: bool, forgotten: list[tuple[timedelta, Collection[str]]]
) -> None:
    home = Home(Owner(days), keep_words=keep_words)

    await home.keep()

    assert home.jobs.words_before == [(T0 - ago, kinds) for ago, kinds in forgotten]
    assert SEND_SMS in MESSAGES


def test_a_day_has_one_job_however_often_the_server_starts() -> None:
    morning, evening = T0, T0 + timedelta(hours=12)

    assert Housekeeping.next(morning).key == Housekeeping.next(evening).key
    assert Housekeeping.next(morning).key != Housekeeping.next(T0 + DAY).key
    assert Housekeeping.next(morning).key != Housekeeping.go_on(morning).key
    assert Housekeeping.next(morning).payload, "else it could not be tried again when it is dead"


def jumping(main: Coroutine[Any, Any, None]) -> None:
    virtual_time.run(main)


def test_by_a_clock_that_jumped_nothing_is_removed_and_the_job_stays_due() -> None:
    async def main() -> None:
        home = Home(Owner(removed=Removed(calls=1)))
        home.clock.now = T0 + 365 * DAY
        began = asyncio.get_running_loop().time()

        outcome = await home.keep(a_job(HOUSEKEEPING, run_at=T0))

        assert isinstance(outcome, Postpone)
        assert outcome.run_at == T0
        assert asyncio.get_running_loop().time() - began == LOOK_AGAIN_S
        assert (home.owner.asked, home.jobs.purged_before, home.jobs.rows) == ([], [], {})

    jumping(main())


def test_a_clock_ahead_for_ten_minutes_removes_nothing_and_the_day_comes_in_time() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        ahead = timedelta(0)
        began = loop.time()

        def now() -> datetime:
            return T0 + timedelta(seconds=loop.time() - began) + ahead

        home = Home(Owner(removed=Removed(calls=1)), now=now, elapsed_s=loop.time)
        await home.jobs.enqueue(NewJob(HOUSEKEEPING, "housekeeping:1", run_at=T0 + DAY))
        worker = Worker(home.jobs, {HOUSEKEEPING: home.housekeeping}, clock=now)
        async with asyncio.TaskGroup() as group:
            group.create_task(worker.run())
            await asyncio.sleep(3600)
            ahead = timedelta(days=365)
            worker.wake()
            await asyncio.sleep(600)
            assert home.owner.asked == []
            ahead = timedelta(0)
            await asyncio.sleep(22 * 3600)
            assert home.owner.asked == []
            await asyncio.sleep(3 * 3600)
            worker.stop()

        ((at, _),) = home.owner.asked
        assert T0 + DAY <= at < T0 + DAY + timedelta(hours=1, minutes=1)
        first = home.jobs.rows["job_1"]
        assert (first.state, first.attempts) == (JobState.DONE, 1)

    jumping(main())


def test_a_clock_that_was_put_right_for_good_is_believed_after_half_an_hour() -> None:
    async def main() -> None:
        home = Home(Owner(removed=Removed(calls=1)))
        home.clock.now = T0 + 365 * DAY
        for _ in range(2):
            assert isinstance(await home.keep(), Postpone)
            home.elapsed_s += STEADY_S / 2
            home.clock.move(STEADY_S / 2)

        assert isinstance(await home.keep(), Done)

    jumping(main())
