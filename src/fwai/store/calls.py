"""The archive of calls: one row each, its turns, and its transcript file.

Theory of operation: a state only moves forward, and whether it may is decided inside the UPDATE
itself (``WHERE state IN (...)``), so that two writers, or two processes during a hand-over, cannot
overwrite a final state. Rows of ``calls`` are written at once; turns go through the
``BatchWriter`` and are written before the call is closed, so that whoever sees a final state sees
the whole story. The transcript file gets its ending even when the database fails; whoever takes
over from this process then closes the row by it.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import CursorResult, Executable, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fwai.domain.call import Call, CallEnding, CallId, CallState, EndReason
from fwai.domain.instance import Owner
from fwai.domain.job import NewJob
from fwai.errors import StoreError
from fwai.store.batch_writer import BatchWriter
from fwai.store.call_fields import CallFields
from fwai.store.call_log import FollowTool, StoredCallLog, follow_no_tool
from fwai.store.call_logs import CallLogs
from fwai.store.call_rows import FINAL_VALUES, LINE_STATES, ending_values, new_call_row
from fwai.store.crash_recovery import Folders, Follow, follow_nothing
from fwai.store.database import Database
from fwai.store.file_writer import FileWriter
from fwai.store.jobs import Jobs
from fwai.store.tables import calls, instant
from fwai.store.transcript_files import call_path

NOT_WANTED = CallEnding(CallState.CANCELED, EndReason.NOT_DIALED)
_log = structlog.get_logger()

WAITING_STATES = frozenset({CallState.QUEUED, CallState.SCHEDULED, CallState.DIALING})


def tell_nobody(call_id: CallId, ending: CallEnding, at: float) -> None:
    """Tell nobody of a call that was canceled."""


class Calls(CallFields):
    """The archive of all calls.

    Args:
        transcripts_dir: Where transcript files go; None keeps no words anywhere.
        recordings_dir: Where recordings are; None when there are none.
        zone: The days and times of transcript files are in it.
        owner: This process among those that share the database.
        clock: Unix time in seconds.
        jobs: Where ``follow``'s jobs go, in the transaction of the change that they follow.
        follow: What is to be done when a call reaches a state.
        follow_tool: What is to be done when a tool has run.
        on_canceled: Told of a call that was canceled before it was dialled, and the Unix time in
            seconds; must not block.
    """

    def __init__(
        self,
        database: Database,
        writer: BatchWriter,
        files: FileWriter,
        *,
        transcripts_dir: Path | None,
        recordings_dir: Path | None = None,
        zone: ZoneInfo,
        owner: Owner | None = None,
        clock: Callable[[], float] = time.time,
        jobs: Jobs | None = None,
        follow: Follow = follow_nothing,
        follow_tool: FollowTool = follow_no_tool,
        on_canceled: Callable[[CallId, CallEnding, float], None] = tell_nobody,
    ) -> None:
        super().__init__(database)
        self._jobs = jobs or Jobs(database)
        self._follow = follow
        self._writer = writer
        self._folders = Folders(transcripts_dir, recordings_dir, zone)
        self._logs = CallLogs(self, writer, files, self._folders, follow_tool)
        self._owner = owner or Owner()
        self._clock = clock
        self.on_canceled = on_canceled

    async def open(self, call: Call, state: CallState, at: float) -> None:
        """Keep a new call; one that is known already stays as it is.

        Raises:
            StoreError: The id is not safe, or the database failed (the file has it anyway).
        """
        if await self._change(self._insert(call, state, at), call.id, state):
            self._writer.orphans_are_due()
            return
        if call.provider_call_id and await self.get(call.id) is None:
            # Another process has a row of the same call of the provider: one of them is its call.
            _log.warning("call_known_elsewhere", call_id=call.id, provider=call.provider)
            unnamed = replace(call, provider_call_id="")
            await self._change(self._insert(unnamed, state, at), call.id, state)

    async def keep_missed(self, call: Call, ending: CallEnding, at: float) -> bool:
        """Keep a call that was over before it began; False when its provider's id is known.

        It has no transcript: nobody spoke.

        Raises:
            StoreError: The database failed.
        """
        row = new_call_row(call, ending.state, instant(at), self._owner)
        opening = self._database.insert(calls).values(row | ending_values(ending, at))
        return await self._change(opening.on_conflict_do_nothing(), call.id, ending.state)

    async def place(
        self,
        call: Call,
        state: CallState,
        at: float,
        *,
        not_before: datetime | None = None,
        jobs: Sequence[NewJob] = (),
    ) -> bool:
        """Keep a call that is to be dialled, together with its jobs; False when it is known.

        Raises:
            StoreError: The database failed; nothing was kept.
        """
        moment = instant(at)
        row = new_call_row(call, state, moment, self._owner) | {"not_before": not_before}
        if self._folders.transcripts is not None:
            row["transcript"] = call_path(call.id, at, self._folders.zone, ".jsonl").as_posix()
        async with self._database.write() as connection:
            opening = self._database.insert(calls).values(row).on_conflict_do_nothing()
            if (await connection.execute(opening)).rowcount != 1:
                return False
            await self._jobs.add(connection, jobs)
        if jobs:
            due = [job.run_at for job in jobs if job.run_at is not None]
            soonest = min(due) if len(due) == len(jobs) else None
            self._jobs.notify(soonest, [job.kind for job in jobs])
        return True

    def recording_path(self, call: Call) -> Path:
        """Return where a call's recording belongs: the folder of the day its transcript is in."""
        path = call_path(call.id, self._clock(), self._folders.zone, ".wav")
        folder = self._logs.folder_of(call.id)
        return Path(folder) / path.name if folder else path

    def log(self, call: Call) -> StoredCallLog:
        """Return the log to write this call's story into; the same one each time."""
        return self._logs.since(call, self._clock())

    async def set_state(self, call_id: CallId, state: CallState, at: float) -> bool:
        """Move a call to ``state``; False when that is not a legal step or the call is unknown.

        Raises:
            StoreError: The database failed.
        """
        moment = instant(at)
        values: dict[str, Any] = {"state": state.value, "written_at": moment}
        if state in LINE_STATES:
            values["started_at"] = func.coalesce(calls.c.started_at, moment)
        if state in (CallState.DIALING, CallState.IN_PROGRESS):
            # Whoever dials or answers a call carries it.
            values |= {"instance": self._owner.id, "epoch": self._owner.epoch}
        if state is CallState.IN_PROGRESS:
            values["answered_at"] = moment
        if state.final:
            values["ended_at"] = moment
            await self._writer.flush()
        before = [old.value for old in CallState if old.may_become(state)]
        here = (calls.c.id == call_id) & calls.c.state.in_(before)
        if not await self._change(update(calls).where(here).values(values), call_id, state):
            return False
        await self._logs.adopt(call_id)
        if state.final:
            self._logs.end(call_id, state, at, None)
        return True

    async def put_off(self, call_id: CallId, at: float) -> bool:
        """Move a call that was about to be dialled back to ``scheduled``; False when it is not.

        Raises:
            StoreError: The database failed.
        """
        waits = [CallState.QUEUED.value, CallState.DIALING.value]
        here = (calls.c.id == call_id) & calls.c.state.in_(waits) & (calls.c.provider_call_id == "")
        # No line was used for it.
        values = {"state": CallState.SCHEDULED.value, "started_at": None, "written_at": instant(at)}
        return await self._run(update(calls).where(here).values(values)) == 1

    async def end(self, call: Call, ending: CallEnding, at: float) -> bool:
        """Close a call; False when it was closed before.

        Raises:
            ValueError: The ending's state is not final.
            StoreError: The database failed; the transcript file has the ending, and
                whoever takes over from this process closes the call by it.
        """
        if not ending.state.final:
            raise ValueError("a call ends in a final state")
        await self._writer.flush()
        try:
            await self._logs.adopt(call.id)
            closed = await self._close(call, ending, at)
        except StoreError:
            self._logs.end(call.id, ending.state, at, ending)
            raise
        if closed:
            self._logs.end(call.id, ending.state, at, ending)
        return closed

    async def cancel_waiting(self, connection: AsyncConnection, call_id: CallId) -> bool:
        """Cancel a call that waits to be dialled, with its job, within somebody's transaction.

        False when it is unknown or over, or when a provider may have it already. Call
        `waiting_canceled` once that is committed.
        """
        here = calls.c.id == call_id
        columns = (calls.c.state, calls.c.provider_call_id)
        query = select(*columns).where(here).with_for_update()
        row = (await connection.execute(query)).first()
        if row is None or row.state not in WAITING_STATES or row.provider_call_id:
            return False
        stopped = await self._jobs.cancel(connection, f"dial:{call_id}")
        if row.state == CallState.DIALING.value and not stopped:
            return False  # somebody asks the provider right now
        moment = instant(self._clock())
        values = {
            "state": NOT_WANTED.state.value,
            "end_reason": NOT_WANTED.reason.value,
            "ended_at": moment,
            "written_at": moment,
        }
        await connection.execute(update(calls).where(here).values(values))
        await self._jobs.add(connection, self._follow(call_id, NOT_WANTED.state))
        return True

    async def waiting_canceled(self, call_id: CallId) -> None:
        """Finish the story of a call that `cancel_waiting` closed."""
        at = self._clock()
        # It is canceled whatever comes of this: only its file would lack the last line.
        with suppress(StoreError):
            await self._logs.adopt(call_id)
        self._logs.end(call_id, NOT_WANTED.state, at, NOT_WANTED)
        self.on_canceled(call_id, NOT_WANTED, at)

    # ---- inside ----------------------------------------------------------------------------

    def _insert(self, call: Call, state: CallState, at: float) -> Executable:
        file = self._logs.since(call, at).file
        row = new_call_row(call, state, instant(at), self._owner)
        row["transcript"] = None if file is None else "/".join(file.path.parts[-2:])
        return self._database.insert(calls).values(row).on_conflict_do_nothing()

    async def _close(self, call: Call, ending: CallEnding, at: float) -> bool:
        here = (calls.c.id == call.id) & calls.c.state.not_in(FINAL_VALUES)
        closing = update(calls).where(here).values(ending_values(ending, at))
        if await self._change(closing, call.id, ending.state):
            return True
        if await self.get(call.id) is not None:
            return False
        # It could not be kept when it was opened. What was said in it waits for its row.
        await self.open(call, CallState.RINGING, at)
        await self._writer.flush()
        return await self._change(closing, call.id, ending.state)

    async def _change(self, statement: Executable, call_id: CallId, state: CallState) -> bool:
        """Move one call to ``state``, if the statement finds it, and write down what follows."""
        async with self._database.write() as connection:
            result = await connection.execute(statement)
            if cast("CursorResult[Any]", result).rowcount != 1:
                return False
            following = self._follow(call_id, state)
            followed = await self._jobs.add(connection, following)
        if followed:
            self._jobs.notify(kinds=[job.kind for job in following])
        return True
