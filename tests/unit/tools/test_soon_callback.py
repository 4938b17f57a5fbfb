"""A caller with whom nobody can agree on a time is called back as soon as that is allowed, once."""

from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest

from fakes import CALL
from fwai.domain.call import Call, CallId
from fwai.domain.callback import CallbackState
from fwai.domain.hours import CallingHours
from fwai.domain.outbound import EVERYWHERE
from fwai.domain.phone import CountryAllowList
from fwai.domain.quota import UNLIMITED
from fwai.errors import ToolError
from fwai.interfaces.messages import MessageQuotas
from fwai.tools.callbacks import MAX_OPEN, CallbackScheduler
from fwai.tools.recipient import RecipientRules
from fwai.tools.soon_callback import AFTER, SERVES, SoonCallbacks
from unit.tools.kit import INDIA, NOW, PHONE, Announced, Quotas
from unit.tools.test_callbacks import Book, People

INDIA_ONLY = CountryAllowList(frozenset({"91"}))


class Desk:
    """Promises, and what they are made of."""

    def __init__(
        self,
        reach: CountryAllowList = EVERYWHERE,
        dials: tuple[str, ...] = ("plivo", "exotel"),
        quotas: MessageQuotas = UNLIMITED,
        now: datetime = NOW,
    ) -> None:
        self.book, self.people, self.announced = Book(), People(), Announced()
        scheduler = CallbackScheduler(
            self.book, self.announced, dials, "FWAI_Default", RecipientRules(reach), quotas
        )
        hours = CallingHours(time(9), time(21))
        self.soon = SoonCallbacks(
            scheduler, self.people, zone=INDIA, hours=hours, clock=lambda: now
        )


@pytest.mark.parametrize(
    ("now", "at"),
    [
        (NOW, NOW + AFTER),
        (NOW.replace(hour=20, minute=58), datetime(2026, 11, 23, 9, tzinfo=INDIA)),
        (NOW.replace(hour=8, minute=58), datetime(2026, 11, 22, 9, tzinfo=INDIA)),
        (NOW.replace(hour=22), datetime(2026, 11, 23, 9, tzinfo=INDIA)),
        (NOW.replace(hour=3), datetime(2026, 11, 22, 9, tzinfo=INDIA)),
    ],
)
async def test_it_is_promised_for_the_next_moment_of_the_calling_hours(
    now: datetime, at: datetime
) -> None:
    desk = Desk(now=now)

    callback = await desk.soon.promise(CALL, "left a voice message")

    assert (callback.due_at, callback.phone, callback.provider) == (at, PHONE, "plivo")
    assert (callback.note, callback.source_call_id) == ("left a voice message", CALL.id)
    assert callback.agent == CALL.agent
    ((kind, _, data, call),) = desk.announced.news
    assert (kind, data["due_at"], call) == ("callback.scheduled", at.isoformat(), CALL)


async def test_the_same_call_and_one_soon_after_get_one_callback() -> None:
    quotas = Quotas()
    desk = Desk(quotas=quotas)

    first = await desk.soon.promise(CALL, "one")

    assert await desk.soon.promise(CALL, "one") == first
    assert await desk.soon.promise(replace(CALL, id=CallId("another")), "two") == first
    assert len(quotas.taken) == 1


@pytest.mark.parametrize("before", [SERVES + timedelta(minutes=1), timedelta(hours=-1)])
async def test_one_that_was_due_long_before_or_comes_later_does_not_serve(
    before: timedelta,
) -> None:
    desk = Desk()
    desk.book.add(NOW - before)

    callback = await desk.soon.promise(CALL, "now")

    assert callback.due_at == NOW + AFTER
    assert len(desk.book.times) == 2, "what was agreed stands"


async def test_the_promise_that_this_call_keeps_does_not_serve() -> None:
    desk = Desk()
    kept = desk.book.add(NOW, state=CallbackState.SCHEDULED)

    callback = await desk.soon.promise(replace(CALL, callback_id=kept.id), "now")

    assert callback.id != kept.id


@pytest.mark.parametrize(
    ("call", "desk"),
    [
        (replace(CALL, caller=""), Desk()),
        (replace(CALL, caller="", provider="browser"), Desk()),
        (replace(CALL, caller="+911860123456"), Desk()),
        (replace(CALL, caller="+14155550100"), Desk(INDIA_ONLY)),
        (CALL, Desk(dials=())),
    ],
)
async def test_who_cannot_be_called_is_promised_nothing(call: Call, desk: Desk) -> None:
    assert not desk.soon.possible(call)
    with pytest.raises(ToolError):
        await desk.soon.promise(call, "now")
    assert desk.book.kept == {}


async def test_a_caller_on_whatsapp_is_in_reach_wherever_they_are() -> None:
    desk = Desk(INDIA_ONLY, dials=("whatsapp",))

    assert desk.soon.possible(replace(CALL, caller="+14155550100", provider="whatsapp"))


async def test_whom_we_must_not_call_is_promised_nothing() -> None:
    desk = Desk()
    desk.people.forbidden[PHONE] = "asked for it"

    assert desk.soon.possible(CALL)
    with pytest.raises(ToolError, match="list of people"):
        await desk.soon.promise(CALL, "now")


async def test_the_limits_of_the_tool_hold() -> None:
    desk = Desk(quotas=Quotas(left={"callback": 0}))
    with pytest.raises(ToolError):
        await desk.soon.promise(CALL, "now")
    assert desk.book.kept == {}

    desk = Desk()
    for hours in range(MAX_OPEN):
        desk.book.add(NOW + timedelta(hours=hours + 1))
    with pytest.raises(ToolError, match="no further one"):
        await desk.soon.promise(CALL, "now")


async def test_one_that_was_canceled_since_is_not_revived() -> None:
    desk = Desk()
    first = await desk.soon.promise(CALL, "now")
    await desk.book.cancel(first.id)

    with pytest.raises(ToolError, match="over already"):
        await desk.soon.promise(CALL, "now")
