"""A promise to call back is an instant that is read back, one for each time, within hours."""

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta

import pytest

from fakes import CALL
from fwai.domain.call import CallId
from fwai.domain.callback import Callback, CallbackState, NewCallback
from fwai.domain.hours import CallingHours
from fwai.domain.job import NewJob
from fwai.domain.outbound import EVERYWHERE, DialRules
from fwai.domain.phone import CountryAllowList
from fwai.domain.quota import UNLIMITED
from fwai.errors import FieldError, StoreError
from fwai.interfaces.messages import MessageQuotas
from fwai.tools.base import Tool
from fwai.tools.callbacks import (
    MAX_CHANGES_PER_CALL,
    MAX_OPEN,
    ScheduleCallbackArgs,
    cancel_callback,
    do_not_call,
    schedule_callback,
)
from fwai.tools.recipient import RecipientRules
from unit.tools.kit import INDIA, NOW, PHONE, Actions, Announced, Quotas, noon, run, use

OPEN = (CallbackState.SCHEDULED, CallbackState.CALLING)


@dataclass
class Book:
    """Promises in memory, with the rules of the real one."""

    kept: dict[str, Callback] = field(default_factory=dict)
    jobs: list[NewJob] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    async def schedule(
        self, new: NewCallback, also: Callable[[Callback], Iterable[NewJob]]
    ) -> tuple[Callback, bool]:
        assert len(new.key) <= 160
        if new.key in self.kept:
            return self.kept[new.key], False
        callback = Callback(
            id=f"cb_{len(self.kept) + 1}",
            phone=new.phone,
            provider=new.provider,
            agent=new.agent,
            due_at=new.due_at,
            note=new.note,
            state=CallbackState.SCHEDULED,
            attempts=0,
            source_call_id=new.source_call_id,
            last_call_id="",
            created_at=NOW,
        )
        self.kept[new.key] = callback
        self.steps.append(f"schedule {callback.id}")
        self.jobs += also(callback)
        return callback, True

    async def open_for(self, phone: str) -> list[Callback]:
        return [one for one in self.kept.values() if one.phone == phone and one.state in OPEN]

    async def cancel(self, callback_id: str) -> Callback | None:
        for key, one in self.kept.items():
            if one.id == callback_id:
                self.kept[key] = replace(one, state=CallbackState.CANCELED)
                self.steps.append(f"cancel {callback_id}")
        return None

    async def cancel_for(self, phone: str) -> int:
        mine = await self.open_for(phone)
        for one in mine:
            await self.cancel(one.id)
        return len(mine)

    def add(self, due_at: datetime, *, state: CallbackState = CallbackState.SCHEDULED) -> Callback:
        number = len(self.kept) + 1
        one = Callback(
            f"cb_{number}", PHONE, "", "FWAI_Core", due_at, "", state, 0, "other", "", NOW
        )
        self.kept[f"earlier-{number}"] = one
        return one

    @property
    def times(self) -> list[str]:
        """When the open ones are, by the clock in India."""
        here = [one for one in self.kept.values() if one.state in OPEN]
        return sorted(f"{one.due_at.astimezone(INDIA):%d %H:%M}" for one in here)


@dataclass
class People:
    """Who must not be called."""

    forbidden: dict[str, str] = field(default_factory=dict)
    error: StoreError | None = None

    async def do_not_call(self, phone: str) -> bool:
        return phone in self.forbidden

    async def set_do_not_call(self, phone: str, on: bool, reason: str) -> None:
        if self.error is not None:
            raise self.error
        assert on
        self.forbidden[phone] = reason


def tool(
    book: Book,
    people: People | None = None,
    announce: Announced | None = None,
    reach: CountryAllowList = EVERYWHERE,
    dials: tuple[str, ...] = ("plivo", "exotel"),
    quotas: MessageQuotas = UNLIMITED,
    owner: str = "",
) -> Tool[ScheduleCallbackArgs]:
    return schedule_callback(
        book,
        people or People(),
        announce or Announced(),
        zone=INDIA,
        hours=CallingHours(time(9), time(21)),
        dials=dials,
        agent="FWAI_Default",
        rules=RecipientRules(reach, frozenset({owner} if owner else ())),
        quotas=quotas,
        clock=noon,
    )


