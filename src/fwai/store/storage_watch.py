"""Whether files can be written: told from what the writer finds out, and looked at while it fails.

Theory of operation. A folder is tried once at the start, before any call needs it. After that only
what is written tells, until something fails: then every failing folder is tried every `LOOK_S`
until it takes a file again, so that what an operator has mended is known before the next call. What
waits to be written comes first: only the writer knows whether it goes.
"""

import asyncio
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from fwai.domain.failure import Area, Trouble, storage_words
from fwai.interfaces.failures import Failures
from fwai.store.file_writer import FILE_MODE, FileWriter, Flushed
from fwai.store.folders import make_folder

LOOK_S: Final = 30.0
TRIAL_BYTES: Final = 8192  # an empty file may find room on a full disk
OTHER: Final = "files"


class StorageWatch:
    """Tells of folders that cannot be written, and of their mending.

    Args:
        failures: Who is told.
        folders: By what is kept in them, with the setting that says where each is.
        rarely: The same, of those that may never be needed: not tried at the start.
        look_s: Between two looks at what fails.
    """

    def __init__(
        self,
        failures: Failures,
        folders: Mapping[str, tuple[Path, str]],
        *,
        rarely: Mapping[str, tuple[Path, str]] | None = None,
        look_s: float = LOOK_S,
    ) -> None:
        self._look_s = look_s
        self._failures = failures
        self._rarely = frozenset(rarely or ())
        self._folders = {**folders, **(rarely or {})}
        self._failing: set[str] = set()
        self._wake = asyncio.Event()

    def flushed(self, done: Flushed) -> None:
        """Take in what came of a flush."""
        failed = {self._name(path): error for path, error in done.failed.items()}
        for name, error in failed.items():
            self._failed(name, error)
        for name in {self._name(path) for path in done.written} - failed.keys():
            self._mended(name)

    async def try_folders(self) -> None:
        """Try every folder once that will be needed."""
        for name in self._folders.keys() - self._rarely:
            await self._try(name)

    async def run(self, files: FileWriter) -> None:
        """Look at what fails until it is mended; runs until cancelled."""
        while True:
            if not self._failing:
                await self._wake.wait()
            self._wake.clear()
            while self._failing:
                await asyncio.sleep(self._look_s)
                if files.pending_bytes:
                    await files.flush()
                    continue
                for name in list(self._failing):
                    await self._try(name)

    async def _try(self, name: str) -> None:
        if name not in self._folders:  # of no folder of ours: the next file tells
            self._failing.discard(name)
            return
        error = await asyncio.to_thread(_trial, self._folders[name][0])
        if error is None:
            self._mended(name)
        else:
            self._failed(name, error)

    def _failed(self, name: str, error: OSError) -> None:
        _, setting = self._folders.get(name, (None, "DATA_DIR"))
        cause, fix = storage_words(error, setting)
        self._failures.seen(Trouble(Area.STORAGE, name, cause, fix))
        self._failing.add(name)
        self._wake.set()

    def _mended(self, name: str) -> None:
        self._failing.discard(name)
        self._failures.mended(Area.STORAGE, name)

    def _name(self, path: Path) -> str:
        for name, (folder, _) in self._folders.items():
            if path.is_relative_to(folder):
                return name
        return OTHER


def _trial(folder: Path) -> OSError | None:
    """Write a file into a folder and delete it; return what stopped that."""
    path = folder / f".fwai-trial-{secrets.token_hex(4)}"
    try:
        make_folder(folder)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        try:
            left = TRIAL_BYTES
            while left:
                left -= os.write(handle, bytes(left))
        finally:
            os.close(handle)
    except OSError as exc:
        return exc
    finally:
        with suppress(OSError):
            path.unlink()
    return None
