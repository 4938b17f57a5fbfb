"""The audit list: written with the other rows of the moment, read newest first."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fwai.domain.audit import ERASED, AuditEntry
from fwai.domain.phone import masked
from fwai.store.batch_writer import BatchWriter
from fwai.store.database import Database
from fwai.store.job_tables import audit


class AuditList:
    """All entries.

    Args:
        writer: Writes them in batches, behind the requests: a crash loses the last second's.
    """

    def __init__(self, database: Database, writer: BatchWriter) -> None:
        self._database = database
        self._writer = writer

    def add(self, entry: AuditEntry) -> None:
        """Take an entry, to be written soon; never blocks."""
        self._writer.add(audit, asdict(entry))

    async def page(
        self, *, after: tuple[datetime, str] | None = None, limit: int = 50
    ) -> list[AuditEntry]:
        """Return the newest entries first, those after the given time and id.

        Raises:
            StoreError: The database failed.
        """
        await self._writer.flush()
        query = select(audit).order_by(audit.c.at.desc(), audit.c.id.desc()).limit(limit)
        if after is not None:
            at, last = after
            older = (audit.c.at < at) | (audit.c.id < last)
            query = query.where(audit.c.at <= at, older)
        async with self._database.read() as connection:
            found = (await connection.execute(query)).mappings()
            return [AuditEntry(**row) for row in found]


async def forget_calls(connection: AsyncConnection, ids: Sequence[str]) -> None:
    """Take what was done to these calls out of the list; that something was done stays."""
    await connection.execute(update(audit).where(audit.c.object.in_(ids)).values(object=ERASED))


async def forget_numbers(connection: AsyncConnection, numbers: Sequence[str]) -> None:
    """Take the last digits of these numbers out of the list.

    Whoever has the same ones goes with them: the list does not know them apart.
    """
    shown = sorted({masked(number) for number in numbers})
    await connection.execute(update(audit).where(audit.c.object.in_(shown)).values(object=ERASED))
