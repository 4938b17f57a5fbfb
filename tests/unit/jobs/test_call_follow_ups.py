"""What follows a call: told, remembered, settled, each once however often the job runs."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from fakes import a_record
from fwai.domain.call import Call, CallId, CallState, Direction, EndReason
from fwai.domain.callback import TOO_LATE, Callback, CallbackPolicy, CallbackState
from fwai.domain.contact import MemoryEntry, remembered
from fwai.domain.job import EVENT, FOLLOW_UP, SUMMARY, Done, Dropped, Job
from fwai.domain.record import CallRecord, ToolRecord, TurnRecord
from fwai.interfaces.store import CallbackJobs
from fwai.jobs.call_follow_ups import CallFollowUps, follow_up_jobs
from fwai.jobs.events import Events
from unit.jobs.kit import PHONE, T0, MemoryJobs, a_job, no_mark
from unit.store.kit import Clock

ID = CallId("c-1")
CALL = Call(
    ID,
    "plivo",
    Direction.OUTBOUND,
    PHONE,
    "+918888800000",
    "FWAI_Core",
    callback_id="cb_1",
    webhook_url="https://n8n.example.com/call",
)
TURNS = [
    TurnRecord(1, "agent", 1, "Namaste, this is Freya.", T0, interrupted=False),
    TurnRecord(2, "caller", 2, "Call me on Friday.", T0, interrupted=False),
]
TOOLS = [ToolRecord(3, "fc-1", "schedule_callback", {}, True, "Friday 5 PM.", 3.0, T0)]


def record(state: CallState = CallState.COMPLETED, **facts: object) -> CallRecord:
    made = replace(
        a_record(CALL, state),
        end_reason=EndReason.CALLER_HUNG_UP,
        created_at=T0,
        started_at=T0 + timedelta(seconds=1),
        answered_at=T0 + timedelta(seconds=9),
        ended_at=T0 + timedelta(seconds=70),
    )
    return replace(made, **facts)  # type: ignore[arg-type]


class Desk:
    """Everything a call leaves behind."""

    def __init__(self, kept: CallRecord | None) -> None:
        self.clock = Clock()
        self.clock.now = T0 + timedelta(seconds=71)
        self.kept = kept
        self.words: list[TurnRecord] = TURNS
        self.deeds: list[ToolRecord] = TOOLS
        self.queue = MemoryJobs(self.clock)
        self.memory: dict[str, Sequence[MemoryEntry]] = {}
        self.promise = Callback(
            "cb_1", PHONE, "plivo", "FWAI_Core", T0, "", CallbackState.CALLING, 1, "", ID, T0
        )
        self.settled: list[tuple[str, CallbackState, datetime | None]] = []
        self.remembers = self.sums_up = True
        events = Events("https://n8n.example.com/events", None, None, self.clock)  # type: ignore[arg-type]
        self.following = CallFollowUps(
            self,
            self.queue,
            events,
            self,
            _Book(self),
            CallbackPolicy(),
            remembers=lambda _: self.remembers,
            sums_up=lambda _: self.sums_up,
            clock=self.clock,
        )

    async def get(self, call_id: CallId) -> CallRecord | None:
        return self.kept

    async def turns(self, call_id: CallId) -> list[TurnRecord]:
        return self.words

    async def tool_calls(self, call_id: CallId) -> list[ToolRecord]:
        return self.deeds

    async def remember(self, phone: str, entry: MemoryEntry) -> None:
        self.memory[phone] = remembered(self.memory.get(phone, ()), entry)

    async def follow(self, state: CallState) -> object:
        (new,) = follow_up_jobs(ID, state)
        job = a_job(
            FOLLOW_UP, key=new.key, payload=new.payload, created_at=T0 + timedelta(seconds=4)
        )
        return await self.following(job, no_mark)

    def events(self) -> list[Job]:
        return [job for job in self.queue.rows.values() if job.kind == EVENT]


class _Book:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def get(self, callback_id: str) -> Callback | None:
        return self._desk.promise if callback_id == "cb_1" else None

    async def settle(
        self,
        callback_id: str,
        call_id: str,
        state: CallbackState,
        retry_at: datetime | None,
        also: CallbackJobs = lambda _: (),
    ) -> Callback | None:
        desk = self._desk
        if desk.promise.state is not CallbackState.CALLING or desk.promise.last_call_id != call_id:
            return None
        desk.settled.append((call_id, state, retry_at))
        desk.promise = replace(desk.promise, state=state)
        return desk.promise


# ---- which jobs follow --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "key"),
    [
        (CallState.RINGING, "follow:c-1:ringing"),
        (CallState.IN_PROGRESS, "follow:c-1:in_progress"),
        (CallState.COMPLETED, "follow:c-1:ended"),
        (CallState.FAILED, "follow:c-1:ended"),
    ],
)
def test_a_change_is_followed_once(state: CallState, key: str) -> None:
    (job,) = follow_up_jobs(ID, state)

    assert (job.key, job.call_id) == (key, ID)
    assert PHONE not in str(job)


@pytest.mark.parametrize("state", [CallState.QUEUED, CallState.SCHEDULED, CallState.DIALING])
def test_nobody_is_told_of_waiting(state: CallState) -> None:
    assert follow_up_jobs(ID, state) == ()


# ---- events -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "kind", "second"),
    [
        (CallState.RINGING, "call.ringing", "04"),
        (CallState.IN_PROGRESS, "call.answered", "04"),
        (CallState.COMPLETED, "call.ended", "01:10"),
    ],
)
async def test_an_event_says_what_was_and_when(state: CallState, kind: str, second: str) -> None:
    """Even if the call has gone on since."""
    desk = Desk(record())

    assert await desk.follow(state) == Done()

    bodies = [job.payload["body"] for job in desk.events()]
    assert {(body["type"], body["data"]["status"]) for body in bodies} == {(kind, state.value)}
    assert bodies[0]["timestamp"].endswith(f"{second}.000Z")
    assert [job.payload["url"] for job in desk.events()] == [
        "",  # the operator's own
        "https://n8n.example.com/call",
    ]
    assert {(job.call_id, job.phone) for job in desk.events()} == {(ID, PHONE)}


@pytest.mark.parametrize("state", [s for s in CallState if s.final])
async def test_every_outcome_is_told(state: CallState) -> None:
    desk = Desk(record(state, answered_at=None))

    await desk.follow(state)

    data = desk.events()[0].payload["body"]["data"]
    assert (data["status"], data["duration_s"]) == (state.value, None)


async def test_the_end_tells_what_was_said_and_done() -> None:
    desk = Desk(record())

    await desk.follow(CallState.COMPLETED)

    data = desk.events()[0].payload["body"]["data"]
    assert [one["text"] for one in data["transcript"]] == [one.text for one in TURNS]
    assert data["tools"][0]["name"] == "schedule_callback"
    assert data["duration_s"] == 61.0


async def test_running_twice_is_running_once() -> None:
    desk = Desk(record())

    for _ in range(3):
        await desk.follow(CallState.COMPLETED)
        desk.clock.move(300)

    kinds = sorted(job.kind for job in desk.queue.rows.values())
    assert kinds == [EVENT, EVENT, SUMMARY]
    assert len(desk.memory[PHONE]) == 1
    assert len(desk.settled) == 1


async def test_a_call_that_was_erased_is_followed_by_nothing() -> None:
    desk = Desk(None)

    assert isinstance(await desk.follow(CallState.COMPLETED), Dropped)
    assert (desk.queue.rows, desk.memory) == ({}, {})


# ---- memory and summary -------------------------------------------------------------------------


async def test_a_conversation_is_remembered_and_summed_up() -> None:
    desk = Desk(record())

    await desk.follow(CallState.COMPLETED)

    (entry,) = desk.memory[PHONE]
    assert (entry.call_id, entry.agent) == (ID, "FWAI_Core")
    assert "Call me on Friday." in entry.text
    (summary,) = [job for job in desk.queue.rows.values() if job.kind == SUMMARY]
    assert (summary.key, summary.call_id, summary.phone) == ("summary:c-1", ID, PHONE)


async def test_a_late_repetition_does_not_put_the_short_in_the_place_of_the_summary() -> None:
    desk = Desk(record(summary="They want a call on Friday."))

    await desk.follow(CallState.COMPLETED)

    assert desk.memory[PHONE][0].text == "They want a call on Friday."


async def test_an_agent_without_memory_keeps_none() -> None:
    desk = Desk(record())
    desk.remembers = desk.sums_up = False

    await desk.follow(CallState.COMPLETED)

    assert desk.memory == {}
    assert [job.kind for job in desk.queue.rows.values()] == [EVENT, EVENT]


async def test_a_call_without_words_is_neither_remembered_nor_summed_up() -> None:
    desk = Desk(record(CallState.NO_ANSWER, answered_at=None))
    await desk.follow(CallState.NO_ANSWER)
    assert desk.memory == {}

    withheld = Desk(record(call=replace(CALL, caller="")))
    withheld.words = []
    await withheld.follow(CallState.COMPLETED)
    assert withheld.memory == {}
    assert [job.kind for job in withheld.queue.rows.values()] == [EVENT, EVENT]


# ---- the promise --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "reason", "becomes", "again"),
    [
        (CallState.COMPLETED, EndReason.CALLER_HUNG_UP, CallbackState.DONE, False),
        (CallState.COMPLETED, EndReason.VOICEMAIL, CallbackState.SCHEDULED, True),
        (CallState.NO_ANSWER, EndReason.NEVER_CONNECTED, CallbackState.SCHEDULED, True),
        (CallState.BUSY, EndReason.NEVER_CONNECTED, CallbackState.SCHEDULED, True),
        (CallState.FAILED, EndReason.SERVER_STOPPED, CallbackState.SCHEDULED, True),
        (CallState.FAILED, EndReason.SERVER_CRASHED, CallbackState.SCHEDULED, True),
        (CallState.CANCELED, EndReason.OPERATOR, CallbackState.CANCELED, False),
        (CallState.CANCELED, EndReason.NOT_DIALED, CallbackState.CANCELED, False),
    ],
)
async def test_what_becomes_of_a_promise(
    state: CallState, reason: EndReason, becomes: CallbackState, again: bool
) -> None:
    desk = Desk(record(state, end_reason=reason))

    await desk.follow(state)

    ((call_id, settled, retry_at),) = desk.settled
    assert (call_id, settled) == (ID, becomes)
    assert retry_at == (desk.clock.now + timedelta(seconds=900) if again else None)


async def test_the_last_try_ends_the_promise() -> None:
    desk = Desk(record(CallState.BUSY))
    desk.promise = replace(desk.promise, attempts=CallbackPolicy().attempts)

    await desk.follow(CallState.BUSY)

    assert desk.settled == [(ID, CallbackState.FAILED, None)]


async def test_a_promise_that_another_call_keeps_is_left_alone() -> None:
    desk = Desk(record())
    desk.promise = replace(desk.promise, last_call_id="c-2")

    await desk.follow(CallState.COMPLETED)

    assert desk.settled == []


# ---- what leaves nothing behind -----------------------------------------------------------------


async def test_a_promise_that_is_gone_is_not_settled() -> None:
    desk = Desk(record(call=replace(CALL, callback_id="cb_erased")))

    await desk.follow(CallState.COMPLETED)

    assert desk.settled == []


async def test_a_promise_whose_time_passed_before_the_call_was_missed() -> None:
    desk = Desk(record(CallState.CANCELED, cause=TOO_LATE))

    await desk.follow(CallState.CANCELED)

    assert desk.settled == [(ID, CallbackState.MISSED, None)]


async def test_a_call_without_words_or_deeds_is_not_remembered() -> None:
    desk = Desk(record())
    desk.words, desk.deeds = [], []

    await desk.follow(CallState.COMPLETED)

    assert desk.memory == {}


async def test_a_state_that_nobody_is_told_of_is_no_event() -> None:
    desk = Desk(record(CallState.QUEUED))
    job = a_job(FOLLOW_UP, payload={"call_id": ID, "state": CallState.QUEUED.value})

    assert await desk.following(job, no_mark) == Done()
    assert desk.events() == []
