"""What callers said after the tone: ``<call id>.wav`` in a folder of its own.

A file appears under its name only when it is whole. What a crash left half is called
``.<call id>.<random>.part`` and goes with the housekeeping.
"""

import asyncio
import os
import re
import secrets
import stat
import wave
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import structlog

from fwai.domain.call import CallId
from fwai.errors import StoreError
from fwai.store.file_writer import Flushed
from fwai.store.folders import make_folder
from fwai.store.kept_files import FileCount, cause_of

FOLDER: Final = "voice-messages"
SUFFIX: Final = ".wav"
PART: Final = ".part"
FILE_MODE: Final = 0o600
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

_log = structlog.get_logger()


class VoiceMessages:
    """Keeps voice messages.

    Args:
        folder: None keeps none.
        tell: Told of each that was or could not be written.
    """

    def __init__(self, folder: Path | None, tell: Callable[[Flushed], None]) -> None:
        self._folder = folder
        self._tell = tell

    async def keep(self, call_id: CallId, pcm: bytes, sample_rate: int) -> None:
        """Write a call's message; a second one of the same call replaces it.

        Args:
            call_id: Whose it is.
            pcm: s16le mono.
            sample_rate: In Hz.

        Raises:
            StoreError: It could not be written; nothing is left of it.
        """
        if self._folder is None or not _ID.fullmatch(call_id):
            raise StoreError("there is no folder for voice messages")
        path = self._folder / f"{call_id}{SUFFIX}"
        try:
            await asyncio.to_thread(_write, path, pcm, sample_rate)
        except OSError as exc:
            self._tell(Flushed(failed={path: exc}))
            raise StoreError(f"voice message: {exc.strerror}") from exc
        self._tell(Flushed(written=(path,)))


# ---- what blocks: call it in a thread -----------------------------------------------------------


def _write(path: Path, pcm: bytes, sample_rate: int) -> None:
    make_folder(path.parent)
    part = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{PART}")
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        with os.fdopen(handle, "wb") as file:
            with wave.open(file, "wb") as sound:
                sound.setnchannels(1)
                sound.setsampwidth(2)
                sound.setframerate(sample_rate)
                sound.writeframes(pcm[: len(pcm) // 2 * 2])
            file.flush()
            os.fsync(handle)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def written_at(folder: Path | None) -> dict[str, float]:
    """Return the calls that have a message, in order, each with its Unix time in seconds.

    Raises:
        OSError: The folder cannot be read; not when it does not exist.
    """
    return {
        name.removesuffix(SUFFIX): at
        for name, at in _files(folder)
        if name.endswith(SUFFIX) and _ID.fullmatch(name.removesuffix(SUFFIX))
    }


def remove(folder: Path | None, call_ids: Iterable[str]) -> FileCount:
    """Remove the messages of calls; one that is not there is as good as removed."""
    files = removed_bytes = 0
    stay, cause = set(), ""
    for call_id in call_ids if folder is not None else ():
        try:
            size = _remove(folder, call_id) if folder is not None else None
        except OSError as exc:
            stay.add(call_id)
            cause = cause or cause_of(exc)
        else:
            files += size is not None
            removed_bytes += size or 0
    return FileCount(files, removed_bytes, frozenset(stay), cause)


def remove_parts(folder: Path | None, before: float) -> None:
    """Remove what crashes left half before a Unix time.

    Raises:
        OSError: One cannot be removed.
    """
    for name, at in _files(folder):
        if folder is not None and name.startswith(".") and name.endswith(PART) and at < before:
            (folder / name).unlink(missing_ok=True)


def _remove(folder: Path, call_id: str) -> int | None:
    """Remove a call's message and return its size; None when there is none of ours."""
    if not _ID.fullmatch(call_id):
        return None
    path = folder / f"{call_id}{SUFFIX}"
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            _log.error("file_outside_not_removed", call_id=call_id)
            return None
        path.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_size


def _files(folder: Path | None) -> list[tuple[str, float]]:
    """Return names and times of the plain files in a folder, in order."""
    if folder is None:
        return []
    try:
        with os.scandir(folder) as entries:
            return sorted(
                (entry.name, entry.stat(follow_symlinks=False).st_mtime)
                for entry in entries
                if entry.is_file(follow_symlinks=False)
            )
    except FileNotFoundError:
        return []
