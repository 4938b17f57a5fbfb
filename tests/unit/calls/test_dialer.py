"""When a call is dialled, when it is put off, and that nobody's phone rings twice for one order."""

from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from fakes import FakeArchive, a_record
from fwai.calls.dial_slots import FULL_S
from fwai.calls.dialer import (
    EVIDENCE_S,
    MAX_TRIES,
    CallbackDialer,
    Dialer,
    DialLimits,
    cause_of,
)
from fwai.domain.call import Call, CallEnding, CallId, CallState, DialOrder, Direction, EndReason
from fwai.domain.callback import Callback, CallbackPolicy, CallbackState, NewCallback
from fwai.domain.hours import CallingHours
from fwai.domain.job import (
    CALLBACK,
    Dead,
    Done,
    Dropped,
    JobOutcome,
    Postpone,
    Retry,
    Unknown,
)
from fwai.domain.job import NewJob as New
from fwai.domain.outbound import AcceptedCall, CallRequest, DialRules
from fwai.domain.record import CallRecord
from fwai.errors import (
    ApiError,
    ApiUnknownError,
    BusyError,
    FieldError,
    RefusedError,
    StoreError,
    WireError,
)
from fwai.interfaces.calls import OutboundLine
from fwai.interfaces.store import CallbackJobs
from fwai.store.callbacks import Callbacks
from unit.jobs.kit import PHONE, T0, Begun, a_job, no_mark
from unit.store.kit import Clock, a_database, jobs_in, sqlite_url

KOLKATA = ZoneInfo("Asia/Kolkata")
RULES = DialRules(
    {"plivo": "+918888800000"}, ("FWAI_Core",), CallingHours.parse("09:00-21:00"), KOLKATA
)
CALL = Call(CallId("c-1"), "plivo", Direction.OUTBOUND, PHONE, "+918888800000", "FWAI_Core")


class Archive(FakeArchive):
    """Fails to keep an end as often as it is told to."""

    sick = 0
    not_before: datetime | None = None

    async def end(self, call: Call, ending: CallEnding, at: float) -> bool:
        self._fail()
        return await super().end(call, ending, at)

    async def put_off(self, call_id: CallId, at: float) -> bool:
        self._fail()
        return await super().put_off(call_id, at)

    async def get(self, call_id: CallId) -> CallRecord | None:
        record = await super().get(call_id)
        return record and replace(record, not_before=self.not_before)

    def _fail(self) -> None:
        if self.sick:
            self.sick -= 1
            raise StoreError("disk")

    def waiting(self) -> list[CallRecord]:
        return [
            a_record(call, self.states[call.id])
            for call in self.calls.values()
            if self.states[call.id] in (CallState.DIALING, CallState.RINGING)
        ]


class Phones:
    """Places calls, or fails to; what is placed rings until it is taken away."""

    def __init__(self) -> None:
        self.answer: Exception | str = "p-1"
        self.orders: list[DialOrder] = []
        self.ringing: set[CallId] = set()

    async def place(self, call: Call, line: OutboundLine, order: DialOrder) -> str:
        self.orders.append(order)
        if isinstance(self.answer, Exception):
            raise self.answer
        self.ringing.add(call.id)
        return self.answer

    def outbound(self, provider: str) -> int:
        return len(self.ringing)

    def live(self, call_id: CallId) -> bool:
        return call_id in self.ringing


class Desk:
    """A dialer and what it needs."""

    def __init__(self, **limits: float) -> None:
        self.clock = Clock()
        self.clock.now = T0
        self.archive = Archive()
        self.phones = Phones()
        self.forbidden: set[str] = set()
        self.elsewhere: set[str] = set()
        self.away_s: dict[str, float] = {}  # by agent
        self.mark = Begun()
        self.lines: dict[str, OutboundLine] = {"plivo": object()}  # type: ignore[dict-item]
        self.limits = DialLimits(**limits)  # type: ignore[arg-type]
        self.dialer = self.restarted()

    def restarted(self) -> Dialer:
        self.dialer = Dialer(
            RULES,
            self.limits,
            self.lines,
            self.archive,
            self.phones,
            self,
            lambda record: record.call.id in self.elsewhere,
            self.clock,
            away_s=lambda call: self.away_s.get(call.agent),
        )
        return self.dialer

    async def do_not_call(self, phone: str) -> bool:
        return phone in self.forbidden

    def keep(self, call: Call = CALL, state: CallState = CallState.QUEUED) -> None:
        self.archive.calls[call.id], self.archive.states[call.id] = call, state

    async def dial(self, call_id: str = "c-1", **facts: object) -> JobOutcome:
        job = a_job("dial", **({"payload": {"call_id": call_id}} | facts))
        return await self.dialer.dial(job, self.mark)

    async def watch(self) -> JobOutcome:
        return await self.dialer.watch(a_job(payload={"call_id": "c-1"}), no_mark)

    @property
    def ending(self) -> tuple[CallState, EndReason, str]:
        ending = self.archive.endings[CallId("c-1")]
        return ending.state, ending.reason, ending.cause


