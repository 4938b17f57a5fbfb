"""What callbacks must do, on each database."""

import asyncio
from dataclasses import replace

import pytest

from fwai.domain.call import CallEnding, CallId, CallState, Direction, EndReason
from fwai.domain.callback import MAX_NOTE, Callback, CallbackState, NewCallback
from fwai.domain.job import Done, JobState, NewJob, Postpone
from fwai.errors import StoreError
from fwai.store.callbacks import Callbacks
from fwai.store.calls import Calls
from fwai.store.database import Database
from fwai.store.jobs import Jobs
from fwai.store.transcript_files import read_transcript
from unit.store.kit import (
    KOLKATA,
    NOW,
    OTHER_PHONE,
    PHONE,
    T0,
    Clock,
    Kept,
    a_call,
    at,
    jobs_in,
)

DUE = 3600.0
NEW = NewCallback("cb:1", PHONE, "plivo", "FWAI_Core", at(DUE), "about the demo", "c-1")


@pytest.fixture
def callbacks(database: Database, jobs: Jobs, clock: Clock) -> Callbacks:
    return Callbacks(database, jobs, clock=clock)


def tell(callback: Callback) -> list[NewJob]:
    return [NewJob("event", f"event:{callback.id}:{callback.state}")]


async def scheduled(
    callbacks: Callbacks, key: str = "cb:1", due: float = DUE, phone: str = PHONE
) -> Callback:
    return (await callbacks.schedule(replace(NEW, key=key, due_at=at(due), phone=phone)))[0]


async def calling(callbacks: Callbacks) -> Callback:
    callback = await callbacks.started((await scheduled(callbacks)).id, "call-1")
    assert callback is not None
    return callback


async def test_a_promise_is_kept_with_the_job_that_keeps_it(
    callbacks: Callbacks, jobs: Jobs
) -> None:
    callback, fresh = await callbacks.schedule(NEW, tell)

    assert fresh
    assert callback.id.startswith("cb_")
    assert len(callback.id) == len("cb_") + 24
    assert callback == Callback(
        callback.id,
        PHONE,
        "plivo",
        "FWAI_Core",
        at(DUE),
        "about the demo",
        CallbackState.SCHEDULED,
        0,
        "c-1",
        "",
        NOW,
    )
    assert await callbacks.get(callback.id) == callback
    job = await jobs.by_key(f"callback:{callback.id}:0")
    assert job is not None
    assert (job.kind, job.payload, job.run_at) == (
        "callback",
        {"callback_id": callback.id},
        at(DUE),
    )
    assert (job.call_id, job.phone) == ("c-1", PHONE)
    assert await jobs.by_key(f"event:{callback.id}:scheduled") is not None


async def test_the_same_promise_twice_is_one(callbacks: Callbacks, jobs: Jobs) -> None:
    first, _ = await callbacks.schedule(NEW)
    told: list[None] = []
    jobs.on_new = lambda _at, _kinds: told.append(None)

    second, fresh = await callbacks.schedule(replace(NEW, due_at=at(9)), tell)

    assert (second, fresh) == (first, False)
    assert len(await jobs.page()) == 1
    assert told == []


async def test_of_two_that_promise_the_same_at_once_one_does(
    callbacks: Callbacks, other_database: Database, jobs: Jobs, clock: Clock
) -> None:
    other = Callbacks(other_database, jobs_in(other_database, clock), clock=clock)

    found = await asyncio.gather(*(one.schedule(NEW, tell) for one in (callbacks, other) * 4))

    assert sorted(fresh for _, fresh in found) == [False] * 7 + [True]
    assert len({callback.id for callback, _ in found}) == 1
    assert len(await jobs.page()) == 2


async def test_nothing_is_promised_when_what_follows_fails(
    callbacks: Callbacks, jobs: Jobs
) -> None:
    def fail(callback: Callback) -> list[NewJob]:
        raise OSError("the disk is full")

    with pytest.raises(StoreError):
        await callbacks.schedule(NEW, fail)

    assert await callbacks.page() == []
    assert await jobs.page() == []


