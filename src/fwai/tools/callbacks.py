"""Tools ``schedule_callback``, ``cancel_callback`` and ``do_not_call``."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import Field

from fwai.domain.call import Call
from fwai.domain.call_event import CALLBACK_SCHEDULED, callback_data
from fwai.domain.callback import MAX_NOTE, Callback, CallbackState, NewCallback
from fwai.domain.hours import CallingHours, format_clock
from fwai.domain.job import CALLBACK, NewJob
from fwai.domain.outbound import out_of_reach
from fwai.domain.quota import UNLIMITED
from fwai.domain.spoken_time import format_spoken_time
from fwai.errors import ToolError
from fwai.interfaces.messages import MessageQuotas
from fwai.interfaces.store import CallbackBook, EditableDoNotCallList
from fwai.interfaces.tools import ToolContext
from fwai.tools.base import Args, Outcome, Tool
from fwai.tools.message_jobs import Announce, take
from fwai.tools.recipient import ANYBODY, RecipientRules
from fwai.tools.times import MAX_WHEN, WHEN_DESCRIPTION, parse_time

SCHEDULE_CALLBACK: Final = "schedule_callback"
CANCEL_CALLBACK: Final = "cancel_callback"
DO_NOT_CALL: Final = "do_not_call"
MAX_OPEN: Final = 3
MAX_CHANGES_PER_CALL: Final = 6
MAX_REASON: Final = 200
_FULL: Final = (
    f"{MAX_OPEN} callbacks are agreed with them already, so no further one. They can be canceled "
    "with cancel_callback."
)


class ScheduleCallbackArgs(Args):
    """When, and what about."""

    when: str = Field(min_length=1, max_length=MAX_WHEN, description=WHEN_DESCRIPTION)
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
    do_not_call_list: EditableDoNotCallList,
    announce: Announce,
    *,
    zone: ZoneInfo,
    hours: CallingHours,
    dials: Sequence[str],
    agent: str,
    rules: RecipientRules = ANYBODY,
    quotas: MessageQuotas = UNLIMITED,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Tool[ScheduleCallbackArgs]:
    """Build the ``schedule_callback`` tool.

    Args:
        book: Stores the callbacks.
        do_not_call_list: Who must not be called.
        announce: Builds the event jobs.
        zone: Time zone of the callers.
        hours: When calls may be made.
        dials: Providers that can place calls, the default one first; callers of others are called
            back by that.
        agent: Agent of a callback that was scheduled outside of a call.
        rules: Where callers may be called back by telephone, and who the owner is.
        quotas: The server's limits, for all callbacks that callers ask for.
        clock: The current time, timezone-aware.
    """
    scheduler = CallbackScheduler(book, announce, dials, agent, rules, quotas)

    async def run(args: ScheduleCallbackArgs, context: ToolContext) -> Outcome:
        phone, now = _caller_number(context), clock()
        if refusal := scheduler.refusal(phone, context.call):
            raise ToolError(f"No callback can be promised. {refusal} Say so and offer another way.")
        at = parse_time(args.when, now, zone)
        if not hours.contains(at, zone):
            raise ToolError(_outside_hours(hours, hours.next_open(at, zone).astimezone(zone), now))
        if await do_not_call_list.do_not_call(phone):
            raise ToolError(
                "They are on the list of people we do not call, so no callback can be promised. "
                "Only our staff can change that; say so."
            )
        callback, replaced = await scheduler.schedule(at, args.note, context)
        words = format_spoken_time(at, now)
        instead = " It replaces the earlier time that was agreed in this call." if replaced else ""
        return Outcome(
            f"It is agreed that we call back {words}.{instead} Read this time back to them.",
            {
                "callback_id": callback.id,
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
    """Build the tool that cancels every open callback of a person."""

    async def run(args: CancelCallbackArgs, context: ToolContext) -> Outcome:  # noqa: ARG001
        canceled = await book.cancel_for(_caller_number(context))
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


def do_not_call(book: CallbackBook, do_not_call_list: EditableDoNotCallList) -> Tool[DoNotCallArgs]:
    """Build the tool that puts a person on the do-not-call list."""

    async def run(args: DoNotCallArgs, context: ToolContext) -> Outcome:
        phone = _caller_number(context)
        await do_not_call_list.set_do_not_call(phone, True, args.reason)
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


class CallbackScheduler:
    """Schedules callbacks: one per time, at most `MAX_OPEN` per person.

    Attributes:
        dials: Providers that can place calls.
    """

    def __init__(
        self,
        book: CallbackBook,
        announce: Announce,
        dials: Sequence[str],
        agent: str,
        rules: RecipientRules,
        quotas: MessageQuotas,
    ) -> None:
        self.dials = dials
        self._book = book
        self._announce = announce
        self._agent = agent
        self._rules = rules
        self._quotas = quotas

    def provider(self, call: Call | None) -> str:
        """Return the provider of a callback agreed in ``call``; empty for the default."""
        return call.provider if call is not None and call.provider in self.dials else ""

    def refusal(self, phone: str, call: Call | None) -> str:
        """Return why a person may not be called back, in words for them; empty when they may."""
        return out_of_reach(phone, self._rules.reach, self.provider(call), self.dials)

    async def open_for(self, context: ToolContext) -> list[Callback]:
        """Return what is promised to the person already, but for what this very call keeps.

        Raises:
            StoreError: The database failed.
        """
        current = context.call.callback_id if context.call is not None else ""
        return [one for one in await self._book.open_for(context.to) if one.id != current]

    async def add(self, key: str, at: datetime, note: str, context: ToolContext) -> Callback:
        """Promise one more, within the limits; the promise of the same key is the same one.

        Raises:
            ToolError: No further one may be promised, or that one is over.
            StoreError: The database failed; nothing was promised.
        """
        if len(await self.open_for(context)) >= MAX_OPEN:
            raise ToolError(_FULL)
        await self._count(context)
        callback = await self._write(key, at, note, context)
        if callback.state.final:
            raise ToolError(f"That callback is over already: it is {callback.state.value}.")
        return callback

    async def schedule(
        self, at: datetime, note: str, context: ToolContext
    ) -> tuple[Callback, bool]:
        """Return the callback at ``at``, and whether it replaces one of the same call."""
        open_ = await self.open_for(context)
        others = [one for one in open_ if one.due_at != at]
        earlier = [
            one for one in others if context.call_id and one.source_call_id == context.call_id
        ]
        callback = next((one for one in open_ if one.due_at == at), None)
        if callback is None:
            if len(others) - len(earlier) >= MAX_OPEN:
                raise ToolError(_FULL)
            if not context.allow(SCHEDULE_CALLBACK, MAX_CHANGES_PER_CALL):
                raise ToolError("The time cannot be changed any more in this call. Say so.")
            await self._count(context)
            callback = await self._create(at, note, context)
        # Only now: a crash in between leaves one callback too many rather than none.
        for one in earlier:
            await self._book.cancel(one.id)
        return callback, bool(earlier)

    async def _count(self, context: ToolContext) -> None:
        """Count a promise against the server's limit of the day."""
        person = self._rules.person(context)
        if not context.trusted and not person.owner:
            await take(self._quotas, CALLBACK, context, person)

    async def _create(self, at: datetime, note: str, context: ToolContext) -> Callback:
        instant: dict[str, Any] = {"at": at.astimezone(UTC).isoformat()}
        key = context.key(SCHEDULE_CALLBACK, instant)
        callback = await self._write(key, at, note, context)
        # In a live call they may go from five to six o'clock and back; a request that is merely
        # repeated must not revive what was canceled since.
        tries = MAX_CHANGES_PER_CALL if context.actions is not None else 0
        while callback.state is CallbackState.CANCELED and tries:
            key = context.key(SCHEDULE_CALLBACK, instant | {"anew": tries})
            callback = await self._write(key, at, note, context)
            tries -= 1
        if callback.state.final:
            raise ToolError(f"That callback is over already: it is {callback.state.value}.")
        return callback

    async def _write(self, key: str, at: datetime, note: str, context: ToolContext) -> Callback:
        call = context.call
        new = NewCallback(
            key=key,
            phone=context.to,
            provider=self.provider(call),
            agent=call.agent if call is not None else self._agent,
            due_at=at,
            note=note,
            source_call_id=context.call_id,
        )
        callback, _ = await self._book.schedule(new, lambda one: self._event_jobs(one, at, call))
        return callback

    def _event_jobs(self, callback: Callback, at: datetime, call: Call | None) -> Sequence[NewJob]:
        facts = callback_data(callback, at.tzinfo or UTC)
        return self._announce(CALLBACK_SCHEDULED, callback.id, facts, call)


def _caller_number(context: ToolContext) -> str:
    if not context.to:
        raise ToolError(
            "Their number is withheld, so we cannot call them. Say so and offer another way."
        )
    return context.to


def _outside_hours(hours: CallingHours, opening: datetime, now: datetime) -> str:
    return (
        f"We call from {format_clock(hours.start)} to {format_clock(hours.end)} only. The next "
        f"time after the one they named is {format_spoken_time(opening, now)}: offer it, or ask "
        "for another."
    )
