"""Places the calls and delivers the messages that Plivo is asked for."""

import contextlib
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from fwai.simulator.common.caller import CallReport, Delivery
from fwai.simulator.common.cause import FAILED, HangupCause
from fwai.simulator.common.exchange import (
    KEEP,
    Decision,
    OutboundCall,
    OutboundMessage,
    ProviderExchange,
)
from fwai.simulator.common.fate import RING_S, Fate, MessageFate, Outcome
from fwai.simulator.common.rest import BadRequestError, require
from fwai.simulator.plivo.call_webhooks import Machine
from fwai.simulator.plivo.cause import BUSY, CANCELED, NO_ANSWER, REJECTED, TIMED_OUT
from fwai.simulator.plivo.phone import PlivoPhone
from fwai.simulator.plivo.signature import PlivoSigner
from fwai.simulator.plivo.webhook import Webhooks

MAX_WAITING: Final = 1000
REPORT_LIMIT_S: Final = 5.0
RING_TIMEOUT_S: Final = 120
DELIVERED: Final = ("queued", "sent", "delivered")
CAUSES: Final[Mapping[Outcome, HangupCause]] = {
    "no_answer": NO_ANSWER,
    "busy": BUSY,
    "rejected": REJECTED,
    "failed": FAILED,
    "canceled": CANCELED,
}
_DESTINATION: Final = re.compile(r"\+?\d{5,15}|sip:.+")
_DETECTION: Final = frozenset({"", "true", "false", "hangup"})


@dataclass(slots=True)
class PlacedCall(OutboundCall):
    """An outbound call that the server asked for.

    Attributes:
        from_number: As asked.
        to_number: One destination.
        parameters: The whole request body.
        canceled: The server took it back before it began to ring.
    """

    from_number: str
    to_number: str
    parameters: Mapping[str, Any]
    canceled: bool = field(default=False, kw_only=True)

    @property
    def request_uuid(self) -> str:
        """Its id, also the call's."""
        return self.id

    def url(self, name: str) -> str | None:
        """Return one of the optional addresses."""
        value = self.parameters.get(name)
        return str(value) if value else None


@dataclass(frozen=True, slots=True)
class SentMessage(OutboundMessage):
    """A text message that the server sent.

    Attributes:
        parameters: The whole request body, such as ``dlt_entity_id`` and ``url``.
    """

    parameters: Mapping[str, Any]

    @property
    def message_uuid(self) -> str:
        """Its id."""
        return self.id


OnCall = Callable[[PlacedCall], Decision]
"""Decides on an outbound call to a number without a fate."""


