"""What is kept: calls, callbacks, bookings, people, permissions, idempotency keys.

Each Protocol is as narrow as its users; wider ones build on narrower ones. Every coroutine raises
``StoreError`` when the database fails.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from fwai.domain.booking import Booking, NewBooking
from fwai.domain.call import Call, CallEnding, CallId, CallState, Direction
from fwai.domain.call_permission import CallPermission
from fwai.domain.callback import Callback, CallbackState, NewCallback
from fwai.domain.contact import Contact, MemoryEntry
from fwai.domain.events import ToolCall, ToolResult
from fwai.domain.idempotency import Claim
from fwai.domain.job import NewJob
from fwai.domain.record import CallRecord, ToolRecord, TurnRecord
from fwai.interfaces.jobs import ListPosition

# ---- calls --------------------------------------------------------------------------------------


class CallLog(Protocol):
    """Where one call's story is written down while it happens. No method blocks or raises."""

    def caller_said(self, text: str, at: float, turn: int) -> None:
        """Keep words of the caller; ``at`` is Unix time of their start, in seconds.

        One turn may come in several pieces, so that a crash loses little; readers join pieces
        of the same role and ``turn``.
        """
        ...

    def agent_said(self, text: str, at: float, turn: int, *, interrupted: bool = False) -> None:
        """Keep words of the agent that the caller heard; ``interrupted`` on a cut turn's last."""
        ...

    def tool_finished(
        self, request: ToolCall, result: ToolResult, at: float, elapsed_ms: float
    ) -> None:
        """Keep a tool call and its outcome."""
        ...

    def note(self, what: str, at: float, **facts: str | float | bool) -> None:
        """Keep a system event such as ``reconnected`` or ``dtmf``."""
        ...


class CallLookup(Protocol):
    """Finds calls."""

    async def get(self, call_id: CallId) -> CallRecord | None:
        """Return a call, or None when it is unknown."""
        ...


class CallReader(CallLookup, Protocol):
    """Reads calls with what was said and done in them."""

    async def turns(self, call_id: CallId) -> list[TurnRecord]:
        """Return what was said."""
        ...

    async def tool_calls(self, call_id: CallId) -> list[ToolRecord]:
        """Return what was done."""
        ...


class CallSummaries(CallReader, Protocol):
    """Reads calls and keeps what was found in them after their end."""

    async def set_summary(
        self, call_id: CallId, summary: str | None, extracted: Mapping[str, Any] | None
    ) -> None:
        """Keep what was found."""
        ...


class CallList(CallReader, Protocol):
    """The calls as operators see them."""

    async def page(
        self,
        *,
        states: Collection[CallState] = (),
        provider: str = "",
        phone: str = "",
        direction: Direction | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        after: tuple[datetime, CallId] | None = None,
        limit: int = 50,
    ) -> list[CallRecord]:
        """Return the newest calls first."""
        ...


class CallStates(CallLookup, Protocol):
    """Moves calls from state to state."""

    async def set_state(self, call_id: CallId, state: CallState, at: float) -> bool:
        """Move a call to ``state``; False when that is not a legal step."""
        ...

    async def put_off(self, call_id: CallId, at: float) -> bool:
        """Move a call that was about to be dialled back to ``scheduled``; False when it is not."""
        ...

    async def end(self, call: Call, ending: CallEnding, at: float) -> bool:
        """Close a call; False when it was closed before."""
        ...


class CallArchive(CallStates, Protocol):
    """What is kept of all calls."""

    async def open(self, call: Call, state: CallState, at: float) -> None:
        """Keep a new call."""
        ...

    async def keep_missed(self, call: Call, ending: CallEnding, at: float) -> bool:
        """Keep a call that was over before it began; False when its provider's id is known."""
        ...

    async def set_provider_id(self, call_id: CallId, provider_call_id: str) -> None:
        """Keep the provider's id, which an outbound call has only once it was placed."""
        ...

    async def set_recording(self, call_id: CallId, recording: Path) -> None:
        """Keep where the recording is, relative to the recordings' directory."""
        ...

    def log(self, call: Call) -> CallLog:
        """Return the log to write this call's transcript into."""
        ...

    async def state_of(self, provider: str, provider_call_id: str) -> CallState | None:
        """Return the state of a call by its provider's id, or None when it is not known."""
        ...


class OutboundCallStore(Protocol):
    """Keeps calls that are to be dialled."""

    async def place(
        self,
        call: Call,
        state: CallState,
        at: float,
        *,
        not_before: datetime | None = None,
        jobs: Sequence[NewJob] = (),
    ) -> bool:
        """Keep a call and its jobs in one transaction; False when the call is known."""
        ...


# ---- callbacks ----------------------------------------------------------------------------------

CallbackJobs = Callable[[Callback], Iterable[NewJob]]
"""What else is to be written in the transaction of a change, given the callback as it is then."""


class CallbackSettler(Protocol):
    """Keeps what became of callbacks."""

    async def get(self, callback_id: str) -> Callback | None:
        """Return one, or None when it is unknown."""
        ...

    async def settle(
        self,
        callback_id: str,
        call_id: str,
        state: CallbackState,
        retry_at: datetime | None,
        also: CallbackJobs = ...,
    ) -> Callback | None:
        """Keep what the call that is made for it came to."""
        ...


class DialledCallbacks(CallbackSettler, Protocol):
    """The callbacks as their dialer sees them."""

    async def started(self, callback_id: str, call_id: str) -> Callback | None:
        """Keep that it is being called."""
        ...

    async def missed(self, callback_id: str, also: CallbackJobs) -> Callback | None:
        """Keep that its time went by."""
        ...