async def test_a_note_is_cut_and_cleaned(callbacks: Callbacks) -> None:
    callback, _ = await callbacks.schedule(replace(NEW, note="a\x00\ud800" + "x" * 999))

    assert callback.note == "a?" + "x" * (MAX_NOTE - 2)


async def test_what_is_unknown_changes_nothing(callbacks: Callbacks) -> None:
    assert await callbacks.get("cb_none") is None
    assert await callbacks.cancel("cb_none") is None
    assert await callbacks.started("cb_none", "call-1") is None
    assert await callbacks.missed("cb_none") is None
    assert await callbacks.settle("cb_none", "call-1", CallbackState.DONE, None) is None


# ---- the call -----------------------------------------------------------------------------------


async def test_a_call_that_is_started_twice_counts_once(callbacks: Callbacks) -> None:
    callback = await scheduled(callbacks)

    first = await callbacks.started(callback.id, "call-1")
    second = await callbacks.started(callback.id, "call-1")

    assert first == second
    assert first is not None
    assert (first.state, first.attempts) == (CallbackState.CALLING, 1)
    assert first.last_call_id == "call-1"


async def test_of_two_calls_started_at_once_one_is_made(
    callbacks: Callbacks, other_database: Database, clock: Clock
) -> None:
    other = Callbacks(other_database, jobs_in(other_database, clock), clock=clock)
    callback = await scheduled(callbacks)

    found = await asyncio.gather(
        *(one.started(callback.id, f"call-{name}") for name, one in enumerate((callbacks, other)))
    )

    assert found.count(None) == 1


async def test_a_call_that_reached_nobody_is_tried_again(
    callbacks: Callbacks, jobs: Jobs, clock: Clock
) -> None:
    callback = await calling(callbacks)
    clock.move(30)

    again = await callbacks.settle(
        callback.id, "call-1", CallbackState.SCHEDULED, at(930), also=tell
    )

    assert again is not None
    assert (again.state, again.attempts, again.due_at) == (CallbackState.SCHEDULED, 1, at(DUE))
    job = await jobs.by_key(f"callback:{callback.id}:1")
    assert job is not None
    assert (job.run_at, job.payload, job.phone) == (at(930), {"callback_id": callback.id}, PHONE)
    assert await jobs.by_key(f"event:{callback.id}:scheduled") is not None
    second = await callbacks.started(callback.id, "call-2")
    assert second is not None
    assert (second.attempts, second.last_call_id) == (2, "call-2")


async def test_a_call_that_is_over_is_not_started_again(callbacks: Callbacks) -> None:
    """The job of the first call may come back after a crash, when the second one waits."""
    callback = await calling(callbacks)
    await callbacks.settle(callback.id, "call-1", CallbackState.SCHEDULED, at(930))

    assert await callbacks.started(callback.id, "call-1") is None
    waiting = await callbacks.get(callback.id)
    assert waiting is not None
    assert waiting.state is CallbackState.SCHEDULED


@pytest.mark.parametrize("placed", [True, False])
async def test_a_missed_promise_names_its_call_only_where_there_was_one(
    callbacks: Callbacks, kept: Kept, placed: bool
) -> None:
    """It may have been refused before anything of it was kept: no such country, or not to call."""
    callback = await calling(callbacks)
    if placed:
        await kept.calls.open(a_call("call-1"), CallState.IN_PROGRESS, T0)
        await kept.flush()

    missed = await callbacks.settle(callback.id, "call-1", CallbackState.MISSED, None, tell)

    assert missed is not None
    assert missed.state is CallbackState.MISSED
    assert (missed.last_call_id, missed.attempts) == (("call-1", 1) if placed else ("", 0))


