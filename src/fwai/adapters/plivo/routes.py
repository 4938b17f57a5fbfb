"""Plivo's endpoints: answer, transfer, notifications and the media stream."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final
from urllib.parse import parse_qsl

import structlog
from fastapi import APIRouter, Depends, HTTPException, Request, Response, WebSocket
from starlette.requests import HTTPConnection

from fwai.adapters.account_log import AccountLog
from fwai.adapters.media_stream import WebSocketLeg
from fwai.adapters.plivo.codec import PlivoCodec
from fwai.adapters.plivo.fields import MAX_ID_CHARS, Pairs, read_fields
from fwai.adapters.plivo.webhook import (
    BUSY_XML,
    EMPTY_XML,
    final_state,
    is_call_ended,
    stream_xml,
    transfer_xml,
    verify_v2,
    verify_v3,
)
from fwai.domain import phone
from fwai.domain.call import CallId, CallOffer, Direction
from fwai.errors import BusyError, SignatureError, StoreError, WireError
from fwai.http.body import read_body
from fwai.http.client_address import address_kind
from fwai.http.get_or_post import get_or_post
from fwai.http.refusal_log import RefusalLog
from fwai.http.signed_once import SignedOnce
from fwai.http.slashes import accept_trailing_slash
from fwai.interfaces.calls import CallControl, CallHandler
from fwai.interfaces.messages import MessageReports

PROVIDER: Final = "plivo"
MAX_FORM_BYTES: Final = 64 * 1024
NO_ERROR: Final = "000"
V3: Final = "plivo V3"
V2: Final = "plivo V2"
CONTENT_TYPES: Final = {
    "mulaw8k": "audio/x-mulaw;rate=8000",
    "l16_16k": "audio/x-l16;rate=16000",
}

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PlivoWebhooks:
    """URLs, secrets and stream options of Plivo's endpoints.

    Attributes:
        public_url: This server as Plivo sees it: ``https://host[:port][/prefix]``, no slash at the
            end. Signatures are checked against it, never against the Host header.
        account_id: Our account. A stream that names another is only logged: live ones may carry an
            internal number, and what binds a stream are its token and its call.
        tokens: Auth tokens that may sign; several while one is rotated.
        audio: Key of `CONTENT_TYPES`.
        big_endian_l16: Byte order of L16 samples on the wire.
        ws_signature: ``off``, ``log`` or ``require`` for the signature of the stream's handshake.
        allow_unsigned: Development only: accept webhooks without a valid signature.
        line: Our number; the caller id of transfers.
        human: Number that calls are transferred to; empty disables transfers.
    """

    public_url: str
    account_id: str
    tokens: tuple[str, ...] = field(repr=False)
    audio: str = "mulaw8k"
    big_endian_l16: bool = False
    ws_signature: str = "log"
    allow_unsigned: bool = False
    line: str = ""
    human: str = ""


Fields = Mapping[str, str]
SignatureCheck = Callable[[Request, str, Pairs], str]
"""Checks a request's signature and returns its nonce; raises ``SignatureError``."""
Verified = Callable[[Request], Awaitable[dict[str, str]]]


def router(
    hooks: PlivoWebhooks,
    calls: CallHandler,
    control: CallControl,
    reports: MessageReports,
    once: SignedOnce | None = None,
) -> APIRouter:
    """Build Plivo's endpoints.

    Args:
        hooks: URLs and secrets.
        calls: Takes over each call.
        control: Ends calls over REST.
        reports: Takes delivery reports.
        once: Remembers which signed requests were taken; None remembers them in memory.
    """
    api = APIRouter(prefix="/plivo", tags=["plivo"])
    streams = _Streams(hooks, calls)
    verified = _Verifier(hooks, once or SignedOnce())
    voice = Annotated[dict[str, str], Depends(verified.by(V3, _check_v3(hooks)))]

    @get_or_post(api, "/answer", "plivo_answer")
    async def answer(form: voice) -> Response:
        return await _answer(form, hooks, calls, control)

    @api.post("/transfer")
    async def transfer(form: voice) -> Response:
        if not hooks.human or is_call_ended(form):
            return _xml(EMPTY_XML)
        _log.info("plivo_transferred", provider_call_id=form.get("CallUUID"))
        return _xml(transfer_xml(hooks.human, hooks.line))

    @api.websocket("/stream")
    async def stream(websocket: WebSocket, t: str = "") -> None:
        await streams.admit(websocket, t)

    _add_notifications(api, hooks, calls, reports, verified)
    return accept_trailing_slash(api)


