"""What follows a change of a call: events, memory, what becomes of a callback, a summary.

The change itself wrote the job, in the same transaction, so none of this is ever forgotten. Every
step can be repeated: jobs have keys, memory replaces what it has of the same call, and a callback
is settled only by the call that was made for it.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from fwai.domain.call import CallId, CallState, EndReason
from fwai.domain.call_event import call_data, call_summary, event_type
from fwai.domain.callback import Callback, CallbackPolicy
from fwai.domain.caller_memory import digest
from fwai.domain.contact import MemoryEntry
from fwai.domain.job import FOLLOW_UP, SUMMARY, Begin, Done, Dropped, Job, JobOutcome, NewJob
from fwai.domain.record import CallRecord, ToolRecord, TurnRecord
from fwai.interfaces.jobs import JobQueue
from fwai.interfaces.store import CallbackSettler, CallReader, ContactMemory
from fwai.jobs.events import Events


def follow_up_jobs(call_id: CallId, state: CallState) -> Sequence[NewJob]:
    """Return the job that follows a call's reaching ``state``."""
    if event_type(state) is None:
        return ()
    # A final state is one and the same, whichever it is: it is reached once.
    name = "ended" if state.final else state.value
    payload = {"call_id": call_id, "state": state.value}
    return [NewJob(FOLLOW_UP, f"{FOLLOW_UP}:{call_id}:{name}", payload, call_id=call_id)]


class CallFollowUps:
    """Handles ``follow`` jobs.

    Args:
        remembers: Whether an agent, by its id, keeps a memory of people.
        sums_up: Whether an agent's calls are summed up after their end.
        on_missed: The jobs of telling that a promise to call back was not kept.
        clock: The time now, aware.
    """

    def __init__(
        self,
        calls: CallReader,
        queue: JobQueue,
        events: Events,
        memory: ContactMemory,
        callbacks: CallbackSettler,
        policy: CallbackPolicy,
        *,
        remembers: Callable[[str], bool],
        sums_up: Callable[[str], bool],
        on_missed: Callable[[Callback], Sequence[NewJob]] = lambda _: (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._calls = calls
        self._queue = queue
        self._events = events
        self._memory = memory
        self._callbacks = callbacks
        self._policy = policy
        self._remembers = remembers
        self._sums_up = sums_up
        self._on_missed = on_missed
        self._clock = clock

    async def __call__(self, job: Job, begin: Begin) -> JobOutcome:  # noqa: ARG002 - repeatable
        """Do what follows."""
        record = await self._calls.get(CallId(job.payload["call_id"]))
        if record is None:
            return Dropped("the call was erased")
        state = CallState(job.payload["state"])
        if not state.final:
            await self._tell(record, state, at=job.created_at)  # written with the change
            return Done()
        turns = await self._calls.turns(record.call.id)
        tools = await self._calls.tool_calls(record.call.id)
        await self._tell(record, state, turns, tools)
        await self._settle_callback(record)
        if record.answered_at is not None:
            await self._remember(record, turns, tools)
            if turns and self._sums_up(record.call.agent):
                await self._queue.enqueue(_summary_of(record))
        return Done()

    async def _tell(
        self,
        record: CallRecord,
        state: CallState,
        turns: Sequence[TurnRecord] | None = None,
        tools: Sequence[ToolRecord] = (),
        *,
        at: datetime | None = None,
    ) -> None:
        call, kind = record.call, event_type(state)
        if kind is None:
            return
        if turns is None:  # what it is by now may be later than the event
            data = call_summary(record) | {"status": state.value}
        else:
            data = call_data(record, turns, tools)
        for job in self._events.new(
            kind,
            call.id,
            data,
            at=at or record.ended_at,
            also_to=call.webhook_url,
            call_id=call.id,
            phone=call.caller,
        ):
            await self._queue.enqueue(job)

    async def _settle_callback(self, record: CallRecord) -> None:
        call = record.call
        callback = await self._callbacks.get(call.callback_id) if call.callback_id else None
        if callback is None:
            return
        machine = record.end_reason is EndReason.VOICEMAIL
        outcome = CallState.NO_ANSWER if machine else record.state
        now = self._clock()
        state, retry_at = self._policy.after(callback, outcome, now, record.cause or "")
        also = self._on_missed if state.broken else _nothing_else
        await self._callbacks.settle(callback.id, call.id, state, retry_at, also)

    async def _remember(
        self, record: CallRecord, turns: Sequence[TurnRecord], tools: Sequence[ToolRecord]
    ) -> None:
        call = record.call
        if not call.caller or not self._remembers(call.agent):
            return
        text = record.summary or digest(turns, tools)
        if text:
            at = record.answered_at or record.created_at
            await self._memory.remember(call.caller, MemoryEntry(at, call.id, call.agent, text))


def _nothing_else(callback: Callback) -> Sequence[NewJob]:  # noqa: ARG001
    return ()


def _summary_of(record: CallRecord) -> NewJob:
    call = record.call
    payload = {"call_id": call.id}
    return NewJob(SUMMARY, f"{SUMMARY}:{call.id}", payload, call_id=call.id, phone=call.caller)