@pytest.mark.parametrize("state", [CallbackState.DONE, CallbackState.FAILED])
async def test_a_call_ends_a_callback_once(
    callbacks: Callbacks, jobs: Jobs, state: CallbackState
) -> None:
    callback = await calling(callbacks)

    settled = await callbacks.settle(callback.id, "call-1", state, None, tell)
    again = await callbacks.settle(callback.id, "call-1", CallbackState.FAILED, None, tell)

    assert settled is not None
    assert settled.state is state
    assert again is None
    assert await jobs.by_key(f"event:{callback.id}:{state}") is not None
    assert len(await jobs.page()) == 2
    assert await callbacks.started(callback.id, "call-2") is None


async def test_only_the_call_that_is_made_settles(callbacks: Callbacks) -> None:
    waiting = await scheduled(callbacks, "cb:2")
    callback = await calling(callbacks)

    assert await callbacks.settle(callback.id, "call-0", CallbackState.DONE, None) is None
    assert await callbacks.settle(waiting.id, "", CallbackState.DONE, None) is None


@pytest.mark.parametrize(
    ("state", "retry_s"),
    [
        (CallbackState.CALLING, None),
        (CallbackState.CALLING, 9.0),
        (CallbackState.SCHEDULED, None),
        (CallbackState.DONE, 9.0),
    ],
)
async def test_what_does_not_fit_is_refused(
    callbacks: Callbacks, state: CallbackState, retry_s: float | None
) -> None:
    callback = await calling(callbacks)

    with pytest.raises(ValueError, match="ends, or is scheduled"):
        await callbacks.settle(
            callback.id, "call-1", state, None if retry_s is None else at(retry_s)
        )


async def test_what_was_not_called_in_time_is_missed(callbacks: Callbacks, jobs: Jobs) -> None:
    callback = await scheduled(callbacks)

    missed = await callbacks.missed(callback.id, tell)

    assert missed is not None
    assert missed.state is CallbackState.MISSED
    assert await callbacks.missed(callback.id, tell) is None
    job = await jobs.by_key(f"callback:{callback.id}:0")
    assert job is not None
    assert job.state is JobState.CANCELED
    assert await jobs.by_key(f"event:{callback.id}:missed") is not None


async def test_what_is_being_called_is_not_missed(callbacks: Callbacks) -> None:
    assert await callbacks.missed((await calling(callbacks)).id) is None


# ---- taking it back -----------------------------------------------------------------------------


async def test_a_promise_is_taken_back_with_its_job(callbacks: Callbacks, jobs: Jobs) -> None:
    callback = await scheduled(callbacks)

    canceled = await callbacks.cancel(callback.id, tell)
    again = await callbacks.cancel(callback.id, tell)

    assert canceled == again == replace(callback, state=CallbackState.CANCELED)
    states = {job.key: job.state for job in await jobs.page()}
    assert states == {
        f"callback:{callback.id}:0": JobState.CANCELED,
        f"event:{callback.id}:canceled": JobState.WAITING,
    }
    assert await callbacks.started(callback.id, "call-1") is None


async def test_the_job_of_another_try_is_taken_back_too(callbacks: Callbacks, jobs: Jobs) -> None:
    callback = await calling(callbacks)
    await callbacks.settle(callback.id, "call-1", CallbackState.SCHEDULED, at(930))

    await callbacks.cancel(callback.id)

    job = await jobs.by_key(f"callback:{callback.id}:1")
    assert job is not None
    assert job.state is JobState.CANCELED


async def test_what_becomes_of_a_call_in_the_middle_changes_nothing_any_more(
    callbacks: Callbacks, jobs: Jobs
) -> None:
    callback = await calling(callbacks)

    canceled = await callbacks.cancel(callback.id)

    assert canceled is not None
    assert canceled.state is CallbackState.CANCELED
    assert await callbacks.settle(callback.id, "call-1", CallbackState.DONE, None) is None
    job = await jobs.by_key(f"callback:{callback.id}:0")
    assert job is not None
    assert job.state is JobState.CANCELED, "it waits to be tried again"


async def test_what_is_over_stays_when_it_is_canceled(callbacks: Callbacks) -> None:
    callback = await calling(callbacks)
    done = await callbacks.settle(callback.id, "call-1", CallbackState.DONE, None)

    assert await callbacks.cancel(callback.id) == done


