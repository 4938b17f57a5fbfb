"""Tool ``book_demo``: books a demo slot and sends invitation and confirmation."""

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import Field

from fwai.domain.availability import Availability
from fwai.domain.booking import Booking, BookingState, NewBooking
from fwai.domain.email_text import holds_link
from fwai.domain.job import SEND_EMAIL
from fwai.domain.quota import UNLIMITED
from fwai.domain.spoken_time import format_spoken_time
from fwai.errors import FieldError, ToolError
from fwai.interfaces.messages import MessageQuotas
from fwai.interfaces.store import BookingBook
from fwai.interfaces.tools import ToolContext
from fwai.tools.base import Args, Outcome, Tool
from fwai.tools.booking_messages import BookingMessages
from fwai.tools.message_jobs import DAY_S, DayLimit, take
from fwai.tools.recipient import ANYBODY, CONFIRMED_DESCRIPTION, Recipient, RecipientRules
from fwai.tools.times import MAX_WHEN, WHEN_DESCRIPTION, parse_time

BOOK_DEMO: Final = "book_demo"
MAX_OPEN: Final = 3
MAX_BOOKINGS_PER_CALL: Final = 4
NOWHERE: Final = Recipient("")
WITHHELD_A_DAY: Final = 3  # demos that all callers without a number may book in 24 hours


class BookDemoArgs(Args):
    """When, for whom, and about what."""

    when: str = Field(min_length=1, max_length=MAX_WHEN, description=WHEN_DESCRIPTION)
    name: str = Field(min_length=1, max_length=60, description="The name of who comes.")
    interest: str = Field(min_length=1, max_length=300, description="What the demo shall be about.")
    email: str | None = Field(
        default=None,
        max_length=300,
        description="Where the invitation goes: an e-mail address the caller dictated. "
        "Leave it out if they gave none.",
    )
    confirmed: bool = Field(
        default=False,
        description=CONFIRMED_DESCRIPTION.format(what="the e-mail address"),
    )


