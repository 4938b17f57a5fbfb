"""Places the calls and delivers the messages that Exotel is asked for."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import uuid4

import httpx

from fwai.simulator.common.caller import CallReport, Delivery
from fwai.simulator.common.exchange import (
    KEEP,
    Decision,
    OutboundCall,
    OutboundMessage,
    ProviderExchange,
)
from fwai.simulator.common.fate import RING_S, Fate, MessageFate, Outcome
from fwai.simulator.common.rest import BadRequestError, require
from fwai.simulator.exotel.applets import INDIA, MAX_URL, ContentType
from fwai.simulator.exotel.phone import ExotelPhone

RING_TIMEOUT_S: Final = 60
REPORT_LIMIT_S: Final = 5.0
MAX_CUSTOM: Final = 128
MAX_SECONDS: Final = 14400
DELIVERED: Final = ("sent",)
STATUSES: Final[Mapping[Outcome, str]] = {
    "no_answer": "no-answer",
    "busy": "busy",
    "rejected": "busy",
    "failed": "failed",
    "canceled": "canceled",
}
"""How a call ends that nobody takes; Exotel has no word of its own for one that was rejected."""

_DETAILS: Final = {"sent": ("DELIVERED_TO_HANDSET", "20005")}

Form = Mapping[str, list[str]]


class _Form:
    """The request of a call or a message."""

    __slots__ = ()
    id: str
    form: Form

    @property
    def sid(self) -> str:
        """Its id, as Exotel names it."""
        return self.id

    def value(self, name: str) -> str:
        """Return one field of the request, or nothing."""
        return self.form.get(name, [""])[0]


@dataclass(slots=True)
class PlacedCall(_Form, OutboundCall):
    """An outbound call that the server asked for.

    Attributes:
        form: The whole request.
    """

    form: Form

    @property
    def events(self) -> tuple[str, ...]:
        """Events whose status callback was asked for, in either spelling of the list."""
        name = "StatusCallbackEvents["
        found = [one for key, values in self.form.items() if key.startswith(name) for one in values]
        return tuple(found)


@dataclass(frozen=True, slots=True)
class SentMessage(_Form, OutboundMessage):
    """A text message that the server sent.

    Attributes:
        form: The whole request, such as ``DltTemplateId`` and ``StatusCallback``.
    """

    form: Form


OnCall = Callable[[PlacedCall], Decision]
"""Decides on an outbound call to a number without a fate."""


class ExotelExchange(ProviderExchange[PlacedCall, SentMessage, ExotelPhone]):
    """Places calls, knows how they stand, delivers messages.

    Args:
        account_id: The account.
        on_call: Decides on calls to numbers without a fate; without it they are answered.
        template: A telephone whose options outbound calls have; its ``url`` and ``passthru_url``
            are the applets of every flow.
        clock_scale: How much faster than the clock ring timeouts pass.
    """

    def __init__(
        self,
        account_id: str,
        on_call: OnCall | None,
        template: ExotelPhone | None,
        clock_scale: float,
    ) -> None:
        super().__init__(on_call, clock_scale)
        self.template = template
        self._account_id = account_id
        self._known: OrderedDict[str, ExotelPhone | None] = OrderedDict()

    def began(self, phone: ExotelPhone) -> None:
        """Note a call that exists from now on."""
        self._know(phone.call_sid, phone)

    def ended(self, phone: ExotelPhone) -> None:
        """Note nothing: a call that is over knows how it stands."""

    def _know(self, sid: str, phone: ExotelPhone | None) -> None:
        self._known[sid] = phone
        while len(self._known) > KEEP:
            self._known.popitem(last=False)

    def statuses(self) -> dict[str, str]:
        """Return how each call stands; one that was only accepted is said to be in progress."""
        return {
            sid: phone.status if phone is not None else "in-progress"
            for sid, phone in self._known.items()
        }

    # ---- calls ---------------------------------------------------------------------------------

    def take_call(self, form: Form) -> PlacedCall:
        """Accept a request to call somebody.

        Raises:
            BadRequestError: A parameter is missing or wrong.
        """
        one = {name: values[0] for name, values in form.items()}
        dialled, line = require(one, "From", "CallerId")
        where = require(one, "StreamUrl" if "StreamUrl" in one else "Url")[0]
        if dialled.lstrip("+") == line.lstrip("+"):
            raise BadRequestError("From is the ExoPhone itself")
        if "StreamUrl" in one and (len(where) >= MAX_URL or not where.startswith("ws")):
            raise BadRequestError("StreamUrl is not a valid address")
        if len(one.get("CustomField", "")) > MAX_CUSTOM:
            raise BadRequestError("CustomField is too long")
        for name in ("TimeLimit", "TimeOut"):
            text = one.get(name) or "1"
            if not text.isdecimal() or int(text) > MAX_SECONDS:
                raise BadRequestError(f"{name} is not a number up to {MAX_SECONDS}")
        placed = PlacedCall(uuid4().hex, form, fate=self.fates.next(dialled))
        self.calls.append(placed)
        self._know(placed.id, None)
        return placed

    def _held(self, placed: PlacedCall, fate: Fate) -> bool:
        """Also a call into a flow, which needs a template to be answered."""
        flow = not placed.value("StreamUrl")
        return fate.outcome == "queued" or (flow and fate.is_answered and self.template is None)

    def _ring_timeout_s(self, placed: PlacedCall) -> float:
        return float(placed.value("TimeOut") or RING_TIMEOUT_S)

    async def _decline(
        self, phone: ExotelPhone, fate: Fate, ring_s: float, *, timed_out: bool
    ) -> CallReport:
        status = "no-answer" if timed_out else STATUSES[fate.outcome]
        return await phone.decline(status, ring_s, rings=fate.outcome != "failed")

    def _phone(self, placed: PlacedCall, fate: Fate, ring_s: float) -> ExotelPhone:
        number, line = placed.value("From"), placed.value("CallerId")
        phone = self.template or ExotelPhone(
            url="", account_id=self._account_id, from_number=number, to_number=line
        )
        stream_url, kind = placed.value("StreamUrl"), placed.value("StatusCallbackContentType")
        as_json: ContentType = "json" if "json" in kind else phone.status_as
        limit_s = float(placed.value("TimeLimit") or MAX_SECONDS)
        called = replace(
            phone,
            url=stream_url or phone.url,
            passthru_url=None if stream_url else phone.passthru_url,
            from_number=number,
            to_number=line,
            direction="outbound-api",
            call_sid=placed.id,
            status_url=placed.value("StatusCallback") or None,
            status_as=as_json,
            status_events=placed.events,
            custom_field=placed.value("CustomField"),
            ring_s=RING_S if fate.ring_s is None else ring_s,
            max_call_s=min(phone.max_call_s, limit_s),
            exchange=self,
        )
        self._know(placed.id, called)
        return called

    # ---- messages ------------------------------------------------------------------------------

    def take_message(self, form: Form) -> SentMessage:
        """Accept a text message.

        Raises:
            BadRequestError: A parameter is missing.
        """
        one = {name: values[0] for name, values in form.items()}
        src, dst, text = require(one, "From", "To", "Body")
        fate = self.message_fates.next(dst) or MessageFate()
        message = SentMessage(uuid4().hex, src, dst, text, form, fate=fate)
        self.messages.append(message)
        return message

    async def _send_reports(self, message: SentMessage) -> None:
        url = message.value("StatusCallback")
        if not url:
            return
        async with httpx.AsyncClient(trust_env=False, timeout=REPORT_LIMIT_S) as http:
            async for status, error_code in message.fate.due_reports(DELIVERED):
                fields = _report_fields(message, status, error_code)
                message.reports.append(await _post(http, url, status, fields))


def _report_fields(message: SentMessage, status: str, error_code: str) -> dict[str, str]:
    detail, code = _DETAILS.get(status, (status.upper(), ""))
    custom = message.value("CustomField")
    return {
        "SmsSid": message.id,
        "To": message.dst,
        "Status": status,
        "SmsUnits": "1",
        "DetailedStatus": detail,
        "DetailedStatusCode": error_code or code,
        "DateSent": f"{datetime.now(INDIA):%Y-%m-%d %H:%M:%S}",
        **({"CustomField": custom} if custom else {}),
    }


async def _post(
    http: httpx.AsyncClient, url: str, status: str, fields: Mapping[str, str]
) -> Delivery:
    began_s = asyncio.get_running_loop().time()
    code, error = None, ""
    try:
        code = (await http.post(url, data=dict(fields))).status_code
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        error = type(exc).__name__
    elapsed_ms = (asyncio.get_running_loop().time() - began_s) * 1000
    return Delivery(status, code, elapsed_ms, error)
