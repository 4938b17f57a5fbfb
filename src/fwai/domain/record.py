"""Stored records of calls, transcripts and tool runs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from fwai.domain.call import Call, CallState, EndReason


@dataclass(frozen=True, slots=True)
class CallRecord:
    """The stored record of a call; what was not measured or has not happened is None.

    Attributes:
        call: The call.
        state: Its state.
        end_reason: Why it ended.
        created_at: When it became known.
        started_at: When a line was first used for it: dialing, ringing or answered.
        answered_at: When it was answered.
        ended_at: When it was over.
        written_at: When this row last changed.
        usage: Summed model tokens, by name.
        latency_ms: Per turn, in milliseconds.
        audio_in_s: Caller audio sent to the model, in seconds.
        audio_out_s: Agent audio the caller heard, in seconds.
        recording: Its file, relative to the recordings' directory.
        transcript: Its file, relative to the transcripts' directory.
        instance: The process that holds or held its sockets.
        epoch: The life of that instance; None of a version without instances.
        not_before: When it may be dialled at the earliest.
        cause: Why it ended so, in words an operator can act on, or the provider's word for it.
        summary: Summary of the conversation.
        extracted: Values of the agent's ``extract`` schema.
    """

    call: Call
    state: CallState
    end_reason: EndReason | None
    created_at: datetime
    started_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    written_at: datetime
    usage: Mapping[str, int] | None
    latency_ms: Sequence[float] | None
    audio_in_s: float | None
    audio_out_s: float | None
    recording: str | None
    transcript: str | None
    instance: str
    epoch: int | None = None
    not_before: datetime | None = None
    cause: str | None = None
    summary: str | None = None
    extracted: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """A piece of an utterance; ``seq`` orders pieces and tool calls of a call together."""

    seq: int
    role: str
    turn: int
    text: str
    at: datetime
    interrupted: bool


@dataclass(frozen=True, slots=True)
class ToolRecord:
    """One tool run; ``args`` and ``message`` are None when transcripts are disabled."""

    seq: int
    tool_call_id: str
    name: str
    args: Any
    ok: bool
    message: str | None
    elapsed_ms: float
    at: datetime


def joined(pieces: Iterable[TurnRecord]) -> list[TurnRecord]:
    """Join pieces of one role and turn into whole utterances, in order of their first piece."""
    whole: dict[tuple[str, int], TurnRecord] = {}
    for piece in pieces:
        before = whole.setdefault((piece.role, piece.turn), piece)
        if before is not piece:
            whole[piece.role, piece.turn] = replace(
                before,
                text=f"{before.text} {piece.text}".strip(),
                interrupted=before.interrupted or piece.interrupted,
            )
    return list(whole.values())
