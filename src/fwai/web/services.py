"""What the API needs of the rest of the process; every coroutine may raise ``StoreError``."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from fwai.calls.live_events import Watch
from fwai.domain.agent import AgentProfile
from fwai.domain.booking import Booking
from fwai.domain.call import Call, CallId, CallState, Direction
from fwai.domain.callback import Callback, CallbackState, NewCallback
from fwai.domain.contact import Contact
from fwai.domain.events import ToolResult
from fwai.domain.hours import CallingHours
from fwai.domain.job import Job, JobState
from fwai.domain.record import CallRecord, ToolRecord, TurnRecord
from fwai.domain.tool import ToolSpec
from fwai.interfaces.media import CallActions

Place = tuple[datetime, str]

HEARTBEAT_S: Final = 15.0


class CallBook(Protocol):
    """What is kept of calls."""

    async def get(self, call_id: CallId) -> CallRecord | None:
        """Return a call, or None when it is unknown."""
        ...

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

    async def turns(self, call_id: CallId) -> list[TurnRecord]:
        """Return what was said."""
        ...

    async def tool_calls(self, call_id: CallId) -> list[ToolRecord]:
        """Return what was done."""
        ...


class Accepted(Protocol):
    """A call that was accepted to be dialled; as ``calls.outbound.Placed``."""

    @property
    def call(self) -> Call:
        """What it is."""
        ...

    @property
    def state(self) -> CallState:
        """Queued or scheduled."""
        ...

    @property
    def due_at(self) -> datetime:
        """When it will be dialled."""
        ...

    @property
    def new(self) -> bool:
        """False when its id was known already."""
        ...


class PlaceCall(Protocol):
    """Accepts a call to be dialled; as ``Outbound.place`` of a ``CallRequest`` of the same names.

    Raises ``FieldError`` and ``RefusedError``.
    """

    async def __call__(
        self,
        *,
        to: str,
        provider: str,
        agent: str,
        context: Mapping[str, str],
        webhook_url: str,
        not_before: datetime | None,
        call_id: CallId,
    ) -> Accepted:
        """Keep the call and its job."""
        ...


class LiveSession(CallActions, Protocol):
    """A call that is being carried."""

    @property
    def call(self) -> Call:
        """What it is."""
        ...

    def say(self, text: str) -> None:
        """Let the agent say something now."""
        ...


class LiveCalls(Protocol):
    """The calls of this process that are not over."""

    def live(self, call_id: CallId) -> bool:
        """Whether a call is carried or rings here."""
        ...

    def session(self, call_id: CallId) -> LiveSession | None:
        """Return the session of a call that is being carried."""
        ...

    def hang_up(self, call_id: CallId) -> bool:
        """End a live call; False when there is none."""
        ...


class ToolCatalog(Protocol):
    """The tools of this server; as ``tools.registry.ToolRegistry``."""

    @property
    def unconfigured(self) -> Mapping[str, str]:
        """Which settings are missing, by the name of the tool that needs them."""
        ...

    def describe(self, agent: str = "") -> Sequence[ToolSpec]:
        """Return every tool that can be used, an agent's own ones too, with its JSON Schema."""
        ...

    def specs(self, names: Iterable[str], agent: str = "") -> Sequence[ToolSpec]:
        """Return an agent's own tools and those of ``names``, as far as they can be used."""
        ...

    async def use(self, name: str, args: Mapping[str, Any], context: Any) -> ToolResult:  # noqa: ANN401
        """Run a tool.

        Raises:
            FieldError: An argument is wrong; it is named.
            RefusedError: The tool is not configured.
        """
        ...


