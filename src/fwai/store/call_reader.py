"""What can be asked about calls that are kept."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Executable, RowMapping, Select, func, select

from fwai.domain.call import Call, CallId, CallState, Direction, EndReason
from fwai.domain.phone import spellings
from fwai.domain.record import CallRecord, ToolRecord, TurnRecord
from fwai.store.database import Database
from fwai.store.tables import calls, tool_calls, turns


class CallReader:
    """Reads calls, what was said in them, and the tools they used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, call_id: CallId) -> CallRecord | None:
        """Return a call, or None when it is unknown.

        Raises:
            StoreError: The database failed.
        """
        return await self._first(select(calls).where(calls.c.id == call_id))

    async def find_by_provider_id(self, provider: str, provider_call_id: str) -> CallRecord | None:
        """Return the newest call the provider knows by this id.

        Raises:
            StoreError: The database failed.
        """
        here = (calls.c.provider_call_id == provider_call_id) & (calls.c.provider == provider)
        newest = calls.c.created_at.desc()
        return await self._first(select(calls).where(here).order_by(newest).limit(1))

    async def state_of(self, provider: str, provider_call_id: str) -> CallState | None:
        """Return the state of a call by its provider's id, or None when it is not known.

        Raises:
            StoreError: The database failed.
        """
        stored = await self.find_by_provider_id(provider, provider_call_id)
        return None if stored is None else stored.state

    async def page(
        self,
        *,
        states: Collection[CallState] = (),
        provider: str = "",
        phone: str = "",
        direction: Direction | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        after: tuple[datetime, CallId] | None = None,
        limit: int = 50,
    ) -> list[CallRecord]:
        """Return the newest calls first, those after the given creation time and id.

        They became known at ``created_from`` or later, and before ``created_to``. ``phone`` is the
        remote party's number, whoever dialled.

        Raises:
            StoreError: The database failed.
        """
        here = [calls.c.provider == provider] if provider else []
        here += [calls.c.direction == direction.value] if direction is not None else []
        here += [calls.c.created_at >= created_from] if created_from is not None else []
        here += [calls.c.created_at < created_to] if created_to is not None else []
        if after is not None:
            at, last = after
            here += [calls.c.created_at <= at, (calls.c.created_at < at) | (calls.c.id < last)]
        found: list[CallRecord] = []
        async with self._database.read() as connection:
            for query in page_queries(here, set(states), limit, spellings(phone) if phone else ()):
                rows = (await connection.execute(query)).mappings()
                found += [stored_call(row) for row in rows]
        found.sort(key=lambda record: (record.created_at, record.call.id), reverse=True)
        return found[:limit]

    async def waiting_outbound(self) -> list[CallRecord]:
        """Return the calls of ours that were dialled and not answered yet, the oldest first.

        Raises:
            StoreError: The database failed.
        """
        waiting = [CallState.DIALING.value, CallState.RINGING.value]
        here = calls.c.state.in_(waiting) & (calls.c.direction == Direction.OUTBOUND.value)
        query = select(calls).where(here).order_by(calls.c.created_at, calls.c.id)
        async with self._database.read() as connection:
            return [stored_call(row) for row in (await connection.execute(query)).mappings()]

    async def outbound_since(self, moment: datetime) -> int:
        """Return for how many calls of ours a line was first used at ``moment`` or later.

        Raises:
            StoreError: The database failed.
        """
        here = (calls.c.direction == Direction.OUTBOUND.value) & (calls.c.started_at >= moment)
        async with self._database.read() as connection:
            return await connection.scalar(select(func.count()).where(here)) or 0

    async def turns(self, call_id: CallId) -> list[TurnRecord]:
        """Return what was said in a call, in the order it was kept; see ``joined``.

        Raises:
            StoreError: The database failed.
        """
        query = select(turns).where(turns.c.call_id == call_id).order_by(turns.c.seq)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [TurnRecord(r.seq, r.role, r.turn, r.text, r.at, r.interrupted) for r in rows]

    async def tool_calls(self, call_id: CallId) -> list[ToolRecord]:
        """Return the tools that ran in a call, in the order they finished.

        Raises:
            StoreError: The database failed.
        """
        query = select(tool_calls).where(tool_calls.c.call_id == call_id)
        async with self._database.read() as connection:
            rows = (await connection.execute(query.order_by(tool_calls.c.seq))).all()
        return [
            ToolRecord(r.seq, r.tool_call_id, r.name, r.args, r.ok, r.message, r.elapsed_ms, r.at)
            for r in rows
        ]

    async def _first(self, query: Executable) -> CallRecord | None:
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().first()
        return None if row is None else stored_call(row)


def page_queries(
    here: Collection[ColumnElement[bool]],
    states: Collection[CallState],
    limit: int,
    callers: Collection[str] = (),
) -> list[Select[Any]]:
    """Return what to ask for a page: one query for each state and caller, or one for all.

    Of many states or callers at once SQLite would read and sort every call of theirs; of one it
    reads the end of an index.
    """
    newest = select(calls).where(*here).order_by(calls.c.created_at.desc(), calls.c.id.desc())
    queries = [newest.where(calls.c.caller == caller) for caller in callers] or [newest]
    if states:
        ordered = sorted(states)
        queries = [one.where(calls.c.state == state.value) for one in queries for state in ordered]
    return [one.limit(limit) for one in queries]


def stored_call(row: RowMapping) -> CallRecord:
    """Read a row of ``calls``."""
    reason = row["end_reason"]
    return CallRecord(
        call=Call(
            id=CallId(row["id"]),
            provider=row["provider"],
            direction=Direction(row["direction"]),
            caller=row["caller"],
            line=row["line"],
            agent=row["agent"],
            provider_call_id=row["provider_call_id"],
            context=row["context"],
            callback_id=row["callback_id"] or "",
            webhook_url=row["webhook_url"] or "",
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
        epoch=row["epoch"],
        not_before=row["not_before"],
        cause=row["cause"],
        summary=row["summary"],
        extracted=row["extracted"],
    )
