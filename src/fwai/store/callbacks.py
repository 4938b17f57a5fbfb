"""Promises to call somebody back: each is a row, and a job that keeps it.

Theory of operation. A callback's job is written in the transaction that schedules it. Its key
holds how many calls were made before: ``callback:<id>:0`` for the first one, ``callback:<id>:1``
for the second. Every step is one UPDATE that names the state it starts from, so of two that take
the same step at once one succeeds.
"""

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, RowMapping, Select, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fwai.domain.call import CallId
from fwai.domain.callback import MAX_NOTE, Callback, CallbackState, NewCallback
from fwai.domain.job import NewJob
from fwai.domain.phone import spellings
from fwai.store.calls import Calls
from fwai.store.database import Database
from fwai.store.job_tables import callbacks
from fwai.store.jobs import Jobs
from fwai.store.tables import calls
from fwai.store.transcript_files import clean_text

_OPEN: Final = [state.value for state in CallbackState if not state.final]

# What is to be done besides, in the transaction of the change, given the callback as it is then.
Also = Callable[[Callback], Iterable[NewJob]]


def nothing_else(callback: Callback) -> Iterable[NewJob]:  # noqa: ARG001
    """Do nothing besides."""
    return ()


class Callbacks:
    """All callbacks.

    Args:
        calls: Where the calls are that are made for them; without it none is taken back.
        clock: The time now, aware.
    """

    def __init__(
        self,
        database: Database,
        jobs: Jobs,
        calls: Calls | None = None,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._calls = calls
        self._clock = clock

    async def schedule(self, new: NewCallback, also: Also = nothing_else) -> tuple[Callback, bool]:
        """Write a promise and the job that keeps it; True when it is new.

        One that has the key already is returned as it stands, and nothing is written.

        Raises:
            StoreError: The database failed; nothing was written.
        """
        row = self._row(new)
        async with self._database.write() as connection:
            statement = self._database.insert(callbacks).values(row)
            result = await connection.execute(statement.on_conflict_do_nothing())
            fresh = result.rowcount == 1
            query = select(callbacks).where(callbacks.c.key == new.key)
            kept = _callback((await connection.execute(query)).mappings().one())
            if fresh:
                await self._jobs.add(connection, [_call_job(kept, kept.due_at), *also(kept)])
        if fresh:
            self._jobs.notify()
        return kept, fresh

    async def get(self, callback_id: str) -> Callback | None:
        """Return a callback.

        Raises:
            StoreError: The database failed.
        """
        async with self._database.read() as connection:
            return await _first(connection, select(callbacks).where(callbacks.c.id == callback_id))

    async def page(
        self,
        *,
        states: Collection[CallbackState] = (),
        phone: str = "",
        due_before: datetime | None = None,
        after: tuple[datetime, str] | None = None,
        limit: int = 50,
    ) -> list[Callback]:
        """Return callbacks, the soonest due first, those after the given due time and id.

        Raises:
            StoreError: The database failed.
        """
        query = select(callbacks).order_by(callbacks.c.due_at, callbacks.c.id).limit(limit)
        if states:
            query = query.where(callbacks.c.state.in_([state.value for state in states]))
        if phone:
            query = query.where(callbacks.c.phone.in_(spellings(phone)))
        if due_before is not None:
            query = query.where(callbacks.c.due_at < due_before)
        if after is not None:
            at, last = after
            further = (callbacks.c.due_at > at) | (callbacks.c.id > last)
            query = query.where(callbacks.c.due_at >= at, further)
        return await self._all(query)

    async def open_for(self, phone: str) -> list[Callback]:
        """Return the callbacks of a person that are not over, the soonest due first.

        Raises:
            StoreError: The database failed.
        """
        theirs = select(callbacks).where(callbacks.c.phone.in_(spellings(phone)))
        soonest = theirs.order_by(callbacks.c.due_at, callbacks.c.id)
        # Asked for the state as well, SQLite would read everybody's open ones.
        return [one for one in await self._all(soonest) if not one.state.final]

    async def cancel(self, callback_id: str, also: Also = nothing_else) -> Callback | None:
        """Take a promise back, with its waiting job; None when it is unknown.

        One that is over is returned unchanged. A call for it that waits to be dialled is canceled.
        One that is being made goes on; what becomes of it changes nothing any more.

        Raises:
            StoreError: The database failed; nothing was written.
        """
        here = callbacks.c.id == callback_id
        async with self._database.write() as connection:
            canceled, stopped = await self._cancel(connection, here, also)
            if not canceled:
                return await _first(connection, select(callbacks).where(here))
        await self._canceled(stopped)
        return canceled[0]

    async def cancel_for(self, phone: str, also: Also = nothing_else) -> int:
        """Take back all that was promised to a person; return how many were.

        Raises:
            StoreError: The database failed; nothing was written.
        """
        async with self._database.write() as connection:
            here = callbacks.c.phone.in_(spellings(phone))
            canceled, stopped = await self._cancel(connection, here, also)
        if canceled:
            await self._canceled(stopped)
        return len(canceled)

    async def started(self, callback_id: str, call_id: str) -> Callback | None:
        """Note that a call is made for it now; saying so twice for one call counts once.

        None forbids the call: the callback is over or unknown, another call is being made for it,
        or this very call is over already.

        Raises:
            StoreError: The database failed.
        """
        here = callbacks.c.id == callback_id
        waiting = here & (callbacks.c.state == CallbackState.SCHEDULED.value)
        values = {
            "state": CallbackState.CALLING.value,
            "attempts": callbacks.c.attempts + 1,
            "last_call_id": call_id,
        }
        async with self._database.write() as connection:
            begun = waiting & (callbacks.c.last_call_id != call_id)
            stepped = await self._step(connection, begun, values)
            if stepped:
                return stepped[0]
            again = (callbacks.c.last_call_id == call_id) & _is(CallbackState.CALLING)
            return await _first(connection, select(callbacks).where(here & again))

    async def settle(
        self,
        callback_id: str,
        call_id: str,
        state: CallbackState,
        retry_at: datetime | None,
        also: Also = nothing_else,
    ) -> Callback | None:
        """Write what became of it after a call; None when that call is not the one being made.

        ``state`` is final, or scheduled, which writes the job of the next call, due at
        ``retry_at``. The promised time stays as it was. A call that was refused before it was kept
        is none: the promise neither names nor counts it.

        Raises:
            ValueError: The state and ``retry_at`` do not fit.
            StoreError: The database failed; nothing was written.
        """
        if state is CallbackState.CALLING or (state is CallbackState.SCHEDULED) != bool(retry_at):
            raise ValueError("a callback ends, or is scheduled for a time")
        here = (callbacks.c.id == callback_id) & (callbacks.c.last_call_id == call_id)
        here &= _is(CallbackState.CALLING)
        async with self._database.write() as connection:
            values = await _settled(connection, call_id, state)
            settled = await self._step(connection, here, values)
            for callback in settled:
                following = [_call_job(callback, retry_at)] if retry_at else []
                await self._jobs.add(connection, [*following, *also(callback)])
        if not settled:
            return None
        self._jobs.notify()
        return settled[0]

    async def missed(self, callback_id: str, also: Also = nothing_else) -> Callback | None:
        """Give up one that was not called in time; None when it was not waiting for its call.

        Raises:
            StoreError: The database failed; nothing was written.
        """
        here = (callbacks.c.id == callback_id) & _is(CallbackState.SCHEDULED)
        values = {"state": CallbackState.MISSED.value}
        async with self._database.write() as connection:
            given_up = await self._step(connection, here, values)
            for callback in given_up:
                await self._jobs.cancel(connection, _key(callback, callback.attempts))
                await self._jobs.add(connection, also(callback))
        if not given_up:
            return None
        self._jobs.notify()
        return given_up[0]

    # ---- inside ---------------------------------------------------------------------------------

    def _row(self, new: NewCallback) -> dict[str, Any]:
        now = self._clock()
        return {
            "id": f"cb_{secrets.token_hex(12)}",
            "key": new.key,
            "phone": new.phone,
            "provider": new.provider,
            "agent": new.agent,
            "due_at": new.due_at,
            "note": clean_text(new.note)[:MAX_NOTE],
            "state": CallbackState.SCHEDULED.value,
            "attempts": 0,
            "source_call_id": new.source_call_id,
            "last_call_id": "",
            "created_at": now,
            "written_at": now,
        }

    async def _cancel(
        self, connection: AsyncConnection, here: ColumnElement[bool], also: Also
    ) -> tuple[list[Callback], list[CallId]]:
        """Cancel what is found; return it, and the calls for it that will not be dialled."""
        stopped: list[CallId] = []
        still = here & callbacks.c.state.in_(_OPEN)
        canceled = await self._step(connection, still, {"state": CallbackState.CANCELED.value})
        for callback in canceled:
            # While its call is made the job of that call may wait to be tried again.
            for number in {callback.attempts, max(callback.attempts - 1, 0)}:
                await self._jobs.cancel(connection, _key(callback, number))
            call_id = CallId(callback.last_call_id)
            if self._calls is not None and await self._calls.cancel_waiting(connection, call_id):
                stopped.append(call_id)
            await self._jobs.add(connection, also(callback))
        return canceled, stopped

    async def _canceled(self, stopped: Iterable[CallId]) -> None:
        self._jobs.notify()
        if self._calls is not None:
            for call_id in stopped:
                await self._calls.waiting_canceled(call_id)

    async def _step(
        self, connection: AsyncConnection, here: ColumnElement[bool], values: Mapping[str, Any]
    ) -> list[Callback]:
        """Change what is found and return it as it is then."""
        step = update(callbacks).where(here).values({**values, "written_at": self._clock()})
        rows = (await connection.execute(step.returning(callbacks))).mappings().all()
        return sorted((_callback(row) for row in rows), key=lambda one: (one.due_at, one.id))

    async def _all(self, query: Select[Any]) -> list[Callback]:
        async with self._database.read() as connection:
            return [_callback(row) for row in (await connection.execute(query)).mappings()]


async def _first(connection: AsyncConnection, query: Select[Any]) -> Callback | None:
    row = (await connection.execute(query)).mappings().first()
    return None if row is None else _callback(row)


async def _settled(
    connection: AsyncConnection, call_id: str, state: CallbackState
) -> Mapping[str, Any]:
    """Return what a callback becomes after a call, which may never have been kept."""
    kept = select(calls.c.id).where(calls.c.id == call_id)
    if state is CallbackState.MISSED and await connection.scalar(kept) is None:
        return {"state": state.value, "last_call_id": "", "attempts": callbacks.c.attempts - 1}
    return {"state": state.value}


def _is(state: CallbackState) -> ColumnElement[bool]:
    return callbacks.c.state == state.value


def _key(callback: Callback, attempts: int) -> str:
    return f"callback:{callback.id}:{attempts}"


def _call_job(callback: Callback, run_at: datetime) -> NewJob:
    return NewJob(
        kind="callback",
        key=_key(callback, callback.attempts),
        payload={"callback_id": callback.id},
        run_at=run_at,
        call_id=callback.source_call_id,
        phone=callback.phone,
    )


def _callback(row: RowMapping) -> Callback:
    return Callback(
        id=row["id"],
        phone=row["phone"],
        provider=row["provider"],
        agent=row["agent"],
        due_at=row["due_at"],
        note=row["note"],
        state=CallbackState(row["state"]),
        attempts=row["attempts"],
        source_call_id=row["source_call_id"],
        last_call_id=row["last_call_id"],
        created_at=row["created_at"],
    )
