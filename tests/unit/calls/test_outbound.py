"""What may be asked to be called, and what becomes of it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fwai.calls.outbound import (
    HORIZON_DAYS,
    MAX_CONTEXT,
    MAX_CONTEXT_NAME,
    MAX_CONTEXT_VALUE,
    OutboundCalls,
)
from fwai.domain.call import Call, CallId, CallState, Direction
from fwai.domain.hours import CallingHours
from fwai.domain.job import NewJob
from fwai.domain.outbound import CallRequest, DialRules
from fwai.errors import FieldError, RefusedError
from unit.jobs.kit import PHONE, T0
from unit.store.kit import Clock

KOLKATA = ZoneInfo("Asia/Kolkata")
RULES = DialRules(
    {"plivo": "+918888800000", "exotel": "+918888800001"},
    ("FWAI_Core", "Sales"),
    CallingHours.parse("09:00-21:00"),
    KOLKATA,
)


class Desk:
    def __init__(self, rules: DialRules = RULES) -> None:
        self.clock = Clock()
        self.clock.now = T0
        self.kept: dict[CallId, tuple[Call, CallState, datetime | None, Sequence[NewJob]]] = {}
        self.forbidden: set[str] = set()
        self.outbound = OutboundCalls(rules, self, self, self.may_post, self.clock)

    async def place(
        self,
        call: Call,
        state: CallState,
        at: float,
        *,
        not_before: datetime | None = None,
        jobs: Sequence[NewJob] = (),
    ) -> bool:
        assert at == self.clock.now.timestamp()
        if call.id in self.kept:
            return False
        self.kept[call.id] = (call, state, not_before, jobs)
        return True

    async def do_not_call(self, phone: str) -> bool:
        return phone in self.forbidden

    def may_post(self, url: str) -> None:
        if "allowed" not in url:
            raise ValueError("name the host in WEBHOOK_ALLOWED_HOSTS")


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_a_call_is_kept_with_the_job_that_dials_it(desk: Desk) -> None:
    placed = await desk.outbound.place(CallRequest("+91 99999-00001"))

    assert (placed.state, placed.due_at, placed.new) == (CallState.QUEUED, T0, True)
    call, state, not_before, (job,) = desk.kept[placed.call.id]
    assert (call.caller, call.line, call.provider) == (PHONE, "+918888800000", "plivo")
    assert (call.direction, call.agent) == (Direction.OUTBOUND, "FWAI_Core")
    assert (state, not_before) == (CallState.QUEUED, None)
    assert (job.kind, job.key, job.run_at) == ("dial", f"dial:{call.id}", T0)
    assert (job.call_id, job.phone) == (call.id, PHONE)
    until = (T0 + timedelta(days=1)).isoformat()
    assert job.payload == {"call_id": call.id, "until": until}


async def test_what_is_asked_for_is_taken(desk: Desk) -> None:
    request = CallRequest(
        PHONE,
        provider="exotel",
        agent="Sales",
        context={"customer_name": "Asha"},
        webhook_url="https://allowed.example.com/x",
        callback_id="cb_1",
        call_id=CallId("cb_1-1"),
    )

    placed = await desk.outbound.place(request)
    again = await desk.outbound.place(request)

    call = placed.call
    assert (call.id, call.provider, call.agent) == ("cb_1-1", "exotel", "Sales")
    assert (call.line, call.callback_id) == ("+918888800001", "cb_1")
    assert (call.context, call.webhook_url) == (request.context, request.webhook_url)
    assert (placed.new, again.new, len(desk.kept)) == (True, False, 1)


@pytest.mark.parametrize(
    ("now", "not_before", "due_at", "state"),
    [
        ("10:00", None, "10:00", CallState.QUEUED),
        ("10:00", "12:30", "12:30", CallState.SCHEDULED),
        ("10:00", "08:00", "10:00", CallState.QUEUED),
        ("21:00", None, "33:00", CallState.SCHEDULED),
        ("07:00", None, "09:00", CallState.SCHEDULED),
        ("10:00", "22:00", "33:00", CallState.SCHEDULED),
    ],
)
async def test_it_is_dialled_inside_calling_hours_and_not_before_its_time(
    desk: Desk, now: str, not_before: str | None, due_at: str, state: CallState
) -> None:
    def at(clock: str) -> datetime:
        hours, minutes = map(int, clock.split(":"))
        day = datetime(2026, 11, 24, tzinfo=KOLKATA)
        return day + timedelta(hours=hours, minutes=minutes)

    desk.clock.now = at(now).astimezone(UTC)

    placed = await desk.outbound.place(
        CallRequest(PHONE, not_before=None if not_before is None else at(not_before))
    )

    assert (placed.due_at, placed.state) == (at(due_at), state)


async def test_who_forbade_it_is_not_called(desk: Desk) -> None:
    desk.forbidden.add(PHONE)

    with pytest.raises(RefusedError) as refused:
        await desk.outbound.place(CallRequest("0091 99999 00001"))

    assert refused.value.kind == "do-not-call"
    assert desk.kept == {}


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("to", {"to": ""}),
        ("to", {"to": "99999 00001"}),
        ("to", {"to": "099999 00001"}),
        ("to", {"to": "+91 99999 0000x"}),
        ("to", {"to": "+1"}),
        ("to", {"to": "+" + "9" * 16}),
        ("to", {"to": "+918888800000"}),
        ("to", {"to": "9999900001"}),
        ("to", {"to": "+91 99999 0000"}),
        ("to", {"to": "+91919999900001"}),
        ("to", {"to": "+9199999000010"}),
        ("to", {"to": "+91 99999 00001, 99999 00002"}),
        ("to", {"to": "+1 900 555 0123"}),
        ("to", {"to": "112"}),
        ("provider", {"provider": "skype"}),
        ("agent", {"agent": "Nobody"}),
        ("webhook_url", {"webhook_url": "https://elsewhere.example.com/"}),
        ("not_before", {"not_before": datetime(2026, 11, 24, 10, 0)}),  # noqa: DTZ001
        ("not_before", {"not_before": T0 + timedelta(days=HORIZON_DAYS)}),
        ("context", {"context": {str(n): "x" for n in range(MAX_CONTEXT + 1)}}),
        ("context", {"context": {"n" * (MAX_CONTEXT_NAME + 1): "x"}}),
        ("context", {"context": {"n": "x" * (MAX_CONTEXT_VALUE + 1)}}),
    ],
)
async def test_what_cannot_be_right_is_named(desk: Desk, field: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(FieldError) as found:
        await desk.outbound.place(replace(CallRequest(PHONE), **wrong))

    assert found.value.field == field
    assert str(found.value)
    assert desk.kept == {}


async def test_a_server_that_can_call_nobody_says_what_to_set() -> None:
    desk = Desk(replace(RULES, providers={}))

    with pytest.raises(FieldError, match="CALL_PROVIDER"):
        await desk.outbound.place(CallRequest(PHONE))
