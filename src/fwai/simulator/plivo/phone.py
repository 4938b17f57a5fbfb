"""Simulates one whole Plivo call: Plivo's side of it, and the caller's.

Source: https://www.plivo.com/docs/voice/xml/request and .../the-stream-element (read 2026-11-22).

Theory of operation: the server is asked what to do (the answer webhook), and its instructions are
carried out one after the other; ``<Stream>`` is the long one. Beside them the script runs, the
names of what was heard are looked up, and stream events are delivered. All of it is one task
group, and the call is over when its line is.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from fwai.simulator.common.caller import CallReport, Step
from fwai.simulator.common.cause import NORMAL, Ending, HangupCause
from fwai.simulator.common.line import Line
from fwai.simulator.common.phone import Phone
from fwai.simulator.common.report import report_of
from fwai.simulator.common.script import ScriptRunner
from fwai.simulator.plivo.call_webhooks import CallFacts, CallWebhooks, Machine
from fwai.simulator.plivo.cause import CANCELED, MACHINE, TIME_LIMIT
from fwai.simulator.plivo.instructions import InstructionRunner
from fwai.simulator.plivo.signature import PlivoSigner
from fwai.simulator.plivo.stream import Account, MediaStream
from fwai.simulator.plivo.webhook import Webhooks
from fwai.simulator.plivo.xml import RedirectInstruction


@dataclass(kw_only=True, eq=False)
class PlivoPhone(Phone):
    """One telephone that calls through Plivo, or is called.

    Attributes:
        answer_url: Where the server is asked what to do with the call.
        auth_id: The account.
        auth_token: Signs the webhooks and the stream's upgrade.
        hangup_url: Where the end is told; without it the answer URL gets it, as with Plivo.
        ring_url: Where ringing is told, for outbound calls.
        fallback_url: Asked when the answer URL fails.
        machine: An answering machine that takes the call, when it was to be looked at.
        answer_method: ``POST`` or ``GET``.
        direction: ``inbound`` or ``outbound``, seen from the server.
        call_uuid: The call's id; a new one by default.
        main_auth_token: Signs the ``Ma`` header; ``auth_token`` by default.
        ring_s: How long an outbound call rings.
        send_stop: Whether a ``stop`` message precedes the stream's close.
        tls: Trust for ``https://`` and ``wss://``; the machine's by default.
    """

    answer_url: str
    auth_id: str
    auth_token: str = field(repr=False)
    hangup_url: str | None = None
    ring_url: str | None = None
    fallback_url: str | None = None
    machine: Machine | None = None
    answer_method: str = "POST"
    direction: str = "inbound"
    call_uuid: str = field(default_factory=lambda: str(uuid4()))
    main_auth_token: str | None = field(default=None, repr=False)
    ring_s: float = 0.2
    send_stop: bool = False
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.facts = CallFacts(
            call_uuid=self.call_uuid,
            auth_id=self.auth_id,
            from_number=self.from_number.lstrip("+"),
            to_number=self.to_number.lstrip("+"),
            direction=self.direction,
            answer_url=self.answer_url,
            answer_method=self.answer_method,
            fallback_url=self.fallback_url,
            hangup_url=self.hangup_url,
            ring_url=self.ring_url,
            machine=self.machine,
        )
        signer = PlivoSigner(self.auth_token, self.main_auth_token)
        self._account = Account(self.call_uuid, self.auth_id, signer, self.tls, self.send_stop)
        self._instructions: InstructionRunner | None = None

    # ---- what others may ask of it ---------------------------------------------------------

    @property
    def answered(self) -> bool:
        """Whether audio has flowed."""
        return self._instructions is not None and self._instructions.answered

    @property
    def stream(self) -> MediaStream | None:
        """The stream through which audio flows now, if any."""
        return self._instructions.stream if self._instructions else None

    def hang_up(self, source: str = "API Request") -> bool:
        """End the call as the REST API does; False when there is none to end."""
        by, cause = ("api", NORMAL) if self.answered else ("canceled", CANCELED)
        return self._line is not None and self._line.end(Ending(by, cause, source))

    def transfer(self, url: str, method: str = "POST") -> bool:
        """Have the call follow other instructions when its stream ends; False when it is over."""
        if self._instructions is None or self.ending is not None:
            return False
        self._instructions.moved_to = RedirectInstruction(url, method)
        return True

    def stop_stream(self) -> bool:
        """End the stream but not the call; False when there is none."""
        if self.stream is None:
            return False
        self.stream.stop()
        return True

    # ---- the call --------------------------------------------------------------------------

    async def call(self, script: Sequence[Step]) -> CallReport:
        """Make the call, follow the script, and tell how it was.

        Raises:
            StoreError: The shipped phrases are incomplete.
        """
        async with self._connected() as (line, hooks):
            instructions = self._instructions = InstructionRunner(self._account, line, hooks)
            runner = ScriptRunner(self, line, self._own_side)
            await self._ring(line, hooks, self.ring_s)
            await self._meet_machine(line, hooks, at_once=True)
            facts = self.facts
            first = []
            if line.ending is None:
                first = await instructions.answer(
                    facts.answer_url, facts.answer_method, facts.fallback_url
                )
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(runner.run(script), name="plivo_script")
                tasks.create_task(self._meet_machine(line, hooks), name="plivo_machine")
                await instructions.follow(first)
            ended_ms = line.now_s() * 1000
        return self._report(line, hooks, instructions, runner, ended_ms)

    async def decline(
        self, cause: HangupCause, after_s: float = 0.2, *, rings: bool = True
    ) -> CallReport:
        """Do not answer: busy, rejected, not there, or not reachable.

        Args:
            cause: How it ends.
            after_s: When.
            rings: Whether the telephone rings until then.
        """
        async with self._connected() as (line, hooks):
            instructions = self._instructions = InstructionRunner(self._account, line, hooks)
            runner = ScriptRunner(self, line, self._own_side)
            if rings:
                await self._ring(line, hooks, after_s)
            else:
                await asyncio.wait({line.over}, timeout=after_s)
            line.end(Ending("unanswered", cause, "Callee" if rings else "Carrier"))
        return self._report(line, hooks, instructions, runner, 0.0)

    @property
    def _own_side(self) -> str:
        return "Caller" if self.facts.direction == "inbound" else "Callee"

    async def _ring(self, line: Line, hooks: CallWebhooks, ring_s: float) -> None:
        if self.facts.direction == "outbound" and line.ending is None:
            line.emit("ringing")
            await hooks.ring()
            await asyncio.wait({line.over}, timeout=ring_s)

    async def _meet_machine(
        self, line: Line, hooks: CallWebhooks, *, at_once: bool = False
    ) -> None:
        """Find out that a machine took the call: ``at_once`` before the answer URL, or later.

        Which of the two it is depends on whether the server wants to be told.
        """
        machine = self.machine
        if machine is None or (machine.url is None) is not at_once or line.ending is not None:
            return
        await asyncio.wait({line.over}, timeout=machine.after_s)
        if line.ending is None:
            await hooks.machine()
            if machine.hangs_up:
                line.end(Ending("machine", MACHINE, "Plivo"))

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[Line, CallWebhooks]]:
        """Provide what a call needs; at the end the server is told, and nothing is left behind."""
        async with (
            self._open_line(Ending("time_limit", TIME_LIMIT, "Plivo")) as line,
            Webhooks(self._account.signer.voice, self._account.tls) as webhooks,
            asyncio.TaskGroup() as helpers,
        ):
            hooks = CallWebhooks(self.facts, webhooks, line)
            helpers.create_task(line.ear.recognise(), name="plivo_recognise")
            helpers.create_task(hooks.deliver(), name="plivo_deliver")
            with self._registered():
                yield line, hooks
            if line.ending is not None and line.ending.told:
                await hooks.hang_up(line.ending)
            line.ear.end()
            hooks.end()

    def _report(
        self,
        line: Line,
        hooks: CallWebhooks,
        instructions: InstructionRunner,
        runner: ScriptRunner,
        ended_ms: float,
    ) -> CallReport:
        return report_of(
            line,
            runner,
            self.patience,
            call_id=self.call_uuid,
            answered=instructions.answered,
            duration_ms=ended_ms,
            setup_ms=instructions.setup_ms,
            deliveries=hooks.deliveries,
            dialled=instructions.dialled,
            spoken=instructions.spoken,
        )
