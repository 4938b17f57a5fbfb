"""Brings the promises of an older installation along: its ``data/callbacks.json``, read once.

The older file was never described beyond "scheduled callbacks", so several shapes are understood.
What is not clear is not guessed: a wrong time or number would call somebody who expects nothing.
Such entries are named by their position and kept in a file under another name, whose shape is
understood, too: put right and named as before, it is imported at the next start.
"""

import asyncio
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog

from fwai.domain.callback import MAX_NOTE, NewCallback
from fwai.domain.phone import dialable
from fwai.errors import StoreError
from fwai.store.callbacks import Callbacks

MAX_BYTES: Final = 10_000_000
MAX_CALLBACKS: Final = 10_000
OLDEST: Final = timedelta(days=1)  # what the server still keeps late is a matter of its settings
MAX_TOLD: Final = 20

_PHONES: Final = ("phone", "phone_number", "to", "number", "customer_phone")
_TIMES: Final = (
    "scheduled_time",
    "callback_time",
    "preferred_time",
    "when",
    "time",
    "datetime",
)
_NOTES: Final = ("note", "reason", "message", "context", "notes")
_STATUSES: Final = ("status", "state")
_WAITING: Final = ("pending", "scheduled", "")
_OVER: Final = ("completed", "complete", "done", "cancelled", "canceled", "failed", "missed")
# Marks beside or instead of a status that leave it open whether somebody is to be called.
_MARKS: Final = ("expired", "success", "called", "deleted", "rescheduled", "in_progress", "paused")
_NOT_SAID: Final = ("none", "false", "no", "0", "")
_SECONDS: Final = range(1_000_000_000, 100_000_000_000)

_T = TypeVar("_T")

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Reading:
    zone: tzinfo
    now: datetime
    agent: str


@dataclass(frozen=True, slots=True)
class OldCallbacks:
    """What an older installation's file holds.

    Attributes:
        found: The promises.
        problems: What is wrong with the others.
        left: Those others as they stand there, by their position; None when it is no list at all.
    """

    found: list[NewCallback]
    problems: list[str]
    left: Mapping[str, object] | None


def parse_old_callbacks(
    raw: object, zone: tzinfo, now: datetime, default_agent: str
) -> OldCallbacks:
    """Read the promises in an older installation's file.

    Entries that say they are over are passed over in silence. Those that say neither that nor that
    they wait are not taken over.

    Args:
        raw: The file's JSON: a list, an object with a list under ``callbacks``, or one by id.
        zone: Of times without an offset.
        now: Aware; what is due longer than `OLDEST` before is not taken over.
        default_agent: Who speaks.
    """
    if isinstance(raw, Mapping) and isinstance(raw.get("callbacks"), Mapping | list):
        raw = raw["callbacks"]
    if isinstance(raw, Mapping):
        raw = list(raw.values())
    if not isinstance(raw, list):
        return OldCallbacks([], ["the file holds no list of callbacks"], None)
    reading = _Reading(zone, now, default_agent)
    found: dict[str, NewCallback] = {}
    problems = []
    left = {
        f"entry {position}": item
        for position, item in enumerate(raw[MAX_CALLBACKS:], start=MAX_CALLBACKS + 1)
    }
    for position, item in enumerate(raw[:MAX_CALLBACKS], start=1):
        try:
            new = _read(item, reading)
        except ValueError as exc:
            problems.append(f"entry {position}: {exc}")
            left[f"entry {position}"] = item
        else:
            if new is not None:
                found.setdefault(new.key, new)
    if len(raw) > MAX_CALLBACKS:
        problems.append(f"entry {MAX_CALLBACKS + 1} and what follows: too many")
    return OldCallbacks(list(found.values()), problems, left)


async def import_once(
    path: Path,
    callbacks: Callbacks,
    *,
    zone: tzinfo,
    default_agent: str,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> int:
    """Schedule what the file promises, remove the file, and return how many.

    What was not imported is kept in ``<name>.imported``; nobody's number stays who is in the
    database now, or whose callback is over. A crash in between imports nothing twice: the same
    entry has the same key again. A file that cannot be read is left alone and logged.

    Raises:
        StoreError: The database failed, or the file cannot be removed.
    """
    try:
        raw = await asyncio.to_thread(_load, path)
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, RecursionError) as exc:
        _log.error("old_callbacks_unreadable", path=str(path), error=type(exc).__name__)
        return 0
    old = parse_old_callbacks(raw, zone, clock(), default_agent)
    imported = 0
    for new in old.found:
        imported += (await callbacks.schedule(new))[1]
    done = path.with_name(f"{path.name}.imported")
    try:
        await asyncio.to_thread(_put_aside, path, done, old.left)
    except OSError as exc:
        raise StoreError(f"{path} cannot be removed: {exc.strerror}; move it away") from exc
    for problem in old.problems[:MAX_TOLD]:
        _log.warning("old_callback_not_imported", path=str(done), problem=problem)
    _log.info("old_callbacks_imported", imported=imported, not_imported=len(old.problems))
    return imported