class PlivoExchange(ProviderExchange[PlacedCall, SentMessage, PlivoPhone]):
    """Places calls, knows those that are going on, delivers messages.

    Args:
        auth_id: The account.
        auth_token: What webhooks are signed with.
        on_call: Decides on calls to numbers without a fate; without it they are answered.
        phone_options: Further arguments of every ``PlivoPhone`` made here.
        message_statuses: Usual delivery reports of a message with a ``url``.
        clock_scale: How much faster than the clock ring timeouts pass.

    Attributes:
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
        clock_scale: float,
    ) -> None:
        super().__init__(on_call, clock_scale)
        self.live: dict[str, PlivoPhone] = {}
        self.over: OrderedDict[str, PlivoPhone] = OrderedDict()
        self._waiting: OrderedDict[str, PlacedCall] = OrderedDict()
        self._auth_id = auth_id
        self._auth_token = auth_token
        self._phone_options = dict(phone_options)
        self._message_statuses = tuple(message_statuses)

    # ---- phones tell about themselves ------------------------------------------------------

    def began(self, phone: PlivoPhone) -> None:
        """Note a call that exists from now on."""
        self.live[phone.call_uuid] = phone
        placed = self.find(phone.call_uuid)
        if placed is not None and placed.canceled:
            phone.hang_up()

    def ended(self, phone: PlivoPhone) -> None:
        """Note a call that is over."""
        self.live.pop(phone.call_uuid, None)
        self.over[phone.call_uuid] = phone
        while len(self.over) > KEEP:
            self.over.popitem(last=False)

    # ---- calls -----------------------------------------------------------------------------

    def take_calls(self, body: Mapping[str, Any]) -> list[PlacedCall]:
        """Accept a Make-Call request, one call for each destination.

        Raises:
            BadRequestError: A parameter is missing or wrong.
        """
        from_number, to_numbers, answer_url = require(body, "from", "to", "answer_url")
        if not answer_url.startswith(("http://", "https://")):
            raise BadRequestError("answer_url is not a valid URL")
        for name in ("time_limit", "ring_timeout"):
            if not str(body.get(name) or "1").isdecimal():
                raise BadRequestError(f"{name} is not a number")
        if str(body.get("machine_detection") or "").lower() not in _DETECTION:
            raise BadRequestError("machine_detection is neither true nor hangup")
        destinations = to_numbers.split("<")
        for number in destinations:
            if not _DESTINATION.fullmatch(number):
                raise BadRequestError("to is not a valid destination")
            if number.lstrip("+") == from_number.lstrip("+"):
                raise BadRequestError("src and destination cannot overlap")
        placed = [
            PlacedCall(str(uuid4()), from_number, number, body, fate=self.fates.next(number))
            for number in destinations
        ]
        self.calls.extend(placed)
        return placed

    def _held(self, placed: PlacedCall, fate: Fate) -> bool:
        if fate.outcome != "queued":
            return False
        if placed.canceled:
            _take_back(placed)
            return True
        self._waiting[placed.id] = placed
        while len(self._waiting) > MAX_WAITING:
            self._waiting.popitem(last=False)
        return True

    def _ring_timeout_s(self, placed: PlacedCall) -> float:
        return float(placed.parameters.get("ring_timeout") or RING_TIMEOUT_S)

    async def _decline(
        self, phone: PlivoPhone, fate: Fate, ring_s: float, *, timed_out: bool
    ) -> CallReport:
        cause = fate.cause or (TIMED_OUT if timed_out else CAUSES[fate.outcome])
        return await phone.decline(cause, ring_s, rings=fate.outcome != "failed")

    def _fate_of(self, cause: HangupCause) -> Fate:
        known: dict[HangupCause, Outcome] = {cause: name for name, cause in CAUSES.items()}
        return Fate(outcome=known.get(cause, "rejected"), cause=cause, ring_s=RING_S)

    @staticmethod
    def _machine(placed: PlacedCall, fate: Fate) -> Machine | None:
        wanted = str(placed.parameters.get("machine_detection") or "").lower()
        if fate.outcome != "machine" or wanted not in {"true", "hangup"}:
            return None
        url = placed.url("machine_detection_url")
        return Machine(url, wanted == "hangup", fate.machine_after_s)

    def _phone(self, placed: PlacedCall, fate: Fate, ring_s: float) -> PlivoPhone:
        options = {"machine": self._machine(placed, fate), **self._phone_options}
        if fate.ring_s is not None or fate.outcome == "no_answer":
            options["ring_s"] = ring_s
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
            call_uuid=placed.id,
            exchange=self,
            **options,
        )

    def cancel(self, request_uuid: str) -> bool:
        """Cancel a call that is not answered yet; False when there is none."""
        waiting = self._waiting.pop(request_uuid, None)
        if waiting is not None:
            _take_back(waiting)
            return True
        phone = self.live.get(request_uuid)
        if phone is not None:
            return not phone.answered and phone.hang_up()
        placed = self.find(request_uuid)
        if placed is None or placed.canceled or placed.done.is_set():
            return False
        placed.canceled = True
        return True

    def hang_up(self, call_uuid: str) -> bool:
        """End a call; False when it is over."""
        phone = self.live.get(call_uuid)
        return phone.hang_up() if phone is not None else self.cancel(call_uuid)

    # ---- messages --------------------------------------------------------------------------

    def take_messages(self, body: Mapping[str, Any]) -> list[SentMessage]:
        """Accept a Message request, one message for each destination.

        Raises:
            BadRequestError: A parameter is missing.
        """
        sender = "powerpack_uuid" if body.get("powerpack_uuid") else "src"
        src, destinations, text = require(body, sender, "dst", "text")
        sent = [
            SentMessage(
                str(uuid4()),
                src,
                dst,
                text,
                body,
                fate=self.message_fates.next(dst) or MessageFate(),
            )
            for dst in destinations.split("<")
        ]
        self.messages.extend(sent)
        return sent

    async def _send_reports(self, message: SentMessage) -> None:
        url = str(message.parameters.get("url") or "")
        if not url:
            return
        signer = PlivoSigner(self._auth_token)
        method = str(message.parameters.get("method") or "POST")
        async with Webhooks(signer.message, self._phone_options.get("tls")) as webhooks:
            async for status, error_code in message.fate.due_reports(self._message_statuses):
                fields = _message_fields(message, status, error_code)
                with contextlib.suppress(ValueError):
                    result = await webhooks.send("message", url, fields, method, REPORT_LIMIT_S)
                    report = Delivery(status, result.status, result.elapsed_ms, result.error)
                    message.reports.append(report)


def _take_back(placed: PlacedCall) -> None:
    """End a call that never began to ring."""
    placed.report = CallReport(placed.id, ended_by="canceled", cause_name=CANCELED.name)
    placed.done.set()


def _message_fields(message: SentMessage, status: str, error_code: str) -> dict[str, str]:
    return {
        "MessageUUID": message.id,
        "ParentMessageUUID": message.id,
        "From": message.src,
        "To": message.dst,
        "Status": status,
        "Units": "1",
        "TotalRate": "0",
        "TotalAmount": "0",
        "ErrorCode": error_code,
    }
