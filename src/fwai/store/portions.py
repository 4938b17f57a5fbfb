"""Deletes and changes many rows in portions: whoever else wants to write waits for one, at most.

On SQLite one transaction at a time writes, also those that a live call waits for; so each portion
is small, and after it as much time passes as it took.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Delete, Table, Update, delete, select, tuple_, update

from fwai.store.database import Database

PORTION: Final = 200  # rows
LONGEST_PAUSE_S: Final = 1.0

_Change = TypeVar("_Change", Delete, Update)


async def delete_portions(database: Database, table: Table, here: ColumnElement[bool]) -> int:
    """Delete the rows of ``table`` where ``here`` holds; return how many.

    Raises:
        StoreError: The database failed; the portions before it are gone.
    """
    return await _all(database, _some(delete(table), table, here))


async def change_portions(
    database: Database, table: Table, here: ColumnElement[bool], values: Mapping[str, Any]
) -> int:
    """Set ``values`` in the rows where ``here`` holds, which must not hold any more then.

    Raises:
        StoreError: The database failed; the portions before it are changed.
    """
    return await _all(database, _some(update(table), table, here).values(dict(values)))


async def rest_after(began: float) -> None:
    """Leave the database to others for as long as we had it, since ``time.monotonic()`` was so."""
    await asyncio.sleep(min(max(time.monotonic() - began, 0.0), LONGEST_PAUSE_S))


def _some(change: _Change, table: Table, here: ColumnElement[bool]) -> _Change:
    key = tuple_(*table.primary_key.columns)
    some = select(*table.primary_key.columns).where(here).limit(PORTION)
    return change.where(here, key.in_(some))


async def _all(database: Database, change: Delete | Update) -> int:
    changed = 0
    while True:
        began = time.monotonic()
        async with database.write() as connection:
            some = (await connection.execute(change)).rowcount
        changed += some
        if some < PORTION:
            return changed
        await rest_after(began)
