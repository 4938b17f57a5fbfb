"""Nonces of signed webhooks: what the first request with each of them said, as a hash."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import bindparam, delete, select
from sqlalchemy.sql.dml import ReturningInsert

from fwai.domain.wall_clock import WallClock
from fwai.store.database import Database
from fwai.store.job_tables import nonces

MOST: Final = 500_000  # some 100 MB


class Nonces:
    """All nonces that were used. Implements ``NonceLog`` and ``NoncePurge``.

    Args:
        clock: The time now, aware.
        wall: Tells how the clock was set, which makes no nonce older; None is the system's.
        most: How many are kept at most, after a purge.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        wall: WallClock | None = None,
        most: int = MOST,
    ) -> None:
        self._database = database
        self._clock = clock
        self._wall = wall or WallClock(time.time, time.monotonic)
        self._most = most
        self._taking = _taking(database)  # building it costs as much as running it

    async def first(self, nonce: str, content: str) -> str:
        """Return the hash of the first request with this nonce; errors as for ``NonceLog``."""
        values = {"nonce": nonce, "content": content, "seen_at": self._clock()}
        async with self._database.write() as connection:
            found: str = (await connection.execute(self._taking, values)).scalar_one()
        return found

    async def purge(self, before: datetime) -> int:
        """Forget those from before a time, and the oldest of too many; return how many.

        Raises:
            StoreError: The database failed.
        """
        age_s = (self._clock() - before).total_seconds()
        old = nonces.c.seen_at < before - timedelta(seconds=self._wall.forward_s(age_s))
        newest_too_many = (
            select(nonces.c.seen_at)
            .order_by(nonces.c.seen_at.desc())
            .offset(self._most)
            .limit(1)
            .scalar_subquery()
        )
        async with self._database.write() as connection:
            gone = (await connection.execute(delete(nonces).where(old))).rowcount
            too_many = delete(nonces).where(nonces.c.seen_at <= newest_too_many)
            gone += (await connection.execute(too_many)).rowcount
        return gone


def _taking(database: Database) -> ReturningInsert[Any]:
    """Return the one statement that decides, in whatever order two requests come.

    It inserts, or writes back what is there so that it can be returned.
    """
    new = {
        name: bindparam(name, type_=nonces.c[name].type) for name in ("nonce", "content", "seen_at")
    }
    taking = database.insert(nonces).values(new)
    taking = taking.on_conflict_do_update(
        index_elements=["nonce"], set_={"content": nonces.c.content}
    )
    return taking.returning(nonces.c.content)
