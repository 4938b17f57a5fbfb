"""The telephone providers that are enabled: what each gives the server, built from settings.

WhatsApp is not like the others: it has a life of its own (a token to renew, calls to set up in the
background), so it is opened around the server's life (`open_whatsapp`).

A provider's folder is imported only here and only when it is enabled: a small machine pays for
nothing it does not use.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import httpx
from fastapi import APIRouter

from fwai.config.settings import Settings
from fwai.domain.agent import AgentProfile
from fwai.domain.failure import UNWATCHED, Area
from fwai.domain.host import is_loopback
from fwai.http.access import Access
from fwai.http.api_watch import ApiWatch
from fwai.http.signed_once import SignedOnce
from fwai.interfaces.calls import CallHandler, CallTransfer, LiveEventSource, OutboundLine
from fwai.interfaces.failures import Failures
from fwai.interfaces.messages import MessageReports, SentMessageLog, SmsSender
from fwai.interfaces.store import CallPermissionStore

if TYPE_CHECKING:
    from fwai.adapters.webrtc.peer import PeerOptions
    from fwai.adapters.whatsapp.account import WhatsApp


@dataclass(frozen=True, slots=True)
class Provider:
    """One enabled provider.

    Attributes:
        name: As in ``CALL_PROVIDER``.
        sms: Sends text messages, or None.
        router: Builds its endpoints around whoever takes its calls and its reports on messages,
            and what remembers which signed requests were taken.
        line: Places calls.
        transfer: Hands calls to a human, or None when nobody is there to take them.
    """

    name: str
    sms: SmsSender | None
    router: Callable[[CallHandler, MessageReports, SignedOnce], APIRouter]
    line: OutboundLine
    transfer: CallTransfer | None


def enabled(
    settings: Settings, http: httpx.AsyncClient, failures: Failures = UNWATCHED
) -> list[Provider]:
    """Build every provider of ``CALL_PROVIDER``, in its order; ``http`` stays the caller's."""
    return [
        _BUILDERS[name](settings, http, failures)
        for name in settings.call_provider
        if name in _BUILDERS
    ]


def webrtc(settings: Settings) -> "PeerOptions | None":
    """Return how WebRTC calls are carried, or None when nothing enabled needs them.

    One clock and one pool of ports serve the whole process.

    Raises:
        ConfigError: A library of the media path is not the version it was made for.
    """
    if not settings.browser_calls and "whatsapp" not in settings.call_provider:
        return None
    from fwai.adapters.webrtc import library_check as guard
    from fwai.adapters.webrtc.clock import MediaClock
    from fwai.adapters.webrtc.peer import PeerOptions
    from fwai.adapters.webrtc.ports import UdpPorts

    guard.verify()
    ports = UdpPorts(settings.rtc_udp_port_min, settings.rtc_udp_port_max)
    return PeerOptions(ports, MediaClock(), settings.public_ip or None)


@asynccontextmanager
async def open_whatsapp(
    settings: Settings,
    http: httpx.AsyncClient,
    calls: CallHandler,
    media: "PeerOptions",
    permissions: CallPermissionStore,
    reports: MessageReports,
    sent: SentMessageLog,
    failures: Failures,
) -> AsyncIterator["WhatsApp"]:
    """Open the WhatsApp number of the settings: its endpoints, its line, its messages.

    Args:
        settings: Those of the process.
        http: Shared client; not closed here.
        calls: Takes over each call.
        media: How media are carried.
        permissions: Where permissions of users are kept.
        reports: Hears how messages fare.
        sent: Keeps which messages went out.
        failures: Told when Meta cannot be used.
    """
    from fwai.adapters.whatsapp import account
    from fwai.adapters.whatsapp.peer import WebRtcPeer
    from fwai.adapters.whatsapp.token import AppKeys

    options = account.WhatsAppOptions(
        phone_number_id=settings.phone_number_id,
        access_token=settings.meta_access_token.get_secret_value(),
        verify_token=settings.meta_verify_token.get_secret_value(),
        keys=AppKeys(settings.meta_app_id, settings.meta_app_secret.get_secret_value()),
        token_cache=settings.data_dir / "whatsapp_token.json",
        graph_url=settings.meta_graph_url,
        graph_version=settings.meta_graph_version,
        pre_accept=settings.whatsapp_use_pre_accept,
        allow_unsigned=settings.allow_unsigned_webhooks,
    )
    # Graph on this machine is a simulator: its telephones are here, too.
    local = is_loopback(urlsplit(settings.meta_graph_url).hostname or "")
    peer = WebRtcPeer(replace(media, loopback=local))
    whatsapp = account.open_whatsapp(
        options, http, peer, calls, permissions, reports=reports, sent=sent, failures=failures
    )
    async with whatsapp as number:
        yield number


