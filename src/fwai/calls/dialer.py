"""Dials what was accepted, when it may be dialled: the handlers of the jobs that call people.

Theory of operation. A ``dial`` job looks at the call, at the clock and at what this server and the
provider can carry, and puts itself off when it is not the moment. Right before the provider is
asked the job is marked. A job that finds its own mark comes from a crash: whether the provider took
the call is not known, but its news name our call, so the job waits for them before it dials again.
Calls that must wait their turn wait in the database, the oldest first: the worker of a provider's
calls looks at one at a time, and at none while `gate_s` says that none can begin.
A ``watch_call`` job closes a call that was placed before a crash and of which nothing more came.
A ``callback`` job turns a promise whose time has come into a call.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from fwai.calls.daily_cap import DailyCap
from fwai.calls.dial_slots import DialLimits as DialLimits  # noqa: PLC0414 - part of what it takes
from fwai.calls.dial_slots import DialSlots
from fwai.domain.call import Call, CallEnding, CallId, CallState, DialOrder, EndReason
from fwai.domain.callback import DO_NOT_CALL, TOO_LATE, Callback, CallbackPolicy, CallbackState
from fwai.domain.job import (
    Begin,
    Dead,
    Done,
    Dropped,
    Job,
    JobOutcome,
    NewJob,
    Postpone,
    Retry,
    Unknown,
)
from fwai.domain.outbound import AcceptedCall, CallRequest, DialRules
from fwai.domain.phone import PhoneError, dialable
from fwai.domain.record import CallRecord
from fwai.domain.wall_clock import Patience, WallClock
from fwai.errors import (
    ApiError,
    ApiUnknownError,
    BusyError,
    FieldError,
    RefusedError,
    StoreError,
    WireError,
)
from fwai.interfaces.calls import CallPlacer, OutboundLine
from fwai.interfaces.store import CallStates, DialledCallbacks, DoNotCallList

EVIDENCE_S: Final = 60.0
MAX_TRIES: Final = 3
GRACE_S: Final = 60.0
NEWS_S: Final = 15.0  # how late a provider's news of a call that stopped ringing may come

_log = structlog.get_logger()


class Dialer:
    """Handles ``dial`` and ``watch_call`` jobs.

    Args:
        lines: By provider.
        carried_elsewhere: Whether another process that lives carries a call.
        clock: The time now, aware.
        wall: Tells how the clock was set; None is the system's.
        daily: How many may begin in a day; None is as many as there are.
        away_s: In how many seconds to ask again for a call whose agent cannot be had at present;
            None when it can.
    """

    def __init__(
        self,
        rules: DialRules,
        limits: DialLimits,
        lines: Mapping[str, OutboundLine],
        archive: CallStates,
        placer: CallPlacer,
        people: DoNotCallList,
        carried_elsewhere: Callable[[CallRecord], bool] = lambda _: False,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        wall: WallClock | None = None,
        daily: DailyCap | None = None,
        away_s: Callable[[Call], float | None] = lambda _: None,
    ) -> None:
        self._daily = daily
        self._away_s = away_s
        wall = wall or WallClock(time.time, time.monotonic)
        self._carried_elsewhere = carried_elsewhere
        self._rules = rules
        self._limits = limits
        self._lines = lines
        self._archive = archive
        self._placer = placer
        self._people = people
        self._clock = clock
        self._patience = Patience(clock, wall, heard_here=True)
        self._slots = DialSlots(limits, placer.outbound, clock, wall)

    def gate_s(self, provider: str) -> float:
        """Return for how long no further call may begin at a provider, in seconds; 0 is now."""
        return self._slots.closed_s(provider)

    def resume(self, provider: str, begun_at: datetime) -> None:
        """Keep the pace of the process before, whose last call at a provider began then."""
        self._slots.resume(provider, begun_at)

    async def dial(self, job: Job, begin: Begin) -> JobOutcome:
        """Dial a call, put it off, or say why not."""
        record = await self._archive.get(CallId(job.payload["call_id"]))
        if record is None:
            return Dropped("the call was erased")
        if record.state.final:
            made = job.begun_at is not None and record.call.provider_call_id
            return Done(ref=record.call.provider_call_id) if made else Dropped("the call is over")
        if job.begun_at is not None:
            waits = await self._after_crash(record, job.id, job.begun_at)
            if waits is not None:
                return waits
        elif record.state not in (CallState.QUEUED, CallState.SCHEDULED, CallState.DIALING):
            return Done(ref=record.call.provider_call_id)
        if self._too_late(job):
            await self._close(record.call, CallState.CANCELED, EndReason.NOT_DIALED, TOO_LATE)
            return Dropped("its time went by")
        return await self._not_now(record) or await self._dial(record, job, begin)

    async def watch(self, job: Job, begin: Begin) -> JobOutcome:  # noqa: ARG002
        """Close a call that nobody carries and of which nothing more is to be expected."""
        record = await self._archive.get(CallId(job.payload["call_id"]))
        if record is None or record.state.final or self._carried(record):
            return Done()
        dialled = record.state not in (CallState.QUEUED, CallState.SCHEDULED)
        reason = EndReason.SERVER_CRASHED if dialled else EndReason.NOT_DIALED
        await self._close(record.call, CallState.FAILED, reason)
        return Done()

    def _too_late(self, job: Job) -> bool:
        """Whether a call waited for so long that dialling it now would only surprise."""
        until = job.payload.get("until")
        return until is not None and self._clock() > datetime.fromisoformat(until)

    def _carried(self, record: CallRecord) -> bool:
        """Whether the call goes on here, or in another process with the same database."""
        return self._placer.live(record.call.id) or self._carried_elsewhere(record)

    async def _after_crash(
        self, record: CallRecord, job_id: str, begun_at: datetime
    ) -> JobOutcome | None:
        """Return what to do about a call that may have been placed; None is to place it."""
        call = record.call
        if self._carried(record):
            return Done(ref=call.provider_call_id)
        waiting = (CallState.QUEUED, CallState.SCHEDULED, CallState.DIALING)
        heard = call.provider_call_id or record.state not in waiting
        ring_s = self._limits.ring_s
        patience_s = ring_s + GRACE_S if heard else max(EVIDENCE_S, ring_s + NEWS_S)
        # News that came while this server was down are told again only now.
        until = self._patience.until(job_id, begun_at, patience_s)
        if until is not None:
            return Postpone(until, "waiting for the provider's news", begun=True)
        if not heard:
            return None
        await self._close(call, CallState.FAILED, EndReason.SERVER_CRASHED)
        return Done(ref=call.provider_call_id)

    async def _not_now(self, record: CallRecord) -> JobOutcome | None:
        """Return why a call is not dialled at this moment, or None."""
        call, now = record.call, self._clock()
        if await self._people.do_not_call(call.caller):
            await self._close(call, CallState.CANCELED, EndReason.NOT_DIALED, DO_NOT_CALL)
            return Dropped("do-not-call list")
        opens_at = self._rules.hours.next_open(now, self._rules.zone)
        if record.not_before is not None and record.not_before > opens_at:
            opens_at = record.not_before  # the clock was set back
        if opens_at > now:
            await self._put_off(record)
            return Postpone(opens_at, "outside calling hours")
        tomorrow = await self._daily.until() if self._daily is not None else None
        if tomorrow is not None:
            await self._put_off(record)
            opens_at = self._rules.hours.next_open(tomorrow, self._rules.zone)
            return Postpone(opens_at, "as many calls as OUTBOUND_CALLS_PER_DAY allows in a day")
        away_s = self._away_s(call)
        if away_s is not None:  # nobody is rung up to hear an apology
            await self._put_off(record)
            return Postpone(now + timedelta(seconds=away_s), "the model cannot be reached")
        turn = self._slots.closed_until(call.provider)
        if turn is None:
            return None
        if record.state is CallState.DIALING:
            await self._put_off(record)
        full = self._slots.full(call.provider)
        most = "as the provider may carry" if full else "a second as the provider may begin"
        return Postpone(turn, f"as many calls {most}")

    async def _put_off(self, record: CallRecord) -> None:
        """Let a call's state say that it waits for its time."""
        at = self._clock().timestamp()
        if record.state is CallState.QUEUED:
            await self._archive.set_state(record.call.id, CallState.SCHEDULED, at)
        elif record.state is not CallState.SCHEDULED:
            await self._archive.put_off(record.call.id, at)

    async def _dial(self, record: CallRecord, job: Job, begin: Begin) -> JobOutcome:
        call = record.call
        line = self._lines.get(call.provider)
        if line is None:
            await self._close(call, CallState.FAILED, EndReason.NOT_DIALED, "provider_not_enabled")
            return Dead(f"{call.provider} is not enabled")
        try:
            to = dialable(call.caller)
        except PhoneError as exc:  # taken by an earlier version, which let wrong numbers pass
            await self._close(call, CallState.FAILED, EndReason.NOT_DIALED, "no_number")
            return Dead(f"it cannot be dialled: {exc}")
        if not await self._begun(call, begin):
            return Dropped("canceled meanwhile")
        try:
            provider_call_id = await self._placer.place(call, line, self._order(call, to))
        except ApiUnknownError as exc:
            return Unknown(str(exc))
        except BusyError as exc:
            await self._not_placed(call)
            return Postpone(self._slots.took_no_call(call.provider), str(exc))
        except (ApiError, WireError) as exc:
            retryable = isinstance(exc, ApiError) and exc.retryable
            if retryable and job.attempts < MAX_TRIES:
                await self._not_placed(call)
                return Retry(str(exc))
            return await self._refused(call, exc)
        except Exception:
            # Whether it was placed is not known. Nobody carries it, so it must not stay open.
            await self._close(call, CallState.FAILED, EndReason.INTERNAL_ERROR)
            raise
        self._slots.took_call(call.provider)
        return Done(ref=provider_call_id)

    async def _begun(self, call: Call, begin: Begin) -> bool:
        """Take a slot and mark the job; False, and the slot is free, when the call was canceled."""
        goes_on = False
        give_back = self._slots.take(call.provider)
        try:
            # Kept before anybody is asked: after a crash its news must find a call that dials.
            await self._archive.set_state(call.id, CallState.DIALING, self._clock().timestamp())
            if self._daily is not None:
                self._daily.begun()
            await begin()
            # It may have been canceled in between; from here on whoever cancels finds it live.
            fresh = await self._archive.get(call.id)
            goes_on = fresh is not None and not fresh.state.final
        finally:
            self._slots.started(call.provider)  # the placer counts it from here on
            if not goes_on:
                give_back()
        return goes_on

    async def _not_placed(self, call: Call) -> None:
        """Let a call that was to be placed wait again; it does so even if that cannot be kept."""
        try:
            await self._archive.put_off(call.id, self._clock().timestamp())
        except StoreError as exc:
            _log.warning("call_state_not_kept", error=str(exc))

    def _order(self, call: Call, to: str) -> DialOrder:
        return DialOrder(
            call_id=call.id,
            to=to,
            token="",
            ring_s=self._limits.ring_s,
            max_s=self._limits.max_s,
            detect_machine=self._limits.detect_machines,
        )

    async def _refused(self, call: Call, exc: Exception) -> JobOutcome:
        try:
            await self._close(call, CallState.FAILED, EndReason.NOT_DIALED, cause_of(exc))
        except StoreError:  # nothing was placed: the refusal may be heard once more
            return Retry("the call's end could not be kept")
        return Dead(str(exc))

    async def _close(
        self, call: Call, state: CallState, reason: EndReason, cause: str = ""
    ) -> None:
        ending = CallEnding(state, reason, cause=cause)
        await self._archive.end(call, ending, self._clock().timestamp())


