"""API wiring: the API over the parts of this process that do its work, and who may use it."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from fastapi import APIRouter

from fwai.calls.manager import CallManager
from fwai.config.settings import Settings
from fwai.domain.agent import AgentProfile
from fwai.domain.call import Call, CallEnding, CallState, EndReason
from fwai.domain.call_event import CALLBACK_SCHEDULED
from fwai.domain.callback import Callback, NewCallback
from fwai.domain.outbound import AcceptedCall, CallRequest, DialRules
from fwai.http.access import Access
from fwai.interfaces.calls import LiveEventSource
from fwai.interfaces.store import CallArchive
from fwai.jobs.events import Events
from fwai.store.open import Store
from fwai.tools.registry import ToolRegistry
from fwai.web.api import router
from fwai.web.services import ApiServices
from fwai.wiring.webhooks import callback_event


@dataclass(frozen=True, slots=True)
class ApiParts:
    """What the API works with.

    Attributes:
        archive: What the API cancels goes through it, so that subscribers hear of it.
        place: Accepts a call to be dialled.
    """

    store: Store
    calls: CallManager
    tools: ToolRegistry
    agents: Mapping[str, AgentProfile]
    events: Events
    live_events: LiveEventSource
    archive: CallArchive
    rules: DialRules
    place: Callable[[CallRequest], Awaitable[AcceptedCall]]


def api(settings: Settings, parts: ApiParts, access: Access) -> APIRouter:
    """Build the API; include it after every other route under ``/api``."""
    store = parts.store
    scheduled = callback_event(parts.events, CALLBACK_SCHEDULED, settings.zone)

    async def schedule(new: NewCallback) -> tuple[Callback, bool]:
        return await store.callbacks.schedule(new, scheduled)

    async def cancel(call: Call) -> bool:
        ending = CallEnding(CallState.CANCELED, EndReason.OPERATOR)
        return await parts.archive.end(call, ending, time.time())

    services = ApiServices(
        calls=store.calls,
        place=parts.place,
        cancel=cancel,
        live=parts.calls,
        live_events=parts.live_events,
        tools=parts.tools,
        callbacks=store.callbacks,
        schedule=schedule,
        bookings=store.bookings,
        contacts=store.contacts,
        erase=store.erasure.erase,
        jobs=store.jobs,
        requests=store.idempotency_keys,
        audit=store.audit,
        rules=parts.rules,
        agents=parts.agents,
        recordings_dir=settings.data_dir / "recordings",
    )
    return router(services, access)