def _add_notifications(
    api: APIRouter,
    hooks: PlivoWebhooks,
    calls: CallHandler,
    reports: MessageReports,
    verified: "_Verifier",
) -> None:
    """Add the endpoints of notifications, which get an empty response."""
    voice = Annotated[dict[str, str], Depends(verified.by(V3, _check_v3(hooks)))]
    message = Annotated[dict[str, str], Depends(verified.by(V2, _check_v2(hooks)))]

    @api.post("/hangup")
    async def hangup(form: voice) -> Response:
        await _ended(form, calls, hooks.line)
        return Response()

    @api.post("/ring")
    async def ring(form: voice) -> Response:
        _log.info("plivo_ringing", provider_call_id=form.get("CallUUID"))
        if call_id := _call_id_of(form):
            await calls.ringing(call_id, form.get("CallUUID", ""))
        return Response()

    @api.post("/machine")
    async def machine(form: voice) -> Response:
        _log.info("plivo_machine_detected", provider_call_id=form.get("CallUUID"))
        if form.get("Machine", "true").lower() == "true":
            await calls.machine_answered(PROVIDER, form.get("CallUUID", ""))
        return Response()

    @api.post("/stream-status")
    async def stream_status(form: voice) -> Response:
        event = form.get("Event", "")
        degraded = event.lower() in ("droppedstream", "degradedstream", "failed")
        log = _log.warning if degraded else _log.debug
        log("plivo_stream_status", status=event[:40], provider_call_id=form.get("CallUUID"))
        return Response()

    @api.post("/message-status")
    async def message_status(form: message) -> Response:
        await _report_message(form, reports)
        return Response()


async def _report_message(form: Fields, reports: MessageReports) -> None:
    status, error = form.get("Status", "")[:40], form.get("ErrorCode", "")[:20]
    message_id = form.get("MessageUUID", "")[:MAX_ID_CHARS]
    _log.info("plivo_message_status", message_id=message_id, status=status, error=error)
    if message_id and status:
        job = form.get("job", "")[:MAX_ID_CHARS]
        error = "" if error == NO_ERROR else error
        try:
            await reports.reported(PROVIDER, message_id, status, reference=job, error=error)
        except StoreError:
            raise HTTPException(503) from None  # it may come again


async def _answer(
    form: Fields, hooks: PlivoWebhooks, calls: CallHandler, control: CallControl
) -> Response:
    if is_call_ended(form):
        await _ended(form, calls, hooks.line)
        return _xml(EMPTY_XML)
    provider_call_id = form.get("CallUUID", "")
    if not provider_call_id:
        _log.warning("plivo_answer_without_call_id")
        return _xml(EMPTY_XML)
    try:
        ticket = await calls.offer(_offer_of(form, hooks.line), control)
    except BusyError as exc:
        _log.warning("call_refused", reason=str(exc))
        return _xml(BUSY_XML)
    if ticket is None:
        return _xml(EMPTY_XML)
    socket_url = hooks.public_url.replace("http", "ws", 1)
    return _xml(
        stream_xml(
            f"{socket_url}/plivo/stream?call={ticket.call_id}&t={ticket.token}",
            content_type=CONTENT_TYPES[hooks.audio],
            status_url=f"{hooks.public_url}/plivo/stream-status?v=1",
        )
    )


def _offer_of(form: Fields, line: str) -> CallOffer:
    outbound = form.get("Direction", "").lower() == "outbound"
    ours, theirs = ("From", "To") if outbound else ("To", "From")
    # Plivo writes the country code; networks do not always tell it, and then a number is of ours.
    home = phone.region_of(line)
    return CallOffer(
        provider=PROVIDER,
        provider_call_id=form.get("CallUUID", ""),
        direction=Direction.OUTBOUND if outbound else Direction.INBOUND,
        caller=phone.caller_number(form.get(theirs, ""), home),
        line=phone.caller_number(form.get(ours, ""), home),
        call_id=_call_id_of(form),
    )


async def _ended(form: Fields, calls: CallHandler, line: str) -> None:
    offer, state = _offer_of(form, line), final_state(form)
    cause = (form.get("HangupCauseName") or form.get("HangupCause", ""))[:60]
    await calls.ended(PROVIDER, offer.provider_call_id, state, cause, call_id=offer.call_id)
    if form.get("Direction", "").lower() == "inbound":
        await calls.missed(offer, state, cause)  # we may not have been asked for it


def _call_id_of(form: Fields) -> CallId:
    """Return our id of a call that we placed, from the signed URL."""
    return CallId(form.get("call", "")[:MAX_ID_CHARS])


