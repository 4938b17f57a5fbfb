"""Closes the calls of a process that died, by what is known of them and nothing else."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import func, select, update

from fwai.domain.call import FINAL_STATES, CallId, CallState, Direction, EndReason
from fwai.domain.job import NewJob
from fwai.domain.record import CallRecord
from fwai.errors import StoreError
from fwai.store.call_reader import stored_call
from fwai.store.database import Database
from fwai.store.jobs import Jobs
from fwai.store.recording import repair
from fwai.store.tables import calls, instant, tool_calls, turns
from fwai.store.transcript_files import (
    Line,
    append_ending,
    first_line,
    last_line,
    read_transcript,
    stamp_of,
)

_FINAL = sorted(state.value for state in FINAL_STATES)

# What is to be done when a call reaches a state.
Follow = Callable[[CallId, CallState], Sequence[NewJob]]

_log = structlog.get_logger()


def follow_nothing(call_id: CallId, state: CallState) -> Sequence[NewJob]:  # noqa: ARG001
    """Follow no call."""
    return ()


@dataclass(frozen=True, slots=True)
class Folders:
    """Where files are; None when they are not kept."""

    transcripts: Path | None
    recordings: Path | None
    zone: ZoneInfo


class CrashRecovery:
    """Closes every call that nobody carries any more.

    Args:
        jobs: Where ``follow``'s jobs go, in the transaction of the change that they follow.
        follow: What is to be done when a call reaches a state.
    """

    def __init__(
        self, database: Database, folders: Folders, jobs: Jobs, follow: Follow = follow_nothing
    ) -> None:
        self._database = database
        self._folders = folders
        self._jobs = jobs
        self._follow = follow

    async def close_calls(
        self, at: float, *, keep: Collection[CallState] = (), living: Collection[str] = ()
    ) -> int:
        """Close what a process that died left open; to be called before the first call.

        Each becomes ``failed`` for ``server_crashed``, also when it was answered: that it ended
        well is not known. Its end is the last thing known of it, not now. Where only the database
        missed the ending, the transcript file's is taken. Transcript files get their ending, and
        recordings their true size.

        Args:
            at: Unix time in seconds.
            keep: States of outbound calls that survive a restart, such as ``scheduled``.
            living: Instances that run beside this one and carry their own calls.

        Returns:
            How many were closed.

        Raises:
            StoreError: The database failed.
        """
        now = instant(at)
        open_states = [state.value for state in CallState if not state.final]
        # Of calls that came in nothing survives their sockets.
        kept = calls.c.state.in_([state.value for state in keep]) & (
            calls.c.direction == Direction.OUTBOUND.value
        )
        here = calls.c.state.in_(open_states) & ~kept & calls.c.instance.not_in(list(living))
        async with self._database.read() as connection:
            rows = (await connection.execute(select(calls).where(here))).mappings().all()
        closed = 0
        for row in rows:
            closed += await self._close(stored_call(row), now)
        if closed:
            self._jobs.notify()
        return closed

    async def _close(self, call: CallRecord, now: datetime) -> bool:
        last = await self._last_known(call)
        values = await asyncio.to_thread(_values, self._folders, call, last, now)
        here = (calls.c.id == call.call.id) & calls.c.state.not_in(_FINAL)
        async with self._database.write() as connection:
            result = await connection.execute(update(calls).where(here).values(values))
            if not result.rowcount:
                return False
            follow = self._follow(call.call.id, CallState(values["state"]))
            await self._jobs.add(connection, follow)
        await asyncio.to_thread(_finish_files, self._folders, call, values)
        _log.warning("dangling_call_closed", call_id=call.call.id, state=values["state"])
        return True

    async def _last_known(self, call: CallRecord) -> datetime:
        moments = [call.written_at]
        async with self._database.read() as connection:
            for table in (turns, tool_calls):
                query = select(func.max(table.c.at)).where(table.c.call_id == call.call.id)
                moment = await connection.scalar(query)
                if moment is not None:
                    moments.append(moment)
        return max(moments)


def _values(folders: Folders, call: CallRecord, last: datetime, now: datetime) -> dict[str, Any]:
    """Return what to write into the row, from the transcript file when it knows more."""
    values: dict[str, Any] = {
        "state": CallState.FAILED.value,
        "end_reason": EndReason.SERVER_CRASHED.value,
        "written_at": now,
    }
    path = _transcript(folders, call)
    if path is not None and path.exists():
        try:
            transcript = read_transcript(path)
        except StoreError as exc:
            _log.warning("dangling_transcript_unreadable", call_id=call.call.id, error=str(exc))
        else:
            for line in transcript.lines:
                last = max(last, _moment(line) or last)
            if transcript.ending is not None:
                values |= _known_ending(transcript.ending)
                last = _moment(transcript.ending) or last
    return values | {"ended_at": min(last, now)}


def _known_ending(line: Line) -> dict[str, Any]:
    """Return the columns a file's ending fills; nothing when it cannot be understood."""
    try:
        state = CallState(line["status"])
        reason = None if line["end_reason"] is None else EndReason(line["end_reason"]).value
        usage = line["usage"] or {}
        measured = {
            "usage": usage.get("tokens"),
            "audio_in_s": usage.get("audio_in_s"),
            "audio_out_s": usage.get("audio_out_s"),
            "latency_ms": line["latency_ms"],
        }
    except (KeyError, ValueError, AttributeError):
        return {}
    return {"state": state.value, "end_reason": reason, **measured} if state.final else {}


def _finish_files(folders: Folders, call: CallRecord, values: dict[str, Any]) -> None:
    path = _transcript(folders, call)
    try:
        if path is not None:
            first = first_line(call.call, stamp_of(call.created_at, folders.zone))
            at = stamp_of(values["ended_at"], folders.zone)
            state = CallState(values["state"])
            append_ending(path, first, last_line(at, state, values["end_reason"]))
        if folders.recordings is not None and call.recording is not None:
            repair(folders.recordings / call.recording)
    except StoreError as exc:
        _log.warning("dangling_files_unfinished", call_id=call.call.id, error=str(exc))


def _transcript(folders: Folders, call: CallRecord) -> Path | None:
    if folders.transcripts is None or call.transcript is None:
        return None
    return folders.transcripts / call.transcript


def _moment(line: Line) -> datetime | None:
    try:
        moment = datetime.fromisoformat(line["at"])
    except (KeyError, TypeError, ValueError):
        return None
    return moment if moment.tzinfo is not None else None
