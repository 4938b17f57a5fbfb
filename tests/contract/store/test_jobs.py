"""What jobs must do, on each database."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import insert

from fwai.domain.call import CallState
from fwai.domain.job import (
    MAX_ATTEMPTS,
    Dead,
    Done,
    Dropped,
    Job,
    JobOutcome,
    JobState,
    NewJob,
    Postpone,
    Retry,
    Unknown,
    retry_delay_s,
)
from fwai.errors import StoreError
from fwai.store.database import Database
from fwai.store.job_rows import MAX_ERROR
from fwai.store.jobs import LEASE_S, Jobs
from fwai.store.tables import calls
from unit.store.kit import NOW, PHONE, Clock, at, jobs_in
from unit.store.kit import proven as prove
from unit.store.test_tables import call_row


def new(key: str = "sms:1", kind: str = "sms", in_s: float | None = None) -> NewJob:
    return NewJob(kind, key, {"text": "hi"}, None if in_s is None else at(in_s), "c-1", PHONE)


async def leased(jobs: Jobs) -> Job:
    (job,) = await jobs.lease(1, ["sms"])
    return job


async def test_a_new_job_is_kept_as_it_was_asked_for(jobs: Jobs) -> None:
    job = await jobs.enqueue(new(in_s=60))

    assert job.id.startswith("job_")
    assert (job.kind, job.key, job.payload) == ("sms", "sms:1", {"text": "hi"})
    assert (job.call_id, job.phone) == ("c-1", PHONE)
    assert (job.state, job.attempts) == (JobState.WAITING, 0)
    assert (job.run_at, job.created_at) == (at(60), NOW)
    assert await jobs.get(job.id) == await jobs.by_key("sms:1") == job
    assert await jobs.get("none") is await jobs.by_key("none") is None


async def test_a_job_without_a_time_is_due_at_once(jobs: Jobs) -> None:
    await jobs.enqueue(new())

    assert await jobs.next_at() == NOW
    assert (await leased(jobs)).run_at == NOW


async def test_the_same_key_is_written_once(jobs: Jobs) -> None:
    first = await jobs.enqueue(new())

    second = await jobs.enqueue(NewJob("email", "sms:1"))

    assert second == first


async def test_of_two_that_enqueue_one_key_at_once_one_writes(
    jobs: Jobs, other_database: Database, clock: Clock
) -> None:
    other = jobs_in(other_database, clock, "b")

    found = await asyncio.gather(*(one.enqueue(new()) for one in (jobs, other) * 4))

    assert len({job.id for job in found}) == 1
    assert len(await jobs.page()) == 1


async def test_whoever_waits_for_work_is_told_of_new_jobs(jobs: Jobs) -> None:
    told: list[None] = []
    jobs.on_new = lambda _at, _kinds: told.append(None)

    await jobs.enqueue(new())

    assert told


async def test_jobs_of_a_transaction_that_fails_are_not_written(
    jobs: Jobs, database: Database
) -> None:
    with pytest.raises(StoreError):  # noqa: PT012 - the transaction is what fails
        async with database.write() as connection:
            assert await jobs.add(connection, [new(), new(), new("sms:2")]) == 2
            raise OSError("the disk is full")

    assert await jobs.page() == []


# ---- leases -------------------------------------------------------------------------------------


async def test_what_was_due_first_is_leased_first(jobs: Jobs, clock: Clock) -> None:
    for key, due in (("c", 3.0), ("a", 1.0), ("d", 900.0), ("b", 2.0), ("e", 0.5)):
        await jobs.enqueue(new(key, "email" if key == "e" else "sms", due))
    clock.move(10)

    first = await jobs.lease(2, ["sms", "call"])
    second = await jobs.lease(9, ["sms", "call"])

    assert [job.key for job in first] == ["a", "b"]
    assert [job.key for job in second] == ["c"]
    assert (first[0].state, first[0].attempts) == (JobState.RUNNING, 1)
    assert await jobs.lease(9, []) == []


async def test_no_more_are_leased_than_asked_for(jobs: Jobs) -> None:
    for number in range(60):
        await jobs.enqueue(new(f"sms:{number}"))

    assert [len(await jobs.lease(most, ["sms"])) for most in (1, 3, 40, 40)] == [1, 3, 40, 16]


async def test_no_more_are_leased_than_asked_for_by_a_planner_that_thinks_there_is_one(
    jobs: Jobs, database: Database
) -> None:
    """A planner that expects one row may ask for what is due once for each row that it finds."""
    await jobs.enqueue(new("sms:first"))
    async with database.write() as connection:
        await connection.exec_driver_sql("ANALYZE")
    for number in range(20):
        await jobs.enqueue(new(f"sms:{number}"))

    assert len(await jobs.lease(2, ["sms"])) == 2


async def test_two_workers_never_get_one_job(
    jobs: Jobs, other_database: Database, clock: Clock
) -> None:
    other = jobs_in(other_database, clock, "b")
    for number in range(30):
        await jobs.enqueue(new(f"sms:{number}"))

    portions = await asyncio.gather(*(one.lease(4, ["sms"]) for one in (jobs, other) * 8))

    ids = [job.id for portion in portions for job in portion]
    assert len(ids) == len(set(ids))
    assert max(len(portion) for portion in portions) == 4
    ids += [job.id for job in await jobs.lease(30, ["sms"])]
    assert len(ids) == len(set(ids)) == 30


async def test_a_lease_that_ran_out_makes_the_job_due_again(jobs: Jobs, clock: Clock) -> None:
    await jobs.enqueue(new())
    first = await leased(jobs)
    assert await jobs.begin(first)

    clock.move(LEASE_S - 1)
    assert await jobs.lease(1, ["sms"]) == []
    assert await jobs.next_at() == at(LEASE_S)
    clock.move(1)
    second = await leased(jobs)

    assert (second.id, second.attempts) == (first.id, 2)
    assert second.begun_at == NOW, "that an attempt may have had its effect is not forgotten"


async def test_whoever_lost_the_lease_can_neither_begin_nor_settle(
    jobs: Jobs, clock: Clock
) -> None:
    await jobs.enqueue(new())
    late = await leased(jobs)
    clock.move(LEASE_S)
    current = await leased(jobs)

    assert not await jobs.begin(late)
    assert await jobs.settle(late, Done()) is None
    assert await jobs.begin(current)
    assert await jobs.settle(current, Done(ref="m-1")) is JobState.DONE
    assert not await jobs.begin(current)
    assert await jobs.settle(current, Dead("late")) is None


async def test_what_a_dead_instance_worked_on_is_due_at_once(
    jobs: Jobs, other_database: Database, clock: Clock
) -> None:
    await jobs.enqueue(new("a"))
    ours = await leased(jobs)
    await jobs.enqueue(new("b"))
    await leased(jobs_in(other_database, clock, "b"))
    clock.move(5)

    assert await jobs.release("a") == 1

    again = await jobs.lease(9, ["sms"])
    assert [(job.key, job.attempts) for job in again] == [("a", 2)]
    assert not await jobs.begin(ours)


async def test_what_a_dead_instance_has_settled_stays_settled(jobs: Jobs) -> None:
    for outcome in (Done(ref="m-1"), Dead("no credit")):
        await jobs.enqueue(new(f"sms:{outcome}"))
        await jobs.settle(await leased(jobs), outcome)

    assert await jobs.release("a") == 0

    assert await jobs.next_at() is None
    assert await jobs.lease(9, ["sms"]) == []


# ---- outcomes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "state", "error"),
    [
        (Done({"status": "sent"}, "m-1"), JobState.DONE, None),
        (Dead("no credit"), JobState.DEAD, "no credit"),
        (Unknown("no answer came"), JobState.UNKNOWN, "no answer came"),
        (Dropped("they called us"), JobState.CANCELED, "they called us"),
        (Dropped(), JobState.CANCELED, None),
        (Dead("x" * 999), JobState.DEAD, "x" * MAX_ERROR),
    ],
)
async def test_a_final_outcome_ends_a_job(
    jobs: Jobs, clock: Clock, outcome: JobOutcome, state: JobState, error: str | None
) -> None:
    await jobs.enqueue(new())
    job = await leased(jobs)
    clock.move(2)

    assert await jobs.settle(job, outcome) is state

    ended = await jobs.get(job.id)
    assert ended is not None
    assert (ended.state, ended.error, ended.finished_at) == (state, error, at(2))
    assert await jobs.next_at() is None
    if isinstance(outcome, Done):
        assert (ended.result, ended.ref) == ({"status": "sent"}, "m-1")
    clock.move(LEASE_S * 2)
    assert await jobs.lease(1, ["sms"]) == []


async def test_a_result_may_hold_what_no_column_can(jobs: Jobs) -> None:
    await jobs.enqueue(new())

    await jobs.settle(await leased(jobs), Done({"text": "a\x00b\ud800", "n": float("nan")}))

    job = await jobs.by_key("sms:1")
    assert job is not None
    assert job.result == {"text": "ab?", "n": None}


async def test_what_did_not_work_is_tried_again_after_growing_gaps(
    jobs: Jobs, clock: Clock
) -> None:
    await jobs.enqueue(new())
    gaps = []

    for _ in range(3):
        job = await leased(jobs)
        await jobs.begin(job)
        assert await jobs.settle(job, Retry("busy")) is JobState.WAITING
        due = await jobs.next_at()
        assert due is not None
        gaps.append((due - clock()).total_seconds())
        clock.now = due

    assert gaps == [retry_delay_s(attempt, 0.5) for attempt in (1, 2, 3)]
    waiting = await jobs.by_key("sms:1")
    assert waiting is not None
    assert (waiting.error, waiting.begun_at, waiting.attempts) == ("busy", None, 3)


async def test_a_provider_may_say_when_to_try_again(jobs: Jobs) -> None:
    await jobs.enqueue(new())

    await jobs.settle(await leased(jobs), Retry("slow down", after_s=7))

    assert await jobs.next_at() == at(7)


async def test_after_too_many_attempts_an_operator_must_look(jobs: Jobs, clock: Clock) -> None:
    await jobs.enqueue(new())
    states = []

    for _ in range(MAX_ATTEMPTS):
        states.append(await jobs.settle(await leased(jobs), Retry("busy")))
        clock.move(7200)

    assert states == [JobState.WAITING] * (MAX_ATTEMPTS - 1) + [JobState.DEAD]


async def test_what_is_put_off_counts_as_no_attempt(jobs: Jobs, clock: Clock) -> None:
    await jobs.enqueue(new())

    for _ in range(MAX_ATTEMPTS + 2):
        job = await leased(jobs)
        assert job.attempts == 1
        await jobs.begin(job)
        assert await jobs.settle(job, Postpone(clock.move(60), "night")) is JobState.WAITING
        assert await jobs.next_at() == clock()

    put_off = await jobs.by_key("sms:1")
    assert put_off is not None
    assert (put_off.error, put_off.attempts, put_off.begun_at) == ("night", 0, None)


async def test_what_is_put_off_behind_its_mark_keeps_it(jobs: Jobs, clock: Clock) -> None:
    """As a call of which it is not known whether it was placed: it waits for news."""
    await jobs.enqueue(new())
    job = await leased(jobs)
    await jobs.begin(job)
    begun = await jobs.get(job.id)
    assert begun is not None
    clock.move(5)

    await jobs.settle(begun, Postpone(clock.move(60), "news", begun=True))

    assert (await leased(jobs)).begun_at == at(0)


async def test_the_next_moment_may_be_asked_of_some_kinds(jobs: Jobs) -> None:
    await jobs.enqueue(new("a", "email", 1))
    await jobs.enqueue(new("b", "sms", 2))

    assert await jobs.next_at() == at(1)
    assert await jobs.next_at(["sms", "call"]) == at(2)
    assert await jobs.next_at(["call"]) is None
    assert await jobs.next_at([]) is None, "of no kind there is none"


# ---- what follows --------------------------------------------------------------------------------


async def test_what_follows_an_outcome_is_written_with_it(jobs: Jobs) -> None:
    jobs.follows = lambda job, state: [NewJob("watch", f"watch:{job.key}:{state.value}")]
    await jobs.enqueue(new())
    told: list[None] = []
    jobs.on_new = lambda _at, _kinds: told.append(None)

    await jobs.settle(await leased(jobs), Dead("no"))

    assert await jobs.by_key("watch:sms:1:dead") is not None
    assert told


async def test_an_outcome_whose_consequence_cannot_be_written_is_not_written(jobs: Jobs) -> None:
    def follows(_: Job, __: JobState) -> list[NewJob]:
        raise OSError("the disk is full")

    jobs.follows = follows
    await jobs.enqueue(new())
    job = await leased(jobs)

    with pytest.raises(StoreError):
        await jobs.settle(job, Dead("no"))

    kept = await jobs.get(job.id)
    assert kept is not None
    assert kept.state is JobState.RUNNING


async def test_nothing_follows_what_others_settled(jobs: Jobs, clock: Clock) -> None:
    jobs.follows = lambda *_: [NewJob("watch", "k")]
    await jobs.enqueue(new())
    late = await leased(jobs)
    clock.move(LEASE_S)
    await leased(jobs)

    assert await jobs.settle(late, Dead("no")) is None

    assert await jobs.by_key("k") is None


@pytest.mark.parametrize(
    ("state", "stranded"),
    [
        (CallState.QUEUED, ["dial:dead", "dial:unknown"]),
        (CallState.SCHEDULED, ["dial:dead", "dial:unknown"]),
        (CallState.DIALING, []),
        (CallState.FAILED, []),
    ],
)
async def test_calls_that_no_job_will_dial_any_more_are_found(
    jobs: Jobs, database: Database, state: CallState, stranded: list[str]
) -> None:
    outcomes: dict[str, JobOutcome] = {
        "dead": Dead("no"),
        "unknown": Unknown("perhaps"),
        "waits": Retry("busy"),
    }
    async with database.write() as connection:
        for name in outcomes:
            row = call_row(id=f"c-{name}", state=state.value, provider_call_id=f"uuid-{name}")
            await connection.execute(insert(calls).values(row))
    for name, outcome in outcomes.items():
        await jobs.enqueue(NewJob("sms", f"dial:{name}", call_id=f"c-{name}"))
        await jobs.settle(await leased(jobs), outcome)

    assert sorted(job.key for job in await jobs.stranded("sms")) == stranded
    assert await jobs.stranded("email") == []


# ---- the operator's side ------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [Dead("no"), Unknown("perhaps")])
async def test_an_operator_revives_what_ended_badly(
    jobs: Jobs, clock: Clock, outcome: JobOutcome
) -> None:
    await jobs.enqueue(new())
    job = await leased(jobs)
    await jobs.begin(job)
    await jobs.settle(job, outcome)
    told: list[None] = []
    jobs.on_new = lambda _at, _kinds: told.append(None)
    clock.move(86_400)

    assert await jobs.revive(job.id)

    assert told
    assert not await jobs.revive(job.id)
    again = await leased(jobs)
    assert (again.attempts, again.begun_at, again.finished_at) == (1, None, None)
    assert (again.created_at, again.run_at) == (NOW, at(86_400)), "its time begins again"


async def test_what_ended_well_is_not_revived(jobs: Jobs) -> None:
    await jobs.enqueue(new())
    job = await leased(jobs)
    await jobs.settle(job, Done())

    assert not await jobs.revive(job.id)
    assert not await jobs.revive("none")


async def test_only_what_nobody_works_on_is_canceled(jobs: Jobs, database: Database) -> None:
    await jobs.enqueue(new("a"))
    await leased(jobs)
    await jobs.enqueue(new("b"))

    async with database.write() as connection:
        canceled = [await jobs.cancel(connection, key) for key in ("a", "b", "b", "none")]

    assert canceled == [False, True, False, False]
    assert [job.key for job in await jobs.page(states=[JobState.CANCELED])] == ["b"]
    assert await jobs.lease(9, ["sms"]) == []


async def by_ref(jobs: Jobs, ref: str) -> Job | None:
    """Return the newest job with this reference of a provider."""
    return next((job for job in await jobs.page() if job.ref == ref), None)


async def test_a_provider_s_word_proves_what_was_begun(jobs: Jobs, clock: Clock) -> None:
    for due, key in enumerate(("begun", "unknown", "not begun")):
        await jobs.enqueue(new(key, in_s=due))
    clock.move(9)
    begun, unknown, not_begun = await jobs.lease(3, ["sms"])
    await jobs.begin(begun)
    await jobs.begin(unknown)
    await jobs.settle(unknown, Unknown("no answer came"))

    proved = [await prove(jobs, job.id, f"m-{job.key}") for job in (begun, unknown, not_begun)]

    assert proved == [True, True, False]
    found = await by_ref(jobs, "m-unknown")
    assert found is not None
    assert (found.id, found.state, found.error) == (unknown.id, JobState.DONE, None)
    assert await jobs.settle(begun, Retry("timeout")) is None
    assert not await prove(jobs, begun.id, "other")


async def test_what_is_over_is_purged_and_what_failed_is_kept_longer(
    jobs: Jobs, clock: Clock
) -> None:
    for due, key in enumerate(("done", "dropped", "dead", "unknown", "waiting")):
        await jobs.enqueue(new(key, in_s=due - 9))
    outcomes: list[JobOutcome] = [Done(), Dropped(), Dead("no"), Unknown("no")]
    for job, outcome in zip(await jobs.lease(4, ["sms"]), outcomes, strict=True):
        await jobs.settle(job, outcome)
    clock.move(60)

    assert await jobs.purge(NOW, NOW) == 0
    assert await jobs.purge(at(1), NOW) == 2

    left = {job.state for job in await jobs.page()}
    assert left == {JobState.DEAD, JobState.UNKNOWN, JobState.WAITING}
    assert await jobs.purge(NOW, at(1)) == 2
    assert [job.state for job in await jobs.page()] == [JobState.WAITING]


async def over(jobs: Jobs, kind: str, way: str) -> Job:
    """Bring a job with words to its end in one of the ways that there are."""
    payload = {"to": PHONE, "text": "my name is Asha"}
    job = await jobs.enqueue(NewJob(kind, f"{kind}:1", payload, call_id="c-1", phone=PHONE))
    outcomes: dict[str, JobOutcome] = {
        "done": Done({"delivery": "accepted"}, "m-1"),
        "dropped": Dropped("obsolete"),
        "dead": Dead("refused"),
        "unknown": Unknown("no answer"),
        "put off": Retry("busy"),
        "not due": Postpone(at(60), "later"),
    }
    if way == "canceled":
        async with jobs._database.write() as connection:
            assert await jobs.cancel(connection, job.key)
    elif way != "waiting":
        (leased,) = await jobs.lease(1, [kind])
        await jobs.begin(leased)
        if way in outcomes:
            await jobs.settle(leased, outcomes[way])
        elif way == "withdrawn":
            async with jobs._database.write() as connection:
                await jobs.withdraw(connection, [job.key])
        elif way == "proven":
            assert await prove(jobs, job.id, "m-1")
    found = await jobs.get(job.id)
    assert found is not None
    return found


KINDS = ("send_sms", "send_email", "send_whatsapp", "ask_call_permission", "event", "dial",
         "watch_call", "hang_up", "callback", "follow", "summary")  # fmt: skip
TO_BE_DONE = ("waiting", "running", "put off", "not due")
GIVEN_UP = ("dead", "unknown")
OVER = ("done", "proven", "canceled", "withdrawn", "dropped")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", [*TO_BE_DONE, *GIVEN_UP, *OVER])
async def test_of_what_is_not_to_be_done_any_more_only_the_outcome_stays(
    jobs: Jobs, clock: Clock, kind: str, way: str
) -> None:
    job = await over(jobs, kind, way)

    assert bool(job.payload) == (way not in OVER)
    clock.move(60)
    assert await jobs.forget_words(at(0)) == 0, "it was given up then, not before"
    assert await jobs.forget_words(at(60), ["other"]) == 0
    assert await jobs.forget_words(at(60), [kind]) == (way in GIVEN_UP)
    assert await jobs.forget_words(at(60)) == 0

    left = await jobs.get(job.id)
    assert left is not None
    assert bool(left.payload) == (way in TO_BE_DONE)
    assert replace(left, payload=job.payload) == job, "all else of it is its outcome"


@pytest.mark.parametrize("outcome", [Dead("no"), Unknown("perhaps")])
async def test_what_was_given_up_is_tried_again_only_while_its_words_are_kept(
    jobs: Jobs, clock: Clock, outcome: JobOutcome
) -> None:
    for key in ("old", "new"):
        await jobs.enqueue(new(key))
        await jobs.settle(await leased(jobs), outcome)
        clock.move(60)

    assert await jobs.forget_words(at(30)) == 1

    found = {job.key: await jobs.revive(job.id) for job in await jobs.page()}
    assert found == {"old": False, "new": True}
    assert (await leased(jobs)).payload == {"text": "hi"}


async def test_a_job_that_is_tried_again_keeps_its_words(jobs: Jobs, clock: Clock) -> None:
    await jobs.enqueue(new())
    await jobs.settle(await leased(jobs), Dead("no"))
    await jobs.revive((await jobs.page())[0].id)
    clock.move(86_400)

    assert await jobs.forget_words(clock.now) == 0


async def test_many_are_purged_and_forgotten_in_portions(jobs: Jobs, clock: Clock) -> None:
    for number in range(450):
        await jobs.enqueue(new(f"sms:{number}"))
    for outcome in (Done(), Dead("no")):
        for job in await jobs.lease(225, ["sms"]):
            await jobs.settle(job, outcome)
    clock.move(60)

    assert await jobs.forget_words(clock.now) == 225
    assert await jobs.purge(clock.now, NOW) == 225
    assert await jobs.purge(NOW, clock.now) == 225


async def test_pages_hold_each_job_once_the_newest_first(jobs: Jobs, clock: Clock) -> None:
    for number in range(7):
        await jobs.enqueue(new(f"sms:{number}"))
        clock.now = NOW + timedelta(seconds=number // 3)  # some at the same moment
    await jobs.enqueue(new("email:1", "email"))

    seen: list[Job] = []
    while page := await jobs.page(
        kind="sms", limit=2, after=(seen[-1].created_at, seen[-1].id) if seen else None
    ):
        seen += page

    assert len({job.id for job in seen}) == len(seen) == 7
    assert [job.created_at for job in seen] == sorted((j.created_at for j in seen), reverse=True)
    assert [job.key for job in await jobs.page(kind="email")] == ["email:1"]
    assert await jobs.page(states=[JobState.DEAD]) == []