async def test_a_promise_is_an_instant_that_is_read_back() -> None:
    book, announced = Book(), Announced()

    result = await run(
        tool(book, announce=announced), {"when": "tomorrow 5 pm", "note": "The fees."}
    )

    (callback,) = book.kept.values()
    assert callback.due_at == datetime(2026, 11, 23, 17, 0, tzinfo=INDIA)
    assert (callback.phone, callback.provider, callback.agent) == (PHONE, "plivo", "FWAI_Core")
    assert (callback.note, callback.source_call_id) == ("The fees.", CALL.id)
    assert result.ok
    assert result.text == (
        "It is agreed that we call back tomorrow, Monday 23 November, at 5:00 PM. "
        "Read this time back to them."
    )
    assert result.data == {
        "callback_id": "cb_1",
        "when": "2026-11-23T17:00:00+05:30",
        "spoken": "tomorrow, Monday 23 November, at 5:00 PM",
        "replaced": False,
    }


async def test_others_are_told_with_it() -> None:
    book, announced = Book(), Announced()

    await run(tool(book, announce=announced), {"when": "tomorrow 5 pm", "note": "The fees."})

    ((kind, key, data, call),) = announced.news
    assert (kind, key, call) == ("callback.scheduled", "cb_1", CALL)
    assert data == {
        "callback_id": "cb_1",
        "phone": PHONE,
        "due_at": "2026-11-23T17:00:00+05:30",
        "note": "The fees.",
        "agent": "FWAI_Core",
        "provider": "plivo",
        "call_id": CALL.id,
    }
    assert [job.kind for job in book.jobs] == ["event"]


@pytest.mark.parametrize(
    ("words", "at"),
    [
        ("tomorrow 5 pm", "23 17:00"),
        ("kal shaam 5 baje", "23 17:00"),
        ("कल शाम 5 बजे", "23 17:00"),
        ("day after tomorrow at noon", "24 12:00"),
        ("in two hours", "22 14:00"),
        ("2026-11-23T17:00:00+05:30", "23 17:00"),
        ("2026-11-23T11:30:00Z", "23 17:00"),
        ("in two minutes", "22 12:02"),
    ],
)
async def test_times_in_several_languages(words: str, at: str) -> None:
    book = Book()

    result = await run(tool(book), {"when": words})

    assert result.ok, result.text
    assert book.times == [at]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("yesterday at 5 pm", "passed"),
        ("2026-11-22T11:00", "passed"),
        ("today at 9 am", "passed"),
        ("आज सुबह 9 बजे", "passed"),
        ("tomorrow", "No time of day"),
        ("kal", "No time of day"),
        ("whenever you like", ""),
        ("जब आपका मन हो", ""),
        ("2028-01-01T12:00", "more than a year"),
    ],
)
async def test_a_time_that_cannot_be_is_refused(words: str, sentence: str) -> None:
    book = Book()

    result = await run(tool(book), {"when": words})

    assert not result.ok
    assert sentence in result.text
    assert result.text.endswith(".")
    assert book.kept == {}
    with pytest.raises(FieldError) as caught:
        await use(tool(book), {"when": words})
    assert caught.value.field == "when"


@pytest.mark.parametrize(
    ("words", "opening"),
    [
        ("tonight at 11 pm", "tomorrow, Monday 23 November, at 9:00 AM"),
        ("2026-11-24T06:00", "Tuesday 24 November, at 9:00 AM"),
        ("2026-11-24T21:00", "Wednesday 25 November, at 9:00 AM"),
    ],
)
async def test_outside_the_calling_hours_the_next_opening_is_offered(
    words: str, opening: str
) -> None:
    book = Book()

    result = await run(tool(book), {"when": words})

    assert not result.ok
    assert "from 9:00 AM to 9:00 PM" in result.text
    assert opening in result.text
    assert book.kept == {}


# ---- one promise --------------------------------------------------------------------------------


async def test_the_same_time_in_other_words_is_the_same_promise() -> None:
    book, announced = Book(), Announced()

    first = await run(tool(book, announce=announced), {"when": "tomorrow 5 pm"})
    second = await run(tool(book, announce=announced), {"when": "kal 17:00 baje"})

    assert len(book.kept) == len(announced.news) == 1
    assert first.data == second.data


async def test_another_time_in_the_same_call_replaces_the_first() -> None:
    book = Book()

    await run(tool(book), {"when": "tomorrow 5 pm"})
    result = await run(tool(book), {"when": "tomorrow 6 pm"})

    assert book.times == ["23 18:00"]
    assert "replaces the earlier time" in result.text
    assert result.data["replaced"] is True
    assert book.steps == ["schedule cb_1", "schedule cb_2", "cancel cb_1"]


