"""What is known of people across calls, and who must not be called."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import RowMapping, select, update

from fwai.domain.contact import (
    MAX_ENTRIES,
    Contact,
    MemoryEntry,
    entry_json,
    read_entry,
    remembered,
)
from fwai.domain.phone import spellings
from fwai.store.database import Database
from fwai.store.job_tables import contacts
from fwai.store.transcript_files import clean_text

MAX_REASON: Final = 200


class Contacts:
    """All people, by their number in E.164 form."""

    def __init__(
        self, database: Database, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._database = database
        self._clock = clock

    async def get(self, phone: str) -> Contact:
        """Return what is known of a person; of somebody unknown an empty contact.

        Raises:
            StoreError: The database failed.
        """
        async with self._database.read() as connection:
            query = select(contacts).where(contacts.c.phone.in_(spellings(phone)))
            rows = (await connection.execute(query)).mappings().all()
        return _one_person(phone, [_contact(row) for row in rows])

    async def remember(self, phone: str, entry: MemoryEntry) -> Contact:
        """Add a call to what is remembered, and return what is known now.

        Raises:
            StoreError: The database failed; nothing was written.
        """
        entry = replace(entry, text=clean_text(entry.text))
        async with self._database.change() as connection:
            # The row must exist to be locked where SELECT ... FOR UPDATE is what locks.
            opening = self._database.insert(contacts).values(self._row(phone))
            await connection.execute(opening.on_conflict_do_nothing())
            query = select(contacts).where(contacts.c.phone == phone).with_for_update()
            contact = _contact((await connection.execute(query)).mappings().one())
            memory = [entry_json(one) for one in remembered(contact.memory, entry)]
            values = {"memory": memory, "written_at": self._clock()}
            writing = update(contacts).where(contacts.c.phone == phone).values(values)
            await connection.execute(writing)
        return replace(contact, memory=tuple(read_entry(one) for one in memory))

    async def set_do_not_call(self, phone: str, on: bool, reason: str) -> None:
        """Forbid calls to a person, or permit them again.

        Raises:
            StoreError: The database failed.
        """
        values = {
            "do_not_call": on,
            "reason": clean_text(reason)[:MAX_REASON],
            "written_at": self._clock(),
        }
        writing = self._database.insert(contacts).values(self._row(phone) | values)
        earlier = contacts.c.phone.in_(spellings(phone)) & (contacts.c.phone != phone)
        async with self._database.write() as connection:
            await connection.execute(
                writing.on_conflict_do_update(index_elements=["phone"], set_=values)
            )
            # Permitted again they are permitted, however the number was written when it was barred.
            if not on:
                await connection.execute(update(contacts).where(earlier).values(values))

    async def do_not_call(self, phone: str) -> bool:
        """Whether calls to a person are forbidden.

        Raises:
            StoreError: The database failed.
        """
        here = contacts.c.phone.in_(spellings(phone)) & contacts.c.do_not_call
        async with self._database.read() as connection:
            return await connection.scalar(select(contacts.c.phone).where(here)) is not None

    async def page_do_not_call(self, after: str = "", limit: int = 50) -> list[Contact]:
        """Return people who must not be called, by number, those after the given number.

        Raises:
            StoreError: The database failed.
        """
        here = contacts.c.do_not_call & (contacts.c.phone > after)
        query = select(contacts).where(here).order_by(contacts.c.phone).limit(limit)
        async with self._database.read() as connection:
            return [_contact(row) for row in (await connection.execute(query)).mappings()]

    def _row(self, phone: str) -> dict[str, Any]:
        return {
            "phone": phone,
            "memory": [],
            "do_not_call": False,
            "reason": "",
            "written_at": self._clock(),
        }


def _one_person(phone: str, found: Sequence[Contact]) -> Contact:
    """Return what is known of a number; earlier versions may have kept it in another form, too."""
    barred = next((one for one in found if one.do_not_call), Contact(phone))
    known = next((one for one in found if one.phone == phone), Contact(phone))
    memory = sorted((entry for one in found for entry in one.memory), key=lambda entry: entry.at)
    return Contact(
        phone, tuple(memory[-MAX_ENTRIES:]), barred.do_not_call, barred.reason or known.reason
    )


def _contact(row: RowMapping) -> Contact:
    return Contact(
        phone=row["phone"],
        memory=tuple(read_entry(one) for one in row["memory"]),
        do_not_call=row["do_not_call"],
        reason=row["reason"],
    )
