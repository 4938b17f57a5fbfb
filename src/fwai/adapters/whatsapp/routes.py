"""Meta's webhook endpoint: verification, and events that are handled without waiting."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import PlainTextResponse

from fwai.adapters.whatsapp.events import Event
from fwai.adapters.whatsapp.webhook import MAX_BODY_BYTES, challenge, read, verify
from fwai.errors import BusyError, SignatureError, WireError
from fwai.http.body import read_body
from fwai.http.slashes import accept_trailing_slash

PATH: Final = "/webhook"

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WhatsAppWebhooks:
    """Secrets and options of Meta's endpoint.

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


def router(hooks: WhatsAppWebhooks, handle_event: Callable[[Event], None]) -> APIRouter:
    """Build Meta's endpoint.

    Args:
        hooks: Secrets.
        handle_event: Handles each event without waiting.
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
        _check_signature(request, body, hooks)
        _handle_payload(body, hooks, handle_event)
        return Response()

    return accept_trailing_slash(api)


def _check_signature(request: Request, body: bytes, hooks: WhatsAppWebhooks) -> None:
    try:
        verify(body, request.headers.get("X-Hub-Signature-256"), hooks.app_secrets)
    except SignatureError as exc:
        if not hooks.allow_unsigned:
            _log.warning("webhook_refused", path=PATH, reason=str(exc))
            raise HTTPException(403) from None


def _handle_payload(
    body: bytes, hooks: WhatsAppWebhooks, handle_event: Callable[[Event], None]
) -> None:
    """Parse a payload and handle its events; without a 200 Meta repeats it for days.

    It is asked to where a report found no room: all that was handled is recognised then.
    """
    try:
        payload = read(body, hooks.phone_number_id)
    except WireError as exc:
        _log.warning("webhook_ignored", path=PATH, reason=str(exc))
        return
    if payload.ignored or not payload.events:
        _log.info("webhook_ignored", path=PATH, kinds=payload.ignored or ("nothing",))
    busy = False
    for event in payload.events:
        try:
            handle_event(event)
        except BusyError as exc:
            busy = True
            _log.error("webhook_event_put_off", event_kind=type(event).__name__, reason=str(exc))
        except Exception:  # noqa: BLE001 - one event must not cost the others of its payload
            _log.exception("webhook_event_failed", event_kind=type(event).__name__)
    if busy:
        raise HTTPException(503)
