"""What can be asked about calls that are kept."""

from sqlalchemy import Executable, select

from fwai.domain.call import CallId, CallState
from fwai.store.database import Database
from fwai.store.stored import StoredCall, StoredToolCall, StoredTurn, stored_call
from fwai.store.tables import calls, tool_calls, turns


class CallReader:
    """Reads calls, what was said in them, and the tools they used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, call_id: CallId) -> StoredCall | None:
        """Return a call, or None when it is unknown.

        Raises:
            StoreError: The database failed.
        """
        return await self._first(select(calls).where(calls.c.id == call_id))

    async def find_by_provider_id(self, provider: str, provider_call_id: str) -> StoredCall | None:
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

    async def turns(self, call_id: CallId) -> list[StoredTurn]:
        """Return what was said in a call, in the order it was kept; see ``joined``.

        Raises:
            StoreError: The database failed.
        """
        query = select(turns).where(turns.c.call_id == call_id).order_by(turns.c.seq)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [StoredTurn(r.seq, r.role, r.turn, r.text, r.at, r.interrupted) for r in rows]

    async def tool_calls(self, call_id: CallId) -> list[StoredToolCall]:
        """Return the tools that ran in a call, in the order they finished.

        Raises:
            StoreError: The database failed.
        """
        query = select(tool_calls).where(tool_calls.c.call_id == call_id)
        async with self._database.read() as connection:
            rows = (await connection.execute(query.order_by(tool_calls.c.seq))).all()
        return [
            StoredToolCall(
                r.seq, r.tool_call_id, r.name, r.args, r.ok, r.message, r.elapsed_ms, r.at
            )
            for r in rows
        ]

    async def _first(self, query: Executable) -> StoredCall | None:
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().first()
        return None if row is None else stored_call(row)
