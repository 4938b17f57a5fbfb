"""Every way a promise to call back can end; one that was not kept is told exactly once."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pytest

from fakes import a_record
from fwai.calls.dial_cleanup import ANEW_S, dial_cleanup_jobs
from fwai.calls.dialer import CallbackDialer
from fwai.domain.call import Call, CallId, CallState, Direction, EndReason
from fwai.domain.callback import (
    DO_NOT_CALL,
    TOO_LATE,
    Callback,
    CallbackPolicy,
    CallbackState,
    NewCallback,
)
from fwai.domain.hours import CallingHours
from fwai.domain.job import CALLBACK, Dead, Job, JobOutcome, JobState, NewJob, Postpone, Unknown
from fwai.domain.outbound import AcceptedCall, CallRequest, DialRules
from fwai.domain.record import CallRecord, ToolRecord, TurnRecord
from fwai.errors import FieldError, RefusedError
from fwai.jobs.call_follow_ups import CallFollowUps
from fwai.jobs.events import Events
from fwai.store.callbacks import Callbacks
from fwai.store.jobs import Jobs
from unit.jobs.kit import PHONE, a_job, no_mark
from unit.store.kit import KOLKATA, NOW, Clock, a_database, jobs_in, sqlite_url

RULES = DialRules(
    {"plivo": "+918888800000"}, ("FWAI_Core",), CallingHours.parse("00:00-24:00"), KOLKATA
)
POLICY: Final = CallbackPolicy(attempts=2)
MISSED, FAILED, DONE, CANCELED, SCHEDULED = (
    CallbackState.MISSED,
    CallbackState.FAILED,
    CallbackState.DONE,
    CallbackState.CANCELED,
    CallbackState.SCHEDULED,
)


@dataclass
class Office:
    """Promises, their dialer and what follows their calls; the calls themselves are told."""

    clock: Clock
    jobs: Jobs
    book: Callbacks
    callback: Callback

    def __post_init__(self) -> None:
        self.refusal: Exception | None = None
        self.record: CallRecord | None = None
        self.dialer = CallbackDialer(RULES, POLICY, self.book, self.place, self.missed, self.clock)
        self.follow_ups = CallFollowUps(
            self,
            self.jobs,
            Events("", self.post, lambda *_: 1.0, self.clock),
            self,
            self.book,
            POLICY,
            remembers=lambda _: False,
            sums_up=lambda _: False,
            on_missed=self.missed,
            clock=self.clock,
        )

    def missed(self, callback: Callback) -> list[NewJob]:
        return [NewJob("told", f"callback.missed:{callback.id}:{callback.state}")]

    async def post(self, url: str, message_id: str, body: bytes) -> int:
        return 200

    async def place(self, request: CallRequest) -> AcceptedCall:
        if self.refusal is not None:
            raise self.refusal
        call = Call(
            request.call_id, "plivo", Direction.OUTBOUND, PHONE, "+918888800000", "FWAI_Core",
            callback_id=request.callback_id,
        )  # fmt: skip
        self.record = a_record(call, CallState.QUEUED)
        return AcceptedCall(call, CallState.QUEUED, NOW, new=True)

    # what follow-ups read

    async def get(self, call_id: CallId) -> CallRecord | None:
        return self.record

    async def turns(self, call_id: CallId) -> list[TurnRecord]:
        return []

    async def tool_calls(self, call_id: CallId) -> list[ToolRecord]:
        return []

    async def remember(self, phone: str, entry: object) -> None:
        raise AssertionError("nothing was said")

    # what happens

    async def call(self) -> JobOutcome:
        """Let the promise's job run, twice: a crash may be behind the first time."""
        (job,) = await self.jobs.lease(1, [CALLBACK])
        outcome = await self.dialer(job, no_mark)
        await self.dialer(job, no_mark)
        await self.jobs.settle(job, outcome)
        return outcome

    async def ends(
        self, state: CallState, reason: EndReason = EndReason.NEVER_CONNECTED, cause: str = ""
    ) -> None:
        """Let the call that is being made end, and follow it up twice."""
        assert self.record is not None
        self.record = replace(self.record, state=state, end_reason=reason, cause=cause)
        job = a_job("follow", payload={"call_id": self.record.call.id, "state": state.value})
        for _ in range(2):
            await self.follow_ups(job, no_mark)

    async def state(self) -> CallbackState:
        kept = await self.book.get(self.callback.id)
        assert kept is not None
        return kept.state

    async def told(self) -> int:
        return len([job for job in await self.jobs.page(limit=100) if job.kind == "told"])


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    clock = Clock()
    async with a_database(sqlite_url(tmp_path)) as database:
        jobs = jobs_in(database, clock)
        jobs.follows = dial_cleanup_jobs(45, clock)
        book = Callbacks(database, jobs, clock=clock)
        new = NewCallback("k", PHONE, "plivo", "FWAI_Core", NOW)
        callback, _ = await book.schedule(new)
        yield Office(clock, jobs, book, callback)


