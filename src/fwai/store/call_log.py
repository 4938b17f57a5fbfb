"""One call's story, fanned out to its transcript file and to the database."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from fwai.domain.call import Call, CallEnding, CallState
from fwai.domain.events import ToolCall, ToolResult
from fwai.domain.job import NewJob
from fwai.store.batch_writer import BatchWriter
from fwai.store.job_tables import jobs
from fwai.store.job_writer import new_row
from fwai.store.tables import instant, tool_calls, turns
from fwai.store.transcript_files import TranscriptFile, clean, clean_text

_MAX_NAME = 128
_MAX_TOOL_CALL_ID = 255

# What is to be done when a tool has run in a call.
FollowTool = Callable[[Call, ToolCall, ToolResult, datetime], Sequence[NewJob]]


def follow_no_tool(
    call: Call,  # noqa: ARG001
    request: ToolCall,  # noqa: ARG001
    result: ToolResult,  # noqa: ARG001
    at: datetime,  # noqa: ARG001
) -> Sequence[NewJob]:
    """Follow no tool."""
    return ()


class StoredCallLog:
    """Keeps what is said and done in one call; every method only appends to memory.

    System events go to the file alone. Without a file (transcripts are disabled) no words are kept
    anywhere: of a tool call only its name, outcome and duration. What arrives after the ending
    (a tool that outlives the call) goes to the database alone, so that the ending stays last.

    Attributes:
        file: The transcript file, or None.
    """

    def __init__(
        self,
        call: Call,
        file: TranscriptFile | None,
        writer: BatchWriter,
        *,
        kept: int = 0,
        follow: FollowTool = follow_no_tool,
    ) -> None:
        self._call = call
        self._call_id = call.id
        self._follow = follow
        self.file = file
        self._writer = writer
        self._seq = kept

    def caller_said(self, text: str, at: float, turn: int) -> None:
        """Keep words of the caller; ``at`` is Unix time of their start, in seconds."""
        self._said("caller", text, at, turn, interrupted=False)

    def agent_said(self, text: str, at: float, turn: int, *, interrupted: bool = False) -> None:
        """Keep words of the agent that the caller heard; ``interrupted`` on a cut turn's last."""
        self._said("agent", text, at, turn, interrupted=interrupted)

    def tool_finished(
        self, request: ToolCall, result: ToolResult, at: float, elapsed_ms: float
    ) -> None:
        """Keep a tool call and its outcome."""
        name = clean_text(request.name)[:_MAX_NAME]
        tool_call_id = clean_text(request.id)[:_MAX_TOOL_CALL_ID]
        args = clean(request.args)
        message = clean_text(result.text)
        elapsed_ms = clean(elapsed_ms) or 0.0
        if self.file is not None:
            self.file.add(
                "tool",
                message,
                at,
                name=name,
                tool_call_id=tool_call_id,
                args=args,
                ok=result.ok,
                elapsed_ms=round(elapsed_ms, 1),
            )
        row = {
            "call_id": self._call_id,
            "seq": self._next(),
            "tool_call_id": tool_call_id,
            "name": name,
            "args": args if self.file is not None else None,
            "ok": result.ok,
            "message": message if self.file is not None else None,
            "elapsed_ms": elapsed_ms,
            "at": instant(at),
        }
        self._writer.add(tool_calls, row)
        for job in self._follow(self._call, request, result, instant(at)):
            # Due now: a call has a time of its own, which may be ahead of a clock that was set.
            self._writer.add(jobs, new_row(job, datetime.now(UTC)))

    def note(self, what: str, at: float, **facts: str | float | bool) -> None:
        """Keep a system event such as ``reconnected`` or ``dtmf``."""
        if self.file is not None:
            renamed = {f"{name}_" if name in _OWN_KEYS else name: facts[name] for name in facts}
            self.file.add("system", clean_text(what), at, **clean(renamed))

    def ended(self, state: CallState, at: float, ending: CallEnding | None = None) -> None:
        """Write the file's last line, once; ``ending`` is None when only the state is known."""
        if self.file is not None:
            self.file.end(state, at, ending)

    def _said(self, role: str, text: str, at: float, turn: int, *, interrupted: bool) -> None:
        if self.file is None:
            return
        text = clean_text(text)
        if interrupted:
            self.file.add(role, text, at, turn=turn, interrupted=True)
        else:
            self.file.add(role, text, at, turn=turn)
        row = {
            "call_id": self._call_id,
            "seq": self._next(),
            "role": role,
            "turn": turn,
            "text": text,
            "at": instant(at),
            "interrupted": interrupted,
        }
        self._writer.add(turns, row)

    def _next(self) -> int:
        self._seq += 1
        return self._seq


_OWN_KEYS = frozenset({"type", "role", "text"})
