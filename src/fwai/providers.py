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

from fwai.adapters.browser.watch import Watch
from fwai.config import Settings, is_loopback
from fwai.interfaces import CallHandler, SmsSender

if TYPE_CHECKING:
    from fwai.adapters.webrtc.peer import PeerOptions


@dataclass(frozen=True, slots=True)
class Provider:
    """One enabled provider.

    Attributes:
        name: As in ``CALL_PROVIDER``.
        sms: Sends text messages, or None.
        router: Builds its endpoints around whoever takes its calls.
    """

    name: str
    sms: SmsSender | None
    router: Callable[[CallHandler], APIRouter]


def enabled(settings: Settings, http: httpx.AsyncClient) -> list[Provider]:
    """Build every provider of ``CALL_PROVIDER``, in its order; ``http`` stays the caller's."""
    return [_BUILDERS[name](settings, http) for name in settings.call_provider if name in _BUILDERS]


def webrtc(settings: Settings) -> "PeerOptions | None":
    """Return how WebRTC calls are carried, or None when nothing enabled needs them.

    One clock and one pool of ports serve the whole process.

    Raises:
        ConfigError: A library of the media path is not the version it was made for.
    """
    if not settings.browser_calls and "whatsapp" not in settings.call_provider:
        return None
    from fwai.adapters.webrtc import guard
    from fwai.adapters.webrtc.clock import MediaClock
    from fwai.adapters.webrtc.peer import PeerOptions
    from fwai.adapters.webrtc.ports import UdpPorts

    guard.verify()
    ports = UdpPorts(settings.rtc_udp_port_min, settings.rtc_udp_port_max)
    return PeerOptions(ports, MediaClock(), settings.public_ip or None)


@asynccontextmanager
async def open_whatsapp(
    settings: Settings, http: httpx.AsyncClient, calls: CallHandler, media: "PeerOptions"
) -> AsyncIterator[APIRouter]:
    """Open the WhatsApp number of the settings and yield its endpoints."""
    from fwai.adapters.whatsapp import account
    from fwai.adapters.whatsapp.contacts import MemoryStandings
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
    async with account.open_whatsapp(options, http, peer, calls, MemoryStandings()) as number:
        yield number.router


def browser_calls(
    settings: Settings,
    calls: CallHandler,
    tasks: asyncio.TaskGroup,
    watch: Watch,
    media: "PeerOptions",
) -> APIRouter:
    """Build the endpoints of calls from a browser.

    ``tasks`` owns what calls leave running: leave it only after ``calls`` was stopped.
    """
    from fwai.adapters.browser.routes import BrowserCalls, router

    options = BrowserCalls(
        peer=media,
        tasks=tasks,
        watch=watch,
        keys=tuple(key.get_secret_value() for key in settings.api_keys),
        loopback=not settings.api_keys,
        secure_cookies=settings.base_url.startswith("https:"),
    )
    return router(options, calls)


def _plivo(settings: Settings, http: httpx.AsyncClient) -> Provider:
    from fwai.adapters.plivo.client import PlivoClient
    from fwai.adapters.plivo.routes import PlivoWebhooks, router

    client = PlivoClient(
        http,
        settings.plivo_auth_id,
        next(iter(settings.plivo_tokens), ""),
        settings.plivo_phone_number,
        settings.plivo_api_url,
    )
    hooks = PlivoWebhooks(
        public_url=settings.base_url,
        account_id=settings.plivo_auth_id,
        tokens=settings.plivo_tokens,
        audio=settings.plivo_audio,
        big_endian_l16=settings.plivo_l16_byteorder == "big",
        ws_signature=settings.plivo_ws_signature,
        allow_unsigned=settings.allow_unsigned_webhooks,
    )
    return Provider("plivo", client, lambda calls: router(hooks, calls, client))


def _exotel(settings: Settings, http: httpx.AsyncClient) -> Provider:
    from fwai.adapters.exotel.client import ExotelClient
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
    return Provider("exotel", client, lambda calls: router(hooks, calls, client))


_BUILDERS: Final[Mapping[str, Callable[[Settings, httpx.AsyncClient], Provider]]] = {
    "plivo": _plivo,
    "exotel": _exotel,
}
