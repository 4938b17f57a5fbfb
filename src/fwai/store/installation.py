"""What is known of the installation itself, rather than of its calls: one value per name."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import select

from fwai.store.database import Database
from fwai.store.job_tables import installation

KEEPS_BY_DEFAULT: Final = "keeps_by_default"
"""True where the database was made by a version that removes what is old unless it is told
otherwise; an older installation has no such row, and keeps everything until its owner says so."""


class Installation:
    """Reads and writes those values."""

    def __init__(
        self, database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._database = database
        self._clock = clock

    async def get(self, name: str) -> object:
        """Return a value as it was written; None when nothing is known by that name.

        Raises:
            StoreError: The database failed.
        """
        query = select(installation.c.value).where(installation.c.name == name)
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar_one_or_none()

    async def written_at(self, name: str) -> datetime | None:
        """Return when a value was written; None when nothing is known by that name.

        Raises:
            StoreError: The database failed.
        """
        query = select(installation.c.written_at).where(installation.c.name == name)
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar_one_or_none()

    async def put(self, name: str, value: object) -> None:
        """Keep a JSON value of at most 64 characters' name, in place of what was there.

        Raises:
            StoreError: The database failed.
        """
        values = {"value": value, "written_at": self._clock()}
        writing = self._database.insert(installation).values(name=name, **values)
        async with self._database.write() as connection:
            await connection.execute(
                writing.on_conflict_do_update(index_elements=["name"], set_=values)
            )

    async def get_or_put(self, name: str, value: object) -> object:
        """Keep a JSON value unless there is one; return what is known by that name now.

        Raises:
            StoreError: The database failed.
        """
        values = {"name": name, "value": value, "written_at": self._clock()}
        async with self._database.write() as connection:
            writing = self._database.insert(installation).values(values)
            await connection.execute(writing.on_conflict_do_nothing())
            query = select(installation.c.value).where(installation.c.name == name)
            return (await connection.execute(query)).scalar_one()
