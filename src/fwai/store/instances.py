"""The instances that share the database: registered, seen, declared dead by one winner.

Times are the database's: clocks of machines differ. Each step is one UPDATE that names the state it
starts from, so of two that take it at once one succeeds.
"""

from typing import Any, Final, cast

from sqlalchemy import ColumnElement, CursorResult, Float, RowMapping, delete, func, select, update
from sqlalchemy import cast as sql_cast

from fwai.domain.instance import (
    DEAD,
    LIVING,
    STOPPED,
    UP,
    InstanceRecord,
    ProcessIdentity,
)
from fwai.store.database import Database
from fwai.store.job_tables import instances

LEASE_S: Final = 15.0
PURGED_AFTER_S: Final = 86_400.0
_LIVING: Final = sorted(LIVING)


class Instances:
    """All instances of the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sqlite = database.engine.dialect.name == "sqlite"

    async def register(self, instance_id: str, process: ProcessIdentity, url: str = "") -> int:
        """Add an instance, or begin a new life of one that is known; return its epoch.

        Raises:
            StoreError: The database failed.
        """
        values = {
            "url": url,
            "host": process.host,
            "boot_id": process.boot_id,
            "pid": process.pid,
            "pid_started": process.started,
            "state": UP,
            "calls": 0,
        }
        async with self._database.change() as connection:
            now = self._clock()
            here = instances.c.id == instance_id
            epoch = await connection.scalar(select(instances.c.epoch).where(here).with_for_update())
            if epoch is None:
                new = {"id": instance_id, "epoch": 1, "seen_at": now, **values}
                await connection.execute(self._database.insert(instances).values(new))
                return 1
            renewed = {"epoch": epoch + 1, "seen_at": now, **values}
            await connection.execute(update(instances).where(here).values(renewed))
            return int(epoch) + 1

    async def beat(self, instance_id: str, epoch: int, state: str, calls: int) -> bool:
        """Say that an instance runs; False when it was declared dead.

        Raises:
            StoreError: The database failed.
        """
        values = {"seen_at": self._clock(), "state": state, "calls": calls}
        return await self._change(self._life(instance_id, epoch), values)

    async def stop(self, instance_id: str, epoch: int) -> bool:
        """Say that an instance has stopped and left nothing behind.

        Raises:
            StoreError: The database failed.
        """
        return await self._change(self._life(instance_id, epoch), {"state": STOPPED, "calls": 0})

    async def declare_dead(self, other: InstanceRecord) -> bool:
        """Declare an instance dead that was not seen since ``other`` was read.

        True for the one that did it.

        Raises:
            StoreError: The database failed.
        """
        here = self._life(other.id, other.epoch) & (instances.c.seen_at == other.seen_at)
        return await self._change(here, {"state": DEAD})

    async def all(self) -> list[InstanceRecord]:
        """Return every instance.

        Raises:
            StoreError: The database failed.
        """
        age_s = sql_cast(self._seconds(self._clock()) - self._seconds(instances.c.seen_at), Float)
        query = select(instances, age_s.label("age_s")).order_by(instances.c.id)
        async with self._database.read() as connection:
            return [_record(row) for row in (await connection.execute(query)).mappings()]

    async def purge(self) -> int:
        """Delete the instances that stopped or died more than a day ago; return how many.

        Raises:
            StoreError: The database failed.
        """
        age_s = self._seconds(self._clock()) - self._seconds(instances.c.seen_at)
        old = instances.c.state.not_in(_LIVING) & (age_s > PURGED_AFTER_S)
        async with self._database.write() as connection:
            result = await connection.execute(delete(instances).where(old))
            return cast("CursorResult[Any]", result).rowcount

    # ---- inside ---------------------------------------------------------------------------------

    def _life(self, instance_id: str, epoch: int) -> ColumnElement[bool]:
        here = (instances.c.id == instance_id) & (instances.c.epoch == epoch)
        return here & instances.c.state.in_(_LIVING)

    async def _change(self, here: ColumnElement[bool], values: dict[str, Any]) -> bool:
        async with self._database.write() as connection:
            result = await connection.execute(update(instances).where(here).values(values))
            return cast("CursorResult[Any]", result).rowcount == 1

    def _clock(self) -> ColumnElement[Any]:
        """Return the database's time now, as a stored moment."""
        if self._sqlite:
            return func.strftime("%Y-%m-%d %H:%M:%f000", "now")
        return func.clock_timestamp()

    def _seconds(self, moment: ColumnElement[Any]) -> ColumnElement[Any]:
        if self._sqlite:
            return (func.julianday(moment) - 2440587.5) * 86_400.0
        return func.date_part("epoch", moment)


def _record(row: RowMapping) -> InstanceRecord:
    return InstanceRecord(
        id=row["id"],
        epoch=row["epoch"],
        url=row["url"],
        process=ProcessIdentity(row["host"], row["boot_id"], row["pid"], row["pid_started"]),
        state=row["state"],
        calls=row["calls"],
        seen_at=row["seen_at"],
        age_s=float(row["age_s"]),
    )
