"""Promise to call somebody back, take promises back, and never call them again."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import Field

from fwai.domain.call import Call
from fwai.domain.call_event import CALLBACK_SCHEDULED, callback_data
from fwai.domain.callback import MAX_NOTE, Callback, CallbackState, NewCallback
from fwai.domain.hours import CallingHours, clock_words
from fwai.domain.job import NewJob
from fwai.domain.phone import Reach
from fwai.domain.spoken_time import spoken
from fwai.errors import ToolError
from fwai.interfaces.store import CallbackBook, EditableDoNotCallList
from fwai.interfaces.tools import ToolContext
from fwai.tools.base import Args, Outcome, Tool
from fwai.tools.message_jobs import Announce
from fwai.tools.recipient import EVERYWHERE
from fwai.tools.times import MAX_WHEN, WHEN, moment

SCHEDULE_CALLBACK: Final = "schedule_callback"
CANCEL_CALLBACK: Final = "cancel_callback"
DO_NOT_CALL: Final = "do_not_call"
MAX_OPEN: Final = 3
MAX_CHANGES_PER_CALL: Final = 6
MAX_REASON: Final = 200
_WHATSAPP: Final = "whatsapp"


class ScheduleCallbackArgs(Args):
    """When, and what about."""

    when: str = Field(min_length=1, max_length=MAX_WHEN, description=WHEN)
    note: str = Field(
        default="", max_length=MAX_NOTE, description="What the call will be about, in a sentence."
    )


class CancelCallbackArgs(Args):
    """Why it is not wanted any more."""

    reason: str = Field(
        default="", max_length=MAX_REASON, description="Why, in a few words of theirs."
    )


class DoNotCallArgs(Args):
    """Why they want no calls."""

    reason: str = Field(
        default="", max_length=MAX_REASON, description="What they said, in a few words."
    )


def schedule_callback(
    book: CallbackBook,
    people: EditableDoNotCallList,
    announce: Announce,
    *,
    zone: ZoneInfo,
    hours: CallingHours,
    dials: Collection[str],
    agent: str,
    reach: Reach = EVERYWHERE,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Tool[ScheduleCallbackArgs]:
    """Build the tool.

    Args:
        book: Keeps the promises.
        people: Says who must not be called.
        announce: Tells others of a new one.
        zone: Where the callers' clocks hang.
        hours: When calls may be made.
        dials: Providers that can place calls; a call of another is returned by the default one.
        agent: Who speaks when it was promised outside of a call.
        reach: Where callers may be called back by telephone.
        clock: The time now, aware.
    """
    scheduler = _CallbackScheduler(book, announce, dials, agent)

    async def run(args: ScheduleCallbackArgs, context: ToolContext) -> Outcome:
        phone, now = _known(context), clock()
        # A call on WhatsApp is paid to WhatsApp, wherever the person is.
        by_telephone = scheduler.provider(context.call) != _WHATSAPP
        if by_telephone and not context.trusted and not reach.allows(phone):
            raise ToolError(
                f"No callback can be promised. {reach.refusal} Say so and offer another way."
            )
        at = moment(args.when, now, zone)
        if not hours.contains(at, zone):
            raise ToolError(_closed(hours, hours.next_open(at, zone).astimezone(zone), now))
        if await people.do_not_call(phone):
            raise ToolError(
                "They are on the list of people we do not call, so no callback can be promised. "
                "Only our staff can change that; say so."
            )
        kept, replaced = await scheduler.promise(phone, at, args.note, context)
        words = spoken(at, now)
        instead = " It replaces the earlier time that was agreed in this call." if replaced else ""
        return Outcome(
            f"It is agreed that we call back {words}.{instead} Read this time back to them.",
            {
                "callback_id": kept.id,
                "when": at.isoformat(),
                "spoken": words,
                "replaced": replaced,
            },
        )

    return Tool(
        name=SCHEDULE_CALLBACK,
        description="Promise to call the person back, at a time they named. Afterwards read back "
        "the time that the result gives. Used again in the same call it replaces that promise.",
        args=ScheduleCallbackArgs,
        run=run,
    )


def cancel_callback(book: CallbackBook) -> Tool[CancelCallbackArgs]:
    """Build the tool that takes back what was promised to a person."""

    async def run(args: CancelCallbackArgs, context: ToolContext) -> Outcome:  # noqa: ARG001
        canceled = await book.cancel_for(_known(context))
        if not canceled:
            return Outcome("No callback was agreed with them, so there is nothing to cancel.")
        return Outcome("Every callback agreed with them is canceled.", {"canceled": canceled})

    return Tool(
        name=CANCEL_CALLBACK,
        description="Cancel every callback that is agreed with the person on the line. Use it when "
        "they no longer want to be called back.",
        args=CancelCallbackArgs,
        run=run,
    )


def do_not_call(book: CallbackBook, people: EditableDoNotCallList) -> Tool[DoNotCallArgs]:
    """Build the tool that forbids calls to a person who wants none."""

    async def run(args: DoNotCallArgs, context: ToolContext) -> Outcome:
        phone = _known(context)
        await people.set_do_not_call(phone, True, args.reason)
        canceled = await book.cancel_for(phone)
        return Outcome(
            "They are on the list of people we do not call, and no callback is left. Tell them so.",
            {"canceled": canceled},
        )

    return Tool(
        name=DO_NOT_CALL,
        description="Put the person on the line on the list of people who are never called again. "
        "Use it only after they asked for that themselves; for one callback use cancel_callback.",
        args=DoNotCallArgs,
        run=run,
    )


class _CallbackScheduler:
    """Makes promises: one for each instant, few for each person."""

    def __init__(
        self, book: CallbackBook, announce: Announce, dials: Collection[str], agent: str
    ) -> None:
        self._book = book
        self._announce = announce
        self._dials = dials
        self._agent = agent

    def provider(self, call: Call | None) -> str:
        """Return who shall place the call that was promised in ``call``; empty for the default."""
        return call.provider if call is not None and call.provider in self._dials else ""

    async def promise(
        self, phone: str, at: datetime, note: str, context: ToolContext
    ) -> tuple[Callback, bool]:
        """Return the promise for ``at``, and whether it replaces one of the same call."""
        call = context.call
        kept_now = call.callback_id if call is not None else ""  # by this very call
        open_ = [one for one in await self._book.open_for(phone) if one.id != kept_now]
        others = [one for one in open_ if one.due_at != at]
        earlier = [
            one for one in others if context.call_id and one.source_call_id == context.call_id
        ]
        kept = next((one for one in open_ if one.due_at == at), None)
        if kept is None:
            if len(others) - len(earlier) >= MAX_OPEN:
                raise ToolError(
                    f"{MAX_OPEN} callbacks are agreed with them already, so no further one. They "
                    "can be canceled with cancel_callback."
                )
            if not context.allow(SCHEDULE_CALLBACK, MAX_CHANGES_PER_CALL):
                raise ToolError("The time cannot be changed any more in this call. Say so.")
            kept = await self._schedule(phone, at, note, context)
        # Only now: a crash in between leaves a promise too many rather than none.
        for one in earlier:
            await self._book.cancel(one.id)
        return kept, bool(earlier)

    async def _schedule(
        self, phone: str, at: datetime, note: str, context: ToolContext
    ) -> Callback:
        call = context.call
        instant: dict[str, Any] = {"at": at.astimezone(UTC).isoformat()}
        new = NewCallback(
            key=context.key(SCHEDULE_CALLBACK, instant),
            phone=phone,
            provider=self.provider(call),
            agent=call.agent if call is not None else self._agent,
            due_at=at,
            note=note,
            source_call_id=context.call_id,
        )
        kept, _ = await self._book.schedule(new, lambda one: self._news(one, at, call))
        # In a live call they may go from five to six o'clock and back; a request that is merely
        # repeated must not revive what was canceled since.
        tries = MAX_CHANGES_PER_CALL if context.actions is not None else 0
        while kept.state is CallbackState.CANCELED and tries:
            new = replace(new, key=context.key(SCHEDULE_CALLBACK, instant | {"anew": tries}))
            kept, _ = await self._book.schedule(new, lambda one: self._news(one, at, call))
            tries -= 1
        if kept.state.final:
            raise ToolError(f"That callback is over already: it is {kept.state.value}.")
        return kept

    def _news(self, callback: Callback, at: datetime, call: Call | None) -> Sequence[NewJob]:
        facts = callback_data(callback, at.tzinfo or UTC)
        return self._announce(CALLBACK_SCHEDULED, callback.id, facts, call)


def _known(context: ToolContext) -> str:
    if not context.to:
        raise ToolError(
            "Their number is withheld, so we cannot call them. Say so and offer another way."
        )
    return context.to


def _closed(hours: CallingHours, opening: datetime, now: datetime) -> str:
    return (
        f"We call from {clock_words(hours.start)} to {clock_words(hours.end)} only. The next time "
        f"after the one they named is {spoken(opening, now)}: offer it, or ask for another."
    )
