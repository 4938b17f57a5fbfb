"""Transcript files: ``<day>/<call id>.jsonl``, appended while the call runs.

The first line is the call (``type`` is ``call``), the last its ending (``type`` is ``ending``); the
lines between are ``{at, role, text, ...}`` with role caller, agent, tool or system. A process that
dies leaves the file without an ending, or with a torn last line, which readers skip.
"""

import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fwai.domain.call import Call, CallEnding, CallId, CallState, Direction
from fwai.errors import StoreError
from fwai.store.file_writer import FILE_MODE, FileWriter
from fwai.store.folders import make_folder
from fwai.store.tables import instant

_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_DAY = re.compile(r"(\d{4})(\d{2})(\d{2})-", re.ASCII)
_MAX_DEPTH = 8

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Transcript:
    """What a transcript file holds; call and ending are None when the file lacks them."""

    call: Line | None
    lines: Sequence[Line]
    ending: Line | None
    torn: int


class TranscriptFile:
    """One call's file; accepts lines and lets the ``FileWriter`` append them.

    Attributes:
        path: Where it is.
        ended: The ending was written; later lines are refused.
    """

    def __init__(self, path: Path, zone: ZoneInfo, files: FileWriter) -> None:
        self.ended = False
        self.path = path
        self._zone = zone
        self._files = files

    def begin(self, call: Call, at: float) -> None:
        """Write the first line."""
        self._append(first_line(call, stamp(at, self._zone)))

    def add(self, role: str, text: str, at: float, **more: object) -> None:
        """Write a line; does nothing once the call has ended."""
        if self.ended:
            return
        line: dict[str, Any] = {"at": stamp(at, self._zone), "role": role, "text": text}
        line.update((name, value) for name, value in more.items() if name not in line)
        self._append(line)

    def end(self, state: CallState, at: float, ending: CallEnding | None) -> None:
        """Write the last line, once; ``ending`` is None when only the state is known."""
        if self.ended:
            return
        self.ended = True
        self._append(last_line(stamp(at, self._zone), state, ending=ending))

    def _append(self, line: Line) -> None:
        self._files.append(self.path, encode(line))


def call_path(call_id: CallId, at: float, zone: ZoneInfo, suffix: str) -> Path:
    """Return ``<day>/<call id><suffix>`` of a call that became known at Unix time ``at``.

    The day is the one that the id begins with, so that a call that goes on past midnight has all it
    left in one folder; an id without one is filed by the day of ``at``.

    Raises:
        StoreError: The id could not be a file name.
    """
    if not _SAFE_ID.fullmatch(call_id):
        raise StoreError("a call id may hold letters, digits, - and _ only, 64 at most")
    day = _day_of(call_id) or instant(at).astimezone(zone).date()
    return Path(day.isoformat()) / f"{call_id}{suffix}"


def _day_of(call_id: CallId) -> date | None:
    begins = _DAY.match(call_id)
    try:
        return None if begins is None else date(*map(int, begins.groups()))
    except ValueError:
        return None  # eight digits that are no day


def stamp(at: float, zone: ZoneInfo) -> str:
    """Return Unix time as ISO 8601 with the zone's offset."""
    return stamp_of(instant(at), zone)


def stamp_of(moment: datetime, zone: ZoneInfo) -> str:
    """Return a moment as ISO 8601 with the zone's offset."""
    return moment.astimezone(zone).isoformat(timespec="milliseconds")


def first_line(call: Call, at: str) -> Line:
    """Return the line that says whose transcript this is."""
    inbound = call.direction is Direction.INBOUND
    return {
        "type": "call",
        "at": at,
        "call_id": call.id,
        "provider": call.provider,
        "provider_call_id": call.provider_call_id or None,
        "direction": call.direction.value,
        "from": call.caller if inbound else call.line,
        "to": call.line if inbound else call.caller,
        "agent": call.agent,
        "context": clean(call.context),
    }


def last_line(
    at: str, state: CallState, reason: str | None = None, *, ending: CallEnding | None = None
) -> Line:
    """Return the line that says how the call came out; what was not measured is null."""
    line: dict[str, Any] = {"type": "ending", "at": at, "status": state.value}
    if ending is None:
        return line | {"end_reason": reason, "usage": None, "latency_ms": None}
    usage = {
        "audio_in_s": clean(ending.audio_in_s),
        "audio_out_s": clean(ending.audio_out_s),
        "tokens": clean(ending.usage) if ending.usage else None,
    }
    latency_ms = clean(ending.latency_ms) if ending.latency_ms else None
    return line | {"end_reason": ending.reason.value, "usage": usage, "latency_ms": latency_ms}


def encode(line: Line) -> bytes:
    """Return one line of a file."""
    text = json.dumps(line, ensure_ascii=False, separators=(",", ":"), default=str)
    return f"{text}\n".encode(errors="replace")


def clean(value: object, depth: int = 0) -> Any:  # noqa: ANN401 - JSON
    """Return ``value`` as what any JSON column can hold; what is no JSON becomes text or null."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth >= _MAX_DEPTH:
        return None
    if isinstance(value, Mapping):
        return {clean_text(str(name)): clean(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [clean(item, depth + 1) for item in value]
    return clean_text(str(value))


def clean_text(text: str) -> str:
    """Return ``text`` without what UTF-8 or PostgreSQL cannot hold."""
    return text.encode(errors="replace").decode().replace("\x00", "")


def read_transcript(path: Path) -> Transcript:
    """Read a file, in a thread of its own; torn lines are skipped and counted.

    Raises:
        StoreError: The file cannot be read.
    """
    try:
        raw = path.read_bytes()
    except OSError as exc:
        raise StoreError(f"transcript {path}: {exc.strerror}") from exc
    call: Line | None = None
    ending: Line | None = None
    lines: list[Line] = []
    torn = 0
    for piece in raw.split(b"\n"):
        line = _decode(piece)
        if line is None:
            torn += bool(piece)
        elif line.get("type") == "call":
            call = call or line
        elif line.get("type") == "ending":
            ending = ending or line
        else:
            lines.append(line)
    return Transcript(call, lines, ending, torn)


def append_ending(path: Path, first: Line, last: Line) -> None:
    """Close the file of a call whose process died; one that has an ending stays as it is.

    Raises:
        StoreError: The file cannot be read or written.
    """
    exists = path.exists()
    if exists and read_transcript(path).ending is not None:
        return
    try:
        make_folder(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, FILE_MODE)
        with os.fdopen(handle, "r+b") as file:
            size = file.seek(0, os.SEEK_END)
            if not size:
                file.write(encode(first))
            elif os.pread(handle, 1, size - 1) != b"\n":
                file.write(b"\n")
            file.write(encode(last))
    except OSError as exc:
        raise StoreError(f"transcript {path}: {exc.strerror}") from exc


def _decode(piece: bytes) -> Line | None:
    try:
        line = json.loads(piece)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None