@pytest.fixture
def desk() -> Desk:
    made = Desk()
    made.keep()
    return made


def in_s(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


# ---- an ordinary call ---------------------------------------------------------------------------


async def test_a_call_is_dialled_once_it_is_marked(desk: Desk) -> None:
    assert await desk.dial() == Done(ref="p-1")

    (order,) = desk.phones.orders
    assert (order.call_id, order.to, order.ring_s) == ("c-1", PHONE, 45)
    assert desk.mark.times == 1


async def test_whoever_finds_the_mark_finds_a_call_that_dials(desk: Desk) -> None:
    """After a crash behind the mark the provider's news must find it dialling."""
    seen: list[CallState] = []

    async def mark() -> None:
        seen.append(desk.archive.states[CallId("c-1")])

    await desk.dialer.dial(a_job("dial", payload={"call_id": "c-1"}), mark)

    assert seen == [CallState.DIALING]


@pytest.mark.parametrize("state", [s for s in CallState if s.final])
async def test_a_call_that_is_over_is_not_dialled(desk: Desk, state: CallState) -> None:
    desk.keep(state=state)

    assert isinstance(await desk.dial(), Dropped)
    assert isinstance(await desk.dial(begun_at=T0), Dropped)
    assert isinstance(await desk.dial("erased"), Dropped)
    assert desk.phones.orders == []


async def test_nobody_is_called_who_forbade_it_since(desk: Desk) -> None:
    desk.forbidden.add(PHONE)

    assert isinstance(await desk.dial(), Dropped)

    assert desk.phones.orders == []
    assert desk.ending == (CallState.CANCELED, EndReason.NOT_DIALED, "do_not_call")


async def test_outside_calling_hours_it_waits_for_the_morning(desk: Desk) -> None:
    desk.clock.now = datetime(2026, 11, 24, 21, 0, tzinfo=KOLKATA)

    outcome = await desk.dial()

    assert isinstance(outcome, Postpone)
    assert outcome.run_at == datetime(2026, 11, 25, 9, 0, tzinfo=KOLKATA)
    assert desk.archive.states[CallId("c-1")] is CallState.SCHEDULED
    assert (desk.phones.orders, desk.mark.times) == ([], 0)


async def test_nobody_is_rung_up_while_the_agent_cannot_be_had(desk: Desk) -> None:
    desk.away_s["FWAI_Core"] = 7.0
    desk.keep(replace(CALL, id=CallId("c-2"), agent="Sales"))

    assert await desk.dial() == Postpone(in_s(7), "the model cannot be reached")
    assert desk.archive.states[CallId("c-1")] is CallState.SCHEDULED
    assert (desk.phones.orders, desk.mark.times) == ([], 0)
    assert await desk.dial("c-2") == Done(ref="p-1"), "another agent's model is there"

    desk.away_s.clear()
    desk.clock.move(7)
    assert await desk.dial() == Done(ref="p-1")


async def test_a_call_whose_agent_is_away_for_too_long_is_given_up(desk: Desk) -> None:
    desk.away_s["FWAI_Core"] = 60.0
    payload = {"call_id": "c-1", "until": in_s(90).isoformat()}

    for _ in range(2):
        assert isinstance(await desk.dial(payload=payload), Postpone)
        desk.clock.move(60)
    assert isinstance(await desk.dial(payload=payload), Dropped)

    assert desk.ending == (CallState.CANCELED, EndReason.NOT_DIALED, "too_late")


async def test_a_provider_that_is_gone_ends_the_call(desk: Desk) -> None:
    desk.lines.clear()

    assert isinstance(await desk.dial(), Dead)

    assert desk.ending == (CallState.FAILED, EndReason.NOT_DIALED, "provider_not_enabled")


@pytest.mark.parametrize(
    ("kept", "dialled"),
    [("+9109999900001", PHONE), ("+91999990000", ""), ("+91919999900001", "")],
)
async def test_a_number_that_an_earlier_version_took_is_dialled_right_or_not_at_all(
    desk: Desk, kept: str, dialled: str
) -> None:
    desk.keep(replace(CALL, caller=kept))

    outcome = await desk.dial()

    assert [order.to for order in desk.phones.orders] == ([dialled] if dialled else [])
    if not dialled:
        assert isinstance(outcome, Dead)
        assert desk.ending == (CallState.FAILED, EndReason.NOT_DIALED, "no_number")


async def test_what_waited_too_long_is_not_dialled_any_more(desk: Desk) -> None:
    payload = {"call_id": "c-1", "until": in_s(-1).isoformat()}

    assert isinstance(await desk.dial(payload=payload), Dropped)

    assert desk.phones.orders == []
    assert desk.ending == (CallState.CANCELED, EndReason.NOT_DIALED, "too_late")


@pytest.mark.parametrize(("waited_s", "dialled"), [(10.0, True), (10.5, False)])
async def test_what_waits_its_turn_for_too_long_is_not_dialled_any_more(
    desk: Desk, waited_s: float, dialled: bool
) -> None:
    payload = {"call_id": "c-1", "until": in_s(10).isoformat()}
    desk.clock.move(waited_s)

    await desk.dial(payload=payload)

    assert bool(desk.phones.orders) is dialled


async def test_a_call_that_is_canceled_while_it_is_marked_is_not_dialled(desk: Desk) -> None:
    async def canceled() -> None:
        desk.archive.states[CallId("c-1")] = CallState.CANCELED

    outcome = await desk.dialer.dial(a_job("dial", payload={"call_id": "c-1"}), canceled)

    assert isinstance(outcome, Dropped)
    assert desk.phones.orders == []


async def test_a_full_provider_is_asked_ever_more_rarely(desk: Desk) -> None:
    desk.phones.answer = BusyError("concurrency")
    gaps = []
    for _ in range(8):
        outcome = await desk.dial()
        assert isinstance(outcome, Postpone)
        gaps.append((outcome.run_at - desk.clock.now).total_seconds())
        desk.clock.now = outcome.run_at

    assert gaps == [2, 4, 8, 16, 32, 60, 60, 60]

    desk.phones.answer = "p-1"
    assert isinstance(await desk.dial(), Done)


# ---- how much at once ---------------------------------------------------------------------------


async def test_a_call_waits_for_the_next_slot_and_reserves_none() -> None:
    desk = Desk(per_second=2.0)
    for number in range(5):
        desk.keep(replace(CALL, id=CallId(f"c-{number}")))

    outcomes = [await desk.dial(f"c-{number}") for number in range(5)]

    assert outcomes[0] == Done(ref="p-1")
    turns = [outcome.run_at for outcome in outcomes if isinstance(outcome, Postpone)]
    assert turns == [in_s(0.5)] * 4
    for number in range(1, 5):
        desk.clock.move(0.5)
        assert await desk.dial(f"c-{number}") == Done(ref="p-1")


@pytest.mark.parametrize("gone", ["canceled", "erased", "dialled elsewhere", "forbidden"])
async def test_a_thousand_calls_that_do_not_wait_any_more_delay_nobody(gone: str) -> None:
    desk = Desk(per_second=1.0)
    ids = [CallId(f"c-{number}") for number in range(1_000)]
    for call_id in ids:
        desk.keep(replace(CALL, id=call_id, caller="+919999900007"))
        await desk.dial(call_id)
    for call_id in ids[1:]:
        if gone == "erased":
            del desk.archive.calls[call_id]
        elif gone == "forbidden":
            desk.forbidden.add("+919999900007")
        else:
            state = CallState.CANCELED if gone == "canceled" else CallState.RINGING
            desk.archive.states[call_id] = state
    desk.keep(replace(CALL, id=CallId("next")))
    desk.clock.move(1)

    for call_id in ids[1:]:
        assert isinstance(await desk.dial(call_id), Dropped | Done)

    assert await desk.dial("next") == Done(ref="p-1")
    assert len(desk.phones.orders) == 2


@pytest.mark.parametrize("how", ["canceled", "erased", "lease lost", "database"])
async def test_a_slot_that_was_not_used_is_the_next_ones(how: str) -> None:
    desk = Desk(per_second=0.1, at_once=1)
    for number in range(3):
        desk.keep(replace(CALL, id=CallId(f"c-{number}")))
    assert await desk.dial("c-0") == Done(ref="p-1")
    desk.phones.ringing.clear()
    desk.clock.move(10)

    async def meanwhile() -> None:
        if how == "canceled":
            desk.archive.states[CallId("c-1")] = CallState.CANCELED
        elif how == "erased":
            del desk.archive.calls[CallId("c-1")]
        else:
            raise StoreError(how)

    with suppress(StoreError):
        job = a_job("dial", payload={"call_id": "c-1"})
        assert isinstance(await desk.dialer.dial(job, meanwhile), Dropped)

    assert desk.dialer.gate_s("plivo") == 0
    assert await desk.dial("c-2") == Done(ref="p-1")
    assert desk.dialer.gate_s("plivo") == 10, "and the pace is kept"


async def test_a_restart_keeps_the_pace() -> None:
    desk = Desk(per_second=0.1)
    desk.keep()

    desk.restarted().resume("plivo", in_s(-4))

    assert desk.dialer.gate_s("plivo") == 6
    outcome = await desk.dial()
    assert isinstance(outcome, Postpone)
    assert outcome.run_at == in_s(6)


@pytest.mark.parametrize("state", [CallState.QUEUED, CallState.SCHEDULED, CallState.DIALING])
@pytest.mark.parametrize("why", ["hours", "full", "pace", "busy", "retry", "not before", "crash"])
async def test_a_call_that_waits_never_says_that_it_is_dialling(state: CallState, why: str) -> None:
    desk = Desk(at_once=1)
    desk.keep(state=state)
    facts: dict[str, datetime] = {}
    match why:
        case "hours":
            desk.clock.now = datetime(2026, 11, 24, 21, 0, tzinfo=KOLKATA)
        case "full":
            desk.phones.ringing.add(CallId("c-9"))
        case "pace":
            desk.dialer.resume("plivo", T0)
        case "busy":
            desk.phones.answer = BusyError("concurrency")
        case "retry":
            desk.phones.answer = ApiError("plivo", "cannot connect", retryable=True)
        case "not before":
            desk.archive.not_before = in_s(60)
        case "crash":
            facts["begun_at"] = T0
            desk.clock.now = datetime(2026, 11, 24, 21, 0, tzinfo=KOLKATA)

    outcome = await desk.dial("c-1", **facts)

    assert isinstance(outcome, Postpone | Retry)
    assert desk.archive.states[CallId("c-1")] in (CallState.QUEUED, CallState.SCHEDULED)


async def test_a_call_keeps_its_time_when_the_state_cannot_be_kept(desk: Desk) -> None:
    desk.phones.answer = BusyError("concurrency")
    desk.archive.sick = 1

    assert isinstance(await desk.dial(), Postpone), "nothing was placed, so nothing is unknown"


async def test_providers_do_not_wait_for_each_other() -> None:
    desk = Desk(per_second=1.0)
    desk.lines["exotel"] = desk.lines["plivo"]
    desk.keep()
    desk.keep(replace(CALL, id=CallId("c-2"), provider="exotel"))

    assert [await desk.dial("c-1"), await desk.dial("c-2")] == [Done(ref="p-1")] * 2


async def test_no_more_ring_or_run_than_may() -> None:
    desk = Desk(at_once=2, per_second=100.0)
    for number in range(4):
        desk.keep(replace(CALL, id=CallId(f"c-{number}")))
        desk.clock.move(1)
        await desk.dial(f"c-{number}")
    assert len(desk.phones.orders) == 2

    desk.phones.ringing.clear()
    desk.clock.move(10)

    assert await desk.dial("c-3") == Done(ref="p-1")


async def test_two_that_are_dialled_at_once_do_not_both_take_the_last_line() -> None:
    desk = Desk(at_once=1, per_second=100.0)
    for number in range(2):
        desk.keep(replace(CALL, id=CallId(f"c-{number}")))
    others: list[JobOutcome] = []

    async def while_marking() -> None:
        desk.clock.move(1)
        others.append(await desk.dial("c-1"))

    job = a_job("dial", payload={"call_id": "c-0"})
    await desk.dialer.dial(job, while_marking)

    assert isinstance(others[0], Postpone)
    assert len(desk.phones.orders) == 1


async def test_a_full_server_opens_its_gate_when_a_line_is_free() -> None:
    desk = Desk(at_once=1, per_second=1.0)
    desk.phones.ringing.add(CallId("c-9"))
    assert desk.dialer.gate_s("plivo") == FULL_S

    desk.phones.ringing.clear()

    assert desk.dialer.gate_s("plivo") == 0


# ---- what the provider says ---------------------------------------------------------------------


async def test_no_answer_is_unknown_and_never_dialled_again(desk: Desk) -> None:
    desk.phones.answer = ApiUnknownError("plivo", "no answer")

    assert isinstance(await desk.dial(), Unknown)

    assert desk.archive.endings == {}, "its news may still come"


@pytest.mark.parametrize("attempt", range(1, MAX_TRIES))
async def test_a_passing_refusal_is_tried_again(desk: Desk, attempt: int) -> None:
    desk.phones.answer = ApiError("plivo", "too many requests", retryable=True)

    assert isinstance(await desk.dial(attempts=attempt), Retry)
    assert desk.archive.endings == {}


@pytest.mark.parametrize(
    ("refusal", "attempts", "cause"),
    [
        (ApiError("plivo", "refused (HTTP 400)"), 1, "plivo: refused (HTTP 400)"),
        (ApiError("plivo", "too many", retryable=True), MAX_TRIES, "plivo: too many"),
        (WireError("no SDP"), 1, "no SDP"),
    ],
)
async def test_a_final_refusal_ends_the_call_with_its_cause(
    desk: Desk, refusal: Exception, attempts: int, cause: str
) -> None:
    desk.phones.answer = refusal

    assert isinstance(await desk.dial(attempts=attempts), Dead)

    assert desk.ending == (CallState.FAILED, EndReason.NOT_DIALED, cause)


async def test_a_refusal_that_cannot_be_kept_is_heard_once_more(desk: Desk) -> None:
    desk.phones.answer = ApiError("plivo", "refused (HTTP 400)")
    desk.archive.sick = 1

    assert isinstance(await desk.dial(), Retry), "nothing was placed, so nothing is unknown"
    desk.clock.move(5)
    assert isinstance(await desk.dial(attempts=2), Dead)
    assert desk.ending[0] is CallState.FAILED


async def test_no_room_is_no_attempt(desk: Desk) -> None:
    desk.phones.answer = BusyError("draining")

    outcome = await desk.dial()

    assert isinstance(outcome, Postpone)
    assert not outcome.begun


async def test_a_fault_of_ours_leaves_no_call_open(desk: Desk) -> None:
    desk.phones.answer = RuntimeError("bug")

    with pytest.raises(RuntimeError):
        await desk.dial()

    assert desk.ending == (CallState.FAILED, EndReason.INTERNAL_ERROR, "")


def test_a_cause_names_the_kind_where_there_is_one() -> None:
    class PermissionNeededError(ApiError):
        kind = "permission_needed"

    assert cause_of(PermissionNeededError("whatsapp", "the user has not permitted calls")) == (
        "permission_needed"
    )
    assert len(cause_of(ApiError("p", "x" * 500))) == 120


# ---- after a crash ------------------------------------------------------------------------------


async def test_a_crash_before_the_provider_was_asked_dials_once_the_news_had_their_time(
    desk: Desk,
) -> None:
    desk.keep(state=CallState.DIALING)

    first = await desk.dial(begun_at=T0)

    assert first == Postpone(in_s(EVIDENCE_S), "waiting for the provider's news", begun=True)
    desk.clock.move(EVIDENCE_S)
    assert await desk.dial(begun_at=T0) == Done(ref="p-1")
    assert len(desk.phones.orders) == 1


async def test_news_that_came_while_the_server_was_down_get_their_time_again(desk: Desk) -> None:
    desk.keep(state=CallState.DIALING)
    desk.clock.move(3600)
    desk.restarted()

    outcome = await desk.dial(begun_at=T0)

    assert isinstance(outcome, Postpone)
    assert outcome.run_at == in_s(3600 + EVIDENCE_S)
    assert outcome.begun


async def test_it_is_not_dialled_again_while_it_may_still_ring() -> None:
    desk = Desk(ring_s=120)
    desk.keep(state=CallState.DIALING)
    desk.clock.move(120)

    assert isinstance(await desk.dial(begun_at=T0), Postpone)
    assert desk.phones.orders == []


@pytest.mark.parametrize(
    ("state", "provider_call_id"),
    [(CallState.DIALING, "p-1"), (CallState.RINGING, "p-1"), (CallState.RINGING, "")],
)
async def test_a_call_whose_news_came_is_not_dialled_again_and_not_left_open(
    desk: Desk, state: CallState, provider_call_id: str
) -> None:
    desk.keep(replace(CALL, provider_call_id=provider_call_id), state)

    outcome = await desk.dial(begun_at=T0)

    assert isinstance(outcome, Postpone)
    assert outcome.begun
    desk.clock.now = outcome.run_at
    assert await desk.dial(begun_at=T0) == Done(ref=provider_call_id)
    assert desk.phones.orders == []
    assert desk.ending == (CallState.FAILED, EndReason.SERVER_CRASHED, "")


async def test_a_call_that_goes_on_here_is_left_alone(desk: Desk) -> None:
    desk.keep(state=CallState.DIALING)
    desk.phones.ringing.add(CallId("c-1"))

    assert isinstance(await desk.dial(begun_at=in_s(-900)), Done)

    assert desk.archive.endings == {}
    assert desk.phones.orders == []


@pytest.mark.parametrize("state", [CallState.QUEUED, CallState.SCHEDULED])
async def test_a_watched_call_that_nobody_dialled_was_not_dialled(
    desk: Desk, state: CallState
) -> None:
    """Its dial job failed too often."""
    desk.keep(state=state)

    assert await desk.watch() == Done()

    assert desk.ending == (CallState.FAILED, EndReason.NOT_DIALED, "")


async def test_a_conversation_in_another_process_is_not_cut_off(desk: Desk) -> None:
    desk.keep(state=CallState.IN_PROGRESS)
    desk.elsewhere.add("c-1")
    desk.clock.move(3600)

    assert await desk.watch() == Done()
    assert isinstance(await desk.dial(begun_at=T0), Done)
    assert desk.archive.endings == {}


@pytest.mark.parametrize("state", [CallState.COMPLETED, CallState.RINGING])
async def test_a_watched_call_that_goes_on_or_is_over_stays_as_it_is(
    desk: Desk, state: CallState
) -> None:
    desk.keep(state=state)
    desk.phones.ringing.add(CallId("c-1"))

    assert await desk.watch() == Done()
    assert desk.archive.endings == {}


# ---- callbacks ----------------------------------------------------------------------------------

PROMISE = Callback(
    "cb_1", PHONE, "plivo", "FWAI_Core", T0, "the Hindi course", CallbackState.SCHEDULED,
    0, "c-0", "", T0,
)  # fmt: skip


class Book:
    """One promise, with the steps of the store's."""

    def __init__(self, callback: Callback) -> None:
        self.callback = callback
        self.told: list[New] = []

    async def get(self, callback_id: str) -> Callback | None:
        return self.callback if callback_id == self.callback.id else None

    async def started(self, callback_id: str, call_id: str) -> Callback | None:
        now = self.callback
        if now.state is CallbackState.SCHEDULED and now.last_call_id != call_id:
            self.callback = replace(
                now,
                state=CallbackState.CALLING,
                attempts=now.attempts + 1,
                last_call_id=call_id,
            )
            return self.callback
        same = now.state is CallbackState.CALLING and now.last_call_id == call_id
        return now if same else None

    async def missed(self, callback_id: str, also: CallbackJobs) -> Callback | None:
        if self.callback.state is not CallbackState.SCHEDULED:
            return None
        return self._become(CallbackState.MISSED, also)

    async def settle(
        self,
        callback_id: str,
        call_id: str,
        state: CallbackState,
        retry_at: datetime | None,
        also: CallbackJobs = lambda _: (),
    ) -> Callback | None:
        assert (state is CallbackState.SCHEDULED) == (retry_at is not None)
        now = self.callback
        if now.state is not CallbackState.CALLING or now.last_call_id != call_id:
            return None
        return self._become(state, also)

    def _become(self, state: CallbackState, also: CallbackJobs) -> Callback:
        self.callback = replace(self.callback, state=state)
        self.told += also(self.callback)
        return self.callback


class Promises:
    def __init__(self, callback: Callback = PROMISE) -> None:
        self.clock = Clock()
        self.clock.now = T0
        self.book = Book(callback)
        self.placed: list[CallRequest] = []
        self.refusal: Exception | None = None
        self.states: list[CallbackState] = []
        self.dialer = CallbackDialer(
            RULES, CallbackPolicy(), self.book, self.place, self.tell, self.clock
        )

    async def place(self, request: CallRequest) -> AcceptedCall:
        self.states.append(self.book.callback.state)
        if self.refusal is not None:
            raise self.refusal
        self.placed.append(request)
        return AcceptedCall(CALL, CallState.QUEUED, T0, new=True)

    def tell(self, callback: Callback) -> list[New]:
        return [New("event", f"event:callback.missed:{callback.id}")]

    def call(self, attempt: int = 0, run_at: datetime = T0) -> Awaitable[JobOutcome]:
        job = a_job(
            CALLBACK,
            key=f"callback:cb_1:{attempt}",
            payload={"callback_id": "cb_1"},
            run_at=run_at,
        )
        return self.dialer(job, no_mark)

    @property
    def state(self) -> CallbackState:
        return self.book.callback.state


async def test_a_promise_whose_time_has_come_becomes_a_call() -> None:
    desk = Promises()

    assert await desk.call() == Done({"call_id": "cb_1-1"})

    (request,) = desk.placed
    assert (request.to, request.provider, request.agent) == (PHONE, "plivo", "FWAI_Core")
    assert (request.callback_id, request.call_id) == ("cb_1", "cb_1-1")
    assert request.context == {"callback_note": "the Hindi course"}
    assert desk.state is CallbackState.CALLING


async def test_the_call_finds_its_promise_waiting_even_if_it_is_over_at_once() -> None:
    desk = Promises()

    await desk.call()

    assert desk.states == [CallbackState.CALLING], "noted before the call can end"


async def test_a_promise_is_kept_once_however_often_its_job_runs() -> None:
    desk = Promises()

    await desk.call()
    await desk.call()

    assert {request.call_id for request in desk.placed} == {"cb_1-1"}
    assert desk.book.callback.attempts == 1


async def test_a_job_that_runs_again_after_its_call_failed_does_not_make_the_next_one_early() -> (
    None
):
    desk = Promises()
    await desk.call()
    await desk.book.settle("cb_1", "cb_1-1", CallbackState.SCHEDULED, T0 + timedelta(minutes=15))

    assert isinstance(await desk.call(attempt=0), Dropped)
    assert [request.call_id for request in desk.placed] == ["cb_1-1"]

    desk.clock.move(900)
    assert await desk.call(attempt=1, run_at=in_s(900)) == Done({"call_id": "cb_1-2"})


@pytest.mark.parametrize("state", [s for s in CallbackState if s.final])
async def test_a_promise_that_is_over_is_not_kept_again(state: CallbackState) -> None:
    desk = Promises(replace(PROMISE, state=state))

    assert isinstance(await desk.call(), Dropped)
    assert desk.placed == []


async def test_a_promise_taken_back_in_the_last_moment_makes_no_call() -> None:
    desk = Promises()
    get = desk.book.get

    async def then_canceled(callback_id: str) -> Callback | None:
        found = await get(callback_id)
        desk.book.callback = replace(PROMISE, state=CallbackState.CANCELED)
        return found

    desk.book.get = then_canceled  # type: ignore[method-assign]

    assert isinstance(await desk.call(), Dropped)
    assert desk.placed == []


@pytest.mark.parametrize(("late_s", "made"), [(7200, True), (7201, False), (90_000, False)])
async def test_a_callback_is_made_late_within_its_window_and_reported_after_it(
    late_s: float, made: bool
) -> None:
    desk = Promises()
    desk.clock.move(late_s)

    await desk.call()

    assert bool(desk.placed) is made
    assert desk.state is (CallbackState.CALLING if made else CallbackState.MISSED)
    assert [job.key for job in desk.book.told] == ([] if made else ["event:callback.missed:cb_1"])


async def test_a_second_try_is_not_made_after_its_window_either() -> None:
    tried = replace(PROMISE, attempts=1, last_call_id="cb_1-1")
    desk = Promises(tried)
    desk.clock.move(900 + 7201)

    await desk.call(attempt=1, run_at=in_s(900))

    assert desk.placed == []
    assert desk.state is CallbackState.MISSED


async def test_the_night_does_not_count_as_late() -> None:
    evening = datetime(2026, 11, 24, 21, 5, tzinfo=KOLKATA)
    desk = Promises(replace(PROMISE, due_at=evening))
    desk.clock.now = evening

    outcome = await desk.call(run_at=evening)

    morning = datetime(2026, 11, 25, 9, 0, tzinfo=KOLKATA)
    assert isinstance(outcome, Postpone)
    assert outcome.run_at == morning
    desk.clock.now = morning
    assert await desk.call(run_at=evening) == Done({"call_id": "cb_1-1"})


@pytest.mark.parametrize(
    ("due", "runs", "called"),
    [
        ((20, 58), (21, 1), True),  # the server was down at closing
        ((20, 59), (21, 0), True),
        ((19, 0), (21, 0), True),
        ((18, 58), (21, 0), False),  # two hours in which it might have been called
        ((8, 0), (11, 0), True),
        ((8, 0), (11, 1), False),
    ],
)
async def test_a_night_makes_no_promise_late(
    due: tuple[int, int], runs: tuple[int, int], called: bool
) -> None:
    due_at = datetime(2026, 11, 24, *due, tzinfo=KOLKATA)
    desk = Promises(replace(PROMISE, due_at=due_at))
    desk.clock.now = datetime(2026, 11, 24, *runs, tzinfo=KOLKATA)

    outcome = await desk.call(run_at=due_at)
    if isinstance(outcome, Postpone):
        desk.clock.now = outcome.run_at + timedelta(seconds=30)  # others are called first
        await desk.call(run_at=due_at)

    assert desk.state is (CallbackState.CALLING if called else CallbackState.MISSED)


async def test_a_call_that_waits_for_a_line_past_closing_may_be_dialled_in_the_morning() -> None:
    due_at = datetime(2026, 11, 24, 20, 58, tzinfo=KOLKATA)
    desk = Promises(replace(PROMISE, due_at=due_at))
    desk.clock.now = due_at

    await desk.call(run_at=due_at)

    assert desk.placed[0].until == datetime(2026, 11, 25, 10, 58, tzinfo=KOLKATA)


async def test_a_crash_before_the_call_was_asked_for_loses_no_promise() -> None:
    desk = Promises()
    desk.refusal = StoreError("killed")
    with pytest.raises(StoreError):
        await desk.call()
    desk.refusal = None

    assert await desk.call() == Done({"call_id": "cb_1-1"})
    assert [request.call_id for request in desk.placed] == ["cb_1-1"]


@pytest.mark.parametrize(
    "refusal", [RefusedError("do-not-call", "no"), FieldError("provider", "unknown")]
)
async def test_a_promise_that_cannot_be_kept_is_reported(refusal: Exception) -> None:
    desk = Promises()
    desk.refusal = refusal

    outcome = await desk.call()

    assert isinstance(outcome, Dead)
    assert PHONE not in outcome.why
    assert desk.state is CallbackState.MISSED
    assert len(desk.book.told) == 1


async def test_a_provider_or_an_agent_that_is_gone_is_replaced_by_the_default() -> None:
    desk = Promises(replace(PROMISE, provider="gone", agent="gone"))

    await desk.call()

    assert (desk.placed[0].provider, desk.placed[0].agent) == ("", "")


async def test_a_promise_lives_in_the_store_as_it_does_here(tmp_path: Path) -> None:
    """Promised, not reached, tried again, called off: with the jobs that the store writes."""
    clock = Clock()
    clock.now = T0
    async with a_database(sqlite_url(tmp_path)) as database:
        jobs = jobs_in(database, clock)
        book = Callbacks(database, jobs, clock=clock)
        desk = Promises()
        work = CallbackDialer(RULES, CallbackPolicy(), book, desk.place, desk.tell, clock)
        promise, _ = await book.schedule(NewCallback("k", PHONE, "plivo", "FWAI_Core", T0))

        async def next_job() -> JobOutcome:
            (job,) = await jobs.lease(5, [CALLBACK])
            outcome = await work(job, no_mark)
            assert isinstance(await work(job, no_mark), type(outcome)), "repeated"
            await jobs.settle(job, outcome)
            return outcome

        first = f"{promise.id}-1"
        assert await next_job() == Done({"call_id": first})
        retry_at = in_s(900)
        assert await book.settle(promise.id, first, CallbackState.SCHEDULED, retry_at)
        assert await jobs.next_at([CALLBACK]) == retry_at
        clock.move(900)
        assert await next_job() == Done({"call_id": f"{promise.id}-2"})
        assert {request.call_id for request in desk.placed} == {first, f"{promise.id}-2"}

        desk.refusal = RefusedError("do-not-call", "no")
        again_at = in_s(1800)
        second = f"{promise.id}-2"
        assert await book.settle(promise.id, second, CallbackState.SCHEDULED, again_at)
        clock.move(900)
        (job,) = await jobs.lease(5, [CALLBACK])
        assert isinstance(await work(job, no_mark), Dead)
        kept = await book.get(promise.id)
        assert kept is not None
        assert kept.state is CallbackState.MISSED
        assert await jobs.by_key(f"event:callback.missed:{promise.id}") is not None
