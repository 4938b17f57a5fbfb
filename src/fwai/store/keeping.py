"""Removes calls, recordings and what is known of people once their time is over.

Theory of operation. Files go before the rows that name them: after a crash in between the rows are
still there, and the next run goes on. Every step may be repeated, and done by two processes at
once. Each transaction is small (`PORTION`, `SLICE`), and after it the database is left to others
for as long as it took: no live call waits for more than one of them. A file that cannot be removed
keeps its row, is counted, and holds up nothing else.

What stays whatever its age: a call that is not over or for which a job still waits; a call,
without its words, whose recording is to be kept longer; a promise, a demo and a permission that
still stand; that somebody must not be called. Jobs keep to times of their own
(`jobs.housekeeping`): of those of a removed call only the outcome stays.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import ColumnElement, Text, cast, delete, func, or_, select, tuple_, update

from fwai.domain.call import CallState
from fwai.domain.keeping import KeepTime, KeepTimes, Removed
from fwai.store import kept_files
from fwai.store.clock_steps import OPEN_STATES
from fwai.store.crash_recovery import Folders
from fwai.store.database import Database
from fwai.store.job_rows import ONLY_OUTCOME
from fwai.store.job_tables import jobs
from fwai.store.keeping_messages import KeepingMessages
from fwai.store.keeping_people import KeepingPeople
from fwai.store.portions import rest_after
from fwai.store.tables import calls, tool_calls, turns

PORTION: Final = 20  # calls in one transaction
SLICE: Final = 200  # turns in one transaction
EMPTY_AFTER: Final = timedelta(days=2)  # a folder of today may be about to get its first file

# Not "in the final ones": of several states SQLite would read and sort all calls, each time.
_OVER: Final = calls.c.state.not_in([state.value for state in CallState if not state.final])
_ended: Final = func.coalesce(calls.c.ended_at, calls.c.written_at)
_NO_WORK_LEFT: Final = ~(
    select(jobs.c.id).where(jobs.c.call_id == calls.c.id, jobs.c.state.in_(OPEN_STATES)).exists()
)
_HAS_WORDS: Final = or_(
    calls.c.transcript.is_not(None),
    calls.c.summary.is_not(None),
    calls.c.extracted.is_not(None),
    cast(calls.c.context, Text) != "{}",
    select(turns.c.seq).where(turns.c.call_id == calls.c.id).exists(),
    select(tool_calls.c.seq).where(tool_calls.c.call_id == calls.c.id).exists(),
)
_NO_WORDS: Final[Mapping[str, Any]] = {
    "transcript": None,
    "summary": None,
    "extracted": None,
    "context": {},
    "webhook_url": None,
}

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Run:
    """One run: what may go, until when it may last, what has gone, and what cannot go."""

    times: KeepTimes
    now: datetime
    deadline: float
    removed: Removed
    stuck: set[tuple[str, str]]

    def is_over(self) -> bool:
        """Whether there is no time for more; says so in the counts."""
        self.removed.more = self.removed.more or time.monotonic() >= self.deadline
        return self.removed.more


class Keeping:
    """Removes what is old enough.

    Args:
        folders: Where files are, also those of times when more was kept than now; ``None`` for
            those that never were.
        flush: Writes what still waits to be written into files, which would bring them back.
    """

    def __init__(
        self, database: Database, folders: Folders, flush: Callable[[], Awaitable[object]]
    ) -> None:
        self._database = database
        self._folders = folders
        self._flush = flush
        self._people = KeepingPeople(database)
        self._messages = KeepingMessages(database, folders.messages)

    async def expire(self, times: KeepTimes, now: datetime, within_s: float) -> Removed:
        """Remove what is too old at ``now``, for so long; return how much, and log it.

        Raises:
            StoreError: The database failed; running again goes on from there.
        """
        run = _Run(times, now, time.monotonic() + within_s, Removed(), set())
        try:
            await self._flush()
            await self._expire_recordings(run)
            await self._expire_calls(run)
            await self._expire_files(run)
            await self._messages.expire(times.recordings, now, run.removed, run.is_over)
            end = times.calls.end(now)
            if end is not None and not run.is_over():
                await self._people.expire(end, now, run.removed, run.is_over)
        finally:
            log = _log.error if run.removed.failed else _log.info
            log("old_records_removed", **run.removed.counts())
        return run.removed

    # ---- recordings of calls that stay ----------------------------------------------------------

    async def _expire_recordings(self, run: _Run) -> None:
        end = run.times.recordings.end(run.now)
        if end is None:
            return
        async for rows in self._portions(run, calls.c.recording.is_not(None), end):
            names = {row.id: row.recording for row in rows}
            blocked = await self._remove(run, self._folders.recordings, names, "recordings")
            gone = [name for name in names if name not in blocked]
            await self._write(
                update(calls).where(calls.c.id.in_(gone), _OVER).values(recording=None)
            )

    # ---- calls ----------------------------------------------------------------------------------

    async def _expire_calls(self, run: _Run) -> None:
        end = run.times.calls.end(run.now)
        if end is None:
            return
        # What is left of a call without its words waits for the end of its recording.
        sounds_end = run.times.recordings.end(run.now)
        here = _HAS_WORDS | calls.c.recording.is_(None)
        if sounds_end is not None:
            here |= _ended <= sounds_end
        async for rows in self._portions(run, here & _NO_WORK_LEFT, end):
            sounds = {row.id: row.recording for row in rows if row.recording}
            kept = {
                row.id: row.recording
                for row in rows
                if row.recording and (sounds_end is None or row.ended > sounds_end)
            }
            staying = await asyncio.to_thread(kept_files.present, self._folders.recordings, kept)
            blocked = await self._remove(
                run,
                self._folders.transcripts,
                {row.id: row.transcript for row in rows if row.transcript},
                "transcripts",
            )
            blocked |= await self._remove(
                run,
                self._folders.recordings,
                {one: name for one, name in sounds.items() if one not in staying | blocked},
                "recordings",
            )
            going = [row.id for row in rows if row.id not in staying | blocked]
            blocked |= await self._messages.remove(going, run.removed)
            ids = [row.id for row in rows if row.id not in blocked]
            await self._forget_words(ids)
            await self._remove_calls(run, [one for one in ids if one not in staying])
            await self._strip_calls(run, [one for one in ids if one in staying])

    async def _forget_words(self, ids: Sequence[str]) -> None:
        """Remove what was said and done in calls, in slices."""
        for table in (turns, tool_calls):
            some = select(table.c.call_id, table.c.seq).where(table.c.call_id.in_(ids))
            here = tuple_(table.c.call_id, table.c.seq).in_(some.limit(SLICE))
            while await self._write(delete(table).where(here)) == SLICE:
                pass

    async def _remove_calls(self, run: _Run, ids: Sequence[str]) -> None:
        if not ids:
            return
        began = time.monotonic()
        async with self._database.write() as connection:
            of_calls = jobs.c.call_id.in_(ids) & jobs.c.state.not_in(OPEN_STATES)
            await connection.execute(update(jobs).where(of_calls).values(ONLY_OUTCOME))
            removing = delete(calls).where(calls.c.id.in_(ids), _OVER, _NO_WORK_LEFT)
            run.removed.calls += (await connection.execute(removing)).rowcount
        await rest_after(began)

    async def _strip_calls(self, run: _Run, ids: Sequence[str]) -> None:
        if ids:
            here = calls.c.id.in_(ids) & _OVER
            run.removed.words += await self._write(
                update(calls).where(here).values(dict(_NO_WORDS))
            )

    # ---- files that nothing names ---------------------------------------------------------------

    async def _expire_files(self, run: _Run) -> None:
        of_kinds: tuple[tuple[Path | None, str, KeepTime, str], ...] = (
            (self._folders.transcripts, ".jsonl", run.times.calls, "transcripts"),
            (self._folders.recordings, ".wav", run.times.recordings, "recordings"),
        )
        for folder, suffix, keep, kind in of_kinds:
            end = keep.end(run.now)
            if folder is not None and end is not None:
                await self._expire_folder(run, folder, suffix, kind, keep, end)

    async def _expire_folder(
        self, run: _Run, folder: Path, suffix: str, kind: str, keep: KeepTime, end: datetime
    ) -> None:
        zone = self._folders.zone
        newest = (run.now - EMPTY_AFTER).astimezone(zone).date()
        first = None if keep.not_before is None else keep.not_before.astimezone(zone).date()
        last = end.astimezone(zone).date()  # which is not over then
        try:
            days = await asyncio.to_thread(kept_files.days_until, folder, newest)
            for day, path in days:
                if day < last and (first is None or day >= first):
                    await self._expire_day(run, folder, path, suffix, kind)
        except OSError as exc:
            run.removed.failed += 1
            _log.error("old_files_unreadable", folder=kind, cause=kept_files.cause_of(exc))
            return
        await asyncio.to_thread(kept_files.remove_if_empty, [path for _, path in days])

    async def _expire_day(self, run: _Run, folder: Path, day: Path, suffix: str, kind: str) -> None:
        """Remove a day's files that no call has."""
        named = calls.c.transcript if kind == "transcripts" else calls.c.recording
        try:
            found = await asyncio.to_thread(kept_files.calls_of, day, suffix)
        except OSError as exc:
            run.removed.failed += 1
            _log.error("old_files_unreadable", folder=kind, cause=kept_files.cause_of(exc))
            return
        for ids in kept_files.portions(found, PORTION):
            if run.is_over():
                return
            here = calls.c.id.in_(ids) & (named.is_not(None) | ~_OVER)
            async with self._database.read() as connection:
                known = set((await connection.execute(select(calls.c.id).where(here))).scalars())
            names = {one: f"{day.name}/{one}{suffix}" for one in ids if one not in known}
            await self._remove(run, folder, names, kind)

    # ---- inside ---------------------------------------------------------------------------------

    async def _portions(
        self, run: _Run, here: ColumnElement[bool], end: datetime
    ) -> AsyncIterator[Sequence[Any]]:
        """Yield the calls that ended by ``end`` where ``here`` holds, while there is time.

        None is yielded twice: one whose file stays must not keep the others from their turn.
        """
        columns = (calls.c.id, calls.c.created_at, calls.c.transcript, calls.c.recording)
        query = select(*columns, _ended.label("ended"))
        # A call is known before it ends: so the index on that time finds the old ones.
        query = query.where(here, _OVER, _ended <= end, calls.c.created_at <= end)
        query = query.order_by(calls.c.created_at, calls.c.id).limit(PORTION)
        last: tuple[datetime, str] | None = None
        while not run.is_over():
            further = query
            if last is not None:
                at, name = last
                later = (calls.c.created_at > at) | (calls.c.id > name)
                further = query.where(calls.c.created_at >= at, later)
            async with self._database.read() as connection:
                rows = (await connection.execute(further)).all()
            if not rows:
                return
            last = (rows[-1].created_at, rows[-1].id)
            yield rows

    async def _remove(
        self, run: _Run, folder: Path | None, names: Mapping[str, str], kind: str
    ) -> frozenset[str]:
        """Remove the files of calls; return the calls whose file cannot be removed."""
        if not names:
            return frozenset()
        count = await asyncio.to_thread(kept_files.remove_files, folder, names)
        removed = run.removed
        removed.bytes += count.bytes
        if kind == "recordings":
            removed.recordings += count.files
        else:
            removed.transcripts += count.files
        new = {(kind, call_id) for call_id in count.stay} - run.stuck
        if new:
            run.stuck.update(new)
            removed.failed += len(new)
            _log.error("old_files_stay", folder=kind, files=len(new), cause=count.cause)
        return count.stay

    async def _write(self, change: Any) -> int:  # noqa: ANN401 - a DELETE or an UPDATE
        """Run one small transaction and return how many rows it changed."""
        began = time.monotonic()
        async with self._database.write() as connection:
            changed: int = (await connection.execute(change)).rowcount
        await rest_after(began)
        return changed
