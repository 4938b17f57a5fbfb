"""What Exotel does with the calls and messages it is asked for."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from uuid import uuid4

import httpx

from fwai.simulator.common.caller import CallReport, Delivery, Step
from fwai.simulator.common.fate import RING_S, Fate, Fates, MessageFate, Outcome
from fwai.simulator.common.rest import BadRequestError, require
from fwai.simulator.exotel.applets import INDIA, MAX_URL, ContentType
from fwai.simulator.exotel.phone import ExotelPhone

KEEP: Final = 1000
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


@dataclass(slots=True)
class PlacedCall:
    """An outbound call that the server asked for.

    Attributes:
        sid: Its id.
        form: The whole request.
        fate: What the script of the number says; None: ``on_call`` decides, or the default.
        report: How it went, once it is over.
        done: Set when it is over.
    """

    sid: str
    form: Form
    fate: Fate | None = None
    report: CallReport | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def value(self, name: str) -> str:
        """Return one field of the request, or nothing."""
        return self.form.get(name, [""])[0]

    @property
    def events(self) -> tuple[str, ...]:
        """Events whose status callback was asked for, in either spelling of the list."""
        name = "StatusCallbackEvents["
        found = [one for key, values in self.form.items() if key.startswith(name) for one in values]
        return tuple(found)


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A text message that the server sent.

    Attributes:
        sid: Its id.
        src: From whom.
        dst: To whom.
        text: What.
        form: The whole request, such as ``DltTemplateId`` and ``StatusCallback``.
        fate: What becomes of it.
        reports: How each delivery report came out.
        done: Set when all reports are sent.
    """

    sid: str
    src: str
    dst: str
    text: str
    form: Form
    fate: MessageFate
    reports: list[Delivery] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event, repr=False)


OnCall = Callable[[PlacedCall], Fate | Sequence[Step]]
"""Decides on a call to a number without a fate: a fate, or what the one who answers does."""


class ExotelExchange:
    """Places calls, knows how they stand, delivers messages.

    Args:
        account_id: The account.
        on_call: Decides on calls to numbers without a fate; without it they are answered.
        template: A telephone whose options outbound calls have; its ``url`` and ``passthru_url``
            are the applets of every flow.
        clock_scale: How much faster than the clock ring timeouts pass.

    Attributes:
        calls: The last 1000 calls that were asked for.
        messages: The last 1000 text messages.
        fates: What becomes of calls, by number.
        message_fates: What becomes of messages, by number.
    """

    def __init__(
        self,
        account_id: str,
        on_call: OnCall | None,
        template: ExotelPhone | None,
        clock_scale: float,
    ) -> None:
        self.calls: deque[PlacedCall] = deque(maxlen=KEEP)
        self.messages: deque[SentMessage] = deque(maxlen=KEEP)
        self.fates: Fates[Fate] = Fates()
        self.message_fates: Fates[MessageFate] = Fates()
        self.on_call = on_call
        self.template = template
        self._account_id = account_id
        self._clock_scale = clock_scale
        self._known: OrderedDict[str, ExotelPhone | None] = OrderedDict()

    def began(self, phone: ExotelPhone) -> None:
        """A call exists from now on."""
        self._know(phone.call_sid, phone)

    def ended(self, phone: ExotelPhone) -> None:
        """A call is over; its telephone knows how it stands."""

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

    def find(self, sid: str) -> PlacedCall | None:
        """Return an outbound call."""
        return next((one for one in self.calls if one.sid == sid), None)

    # ---- calls ---------------------------------------------------------------------------------

    def take_order(self, form: Form) -> PlacedCall:
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
        placed = PlacedCall(uuid4().hex, form, self.fates.next(dialled))
        self.calls.append(placed)
        self._know(placed.sid, None)
        return placed

    async def place(self, placed: PlacedCall) -> None:
        """Carry an outbound call to its end; one into a flow needs a template to be answered."""
        fate = self._decide(placed)
        flow = not placed.value("StreamUrl")
        if fate.outcome == "queued" or (flow and fate.is_answered and self.template is None):
            return
        timeout_s = float(placed.value("TimeOut") or RING_TIMEOUT_S)
        ring_s, timed_out = fate.ringing(timeout_s, self._clock_scale)
        phone = self._phone(placed, fate, ring_s)
        self._know(placed.sid, phone)
        if fate.is_answered and not timed_out:
            placed.report = await phone.call(fate.steps)
        else:
            status = "no-answer" if timed_out else STATUSES[fate.outcome]
            rings = fate.outcome != "failed"
            placed.report = await phone.decline(status, ring_s, rings=rings)
        placed.done.set()

    def _decide(self, placed: PlacedCall) -> Fate:
        if placed.fate is not None or self.on_call is None:
            return placed.fate or Fate()
        decision = self.on_call(placed)
        return decision if isinstance(decision, Fate) else Fate(script=decision)

    def _phone(self, placed: PlacedCall, fate: Fate, ring_s: float) -> ExotelPhone:
        number, line = placed.value("From"), placed.value("CallerId")
        phone = self.template or ExotelPhone(
            url="", account_id=self._account_id, from_number=number, to_number=line
        )
        stream_url, kind = placed.value("StreamUrl"), placed.value("StatusCallbackContentType")
        as_json: ContentType = "json" if "json" in kind else phone.status_as
        limit_s = float(placed.value("TimeLimit") or MAX_SECONDS)
        return replace(
            phone,
            url=stream_url or phone.url,
            passthru_url=None if stream_url else phone.passthru_url,
            from_number=number,
            to_number=line,
            direction="outbound-api",
            call_sid=placed.sid,
            status_url=placed.value("StatusCallback") or None,
            status_as=as_json,
            status_events=placed.events,
            custom_field=placed.value("CustomField"),
            ring_s=RING_S if fate.ring_s is None else ring_s,
            max_call_s=min(phone.max_call_s, limit_s),
            exchange=self,
        )

    # ---- messages ------------------------------------------------------------------------------

    def take_message(self, form: Form) -> SentMessage:
        """Accept a text message.

        Raises:
            BadRequestError: A parameter is missing.
        """
        one = {name: values[0] for name, values in form.items()}
        src, dst, text = require(one, "From", "To", "Body")
        fate = self.message_fates.next(dst) or MessageFate()
        message = SentMessage(uuid4().hex, src, dst, text, form, fate)
        self.messages.append(message)
        return message

    async def report_message(self, message: SentMessage) -> None:
        """Send the delivery reports of a message that asked for them."""
        url, fate = message.form.get("StatusCallback", [""])[0], message.fate
        if url:
            async with httpx.AsyncClient(trust_env=False, timeout=REPORT_LIMIT_S) as http:
                statuses = DELIVERED if fate.statuses is None else tuple(fate.statuses)
                for number, status in enumerate(statuses, 1):
                    await asyncio.sleep(fate.gap_s)
                    code = fate.error_code if number == len(statuses) else ""
                    fields = _report_fields(message, status, code)
                    message.reports.append(await _post(http, url, status, fields))
        message.done.set()


def _report_fields(message: SentMessage, status: str, error_code: str) -> dict[str, str]:
    detail, code = _DETAILS.get(status, (status.upper(), ""))
    custom = message.form.get("CustomField", [""])[0]
    return {
        "SmsSid": message.sid,
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