async def test_a_job_that_runs_is_not_canceled(
    callbacks: Callbacks, jobs: Jobs, clock: Clock
) -> None:
    callback = await scheduled(callbacks)
    clock.move(DUE)
    (job,) = await jobs.lease(1, ["callback"])

    await callbacks.cancel(callback.id)

    assert await jobs.settle(job, Done()) is JobState.DONE


async def test_all_promises_to_a_person_are_taken_back(callbacks: Callbacks, jobs: Jobs) -> None:
    await calling(callbacks)
    await scheduled(callbacks, "cb:2")
    missed = await scheduled(callbacks, "cb:3")
    await callbacks.missed(missed.id)
    other = await scheduled(callbacks, "cb:4", phone=OTHER_PHONE)

    assert await callbacks.cancel_for(PHONE, tell) == 2
    assert await callbacks.cancel_for(PHONE, tell) == 0

    assert await callbacks.open_for(PHONE) == []
    assert await callbacks.open_for(OTHER_PHONE) == [other]
    assert len(await callbacks.page(states=[CallbackState.CANCELED])) == 2


# ---- with the call that is made for it ----------------------------------------------------------


class Dialled:
    """A callback whose call was placed, and the archive it is in."""

    def __init__(self, kept: Kept, jobs: Jobs, clock: Clock) -> None:
        self.calls = Calls(
            kept.database,
            kept.writer,
            kept.files,
            transcripts_dir=kept.transcripts,
            zone=KOLKATA,
            clock=lambda: clock().timestamp(),
            jobs=jobs,
            follow=lambda call_id, state: [NewJob("follow", f"follow:{call_id}:{state}")],
        )
        self.callbacks = Callbacks(kept.database, jobs, self.calls, clock=clock)
        self.call = replace(a_call("call-1", ""), direction=Direction.OUTBOUND)

    async def placed(self, state: CallState = CallState.QUEUED) -> Callback:
        callback = await calling(self.callbacks)
        dial = NewJob("dial", f"dial:{self.call.id}", call_id=self.call.id)
        await self.calls.place(self.call, CallState.QUEUED, T0, jobs=[dial])
        if state is not CallState.QUEUED:
            await self.calls.set_state(self.call.id, state, T0)
        return callback

    async def call_state(self) -> CallState:
        record = await self.calls.get(self.call.id)
        assert record is not None
        return record.state


@pytest.fixture
def dialled(kept: Kept, jobs: Jobs, clock: Clock) -> Dialled:
    return Dialled(kept, jobs, clock)


async def states_of(jobs: Jobs) -> dict[str, JobState]:
    return {job.key: job.state for job in await jobs.page()}


@pytest.mark.parametrize("state", [CallState.QUEUED, CallState.SCHEDULED, CallState.DIALING])
@pytest.mark.parametrize("all_of_them", [False, True])
async def test_its_call_that_waits_is_not_dialled(
    dialled: Dialled, jobs: Jobs, clock: Clock, kept: Kept, state: CallState, all_of_them: bool
) -> None:
    """Between two tries a call waits as ``dialing``."""
    callback = await dialled.placed(state)
    told: list[tuple[CallId, CallEnding, float]] = []
    dialled.calls.on_canceled = lambda *what: told.append(what)
    clock.move(5)

    if all_of_them:
        assert await dialled.callbacks.cancel_for(PHONE) == 1
    else:
        await dialled.callbacks.cancel(callback.id)

    assert await jobs.lease(9, ["dial", "callback"]) == []
    states = await states_of(jobs)
    assert states["dial:call-1"] is JobState.CANCELED
    assert states["follow:call-1:canceled"] is JobState.WAITING
    record = await dialled.calls.get(dialled.call.id)
    assert record is not None
    assert (record.state, record.end_reason) == (CallState.CANCELED, EndReason.NOT_DIALED)
    assert record.ended_at == at(5)
    not_wanted = CallEnding(CallState.CANCELED, EndReason.NOT_DIALED)
    assert told == [(dialled.call.id, not_wanted, T0 + 5)]
    await kept.flush()
    ending = read_transcript(kept.transcript("call-1")).ending
    assert ending is not None
    assert ending["status"] == "canceled"


