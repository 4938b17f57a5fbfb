"""Scheduled callbacks and their retry policy."""

import enum
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from fwai.domain.call import CallState
from fwai.domain.hours import CallingHours

MAX_NOTE: Final = 500
TOO_LATE: Final = "too_late"  # the cause of a call that waited until it was not worth dialling
DO_NOT_CALL: Final = "do_not_call"  # of one whose person has forbidden it since


class CallbackState(enum.StrEnum):
    """State of a callback; the last four are final."""

    SCHEDULED = "scheduled"
    CALLING = "calling"
    DONE = "done"
    FAILED = "failed"
    MISSED = "missed"
    CANCELED = "canceled"

    @property
    def broken(self) -> bool:
        """Whether the promise was not kept; one that was taken back is not broken."""
        return self in (CallbackState.FAILED, CallbackState.MISSED)

    @property
    def final(self) -> bool:
        """Whether the state is final."""
        return self not in (CallbackState.SCHEDULED, CallbackState.CALLING)


@dataclass(frozen=True, slots=True)
class NewCallback:
    """A callback to schedule.

    Attributes:
        key: The same callback twice has the same key; at most 160 characters.
        phone: Whom to call, E.164.
        provider: Who carries the call; empty takes the default.
        agent: Who speaks.
        due_at: When.
        note: What it is about, in a sentence.
        source_call_id: The call it was agreed in, or empty.
    """

    key: str
    phone: str
    provider: str
    agent: str
    due_at: datetime
    note: str = ""
    source_call_id: str = ""


@dataclass(frozen=True, slots=True)
class Callback:
    """A stored callback.

    Attributes:
        attempts: How often the person was called.
        last_call_id: The newest call made for it, or empty.
    """

    id: str
    phone: str
    provider: str
    agent: str
    due_at: datetime
    note: str
    state: CallbackState
    attempts: int
    source_call_id: str
    last_call_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CallbackPolicy:
    """Retry policy of callbacks.

    Attributes:
        attempts: Calls at most, the first one included.
        gap_s: Delay from a failed call to the next.
        window_s: How late a call may be made, such as after downtime, within calling hours.
    """

    attempts: int = 3
    gap_s: float = 900.0
    window_s: float = 7200.0

    def until(self, due_at: datetime, hours: CallingHours, zone: ZoneInfo) -> datetime:
        """Return until when the call may still be made; while nobody is called nothing counts."""
        return hours.open_for(due_at, self.window_s, zone)

    def after(
        self, callback: Callback, call: CallState, now: datetime, cause: str = ""
    ) -> tuple[CallbackState, datetime | None]:
        """Return the next state after a call that ended as ``call``, and when to try again.

        ``cause`` is that of the call's ending.
        """
        if call is CallState.COMPLETED:
            return CallbackState.DONE, None
        if cause in (TOO_LATE, DO_NOT_CALL):
            return CallbackState.MISSED, None
        if call is CallState.CANCELED:
            return CallbackState.CANCELED, None
        if callback.attempts >= self.attempts:
            return CallbackState.FAILED, None
        return CallbackState.SCHEDULED, now + timedelta(seconds=self.gap_s)
