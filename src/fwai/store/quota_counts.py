"""How much of each daily limit is used, and who was written to before.

Theory of operation. One row per day and limit, counted up only while it is below the limit, in one
statement: processes that share the database cannot pass it together, and a restart forgets
nothing. A recipient whom a caller dictated is kept as a keyed digest alone, beside the digest of
who asked: enough to know that somebody is not new, and to forget them.
"""

import hashlib
import hmac
import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fwai.store.database import Database
from fwai.store.installation import Installation
from fwai.store.job_tables import daily_counts, installation, recipients

KEY: Final = "recipients_key"
COUNTS_KEEP_DAYS: Final = 31
RECIPIENTS_KEEP_DAYS: Final = 365


class _Full(Exception):  # noqa: N818 - it only leaves a transaction
    """A limit is reached; nothing of the transaction may stay."""


class QuotaCounts:
    """Implements ``QuotaStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._installation = Installation(database)
        self._key = ""

    async def take(
        self,
        day: str,
        most: Mapping[str, int],
        *,
        recipient: str = "",
        asked_by: str = "",
        if_new: str = "",
    ) -> tuple[str, Collection[str]]:
        """Count one of each of ``most`` on a day, or of none; see ``QuotaStore``.

        Raises:
            StoreError: The database failed; nothing was counted.
        """
        person = await self._digests(recipient, asked_by) if recipient and if_new else ("", "")
        used: dict[str, int] = {}
        full = ""
        try:
            async with self._database.change() as connection:
                is_new = bool(person[0]) and await self._is_new(connection, *person)
                for name in sorted(most):  # one order, so that no two wait for each other
                    if name == if_new and not is_new:
                        continue
                    full = name
                    used[name] = await self._count(connection, day, name, most[name])
                full = ""
        except _Full:
            used = {full: most[full]}
        reached = [name for name, count in used.items() if count >= most[name]]
        return full, reached

    async def give_back(self, day: str, name: str) -> None:
        """Take one back that was not sent.

        Raises:
            StoreError: The database failed.
        """
        here = (daily_counts.c.day == day) & (daily_counts.c.name == name)
        here &= daily_counts.c.used > 0
        async with self._database.write() as connection:
            less = update(daily_counts).where(here).values(used=daily_counts.c.used - 1)
            await connection.execute(less)

    async def used(self, day: str) -> Mapping[str, int]:
        """Return how many were counted on a day, by limit.

        Raises:
            StoreError: The database failed.
        """
        query = select(daily_counts.c.name, daily_counts.c.used).where(daily_counts.c.day == day)
        async with self._database.read() as connection:
            return {row.name: row.used for row in await connection.execute(query)}

    async def _count(self, connection: AsyncConnection, day: str, name: str, most: int) -> int:
        opening = self._database.insert(daily_counts).values(day=day, name=name, used=0)
        opened = await connection.execute(opening.on_conflict_do_nothing())
        if opened.rowcount:
            oldest = datetime.fromisoformat(day) - timedelta(days=COUNTS_KEEP_DAYS)
            old = daily_counts.c.day < oldest.date().isoformat()
            await connection.execute(delete(daily_counts).where(old))
        here = (daily_counts.c.day == day) & (daily_counts.c.name == name)
        here &= daily_counts.c.used < most
        counting = update(daily_counts).where(here).values(used=daily_counts.c.used + 1)
        used: int | None = await connection.scalar(counting.returning(daily_counts.c.used))
        if used is None:
            raise _Full
        return used

    async def _is_new(self, connection: AsyncConnection, digest: str, asked_by: str) -> bool:
        now = datetime.now(UTC)
        old = recipients.c.first_at < now - timedelta(days=RECIPIENTS_KEEP_DAYS)
        await connection.execute(delete(recipients).where(old))
        knowing = self._database.insert(recipients).values(
            digest=digest, asked_by=asked_by, first_at=now
        )
        return (await connection.execute(knowing.on_conflict_do_nothing())).rowcount == 1

    async def _digests(self, recipient: str, asked_by: str) -> tuple[str, str]:
        if not self._key:
            key = await self._installation.get_or_put(KEY, secrets.token_hex(32))
            self._key = str(key)
        return _digest(self._key, recipient), _digest(self._key, asked_by) if asked_by else ""


async def forget_recipients(connection: AsyncConnection, names: Sequence[str]) -> int:
    """Forget that somebody was written to, and whom they had written to; return how many rows.

    Args:
        connection: In a transaction.
        names: How the person may be written.
    """
    query = select(installation.c.value).where(installation.c.name == KEY)
    key = await connection.scalar(query)
    if key is None:
        return 0
    digests = [_digest(str(key), name) for name in names]
    theirs = or_(recipients.c.digest.in_(digests), recipients.c.asked_by.in_(digests))
    return (await connection.execute(delete(recipients).where(theirs))).rowcount


def _digest(key: str, who: str) -> str:
    return hmac.new(key.encode(), who.encode(), hashlib.sha256).hexdigest()