def browser_calls(
    calls: CallHandler,
    tasks: asyncio.TaskGroup,
    live_events: LiveEventSource,
    media: "PeerOptions",
    access: Access,
    agents: Mapping[str, AgentProfile],
    *,
    scripted: bool,
) -> APIRouter:
    """Build the endpoints of calls from a browser.

    ``tasks`` owns what calls leave running: leave it only after ``calls`` was stopped.
    """
    from fwai.adapters.browser.routes import BrowserCalls, router

    options = BrowserCalls(
        peer=media,
        tasks=tasks,
        live_events=live_events,
        access=access,
        agents=agents,
        scripted=scripted,
    )
    return router(options, calls)


def _plivo(settings: Settings, http: httpx.AsyncClient, failures: Failures) -> Provider:
    from fwai.adapters.plivo.client import PlivoClient
    from fwai.adapters.plivo.line import PlivoLine
    from fwai.adapters.plivo.routes import PlivoWebhooks, router

    client = PlivoClient(
        http,
        settings.plivo_auth_id,
        next(iter(settings.plivo_tokens), ""),
        settings.plivo_phone_number,
        settings.plivo_api_url,
        dlt={
            "entity_id": settings.plivo_dlt_entity_id,
            "template_id": settings.plivo_dlt_template_id,
            "template_category": settings.plivo_dlt_template_category,
        },
        watch=ApiWatch(
            failures,
            Area.PROVIDER,
            "plivo",
            "check PLIVO_AUTH_ID and PLIVO_AUTH_TOKEN, and what the account may do (countries, "
            "compliance)",
            "check the network and PLIVO_API_URL; look at Plivo's status page",
        ),
    )
    line = PlivoLine(client, settings.plivo_phone_number, settings.base_url)
    hooks = PlivoWebhooks(
        public_url=settings.base_url,
        account_id=settings.plivo_auth_id,
        tokens=settings.plivo_tokens,
        audio=settings.plivo_audio,
        big_endian_l16=settings.plivo_l16_byteorder == "big",
        ws_signature=settings.plivo_ws_signature,
        allow_unsigned=settings.allow_unsigned_webhooks,
        line=settings.plivo_phone_number,
        human=settings.human_handoff_number,
    )
    return Provider(
        name="plivo",
        sms=line,
        router=lambda calls, reports, once: router(hooks, calls, line, reports, once),
        line=line,
        transfer=line if settings.human_handoff_number else None,
    )


def _exotel(settings: Settings, http: httpx.AsyncClient, failures: Failures) -> Provider:
    from fwai.adapters.exotel.client import ExotelClient
    from fwai.adapters.exotel.line import ExotelLine
    from fwai.adapters.exotel.routes import ExotelWebhooks, router

    client = ExotelClient(
        http,
        settings.exotel_sid,
        settings.exotel_api_key.get_secret_value(),
        settings.exotel_api_token.get_secret_value(),
        settings.exotel_caller_id,
        settings.exotel_api_url,
        dlt_entity_id=settings.exotel_dlt_entity_id,
        dlt_template_id=settings.exotel_dlt_template_id,
        watch=ApiWatch(
            failures,
            Area.PROVIDER,
            "exotel",
            "check EXOTEL_SID, EXOTEL_API_KEY and EXOTEL_API_TOKEN, EXOTEL_API_URL (the region), "
            "and what the account may do",
            "check the network and EXOTEL_API_URL; look at Exotel's status page",
        ),
    )
    hooks = ExotelWebhooks(
        public_url=settings.base_url,
        account_id=settings.exotel_sid,
        line=settings.exotel_caller_id,
        secret=settings.exotel_webhook_secret.get_secret_value(),
        basic=settings.exotel_basic,
        sample_rate=settings.exotel_sample_rate,
        chunk_bytes=settings.exotel_chunk_bytes,
    )
    line = ExotelLine(
        client, settings.exotel_caller_id, settings.base_url, hooks.secret, hooks.stream_url
    )
    return Provider(
        name="exotel",
        sms=line,
        router=lambda calls, reports, _: router(hooks, calls, client, line, reports),
        line=line,
        transfer=line if settings.human_handoff_number else None,
    )


_BUILDERS: Final[Mapping[str, Callable[[Settings, httpx.AsyncClient, Failures], Provider]]] = {
    "plivo": _plivo,
    "exotel": _exotel,
}
