"""What Plivo does with the calls and messages it is asked for."""

import asyncio
import contextlib
import re
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from fwai.simulator.common.caller import CallReport, Delivery, Step
from fwai.simulator.common.cause import (
    BUSY,
    CANCELED,
    FAILED,
    NO_ANSWER,
    REJECTED,
    TIMED_OUT,
    HangupCause,
)
from fwai.simulator.common.fate import RING_S, Fate, Fates, MessageFate, Outcome
from fwai.simulator.common.rest import BadRequestError, require
from fwai.simulator.plivo.call_webhooks import Machine
from fwai.simulator.plivo.phone import PlivoPhone
from fwai.simulator.plivo.signature import PlivoSigner
from fwai.simulator.plivo.webhook import Webhooks

KEEP = 1000
MAX_WAITING = 1000
REPORT_LIMIT_S = 5.0
RING_TIMEOUT_S = 120
DELIVERED = ("queued", "sent", "delivered")
CAUSES: Mapping[Outcome, HangupCause] = {
    "no_answer": NO_ANSWER,
    "busy": BUSY,
    "rejected": REJECTED,
    "failed": FAILED,
    "canceled": CANCELED,
}
_DESTINATION = re.compile(r"\+?\d{5,15}|sip:.+")
_DETECTION = frozenset({"", "true", "false", "hangup"})


