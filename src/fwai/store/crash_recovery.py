"""Crash recovery: closes the calls of a process that died, by what is known of them."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import ColumnElement, func, select, update

from fwai.domain.call import CallId, CallState, Direction, EndReason
from fwai.domain.job import DIAL, HANG_UP, Job, NewJob
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

_WAITING = frozenset({CallState.QUEUED, CallState.SCHEDULED})

# What is to be done when a call reaches a state.
Follow = Callable[[CallId, CallState], Sequence[NewJob]]

_log = structlog.get_logger()


# What is to be done about an adopted call, given its dial job if there is one.
Adopted = Callable[[CallRecord, Job | None], Sequence[NewJob]]


def adopt_silently(record: CallRecord, dial: Job | None) -> Sequence[NewJob]:  # noqa: ARG001
    """Do nothing about an adopted call."""
    return ()


def follow_nothing(call_id: CallId, state: CallState) -> Sequence[NewJob]:  # noqa: ARG001
    """Follow no call."""
    return ()


@dataclass(frozen=True, slots=True)
class Folders:
    """Where files are; None when they are not kept."""

    transcripts: Path | None
    recordings: Path | None
    zone: ZoneInfo
    messages: Path | None = None


class CrashRecovery:
    """Closes or adopts the calls of an instance that died.

    Each call is one transaction whose UPDATE names the dead owner, so of several takers one wins.

    Args:
        jobs: Where the jobs go that follow, in the transaction of the change that they follow.
        follow: What is to be done when a call reaches a state.
        keep: States of outbound calls that survive their process: a job still acts on them.
        adopted: What is to be done about a call that dialled or rang, given its dial job.
        clock: Unix time in seconds.
    """

    def __init__(
        self,
        database: Database,
        folders: Folders,
        jobs: Jobs,
        follow: Follow = follow_nothing,
        keep: Collection[CallState] = (),
        adopted: Adopted = adopt_silently,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._folders = folders
        self._jobs = jobs
        self._follow = follow
        self._keep = frozenset(keep)
        self._adopted = adopted
        self._clock = clock

    async def take_over(self, instance: str, epoch: int | None) -> int:
        """Close what a dead instance left open, and adopt what can go on; return how many closed.

        A closed call becomes ``failed`` for ``server_crashed``, also when it was answered: that it
        ended well is not known. Its end is the last thing known of it, not now. Where only the
        database missed the ending, the transcript file's is taken. Transcript files get their
        ending, recordings their true size, and a job hangs the call up at the carrier.

        Raises:
            StoreError: The database failed.
        """
        theirs = calls.c.instance == instance
        theirs &= calls.c.epoch.is_(None) if epoch is None else calls.c.epoch <= epoch
        open_states = [state.value for state in CallState if not state.final]
        # Nobody carries an outbound call that waits: its job dials it, whoever runs that.
        waiting = [state.value for state in _WAITING & self._keep]
        waits = calls.c.state.in_(waiting) & (calls.c.direction == Direction.OUTBOUND.value)
        query = select(calls).where(theirs & calls.c.state.in_(open_states) & ~waits)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).mappings().all()
        closed = 0
        for row in rows:
            record = stored_call(row)
            if record.call.direction is Direction.OUTBOUND and record.state in self._keep:
                await self._adopt(record)
            else:
                closed += await self._close(record)
        return closed

    async def close_unowned(self) -> int:
        """Take over what a version without instances left open; return how many were closed.

        Raises:
            StoreError: The database failed.
        """
        closed = await self.take_over("", None)
        await self._jobs.release("")
        return closed

    async def _adopt(self, record: CallRecord) -> None:
        call = record.call
        dial = await self._jobs.by_key(f"{DIAL}:{call.id}")
        values = {"instance": "", "epoch": None}  # nobody's, until somebody dials or answers it
        async with self._database.write() as connection:
            adopting = update(calls).where(self._still(record)).values(values)
            if (await connection.execute(adopting)).rowcount != 1:
                return
            await self._jobs.add(connection, self._adopted(record, dial))
        _log.info("call_adopted", call_id=call.id, state=record.state.value)

    async def _close(self, record: CallRecord) -> bool:
        now = instant(self._clock())
        last = await self._last_known(record)
        values = await asyncio.to_thread(_values, self._folders, record, last, now)
        crashed = values["end_reason"] == EndReason.SERVER_CRASHED.value
        async with self._database.write() as connection:
            closing = update(calls).where(self._still(record)).values(values)
            if (await connection.execute(closing)).rowcount != 1:
                return False
            jobs = [*self._follow(record.call.id, CallState(values["state"]))]
            await self._jobs.add(connection, [*jobs, *(_hang_up(record) if crashed else ())])
            # Before the commit: of a row that is closed nobody looks at the files again.
            await asyncio.to_thread(_finish_files, self._folders, record, values)
        _log.warning("dangling_call_closed", call_id=record.call.id, state=values["state"])
        return True

    def _still(self, record: CallRecord) -> ColumnElement[bool]:
        """Whether a call stands as it was read, with the same owner."""
        here = (calls.c.id == record.call.id) & (calls.c.instance == record.instance)
        epoch = calls.c.epoch
        here &= epoch.is_(None) if record.epoch is None else epoch == record.epoch
        return here & (calls.c.state == record.state.value)

    async def _last_known(self, call: CallRecord) -> datetime:
        moments = [call.written_at]
        async with self._database.read() as connection:
            for table in (turns, tool_calls):
                query = select(func.max(table.c.at)).where(table.c.call_id == call.call.id)
                moment = await connection.scalar(query)
                if moment is not None:
                    moments.append(moment)
        return max(moments)


def _hang_up(record: CallRecord) -> Sequence[NewJob]:
    """Return the job that ends the call at the carrier, which still holds the caller."""
    call = record.call
    if not call.provider_call_id:
        return ()
    payload = {"provider": call.provider, "provider_call_id": call.provider_call_id}
    return [NewJob(HANG_UP, f"{HANG_UP}:{call.id}", payload, call_id=call.id, phone=call.caller)]


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
