"""Finds and removes files of calls, ``<day>/<call id><suffix>`` below a folder; nothing else there.

Every function blocks: call it in a thread. Links are not followed below the folder, which may be
one itself: what they lead to was not written by us.
"""

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import structlog

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

_log = structlog.get_logger()


@dataclass(slots=True)
class FileCount:
    """What came of removing files.

    Attributes:
        files: Those that were removed.
        bytes: Their sizes.
        stay: Those of these calls could not be removed.
        cause: Why, of the first one that could not be: such as ``EROFS``.
    """

    files: int
    bytes: int
    stay: frozenset[str]
    cause: str


def remove_files(folder: Path | None, names: Mapping[str, str]) -> FileCount:
    """Remove files, given by call id; one that is gone already is as good as removed.

    A name that is not that of a file of the call below the folder is not touched, and logged.

    Args:
        folder: None removes nothing.
        names: ``<day>/<call id><suffix>``, by call id.
    """
    count, stay, cause = FileCount(0, 0, frozenset(), ""), set(), ""
    if folder is None:
        return count
    for call_id, name in names.items():
        try:
            size = _remove(folder, name, call_id)
        except OSError as exc:
            stay.add(call_id)
            cause = cause or cause_of(exc)
        else:
            count.files += size is not None
            count.bytes += size or 0
    return FileCount(count.files, count.bytes, frozenset(stay), cause)


def present(folder: Path | None, names: Mapping[str, str]) -> frozenset[str]:
    """Return the ids of the calls whose file is there; names as in `remove_files`."""
    if folder is None:
        return frozenset()
    return frozenset(
        call_id
        for call_id, name in names.items()
        if (path := _own(folder, name, call_id)) is not None and path.is_file()
    )


def days_until(folder: Path, last: date) -> list[tuple[date, Path]]:
    """Return the folders of days up to ``last``, the earliest first.

    Raises:
        OSError: The folder cannot be read; not when it does not exist.
    """
    try:
        with os.scandir(folder) as entries:
            found = [
                (day, Path(entry.path))
                for entry in entries
                if (day := _day(entry.name)) is not None
                and day <= last
                and entry.is_dir(follow_symlinks=False)
            ]
    except FileNotFoundError:
        return []
    return sorted(found)


def calls_of(day: Path, suffix: str) -> list[str]:
    """Return the ids of the calls that have a file of ``suffix`` in a day's folder, in order.

    Raises:
        OSError: The folder cannot be read; not when another process removed it meanwhile.
    """
    try:
        with os.scandir(day) as entries:
            return sorted(
                entry.name.removesuffix(suffix)
                for entry in entries
                if entry.name.endswith(suffix)
                and _ID.fullmatch(entry.name.removesuffix(suffix))
                and entry.is_file(follow_symlinks=False)
            )
    except FileNotFoundError:
        return []


def remove_if_empty(days: Iterable[Path]) -> None:
    """Remove the folders that hold nothing; the others stay."""
    for day in days:
        try:
            day.rmdir()
        except OSError:
            continue  # not empty, gone already, or read-only, which its files have told


def cause_of(exc: OSError) -> str:
    """Return the name of an error, such as ``EROFS``."""
    return errno.errorcode.get(exc.errno or 0, type(exc).__name__)


def _day(name: str) -> date | None:
    if not _DAY.fullmatch(name):
        return None
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None


def _remove(folder: Path, name: str, call_id: str) -> int | None:
    """Remove a file and return its size; None when it is gone, or not ours to remove."""
    path = _own(folder, name, call_id)
    if path is None:
        _log.error("file_outside_not_removed", call_id=call_id)
        return None
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            _log.error("file_outside_not_removed", call_id=call_id)
            return None
        path.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_size


def _own(folder: Path, name: str, call_id: str) -> Path | None:
    """Return where a call's file is, or None when the name is not that of one."""
    day, _, file = name.partition("/")
    if _day(day) is None or Path(file).stem != call_id or not _ID.fullmatch(call_id):
        return None
    if "/" in file or "\0" in file:
        return None
    path = folder.resolve() / day
    return None if path.is_symlink() else path / file


def portions(ids: list[str], size: int) -> Iterator[list[str]]:
    """Yield ``ids`` in lists of at most ``size``."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