def promised_at(job: Job) -> datetime:
    """Return when the call of a ``callback`` job is due, also of one that is tried anew."""
    due = job.payload.get("due")
    return datetime.fromisoformat(due) if due else job.run_at


def cause_of(exc: Exception) -> str:
    """Return what to keep as the cause of a call that could not be placed."""
    kind = getattr(exc, "kind", "")
    return str(kind or exc)[:120]


class CallbackDialer:
    """Handles ``callback`` jobs.

    Args:
        place: Accepts a call.
        on_missed: The jobs of telling that a promise was missed.
    """

    def __init__(
        self,
        rules: DialRules,
        policy: CallbackPolicy,
        callbacks: DialledCallbacks,
        place: Callable[[CallRequest], Awaitable[AcceptedCall]],
        on_missed: Callable[[Callback], Sequence[NewJob]],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._rules = rules
        self._policy = policy
        self._callbacks = callbacks
        self._place = place
        self._on_missed = on_missed
        self._clock = clock

    async def __call__(self, job: Job, begin: Begin) -> JobOutcome:  # noqa: ARG002 - may be repeated
        """Call back, if it is still to be done."""
        callback = await self._callbacks.get(job.payload["callback_id"])
        if callback is None or callback.state.final:
            return Dropped("it is no longer wanted")
        # The job's key says which try it is: whoever repeats it asks for the same call.
        call_id = CallId(f"{callback.id}-{int(job.key.rpartition(':')[2]) + 1}")
        now, zone, hours = self._clock(), self._rules.zone, self._rules.hours
        due_at = promised_at(job)
        if due_at > now and not callback.attempts:
            return Postpone(due_at, "the clock was set back")
        until = self._policy.until(due_at, hours, zone)
        if now > until:
            await self._give_up(callback, call_id)
            _log.warning("callback_missed", callback_id=callback.id)
            return Done({"state": CallbackState.MISSED.value})
        opens_at = hours.next_open(now, zone)
        if opens_at > now:
            return Postpone(opens_at, "outside calling hours")
        # Before it is placed: a call that is over at once must find its promise waiting for it.
        callback = await self._callbacks.started(callback.id, call_id)
        if callback is None:
            return Dropped("it is no longer wanted, or this call was made")
        request = CallRequest(
            to=callback.phone,
            provider=callback.provider if callback.provider in self._rules.providers else "",
            agent=callback.agent if callback.agent in self._rules.agents else "",
            context={"callback_note": callback.note},
            callback_id=callback.id,
            call_id=call_id,
            until=until,
        )
        try:
            await self._place(request)
        except (FieldError, RefusedError) as exc:
            await self._give_up(callback, call_id)
            return Dead(str(exc))
        return Done({"call_id": call_id})

    async def _give_up(self, callback: Callback, call_id: CallId) -> None:
        if callback.state is CallbackState.SCHEDULED:
            await self._callbacks.missed(callback.id, self._on_missed)
        else:
            missed = CallbackState.MISSED
            await self._callbacks.settle(callback.id, call_id, missed, None, self._on_missed)