def book_demo(
    book: BookingBook,
    availability: Callable[[], Availability],
    messages: BookingMessages,
    *,
    zone: ZoneInfo,
    mails: DayLimit | None = None,
    rules: RecipientRules = ANYBODY,
    quotas: MessageQuotas = UNLIMITED,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Tool[BookDemoArgs]:
    """Build the ``book_demo`` tool.

    Args:
        book: Stores the bookings.
        availability: Returns the current booking rules.
        messages: Builds the messages of a booking.
        zone: Time zone of ``availability`` and of the callers.
        mails: The limit that invitations share with `send_email`; None sets none.
        rules: To whom callers may have invitations sent.
        quotas: The server's limits of that.
        clock: The current time, timezone-aware.
    """
    calendar = _Calendar(book, messages, zone, mails, quotas)

    async def run(args: BookDemoArgs, context: ToolContext) -> Outcome:
        now = clock()
        at = parse_time(args.when, now, zone)
        email = NOWHERE
        if args.email:
            email = await rules.email(context, "email", args.email, confirmed=args.confirmed)
            _require_plain_words(args, email)
        return await calendar.book(args, context, availability(), at, now, email)

    return Tool(
        name=BOOK_DEMO,
        description="Book a demo at a time the person named. Ask for their name and what interests "
        "them; an e-mail address is needed for an invitation only. If the time is not possible, "
        "the result has others to offer. Afterwards read back the time that the result gives.",
        args=BookDemoArgs,
        run=run,
    )


def _require_plain_words(args: BookDemoArgs, email: Recipient) -> None:
    """Refuse a link in what is mailed to an address that a caller dictated."""
    for name, words in (("name", args.name), ("interest", args.interest)):
        if email.dictated and holds_link(words):
            raise FieldError(name, "Nothing was booked: write it in plain words, without a link.")


class _Calendar:
    """Books demo slots, or offers free ones."""

    def __init__(
        self,
        book: BookingBook,
        messages: BookingMessages,
        zone: ZoneInfo,
        mails: DayLimit | None,
        quotas: MessageQuotas,
    ) -> None:
        self._book = book
        self._messages = messages
        self._zone = zone
        self._mails = mails if messages.sends_email else None
        self._quotas = quotas
        self._withheld_lock = asyncio.Lock()

    async def book(
        self,
        args: BookDemoArgs,
        context: ToolContext,
        rules: Availability,
        at: datetime,
        now: datetime,
        email: Recipient,
    ) -> Outcome:
        async with self._booking_lock(context):
            mine, full = await self._existing_bookings(context, rules, now)
            booked = next((one for one in mine if one.starts_at == at), None)
            if booked is None:
                if refused := rules.refusal(at, now, self._zone, 0):
                    raise ToolError(f"{refused} {await self._free_slots(rules, at, now)}")
                if full:
                    raise ToolError(full)
                if not context.allow(BOOK_DEMO, MAX_BOOKINGS_PER_CALL):
                    raise ToolError("No further demo can be booked in this call. Say so.")
                booked = await self._create_booking(args, context, rules, at, email)
        if booked is None:
            free = await self._free_slots(rules, at, now)
            raise ToolError(f"That slot is full; nothing was booked. {free}")
        if booked.state is BookingState.CANCELED:
            raise ToolError("That demo was booked, and canceled since. Offer another time.")
        return self._outcome(booked, mine, context, now, email.to)

    def _booking_lock(self, context: ToolContext) -> AbstractAsyncContextManager[object]:
        """Return a lock: callers without a number share one limit, so they book one at a time."""
        shared = not context.to and not context.trusted
        return self._withheld_lock if shared else nullcontext()

    async def _existing_bookings(
        self, context: ToolContext, rules: Availability, now: datetime
    ) -> tuple[list[Booking], str]:
        """Return the person's bookings, and why no further one can be made; empty when one can."""
        if context.to:
            mine = await self._book.open_for(context.to, now)
            most = f"{MAX_OPEN} demos are booked for them already. Say so."
            return mine, most if len(mine) >= MAX_OPEN else ""
        if context.trusted:
            return [], ""
        day_ago = now - timedelta(seconds=DAY_S)
        booked = await self._book.taken_between(day_ago, self._latest_end(rules, now))
        withheld = [
            one for one in booked if not one.phone and one.call_id and one.created_at > day_ago
        ]
        most = (
            "Their number is withheld, and no further demo can be booked for such callers today. "
            "Say so, and that they can call again with their number shown."
        )
        mine = [one for one in withheld if one.call_id == context.call_id]
        return mine, most if len(withheld) >= WITHHELD_A_DAY else ""

    async def _create_booking(
        self,
        args: BookDemoArgs,
        context: ToolContext,
        rules: Availability,
        at: datetime,
        email: Recipient,
    ) -> Booking | None:
        # Not the words: however the time is said, it is one booking.
        key = context.key(BOOK_DEMO, {"at": at.astimezone(UTC).isoformat()})
        counted = await self._count_mail(context, key, email)
        new = NewBooking(
            key=key,
            phone=context.to,
            name=args.name,
            interest=args.interest,
            starts_at=at,
            minutes=rules.duration_minutes,
            email=email.to,
            call_id=context.call_id,
        )
        booked = await self._book.book(
            new,
            rules.capacity,
            lambda one: self._messages.jobs(one, context.call, email.confirmation),
        )
        if booked is None and self._mails is not None:
            self._mails.release(key)
        if booked is None and counted:
            await self._quotas.give_back(SEND_EMAIL)
        return booked

    async def _count_mail(self, context: ToolContext, key: str, email: Recipient) -> bool:
        """Count an invitation against the limits; whether the server's was counted."""
        if not email.to or email.owner or self._mails is None or self._mails.is_counted(key):
            return False
        await self._mails.acquire(context, key, phone=context.to, address=email.to)
        if not email.dictated:
            return False
        try:
            await take(self._quotas, SEND_EMAIL, context, email)
        except BaseException:
            self._mails.release(key)
            raise
        return True

    @staticmethod
    def _latest_end(rules: Availability, now: datetime) -> datetime:
        return now + timedelta(days=rules.horizon_days, minutes=rules.duration_minutes)

    async def _free_slots(self, rules: Availability, at: datetime, now: datetime) -> str:
        """Return the next free slots, in one sentence."""
        length = timedelta(minutes=rules.duration_minutes)
        booked = await self._book.taken_between(now, self._latest_end(rules, now))
        starts = sorted(one.starts_at for one in booked)
        ends = sorted(one.starts_at + timedelta(minutes=one.minutes) for one in booked)

        def taken(start: datetime) -> int:
            return bisect_left(starts, start + length) - bisect_right(ends, start)

        free = rules.next_free(at, now, self._zone, taken) or rules.next_free(
            now, now, self._zone, taken
        )
        if not free:
            return "No other time is free at present."
        return f"Free are: {'; '.join(format_spoken_time(one, now) for one in free)}."

    def _outcome(
        self,
        booked: Booking,
        mine: Sequence[Booking],
        context: ToolContext,
        now: datetime,
        email: str,
    ) -> Outcome:
        at = booked.starts_at.astimezone(self._zone)
        words = format_spoken_time(at, now)
        sent = self._messages.describe(booked, context.call) if booked.email == email else []
        sentences = [
            f"The demo is booked: {words}, {booked.minutes} minutes.",
            f"What will be sent: {' and '.join(sent)}; whether it arrives is not known yet."
            if sent
            else "Nothing further is sent to them about it.",
            "Read this time back to them.",
        ]
        others = [
            format_spoken_time(one.starts_at.astimezone(self._zone), now)
            for one in mine
            if one != booked
        ]
        if others:
            sentences.append(f"Booked for them besides: {'; '.join(others)}.")
        facts: dict[str, Any] = {
            "booking_id": booked.id,
            "when": at.isoformat(),
            "spoken": words,
            "minutes": booked.minutes,
            "sending": sent,
        }
        return Outcome(" ".join(sentences), facts)