class _Streams:
    """Admits media streams."""

    def __init__(self, hooks: PlivoWebhooks, calls: CallHandler) -> None:
        self._hooks = hooks
        self._calls = calls
        self._accounts = AccountLog(PROVIDER, hooks.account_id)
        self._refused = RefusalLog("stream_refused")

    async def admit(self, websocket: WebSocket, token: str) -> None:
        """Admit a stream by its token, read its ``start`` message and carry its call."""
        with self._calls.admission(PROVIDER, token) as admitted:
            if not admitted or not _is_handshake_allowed(websocket, self._hooks):
                self._refuse(websocket, "token or signature")
                await websocket.close(1008)  # before the accept: HTTP 403
                return
            await self._carry(websocket, token)

    async def _carry(self, websocket: WebSocket, token: str) -> None:
        hooks = self._hooks
        codec = PlivoCodec(asked=CONTENT_TYPES[hooks.audio], big_endian_l16=hooks.big_endian_l16)
        try:
            leg, started = await WebSocketLeg.open(websocket, codec)
        except WireError as exc:
            self._refuse(websocket, str(exc))
            return
        self._accounts.note(started.account_id)
        if not await self._calls.carry(token, started.provider_call_id, leg):
            self._refuse(websocket, "call does not match the token")
            await leg.close(1008)

    def _refuse(self, websocket: WebSocket, reason: str) -> None:
        self._refused.add(reason, address_kind(websocket), provider=PROVIDER)


class _Verifier:
    """Builds the dependencies that let a webhook in and read its fields."""

    def __init__(self, hooks: PlivoWebhooks, once: SignedOnce) -> None:
        self._hooks = hooks
        self._once = once
        self._refused = RefusalLog("webhook_refused")

    def by(self, kind: str, check: SignatureCheck) -> Verified:
        """Build the dependency of routes whose requests are signed so."""

        async def fields(request: Request) -> dict[str, str]:
            try:
                return await self._read(request, kind, check)
            except (SignatureError, WireError) as exc:
                self._refused.add(str(exc), path=request.scope["path"])
                raise HTTPException(403) from None

        return fields

    async def _read(self, request: Request, kind: str, check: SignatureCheck) -> dict[str, str]:
        body = await read_body(request, MAX_FORM_BYTES)
        if request.method == "GET":
            body = b""  # its signature covers the query only
        form = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
        nonce = ""
        try:
            nonce = check(request, _requested_url(request, self._hooks), form)
        except SignatureError:
            if not self._hooks.allow_unsigned:
                raise
        # First the fields: what was cut otherwise must not take the genuine request's place.
        fields = read_fields(request.query_params.multi_items(), form)
        if nonce:
            said = (request.method.encode(), request.scope["raw_path"].partition(b"?")[0])
            await self._once.check(kind, nonce, *said, request.scope["query_string"], body)
        return fields


def _check_v3(hooks: PlivoWebhooks) -> SignatureCheck:
    def check(request: Request, url: str, pairs: Pairs) -> str:
        nonce = request.headers.get("X-Plivo-Signature-V3-Nonce", "")
        verify_v3(
            request.method,
            url,
            pairs,
            nonce=nonce,
            signatures=(
                request.headers.get("X-Plivo-Signature-V3"),
                request.headers.get("X-Plivo-Signature-Ma-V3"),
            ),
            tokens=hooks.tokens,
        )
        return nonce

    return check


def _check_v2(hooks: PlivoWebhooks) -> SignatureCheck:
    def check(request: Request, url: str, pairs: Pairs) -> str:  # noqa: ARG001 - V2 signs no form
        nonce = request.headers.get("X-Plivo-Signature-V2-Nonce", "")
        verify_v2(
            url,
            nonce=nonce,
            signatures=(
                request.headers.get("X-Plivo-Signature-V2"),
                request.headers.get("X-Plivo-Signature-Ma-V2"),
            ),
            tokens=hooks.tokens,
        )
        return nonce

    return check


def _is_handshake_allowed(websocket: WebSocket, hooks: PlivoWebhooks) -> bool:
    """Check the handshake's signature as strictly as ``ws_signature`` says.

    Observed only once on a live call, as a GET of the stream URL under ``http://``; so every scheme
    counts, and the default only says in the log what it found. The token is what protects.
    """
    if hooks.ws_signature == "off":
        return True
    url = _requested_url(websocket, hooks)
    rest = url.partition("://")[2]
    for scheme in ("http", "https", "wss", "ws"):
        try:
            verify_v3(
                "GET",
                f"{scheme}://{rest}",
                (),
                nonce=websocket.headers.get("X-Plivo-Signature-V3-Nonce"),
                signatures=(
                    websocket.headers.get("X-Plivo-Signature-V3"),
                    websocket.headers.get("X-Plivo-Signature-Ma-V3"),
                ),
                tokens=hooks.tokens,
            )
        except SignatureError:
            continue
        return True
    _log.info("stream_handshake_unsigned", required=hooks.ws_signature == "require")
    return hooks.ws_signature != "require"


def _requested_url(connection: HTTPConnection, hooks: PlivoWebhooks) -> str:
    """Return the URL that Plivo requested: our public URL, the raw path and query."""
    path = connection.scope["raw_path"].decode("ascii", "replace").partition("?")[0]
    query = connection.scope["query_string"].decode("ascii", "replace")
    return f"{hooks.public_url}{path}" + (f"?{query}" if query else "")


def _xml(body: str) -> Response:
    return Response(body, media_type="application/xml")
