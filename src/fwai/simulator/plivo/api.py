"""Serves Plivo's REST API, which really places the calls it is asked for.

Source: https://www.plivo.com/docs/voice/api/call and .../sms/api/message (read 2026-11-22).

Theory of operation: one small ASGI application on a loopback socket. A placed call becomes a
``PlivoPhone`` in the API's task group; phones of inbound calls register themselves, so hanging
up and transferring work on any call that is going on. Leaving the context ends every call.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

from fwai.simulator.common.fate import Refusal
from fwai.simulator.common.provider_api import ProviderApi
from fwai.simulator.common.rest import (
    ApiAnswer,
    ApiFault,
    ApiRequest,
    BadRequestError,
    authorised,
    parse_body,
    require,
)
from fwai.simulator.common.rest_server import Arrival
from fwai.simulator.plivo.exchange import DELIVERED, OnCall, PlacedCall, PlivoExchange, SentMessage
from fwai.simulator.plivo.phone import PlivoPhone


def plivo_error(status: int, text: str) -> ApiAnswer:
    """Return an error as Plivo words it."""
    return ApiAnswer(status, {"api_id": str(uuid4()), "error": text})


UNAUTHORIZED = ApiAnswer(401, "Could not verify your access level for that URL.")
REFUSALS: Mapping[Refusal, ApiAnswer] = {
    "unauthorized": UNAUTHORIZED,
    "no_credit": plivo_error(402, "insufficient balance"),
    "too_many_calls": plivo_error(403, "concurrent call limit exceeded (5030)"),
    "too_many_requests": plivo_error(429, "calls per second limit exceeded"),
    "unavailable": plivo_error(503, "service unavailable"),
    "bad_number": plivo_error(400, "to is not a valid destination"),
}
_PATH = re.compile(r"/v1/Account/([^/]+)/(.*)")
_CALL = re.compile(r"(Call|Request|Message)/(?:([^/]+)/(?:(Record|Stream)/(?:[^/]+/)?)?)?")


class PlivoApi(ProviderApi[PlacedCall, SentMessage, PlivoPhone]):
    """Plivo's REST API on this machine; use as an async context manager.

    Args:
        auth_id: The only account.
        auth_token: Its password, and what webhooks are signed with.
        port: Where to listen on loopback; 0 takes a free port.
        on_call: Decides on calls to numbers without a fate; without it they are answered.
        phone_options: Further arguments of every ``PlivoPhone`` it makes, such as ``on_event``.
        message_statuses: Usual delivery reports of a message with a ``url``.
        clock_scale: How much faster than the clock ring timeouts pass.
    """

    def __init__(
        self,
        auth_id: str,
        auth_token: str,
        *,
        port: int = 0,
        on_call: OnCall | None = None,
        phone_options: Mapping[str, Any] | None = None,
        message_statuses: Sequence[str] = DELIVERED,
        clock_scale: float = 1.0,
    ) -> None:
        self._auth_id = auth_id
        self._auth_token = auth_token
        self._exchange = PlivoExchange(
            auth_id, auth_token, on_call, phone_options or {}, message_statuses, clock_scale
        )
        super().__init__("plivo_api", self._exchange, port)

    @property
    def live_calls(self) -> list[str]:
        """Ids of the calls that are going on."""
        return list(self._exchange.live)

    # ---- HTTP ------------------------------------------------------------------------------

    def _read(self, arrival: Arrival) -> ApiRequest | ApiAnswer:
        if not authorised(arrival.headers, self._auth_id, self._auth_token):
            return UNAUTHORIZED
        found = _PATH.fullmatch(arrival.path)
        if found is None or found[1] != self._auth_id:
            return plivo_error(404, "not found")
        body = parse_body(arrival.headers.get("content-type", ""), arrival.body)
        query = dict(parse_qsl(arrival.query))
        return ApiRequest(arrival.method, found[2], query, body, arrival.headers)

    def _bad_request(self, text: str) -> ApiAnswer:
        return plivo_error(400, text)

    def _scripted(self, request: ApiRequest) -> ApiFault | None:
        """Several destinations share the fate of the first."""
        lost = plivo_error(500, "internal error")
        match request.method, request.path:
            case "POST", "Call/":
                number = str(request.body.get("to", "")).partition("<")[0]
                return self._exchange.fates.fault(number, REFUSALS, lost)
            case "POST", "Message/":
                number = str(request.body.get("dst", "")).partition("<")[0]
                return self._exchange.message_fates.fault(number, REFUSALS, lost)
            case _:
                return None

    async def _answer(self, request: ApiRequest) -> ApiAnswer:
        found = _CALL.fullmatch(request.path)
        if found is None:
            return plivo_error(404, "not found")
        collection, uuid, part = found.groups()
        match request.method, collection, part:
            case "POST", "Call", None if uuid is None:
                return self._make_call(request)
            case "POST", "Message", None if uuid is None:
                return self._send_message(request)
            case "DELETE", "Request", None if uuid is not None:
                return _done(self._exchange.cancel(uuid))
            case method, "Call", None if uuid is not None:
                return self._act_on_call(method, uuid, request)
            case method, "Call", str() if uuid is not None:
                return self._act_on_part(method, uuid, part)
            case _:
                return plivo_error(405, "method not allowed")

    def _make_call(self, request: ApiRequest) -> ApiAnswer:
        placed = self._exchange.take_calls(request.body)
        for one in placed:
            self._start(self._exchange.place(one), f"plivo_call:{one.id}")
        ids = [one.id for one in placed]
        uuids: str | list[str] = ids[0] if len(ids) == 1 else ids
        body = {"api_id": str(uuid4()), "message": "call fired", "request_uuid": uuids}
        return ApiAnswer(201, body)

    def _send_message(self, request: ApiRequest) -> ApiAnswer:
        sent = self._exchange.take_messages(request.body)
        for one in sent:
            self._start(self._exchange.report_message(one), f"plivo_message:{one.id}")
        uuids = [one.id for one in sent]
        body = {"api_id": str(uuid4()), "message": "message(s) queued", "message_uuid": uuids}
        return ApiAnswer(202, body)

    def _act_on_call(self, method: str, uuid: str, request: ApiRequest) -> ApiAnswer:
        match method:
            case "DELETE":
                return _done(self._exchange.hang_up(uuid))
            case "POST":
                return self._transfer(uuid, request.body)
            case "GET":
                return self._describe(uuid, live=request.query.get("status") == "live")
            case _:
                return plivo_error(405, "method not allowed")

    def _transfer(self, uuid: str, body: dict[str, Any]) -> ApiAnswer:
        phone = self._exchange.live.get(uuid)
        if phone is None:
            return plivo_error(404, "not found")
        legs = str(body.get("legs", "aleg"))
        if legs not in {"aleg", "both"}:
            raise BadRequestError("the call has no such leg")
        (url,) = require(body, "aleg_url")
        if not phone.transfer(url, str(body.get("aleg_method") or "POST")):
            return plivo_error(404, "not found")
        api_id = str(uuid4())
        body = {"api_id": api_id, "message": "call transferred", "call_uuids": [uuid]}
        return ApiAnswer(202, body)

    def _describe(self, uuid: str, *, live: bool) -> ApiAnswer:
        phone = (self._exchange.live if live else self._exchange.over).get(uuid)
        if phone is None:
            return plivo_error(404, "call not found")
        return ApiAnswer(200, _facts(phone))

    def _act_on_part(self, method: str, uuid: str, part: str) -> ApiAnswer:
        phone = self._exchange.live.get(uuid)
        if phone is None:
            return plivo_error(404, "not found")
        match method, part:
            case "POST", "Record":
                url = f"{self.url}/recordings/{uuid}.mp3"
                started = {"message": "call recording started", "url": url}
                ids = {"api_id": str(uuid4()), "recording_id": str(uuid4())}
                return ApiAnswer(202, {**started, **ids})
            case "DELETE", "Record":
                return ApiAnswer(204)
            case "DELETE", "Stream":
                return _done(phone.stop_stream())
            case _:
                return plivo_error(405, "method not allowed")


def _done(found: bool) -> ApiAnswer:
    return ApiAnswer(204) if found else plivo_error(404, "not found")


def _facts(phone: PlivoPhone) -> dict[str, Any]:
    facts = {
        "api_id": str(uuid4()),
        "call_uuid": phone.call_uuid,
        "request_uuid": phone.call_uuid,
        "call_direction": phone.facts.direction,
        "direction": phone.facts.direction,
        "from": phone.facts.from_number,
        "to": phone.facts.to_number,
        "call_status": "in-progress" if phone.answered else "ringing",
    }
    if phone.ending is not None:
        cause = phone.ending.cause
        facts |= {
            "call_status": cause.status,
            "hangup_cause_name": cause.name,
            "hangup_cause_code": cause.code,
            "hangup_source": phone.ending.source,
        }
    return facts
