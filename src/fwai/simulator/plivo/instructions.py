"""Carries out the answer XML of one call: fetches it, opens streams, redirects, hangs up."""

import asyncio
from collections.abc import Callable

from fwai.errors import WireError
from fwai.simulator.common.cause import NORMAL, Ending, HangupCause
from fwai.simulator.common.line import Line
from fwai.simulator.common.stream import StreamEnd
from fwai.simulator.plivo.call_webhooks import CallWebhooks
from fwai.simulator.plivo.cause import (
    ANSWER_INVALID,
    ANSWER_UNREACHABLE,
    END_OF_XML,
    REDIRECT_INVALID,
    REDIRECT_UNREACHABLE,
    TRANSFER_INVALID,
    TRANSFER_UNREACHABLE,
)
from fwai.simulator.plivo.stream import Account, MediaStream
from fwai.simulator.plivo.xml import (
    DialInstruction,
    HangUpInstruction,
    Instruction,
    OtherInstruction,
    RedirectInstruction,
    SpeakInstruction,
    StreamInstruction,
    read_instructions,
)

MAX_HOPS = 20
FAULTS: dict[str, tuple[HangupCause, HangupCause]] = {
    "answer": (ANSWER_UNREACHABLE, ANSWER_INVALID),
    "fallback": (ANSWER_UNREACHABLE, ANSWER_INVALID),
    "redirect": (REDIRECT_UNREACHABLE, REDIRECT_INVALID),
    "transfer": (TRANSFER_UNREACHABLE, TRANSFER_INVALID),
}
"""The causes when instructions cannot be fetched, and when they are invalid."""


class InstructionRunner:
    """Carries out one call's XML instructions until there are none left or the call is over.

    Attributes:
        stream: The stream through which audio flows now, or None.
        answered: Whether audio has flowed, something was spoken, or the call was handed on.
        setup_ms: From the first question to the first audio.
        dialled: Whom the call was handed to.
        spoken: What Plivo was told to speak.
        moved_to: Where further instructions are fetched when the stream ends, from the REST API.
    """

    def __init__(self, account: Account, line: Line, hooks: CallWebhooks) -> None:
        self.stream: MediaStream | None = None
        self.answered = False
        self.setup_ms = 0.0
        self.dialled: list[str] = []
        self.spoken: list[str] = []
        self.moved_to: RedirectInstruction | None = None
        self._account = account
        self._line = line
        self._hooks = hooks
        self._clock: Callable[[], float] = asyncio.get_running_loop().time
        self._asked_s = 0.0
        self._last: StreamEnd | None = None

    async def answer(self, url: str, method: str, fallback_url: str | None) -> list[Instruction]:
        """Ask what to do with the call; an answer that is no good ends it."""
        self._asked_s = self._clock()
        instructions = await self._fetch("answer", url, method, final=fallback_url is None)
        if instructions is None and fallback_url is not None:
            instructions = await self._fetch("fallback", fallback_url, method)
        self._line.answer()
        self._line.emit("answered", instructions=len(instructions or []))
        return instructions or []

    async def _fetch(
        self, kind: str, url: str, method: str, *, final: bool = True
    ) -> list[Instruction] | None:
        unreachable, invalid = FAULTS[kind]
        result = await self._hooks.ask(kind, url, method)
        cause = unreachable
        if result.ok:
            try:
                return read_instructions(result.content_type, result.body)
            except WireError as exc:
                self._line.violate(str(exc))
                cause = invalid
        if final:
            self._line.end(Ending("answer_failed", cause, "Error"))
        return None

    async def follow(self, instructions: list[Instruction]) -> None:
        """Carry out instructions to their end; the call is over then."""
        for _ in range(MAX_HOPS):
            onward = await self._carry_out(instructions)
            if onward is None or self._line.ending is not None:
                break
            kind = "transfer" if onward is self.moved_to else "redirect"
            self.moved_to = None
            instructions = await self._fetch(kind, onward.url, onward.method) or []
        by = {
            StreamEnd.BROKEN: "stream_failed",
            StreamEnd.REFUSED: "stream_failed",
            None: "instructions",
        }
        self._line.end(Ending(by.get(self._last, "agent"), END_OF_XML, "Answer XML"))

    async def _carry_out(self, instructions: list[Instruction]) -> RedirectInstruction | None:
        for instruction in instructions:
            if self._line.ending is not None:
                return None
            match instruction:
                case StreamInstruction():
                    await self._carry_stream(instruction)
                    if self.moved_to is not None:
                        return self.moved_to
                case RedirectInstruction():
                    return instruction
                case HangUpInstruction():
                    self._line.end(Ending("instructions", NORMAL, "Answer XML"))
                case DialInstruction():
                    self._hand_over(instruction)
                case SpeakInstruction():
                    self.answered = True
                    self.spoken.append(instruction.text)
                    self._line.emit("spoken", text=instruction.text)
                case OtherInstruction():
                    self._line.emit("passed_over", element=instruction.name)
        return None

    def _hand_over(self, instruction: DialInstruction) -> None:
        """Whoever is dialled answers, and this telephone's part is over."""
        self.answered = True
        self.dialled += instruction.numbers
        self._line.emit("handed_over", numbers=instruction.numbers)
        self._line.end(Ending("handed_over", NORMAL, "Callee"))

    async def _carry_stream(self, instruction: StreamInstruction) -> None:
        for doubt in instruction.doubts:
            self._line.violate(doubt)
        stream = MediaStream(
            instruction, self._account, self._line, self._hooks.notifier(instruction)
        )

        def opened() -> None:
            self.stream = stream
            if not self.answered:
                self.answered = True
                self.setup_ms = (self._clock() - self._asked_s) * 1000
            self._line.emit("stream_opened", stream_id=stream.stream_id, setup_ms=self.setup_ms)

        try:
            self._last = await stream.run(opened)
        finally:
            self.stream = None
