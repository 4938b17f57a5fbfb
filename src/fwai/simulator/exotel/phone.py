"""Simulates one whole Exotel call: Exotel's side of it, and the caller's.

Source: Exotel's articles on the Voicebot, Stream and Passthru applets (read 2026-11-22).

Theory of operation: the flow's Voicebot applet asks for the stream's address, unless it is given
one, and opens the stream; beside it the script runs and the names of what was heard are looked up.
When the server closes the stream the next applet runs: Passthru, if there is one, decides between
the end and a human. All of it is one task group.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

import httpx

from fwai.errors import WireError
from fwai.simulator.common.caller import CallReport, Delivery, Step
from fwai.simulator.common.cause import Ending, HangupCause
from fwai.simulator.common.line import Line
from fwai.simulator.common.phone import Phone
from fwai.simulator.common.report import report_of
from fwai.simulator.common.script import ScriptRunner
from fwai.simulator.common.stream import StreamEnd
from fwai.simulator.common.tls import default_tls
from fwai.simulator.exotel.applets import (
    ANSWER_SOON_MS,
    Applets,
    CallFacts,
    ContentType,
    read_stream_url,
)
from fwai.simulator.exotel.ear import ExotelEar
from fwai.simulator.exotel.stream import ExotelStream, StreamOptions
from fwai.simulator.exotel.wire import StreamFacts

COMPLETED: Final = HangupCause("completed", "")
FAILED: Final = HangupCause("failed", "")
TIME_LIMIT: Final = HangupCause("time limit", "")
_BY: Final = {StreamEnd.BROKEN: "stream_failed", StreamEnd.REFUSED: "stream_failed"}
_PASSTHRU: Final = frozenset({200, 302})


@dataclass(kw_only=True, eq=False)
class ExotelPhone(Phone):
    """One telephone that calls through Exotel, or is called; writes numbers as Exotel does.

    Attributes:
        url: Of the Voicebot applet: ``https://`` is asked for the stream's address, ``wss://`` is
            the address.
        account_id: The account's SID.
        direction: ``incoming`` or ``outbound-api``.
        call_sid: The call's id; a new one by default.
        passthru_url: Of the applet behind the Voicebot's, if there is one.
        passthru_json: Passthru sends one JSON parameter, as some pages have it.
        status_url: Where the end is told, for calls placed by the API.
        status_as: In which form.
        status_events: What else is told there, ``ringing`` and ``answered``, of outbound calls; the
            end always is, and without any event it is told in its short form.
        custom_field: What comes back to the server with the end and with Passthru.
        ring_s: How long an outbound call rings.
        post: The Voicebot's URL is asked by POST.
        stream: How the stream looks.
        parameters: The applet's own parameters.
        status: How it stands, in the words of the API; not an argument.
    """

    url: str = field(repr=False)
    account_id: str
    direction: str = "incoming"
    call_sid: str = field(default_factory=lambda: uuid4().hex)
    passthru_url: str | None = field(default=None, repr=False)
    passthru_json: bool = False
    status_url: str | None = field(default=None, repr=False)
    status_as: ContentType = "multipart"
    status_events: tuple[str, ...] = ("terminal",)
    custom_field: str = ""
    ring_s: float = 0.0
    post: bool = False
    stream: StreamOptions = field(default_factory=StreamOptions)
    parameters: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.status = "queued"

    async def call(self, script: Sequence[Step]) -> CallReport:
        """Make the call, follow the script, and tell how it was.

        Raises:
            StoreError: The shipped phrases are incomplete.
        """
        async with self._connected() as (line, applets):
            flow = _Flow(self, line, applets)
            runner = ScriptRunner(flow, line, "Caller")
            await self._ring(line, flow, self.ring_s)
            self.status = "in-progress"
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(flow.tell("answered"), name="exotel_answered")
                tasks.create_task(runner.run(script), name="exotel_script")
                await flow.run()
            ended_ms = line.now_s() * 1000
            self.status = "completed" if flow.answered else "failed"
            await flow.tell("terminal")
        return self._report(line, flow, runner, ended_ms)

    async def decline(self, status: str, after_s: float = 0.2, *, rings: bool = True) -> CallReport:
        """Do not answer an outbound call.

        Args:
            status: ``busy``, ``no-answer``, ``failed`` or ``canceled``.
            after_s: When it ends.
            rings: Whether the telephone rings until then.
        """
        async with self._connected() as (line, applets):
            flow = _Flow(self, line, applets)
            runner = ScriptRunner(flow, line, "Caller")
            if rings:
                await self._ring(line, flow, after_s)
            else:
                await asyncio.wait({line.over}, timeout=after_s)
            line.end(Ending("unanswered", HangupCause(status, ""), "Callee"))
            self.status = status
            await flow.tell("terminal")
        return self._report(line, flow, runner, 0.0)

    async def _ring(self, line: Line, flow: "_Flow", ring_s: float) -> None:
        if self.direction == "outbound-api":
            self.status = "ringing"
            line.emit("ringing")
            await flow.tell("ringing")
            await asyncio.wait({line.over}, timeout=ring_s)

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[Line, Applets]]:
        """Provide what a call needs; nothing is left behind."""
        facts = CallFacts(
            call_sid=self.call_sid,
            from_number=self.from_number,
            to_number=self.to_number,
            direction=self.direction,
            custom_field=self.custom_field,
        )
        async with self._open_line(Ending("time_limit", TIME_LIMIT, "Exotel")) as line:
            line.ear = ExotelEar(line.repertoire, line.emit)
            tls = self.stream.tls or default_tls()
            async with (
                httpx.AsyncClient(verify=tls, trust_env=False) as http,
                asyncio.TaskGroup() as helpers,
            ):
                helpers.create_task(line.ear.recognise(), name="exotel_recognise")
                with self._registered():
                    yield line, Applets(http, facts)
                line.ear.end()

    def _report(
        self, line: Line, flow: "_Flow", runner: ScriptRunner, ended_ms: float
    ) -> CallReport:
        return report_of(
            line,
            runner,
            self.patience,
            call_id=self.call_sid,
            answered=flow.answered,
            duration_ms=ended_ms,
            setup_ms=flow.setup_ms,
            deliveries=flow.deliveries,
        )


class _Flow:
    """Runs the applets of one call, from the Voicebot to the end of the flow.

    Attributes:
        stream: The stream through which audio flows now, or None.
        answered: Whether audio has flowed.
        setup_ms: From the first question to the first audio.
        deliveries: Every request and how it came out.
    """

    def __init__(self, phone: ExotelPhone, line: Line, applets: Applets) -> None:
        self.stream: ExotelStream | None = None
        self.answered = False
        self.setup_ms = 0.0
        self.deliveries: list[Delivery] = []
        self._phone = phone
        self._line = line
        self._applets = applets

    async def run(self) -> None:
        """Follow the flow to its end."""
        line, phone = self._line, self._phone
        began_s = line.now_s()
        url = await self._address()
        if url is None:
            line.end(Ending("answer_failed", FAILED, "Voicebot"))
            return
        facts = StreamFacts(
            stream_id=uuid4().hex,
            call_sid=phone.call_sid,
            account_id=phone.account_id,
            from_number=phone.from_number,
            to_number=phone.to_number,
            parameters=phone.parameters,
        )
        stream = ExotelStream(url, facts, phone.stream, line)

        def opened() -> None:
            self.setup_ms = (line.now_s() - began_s) * 1000
            self.stream, self.answered = stream, True
            line.answer()
            line.emit("stream_opened", stream_id=facts.stream_id, setup_ms=self.setup_ms)

        try:
            end = await stream.run(opened)
        finally:
            self.stream = None
        if line.ending is None:
            await self._next_applet(end)

    async def _address(self) -> str | None:
        """Ask where the stream goes, or know it already."""
        phone = self._phone
        if phone.url.startswith("ws"):
            return phone.url
        answer = await self._applets.voicebot(phone.url, post=phone.post)
        self.deliveries.append(answer.delivery("voicebot"))
        if answer.elapsed_ms > ANSWER_SOON_MS:
            self._line.violate("voicebot: the answer took more than 1 s")
        if answer.status != 200:
            return None
        try:
            return read_stream_url(answer.body)
        except WireError as exc:
            self._line.violate(str(exc))
            return None

    async def _next_applet(self, end: StreamEnd) -> None:
        """The server closed the stream: Passthru decides, if it is there, what comes then."""
        by = _BY.get(end, "agent")
        url = self._phone.passthru_url
        if url is not None:
            failed = by == "stream_failed"
            fields = {
                "StreamSID": "s",
                "Status": "failed" if failed else "completed",
                "Duration": str(round(self._line.now_s())),
                "DisconnectedBy": "system" if failed else "bot",
            }
            answer = await self._applets.passthru(url, fields, as_json=self._phone.passthru_json)
            self.deliveries.append(answer.delivery("passthru", _PASSTHRU))
            by = "handed_over" if answer.status == 302 else by
        cause = FAILED if by == "stream_failed" else COMPLETED
        self._line.end(Ending(by, cause, "Exotel"))

    async def tell(self, event: str) -> None:
        """Send the status callback of an event, if it was asked for; the end always was."""
        phone = self._phone
        url, events, ended = phone.status_url, phone.status_events, event == "terminal"
        if not url or not (ended or event in events):
            return
        seconds = round(self._line.now_s()) if self.answered else 0
        answer = await self._applets.status(
            url, phone.status_as, event if events else "", phone.status, seconds
        )
        self.deliveries.append(answer.delivery("status" if ended else f"status {event}"))
