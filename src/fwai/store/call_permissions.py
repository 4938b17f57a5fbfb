"""What is kept of WhatsApp users; what it means and how it changes is in `domain.standing`."""

import math
from collections.abc import Callable
from typing import Any

from sqlalchemy import RowMapping, select, update

from fwai.domain.call_permission import CallPermission, Grant
from fwai.store.database import Database
from fwai.store.job_tables import standings


class CallPermissions:
    """WhatsApp call permissions by E.164 number or user id. Implements ``CallPermissionStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, user: str) -> CallPermission:
        """Return what is kept; of an unknown user an empty standing.

        Raises:
            StoreError: The database failed.
        """
        query = select(standings).where(standings.c.user == user)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().first()
        return CallPermission() if row is None else stored_permission(row)

    async def change(
        self, user: str, change: Callable[[CallPermission], CallPermission]
    ) -> CallPermission:
        """Apply ``change`` in one transaction and return what is kept now.

        Raises:
            StoreError: The database failed; nothing was written.
        """
        async with self._database.change() as connection:
            # The row must exist to be locked where SELECT ... FOR UPDATE is what locks.
            opening = self._database.insert(standings).values(
                user=user, **_values(CallPermission())
            )
            await connection.execute(opening.on_conflict_do_nothing())
            query = select(standings).where(standings.c.user == user).with_for_update()
            values = _values(
                change(stored_permission((await connection.execute(query)).mappings().one()))
            )
            await connection.execute(
                update(standings).where(standings.c.user == user).values(values)
            )
        return stored_permission(values)


def _values(standing: CallPermission) -> dict[str, Any]:
    return {
        "grant": standing.grant.value,
        "expires_at": _finite(standing.expires_at),
        "asked_at": [_finite(at) for at in standing.asked_at],
        "unanswered": standing.unanswered,
        "user_at": _finite(standing.user_at),
        "checked_at": _finite(standing.checked_at),
        "replied_at": _finite(standing.replied_at),
    }


def _finite(at: float) -> float:
    """Make what is no time 'never'; Meta's numbers come from outside."""
    return at if math.isfinite(at) else 0.0


def stored_permission(row: RowMapping | dict[str, Any]) -> CallPermission:
    """Read a row of ``standings``."""
    return CallPermission(
        grant=Grant(row["grant"]),
        expires_at=row["expires_at"],
        asked_at=tuple(row["asked_at"]),
        unanswered=row["unanswered"],
        user_at=row["user_at"],
        checked_at=row["checked_at"],
        replied_at=row["replied_at"],
    )
