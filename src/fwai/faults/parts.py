"""What a call of the matrix is built of besides the real parts."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from fwai.domain.call import Call, EndReason
from fwai.domain.events import ToolCall, ToolResult
from fwai.domain.sentence import Fallback
from fwai.errors import AgentError
from fwai.faults.moments import Moments
from fwai.interfaces.calls import CallActions

TOOL_S: Final = 0.3
TRANSFER_S: Final = 0.3


@dataclass(slots=True)
class LabTools:
    """Runs tools that count what they did. Implements ``ToolRunner``.

    Attributes:
        now: The time of the call, in seconds.
        moments: Where their begin and end are noted.
        tool_s: How long each takes, in seconds, where it is not `TOOL_S`.
        done: What was done, by tool and arguments.
        ran: From when to when tools ran.
    """

    now: Callable[[], float]
    moments: Moments
    tool_s: Mapping[str, float]
    done: Counter[tuple[str, str]] = field(default_factory=Counter)
    ran: list[tuple[float, float]] = field(default_factory=list)

    async def run(self, request: ToolCall, call: Call, actions: CallActions) -> ToolResult:  # noqa: ARG002
        """Do what a tool does and count it; one that is cancelled has done nothing."""
        if request.name == "end_call":
            said = actions.finish(EndReason.AGENT_HUNG_UP)
            text = "The call ends when your goodbye was heard." if said else "Say goodbye now."
            return ToolResult(request.id, request.name, True, text, {}, silent=said)
        began = self.now()
        self.moments.happened("tool", began)
        try:
            await asyncio.sleep(self.tool_s.get(request.name, TOOL_S))
            self.done[request.name, json.dumps(dict(request.args), sort_keys=True)] += 1
        finally:
            self.ran.append((began, self.now()))
        self.moments.happened("tool_done", self.now())
        return ToolResult(request.id, request.name, True, "Done.", {})

    @property
    def effects(self) -> dict[str, int]:
        """How often each tool did something."""
        counts: Counter[str] = Counter()
        for (name, _), times in self.done.items():
            counts[name] += times
        return dict(counts)


@dataclass(slots=True)
class LabLog:
    """Keeps what is written of a call. Implements ``CallLog``.

    Attributes:
        caller: What the caller said.
        agent: What the agent said.
        notes: System events.
    """

    caller: list[str] = field(default_factory=list)
    agent: list[str] = field(default_factory=list)
    notes: list[tuple[str, Mapping[str, str | float | bool]]] = field(default_factory=list)

    def caller_said(self, text: str, at: float, turn: int) -> None:  # noqa: ARG002
        """Keep words of the caller."""
        self.caller.append(text)

    def agent_said(self, text: str, at: float, turn: int, *, interrupted: bool = False) -> None:  # noqa: ARG002
        """Keep words of the agent."""
        self.agent.append(text)

    def tool_finished(
        self, request: ToolCall, result: ToolResult, at: float, elapsed_ms: float
    ) -> None:
        """Tools keep their own count."""

    def note(self, what: str, at: float, **facts: str | float | bool) -> None:  # noqa: ARG002
        """Keep a system event."""
        self.notes.append((what, facts))


@dataclass(slots=True)
class LabFallback:
    """Does what is left to do for a caller. Implements ``CallFallback``.

    Attributes:
        human: A person can be reached.
        voicemail: The caller may leave a message.
        transfers: How often the caller was connected.
        messages: Length of each message that was kept, in seconds.
    """

    human: bool
    voicemail: bool
    transfers: int = 0
    messages: list[float] = field(default_factory=list)

    def kind(self, call: Call) -> Fallback:  # noqa: ARG002
        """Return what a caller gets."""
        if self.human:
            return Fallback.TRANSFER
        return Fallback.VOICEMAIL if self.voicemail else Fallback.APOLOGY

    async def transfer(self, call: Call) -> bool:  # noqa: ARG002
        """Connect the caller."""
        await asyncio.sleep(TRANSFER_S)
        self.transfers += 1
        return self.human

    async def keep_message(self, call: Call, pcm: bytes, sample_rate: int) -> bool:  # noqa: ARG002
        """Keep a message."""
        self.messages.append(len(pcm) / 2 / sample_rate)
        return True


@dataclass(slots=True)
class LabWatch:
    """Hears how connections fare. Implements ``LiveWatch``; never keeps a call from trying.

    Attributes:
        failures: What was told.
    """

    failures: list[str] = field(default_factory=list)

    def opened(self, model: str) -> None:
        """A session was opened."""

    def failed(self, model: str, error: AgentError, *, for_good: bool = False) -> None:  # noqa: ARG002
        """No session could be opened."""
        self.failures.append(error.fault)

    def down(self, model: str) -> str:  # noqa: ARG002
        """New calls may try."""
        return ""
