"""Serves Exotel's REST API, which really places the calls it is asked for.

Source: developer.exotel.com's voice-v1 and SMS pages (read 2026-11-22).

Theory of operation: a placed call becomes an `ExotelPhone` in the server's task group. Without
``.json`` at the end of a path the answer is XML, as at Exotel.
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl
from xml.sax.saxutils import escape

from fwai.simulator.common.fate import Refusal
from fwai.simulator.common.provider_api import ProviderApi
from fwai.simulator.common.rest import ApiAnswer, ApiFault, ApiRequest, authorised
from fwai.simulator.common.rest_server import Arrival
from fwai.simulator.exotel.exchange import ExotelExchange, OnCall, PlacedCall, SentMessage
from fwai.simulator.exotel.phone import ExotelPhone

_PATH: Final = re.compile(r"/v1/Accounts/([^/]+)/(.*)")
_CALL: Final = re.compile(r"Calls/([0-9a-f]+)")


def exotel_error(status: int, text: str, code: str) -> ApiAnswer:
    """Return an error as Exotel words it."""
    return ApiAnswer(status, {"RestException": {"Status": status, "Message": text, "Code": code}})


UNAUTHORIZED: Final = exotel_error(401, "Authentication failed", "UNAUTHORIZED")
REFUSALS: Final[Mapping[Refusal, ApiAnswer]] = {
    "unauthorized": UNAUTHORIZED,
    "no_credit": exotel_error(402, "Insufficient balance", "PAYMENT_REQUIRED"),
    "too_many_calls": exotel_error(403, "Concurrent call limit reached", "FORBIDDEN"),
    "too_many_requests": exotel_error(429, "Too many requests", "TOO_MANY_REQUESTS"),
    "unavailable": exotel_error(503, "Service unavailable", "SERVICE_UNAVAILABLE"),
    "bad_number": exotel_error(400, "Invalid number", "BAD_REQUEST"),
}


class ExotelApi(ProviderApi[PlacedCall, SentMessage, ExotelPhone]):
    """Exotel's REST API on this machine; use as an async context manager.

    Args:
        account_id: The only account.
        api_key: User of the API.
        api_token: Its password.
        on_call: Decides on calls to numbers without a fate; without it they are answered.
        template: A telephone whose options outbound calls have; its ``url`` and ``passthru_url``
            are the applets of every flow. May be set later.
        clock_scale: How much faster than the clock ring timeouts pass.
    """

    def __init__(
        self,
        account_id: str,
        api_key: str,
        api_token: str,
        *,
        on_call: OnCall | None = None,
        template: ExotelPhone | None = None,
        clock_scale: float = 1.0,
    ) -> None:
        self._account_id = account_id
        self._auth = (api_key, api_token)
        self._exchange = ExotelExchange(account_id, on_call, template, clock_scale)
        super().__init__("exotel_api", self._exchange)

    @property
    def template(self) -> ExotelPhone | None:
        """A telephone whose options outbound calls have."""
        return self._exchange.template

    @template.setter
    def template(self, template: ExotelPhone | None) -> None:
        self._exchange.template = template

    @property
    def known(self) -> dict[str, str]:
        """How the calls stand, by id."""
        return self._exchange.statuses()

    # ---- HTTP ----------------------------------------------------------------------------------

    def _read(self, arrival: Arrival) -> ApiRequest | ApiAnswer:
        if not authorised(arrival.headers, *self._auth):
            return UNAUTHORIZED
        found = _PATH.fullmatch(arrival.path)
        if found is None or found[1] != self._account_id:
            return exotel_error(404, "not found", "NOT_FOUND")
        form: dict[str, Any] = dict(parse_qs(arrival.body.decode(), keep_blank_values=True))
        query = dict(parse_qsl(arrival.query))
        return ApiRequest(arrival.method, found[2], query, form, arrival.headers)

    def _bad_request(self, text: str) -> ApiAnswer:
        return exotel_error(400, text, "BAD_REQUEST")

    def _dress(self, path: str, answer: ApiAnswer) -> ApiAnswer:
        return answer if path.endswith(".json") else _as_xml(answer)

    def _scripted(self, request: ApiRequest) -> ApiFault | None:
        lost = exotel_error(500, "Internal error", "INTERNAL_ERROR")
        match request.method, request.path.partition(".")[0]:
            case "POST", "Calls/connect":
                number = request.body.get("From", [""])[0]
                return self._exchange.fates.fault(number, REFUSALS, lost)
            case "POST", "Sms/send":
                number = request.body.get("To", [""])[0]
                return self._exchange.message_fates.fault(number, REFUSALS, lost)
            case _:
                return None

    async def _answer(self, request: ApiRequest) -> ApiAnswer:
        path = request.path.partition(".")[0]
        match request.method, path:
            case "POST", "Calls/connect":
                return self._connect(request)
            case "POST", "Sms/send":
                return self._send_sms(request)
            case "GET", _ if call := _CALL.fullmatch(path):
                return self._describe(call[1])
            case _:
                return exotel_error(404, "not found", "NOT_FOUND")

    def _connect(self, request: ApiRequest) -> ApiAnswer:
        placed = self._exchange.take_call(request.body)
        self._start(self._exchange.place(placed), f"exotel_call:{placed.id}")
        return ApiAnswer(200, {"Call": {**self._facts(placed.id), "Status": "in-progress"}})

    def _describe(self, sid: str) -> ApiAnswer:
        if sid not in self.known:
            return exotel_error(404, "The requested resource was not found", "NOT_FOUND")
        return ApiAnswer(200, {"Call": self._facts(sid)})

    def _facts(self, sid: str) -> dict[str, object]:
        placed = self._exchange.find(sid)
        return {
            "Sid": sid,
            "ParentCallSid": None,
            "AccountSid": self._account_id,
            "From": placed.value("From") if placed else "",
            "PhoneNumberSid": placed.value("CallerId") if placed else "",
            "Status": self.known[sid],
            "Direction": "outbound-api" if placed else "inbound",
            "DateCreated": "2026-11-22 10:00:00",
            "RecordingUrl": None,
        }

    def _send_sms(self, request: ApiRequest) -> ApiAnswer:
        sent = self._exchange.take_message(request.body)
        self._start(self._exchange.report_message(sent), f"exotel_message:{sent.id}")
        facts = {"Sid": sent.id, "From": sent.src, "To": sent.dst, "Body": sent.text}
        account = {"AccountSid": self._account_id, "Status": "queued"}
        return ApiAnswer(200, {"SMSMessage": {**facts, **account}})


def _as_xml(answer: ApiAnswer) -> ApiAnswer:
    """Write an answer as XML; what is text already stays as it is."""
    if not isinstance(answer.body, dict):
        return answer
    inner = "".join(f"<{name}>{_xml(value)}</{name}>" for name, value in answer.body.items())
    return ApiAnswer(answer.status, f"<TwilioResponse>{inner}</TwilioResponse>")


def _xml(value: object) -> str:
    if isinstance(value, dict):
        return "".join(f"<{name}>{_xml(inner)}</{name}>" for name, inner in value.items())
    return "" if value is None else escape(str(value))