# How the call that is made for it ends, what becomes of the promise, and whether that is told.
CALLS: Final = [
    (CallState.COMPLETED, EndReason.CALLER_HUNG_UP, "", DONE, False),
    (CallState.COMPLETED, EndReason.VOICEMAIL, "", SCHEDULED, False),
    (CallState.NO_ANSWER, EndReason.NEVER_CONNECTED, "", SCHEDULED, False),
    (CallState.BUSY, EndReason.NEVER_CONNECTED, "", SCHEDULED, False),
    (CallState.REJECTED, EndReason.NEVER_CONNECTED, "", SCHEDULED, False),
    (CallState.FAILED, EndReason.NOT_DIALED, "provider_not_enabled", SCHEDULED, False),
    (CallState.FAILED, EndReason.AGENT_FAILED, "", SCHEDULED, False),
    (CallState.FAILED, EndReason.SERVER_CRASHED, "", SCHEDULED, False),
    (CallState.CANCELED, EndReason.NOT_DIALED, TOO_LATE, MISSED, True),
    (CallState.CANCELED, EndReason.NOT_DIALED, DO_NOT_CALL, MISSED, True),
    (CallState.CANCELED, EndReason.NOT_DIALED, "", CANCELED, False),
    (CallState.CANCELED, EndReason.OPERATOR, "", CANCELED, False),
]


@pytest.mark.parametrize(("state", "reason", "cause", "becomes", "told"), CALLS)
async def test_what_becomes_of_a_promise_by_its_call(
    office: Office,
    state: CallState,
    reason: EndReason,
    cause: str,
    becomes: CallbackState,
    told: bool,
) -> None:
    await office.call()

    await office.ends(state, reason, cause)

    assert await office.state() is becomes
    assert await office.told() == told


@pytest.mark.parametrize(
    ("state", "reason"),
    [(state, reason) for state, reason, _, becomes, _ in CALLS if becomes is SCHEDULED],
)
async def test_nobody_reached_in_all_tries_is_told(
    office: Office, state: CallState, reason: EndReason
) -> None:
    for _ in range(POLICY.attempts):
        assert await office.told() == 0
        await office.call()
        await office.ends(state, reason)
        office.clock.move(POLICY.gap_s)

    assert await office.state() is FAILED
    assert await office.told() == 1


@pytest.mark.parametrize("refusal", [FieldError("to", "no"), RefusedError("do-not-call", "no")])
async def test_a_call_that_is_not_accepted_is_told(office: Office, refusal: Exception) -> None:
    office.refusal = refusal

    assert isinstance(await office.call(), Dead)

    assert await office.state() is MISSED
    assert await office.told() == 1


@pytest.mark.parametrize("calling", [False, True])
async def test_a_promise_whose_time_went_by_is_told(office: Office, calling: bool) -> None:
    """The server was down until then, perhaps since it had begun to call."""
    if calling:
        assert await office.book.started(office.callback.id, f"{office.callback.id}-1")
    office.clock.move(POLICY.window_s + 1)

    await office.call()

    assert await office.state() is MISSED
    assert await office.told() == 1


async def test_a_promise_that_is_taken_back_is_not_broken(office: Office) -> None:
    await office.book.cancel(office.callback.id)

    assert await office.state() is CANCELED
    assert await office.told() == 0


@pytest.mark.parametrize("outcome", [Dead("fault on our side"), Unknown("took over 90 s")])
@pytest.mark.parametrize("times", [1, 3])
async def test_a_job_that_comes_to_nothing_is_tried_anew_until_its_time_went_by(
    office: Office, outcome: JobOutcome, times: int
) -> None:
    for _ in range(times):
        (job,) = await office.jobs.lease(1, [CALLBACK])
        assert await office.jobs.settle(job, outcome) in (JobState.DEAD, JobState.UNKNOWN)
        office.clock.move(ANEW_S)
    if times > 1:
        office.clock.move(POLICY.window_s)

    await office.call()

    assert await office.state() is (MISSED if times > 1 else CallbackState.CALLING)
    assert await office.told() == (times > 1)
    if times == 1:
        assert office.record is not None
        assert office.record.call.id == f"{office.callback.id}-1", "it is the same call"


async def test_a_clock_that_was_set_back_keeps_a_promise_for_its_time(office: Office) -> None:
    due = office.callback.due_at
    (job,) = await office.jobs.lease(1, [CALLBACK])
    office.clock.move(-3600)

    outcome = await office.dialer(job, no_mark)

    assert isinstance(outcome, Postpone)
    assert outcome.run_at == due


def test_the_job_of_another_kind_is_nobodys_promise() -> None:
    follow = dial_cleanup_jobs(45)
    job: Job = a_job("sms")

    assert list(follow(job, JobState.DEAD)) == []
