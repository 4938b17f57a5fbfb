"""Removes what is kept of a person, by their number.

Theory of operation. Files go before the rows that name them: after a crash in between the rows are
still there, and erasing again finds them; a file whose row is gone nobody would ever find. Calls go
in portions, each in one transaction with what was begun in them, and everything that names the
number goes in the last one. Every step may be repeated.

What stays. A call that is not over stays, with its jobs, because processes are at work on it: erase
again when it is over. That somebody must not be called stays as well: without it they would be
called again, which is what they forbade; of that row only the memory goes. Backups and logs of the
providers are out of reach; a backup that is restored is cleaned at the next start (`ErasureList`).

Other people may have named the person: in what they kept, number and mail address are masked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import ColumnElement, Table, Text, cast, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fwai.domain.call import FINAL_STATES
from fwai.domain.erasure import Erased, Remainder
from fwai.domain.person_mask import PersonMask
from fwai.domain.phone import spellings as phone_spellings
from fwai.errors import StoreError
from fwai.store.audit import forget_calls, forget_numbers
from fwai.store.database import Database
from fwai.store.erasure_list import ErasureList
from fwai.store.erasure_masks import mask_rows, mask_transcript
from fwai.store.job_tables import (
    bookings,
    callbacks,
    contacts,
    jobs,
    requests,
    sent_messages,
    standings,
)
from fwai.store.quota_counts import forget_recipients
from fwai.store.tables import calls
from fwai.store.voice_messages import SUFFIX

PORTION: Final = 200
_FINAL: Final = frozenset(state.value for state in FINAL_STATES)
_OVER: Final = calls.c.state.in_(sorted(_FINAL))
LOG_BUSY: Final = "somebody reads it at the moment; erase again in a minute to empty it"
JOB_WAITS: Final = "they name the person and are not done yet; erase again when they are"
CALL_LIVE: Final = "the call, of somebody else, is not over; erase again when it is"
BARRED: Final = "without it they would be called again, which is what they forbade"

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Old:
    """A call to be removed, and its files below their directories."""

    id: str
    transcript: str | None
    recording: str | None


async def _nothing() -> None:
    """Wait for nobody."""


class Erasure:
    """Erases people.

    Args:
        transcripts_dir: None when no transcripts were ever kept.
        recordings_dir: None when nothing was ever recorded.
        messages_dir: Where voice messages are; None when none was ever kept.
        flush: Writes what still waits to be written into files, which would bring them back.
        noted: Keeps whom was erased, for when an older copy of the database is restored; None
            keeps nothing.
        clock: The time now, aware.
    """

    def __init__(
        self,
        database: Database,
        transcripts_dir: Path | None,
        recordings_dir: Path | None,
        flush: Callable[[], Awaitable[object]] = _nothing,
        noted: ErasureList | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        messages_dir: Path | None = None,
    ) -> None:
        self._messages_dir = messages_dir
        self._noted = noted
        self._clock = clock
        self._database = database
        self._transcripts_dir = transcripts_dir
        self._recordings_dir = recordings_dir
        self._flush = flush

    async def erase(self, phone: str) -> Erased:
        """Remove what is kept of a number, written with or without ``+``.

        Raises:
            ValueError: There is no number; withheld ones are not one person.
            StoreError: The database or a file failed; erasing again goes on from there.
        """
        names = spellings(phone)
        at = self._clock()
        digest = await self._noted.note(names[0], at) if self._noted is not None else ""
        erased = await self._erase(names)
        if self._noted is not None:
            await self._noted.done(digest, at)
        if not await self._database.empty_log():
            erased.left.append(Remainder("the database's log", LOG_BUSY))
        return erased

    async def erase_again(self) -> int:
        """Erase those whose erasure this database does not know, and return how many they were.

        It was cut short by a crash, or the database is a restored copy of before.

        Raises:
            StoreError: The database, a file or the list failed.
        """
        if self._noted is None or not (digests := await self._noted.undone()):
            return 0
        known = {spellings(one)[0]: one for one in await self._people() if one.strip(" +")}
        found = await self._noted.matching(digests, known)
        for phone in found:
            await self.erase(phone)
        for digest, at in digests.items():
            if digest not in found.values():
                await self._noted.done(digest, at)
        _log.warning("erased_again", people=len(found))
        return len(found)

    async def _erase(self, names: Sequence[str]) -> Erased:
        erased = Erased()
        await self._flush()
        mask = PersonMask(names[0], await self._addresses(names))
        while old := await self._some_calls(names):
            for call in old:
                erased.files += await asyncio.to_thread(self._remove_files, call)
            async with self._database.change() as connection:
                await _remove_calls(connection, [call.id for call in old], erased)
        async with self._database.change() as connection:
            await _remove_rest(connection, names, erased)
        await self._mask(mask, erased)
        return erased

    async def _mask(self, mask: PersonMask, erased: Erased) -> None:
        masked = await mask_rows(self._database, mask)
        erased.masked = masked.rows
        if masked.waiting:
            erased.left.append(Remainder(f"{masked.waiting} jobs of other people", JOB_WAITS))
        if self._transcripts_dir is None or not masked.calls:
            return
        columns = (calls.c.transcript, calls.c.state)
        for call_id in sorted(masked.calls):
            async with self._database.read() as connection:
                query = select(*columns).where(
                    calls.c.id == call_id, calls.c.transcript.is_not(None)
                )
                row = (await connection.execute(query)).first()
            path = _inside(self._transcripts_dir, row.transcript) if row is not None else None
            if row is None or path is None:
                continue
            if row.state not in _FINAL:
                erased.left.append(Remainder(f"the transcript of call {call_id}", CALL_LIVE))
                continue
            await asyncio.to_thread(mask_transcript, path, mask)

    async def _addresses(self, names: Sequence[str]) -> list[str]:
        query = select(bookings.c.email).where(bookings.c.phone.in_(names)).distinct()
        async with self._database.read() as connection:
            return list((await connection.execute(query)).scalars())

    async def _people(self) -> set[str]:
        """Return every number that something is kept of."""
        columns = (calls.c.caller, callbacks.c.phone, bookings.c.phone, jobs.c.phone)
        more = (contacts.c.phone, standings.c.user, sent_messages.c.recipient)
        found: set[str] = set()
        async with self._database.read() as connection:
            for column in (*columns, *more):
                found |= set((await connection.execute(select(column).distinct())).scalars())
        return found

    async def _some_calls(self, names: Sequence[str]) -> list[_Old]:
        columns = (calls.c.id, calls.c.transcript, calls.c.recording)
        query = select(*columns).where(calls.c.caller.in_(names), _OVER).limit(PORTION)
        async with self._database.read() as connection:
            return [_Old(*row) for row in (await connection.execute(query)).all()]

    def _remove_files(self, call: _Old) -> int:
        found = (
            (self._transcripts_dir, call.transcript),
            (self._recordings_dir, call.recording),
            (self._messages_dir, f"{call.id}{SUFFIX}"),
        )
        return sum(
            _remove(folder, name, call.id)
            for folder, name in found
            if folder is not None and name is not None
        )


def spellings(phone: str) -> list[str]:
    """Return how a number may be written in the database.

    Raises:
        ValueError: There is no number.
    """
    bare = phone.strip().lstrip("+")
    if not bare:
        raise ValueError("a number is needed, such as +919999900000")
    return [*dict.fromkeys([*phone_spellings(f"+{bare}"), f"+{bare}", bare])]


def _remove(folder: Path, name: str, call_id: str) -> bool:
    """Delete a file; one that is not inside the directory was not written by us and stays."""
    try:
        path = _inside(folder, name)
        if path is None:
            _log.error("file_outside_not_erased", call_id=call_id)
            return False
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as exc:
        raise StoreError(f"a file of call {call_id} in {folder} stays: {exc.strerror}") from exc
    return True


def _inside(folder: Path, name: str) -> Path | None:
    """Return where ``name`` leads, links followed; None when that is not below ``folder``."""
    root = folder.resolve()
    try:
        path = (root / name).resolve()
    except ValueError:
        return None
    return path if path != root and path.is_relative_to(root) else None


async def _remove_calls(connection: AsyncConnection, ids: Sequence[str], erased: Erased) -> None:
    """Remove calls with what was promised, booked and begun in them; turns go by themselves."""
    erased.callbacks += await _delete(connection, callbacks, callbacks.c.source_call_id.in_(ids))
    erased.bookings += await _delete(connection, bookings, bookings.c.call_id.in_(ids))
    erased.jobs += await _delete(connection, jobs, jobs.c.call_id.in_(ids))
    await forget_calls(connection, ids)
    erased.calls += await _delete(connection, calls, calls.c.id.in_(ids))


async def _remove_rest(connection: AsyncConnection, names: Sequence[str], erased: Erased) -> None:
    live = select(calls.c.id).where(calls.c.caller.in_(names), ~_OVER)
    erased.callbacks += await _delete(connection, callbacks, callbacks.c.phone.in_(names))
    erased.bookings += await _delete(connection, bookings, bookings.c.phone.in_(names))
    # Without its job a call that waits to be dialled would wait for ever.
    loose = jobs.c.phone.in_(names) & jobs.c.call_id.not_in(live)
    erased.jobs += await _delete(connection, jobs, loose)
    await _delete(connection, standings, standings.c.user.in_(names))
    await _delete(connection, sent_messages, sent_messages.c.recipient.in_(names))
    await forget_recipients(connection, names)
    # What was answered under an Idempotency-Key is kept for a day; clients put numbers into keys.
    body = cast(requests.c.body, Text)
    told = [body.contains(one, autoescape=True) for one in names if one.startswith("+")]
    keys = [requests.c.key.contains(one.lstrip("+"), autoescape=True) for one in names]
    await _delete(connection, requests, or_(*told, *keys))
    await forget_numbers(connection, names)
    erased.contact = await _forget(connection, names)
    if await connection.scalar(select(func.count()).where(contacts.c.phone.in_(names))):
        erased.left.append(Remainder("that they must not be called", BARRED))
    counting = select(func.count()).select_from(live.subquery())
    erased.live = await connection.scalar(counting) or 0


async def _forget(connection: AsyncConnection, names: Sequence[str]) -> bool:
    here = contacts.c.phone.in_(names)
    rows = (await connection.execute(select(contacts).where(here).with_for_update())).all()
    await _delete(connection, contacts, here & ~contacts.c.do_not_call)
    await connection.execute(update(contacts).where(here).values(memory=[]))
    return any(row.memory or not row.do_not_call for row in rows)


async def _delete(connection: AsyncConnection, table: Table, here: ColumnElement[bool]) -> int:
    return (await connection.execute(delete(table).where(here))).rowcount
