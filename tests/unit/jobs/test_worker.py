"""The worker: nothing due is forgotten, nothing asked for in vain, nothing lost when it ends."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from structlog.testing import capture_logs

import virtual_time
from fwai.domain.job import (
    Done,
    Dropped,
    Job,
    JobHandler,
    JobOutcome,
    JobState,
    NewJob,
    Postpone,
    Retry,
    Unknown,
)
from fwai.errors import ApiError, StoreError
from fwai.jobs.signals import JobSignals
from fwai.jobs.worker import (
    JOB_S,
    LONGEST_SLEEP_S,
    RETRY_MAX_S,
    RETRY_S,
    SETTLE_TRIES,
    STOP_S,
    Worker,
)
from unit.jobs.kit import LEASE_S, T0, Begin, MemoryJobs, loop_clock


class Shop:
    """A worker, its queue, and a note of what ran when."""

    def __init__(
        self, handlers: Mapping[str, JobHandler] | None = None, concurrency: int = 8
    ) -> None:
        self.clock = loop_clock()
        self.jobs = MemoryJobs(self.clock)
        self.ran: list[tuple[float, str]] = []
        self.at_work = self.most_at_work = 0
        self.takes_s = 0.0
        self.outcomes: list[JobOutcome] = []
        self.signals = JobSignals()
        self.worker = Worker(
            self.jobs,
            handlers or {"sms": self.handle},
            self.signals,
            concurrency=concurrency,
            clock=self.clock,
        )
        self.jobs.on_new = self.signals.written

    @property
    def now_s(self) -> float:
        return (self.clock() - T0).total_seconds()

    async def handle(self, job: Job, begin: Begin) -> JobOutcome:
        self.ran.append((round(self.now_s, 3), job.key))
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            await asyncio.sleep(self.takes_s)
        finally:
            self.at_work -= 1
        return self.outcomes.pop(0) if self.outcomes else Done(ref=job.key)

    async def put(self, key: str, in_s: float | None = None, kind: str = "sms") -> Job:
        run_at = None if in_s is None else self.clock() + timedelta(seconds=in_s)
        return await self.jobs.enqueue(NewJob(kind, key, run_at=run_at))

    def state(self, key: str) -> JobState:
        return next(job.state for job in self.jobs.rows.values() if job.key == key)

    def error(self, key: str) -> str | None:
        return next(job.error for job in self.jobs.rows.values() if job.key == key)


def inside(
    act: Callable[[Shop], Awaitable[None]], make: Callable[[], Shop] = Shop, *, stop: bool = True
) -> Shop:
    async def main() -> Shop:
        shop = make()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(shop.worker.run())
            await act(shop)
            if stop:
                shop.worker.stop()
        assert shop.worker.running == 0
        return shop

    return virtual_time.run(main())


# ---- when work is taken -------------------------------------------------------------------------


def test_new_work_is_begun_at_once() -> None:
    async def act(shop: Shop) -> None:
        await asyncio.sleep(1000)
        await shop.put("a")
        await asyncio.sleep(1)

    assert inside(act).ran == [(1000.0, "a")]


def test_work_for_later_is_begun_when_it_is_due() -> None:
    async def act(shop: Shop) -> None:
        await shop.put("late", 50.0)
        await shop.put("soon", 20.0)
        await asyncio.sleep(100)

    assert inside(act).ran == [(20.0, "soon"), (50.0, "late")]


def test_a_worker_with_nothing_due_asks_for_nothing() -> None:
    async def act(shop: Shop) -> None:
        await shop.put("tomorrow", 86_400.0)
        await asyncio.sleep(0)
        before = shop.jobs.asked
        await asyncio.sleep(LONGEST_SLEEP_S - 10)
        assert shop.jobs.asked <= before + 1

    inside(act)


def test_work_for_later_than_it_sleeps_anyway_wakes_nobody() -> None:
    """As when hundreds of calls for tomorrow are placed while others run."""

    async def act(shop: Shop) -> None:
        await shop.put("soon", 20.0)
        await asyncio.sleep(1)
        before = shop.jobs.asked
        for number in range(100):
            await shop.put(f"tomorrow {number}", 86_400.0)
            await asyncio.sleep(0)
        assert shop.jobs.asked == before
        await shop.put("sooner", 10.0)
        await asyncio.sleep(30)

    assert inside(act).ran == [(11.0, "sooner"), (20.0, "soon")]


def test_due_work_that_nobody_handles_costs_nothing() -> None:
    """As of a tool whose settings were taken away: a due job must not keep the worker busy."""

    async def act(shop: Shop) -> None:
        await shop.put("forgotten", kind="fax")
        await asyncio.sleep(LONGEST_SLEEP_S - 10)
        assert shop.jobs.asked < 5
        assert shop.state("forgotten") is JobState.WAITING

    inside(act)


@pytest.mark.parametrize("kinds", ["any", "none"])
def test_a_worker_without_handlers_asks_for_nothing(kinds: str) -> None:
    class Old(MemoryJobs):
        async def next_at(self, kinds: Collection[str] | None = None) -> datetime | None:
            return await super().next_at(kinds or None)

    def make() -> Shop:
        shop = Shop()
        shop.worker = Worker(shop.jobs, {}, clock=shop.clock)
        if kinds == "any":
            shop.jobs.__class__ = Old
        return shop

    async def act(shop: Shop) -> None:
        await shop.put("due")
        await asyncio.sleep(LONGEST_SLEEP_S - 10)
        assert shop.jobs.asked == 0

    inside(act, make)


def test_a_wake_up_during_the_look_at_the_queue_is_not_lost() -> None:
    class Slow(MemoryJobs):
        async def next_at(self, kinds: object = None) -> None:
            """Say that nothing is due, as it was a moment ago."""
            await asyncio.sleep(1)

    def make() -> Shop:
        shop = Shop()
        shop.jobs.__class__ = Slow
        return shop

    async def act(shop: Shop) -> None:
        await asyncio.sleep(0.5)  # the worker has taken nothing and asks when to look again
        await shop.put("a")
        await asyncio.sleep(2)

    assert inside(act, make).ran == [(1.0, "a")]


def test_no_more_at_once_than_there_are_places_and_the_rest_follows_on() -> None:
    def make() -> Shop:
        shop = Shop(concurrency=2)
        shop.takes_s = 10.0
        return shop

    async def act(shop: Shop) -> None:
        for number in range(5):
            await shop.put(f"{number}")
        await asyncio.sleep(35)

    shop = inside(act, make)
    assert [at for at, _ in shop.ran] == [0.0, 0.0, 10.0, 10.0, 20.0]
    assert shop.most_at_work == 2


def test_what_comes_while_all_places_are_taken_waits_for_one() -> None:
    def make() -> Shop:
        shop = Shop(concurrency=2)
        shop.takes_s = 10.0
        return shop

    async def act(shop: Shop) -> None:
        for number in range(4):
            await shop.put(f"{number}")
            await asyncio.sleep(1)
        await asyncio.sleep(30)

    shop = inside(act, make)
    assert [at for at, _ in shop.ran] == [0.0, 1.0, 10.0, 11.0]
    assert shop.most_at_work == 2


def test_full_places_do_not_make_it_ask_again_and_again() -> None:
    def make() -> Shop:
        shop = Shop(concurrency=1)
        shop.takes_s = 60.0
        return shop

    async def act(shop: Shop) -> None:
        await shop.put("a")
        await shop.put("b")
        await asyncio.sleep(50)
        assert shop.jobs.asked < 5
        await asyncio.sleep(80)

    assert [at for at, _ in inside(act, make).ran] == [0.0, 60.0]


def test_what_is_put_off_is_done_when_it_is_time() -> None:
    def make() -> Shop:
        shop = Shop()
        shop.outcomes = [
            Postpone(T0 + timedelta(seconds=300), "not now"),
            Retry("no", after_s=40.0),
        ]
        return shop

    async def act(shop: Shop) -> None:
        await shop.put("a")
        await asyncio.sleep(500)

    shop = inside(act, make)
    assert [at for at, _ in shop.ran] == [0.0, 300.0, 340.0]
    assert shop.state("a") is JobState.DONE


def test_others_that_write_to_the_same_database_are_heard_by_looking() -> None:
    def make() -> Shop:
        shop = Shop()
        shop.worker = Worker(shop.jobs, {"sms": shop.handle}, poll_s=lambda: 5.0, clock=shop.clock)
        shop.jobs.on_new = lambda _at: None
        return shop

    async def act(shop: Shop) -> None:
        await asyncio.sleep(12)
        await shop.put("theirs")
        await asyncio.sleep(10)

    assert inside(act, make).ran == [(15.0, "theirs")]


# ---- what goes wrong ----------------------------------------------------------------------------


def faulty(fault: Exception, *, begun: bool) -> JobHandler:
    async def handle(job: Job, begin: Begin) -> JobOutcome:
        if begun:
            await begin()
        raise fault

    return handle


@pytest.mark.parametrize(
    "fault", [RuntimeError("+919999900001"), StoreError("disk"), ApiError("p", "x"), TimeoutError()]
)
@pytest.mark.parametrize("begun", [False, True])
def test_a_fault_is_repeated_before_the_mark_and_reported_behind_it(
    fault: Exception, begun: bool
) -> None:
    async def act(shop: Shop) -> None:
        await shop.put("a")
        await shop.put("b", kind="good")
        await asyncio.sleep(1)

    def make() -> Shop:
        shop = Shop({"sms": faulty(fault, begun=begun)})
        shop.worker._handlers = {**shop.worker._handlers, "good": shop.handle}
        return shop

    shop = inside(act, make)
    assert shop.state("a") is (JobState.UNKNOWN if begun else JobState.WAITING)
    assert shop.state("b") is JobState.DONE
    assert "99999" not in (shop.error("a") or "")


def test_a_handler_that_hangs_is_cut_off_before_its_lease_ends() -> None:
    assert JOB_S < LEASE_S

    async def hang(job: Job, begin: Begin) -> JobOutcome:
        await begin()
        await asyncio.sleep(1e6)
        return Done()

    async def act(shop: Shop) -> None:
        await shop.put("a")
        await asyncio.sleep(JOB_S + 1)

    shop = inside(act, lambda: Shop({"sms": hang}))
    assert shop.state("a") is JobState.UNKNOWN


def test_a_sick_database_is_asked_ever_more_rarely_and_work_goes_on_after_it() -> None:
    async def act(shop: Shop) -> None:
        shop.jobs.sick = 6
        await shop.put("a")
        await asyncio.sleep(RETRY_S * (1 + 2 + 4 + 8) + 2 * RETRY_MAX_S + 1)

    shop = inside(act)
    assert shop.jobs.asked <= 10
    assert shop.state("a") is JobState.DONE


@pytest.mark.parametrize("at_fault", ["lease", "next_at"])
def test_a_fault_nobody_thought_of_ends_neither_the_worker_nor_the_calls(
    at_fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken(MemoryJobs):
        faults = 3

        def break_in(self, where: str) -> None:
            if where == at_fault and self.faults:
                self.faults -= 1
                raise RuntimeError("nobody thought of it")

        async def lease(self, most: int, kinds: Collection[str]) -> list[Job]:
            self.break_in("lease")
            return await super().lease(most, kinds)

        async def next_at(self, kinds: Collection[str] | None = None) -> datetime | None:
            self.break_in("next_at")
            return await super().next_at(kinds)

    def make() -> Shop:
        shop = Shop()
        shop.jobs.__class__ = Broken
        return shop

    async def act(shop: Shop) -> None:
        await shop.put("a")
        await asyncio.sleep(RETRY_S * (1 + 2 + 4) + 1)

    assert inside(act, make).state("a") is JobState.DONE
    assert capsys.readouterr().out.count("jobs_not_read") == 3


def test_what_was_done_is_written_once_the_database_is_well() -> None:
    async def handle(job: Job, begin: Begin) -> JobOutcome:
        shops[0].jobs.sick = SETTLE_TRIES - 1
        return Done(ref="m-1")

    shops: list[Shop] = []

    def make() -> Shop:
        shops.append(Shop({"sms": handle}))
        return shops[0]

    async def act(shop: Shop) -> None:
        await shop.put("a")
        await asyncio.sleep(RETRY_S * SETTLE_TRIES + 1)

    assert inside(act, make).state("a") is JobState.DONE


def test_what_could_not_be_written_comes_again_with_its_mark() -> None:
    seen: list[object] = []

    async def handle(job: Job, begin: Begin) -> JobOutcome:
        seen.append(job.begun_at)
        await begin()
        if len(seen) == 1:
            shops[0].jobs.sick = SETTLE_TRIES
        return Done()

    shops: list[Shop] = []

    def make() -> Shop:
        shops.append(Shop({"sms": handle}))
        return shops[0]

    async def act(shop: Shop) -> None:
        await shop.put("a")
        await asyncio.sleep(LEASE_S + RETRY_S * SETTLE_TRIES + 40)

    shop = inside(act, make)
    assert seen == [None, T0]
    assert shop.state("a") is JobState.DONE


def test_an_outage_of_some_seconds_loses_no_outcome() -> None:
    class Away(MemoryJobs):
        async def settle(self, job: Job, outcome: JobOutcome) -> JobState | None:
            if self._clock() < T0 + timedelta(seconds=5):
                raise StoreError("database: connection refused")
            return await super().settle(job, outcome)

    def make() -> Shop:
        shop = Shop()
        shop.jobs.__class__ = Away
        return shop

    async def act(shop: Shop) -> None:
        await shop.put("a")
        await asyncio.sleep(LEASE_S / 2)

    shop = inside(act, make)
    assert shop.state("a") is JobState.DONE
    assert len(shop.ran) == 1


def test_an_outcome_that_cannot_be_written_frees_its_place_before_its_lease_ends() -> None:
    class Away(MemoryJobs):
        async def settle(self, job: Job, outcome: JobOutcome) -> JobState | None:
            raise StoreError("database: connection refused")

    def make() -> Shop:
        shop = Shop()
        shop.jobs.__class__ = Away
        shop.takes_s = JOB_S - 1
        return shop

    async def act(shop: Shop) -> None:
        await shop.put("a")
        await asyncio.sleep(LEASE_S - 1)
        assert shop.worker.running == 0

    inside(act, make)


@pytest.mark.parametrize(("times", "given_up"), [(20, False), (500, True)])
def test_a_job_that_ends_its_process_each_time_is_given_up_some_day(
    times: int, given_up: bool
) -> None:
    async def act(shop: Shop) -> None:
        job = await shop.put("a", 1.0)
        # As processes leave it that died at work: leased and neither put off nor settled.
        shop.jobs.rows[job.id] = replace(job, state=JobState.RUNNING, attempts=times)
        await asyncio.sleep(5)

    shop = inside(act)
    assert shop.state("a") is (JobState.DEAD if given_up else JobState.DONE)
    assert len(shop.ran) == (0 if given_up else 1)


def test_whoever_lost_its_lease_stops_at_the_mark() -> None:
    acted: list[str] = []

    async def handle(job: Job, begin: Begin) -> JobOutcome:
        if job.attempts == 1:
            shops[0].jobs.next[job.id] = T0  # as if its lease had run out
            shops[0].worker.wake()
            await asyncio.sleep(1)
        await begin()
        acted.append(f"attempt {job.attempts}")
        return Done()

    shops: list[Shop] = []

    def make() -> Shop:
        shops.append(Shop({"sms": handle}))
        return shops[0]

    async def act(shop: Shop) -> None:
        await shop.put("a")
        await asyncio.sleep(5)

    shop = inside(act, make)
    assert acted == ["attempt 2"]
    assert shop.state("a") is JobState.DONE


def test_a_job_leased_twice_is_counted_twice() -> None:
    """The end of the one that lost its lease must not hide the other from `stop`."""

    async def handle(job: Job, begin: Begin) -> JobOutcome:
        await asyncio.sleep(1 if job.attempts == 1 else 50)
        return Done()

    async def act(shop: Shop) -> None:
        job = await shop.put("a")
        await asyncio.sleep(0.5)
        shop.jobs.next[job.id] = T0
        shop.worker.wake()
        await asyncio.sleep(1)
        assert shop.worker.running == 1
        shop.worker.stop()
        await asyncio.sleep(STOP_S + 1)

    shop = inside(act, lambda: Shop({"sms": handle}), stop=False)
    assert shop.worker.running == 0


def test_a_fault_in_settling_stops_neither_the_worker_nor_other_jobs() -> None:
    class Broken(MemoryJobs):
        async def settle(self, job: Job, outcome: JobOutcome) -> JobState | None:
            if job.key == "poison":
                raise TypeError("not a value of a column")
            return await super().settle(job, outcome)

    def make() -> Shop:
        shop = Shop()
        shop.jobs.__class__ = Broken
        return shop

    async def act(shop: Shop) -> None:
        await shop.put("poison")
        await asyncio.sleep(1)
        await shop.put("good")
        await asyncio.sleep(1)

    assert inside(act, make).state("good") is JobState.DONE


def test_a_job_that_a_report_settled_meanwhile_stays_as_the_report_says() -> None:
    async def handle(job: Job, begin: Begin) -> JobOutcome:
        await begin()
        assert await shops[0].jobs.proven(job.id, "m-7")
        return Unknown("no answer")

    shops: list[Shop] = []

    def make() -> Shop:
        shops.append(Shop({"sms": handle}))
        return shops[0]

    async def act(shop: Shop) -> None:
        job = await shop.put("a")
        assert (await shop.signals.wait(shop.jobs, job, 5.0)).ref == "m-7"

    assert inside(act, make).state("a") is JobState.DONE


# ---- the end ------------------------------------------------------------------------------------


def test_stopping_lets_what_runs_come_to_its_end_and_begins_nothing_more() -> None:
    def make() -> Shop:
        shop = Shop(concurrency=1)
        shop.takes_s = STOP_S - 1
        return shop

    async def act(shop: Shop) -> None:
        await shop.put("runs")
        await shop.put("waits")
        await asyncio.sleep(0.1)

    shop = inside(act, make)
    assert (shop.state("runs"), shop.state("waits")) == (JobState.DONE, JobState.WAITING)


def test_what_takes_too_long_at_the_end_keeps_its_mark_for_the_next_start() -> None:
    async def hang(job: Job, begin: Begin) -> JobOutcome:
        await begin()
        await asyncio.sleep(JOB_S - 1)
        return Done()

    async def act(shop: Shop) -> None:
        await shop.put("a")
        await asyncio.sleep(1)

    shop = inside(act, lambda: Shop({"sms": hang}))
    job = shop.jobs.rows["job_1"]
    assert (job.state, job.begun_at) == (JobState.RUNNING, T0)
    assert shop.now_s <= STOP_S + 2


def test_stopping_before_it_runs_is_stopping() -> None:
    async def act(shop: Shop) -> None:
        shop.worker.stop()
        await shop.put("a")

    assert inside(act).ran == []


def test_a_worker_that_is_cancelled_leaves_no_task() -> None:
    async def main() -> None:
        shop = Shop()
        shop.takes_s = 60.0
        await shop.put("a")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await shop.worker.run()
        assert shop.worker.running == 0
        assert shop.state("a") is JobState.RUNNING

    virtual_time.run(main())


# ---- waiting for one ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Done(), JobState.DONE),
        (Unknown("x"), JobState.UNKNOWN),
        (Dropped("x"), JobState.CANCELED),
        (Retry("refused"), JobState.WAITING),
    ],
)
def test_whoever_waits_gets_the_job_as_soon_as_it_is_settled(
    outcome: JobOutcome, state: JobState
) -> None:
    def make() -> Shop:
        shop = Shop()
        shop.takes_s, shop.outcomes = 3.0, [outcome]
        return shop

    async def act(shop: Shop) -> None:
        job = await shop.put("a")
        found = await asyncio.gather(*(shop.signals.wait(shop.jobs, job, 60.0) for _ in range(5)))
        assert {one.state for one in found} == {state}
        assert shop.now_s == pytest.approx(3.0)
        assert not shop.signals._waiters

    inside(act, make)


def test_whoever_waits_for_what_is_over_or_was_put_off_does_not_wait() -> None:
    def make() -> Shop:
        shop = Shop()
        shop.outcomes = [Done(), Retry("refused", after_s=500.0)]
        return shop

    async def act(shop: Shop) -> None:
        over, put_off = await shop.put("a"), await shop.put("b")
        await asyncio.sleep(1)
        assert (await shop.signals.wait(shop.jobs, over, 60.0)).state is JobState.DONE
        assert (await shop.signals.wait(shop.jobs, put_off, 60.0)).error == "refused"
        assert shop.now_s == pytest.approx(1.0)

    inside(act, make)


def test_whoever_waits_waits_no_longer_than_they_said() -> None:
    def make() -> Shop:
        shop = Shop()
        shop.takes_s = 30.0
        return shop

    async def act(shop: Shop) -> None:
        job = await shop.put("a")
        impatient, patient = await asyncio.gather(
            shop.signals.wait(shop.jobs, job, 2.0), shop.signals.wait(shop.jobs, job, 60.0)
        )
        assert (impatient.state, patient.state) == (JobState.RUNNING, JobState.DONE)
        assert shop.now_s == pytest.approx(30.0)
        assert not shop.signals._waiters

    inside(act, make)


def test_whoever_gives_up_waiting_disturbs_nobody() -> None:
    def make() -> Shop:
        shop = Shop()
        shop.takes_s = 5.0
        return shop

    async def act(shop: Shop) -> None:
        job = await shop.put("a")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await shop.signals.wait(shop.jobs, job, 60.0)
        assert (await shop.signals.wait(shop.jobs, job, 60.0)).state is JobState.DONE

    inside(act, make)


# ---- lanes and gates ----------------------------------------------------------------------------


class Gate:
    """Opens once every so many seconds; whoever begins closes it."""

    def __init__(self, gap_s: float) -> None:
        self.gap_s = gap_s
        self.opens_at = 0.0

    def __call__(self) -> float:
        return max(self.opens_at - asyncio.get_running_loop().time(), 0.0)

    def close(self) -> None:
        self.opens_at = asyncio.get_running_loop().time() + self.gap_s


def gated(shop: Shop, gate: Gate, handle: JobHandler, concurrency: int = 8) -> Shop:
    shop.worker = Worker(
        shop.jobs,
        {"dial": handle},
        shop.signals,
        concurrency=concurrency,
        gate=gate,
        clock=shop.clock,
    )
    return shop


@pytest.mark.parametrize("takes_s", [0.0, 5.0])
def test_behind_a_gate_one_begins_after_the_other_in_order(takes_s: float) -> None:
    """What has begun goes on beside them: a provider that is slow does not slow the pace."""

    def make() -> Shop:
        shop, gate = Shop(), Gate(2.0)

        async def handle(job: Job, begin: Begin) -> JobOutcome:
            gate.close()
            shop.ran.append((round(shop.now_s, 3), job.key))
            await begin()
            await asyncio.sleep(takes_s)
            return Done()

        return gated(shop, gate, handle)

    async def act(shop: Shop) -> None:
        for number in range(5):
            await shop.put(f"{number}", kind="dial")
        await asyncio.sleep(20)

    ran = inside(act, make).ran
    assert [key for _, key in ran] == ["0", "1", "2", "3", "4"]
    assert [at for at, _ in ran] == pytest.approx([0.0, 2.0, 4.0, 6.0, 8.0], abs=0.1)


def test_what_drops_out_at_the_gate_takes_no_turn() -> None:
    def make() -> Shop:
        shop, gate = Shop(), Gate(2.0)

        async def handle(job: Job, begin: Begin) -> JobOutcome:
            if job.key != "last":
                return Dropped("canceled")
            gate.close()
            shop.ran.append((round(shop.now_s, 3), job.key))
            await begin()
            return Done()

        return gated(shop, gate, handle)

    async def act(shop: Shop) -> None:
        for number in range(1000):
            await shop.put(f"{number}", kind="dial")
        await shop.put("last", kind="dial")
        await asyncio.sleep(2)

    assert [key for _, key in inside(act, make).ran] == ["last"]


def test_a_closed_gate_costs_nothing() -> None:
    def make() -> Shop:
        shop, gate = Shop(), Gate(0.0)
        gate.opens_at = asyncio.get_running_loop().time() + 1000
        return gated(shop, gate, shop.handle)

    async def act(shop: Shop) -> None:
        for number in range(100):
            await shop.put(f"{number}", kind="dial")
        await asyncio.sleep(900)
        assert shop.jobs.asked == 0
        await asyncio.sleep(200)

    assert len(inside(act, make).ran) == 100


@pytest.mark.parametrize("slow", ["sms", "dial", "event"])
def test_what_is_slow_in_one_lane_delays_no_other(slow: str) -> None:
    """As a provider of text messages that hangs: eight of them once filled every place."""

    async def main() -> None:
        clock = loop_clock()
        jobs, signals = MemoryJobs(clock), JobSignals()
        jobs.on_new = signals.written
        ran: list[str] = []

        async def handle(job: Job, begin: Begin) -> JobOutcome:
            await begin()
            if job.kind == slow:
                await asyncio.sleep(JOB_S - 1)
            ran.append(job.kind)
            return Done()

        lanes = [
            Worker(jobs, {kind: handle}, signals, concurrency=4, clock=clock)
            for kind in ("sms", "dial", "event")
        ]
        async with asyncio.TaskGroup() as tasks:
            for lane in lanes:
                tasks.create_task(lane.run())
            for number in range(50):
                for kind in ("sms", "dial", "event"):
                    await jobs.enqueue(NewJob(kind, f"{kind}:{number}"))
            await asyncio.sleep(1)
            assert sorted(set(ran)) == sorted({"sms", "dial", "event"} - {slow})
            assert len(ran) == 100
            assert max(lane.running for lane in lanes) == 4
            signals.stop()

    virtual_time.run(main())


def test_who_waits_for_a_job_cannot_end_the_others() -> None:
    async def act(shop: Shop) -> None:
        def breaks(job_id: str) -> None:
            if job_id == "job_1":
                raise ValueError("nobody expected that")

        shop.signals.settled = breaks  # type: ignore[method-assign]
        for key in ("one", "two"):
            await shop.put(key)
        await asyncio.sleep(1)
        await shop.put("three")
        await asyncio.sleep(1)

    with capture_logs() as logs:
        shop = inside(act)

    assert [shop.state(key) for key in ("one", "two", "three")] == [JobState.DONE] * 3
    assert [one["task"] for one in logs if one["event"] == "task_failed"] == ["job:sms"]
