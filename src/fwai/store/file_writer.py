"""The one place that writes transcripts and recordings to disk, off the event loop.

Theory of operation: writing only adds to a bounded list of pieces per file; once a second one
thread takes the whole list and writes each file's pieces in order, opening and closing the file,
so that no handle outlives a second and a process that is killed loses at most what is younger
than that. A piece that cannot be written (disk full) is put back and tried again with growing
pauses; a torn piece is cut off first. Beyond its bounds the newest pieces are dropped and
counted; a recording keeps its time line even then, because its pieces carry their offset.
"""

import asyncio
import errno
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from fwai.store.folders import make_folder

FLUSH_S = 1.0
STOP_S = 5.0
RETRY_MAX_S = 30.0
MAX_FILE_BYTES = 2 * 1024 * 1024
MAX_TOTAL_BYTES = 32 * 1024 * 1024
FILE_MODE = 0o640

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Piece:
    data: bytes
    offset: int | None  # None: at the end of the file


@dataclass(frozen=True, slots=True)
class Flushed:
    """What came of one flush.

    Attributes:
        written: Files that took all they were to take.
        failed: Files that did not, with what stopped them.
    """

    written: Sequence[Path] = ()
    failed: Mapping[Path, OSError] = field(default_factory=dict)


def flushed_silently(done: Flushed) -> None:
    """Tell nobody."""


class FileWriter:
    """Writes pieces of many files; ``run`` is its one task, everything else may be called any time.

    Args:
        on_flushed: Told what came of each flush; must not block.

    Attributes:
        dropped_bytes: What did not fit the bounds since the start, or could never be written.
    """

    def __init__(
        self,
        *,
        flush_s: float = FLUSH_S,
        max_file_bytes: int = MAX_FILE_BYTES,
        max_total_bytes: int = MAX_TOTAL_BYTES,
        on_flushed: Callable[[Flushed], None] = flushed_silently,
    ) -> None:
        self._on_flushed = on_flushed
        self.dropped_bytes = 0
        self._flush_s = flush_s
        self._max_file_bytes = max_file_bytes
        self._max_total_bytes = max_total_bytes
        self._pieces: dict[Path, list[_Piece]] = {}
        self._sizes: dict[Path, int] = {}
        self._total_bytes = 0
        self._listing = threading.Lock()  # held for moments: the lists above
        self._writing = threading.Lock()  # held by the thread that writes
        self._wake_event = asyncio.Event()
        self._stopping = asyncio.Event()
        self._dropping = False
        self._failing = False

    @property
    def pending_bytes(self) -> int:
        """What is accepted and not yet on disk."""
        return self._total_bytes

    def append(self, path: Path, data: bytes) -> None:
        """Add ``data`` to the end of the file; its directory is created when needed."""
        self._add(path, _Piece(data, None))

    def write_at(self, path: Path, offset: int, data: bytes) -> None:
        """Put ``data`` at ``offset``, in bytes; what is skipped reads as zeros."""
        self._add(path, _Piece(data, offset))

    async def run(self) -> None:
        """Write once a second until ``stop``; what is left when cancelled is written first."""
        pause = self._flush_s
        try:
            while not self._stopping.is_set():
                if not self._total_bytes:
                    await self._wake_event.wait()
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._stopping.wait()
                self._wake_event.clear()
                if await self.flush():
                    pause = self._flush_s
                else:
                    self._wake_event.set()
                    pause = min(max(pause, FLUSH_S) * 2, RETRY_MAX_S)
        finally:
            await self._finish()

    def stop(self) -> None:
        """Let ``run`` write the rest and return."""
        self._stopping.set()
        self._wake_event.set()

    async def flush(self) -> bool:
        """Write what is pending now; False when something could not be written and is kept."""
        if not self._total_bytes:
            return True
        done = await asyncio.to_thread(self._write_all)
        try:
            self._on_flushed(done)
        except Exception as exc:  # noqa: BLE001 - what was written is written
            _log.exception("file_writes_not_told", error=type(exc).__name__)
        return not done.failed

    async def _finish(self) -> None:
        try:
            async with asyncio.timeout(STOP_S):
                await self.flush()
        except TimeoutError:
            pass
        if self._total_bytes:
            _log.error("file_writes_lost", bytes=self._total_bytes)

    def _add(self, path: Path, piece: _Piece) -> None:
        size = len(piece.data)
        if not size:
            return
        with self._listing:
            held = self._sizes.get(path, 0)
            fits = (
                held + size <= self._max_file_bytes
                and self._total_bytes + size <= self._max_total_bytes
            )
            if fits:
                self._pieces.setdefault(path, []).append(piece)
                self._sizes[path] = held + size
                self._total_bytes += size
            else:
                self.dropped_bytes += size
        if not fits and not self._dropping:
            self._dropping = True
            _log.error("file_writes_dropped", pending_bytes=self._total_bytes)
        self._wake_event.set()

    # ---- in the thread ---------------------------------------------------------------------

    def _write_all(self) -> Flushed:
        with self._writing:
            with self._listing:
                batch, self._pieces = self._pieces, {}
            written: list[Path] = []
            failed: dict[Path, OSError] = {}
            for path, pieces in batch.items():
                try:
                    done, error = _write_file(path, pieces)
                except Exception as exc:  # noqa: BLE001 - one file's fault must not stop the others
                    done, error = len(pieces), None
                    lost = sum(len(piece.data) for piece in pieces)
                    self.dropped_bytes += lost
                    _log.error("file_never_written", cause=type(exc).__name__, bytes=lost)
                if error is None:
                    written.append(path)
                else:
                    failed[path] = error
                self._settle(path, pieces, done)
            self._report(next(iter(failed.values()), None))
            return Flushed(written, failed)

    def _settle(self, path: Path, pieces: list[_Piece], done: int) -> None:
        """Forget what was written and put the rest back in front of what came since."""
        written = sum(len(piece.data) for piece in pieces[:done])
        with self._listing:
            self._total_bytes -= written
            left = self._sizes[path] - written
            if left or done < len(pieces):
                self._sizes[path] = left
            else:
                del self._sizes[path]
            if done < len(pieces):
                self._pieces[path] = pieces[done:] + self._pieces.get(path, [])

    def _report(self, failure: OSError | None) -> None:
        if failure is not None and not self._failing:
            cause = errno.errorcode.get(failure.errno or 0, type(failure).__name__)
            _log.error("file_write_failed", cause=cause, path=str(failure.filename or ""))
        elif failure is None and self._failing:
            _log.warning("file_writes_resumed", dropped_bytes=self.dropped_bytes)
            self._dropping = False
        self._failing = failure is not None


