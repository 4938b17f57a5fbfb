"""Jobs while the wall clock is set: nothing comes late or early by it, and nothing twice."""

from datetime import timedelta

import pytest
from sqlalchemy import insert

from fwai.domain.instance import Owner
from fwai.domain.job import (
    CALLBACK,
    DIAL,
    HOUSEKEEPING,
    WATCH_CALL,
    Done,
    NewJob,
    Postpone,
    Retry,
)
from fwai.errors import StoreError
from fwai.store.database import Database
from fwai.store.idempotency_keys import IdempotencyKeys
from fwai.store.instances import Instances
from fwai.store.job_tables import instances
from fwai.store.jobs import LEASE_S, Jobs
from two_clocks import STEPS_S, TwoClocks

KINDS = ["sms", DIAL, CALLBACK, WATCH_CALL, HOUSEKEEPING]
DAY_S = 86_400.0


@pytest.fixture
def clocks() -> TwoClocks:
    return TwoClocks()


def jobs_of(database: Database, clocks: TwoClocks, instance: str = "a") -> Jobs:
    return Jobs(
        database, owner=Owner(instance, 1), clock=clocks, wall=clocks.wall, jitter=lambda: 0.5
    )


@pytest.fixture
def jobs(database: Database, clocks: TwoClocks) -> Jobs:
    return jobs_of(database, clocks)


async def lives(database: Database, name: str) -> None:
    row = {"id": name, "epoch": 1, "url": "", "host": "h", "boot_id": "b", "pid": 1}
    row |= {"pid_started": 1, "state": "up", "calls": 0, "seen_at": Instances(database)._clock()}
    async with database.write() as connection:
        await connection.execute(insert(instances).values(row))


async def taken_after(jobs: Jobs, clocks: TwoClocks, most_s: float = 3 * DAY_S) -> float | None:
    """Return when the next job can be taken, looked for about each minute."""
    began, longest_s = clocks.steady_s, max(60.0, most_s / 1000)
    while clocks.steady_s - began <= most_s:
        if await jobs.lease(1, KINDS):
            return clocks.steady_s - began
        due = await jobs.next_at(KINDS)
        if due is None:
            return None
        clocks.go_on(min(max((due - clocks()).total_seconds(), 0.001), longest_s))
    return None


async def put(jobs: Jobs, how: str, clocks: TwoClocks) -> None:
    """Write a job that is due in 100 s, whatever the clock is set to."""
    soon = clocks() + timedelta(seconds=100)
    match how:
        case "retry" | "postponed":
            await jobs.enqueue(NewJob("sms", "sms:1"))
            (job,) = await jobs.lease(1, KINDS)
            await jobs.settle(job, Retry("no", 100.0) if how == "retry" else Postpone(soon))
        case "dial put off":
            await jobs.enqueue(NewJob(DIAL, "dial:1"))
            (job,) = await jobs.lease(1, KINDS)
            await jobs.settle(job, Postpone(soon, begun=True))
        case "dial after a refusal":
            await jobs.enqueue(NewJob(DIAL, "dial:1"))
            (job,) = await jobs.lease(1, KINDS)
            await jobs.settle(job, Retry("no", 100.0))
        case "watch":
            await jobs.enqueue(NewJob(WATCH_CALL, "watch_call:1", run_at=soon))
        case "housekeeping":
            await jobs.enqueue(NewJob(HOUSEKEEPING, "housekeeping:1", run_at=soon))
        case "second try of a callback":
            await jobs.enqueue(NewJob(CALLBACK, "callback:cb_1:1", run_at=soon))


A_WHILE = [
    "retry",
    "postponed",
    "dial put off",
    "dial after a refusal",
    "watch",
    "housekeeping",
    "second try of a callback",
]


@pytest.mark.parametrize("step_s", [0.0, *STEPS_S])
@pytest.mark.parametrize("how", A_WHILE)
async def test_what_waits_a_while_waits_as_long(
    jobs: Jobs, clocks: TwoClocks, how: str, step_s: float
) -> None:
    await put(jobs, how, clocks)
    clocks.go_on(30)
    clocks.set_wall(step_s)

    assert await taken_after(jobs, clocks) == pytest.approx(70.0, abs=1.0)


@pytest.mark.parametrize("step_s", [0.0, *STEPS_S])
@pytest.mark.parametrize(
    ("kind", "key"), [("sms", "sms:1"), (DIAL, "dial:1"), (CALLBACK, "callback:cb_1:0")]
)
async def test_what_is_due_is_due(
    jobs: Jobs, clocks: TwoClocks, step_s: float, kind: str, key: str
) -> None:
    await jobs.enqueue(NewJob(kind, key))
    clocks.go_on(5)
    clocks.set_wall(step_s)

    assert await taken_after(jobs, clocks) == pytest.approx(0.0, abs=1.0)


@pytest.mark.parametrize("step_s", [0.0, *STEPS_S])
@pytest.mark.parametrize(("kind", "key"), [(DIAL, "dial:1"), (CALLBACK, "callback:cb_1:0")])
async def test_what_is_for_a_time_of_day_comes_when_the_clock_says_so(
    jobs: Jobs, clocks: TwoClocks, step_s: float, kind: str, key: str
) -> None:
    in_s = 2 * DAY_S
    due = clocks() + timedelta(seconds=in_s)
    await jobs.enqueue(NewJob(kind, key, run_at=due))
    clocks.go_on(30)
    clocks.set_wall(step_s)

    waited = await taken_after(jobs, clocks, 50 * DAY_S)

    assert waited is not None
    assert clocks() >= due
    assert waited == pytest.approx(max(in_s - 30 - step_s, 0.0), abs=1.0)


