"""What is kept of a call besides its state."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from sqlalchemy import CursorResult, Executable, select, update

from fwai.domain.call import CallId
from fwai.store.call_reader import CallReader
from fwai.store.call_rows import FINAL_VALUES
from fwai.store.tables import calls
from fwai.store.transcript_files import clean


class CallFields(CallReader):
    """Writes single fields of calls."""

    async def set_summary(
        self, call_id: CallId, summary: str | None, extracted: Mapping[str, Any] | None
    ) -> None:
        """Keep what was found in a call after its end.

        Raises:
            StoreError: The database failed.
        """
        values = {"summary": summary, "extracted": clean(extracted)}
        await self._run(update(calls).where(calls.c.id == call_id).values(values))

    async def set_provider_id(self, call_id: CallId, provider_call_id: str) -> None:
        """Keep the provider's id, which an outbound call has only once it was placed.

        Raises:
            StoreError: The database failed.
        """
        other = calls.alias("other")
        named = select(other.c.id).where(
            other.c.provider == calls.c.provider,
            other.c.provider_call_id == provider_call_id,
            other.c.id != call_id,
        )
        here = (calls.c.id == call_id) & ~named.exists() & calls.c.state.not_in(FINAL_VALUES)
        await self._run(update(calls).where(here).values(provider_call_id=provider_call_id))

    async def set_recording(self, call_id: CallId, recording: Path) -> None:
        """Keep where the recording is, relative to the recordings' directory; before it begins.

        Raises:
            StoreError: The database failed.
        """
        values = {"recording": recording.as_posix()}
        await self._run(update(calls).where(calls.c.id == call_id).values(values))

    async def _run(self, statement: Executable) -> int:
        async with self._database.write() as connection:
            result = await connection.execute(statement)
            return cast("CursorResult[Any]", result).rowcount
