"""Dependencies of the API; every coroutine may raise ``StoreError``."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fwai.domain.agent import AgentProfile
from fwai.domain.call import Call
from fwai.domain.callback import Callback, NewCallback
from fwai.domain.erasure import Erased
from fwai.domain.outbound import AcceptedCall, CallRequest, DialRules
from fwai.http.sse import HEARTBEAT_S
from fwai.interfaces.audit import AuditTrail
from fwai.interfaces.calls import LiveCalls, LiveEventSource
from fwai.interfaces.jobs import JobList
from fwai.interfaces.store import BookingList, CallbackList, CallList, ContactList, IdempotencyStore
from fwai.interfaces.tools import ToolCatalog


@dataclass(frozen=True, slots=True)
class ApiServices:
    """Dependencies of the API's routes.

    Attributes:
        place: Accepts a call to be dialled.
        cancel: Cancels a call that was not dialled yet; False when it is too late.
        live: The calls that this process carries.
        live_events: Publishes the events of live calls.
        tools: The tools.
        schedule: Stores a callback and publishes its event; True when it is new.
        erase: Erases all records of a number.
        recordings_dir: None when nothing was ever recorded.
        clock: The time now, aware.
        heartbeat_s: Silence on an event stream before a keep-alive comment.
    """

    calls: CallList
    place: Callable[[CallRequest], Awaitable[AcceptedCall]]
    cancel: Callable[[Call], Awaitable[bool]]
    live: LiveCalls
    live_events: LiveEventSource
    tools: ToolCatalog
    callbacks: CallbackList
    schedule: Callable[[NewCallback], Awaitable[tuple[Callback, bool]]]
    bookings: BookingList
    contacts: ContactList
    erase: Callable[[str], Awaitable[Erased]]
    jobs: JobList
    requests: IdempotencyStore
    audit: AuditTrail
    rules: DialRules
    agents: Mapping[str, AgentProfile]
    recordings_dir: Path | None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    heartbeat_s: float = HEARTBEAT_S
