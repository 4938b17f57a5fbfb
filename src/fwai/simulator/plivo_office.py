"""What Plivo does with the calls and messages it is asked for."""

import asyncio
import contextlib
import re
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from fwai.simulator.caller import CallReport, Step
from fwai.simulator.plivo_cause import CANCELED, HangupCause
from fwai.simulator.plivo_phone import PlivoPhone
from fwai.simulator.plivo_rest import BadRequestError, require
from fwai.simulator.plivo_signature import PlivoSigner
from fwai.simulator.plivo_webhook import Webhooks

KEEP = 1000
MAX_WAITING = 1000
REPORT_LIMIT_S = 5.0
_DESTINATION = re.compile(r"\+?\d{5,15}|sip:.+")


@dataclass(slots=True)
class PlacedCall:
    """An outbound call that the server asked for.

    Attributes:
        request_uuid: Its id, also the call's.
        from_number: As asked.
        to_number: One destination.
        parameters: The whole request body.
        report: How the call went, once it is over.
    """

    request_uuid: str
    from_number: str
    to_number: str
    parameters: Mapping[str, Any]
    report: CallReport | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def url(self, name: str) -> str | None:
        """Return one of the optional addresses."""
        value = self.parameters.get(name)
        return str(value) if value else None


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A text message that the server sent: its id, who, to whom, what, and all parameters."""

    message_uuid: str
    src: str
    dst: str
    text: str
    parameters: Mapping[str, Any]


OnCall = Callable[[PlacedCall], Sequence[Step] | HangupCause | None]
"""Decides on an outbound call: a script answers it, a cause such as ``plivo_cause.BUSY`` does
not, and None lets it wait in the queue until it is canceled."""


class PlivoOffice:
    """Places calls, knows those that are going on, delivers messages.

    Args:
        auth_id: The account.
        auth_token: What webhooks are signed with.
        on_call: Decides on outbound calls; without it they wait.
        phone_options: Further arguments of every ``PlivoPhone`` made here.
        message_statuses: Delivery reports that follow a message with a ``url``.

    Attributes:
        calls: The last 1000 calls that were asked for.
        messages: The last 1000 text messages.
        live: Phones whose call is going on, by call id.
        over: The last 1000 whose call is over.
    """

    def __init__(
        self,
        auth_id: str,
        auth_token: str,
        on_call: OnCall | None,
        phone_options: Mapping[str, Any],
        message_statuses: Sequence[str],
    ) -> None:
        self.on_call = on_call
        self.calls: deque[PlacedCall] = deque(maxlen=KEEP)
        self.messages: deque[SentMessage] = deque(maxlen=KEEP)
        self.live: dict[str, PlivoPhone] = {}
        self.over: OrderedDict[str, PlivoPhone] = OrderedDict()
        self._waiting: OrderedDict[str, PlacedCall] = OrderedDict()
        self._auth_id = auth_id
        self._auth_token = auth_token
        self._phone_options = dict(phone_options)
        self._message_statuses = tuple(message_statuses)

    # ---- phones tell about themselves ------------------------------------------------------

    def began(self, phone: PlivoPhone) -> None:
        """A call exists from now on."""
        self.live[phone.call_uuid] = phone

    def ended(self, phone: PlivoPhone) -> None:
        """A call is over."""
        self.live.pop(phone.call_uuid, None)
        self.over[phone.call_uuid] = phone
        while len(self.over) > KEEP:
            self.over.popitem(last=False)

    # ---- calls -----------------------------------------------------------------------------

    def take_order(self, body: Mapping[str, Any]) -> list[PlacedCall]:
        """Accept a Make-Call request, one call for each destination.

        Raises:
            BadRequestError: A parameter is missing or wrong.
        """
        from_number, to_numbers, answer_url = require(body, "from", "to", "answer_url")
        if not answer_url.startswith(("http://", "https://")):
            raise BadRequestError("answer_url is not a valid URL")
        if not str(body.get("time_limit") or "1").isdecimal():
            raise BadRequestError("time_limit is not a number")
        destinations = to_numbers.split("<")
        for number in destinations:
            if not _DESTINATION.fullmatch(number):
                raise BadRequestError("to is not a valid destination")
            if number.lstrip("+") == from_number.lstrip("+"):
                raise BadRequestError("src and destination cannot overlap")
        placed = [PlacedCall(str(uuid4()), from_number, number, body) for number in destinations]
        self.calls.extend(placed)
        return placed

    async def place(self, placed: PlacedCall) -> None:
        """Carry an outbound call to its end."""
        decision = self.on_call(placed) if self.on_call else None
        if decision is None:
            self._waiting[placed.request_uuid] = placed
            while len(self._waiting) > MAX_WAITING:
                self._waiting.popitem(last=False)
            return
        phone = self._phone(placed)
        if isinstance(decision, HangupCause):
            placed.report = await phone.decline(decision)
        else:
            placed.report = await phone.call(decision)
        placed.done.set()

    def _phone(self, placed: PlacedCall) -> PlivoPhone:
        detect = str(placed.parameters.get("machine_detection", ""))
        options = {"machine_url": None, **self._phone_options}
        if options.pop("machine", False) and detect:
            options["machine_url"] = placed.url("machine_detection_url")
        limit_s = placed.parameters.get("time_limit")
        if limit_s:
            options.setdefault("max_call_s", float(limit_s))
        return PlivoPhone(
            answer_url=str(placed.parameters["answer_url"]),
            answer_method=str(placed.parameters.get("answer_method") or "POST"),
            hangup_url=placed.url("hangup_url"),
            ring_url=placed.url("ring_url"),
            fallback_url=placed.url("fallback_url"),
            auth_id=self._auth_id,
            auth_token=self._auth_token,
            from_number=placed.from_number,
            to_number=placed.to_number,
            direction="outbound",
            call_uuid=placed.request_uuid,
            exchange=self,
            **options,
        )

    def cancel(self, request_uuid: str) -> bool:
        """Cancel a call that is not answered yet; False when there is none."""
        waiting = self._waiting.pop(request_uuid, None)
        if waiting is not None:
            report = CallReport(request_uuid, ended_by="canceled", cause_name=CANCELED.name)
            waiting.report = report
            waiting.done.set()
            return True
        phone = self.live.get(request_uuid)
        return phone is not None and not phone.answered and phone.hang_up()

    def hang_up(self, call_uuid: str) -> bool:
        """End a call; False when it is over."""
        phone = self.live.get(call_uuid)
        return phone.hang_up() if phone is not None else self.cancel(call_uuid)

    async def report(self, request_uuid: str, timeout_s: float) -> CallReport:
        """Wait for the end of an outbound call and return how it went.

        Raises:
            KeyError: No such call was asked for.
            TimeoutError: It is not over in time.
        """
        placed = next((one for one in self.calls if one.request_uuid == request_uuid), None)
        if placed is None:
            raise KeyError(request_uuid)
        async with asyncio.timeout(timeout_s):
            await placed.done.wait()
        if placed.report is None:
            raise KeyError(request_uuid)
        return placed.report

    # ---- messages --------------------------------------------------------------------------

    def take_message(self, body: Mapping[str, Any]) -> list[SentMessage]:
        """Accept a Message request, one message for each destination.

        Raises:
            BadRequestError: A parameter is missing.
        """
        sender = "powerpack_uuid" if body.get("powerpack_uuid") else "src"
        src, destinations, text = require(body, sender, "dst", "text")
        sent = [SentMessage(str(uuid4()), src, dst, text, body) for dst in destinations.split("<")]
        self.messages.extend(sent)
        return sent

    async def report_message(self, message: SentMessage) -> None:
        """Send the delivery reports of a message that asked for them."""
        url = message.parameters.get("url")
        if not url:
            return
        signer = PlivoSigner(self._auth_token)
        async with Webhooks(signer.message, self._phone_options.get("tls")) as webhooks:
            for status in self._message_statuses:
                fields = {
                    "MessageUUID": message.message_uuid,
                    "ParentMessageUUID": message.message_uuid,
                    "From": message.src,
                    "To": message.dst,
                    "Status": status,
                    "Units": "1",
                    "TotalRate": "0",
                    "TotalAmount": "0",
                    "ErrorCode": "",
                }
                method = str(message.parameters.get("method") or "POST")
                with contextlib.suppress(ValueError):
                    await webhooks.send("message", str(url), fields, method, REPORT_LIMIT_S)
