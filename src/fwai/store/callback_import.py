"""Brings the promises of an older installation along: its ``data/callbacks.json``, read once.

The older file was never described beyond "scheduled callbacks", so several shapes are understood.
What is not clear is not guessed: a wrong time or number would call somebody who expects nothing.
Such entries are named by their position and stay in the file, which is kept under another name.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Final

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
_OVER: Final = ("completed", "complete", "done", "cancelled", "canceled", "failed", "missed")
_SECONDS: Final = range(1_000_000_000, 100_000_000_000)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Reading:
    zone: tzinfo
    now: datetime
    agent: str


def parse_old_callbacks(
    raw: object, zone: tzinfo, now: datetime, default_agent: str
) -> tuple[list[NewCallback], list[str]]:
    """Return the promises in an older installation's file, and what is wrong with the others.

    Entries that say they are over are passed over in silence.

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
        return [], ["the file holds no list of callbacks"]
    reading = _Reading(zone, now, default_agent)
    found: dict[str, NewCallback] = {}
    problems = []
    for position, item in enumerate(raw[:MAX_CALLBACKS], start=1):
        try:
            new = _read(item, reading)
        except ValueError as exc:
            problems.append(f"entry {position}: {exc}")
        else:
            if new is not None:
                found.setdefault(new.key, new)
    if len(raw) > MAX_CALLBACKS:
        problems.append(f"entry {MAX_CALLBACKS + 1} and what follows: too many")
    return list(found.values()), problems


async def import_once(
    path: Path,
    callbacks: Callbacks,
    *,
    zone: tzinfo,
    default_agent: str,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> int:
    """Schedule what the file promises, rename it to ``<name>.imported``, and return how many.

    A crash in between imports nothing twice: the same entry has the same key again. A file that
    cannot be read is left alone and logged.

    Raises:
        StoreError: The database failed, or the file cannot be renamed.
    """
    try:
        raw = await asyncio.to_thread(_load, path)
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, RecursionError) as exc:
        _log.error("old_callbacks_unreadable", path=str(path), error=type(exc).__name__)
        return 0
    found, problems = parse_old_callbacks(raw, zone, clock(), default_agent)
    imported = 0
    for new in found:
        imported += (await callbacks.schedule(new))[1]
    done = path.with_name(f"{path.name}.imported")
    try:
        await asyncio.to_thread(path.replace, done)
    except OSError as exc:
        raise StoreError(f"{path} cannot be renamed: {exc.strerror}; move it away") from exc
    for problem in problems[:MAX_TOLD]:
        _log.warning("old_callback_not_imported", path=str(done), problem=problem)
    _log.info("old_callbacks_imported", imported=imported, not_imported=len(problems))
    return imported


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
    phone = _phone(_first(item, _PHONES))
    due_at = _time(_first(item, _TIMES), reading.zone)
    if due_at < reading.now - OLDEST:
        raise ValueError("its time is over")
    text = _first(item, _NOTES)
    note = text.strip()[:MAX_NOTE] if isinstance(text, str) else ""
    canonical = json.dumps([phone, due_at.isoformat(), note])
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return NewCallback(f"import:{digest}", phone, "", reading.agent, due_at, note)


def _over(item: Mapping[str, Any]) -> bool:
    status = item.get("status")
    said = status.strip().lower() if isinstance(status, str) else ""
    return said in _OVER or any(item.get(name) is True for name in _OVER)


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
