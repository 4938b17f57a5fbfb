"""Exotel's endpoints: Voicebot, status callbacks, Passthru and the media stream."""

import asyncio
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Depends, HTTPException, Response, WebSocket
from fastapi.responses import JSONResponse

from fwai.adapters.account_log import AccountLog
from fwai.adapters.exotel.admission import authenticated_fields
from fwai.adapters.exotel.client import ExotelClient
from fwai.adapters.exotel.codec import ExotelCodec, ExotelStarted
from fwai.adapters.exotel.leg import MAX_CALL_S, ExotelLeg
from fwai.adapters.exotel.line import ExotelLine
from fwai.adapters.exotel.webhook import (
    MAX_ID_CHARS,
    Fields,
    basic_auth_matches,
    final_state,
    identify_parties,
    is_inbound,
    is_ringing,
    parse_message_report,
    requested_rate,
    secrets_equal,
    stream_failed,
    stream_url,
)
from fwai.domain.call import CallId, CallOffer, Direction, StreamTicket
from fwai.errors import ApiError, BusyError, StoreError, WireError
from fwai.http.client_address import address_kind
from fwai.http.get_or_post import get_or_post
from fwai.http.refusal_log import RefusalLog
from fwai.http.slashes import accept_trailing_slash
from fwai.interfaces.calls import CallHandler
from fwai.interfaces.messages import MessageReports

PROVIDER: Final = "exotel"
LOOKUP_S: Final = 2.0  # for asking Exotel about a call; the applet waits meanwhile
DEFAULT_RATE: Final = 8000
LISTEN: Final = "listen"  # ?mode=listen: the URL of a Stream applet, which cannot be told otherwise
TRY_AGAIN: Final = 1013
REFUSED: Final = 1008

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ExotelWebhooks:
    """URLs, secrets and stream options of Exotel's endpoints.

    Attributes:
        public_url: This server as Exotel sees it: ``https://host[:port][/prefix]``, no slash at
            the end.
        account_id: Our account; a stream without a token must name it.
        line: Our ExoPhone.
        secret: The unguessable segment of every path.
        basic: User and password that the handshake must carry, or None.
        sample_rate: What streams are asked for, in Hz.
        chunk_bytes: Raw bytes of one message to Exotel; 0 takes what suits the rate.
    """

    public_url: str
    account_id: str
    line: str
    secret: str = field(repr=False)
    basic: tuple[str, str] | None = field(default=None, repr=False)
    sample_rate: int = 8000
    chunk_bytes: int = 0

    def stream_url(self, token: str = "", *, listening: bool = False) -> str:
        """Build the URL of the media stream; it holds secrets, so never log it."""
        url = stream_url(
            self.public_url,
            self.secret,
            sample_rate=self.sample_rate,
            token=token,
            basic=self.basic,
        )
        return f"{url}&mode={LISTEN}" if listening else url


def router(
    hooks: ExotelWebhooks,
    calls: CallHandler,
    client: ExotelClient,
    line: ExotelLine,
    reports: MessageReports,
) -> APIRouter:
    """Build Exotel's endpoints.

    Args:
        hooks: URLs and secrets.
        calls: Takes over each call.
        client: Tells which calls were dialled and which are to be transferred.
        line: Maps Exotel calls to ours.
        reports: Takes delivery reports.
    """
    api = APIRouter(prefix="/exotel/{secret}", tags=["exotel"])
    accounts = AccountLog(PROVIDER, hooks.account_id)
    request_fields = Annotated[Fields, Depends(authenticated_fields(hooks.secret, accounts))]
    requests = _RequestHandler(hooks, calls, client, line, reports)

    @get_or_post(api, "/voicebot", "exotel_voicebot")
    async def voicebot(fields: request_fields) -> Response:
        return await requests.voicebot(fields)

    @api.head("/voicebot", include_in_schema=False)
    async def probe(_: request_fields) -> Response:
        return Response(media_type="application/json")

    @get_or_post(api, "/status", "exotel_status")
    async def status(fields: request_fields) -> Response:
        await requests.status(fields)
        return Response()

    @get_or_post(api, "/sms-status", "exotel_sms_status")
    async def sms_status(fields: request_fields) -> Response:
        await requests.message(fields)
        return Response()

    @get_or_post(api, "/passthru", "exotel_passthru")
    async def passthru(fields: request_fields) -> Response:
        return Response(status_code=302 if requests.wants_transfer(fields) else 200)

    @api.websocket("/stream")
    async def static_stream(websocket: WebSocket, secret: str) -> None:
        await requests.stream(websocket, secret, websocket.query_params.get("t", ""))

    @api.websocket("/stream/{token}")
    async def stream(websocket: WebSocket, secret: str, token: str) -> None:
        await requests.stream(websocket, secret, token)

    return accept_trailing_slash(api)


