"""Masks a person in what is kept of other people: a caller may have dictated their number."""

import json
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Row,
    Table,
    Text,
    cast,
    func,
    or_,
    select,
    tuple_,
    update,
)

from fwai.domain.call import FINAL_STATES
from fwai.domain.job import JobState
from fwai.domain.person_mask import PersonMask
from fwai.errors import StoreError
from fwai.store.database import Database
from fwai.store.file_writer import FILE_MODE
from fwai.store.job_tables import bookings, callbacks, contacts, jobs
from fwai.store.tables import calls, tool_calls, turns
from fwai.store.transcript_files import encode

PORTION: Final = 200
_OVER_STATES: Final = [state.value for state in FINAL_STATES]
_OVER_JOBS: Final = [state.value for state in JobState if state.final]


@dataclass(frozen=True, slots=True)
class _Place:
    """Columns of a table that may name a person.

    Attributes:
        only: Which rows may be changed, or None for all of them.
    """

    table: Table
    columns: tuple[str, ...]
    only: ColumnElement[bool] | None = None


_PLACES: Final = (
    _Place(calls, ("context", "summary", "extracted", "cause"), calls.c.state.in_(_OVER_STATES)),
    _Place(turns, ("text",)),
    _Place(tool_calls, ("args", "message")),
    _Place(jobs, ("payload", "result", "error"), jobs.c.state.in_(_OVER_JOBS)),
    _Place(callbacks, ("note",)),
    _Place(bookings, ("interest",)),
    _Place(contacts, ("memory", "reason")),
)


@dataclass(slots=True)
class Masked:
    """What was masked.

    Attributes:
        rows: How many rows of other people named the person.
        calls: Whose transcripts may name them, too.
        waiting: Jobs that name them and are not over.
    """

    rows: int = 0
    calls: set[str] = field(default_factory=set)
    waiting: int = 0


async def mask_rows(database: Database, mask: PersonMask) -> Masked:
    """Mask a person in every row that names them, a portion at a time.

    What a job that is not over is to do stays as it is, and a call that goes on.

    Raises:
        StoreError: The database failed; doing it again goes on from there.
    """
    masked = Masked()
    if mask.needles:
        for place in _PLACES:
            await _mask_place(database, place, mask, masked)
        masked.waiting = await _count_waiting(database, mask)
    return masked


async def _count_waiting(database: Database, mask: PersonMask) -> int:
    named = _naming(_Place(jobs, ("payload",)), mask)
    counting = select(func.count()).where(named, jobs.c.state.not_in(_OVER_JOBS))
    async with database.read() as connection:
        return await connection.scalar(counting) or 0


async def _mask_place(database: Database, place: _Place, mask: PersonMask, masked: Masked) -> None:
    keys = list(place.table.primary_key.columns)
    last: Sequence[Any] | None = None
    while True:
        query = select(*keys, *(place.table.c[name] for name in place.columns))
        query = query.where(_naming(place, mask)).order_by(*keys).limit(PORTION)
        if place.only is not None:
            query = query.where(place.only)
        if last is not None:
            query = query.where(tuple_(*keys) > tuple_(*last))
        async with database.read() as connection:
            found = (await connection.execute(query)).all()
        if not found:
            return
        last = tuple(found[-1])[: len(keys)]
        await _mask_portion(database, place, keys, found, mask, masked)


async def _mask_portion(
    database: Database,
    place: _Place,
    keys: Sequence[Column[Any]],
    found: Sequence[Row[Any]],
    mask: PersonMask,
    masked: Masked,
) -> None:
    """Write what changes; what others wrote since it was read stays theirs."""
    async with database.write() as connection:
        for row in found:
            old = dict(zip(place.columns, tuple(row)[len(keys) :], strict=True))
            new = {name: mask.value(value) for name, value in old.items()}
            changes = {name: value for name, value in new.items() if value != old[name]}
            if not changes:
                continue
            here = [key == value for key, value in zip(keys, row, strict=False)]
            if place.only is not None:
                here.append(place.only)
            await connection.execute(update(place.table).where(*here).values(changes))
            masked.rows += 1
            if place.table in (calls, turns, tool_calls):
                masked.calls.add(row[0])  # the first column of each one's key is the call's id


def _naming(place: _Place, mask: PersonMask) -> ColumnElement[bool]:
    squeezed = []
    for name in place.columns:
        text: ColumnElement[str] = func.lower(cast(place.table.c[name], Text))
        for separator in PersonMask.SEPARATORS:
            text = func.replace(text, separator, "")
        squeezed.append(text)
    return or_(
        *(text.contains(needle, autoescape=True) for text in squeezed for needle in mask.needles)
    )


def mask_transcript(path: Path, mask: PersonMask) -> bool:
    """Mask a person in a transcript's file; whether it named them. Blocks.

    Raises:
        StoreError: The file cannot be read or written.
    """
    try:
        old = path.read_bytes()
        new = b"".join(_masked_line(line, mask) for line in old.splitlines(keepends=True))
        if new == old:
            return False
        scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
            with os.fdopen(handle, "wb") as file:
                file.write(new)
            scratch.replace(path)
        finally:
            with suppress(FileNotFoundError):
                scratch.unlink()
    except FileNotFoundError:
        return False
    except OSError as exc:
        raise StoreError(f"transcript {path} still names them: {exc.strerror}") from exc
    return True


def _masked_line(line: bytes, mask: PersonMask) -> bytes:
    try:
        value = json.loads(line)
    except ValueError:  # a crash cut it
        return mask.text(line.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    new = mask.value(value)
    return line if new == value else encode(new)
