"""Meta's endpoint: verification, and webhooks that are answered before anything is done."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import PlainTextResponse

from fwai.adapters.whatsapp.events import Event
from fwai.adapters.whatsapp.webhook import MAX_BODY_BYTES, challenge, read, verify
from fwai.errors import SignatureError, WireError
from fwai.http.body import read_body

PATH: Final = "/webhook"

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WhatsAppWebhooks:
    """What the endpoint needs to know.

    Attributes:
        phone_number_id: Webhooks about other numbers are ignored.
        verify_token: What Meta must say to have the webhook verified.
        app_secrets: May sign; several while one is rotated.
        allow_unsigned: Development only: accept webhooks without a valid signature.
    """

    phone_number_id: str
    verify_token: str = field(repr=False)
    app_secrets: tuple[str, ...] = field(repr=False)
    allow_unsigned: bool = False


def router(hooks: WhatsAppWebhooks, take: Callable[[Event], None]) -> APIRouter:
    """Build Meta's endpoint.

    Args:
        hooks: Secrets.
        take: Takes each event in without waiting.
    """
    api = APIRouter(tags=["whatsapp"])

    @api.get(PATH, operation_id="whatsapp_verify")
    async def verification(
        mode: Annotated[str, Query(alias="hub.mode")] = "",
        token: Annotated[str, Query(alias="hub.verify_token")] = "",
        text: Annotated[str, Query(alias="hub.challenge")] = "",
    ) -> Response:
        try:
            return PlainTextResponse(challenge(mode, token, text, hooks.verify_token))
        except SignatureError as exc:
            _log.warning("webhook_refused", path=PATH, reason=str(exc))
            raise HTTPException(403) from None

    @api.post(PATH, operation_id="whatsapp_webhook")
    async def webhook(request: Request) -> Response:
        body = await read_body(request, MAX_BODY_BYTES)
        _check(request, body, hooks)
        _take(body, hooks, take)
        return Response()

    return api


def _check(request: Request, body: bytes, hooks: WhatsAppWebhooks) -> None:
    try:
        verify(body, request.headers.get("X-Hub-Signature-256"), hooks.app_secrets)
    except SignatureError as exc:
        if not hooks.allow_unsigned:
            _log.warning("webhook_refused", path=PATH, reason=str(exc))
            raise HTTPException(403) from None


def _take(body: bytes, hooks: WhatsAppWebhooks, take: Callable[[Event], None]) -> None:
    """Read and hand over; Meta repeats for days what is not answered with 200."""
    try:
        payload = read(body, hooks.phone_number_id)
    except WireError as exc:
        _log.warning("webhook_ignored", path=PATH, reason=str(exc))
        return
    if payload.ignored or not payload.events:
        _log.info("webhook_ignored", path=PATH, kinds=payload.ignored or ("nothing",))
    for event in payload.events:
        try:
            take(event)
        except Exception:  # noqa: BLE001 - one event must not cost the others of its payload
            _log.exception("webhook_event_failed", event_kind=type(event).__name__)