class _RequestHandler:
    """Handles Exotel's requests and streams."""

    def __init__(
        self,
        hooks: ExotelWebhooks,
        calls: CallHandler,
        client: ExotelClient,
        line: ExotelLine,
        reports: MessageReports,
    ) -> None:
        self._hooks = hooks
        self._calls = calls
        self._client = client
        self._line = line
        self._reports = reports
        self._accounts = AccountLog(PROVIDER, hooks.account_id)
        self._refused = RefusalLog("stream_refused")

    async def voicebot(self, fields: Fields) -> Response:
        """Answer with the URL of the call's stream."""
        call_sid = fields.get("callsid", "")
        listening = fields.get("mode", "").lower() == LISTEN
        if not call_sid:
            # Which call it is will be known from the stream itself.
            return JSONResponse({"url": self._hooks.stream_url(listening=listening)})
        offer = self._offer_of(fields, listening=listening)
        if not await self._is_known_call(offer):
            raise HTTPException(403)
        try:
            ticket = await self._calls.offer(offer, self._line)
        except BusyError as exc:
            _log.warning("call_refused", reason=str(exc))
            raise HTTPException(503) from None
        if ticket is None:  # it is over, or its stream is open already
            raise HTTPException(409)
        return JSONResponse({"url": self._hooks.stream_url(ticket.token, listening=listening)})

    async def status(self, fields: Fields) -> None:
        """Handle a status callback of a call or message."""
        if "smssid" in fields:
            await self.message(fields)
            return
        call_sid, call_id = fields.get("callsid", ""), self._call_id_of(fields)
        state = final_state(fields)
        if state is not None and (call_sid or call_id):
            cause = fields.get("status", "")[:60]
            await self._calls.ended(PROVIDER, call_sid, state, cause, call_id=call_id)
            if call_sid and not call_id and is_inbound(fields):
                await self._calls.missed(self._offer_of(fields), state, cause)
            return
        event = fields.get("eventtype") or fields.get("status", "")
        _log.info("exotel_call_status", status=event[:40], provider_call_id=call_sid[:60])
        if call_id and call_sid:
            self._line.belongs(call_sid, call_id)
            if is_ringing(fields):
                await self._calls.ringing(call_id, call_sid)

    async def message(self, fields: Fields) -> None:
        """Handle a delivery report."""
        report = parse_message_report(fields)
        if report is None:
            return
        _log.info("exotel_message_status", message_id=report.message_id, status=report.status)
        try:
            await self._reports.reported(
                PROVIDER,
                report.message_id,
                report.status,
                reference=report.reference,
                error=report.error,
            )
        except StoreError:
            raise HTTPException(503) from None  # it may come again

    def _call_id_of(self, fields: Fields) -> CallId:
        """Return our id of a call that we placed, from the URL or by its sid."""
        call_id = CallId(fields.get("call", "")[:MAX_ID_CHARS])
        return call_id or self._line.linked_call(fields.get("callsid", ""))

    def wants_transfer(self, fields: Fields) -> bool:
        """Whether the flow shall connect a human: requested, or our stream has failed."""
        call_sid = fields.get("callsid", "")
        requested, failed = self._client.handed_off(call_sid), stream_failed(fields)
        _log.info(
            "exotel_passthru",
            provider_call_id=call_sid[:60],
            status=fields.get("stream[status]", "")[:40],
            ended_by=fields.get("stream[disconnectedby]", "")[:40],
            to_human=requested or failed,
        )
        return requested or failed

    # ---- streams --------------------------------------------------------------------------------

    async def stream(self, websocket: WebSocket, secret: str, token: str) -> None:
        """Admit a stream, read its ``start`` message and carry its call."""
        reason = self._refusal_reason(websocket, secret)
        with self._admission(token) as admitted:
            if reason or not admitted:
                self._refuse(websocket, reason or "token")
                await websocket.close(REFUSED)  # before the accept: HTTP 403
            else:
                await self._open(websocket, token)

    async def _open(self, websocket: WebSocket, token: str) -> None:
        requested = requested_rate(websocket.query_params)
        codec = ExotelCodec(requested or DEFAULT_RATE, self._hooks.chunk_bytes)
        try:
            leg, _ = await ExotelLeg.open(websocket, codec, MAX_CALL_S)
        except WireError as exc:
            self._refuse(websocket, str(exc))
            return
        if requested and codec.sample_rate != requested:
            _log.warning("stream_rate_differs", asked=requested, sample_rate=codec.sample_rate)
        parameters = {**codec.started.parameters, **websocket.query_params}
        leg.listening = parameters.get("mode") == LISTEN
        said = "" if token else parameters.get("t", "")
        with self._admission(said) as admitted:
            if admitted:
                code = await self._carry(websocket, leg, codec.started, token or said)
            else:
                self._refuse(websocket, "token")
                code = REFUSED
        if code is not None:
            await leg.close(code)

    def _admission(self, token: str) -> AbstractContextManager[bool]:
        """Hold a token for one connection; without one, account and call decide."""
        return self._calls.admission(PROVIDER, token) if token else nullcontext(enter_result=True)

    def _refusal_reason(self, websocket: WebSocket, secret: str) -> str:
        """Return why a handshake is refused; empty when it is not."""
        if not secrets_equal(secret, self._hooks.secret):
            return "secret"
        login = websocket.headers.get("Authorization")
        if self._hooks.basic and not basic_auth_matches(login, *self._hooks.basic):
            return "basic credentials"
        return ""

    def _refuse(self, websocket: WebSocket, reason: str) -> None:
        self._refused.add(reason, address_kind(websocket), provider=PROVIDER)

    async def _carry(
        self, websocket: WebSocket, leg: ExotelLeg, started: ExotelStarted, token: str
    ) -> int | None:
        """Carry the call of an open stream; return the close code when that failed."""
        # A token says whose the stream is; without one the account and the call must.
        ours = self._accounts.is_ours(started.account_id)
        if not token and not (ours and started.provider_call_id):
            self._refuse(websocket, "account or call")
            return REFUSED
        self._accounts.note(started.account_id)
        if not token:
            try:
                ticket = await self._admit(websocket, started, listening=leg.listening)
            except BusyError as exc:
                _log.warning("call_refused", reason=str(exc))
                return TRY_AGAIN
            if ticket is None:
                return REFUSED
            token = ticket.token
        if await self._calls.carry(token, started.provider_call_id, leg):
            return None
        self._refuse(websocket, "call does not match the token")
        return REFUSED

    async def _admit(
        self, websocket: WebSocket, started: ExotelStarted, *, listening: bool
    ) -> StreamTicket | None:
        """Offer a call that only its stream announced."""
        numbers = (started.from_number, started.to_number)
        offer = self._offer(started.provider_call_id, *numbers, listening=listening)
        if not await self._is_known_call(offer):
            return None
        ticket = await self._calls.offer(offer, self._line)
        if ticket is None:
            self._refuse(websocket, "call is over or has its stream")
        return ticket

    # ---- calls ----------------------------------------------------------------------------------

    def _offer_of(self, fields: Fields, *, listening: bool = False) -> CallOffer:
        return self._offer(
            fields.get("callsid", ""),
            fields.get("callfrom") or fields.get("from", ""),
            fields.get("callto") or fields.get("to", ""),
            fields.get("direction", ""),
            listening=listening,
        )

    def _offer(
        self,
        call_sid: str,
        from_number: str,
        to_number: str,
        direction: str = "",
        *,
        listening: bool = False,
    ) -> CallOffer:
        if self._client.placed(call_sid):
            direction = "outbound"
        who = identify_parties(from_number, to_number, self._hooks.line, direction)
        return CallOffer(
            provider=PROVIDER,
            provider_call_id=call_sid,
            direction=who.direction,
            caller=who.caller,
            line=who.line,
            listen_only=listening,
            call_id=self._line.linked_call(call_sid),
        )

    async def _is_known_call(self, offer: CallOffer) -> bool:
        """Whether the call is genuine: inbound calls always, outbound ones if Exotel knows them.

        Exotel is asked because a stream can come before our own request was answered, and because
        a flow may dial by itself.
        """
        if offer.direction is Direction.INBOUND:
            return True
        try:
            async with asyncio.timeout(LOOKUP_S):
                known = await self._client.knows(offer.provider_call_id)
        except (ApiError, TimeoutError) as exc:
            _log.warning("call_refused", reason="call cannot be verified", error=type(exc).__name__)
            return False
        if not known:
            _log.warning("call_refused", reason="call is not known")
        return known