@pytest.mark.parametrize("step_s", [0.0, *STEPS_S])
async def test_what_was_written_behind_the_step_is_right_as_it_is(
    jobs: Jobs, clocks: TwoClocks, step_s: float
) -> None:
    """Nobody has looked since: what the step moves is only what was written before it."""
    clocks.go_on(30)
    clocks.set_wall(step_s)
    await put(jobs, "retry", clocks)
    await put(jobs, "watch", clocks)

    assert await taken_after(jobs, clocks) == pytest.approx(100.0, abs=1.0)


@pytest.mark.parametrize("step_s", [0.0, *STEPS_S])
async def test_what_somebody_works_on_here_stays_his_until_its_lease_ends(
    jobs: Jobs, clocks: TwoClocks, step_s: float
) -> None:
    await jobs.enqueue(NewJob("sms", "sms:1"))
    (job,) = await jobs.lease(1, KINDS)
    assert await jobs.begin(job)
    clocks.go_on(20)
    clocks.set_wall(step_s)

    assert await jobs.lease(1, KINDS) == []
    assert await taken_after(jobs, clocks) == pytest.approx(LEASE_S - 20, abs=1.0)


@pytest.mark.parametrize("step_s", STEPS_S)
async def test_whoever_finishes_behind_the_step_has_done_it(
    jobs: Jobs, clocks: TwoClocks, step_s: float
) -> None:
    await jobs.enqueue(NewJob("sms", "sms:1"))
    (job,) = await jobs.lease(1, KINDS)
    clocks.set_wall(step_s)
    assert await jobs.lease(1, KINDS) == []

    assert await jobs.settle(job, Done(ref="m-1")) is not None

    assert await taken_after(jobs, clocks) is None


@pytest.mark.parametrize("step_s", STEPS_S)
async def test_another_process_that_lives_keeps_its_work(
    database: Database, other_database: Database, jobs: Jobs, clocks: TwoClocks, step_s: float
) -> None:
    await lives(database, "b")
    theirs = jobs_of(other_database, clocks, "b")
    await theirs.enqueue(NewJob("sms", "sms:1"))
    (job,) = await theirs.lease(1, KINDS)
    clocks.set_wall(step_s)
    clocks.go_on(60)

    assert await jobs.lease(1, KINDS) == []
    assert await jobs.next_at(KINDS) is None, "and nobody looks again and again"
    assert await theirs.settle(job, Done()) is not None


@pytest.mark.parametrize("step_s", STEPS_S)
async def test_of_two_processes_one_moves_what_a_third_left(
    database: Database, other_database: Database, jobs: Jobs, clocks: TwoClocks, step_s: float
) -> None:
    await lives(database, "a")
    await lives(database, "b")
    theirs = jobs_of(other_database, clocks, "b")
    await put(jobs_of(database, clocks, "gone"), "watch", clocks)
    clocks.set_wall(step_s)
    for each in (jobs, theirs, jobs, theirs):
        await each.next_at()

    assert await taken_after(jobs, clocks) == pytest.approx(100.0, abs=1.0)


async def test_a_step_back_and_forth_leaves_everything_where_it_was(
    jobs: Jobs, clocks: TwoClocks
) -> None:
    await put(jobs, "retry", clocks)
    before = await jobs.next_at()
    for by_s in (3600.0, -7200.0, 3600.0):
        clocks.set_wall(by_s)
        await jobs.next_at()

    assert await jobs.next_at() == before


@pytest.mark.parametrize("step_s", [3600.0, -3600.0])
async def test_a_database_that_fails_meanwhile_is_asked_again(
    jobs: Jobs, clocks: TwoClocks, step_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(jobs, "retry", clocks)
    clocks.set_wall(step_s)

    async def away(by: timedelta) -> int:
        raise StoreError("away")

    with monkeypatch.context() as patch:
        patch.setattr(jobs._steps, "_move", away)
        with pytest.raises(StoreError):
            await jobs.lease(1, KINDS)

    assert await taken_after(jobs, clocks) == pytest.approx(100.0, abs=1.0)


@pytest.mark.parametrize("step_s", STEPS_S)
async def test_evidence_is_kept_for_its_days(jobs: Jobs, clocks: TwoClocks, step_s: float) -> None:
    await jobs.enqueue(NewJob("sms", "sms:1"))
    (job,) = await jobs.lease(1, KINDS)
    await jobs.settle(job, Done())
    clocks.go_on(60)
    clocks.set_wall(step_s)

    async def purged() -> int:
        week = clocks() - timedelta(days=7)
        return await jobs.purge(week, week)

    assert await purged() == 0
    clocks.go_on(50 * DAY_S)
    assert await purged() == 1


@pytest.mark.parametrize("step_s", STEPS_S)
async def test_an_idempotency_key_is_known_for_its_day(
    database: Database, clocks: TwoClocks, step_s: float
) -> None:
    keys = IdempotencyKeys(database, clock=clocks, wall=clocks.wall)
    first = await keys.claim("api:x", "k", "f")
    clocks.go_on(3600)
    clocks.set_wall(step_s)

    again = await keys.claim("api:x", "k", "f")

    assert (first.mine, again.mine) == (True, False)
    assert await keys.purge(clocks() - timedelta(days=1)) == 0
    clocks.go_on(42 * DAY_S)
    assert (await keys.claim("api:x", "k", "f")).mine
