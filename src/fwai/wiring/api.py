"""The API over the parts of this process that do its work."""

import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from fastapi import APIRouter

from fwai.calls.live_events import Watch
from fwai.calls.manager import CallManager
from fwai.calls.outbound import CallRequest, Placed
from fwai.config.settings import Settings
from fwai.domain.agent import AgentProfile
from fwai.domain.call import Call, CallEnding, CallId, CallState, EndReason
from fwai.http.access import Access
from fwai.interfaces.media import CallArchive
from fwai.store.open import Store
from fwai.tools.base import ToolContext
from fwai.tools.registry import ToolRegistry
from fwai.web.api import router
from fwai.web.services import ApiServices, PlaceCall
from fwai.wiring.jobs import Office


def api(
    settings: Settings,
    store: Store,
    office: Office,
    calls: CallManager,
    tools: ToolRegistry,
    agents: Mapping[str, AgentProfile],
    watch: Watch,
    archive: CallArchive,
    access: Access,
) -> APIRouter:
    """Build the API; include it after every other route under ``/api``.

    What it cancels goes through ``archive``, so that those who watch hear of it.
    """
    services = ApiServices(
        calls=store.calls,
        place=_placing(office),
        cancel=_canceling(archive),
        live=calls,
        watch=watch,
        tools=tools,
        tool_context=ToolContext,
        callbacks=store.callbacks,
        schedule=office.schedule,
        bookings=store.bookings,
        contacts=store.contacts,
        erase=store.erasure.erase,
        jobs=store.jobs,
        requests=store.requests,
        rules=office.rules,
        agents=agents,
        recordings_dir=settings.data_dir / "recordings",
    )
    return router(services, access)


def access_of(settings: Settings) -> Access:
    """Build who may use the API and call from the browser."""
    return Access(
        tuple(key.get_secret_value() for key in settings.api_keys),
        loopback=not settings.api_keys,
        secure_cookies=settings.base_url.startswith("https:"),
        what="the API and calls from the browser are",
    )


def _placing(office: Office) -> PlaceCall:
    async def place(
        *,
        to: str,
        provider: str,
        agent: str,
        context: Mapping[str, str],
        webhook_url: str,
        not_before: datetime | None,
        call_id: CallId,
    ) -> Placed:
        request = CallRequest(
            to=to,
            provider=provider,
            agent=agent,
            context=context,
            webhook_url=webhook_url,
            not_before=not_before,
            call_id=call_id,
        )
        return await office.outbound.place(request)

    return place


def _canceling(archive: CallArchive) -> Callable[[Call], Awaitable[bool]]:
    async def cancel(call: Call) -> bool:
        ending = CallEnding(CallState.CANCELED, EndReason.OPERATOR)
        return await archive.end(call, ending, time.time())

    return cancel