async def test_a_call_whose_job_looks_whether_it_may_be_dialled_is_canceled_too(
    dialled: Dialled, jobs: Jobs, clock: Clock
) -> None:
    """The dialer reads the call again before it asks the provider."""
    callback = await dialled.placed()
    (job,) = await jobs.lease(1, ["dial"])

    await dialled.callbacks.cancel(callback.id)

    assert await dialled.call_state() is CallState.CANCELED
    assert await jobs.settle(job, Postpone(at(9))) is JobState.WAITING


@pytest.mark.parametrize("state", [CallState.RINGING, CallState.IN_PROGRESS])
async def test_a_call_that_is_being_made_goes_on(
    dialled: Dialled, jobs: Jobs, state: CallState
) -> None:
    callback = await dialled.placed(state)

    await dialled.callbacks.cancel(callback.id)

    assert await dialled.call_state() is state
    states = await states_of(jobs)
    assert states["dial:call-1"] is JobState.WAITING, "after a crash it watches the call"
    assert f"follow:{dialled.call.id}:canceled" not in states


async def test_a_call_that_the_provider_is_being_asked_for_goes_on(
    dialled: Dialled, jobs: Jobs
) -> None:
    callback = await dialled.placed(CallState.DIALING)
    await jobs.lease(1, ["dial"])

    await dialled.callbacks.cancel(callback.id)

    assert await dialled.call_state() is CallState.DIALING


async def test_a_call_that_the_provider_has_goes_on(dialled: Dialled, jobs: Jobs) -> None:
    callback = await dialled.placed(CallState.DIALING)
    await dialled.calls.set_provider_id(dialled.call.id, "uuid-9")

    await dialled.callbacks.cancel(callback.id)

    assert await dialled.call_state() is CallState.DIALING
    assert (await states_of(jobs))["dial:call-1"] is JobState.WAITING


async def test_nothing_is_canceled_when_what_follows_fails(dialled: Dialled, jobs: Jobs) -> None:
    def fail(callback: Callback) -> list[NewJob]:
        raise OSError("the disk is full")

    callback = await dialled.placed()
    told: list[object] = []
    dialled.calls.on_canceled = lambda *what: told.append(what)

    with pytest.raises(StoreError):
        await dialled.callbacks.cancel(callback.id, fail)

    assert await dialled.call_state() is CallState.QUEUED
    assert (await states_of(jobs))["dial:call-1"] is JobState.WAITING
    assert told == []


# ---- reading ------------------------------------------------------------------------------------


async def test_open_callbacks_of_a_person_come_soonest_first(callbacks: Callbacks) -> None:
    called = await calling(callbacks)
    early = await scheduled(callbacks, "cb:2", 60)
    await scheduled(callbacks, "cb:3", 30, OTHER_PHONE)

    assert await callbacks.open_for(PHONE) == [early, called]


async def test_pages_hold_each_callback_once_the_soonest_first(callbacks: Callbacks) -> None:
    written = [await scheduled(callbacks, f"cb:{n}", 60.0 * (n % 3)) for n in range(7)]

    seen: list[Callback] = []
    while page := await callbacks.page(
        limit=2, after=(seen[-1].due_at, seen[-1].id) if seen else None
    ):
        seen += page

    assert seen == sorted(written, key=lambda one: (one.due_at, one.id))


async def test_pages_can_be_narrowed(callbacks: Callbacks) -> None:
    called = await calling(callbacks)
    early = await scheduled(callbacks, "cb:2", 60)
    other = await scheduled(callbacks, "cb:3", 90, OTHER_PHONE)

    assert await callbacks.page(states=[CallbackState.CALLING]) == [called]
    assert await callbacks.page(phone=OTHER_PHONE) == [other]
    assert await callbacks.page(due_before=at(90)) == [early]
    both = await callbacks.page(states=[CallbackState.SCHEDULED, CallbackState.CALLING])
    assert both == [early, other, called]
