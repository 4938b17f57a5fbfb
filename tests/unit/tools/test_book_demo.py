"""A demo is booked within the rules, once; what goes out with it is said as it is."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from fakes import CALL
from fwai.domain.availability import DEFAULT, Availability
from fwai.domain.booking import Booking, BookingState, NewBooking
from fwai.domain.call import Call, CallId
from fwai.domain.email_text import EmailText
from fwai.domain.job import NewJob
from fwai.domain.outbound import EVERYWHERE
from fwai.domain.phone import CountryAllowList
from fwai.domain.quota import UNLIMITED
from fwai.errors import FieldError
from fwai.interfaces.messages import MessageQuotas
from fwai.tools.base import Tool
from fwai.tools.book_demo import (
    MAX_BOOKINGS_PER_CALL,
    MAX_OPEN,
    WITHHELD_A_DAY,
    BookDemoArgs,
    book_demo,
)
from fwai.tools.booking_messages import BookingMessages
from fwai.tools.message_jobs import DayLimit
from fwai.tools.send_email import (
    MAX_EMAILS_PER_DAY,
    email_limit,
    email_outbox,
    send_email,
)
from unit.tools.kit import (
    CONFIRMED,
    INDIA,
    NOW,
    PHONE,
    Actions,
    Announced,
    JobSubmission,
    Quotas,
    noon,
    run,
    use,
)

ALL = ("send_email", "send_sms", "send_whatsapp")
DEMO = {"when": "tomorrow 5 pm", "name": "Asha", "interest": "Data course"}
MAIL = {"email": "asha@example.com", "confirmed": True}
ANOTHER = replace(CALL, id=CallId("20261122-0000000000000002"))
FIVE = datetime(2026, 11, 23, 17, 0, tzinfo=INDIA)


@dataclass
class Book:
    """Demos in memory, with the rules of the real one."""

    kept: dict[str, Booking] = field(default_factory=dict)
    jobs: list[NewJob] = field(default_factory=list)

    async def book(
        self, new: NewBooking, capacity: int, also: Callable[[Booking], Iterable[NewJob]]
    ) -> Booking | None:
        assert len(new.key) <= 160
        if new.key in self.kept:
            return self.kept[new.key]
        end = new.starts_at + timedelta(minutes=new.minutes)
        if len(self._between(new.starts_at, end)) >= capacity:
            return None
        booked = self.add(new.starts_at, key=new.key, new=new)
        self.jobs += also(booked)
        return booked

    async def open_for(self, phone: str, now: datetime) -> list[Booking]:
        assert phone
        return [one for one in self._standing() if one.phone == phone and one.starts_at > now]

    async def taken_between(self, start: datetime, end: datetime) -> list[Booking]:
        found = self._between(start, end)
        await asyncio.sleep(0)  # as for a database: meanwhile others ask
        return found

    def _between(self, start: datetime, end: datetime) -> list[Booking]:
        return [
            one
            for one in self._standing()
            if one.starts_at < end and one.starts_at + timedelta(minutes=one.minutes) > start
        ]

    def add(
        self,
        at: datetime,
        *,
        key: str = "",
        new: NewBooking | None = None,
        phone: str = "+919999900099",
    ) -> Booking:
        booked = Booking(
            id=f"bk_{len(self.kept) + 1}",
            phone=new.phone if new else phone,
            name=new.name if new else "Ravi",
            interest=new.interest if new else "AI",
            starts_at=at,
            minutes=new.minutes if new else 30,
            email=new.email if new else "",
            call_id=new.call_id if new else "other",
            state=BookingState.BOOKED,
            created_at=NOW,
        )
        self.kept[key or booked.id] = booked
        return booked

    def _standing(self) -> list[Booking]:
        return [one for one in self.kept.values() if one.state is BookingState.BOOKED]

    def payload(self, kind: str) -> dict[str, Any]:
        (job,) = [job for job in self.jobs if job.kind == kind]
        return dict(job.payload)


def tool(
    book: Book,
    rules: Availability = DEFAULT,
    channels: Iterable[str] = ALL,
    announce: Announced | None = None,
    *,
    mails: DayLimit | None = None,
    reach: CountryAllowList = EVERYWHERE,
    quotas: MessageQuotas = UNLIMITED,
) -> Tool[BookDemoArgs]:
    messages = BookingMessages(
        announce or Announced(), INDIA, "Acme Academy", frozenset(channels), reach
    )
    return book_demo(
        book, lambda: rules, messages, zone=INDIA, mails=mails, quotas=quotas, clock=noon
    )


async def test_a_demo_is_booked_and_read_back() -> None:
    book = Book()

    result = await run(tool(book), DEMO | MAIL)

    (booked,) = book.kept.values()
    assert (booked.starts_at, booked.minutes) == (FIVE, 30)
    assert (booked.name, booked.interest, booked.email) == (
        "Asha",
        "Data course",
        "asha@example.com",
    )
    assert (booked.phone, booked.call_id) == (PHONE, CALL.id)
    assert result.ok
    assert result.text == (
        "The demo is booked: tomorrow, Monday 23 November, at 5:00 PM, 30 minutes. What will be "
        "sent: an e-mail with the invitation and a text message; whether it arrives is not known "
        "yet. Read this time back to them."
    )
    assert result.data == {
        "booking_id": "bk_1",
        "when": "2026-11-23T17:00:00+05:30",
        "spoken": "tomorrow, Monday 23 November, at 5:00 PM",
        "minutes": 30,
        "sending": ["an e-mail with the invitation", "a text message"],
    }


async def test_the_invitation_goes_by_mail() -> None:
    book = Book()

    await run(tool(book), DEMO | MAIL)

    assert book.payload("send_email") == {
        "to": "asha@example.com",
        "template": "demo_booked",
        "values": {
            "name": "Asha",
            "when": "Monday 23 November 2026, 5:00 PM (IST)",
            "topic": "Data course",
            "duration": "30 minutes",
        },
        "invitation": {
            "uid": "bk_1",
            "starts_at": "2026-11-23T17:00:00+05:30",
            "minutes": 30,
            "summary": "Acme Academy: demo of Data course",
            "description": "A demo for Asha: Data course",
        },
    }
    assert all((job.call_id, job.phone) == (CALL.id, PHONE) for job in book.jobs[:2])
    assert len({job.key for job in book.jobs}) == len(book.jobs) == 3


@pytest.mark.parametrize(
    ("channels", "provider", "email", "kinds"),
    [
        (ALL, "plivo", True, ["send_email", "send_sms"]),
        (ALL, "whatsapp", True, ["send_email", "send_whatsapp"]),
        (ALL, "plivo", False, ["send_sms"]),
        (["send_whatsapp"], "plivo", True, ["send_whatsapp"]),
        (["send_sms"], "whatsapp", True, ["send_sms"]),
        ([], "plivo", True, []),
    ],
)
async def test_only_what_is_configured_goes_out_and_is_told(
    channels: list[str], provider: str, email: bool, kinds: list[str]
) -> None:
    book = Book()

    result = await run(
        tool(book, channels=channels),
        DEMO | (MAIL if email else {}),
        call=replace(CALL, provider=provider),
    )

    assert [job.kind for job in book.jobs] == [*kinds, "event"]
    assert len(result.data["sending"]) == len(kinds)
    assert ("Nothing further is sent" in result.text) is (not kinds)


async def test_the_confirmations_say_when() -> None:
    book = Book()
    await run(tool(book), DEMO)
    await run(
        tool(book), {**DEMO, "when": "tomorrow 4 pm"}, call=replace(CALL, provider="whatsapp")
    )

    text = book.payload("send_sms")
    assert text["to"] == PHONE
    assert text["text"] == (
        "Acme Academy: your demo of Data course is booked for "
        "Monday 23 November 2026, 5:00 PM (IST)."
    )
    message = book.payload("send_whatsapp")
    assert message["to"] == PHONE
    assert message["template"]["name"] == "demo_booked"


async def test_others_are_told() -> None:
    announced = Announced()

    await run(tool(Book(), announce=announced), DEMO | MAIL)

    assert announced.news == [
        (
            "demo.booked",
            "bk_1",
            {
                "booking_id": "bk_1",
                "name": "Asha",
                "when": "2026-11-23T17:00:00+05:30",
                "minutes": 30,
                "interest": "Data course",
                "email": "asha@example.com",
                "phone": PHONE,
                "call_id": CALL.id,
            },
            CALL,
        )
    ]


async def test_long_words_still_fit_the_templates() -> None:
    book = Book()

    await run(tool(book), {**DEMO, **MAIL, "name": "A" * 60, "interest": "data\nand " * 30})

    values = book.payload("send_email")["values"]
    assert len(values["topic"]) <= 100
    assert "\n" not in values["topic"]


# ---- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("today at 12:30", "notice"),
        ("2026-11-29T11:00", "no demos on a Sunday"),
        ("tomorrow 7 pm", "demos are from 10:00 AM to 6:00 PM"),
        ("kal shaam 7 baje", "demos are from 10:00 AM to 6:00 PM"),
        ("कल शाम 7 बजे", "demos are from 10:00 AM to 6:00 PM"),
        ("tomorrow 5:10 pm", "start every 30 minutes"),
        ("2026-11-24T11:00", "24 November is a holiday (Founders)"),
        ("2027-03-01T11:00", "at most 60 days ahead"),
    ],
)
async def test_what_the_rules_forbid_is_refused_with_times_to_offer(when: str, words: str) -> None:
    book, rules = Book(), replace(DEFAULT, holidays={date(2026, 11, 24): "Founders"})

    result = await run(tool(book, rules), {**DEMO, "when": when})

    assert not result.ok
    assert words in result.text
    offered = result.text.partition("Free are: ")[2].split("; ")
    assert len(offered) == 3
    assert book.kept == {}


@pytest.mark.parametrize("when", ["yesterday 5 pm", "tomorrow", "कल", "kabhi bhi", "soonish"])
async def test_a_time_that_is_none_is_refused_by_name(when: str) -> None:
    book = Book()

    result = await run(tool(book), {**DEMO, "when": when})

    assert not result.ok
    assert book.kept == {}
    with pytest.raises(FieldError) as caught:
        await use(tool(book), {**DEMO, "when": when})
    assert caught.value.field == "when"


async def test_a_full_slot_is_refused_with_the_next_free_ones() -> None:
    book = Book()
    book.add(FIVE)

    result = await run(tool(book), DEMO)

    assert not result.ok
    assert result.text == (
        "That slot is full; nothing was booked. Free are: tomorrow, Monday 23 November, at "
        "5:30 PM; Tuesday 24 November, at 10:00 AM; Tuesday 24 November, at 10:30 AM."
    )
    assert book.jobs == []


async def test_capacity_lets_several_in() -> None:
    book, rules = Book(), replace(DEFAULT, capacity=2)
    book.add(FIVE)

    first = await run(tool(book, rules), DEMO)
    second = await run(tool(book, rules), DEMO, caller="+919999900055", call=ANOTHER)

    assert (first.ok, second.ok) == (True, False)


async def test_offered_times_are_not_those_that_overlap_a_booking() -> None:
    book, rules = Book(), replace(DEFAULT, slot_minutes=15, duration_minutes=60)
    book.add(datetime(2026, 11, 23, 10, 30, tzinfo=INDIA))

    result = await run(tool(book, rules), {**DEMO, "when": "2026-11-23T09:00"})

    assert "Free are: tomorrow, Monday 23 November, at 11:00 AM" in result.text


async def test_no_time_at_all_is_said() -> None:
    closed = Availability(((),) * 7)

    result = await run(tool(Book(), closed), DEMO)

    assert "No other time is free at present." in result.text


async def test_two_who_want_the_last_place_at_once_do_not_both_get_it() -> None:
    book = Book()

    results = await asyncio.gather(
        run(tool(book), DEMO), run(tool(book), DEMO, caller="+919999900055", call=ANOTHER)
    )

    assert sorted(result.ok for result in results) == [False, True]


# ---- once ---------------------------------------------------------------------------------------


async def test_the_same_time_in_other_words_is_one_booking() -> None:
    book = Book()

    first = await run(tool(book), DEMO | MAIL)
    jobs = list(book.jobs)
    second = await run(tool(book), {**DEMO, **MAIL, "when": "kal shaam 5 baje", "name": "Aasha"})

    assert len(book.kept) == 1
    assert book.jobs == jobs
    assert (second.ok, second.data, second.text) == (True, first.data, first.text)


async def test_the_time_that_another_call_booked_is_not_booked_twice() -> None:
    book = Book()
    earlier = book.add(FIVE, phone=PHONE)

    result = await run(tool(book, replace(DEFAULT, capacity=2)), DEMO)

    assert result.ok
    assert result.data["booking_id"] == earlier.id
    assert len(book.kept) == 1
    assert book.jobs == []


async def test_a_caller_without_a_number_books_once_too() -> None:
    book = Book()

    first = await run(tool(book), DEMO | MAIL, caller="")
    second = await run(tool(book), {**DEMO, **MAIL, "when": "kal shaam 5 baje"}, caller="")

    assert len(book.kept) == 1
    assert first.data == second.data
    assert [job.kind for job in book.jobs] == ["send_email", "event"]


async def test_an_address_that_came_later_is_not_claimed_to_be_written_to() -> None:
    book = Book()

    await run(tool(book), DEMO)
    result = await run(tool(book), DEMO | MAIL)

    assert "Nothing further is sent" in result.text
    assert "send_email" not in {job.kind for job in book.jobs}


async def test_a_booking_that_was_canceled_is_not_told_as_booked() -> None:
    book = Book()

    await use(tool(book), DEMO)
    ((key, booked),) = book.kept.items()
    book.kept[key] = replace(booked, state=BookingState.CANCELED)
    result = await use(tool(book), DEMO)

    assert not result.ok
    assert "canceled" in result.text


async def test_what_else_is_booked_is_mentioned() -> None:
    book = Book()

    await run(tool(book), DEMO)
    result = await run(tool(book), {**DEMO, "when": "tomorrow 4 pm"})

    assert "Booked for them besides: tomorrow, Monday 23 November, at 5:00 PM." in result.text


async def test_a_person_has_only_so_many_demos() -> None:
    book = Book()
    for hour in range(10, 10 + MAX_OPEN):
        book.add(datetime(2026, 11, 24, hour, 0, tzinfo=INDIA), phone=PHONE)

    result = await run(tool(book), DEMO)

    assert not result.ok
    assert "3 demos are booked" in result.text


async def test_a_call_books_only_so_often() -> None:
    book, actions = Book(), Actions()
    results = []

    for hour in range(10, 10 + MAX_BOOKINGS_PER_CALL + 1):
        when = {"when": f"tomorrow {hour}:00"}
        results.append(await run(tool(book), DEMO | when, actions=actions))
        for key, one in book.kept.items():
            book.kept[key] = replace(one, state=BookingState.CANCELED)

    assert [result.ok for result in results] == [True] * MAX_BOOKINGS_PER_CALL + [False]


# ---- callers without a number -------------------------------------------------------------------


def nameless(number: int) -> Call:
    return replace(CALL, id=CallId(f"20261122-{number:016}"))


async def test_all_callers_without_a_number_book_only_so_many_demos_a_day() -> None:
    book = Book()
    results = []

    for number in range(WITHHELD_A_DAY + 2):
        when = {"when": f"tomorrow {10 + number}:00"}
        results.append(await run(tool(book), DEMO | when, caller="", call=nameless(number)))

    assert [result.ok for result in results] == [True] * WITHHELD_A_DAY + [False] * 2
    assert "Their number is withheld" in results[-1].text
    assert len(book.kept) == WITHHELD_A_DAY
    assert (await run(tool(book), DEMO)).ok, "others are not counted with them"
    assert (await use(tool(book), {**DEMO, "when": "tomorrow 4 pm"}, to="")).ok


async def test_callers_without_a_number_who_ask_at_once_do_not_all_find_room() -> None:
    book = Book()
    one = tool(book)

    results = await asyncio.gather(
        *(
            run(one, {**DEMO, "when": f"tomorrow {10 + n}:00"}, caller="", call=nameless(n))
            for n in range(WITHHELD_A_DAY + 3)
        )
    )

    assert sum(result.ok for result in results) == WITHHELD_A_DAY


async def test_a_caller_without_a_number_is_not_told_of_anothers_demo() -> None:
    book = Book()

    await run(tool(book), DEMO, caller="", call=nameless(1))
    taken = await run(tool(book), DEMO, caller="", call=nameless(2))
    other = await run(tool(book), {**DEMO, "when": "tomorrow 4 pm"}, caller="", call=nameless(2))

    assert not taken.ok
    assert "That slot is full" in taken.text
    assert other.ok
    assert "besides" not in other.text


async def test_what_callers_without_a_number_booked_yesterday_is_not_counted() -> None:
    book = Book()
    for hour in range(10, 10 + WITHHELD_A_DAY):
        old = book.add(datetime(2026, 11, 24, hour, 0, tzinfo=INDIA), phone="")
        book.kept[old.id] = replace(old, created_at=NOW - timedelta(days=1))

    assert (await run(tool(book), DEMO, caller="")).ok


async def test_the_last_demo_of_a_caller_without_a_number_is_told_again() -> None:
    book = Book()
    for hour in range(10, 9 + WITHHELD_A_DAY):
        book.add(datetime(2026, 11, 24, hour, 0, tzinfo=INDIA), phone="")

    results = [await run(tool(book), DEMO, caller="") for _ in range(2)]

    assert [result.ok for result in results] == [True, True]
    assert results[0].data == results[1].data


# ---- what goes out has limits -------------------------------------------------------------------


async def test_invitations_count_with_the_mails_to_their_address_before_anything_is_booked() -> (
    None
):
    book, jobs = Book(), JobSubmission()
    mails = email_limit(jobs)
    letters = {"n": EmailText("n", "{#n#}", "One.")}
    mailing = send_email(jobs, letters, outbox=email_outbox(jobs, mails))
    booking = tool(book, mails=mails)
    letter = {"to": MAIL["email"], "confirmed": True, "template": "n"}

    for number in range(MAX_EMAILS_PER_DAY - 1):
        sent = await run(
            mailing, {**letter, "variables": {"n": f"{number}"}}, caller=f"+91999990020{number}"
        )
        assert sent.ok
    first = await run(booking, DEMO | MAIL)
    again = await run(booking, DEMO | MAIL)
    second = await run(booking, {**DEMO, **MAIL, "when": "tomorrow 4 pm"}, caller="+919999900055")

    assert (first.ok, again.ok, second.ok) == (True, True, False)
    assert "No further e-mail can be sent to them today" in second.text
    assert len(book.kept) == 1
    assert not (
        await run(mailing, {**letter, "variables": {"n": "Last"}}, caller="+919999900056")
    ).ok
    assert (await run(booking, {**DEMO, "when": "tomorrow 4 pm"}, caller="+919999900055")).ok


async def test_a_slot_that_is_full_uses_up_no_mail() -> None:
    book = Book()
    book.add(FIVE)
    booking = tool(book, mails=DayLimit(JobSubmission(), "send_email", "e-mail", 1))

    full = await run(booking, DEMO | MAIL)
    free = await run(booking, {**DEMO, **MAIL, "when": "tomorrow 4 pm"})

    assert (full.ok, free.ok) == (False, True)


async def test_the_server_s_limit_counts_invitations_and_a_full_slot_gives_back() -> None:
    book, quotas = Book(), Quotas({"send_email": 2})
    book.add(FIVE)
    booking = tool(book, mails=email_limit(JobSubmission()), quotas=quotas)

    full = await run(booking, DEMO | MAIL)
    free = await run(booking, {**DEMO, **MAIL, "when": "tomorrow 4 pm"})
    last = await run(booking, {**DEMO, **MAIL, "when": "tomorrow 3 pm"})

    assert (full.ok, free.ok, last.ok) == (False, True, False)
    assert "things called send_email" in last.text
    assert quotas.given_back == ["send_email"]
    assert len(book.kept) == 2
    without = await run(booking, {**DEMO, "when": "tomorrow 3 pm"})
    assert without.ok, "a demo without a mail is booked all the same"


async def test_the_words_that_confirmed_an_address_are_kept_with_its_invitation() -> None:
    book = Book()

    await run(tool(book), DEMO | MAIL)

    kept = {job.kind: job.confirmation for job in book.jobs}
    assert kept["send_email"] == {"read_back": CONFIRMED.read_back, "answer": CONFIRMED.answer}
    assert kept["send_sms"] is None


@pytest.mark.parametrize(
    "words", [{"name": "www.spam.example"}, {"interest": "Win at https://spam.example now"}]
)
async def test_no_link_is_mailed_to_an_address_that_a_caller_dictated(
    words: dict[str, str],
) -> None:
    book = Book()

    result = await run(tool(book), DEMO | MAIL | words)

    assert not result.ok
    assert "without a link" in result.text
    assert book.kept == {}
    assert (await run(tool(book), DEMO | words)).ok
    assert (await use(tool(Book()), DEMO | MAIL | words)).ok


async def test_where_no_mail_goes_out_none_is_counted() -> None:
    mails = DayLimit(JobSubmission(), "send_email", "e-mail", 0)

    assert (await run(tool(Book(), channels=["send_sms"], mails=mails), DEMO | MAIL)).ok


@pytest.mark.parametrize(("channels", "kinds"), [(ALL, ["send_whatsapp"]), (["send_sms"], [])])
async def test_no_text_confirms_a_demo_out_of_reach(
    channels: Iterable[str], kinds: list[str]
) -> None:
    book = Book()
    booking = tool(book, channels=channels, reach=CountryAllowList(frozenset({"91"})))

    result = await run(booking, DEMO, caller="+882160000001")

    assert [job.kind for job in book.jobs] == [*kinds, "event"]
    assert len(result.data["sending"]) == len(kinds)


# ---- the address --------------------------------------------------------------------------------


async def test_an_address_that_was_not_confirmed_is_read_back_first() -> None:
    book = Book()

    result = await run(tool(book), {**DEMO, "email": "asha@example.com"})

    assert not result.ok
    assert "read the e-mail address" in result.text
    assert book.kept == {}
    actions = Actions()
    results = [await run(tool(book), DEMO | MAIL, actions=actions) for _ in range(2)]
    assert [result.ok for result in results] == [False, True]
    assert (await use(tool(Book()), {**DEMO, "email": "asha@example.com"})).ok


async def test_an_address_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(FieldError) as caught:
        await use(tool(Book()), {**DEMO, "email": "asha at home"})

    assert caught.value.field == "email"


async def test_an_operator_books_for_anybody() -> None:
    book, announced = Book(), Announced()

    result = await use(tool(book, announce=announced), DEMO, to="+919999900077")

    (booked,) = book.kept.values()
    assert result.ok
    assert (booked.phone, booked.call_id) == ("+919999900077", "")
    assert announced.news[0][2]["call_id"] is None
    assert announced.news[0][2]["email"] is None