class CallbackBook(Protocol):
    """The promises to call back."""

    async def get(self, callback_id: str) -> Callback | None:
        """Return one, or None when it is unknown."""
        ...

    async def page(
        self,
        *,
        states: Collection[CallbackState] = (),
        phone: str = "",
        due_before: datetime | None = None,
        after: Place | None = None,
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


class BookingBook(Protocol):
    """The demos that were booked."""

    async def get(self, booking_id: str) -> Booking | None:
        """Return one, or None when it is unknown."""
        ...

    async def page(
        self,
        *,
        from_: datetime | None = None,
        to: datetime | None = None,
        phone: str = "",
        after: Place | None = None,
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


class People(Protocol):
    """What is known of people."""

    async def get(self, phone: str) -> Contact:
        """Return a person; of somebody unknown an empty contact."""
        ...

    async def set_do_not_call(self, phone: str, on: bool, reason: str) -> None:
        """Forbid calls to a person, or permit them again."""
        ...

    async def do_not_call(self, phone: str) -> bool:
        """Whether a person must not be called."""
        ...

    async def page_do_not_call(self, after: str = "", limit: int = 50) -> list[Contact]:
        """Return who must not be called, by number."""
        ...


class Removed(Protocol):
    """How much of a person was removed."""

    calls: int
    callbacks: int
    bookings: int
    jobs: int
    files: int
    contact: bool
    live: int


class JobBook(Protocol):
    """The work of the server."""

    async def get(self, job_id: str) -> Job | None:
        """Return a job, or None when it is unknown."""
        ...

    async def page(
        self,
        *,
        states: Collection[JobState] = (),
        kind: str = "",
        after: Place | None = None,
        limit: int = 50,
    ) -> list[Job]:
        """Return the newest first."""
        ...

    async def revive(self, job_id: str) -> bool:
        """Try a dead or unknown job again; False when it is neither."""
        ...


class Claimed(Protocol):
    """What is known of an Idempotency-Key; as ``store.requests.Claim``."""

    @property
    def generation(self) -> str:
        """Names this use of the key."""
        ...

    @property
    def claimed_at(self) -> datetime:
        """When this use of it began."""
        ...

    @property
    def mine(self) -> bool:
        """Nobody else has it."""
        ...

    @property
    def same(self) -> bool:
        """The request is the one that came first."""
        ...

    @property
    def status(self) -> int | None:
        """Of the answer; None while there is none."""
        ...

    @property
    def body(self) -> Any:  # noqa: ANN401 - JSON
        """The answer."""
        ...


class RequestBook(Protocol):
    """Who was first with an Idempotency-Key."""

    async def claim(self, scope: str, key: str, fingerprint: str) -> Claimed:
        """Take a key, or return what became of who took it."""
        ...

    async def answer(self, scope: str, key: str, generation: str, status: int, body: Any) -> bool:  # noqa: ANN401
        """Keep the answer."""
        ...


class DialRules(Protocol):
    """When and whom this server may call; as ``calls.outbound.DialRules``."""

    @property
    def providers(self) -> Mapping[str, str]:
        """Those that can place calls, the default one first."""
        ...

    @property
    def agents(self) -> Sequence[str]:
        """Ids, the default one first."""
        ...

    @property
    def hours(self) -> CallingHours:
        """When people may be called."""
        ...

    @property
    def zone(self) -> ZoneInfo:
        """Whose wall clock is meant."""
        ...


@dataclass(frozen=True, slots=True)
class ApiServices:
    """What the API needs.

    Attributes:
        place: Accepts a call to be dialled.
        cancel: Cancels a call that was not dialled yet; False when it is too late.
        live: The calls that this process carries.
        watch: Tells what happens in calls.
        tools: The tools.
        tool_context: Makes what ``ToolCatalog.use`` takes of ``to``, ``scope``, ``call``,
            ``actions`` and ``trusted``; as the class ``ToolContext``.
        schedule: Writes a callback, and tells of it; True when it is new.
        erase: Removes what is kept of a number.
        recordings_dir: None when nothing was ever recorded.
        clock: The time now, aware.
        heartbeat_s: Silence on an event stream before a sign of life.
    """

    calls: CallBook
    place: PlaceCall
    cancel: Callable[[Call], Awaitable[bool]]
    live: LiveCalls
    watch: Watch
    tools: ToolCatalog
    tool_context: Callable[..., Any]
    callbacks: CallbackBook
    schedule: Callable[[NewCallback], Awaitable[tuple[Callback, bool]]]
    bookings: BookingBook
    contacts: People
    erase: Callable[[str], Awaitable[Removed]]
    jobs: JobBook
    requests: RequestBook
    rules: DialRules
    agents: Mapping[str, AgentProfile]
    recordings_dir: Path | None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    heartbeat_s: float = HEARTBEAT_S
