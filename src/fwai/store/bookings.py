"""Demos that were booked: never more at once than the capacity, whoever books at the same time."""

import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import RowMapping, Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fwai.domain.booking import Booking, BookingState, NewBooking
from fwai.domain.job import NewJob
from fwai.domain.phone import spellings
from fwai.interfaces.store import BookingNotices
from fwai.store.database import Database
from fwai.store.job_tables import bookings, installation
from fwai.store.jobs import Jobs
from fwai.store.transcript_files import clean_text

MAX_MINUTES: Final = 24 * 60
MAX_NAME: Final = 200
MAX_INTEREST: Final = 500
# PostgreSQL's advisory lock of whoever books; any number that nothing else here takes.
_LOCK: Final = 0x666B_626F
# Before `invited_at` was kept, what was sent is not known once its job was forgotten.
_JOBS_KEPT: Final = timedelta(days=7)

# What is to be done besides, in the transaction of the change.
Also = Callable[[Booking], Iterable[NewJob]]


def nothing_else(booking: Booking) -> Iterable[NewJob]:  # noqa: ARG001
    """Do nothing besides."""
    return ()


class Bookings:
    """All demos that were booked.

    Args:
        notices: What is taken back, and sent, when one is canceled; None sends nothing.
    """

    def __init__(
        self,
        database: Database,
        jobs: Jobs,
        notices: BookingNotices | None = None,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.notices = notices
        self._database = database
        self._jobs = jobs
        self._clock = clock

    async def book(
        self, new: NewBooking, capacity: int, also: Also = nothing_else
    ) -> Booking | None:
        """Book a demo unless ``capacity`` others overlap it; None when they do.

        One that has the key already is returned as it stands, perhaps canceled, and nothing is
        written.

        Raises:
            ValueError: It is not between a minute and `MAX_MINUTES` long.
            StoreError: The database failed; nothing was written.
        """
        _check(new.minutes)
        async with self._database.change() as connection:
            if self._database.engine.dialect.name != "sqlite":
                await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            known = await _first(connection, select(bookings).where(bookings.c.key == new.key))
            if known is not None:
                return known
            others = await _overlapping(connection, new.starts_at, new.minutes)
            if len(others) >= capacity:
                return None
            written = self._database.insert(bookings).values(self._row(new)).returning(bookings)
            booked = _booking((await connection.execute(written)).mappings().one())
            await self._jobs.add(connection, also(booked))
        self._jobs.notify()
        return booked

    async def taken(self, starts_at: datetime, minutes: int) -> int:
        """Return how many booked demos overlap one that starts then.

        Raises:
            ValueError: It is not between a minute and `MAX_MINUTES` long.
            StoreError: The database failed.
        """
        _check(minutes)
        async with self._database.read() as connection:
            return len(await _overlapping(connection, starts_at, minutes))

    async def taken_between(self, start: datetime, end: datetime) -> list[Booking]:
        """Return the booked demos that overlap a span, the earliest first.

        Raises:
            StoreError: The database failed.
        """
        async with self._database.read() as connection:
            return await _between(connection, start, end)

    async def get(self, booking_id: str) -> Booking | None:
        """Return a demo.

        Raises:
            StoreError: The database failed.
        """
        async with self._database.read() as connection:
            return await _first(connection, select(bookings).where(bookings.c.id == booking_id))

    async def page(
        self,
        *,
        from_: datetime | None = None,
        to: datetime | None = None,
        phone: str = "",
        after: tuple[datetime, str] | None = None,
        limit: int = 50,
    ) -> list[Booking]:
        """Return demos, also canceled ones, the earliest first, those after the given start and id.

        They start at ``from_`` or later, and before ``to``.

        Raises:
            StoreError: The database failed.
        """
        query = select(bookings).order_by(bookings.c.starts_at, bookings.c.id).limit(limit)
        if from_ is not None:
            query = query.where(bookings.c.starts_at >= from_)
        if to is not None:
            query = query.where(bookings.c.starts_at < to)
        if phone:
            query = query.where(bookings.c.phone.in_(spellings(phone)))
        if after is not None:
            at, last = after
            further = (bookings.c.starts_at > at) | (bookings.c.id > last)
            query = query.where(bookings.c.starts_at >= at, further)
        async with self._database.read() as connection:
            return await _all(connection, query)

    async def open_for(self, phone: str, now: datetime) -> list[Booking]:
        """Return a person's booked demos that are not over, the earliest first.

        Raises:
            StoreError: The database failed.
        """
        here = bookings.c.phone.in_(spellings(phone)) & (
            bookings.c.state == BookingState.BOOKED.value
        )
        here &= bookings.c.starts_at > now - timedelta(minutes=MAX_MINUTES)
        query = select(bookings).where(here).order_by(bookings.c.starts_at, bookings.c.id)
        async with self._database.read() as connection:
            return [booking for booking in await _all(connection, query) if _end(booking) > now]

    async def cancel(self, booking_id: str, also: Also = nothing_else) -> Booking | None:
        """Cancel a demo; None when it is unknown, unchanged when it is canceled already.

        Confirmations that were not sent yet never are. Who may have one is told, unless the demo
        has begun already.

        Raises:
            StoreError: The database failed; nothing was written.
        """
        here = bookings.c.id == booking_id
        still = here & (bookings.c.state == BookingState.BOOKED.value)
        canceling = update(bookings).where(still).values(state=BookingState.CANCELED.value)
        async with self._database.write() as connection:
            result = await connection.execute(canceling.returning(bookings))
            row = result.mappings().first()
            if row is None:
                return await _first(connection, select(bookings).where(here))
            canceled, invited = _booking(row), row["invited_at"] is not None
            following = await self._taken_back(connection, canceled, invited=invited)
            await self._jobs.add(connection, following)
            await self._jobs.add(connection, also(canceled))
        self._jobs.notify()
        return canceled

    async def inviting(self, booking_id: str, at: datetime) -> bool:
        """Keep that an invitation is handed to the mail server; False when the demo is off.

        Raises:
            StoreError: The database failed.
        """
        here = (bookings.c.id == booking_id) & (bookings.c.state == BookingState.BOOKED.value)
        noting = update(bookings).where(here)
        async with self._database.write() as connection:
            noting = noting.values(invited_at=func.coalesce(bookings.c.invited_at, at))
            return (await connection.execute(noting)).rowcount == 1

    async def not_invited(self, booking_id: str, at: datetime) -> None:
        """Take back what `inviting` kept for ``at``: that mail was refused.

        An earlier one, which may have arrived, stays kept.

        Raises:
            StoreError: The database failed.
        """
        here = (bookings.c.id == booking_id) & (bookings.c.invited_at == at)
        async with self._database.write() as connection:
            await connection.execute(update(bookings).where(here).values(invited_at=None))

    async def _taken_back(
        self, connection: AsyncConnection, canceled: Booking, *, invited: bool
    ) -> Iterable[NewJob]:
        if self.notices is None:
            return ()
        keys = set(self.notices.keys(canceled))
        forgotten = not await self._jobs.any_of(connection, keys)
        forgotten &= canceled.created_at < self._clock() - _JOBS_KEPT
        forgotten = forgotten and await _before_invitations_were_noted(connection, canceled)
        sent = await self._jobs.withdraw(connection, keys)
        if invited or forgotten:
            sent = keys
        return self.notices.canceled(canceled, sent) if canceled.starts_at > self._clock() else ()

    def _row(self, new: NewBooking) -> dict[str, Any]:
        return {
            "id": f"bk_{secrets.token_hex(12)}",
            "key": new.key,
            "phone": new.phone,
            "name": clean_text(new.name)[:MAX_NAME],
            "interest": clean_text(new.interest)[:MAX_INTEREST],
            "email": new.email,
            "starts_at": new.starts_at,
            "minutes": new.minutes,
            "call_id": new.call_id,
            "state": BookingState.BOOKED.value,
            "created_at": self._clock(),
        }


async def _before_invitations_were_noted(connection: AsyncConnection, booking: Booking) -> bool:
    """Whether a booking may be older than its column ``invited_at``.

    The table of the installation came with that column; the first start since has written to it.
    """
    first = await connection.scalar(select(func.min(installation.c.written_at)))
    return first is None or booking.created_at < first


async def _overlapping(
    connection: AsyncConnection, starts_at: datetime, minutes: int
) -> list[Booking]:
    return await _between(connection, starts_at, starts_at + timedelta(minutes=minutes))


async def _between(connection: AsyncConnection, start: datetime, end: datetime) -> list[Booking]:
    # None is longer than MAX_MINUTES, so the index on the start finds them all.
    here = (bookings.c.starts_at > start - timedelta(minutes=MAX_MINUTES)) & (
        bookings.c.starts_at < end
    )
    here &= bookings.c.state == BookingState.BOOKED.value
    query = select(bookings).where(here).order_by(bookings.c.starts_at, bookings.c.id)
    return [booking for booking in await _all(connection, query) if _end(booking) > start]


async def _all(connection: AsyncConnection, query: Select[Any]) -> list[Booking]:
    return [_booking(row) for row in (await connection.execute(query)).mappings()]


async def _first(connection: AsyncConnection, query: Select[Any]) -> Booking | None:
    row = (await connection.execute(query)).mappings().first()
    return None if row is None else _booking(row)


def _check(minutes: int) -> None:
    if not 1 <= minutes <= MAX_MINUTES:
        raise ValueError(f"a demo takes 1 to {MAX_MINUTES} minutes")


def _end(booking: Booking) -> datetime:
    return booking.starts_at + timedelta(minutes=booking.minutes)


def _booking(row: RowMapping) -> Booking:
    return Booking(
        id=row["id"],
        phone=row["phone"],
        name=row["name"],
        interest=row["interest"],
        starts_at=row["starts_at"],
        minutes=row["minutes"],
        email=row["email"],
        call_id=row["call_id"],
        state=BookingState(row["state"]),
        created_at=row["created_at"],
    )
