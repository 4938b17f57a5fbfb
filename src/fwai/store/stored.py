"""What is read back from the database, as plain values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping

from fwai.domain.call import Call, CallId, CallState, Direction, EndReason


@dataclass(frozen=True, slots=True)
class StoredCall:
    """One call as it is kept; what was not measured or has not happened is None.

    Attributes:
        call: What it is.
        state: Where it stands.
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


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """A piece of an utterance; ``seq`` orders pieces and tool calls of a call together."""

    seq: int
    role: str
    turn: int
    text: str
    at: datetime
    interrupted: bool


@dataclass(frozen=True, slots=True)
class StoredToolCall:
    """One tool run; ``args`` and ``message`` are None when transcripts are disabled."""

    seq: int
    tool_call_id: str
    name: str
    args: Any
    ok: bool
    message: str | None
    elapsed_ms: float
    at: datetime


def joined(pieces: Iterable[StoredTurn]) -> list[StoredTurn]:
    """Return whole utterances: pieces of one role and turn as one, where the first one stood."""
    whole: dict[tuple[str, int], StoredTurn] = {}
    for piece in pieces:
        before = whole.setdefault((piece.role, piece.turn), piece)
        if before is not piece:
            whole[piece.role, piece.turn] = replace(
                before,
                text=f"{before.text} {piece.text}".strip(),
                interrupted=before.interrupted or piece.interrupted,
            )
    return list(whole.values())


def stored_call(row: RowMapping) -> StoredCall:
    """Read a row of ``calls``."""
    reason = row["end_reason"]
    return StoredCall(
        call=Call(
            id=CallId(row["id"]),
            provider=row["provider"],
            direction=Direction(row["direction"]),
            caller=row["caller"],
            line=row["line"],
            agent=row["agent"],
            provider_call_id=row["provider_call_id"],
            context=row["context"],
        ),
        state=CallState(row["state"]),
        end_reason=None if reason is None else EndReason(reason),
        created_at=row["created_at"],
        started_at=row["started_at"],
        answered_at=row["answered_at"],
        ended_at=row["ended_at"],
        written_at=row["written_at"],
        usage=row["usage"],
        latency_ms=row["latency_ms"],
        audio_in_s=row["audio_in_s"],
        audio_out_s=row["audio_out_s"],
        recording=row["recording"],
        transcript=row["transcript"],
        instance=row["instance"],
    )
