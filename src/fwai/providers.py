"""The telephone providers that are enabled: what each gives the server, built from settings.

A provider's folder is imported only here and only when it is enabled: a small machine pays for
nothing it does not use.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import httpx
from fastapi import APIRouter

from fwai.config import Settings
from fwai.interfaces import CallHandler, SmsSender


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
    return [_BUILDERS[name](settings, http) for name in settings.call_provider]


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
