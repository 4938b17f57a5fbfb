"""Sends Plivo's webhooks for one call.

Source: https://www.plivo.com/docs/voice/xml/request and .../the-stream-element (read 2026-11-22).
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from fwai.simulator.common.caller import Delivery
from fwai.simulator.common.cause import Ending, HangupCause
from fwai.simulator.common.line import Line
from fwai.simulator.plivo.webhook import WebhookResult, Webhooks
from fwai.simulator.plivo.xml import StreamInstruction

NOTICE_LIMIT_S = 5.0
MAX_NOTICES = 1000
MAX_DELIVERIES = 1000

Fields = dict[str, str]


@dataclass(frozen=True, slots=True)
class Machine:
    """An answering machine that takes a call with machine detection.

    Attributes:
        url: Told of it while the call goes on; None: the answer URL is only asked when it is known.
        hangs_up: Plivo ends the call then.
        after_s: From the answer until it is known.
    """

    url: str | None
    hangs_up: bool = False
    after_s: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """Facts about a call that Plivo knows from its beginning.

    Attributes:
        call_uuid: The call's id; of an outbound call the request's id too.
        auth_id: The account.
        from_number: Who calls, digits only.
        to_number: Who is called, digits only.
        direction: ``inbound`` or ``outbound``.
        answer_url: Asked what to do.
        answer_method: ``POST`` or ``GET``.
        fallback_url: Asked when the answer URL fails.
        hangup_url: Told of the end; None tells the answer URL.
        ring_url: Told of ringing, outbound only.
        machine: Takes the call, if there is one; outbound only.
    """

    call_uuid: str
    auth_id: str
    from_number: str
    to_number: str
    direction: str
    answer_url: str
    answer_method: str = "POST"
    fallback_url: str | None = None
    hangup_url: str | None = None
    ring_url: str | None = None
    machine: Machine | None = None


class CallWebhooks:
    """Sends one call's webhooks and keeps how they were answered."""

    def __init__(self, facts: CallFacts, webhooks: Webhooks, line: Line) -> None:
        self.deliveries: list[Delivery] = []
        self._facts = facts
        self._webhooks = webhooks
        self._line = line
        self._began = datetime.now(UTC)
        self._answered: datetime | None = None
        self._notices: asyncio.Queue[tuple[str, str, Fields] | None]
        self._notices = asyncio.Queue(MAX_NOTICES + 1)

    def fields(self, status: str, event: str) -> Fields:
        """Return the fields that every webhook has."""
        facts = self._facts
        found = {
            "CallUUID": facts.call_uuid,
            "From": facts.from_number,
            "To": facts.to_number,
            "Direction": facts.direction,
            "CallStatus": status,
            "Event": event,
            "ParentAuthID": facts.auth_id,
            "SessionStart": f"{self._began:%Y-%m-%d %H:%M:%S.%f}",
            "BillRate": "0.0",
        }
        if facts.direction == "outbound":
            for name in ("RequestUUID", "ALegUUID", "ALegRequestUUID"):
                found[name] = facts.call_uuid
        else:
            found |= {"RouteType": "domestic_anchored", "CallerName": f"+{facts.from_number}"}
        return found

    async def ring(self) -> None:
        """Tell that the telephone rings."""
        if self._facts.ring_url:
            fields = self.fields("ringing", "Ring")
            await self._send("ring", self._facts.ring_url, fields, "POST", NOTICE_LIMIT_S)

    async def ask(self, kind: str, url: str, method: str) -> WebhookResult:
        """Ask for instructions.

        Args:
            kind: ``answer``, ``fallback``, ``redirect`` or ``transfer``.
            url: Asked.
            method: ``POST`` or ``GET``.
        """
        first = kind in {"answer", "fallback"}
        ringing = first and self._facts.direction == "inbound"
        fields = self.fields(
            "ringing" if ringing else "in-progress", "StartApp" if first else "Redirect"
        )
        if first and self._facts.machine is not None and self._facts.machine.url is None:
            fields["Machine"] = "true"
        result = await self._send(kind, url, fields, method)
        if self._answered is None and result.ok:
            self._answered = datetime.now(UTC)
        return result

    async def machine(self) -> None:
        """Tell that an answering machine took the call."""
        machine = self._facts.machine
        if machine is not None and machine.url:
            fields = self.fields("in-progress", "MachineDetection")
            fields |= {"Machine": "true", "IfMachine": "hangup" if machine.hangs_up else "continue"}
            await self._send("machine", machine.url, fields, "POST", NOTICE_LIMIT_S)

    async def hang_up(self, ending: Ending) -> None:
        """Tell that the call is over."""
        facts, cause = self._facts, ending.cause
        fields = self.fields(cause.status, "Hangup") | self._accounting(cause, ending.source)
        url = facts.hangup_url or facts.answer_url
        method = "POST" if facts.hangup_url else facts.answer_method
        result = await self._send("hangup", url, fields, method)
        if not facts.hangup_url and b"<Stream" in result.body:
            self._line.violate("a hang-up on the answer URL was answered with <Stream>")

    def _accounting(self, cause: HangupCause, source: str) -> Fields:
        ended = datetime.now(UTC)
        answered = self._answered if cause.status == "completed" else None
        duration_s = math.ceil((ended - answered).total_seconds()) if answered else 0
        return {
            "HangupCause": cause.cause,
            "HangupCauseName": cause.name,
            "HangupCauseCode": cause.code,
            "HangupSource": source,
            "Duration": str(duration_s),
            "BillDuration": str(math.ceil(duration_s / 60) * 60),
            "TotalCost": "0.00000",
            "StartTime": f"{self._began:%Y-%m-%d %H:%M:%S}",
            "AnswerTime": f"{answered:%Y-%m-%d %H:%M:%S}" if answered else "",
            "EndTime": f"{ended:%Y-%m-%d %H:%M:%S}",
        }

    async def _send(
        self, kind: str, url: str, fields: Fields, method: str, limit_s: float = 15.0
    ) -> WebhookResult:
        result = await self._webhooks.send(kind, url, fields, method, limit_s)
        self.deliveries.append(Delivery(kind, result.status, result.elapsed_ms, result.error))
        del self.deliveries[:-MAX_DELIVERIES]
        self._line.emit("webhook", name=kind, status=result.status, elapsed_ms=result.elapsed_ms)
        return result

    # ---- stream events ---------------------------------------------------------------------

    def notifier(self, instruction: StreamInstruction) -> Callable[..., None]:
        """Return what a stream calls to have its events delivered; the oldest wait at most."""

        def notify(stream_id: str, event: str, **extra: str) -> None:
            if not instruction.status_url or self._notices.qsize() >= MAX_NOTICES:
                return
            fields = self.fields("in-progress", event) | {
                "StreamID": stream_id,
                "Timestamp": datetime.now(UTC).isoformat(),
                "ServiceURL": instruction.url,
                **extra,
            }
            self._notices.put_nowait((instruction.status_url, instruction.status_method, fields))

        return notify

    def end(self) -> None:
        """Let ``deliver`` return once everything is delivered."""
        self._notices.put_nowait(None)

    async def deliver(self) -> None:
        """Deliver stream events in order until ``end``."""
        while (notice := await self._notices.get()) is not None:
            url, method, fields = notice
            await self._send(f"stream {fields['Event']}", url, fields, method, NOTICE_LIMIT_S)