async def test_they_may_go_back_to_the_first_time() -> None:
    book = Book()

    for when in ("tomorrow 5 pm", "tomorrow 6 pm", "tomorrow 5 pm"):
        result = await run(tool(book), {"when": when})
        assert result.ok, result.text

    assert book.times == ["23 17:00"]


async def test_a_promise_of_another_call_stands() -> None:
    book = Book()
    book.add(NOW + timedelta(days=2))

    result = await run(tool(book), {"when": "tomorrow 5 pm"})

    assert book.times == ["23 17:00", "24 12:00"]
    assert result.data["replaced"] is False


async def test_the_time_that_another_call_agreed_is_not_promised_twice() -> None:
    book = Book()
    book.add(datetime(2026, 11, 23, 17, 0, tzinfo=INDIA))

    result = await run(tool(book), {"when": "tomorrow 5 pm"})

    assert result.ok
    assert result.data["callback_id"] == "cb_1"
    assert len(book.kept) == 1


async def test_a_person_has_only_so_many() -> None:
    book = Book()
    for days in range(MAX_OPEN):
        book.add(NOW + timedelta(days=days + 2))

    result = await run(tool(book), {"when": "tomorrow 5 pm"})

    assert not result.ok
    assert "3 callbacks are agreed with them already" in result.text
    assert len(book.kept) == MAX_OPEN


async def test_the_promise_that_this_call_keeps_does_not_count() -> None:
    book = Book()
    mine = book.add(NOW, state=CallbackState.CALLING)
    for days in range(MAX_OPEN - 1):
        book.add(NOW + timedelta(days=days + 2))

    result = await run(
        tool(book), {"when": "tomorrow 5 pm"}, call=replace(CALL, callback_id=mine.id)
    )

    assert result.ok
    assert "cancel" not in " ".join(book.steps)


async def test_a_time_cannot_be_changed_without_end() -> None:
    book, actions = Book(), Actions()

    results = [
        await run(tool(book), {"when": f"tomorrow {hour}:00"}, actions=actions)
        for hour in range(10, 10 + MAX_CHANGES_PER_CALL + 1)
    ]

    assert [result.ok for result in results] == [True] * MAX_CHANGES_PER_CALL + [False]
    assert len(book.times) == 1


# ---- who ----------------------------------------------------------------------------------------


async def test_a_withheld_number_cannot_be_called() -> None:
    for one in (tool(Book()), cancel_callback(Book()), do_not_call(Book(), People())):
        result = await run(one, {"when": "tomorrow 5 pm"}, caller="")

        assert not result.ok
        assert "withheld" in result.text


async def test_nobody_is_promised_a_call_that_is_forbidden() -> None:
    book = Book()

    result = await run(tool(book, People({PHONE: "asked"})), {"when": "tomorrow 5 pm"})

    assert not result.ok
    assert "list of people we do not call" in result.text
    assert book.kept == {}


@pytest.mark.parametrize(
    ("provider", "dialled_by"), [("plivo", "plivo"), ("exotel", "exotel"), ("browser", "")]
)
async def test_a_provider_that_cannot_dial_leaves_it_to_the_default(
    provider: str, dialled_by: str
) -> None:
    book = Book()

    await run(tool(book), {"when": "tomorrow 5 pm"}, call=replace(CALL, provider=provider))

    assert [one.provider for one in book.kept.values()] == [dialled_by]


async def test_an_operator_promises_for_anybody() -> None:
    book, announced = Book(), Announced()

    result = await use(
        tool(book, announce=announced), {"when": "tomorrow 5 pm"}, to="+919999900077"
    )

    (callback,) = book.kept.values()
    assert result.ok
    assert (callback.phone, callback.provider) == ("+919999900077", "")
    assert (callback.agent, callback.source_call_id) == ("FWAI_Default", "")
    assert announced.news[0][2]["call_id"] is None
    assert announced.news[0][2]["provider"] is None


async def test_a_repeated_request_does_not_revive_what_was_canceled() -> None:
    book = Book()

    await use(tool(book), {"when": "tomorrow 5 pm"})
    await book.cancel("cb_1")
    result = await use(tool(book), {"when": "tomorrow 5 pm"})

    assert not result.ok
    assert "canceled" in result.text
    assert book.times == []


