"""Requests that named an Idempotency-Key: who was first with it, and what the answer was."""

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import bindparam, case, delete, null, type_coerce, update
from sqlalchemy.sql.dml import ReturningInsert

from fwai.domain.idempotency import Claim
from fwai.domain.wall_clock import WallClock
from fwai.store.database import Database
from fwai.store.job_tables import requests
from fwai.store.transcript_files import clean

KEPT: Final = timedelta(hours=24)


class IdempotencyKeys:
    """All keys of a day.

    Args:
        clock: The time now, aware.
        wall: Tells how the clock was set, which makes no key older; None is the system's.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        wall: WallClock | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._wall = wall or WallClock(time.time, time.monotonic)
        self._claiming = _claiming(database)  # building it costs as much as running it

    async def claim(self, scope: str, key: str, fingerprint: str) -> Claim:
        """Take a key, or return what became of the request that took it.

        Args:
            scope: Whose keys they are; at most 64 characters.
            key: At most 255 characters.
            fingerprint: Of the request's content; at most 64 characters.

        Raises:
            StoreError: The database failed.
        """
        now = self._clock()
        generation = f"req_{secrets.token_hex(12)}"
        new = {"fingerprint": fingerprint, "generation": generation, "claimed_at": now}
        values = {"scope": scope, "key": key, **new, "oldest": self._older(now - KEPT)}
        async with self._database.write() as connection:
            row = (await connection.execute(self._claiming, values)).mappings().one()
        return Claim(
            generation=row["generation"],
            mine=row["generation"] == generation,
            same=row["fingerprint"] == fingerprint,
            claimed_at=row["claimed_at"],
            status=row["status"],
            body=row["body"],
        )

    async def answer(self, scope: str, key: str, generation: str, status: int, body: Any) -> bool:  # noqa: ANN401 - JSON
        """Keep the answer for whoever asks again; False when the key is not held any more.

        Raises:
            StoreError: The database failed.
        """
        here = (requests.c.scope == scope) & (requests.c.key == key)
        here &= (requests.c.generation == generation) & requests.c.status.is_(None)
        answering = update(requests).where(here).values(status=status, body=clean(body))
        async with self._database.write() as connection:
            return (await connection.execute(answering)).rowcount == 1

    async def purge(self, before: datetime) -> int:
        """Forget keys that were claimed before a time; return how many.

        Raises:
            StoreError: The database failed.
        """
        old = delete(requests).where(requests.c.claimed_at < self._older(before))
        async with self._database.write() as connection:
            return (await connection.execute(old)).rowcount

    def _older(self, before: datetime) -> datetime:
        """Return what is certainly before a time, however the clock was set since."""
        age_s = (self._clock() - before).total_seconds()
        return before - timedelta(seconds=self._wall.forward_s(age_s))


def _claiming(database: Database) -> ReturningInsert[Any]:
    """Return the one statement that decides, in whatever order two requests come.

    It inserts, or takes over what is too old, or writes back what is there so that it can be
    returned.
    """
    names = ("fingerprint", "generation", "claimed_at")
    new = {name: bindparam(name, type_=requests.c[name].type) for name in ("scope", "key", *names)}
    claiming = database.insert(requests).values(new)
    over = requests.c.claimed_at <= bindparam("oldest", type_=requests.c.claimed_at.type)
    set_: dict[str, Any] = {
        name: case((over, claiming.excluded[name]), else_=requests.c[name]) for name in names
    }
    set_ |= {
        name: type_coerce(case((over, null()), else_=requests.c[name]), requests.c[name].type)
        for name in ("status", "body")
    }
    claiming = claiming.on_conflict_do_update(index_elements=["scope", "key"], set_=set_)
    return claiming.returning(requests)