def _write_file(path: Path, pieces: Sequence[_Piece]) -> tuple[int, OSError | None]:
    """Write the pieces in order.

    Returns:
        How many were written, and what stopped the next one.
    """
    done = 0
    try:
        handle = _open(path)
    except OSError as exc:
        return done, exc
    try:
        while done < len(pieces):
            run = _run_of_appends(pieces, done)
            data = b"".join(piece.data for piece in pieces[done:run])
            _write_piece(handle, data, pieces[done].offset)
            done = run
    except OSError as exc:
        exc.filename = str(path)
        return done, exc
    finally:
        os.close(handle)
    return done, None


def _run_of_appends(pieces: Sequence[_Piece], start: int) -> int:
    """Return the end of the pieces that one write can carry."""
    end = start + 1
    if pieces[start].offset is None:
        while end < len(pieces) and pieces[end].offset is None:
            end += 1
    return end


def _write_piece(handle: int, data: bytes, offset: int | None) -> None:
    size = os.fstat(handle).st_size
    at = size if offset is None else offset
    rest = memoryview(data)
    try:
        while rest:
            written = os.pwrite(handle, rest, at)
            rest = rest[written:]
            at += written
    except OSError:
        if offset is None:
            with suppress(OSError):
                os.ftruncate(handle, size)
        raise


def _open(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(path, flags, FILE_MODE)
    except FileNotFoundError:
        make_folder(path.parent)
        return os.open(path, flags, FILE_MODE)