@dataclass(slots=True)
class PlacedCall:
    """An outbound call that the server asked for.

    Attributes:
        request_uuid: Its id, also the call's.
        from_number: As asked.
        to_number: One destination.
        parameters: The whole request body.
        fate: What the script of the number says; None: ``on_call`` decides, or the default.
        canceled: The server took it back before it began to ring.
        report: How the call went, once it is over.
        done: Set when it is over.
    """

    request_uuid: str
    from_number: str
    to_number: str
    parameters: Mapping[str, Any]
    fate: Fate | None = None
    canceled: bool = False
    report: CallReport | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def url(self, name: str) -> str | None:
        """Return one of the optional addresses."""
        value = self.parameters.get(name)
        return str(value) if value else None


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A text message that the server sent.

    Attributes:
        message_uuid: Its id.
        src: From whom.
        dst: To whom, one destination.
        text: What.
        parameters: The whole request body, such as ``dlt_entity_id`` and ``url``.
        fate: What becomes of it.
        reports: How each delivery report came out.
        done: Set when all reports are sent.
    """

    message_uuid: str
    src: str
    dst: str
    text: str
    parameters: Mapping[str, Any]
    fate: MessageFate
    reports: list[Delivery] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event, repr=False)


OnCall = Callable[[PlacedCall], Fate | Sequence[Step] | HangupCause | None]
"""Decides on an outbound call to a number without a fate. A script answers it, a cause such as
``plivo_cause.BUSY`` does not, and None lets it wait in the queue until it is canceled."""


class PlivoExchange:
    """Places calls, knows those that are going on, delivers messages.

    Args:
        auth_id: The account.
        auth_token: What webhooks are signed with.
        on_call: Decides on calls to numbers without a fate; without it they are answered.
        phone_options: Further arguments of every ``PlivoPhone`` made here.
        message_statuses: Usual delivery reports of a message with a ``url``.
        clock_scale: How much faster than the clock ring timeouts pass.

    Attributes:
        fates: What becomes of calls, by number.
        message_fates: What becomes of messages, by number.
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
        clock_scale: float,
    ) -> None:
        self.fates: Fates[Fate] = Fates()
        self.message_fates: Fates[MessageFate] = Fates()
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
        self._clock_scale = clock_scale

    # ---- phones tell about themselves ------------------------------------------------------

    def began(self, phone: PlivoPhone) -> None:
        """A call exists from now on."""
        self.live[phone.call_uuid] = phone
        placed = self._placed(phone.call_uuid)
        if placed is not None and placed.canceled:
            phone.hang_up()

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
            PlacedCall(str(uuid4()), from_number, number, body, self.fates.next(number))
            for number in destinations
        ]
        self.calls.extend(placed)
        return placed

    async def place(self, placed: PlacedCall) -> None:
        """Carry an outbound call to its end."""
        fate = self._decide(placed)
        if fate.outcome == "queued":
            if placed.canceled:
                _take_back(placed)
                return
            self._waiting[placed.request_uuid] = placed
            while len(self._waiting) > MAX_WAITING:
                self._waiting.popitem(last=False)
            return
        timeout_s = float(placed.parameters.get("ring_timeout") or RING_TIMEOUT_S)
        ring_s, timed_out = fate.ringing(timeout_s, self._clock_scale)
        phone = self._phone(placed, fate, ring_s)
        if fate.is_answered and not timed_out:
            placed.report = await phone.call(fate.steps)
        else:
            cause = fate.cause or (TIMED_OUT if timed_out else CAUSES[fate.outcome])
            rings = fate.outcome != "failed"
            placed.report = await phone.decline(cause, ring_s, rings=rings)
        placed.done.set()

    def _decide(self, placed: PlacedCall) -> Fate:
        if placed.fate is not None or self.on_call is None:
            return placed.fate or Fate()
        decision = self.on_call(placed)
        if decision is None:
            return Fate(outcome="queued")
        if isinstance(decision, Fate):
            return decision
        if isinstance(decision, HangupCause):
            known: dict[HangupCause, Outcome] = {cause: name for name, cause in CAUSES.items()}
            outcome = known.get(decision, "rejected")
            return Fate(outcome=outcome, cause=decision, ring_s=RING_S)
        return Fate(script=decision)

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
            call_uuid=placed.request_uuid,
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
        placed = self._placed(request_uuid)
        if placed is None or placed.canceled or placed.done.is_set():
            return False
        placed.canceled = True
        return True

    def _placed(self, request_uuid: str) -> PlacedCall | None:
        return next((one for one in self.calls if one.request_uuid == request_uuid), None)

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
        placed = self._placed(request_uuid)
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
        sent = [
            SentMessage(
                str(uuid4()), src, dst, text, body, self.message_fates.next(dst) or MessageFate()
            )
            for dst in destinations.split("<")
        ]
        self.messages.extend(sent)
        return sent

    async def report_message(self, message: SentMessage) -> None:
        """Send the delivery reports of a message that asked for them."""
        url = message.parameters.get("url")
        if url:
            await self._report_message(message, str(url))
        message.done.set()

    async def _report_message(self, message: SentMessage, url: str) -> None:
        fate = message.fate
        statuses = self._message_statuses if fate.statuses is None else fate.statuses
        signer = PlivoSigner(self._auth_token)
        method = str(message.parameters.get("method") or "POST")
        async with Webhooks(signer.message, self._phone_options.get("tls")) as webhooks:
            for number, status in enumerate(statuses, 1):
                await asyncio.sleep(fate.gap_s)
                error_code = fate.error_code if number == len(statuses) else ""
                fields = _message_fields(message, status, error_code)
                with contextlib.suppress(ValueError):
                    result = await webhooks.send("message", url, fields, method, REPORT_LIMIT_S)
                    report = Delivery(status, result.status, result.elapsed_ms, result.error)
                    message.reports.append(report)


def _take_back(placed: PlacedCall) -> None:
    """End a call that never began to ring."""
    placed.report = CallReport(placed.request_uuid, ended_by="canceled", cause_name=CANCELED.name)
    placed.done.set()


def _message_fields(message: SentMessage, status: str, error_code: str) -> dict[str, str]:
    return {
        "MessageUUID": message.message_uuid,
        "ParentMessageUUID": message.message_uuid,
        "From": message.src,
        "To": message.dst,
        "Status": status,
        "Units": "1",
        "TotalRate": "0",
        "TotalAmount": "0",
        "ErrorCode": error_code,
    }