def _put_aside(path: Path, done: Path, left: Mapping[str, object] | None) -> None:
    """Replace the file by one of what is left of it, or by none."""
    try:
        text = None if left is None else _one_a_line(left)
    except RecursionError:  # it was nested just deep enough to be read
        text = None
    if text is None:
        path.replace(done)
        return
    if left:
        scratch = done.with_name(f"{done.name}.new")
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(done)
    path.unlink()


def _one_a_line(left: Mapping[str, object]) -> str:
    lines = (f"{json.dumps(name)}: {json.dumps(item)}" for name, item in left.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _load(path: Path) -> object:
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError("too long")
    return json.loads(data)


def _read(item: object, reading: _Reading) -> NewCallback | None:
    if not isinstance(item, Mapping):
        raise ValueError("is not an object")  # noqa: TRY004 - told like all that is wrong
    if _over(item):
        return None
    _check_waiting(item)
    phone = _only(item, _PHONES, _phone, "numbers")
    due_at = _only(item, _TIMES, lambda value: _time(value, reading.zone), "times")
    if due_at < reading.now - OLDEST:
        raise ValueError("its time is over")
    text = _first(item, _NOTES)
    note = text.strip()[:MAX_NOTE] if isinstance(text, str) else ""
    canonical = json.dumps([phone, due_at.isoformat(), note])
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return NewCallback(f"import:{digest}", phone, "", reading.agent, due_at, note)


def _over(item: Mapping[str, Any]) -> bool:
    return any(said in _OVER for said in _statuses(item)) or any(
        str(item.get(name)).strip().lower() not in _NOT_SAID for name in _OVER
    )


def _check_waiting(item: Mapping[str, Any]) -> None:
    """Refuse what is neither over nor certainly to be called.

    Raises:
        ValueError: A status or a mark says something else.
    """
    if any(said not in _WAITING for said in _statuses(item)):
        raise ValueError("its status is neither pending nor scheduled")
    for name in _MARKS:
        if str(item.get(name)).strip().lower() not in _NOT_SAID:
            raise ValueError(f"it is marked as {name}")


def _statuses(item: Mapping[str, Any]) -> list[str]:
    values = [item[name] for name in _STATUSES if item.get(name) is not None]
    return [str(value).strip().lower() for value in values]


def _only(
    item: Mapping[str, Any], names: Sequence[str], read: Callable[[object], _T], what: str
) -> _T:
    """Read the value that all of ``names`` that say anything agree on.

    Raises:
        ValueError: There is none, one cannot be read, or they are of several minds.
    """
    given = [name for name in names if item.get(name) not in (None, "")]
    readings = [read(item[name]) for name in given] or [read(None)]
    if any(one != readings[0] for one in readings):
        raise ValueError(f"{', '.join(given)} are different {what}; leave the right one")
    return readings[0]


def _first(item: Mapping[str, Any], names: Sequence[str]) -> object:
    """Return the first of ``names`` that says anything."""
    return next((item[name] for name in names if item.get(name) not in (None, "")), None)


def _phone(value: object) -> str:
    text = str(value).strip() if isinstance(value, str | int | float) else ""
    if not text:
        raise ValueError("has no number")
    return dialable(text)


def _time(value: object, zone: tzinfo) -> datetime:
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _unix(value)
    if not isinstance(value, str):
        raise ValueError("has no time")  # noqa: TRY004 - told like all that is wrong
    text = value.strip()
    if _is_date(text):
        raise ValueError("has a date without a time of day")
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("its time cannot be understood; write 2026-11-24T17:00:00") from None


def _unix(value: float) -> datetime:
    """Read seconds or milliseconds; they cannot be mixed up between 2001 and 5138."""
    for seconds in (value, value / 1000.0):
        if _SECONDS.start <= seconds < _SECONDS.stop:
            return datetime.fromtimestamp(seconds, UTC)
    raise ValueError("its time is neither Unix seconds nor milliseconds")


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