async def test_two_requests_do_not_replace_each_other() -> None:
    book = Book()

    await use(tool(book), {"when": "tomorrow 5 pm"}, scope="request-1")
    await use(tool(book), {"when": "tomorrow 6 pm"}, scope="request-2")

    assert book.times == ["23 17:00", "23 18:00"]


async def test_a_caller_out_of_reach_is_promised_no_callback() -> None:
    book, satellite = Book(), "+882160000001"
    indian = tool(book, reach=CountryAllowList(frozenset({"91"})))

    result = await run(indian, {"when": "tomorrow 5 pm"}, caller=satellite)

    assert not result.ok
    assert result.text == (
        "No callback can be promised. Only numbers that begin with +91 are called and texted from "
        "here. Say so and offer another way."
    )
    assert book.kept == {}
    assert (await run(indian, {"when": "tomorrow 5 pm"})).ok
    by_operator = await use(indian, {"when": "tomorrow 6 pm"}, to=satellite)
    assert not by_operator.ok, "nobody could dial it for an operator either"


@pytest.mark.parametrize(
    ("dials", "ok"), [(("plivo",), False), (("whatsapp",), True), (("whatsapp", "plivo"), True)]
)
async def test_reach_is_that_of_whoever_places_the_callback(
    dials: tuple[str, ...], ok: bool
) -> None:
    """Outside of a call the default provider does, as the API has it."""
    outside = tool(Book(), reach=CountryAllowList(frozenset({"91"})), dials=dials)
    hours, reach = CallingHours(time(9), time(21)), CountryAllowList(frozenset({"91"}))
    rules = DialRules(dict.fromkeys(dials, ""), (), hours, INDIA, reach)

    result = await use(outside, {"when": "tomorrow 6 pm"}, to="+882160000001")

    assert result.ok is ok
    with nullcontext() if ok else pytest.raises(FieldError):
        rules.check_reach("+882160000001")


@pytest.mark.parametrize("dials", [("plivo", "whatsapp"), ("plivo",)])
async def test_reach_is_no_matter_of_a_callback_on_whatsapp(dials: tuple[str, ...]) -> None:
    book = Book()
    indian = tool(book, reach=CountryAllowList(frozenset({"91"})), dials=dials)
    on_whatsapp = replace(CALL, provider="whatsapp")

    result = await run(indian, {"when": "tomorrow 5 pm"}, caller="+882160000001", call=on_whatsapp)

    assert result.ok is ("whatsapp" in dials)


async def test_the_server_s_limit_counts_promises_whatever_numbers_are_shown() -> None:
    book, quotas = Book(), Quotas({"callback": 2})
    promising = tool(book, quotas=quotas, owner="+919999900200")

    results = [
        await run(
            promising,
            {"when": "tomorrow 5 pm"},
            caller=f"+91999990010{number}",
            call=replace(CALL, id=CallId(f"call-{number}")),
        )
        for number in (1, 2, 2, 3)
    ]

    assert [result.ok for result in results] == [True, True, True, False]
    assert "things called callback" in results[-1].text
    assert len(book.kept) == 2
    owners = await run(promising, {"when": "tomorrow 5 pm"}, caller="+919999900200")
    assert owners.ok, "the owner is not limited"
    assert (await use(promising, {"when": "tomorrow 5 pm"}, to="+919999900103")).ok


# ---- taking back --------------------------------------------------------------------------------


async def test_a_person_takes_their_callbacks_back() -> None:
    book = Book()
    book.add(NOW + timedelta(days=1))
    book.add(NOW + timedelta(days=2))

    result = await run(cancel_callback(book), {"reason": "solved"})

    assert (result.ok, result.data) == (True, {"canceled": 2})
    assert book.times == []


async def test_where_none_was_agreed_none_is_canceled() -> None:
    result = await run(cancel_callback(Book()))

    assert result.ok
    assert "nothing to cancel" in result.text


async def test_who_asks_for_it_is_never_called_again() -> None:
    book, people = Book(), People()
    book.add(NOW + timedelta(days=1))

    result = await run(do_not_call(book, people), {"reason": "no more calls"})

    assert result.ok
    assert people.forbidden == {PHONE: "no more calls"}
    assert book.times == []
    assert "only after they asked" in do_not_call(book, people).description


async def test_a_wish_that_was_not_written_down_is_not_claimed() -> None:
    people = People(error=StoreError("disk full"))

    result = await run(do_not_call(Book(), people))

    assert not result.ok
    assert "not known" in result.text