class CallbackBook(Protocol):
    """The callbacks of people, as tools see them."""

    async def schedule(self, new: NewCallback, also: CallbackJobs) -> tuple[Callback, bool]:
        """Write one, and what else is to be done; the known one and False if its key is known."""
        ...

    async def open_for(self, phone: str) -> list[Callback]:
        """Return those of a person that are not over, the soonest first."""
        ...

    async def cancel(self, callback_id: str) -> Callback | None:
        """Take one back; one that is over comes back unchanged."""
        ...

    async def cancel_for(self, phone: str) -> int:
        """Take back all of a person's; return how many."""
        ...


class CallbackList(Protocol):
    """The callbacks as operators see them."""

    async def get(self, callback_id: str) -> Callback | None:
        """Return one, or None when it is unknown."""
        ...

    async def page(
        self,
        *,
        states: Collection[CallbackState] = (),
        phone: str = "",
        due_before: datetime | None = None,
        after: ListPosition | None = None,
        limit: int = 50,
    ) -> list[Callback]:
        """Return the soonest first."""
        ...

    async def open_for(self, phone: str) -> list[Callback]:
        """Return a person's that are not over."""
        ...

    async def cancel(self, callback_id: str) -> Callback | None:
        """Take one back; one that is over comes back unchanged."""
        ...


# ---- bookings -----------------------------------------------------------------------------------


class BookingBook(Protocol):
    """The booked demos, as tools see them."""

    async def book(
        self, new: NewBooking, capacity: int, also: Callable[[Booking], Iterable[NewJob]]
    ) -> Booking | None:
        """Write one, and what else is to be done; None if ``capacity`` others overlap it.

        One whose key is known is returned as it stands.
        """
        ...

    async def open_for(self, phone: str, now: datetime) -> list[Booking]:
        """Return a person's demos that are not over, the earliest first."""
        ...

    async def taken_between(self, start: datetime, end: datetime) -> list[Booking]:
        """Return the demos that overlap a span, the earliest first."""
        ...


class BookingList(Protocol):
    """The booked demos as operators see them."""

    async def get(self, booking_id: str) -> Booking | None:
        """Return one, or None when it is unknown."""
        ...

    async def page(
        self,
        *,
        from_: datetime | None = None,
        to: datetime | None = None,
        phone: str = "",
        after: ListPosition | None = None,
        limit: int = 50,
    ) -> list[Booking]:
        """Return the earliest first."""
        ...

    async def open_for(self, phone: str, now: datetime) -> list[Booking]:
        """Return a person's that are not over."""
        ...

    async def cancel(self, booking_id: str) -> Booking | None:
        """Cancel one; one that was canceled comes back unchanged."""
        ...


class BookingNotices(Protocol):
    """The messages that go out about a booking."""

    def keys(self, booking: Booking) -> Collection[str]:
        """Return the keys of the jobs that confirm it."""
        ...

    def canceled(self, booking: Booking, sent: Collection[str]) -> Iterable[NewJob]:
        """Return what tells that it is off to whom the jobs of ``sent`` may have confirmed it."""
        ...


# ---- people -------------------------------------------------------------------------------------


class DoNotCallList(Protocol):
    """Who must not be called."""

    async def do_not_call(self, phone: str) -> bool:
        """Whether calls to a person are forbidden."""
        ...


class EditableDoNotCallList(DoNotCallList, Protocol):
    """Who must not be called, and changes of that."""

    async def set_do_not_call(self, phone: str, on: bool, reason: str) -> None:
        """Forbid calls to a person, or permit them again."""
        ...


class ContactMemory(Protocol):
    """What is remembered of people."""

    async def remember(self, phone: str, entry: MemoryEntry) -> object:
        """Keep a call in short."""
        ...


class ContactList(EditableDoNotCallList, Protocol):
    """People as operators see them."""

    async def get(self, phone: str) -> Contact:
        """Return a person; of somebody unknown an empty contact."""
        ...

    async def page_do_not_call(self, after: str = "", limit: int = 50) -> list[Contact]:
        """Return who must not be called, by number."""
        ...


CallPermissionChange = Callable[[CallPermission], CallPermission]


class CallPermissionStore(Protocol):
    """WhatsApp call permissions; ``user`` is an E.164 number or a user id."""

    async def load(self, user: str) -> CallPermission:
        """Return what is kept; of an unknown user an empty permission."""
        ...

    async def change(self, user: str, change: CallPermissionChange) -> CallPermission:
        """Apply ``change`` in one transaction and return what is kept now."""
        ...


# ---- idempotency keys ---------------------------------------------------------------------------


class IdempotencyStore(Protocol):
    """Who was first with an Idempotency-Key."""

    async def claim(self, scope: str, key: str, fingerprint: str) -> Claim:
        """Take a key, or return what became of who took it."""
        ...

    async def answer(self, scope: str, key: str, generation: str, status: int, body: Any) -> bool:  # noqa: ANN401
        """Keep the answer."""
        ...


class IdempotencyPurge(Protocol):
    """What housekeeping needs of the keys."""

    async def purge(self, before: datetime) -> int:
        """Delete those from before a time."""
        ...


class InstancePurge(Protocol):
    """What housekeeping needs of the instances."""

    async def purge(self) -> int:
        """Delete those that are over for more than a day."""
        ...
