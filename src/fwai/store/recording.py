"""Two-channel recordings, caller left and agent right, streamed to disk on one time line.

Theory of operation: both sides are laid into a window of about a second; when newer audio needs
room, the oldest part of the window becomes final and goes to the ``FileWriter``, which puts it at
its offset, so that what was never written reads as silence. The agent's audio may be ahead of time
by up to half a window and is cut back there when the caller interrupts. Frames do not arrive on
time: one that is late or early by a jitter joins the one before it; one that is later leaves a gap
of silence, which a burst that follows it (a stalled network) fills from its end.
"""

import os
import struct
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import structlog

from fwai.errors import StoreError
from fwai.store.file_writer import FileWriter

WINDOW_S = 1.0
SLIDE_S = 0.25
CALLER_JITTER_S = 0.1
AGENT_JITTER_S = 0.02
MAX_BURST_S = 0.5
HEADER_BYTES = 44
FRAME_BYTES = 4
MAX_DATA_BYTES = 0xFFFF_FFFF - HEADER_BYTES
_UNKNOWN_SIZE = 0xFFFF_FFFF
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")

_Samples: TypeAlias = npt.NDArray[np.int16]

_log = structlog.get_logger()


class WavRecorder:
    """Records one call; every method but ``close`` only touches memory.

    Args:
        path: The file to write; its directory is created.
        sample_rate: Of both sides, in Hz.
        started_at: The session clock's time of the first sample, in seconds.

    Attributes:
        dropped_samples: Audio that came too late, too early or too often to be placed.
    """

    def __init__(self, path: Path, sample_rate: int, started_at: float, files: FileWriter) -> None:
        self.dropped_samples = 0
        self._path = path
        self._rate = sample_rate
        self._started_at = started_at
        self._files = files
        self._slide = int(SLIDE_S * sample_rate)
        self._window = np.zeros((int(WINDOW_S * sample_rate) + self._slide, 2), dtype="<i2")
        self._base = 0  # the window's first sample on the time line; all before it is final
        self._caller = _Run()
        self._agent_next = 0  # where its speech would go on
        self._agent_end = 0
        self._written_end = 0
        self._closed = False
        files.write_at(path, 0, header(sample_rate, _UNKNOWN_SIZE))

    def caller(self, pcm: bytes, at: float) -> None:
        """Add what the caller said, s16le at the leg's rate; ``at`` is the session clock's time."""
        samples = _samples(pcm)
        index = self._index(at)
        if self._closed or index is None or not len(samples):
            self.dropped_samples += len(samples)
            return
        run = self._caller
        early = run.end - index
        if not run.begun or -early > CALLER_JITTER_S * self._rate:
            run.gap_start, run.start, run.end = run.end, index, index
            run.begun = True
        elif early > 0:
            self._fill_gap(early)
            if run.end - index > MAX_BURST_S * self._rate:
                self.dropped_samples += len(samples)
                return
        run.end = self._place(samples, run.end, 0)

    def agent(self, pcm: bytes, at: float) -> None:
        """Add what the caller will hear from time ``at`` on."""
        samples = _samples(pcm)
        index = self._index(at)
        if self._closed or index is None or not len(samples):
            self.dropped_samples += len(samples)
            return
        if abs(index - self._agent_next) <= AGENT_JITTER_S * self._rate:
            index = self._agent_next
        self._agent_next = self._place(samples, index, 1)
        self._agent_end = max(self._agent_end, self._agent_next)

    def cut(self, at: float) -> None:
        """Forget agent audio after ``at``: the caller interrupted it."""
        index = self._index(at)
        if index is None or self._closed:
            return
        self._window[max(index - self._base, 0) :, 1] = 0
        self._agent_next = min(self._agent_next, max(index, self._base))
        self._agent_end = min(self._agent_end, max(index, self._base))

    async def close(self) -> None:
        """Finish the file; more than once does nothing."""
        if self._closed:
            return
        self._closed = True
        self._emit(len(self._window))
        size = self._written_end * FRAME_BYTES
        self._files.write_at(self._path, 0, header(self._rate, size))
        self._window = np.zeros((0, 2), dtype="<i2")
        if self.dropped_samples:
            _log.warning("recording_samples_dropped", samples=self.dropped_samples)
        await self._files.flush()

    # ---- inside ----------------------------------------------------------------------------

    def _index(self, at: float) -> int | None:
        """Return the sample of the time line at ``at``; None where no file could hold it."""
        offset_s = at - self._started_at
        if not 0 <= offset_s < MAX_DATA_BYTES / FRAME_BYTES / self._rate - WINDOW_S:
            return 0 if -MAX_BURST_S < offset_s < 0 else None
        return round(offset_s * self._rate)

    def _place(self, samples: _Samples, index: int, side: int) -> int:
        """Lay samples into the window, which slides as far as needed; return their end."""
        for at in range(0, len(samples), self._slide):
            self._place_piece(samples[at : at + self._slide], index + at, side)
        return index + len(samples)

    def _place_piece(self, samples: _Samples, index: int, side: int) -> None:
        end = index + len(samples)
        missing = end - (self._base + len(self._window))
        if missing > 0:
            self._emit(max(missing, self._slide))
        late = min(max(self._base - index, 0), len(samples))
        self.dropped_samples += late
        start = index + late - self._base
        if late < len(samples):
            self._window[start : end - self._base, side] = samples[late:]

    def _emit(self, count: int) -> None:
        """Hand the window's first ``count`` samples over and move it on."""
        held = min(count, max(self._caller.end, self._agent_end) - self._base, len(self._window))
        if held > 0:
            offset = HEADER_BYTES + self._base * FRAME_BYTES
            self._files.write_at(self._path, offset, self._window[:held].tobytes())
            self._written_end = self._base + held
        rest = max(len(self._window) - count, 0)
        self._window[:rest] = self._window[len(self._window) - rest :]
        self._window[rest:] = 0
        self._base += count

    def _fill_gap(self, early: int) -> None:
        """Move the caller's newest run back into the gap before it, as far as it is not final."""
        run = self._caller
        room = run.start - max(run.gap_start, self._base)
        shift = min(early, room)
        if shift <= 0:
            return
        column = self._window[:, 0]
        start, end = run.start - self._base, run.end - self._base
        column[start - shift : end - shift] = column[start:end].copy()
        column[end - shift : end] = 0
        run.start -= shift
        run.end -= shift


class _Run:
    """The caller's newest audio without a gap, and where the gap before it begins."""

    __slots__ = ("begun", "end", "gap_start", "start")

    def __init__(self) -> None:
        self.begun = False
        self.gap_start = 0
        self.start = 0
        self.end = 0


def header(sample_rate: int, data_bytes: int) -> bytes:
    """Return the header of a two-channel s16 file; the size of an unfinished one is the largest."""
    return _HEADER.pack(
        b"RIFF",
        min(data_bytes + HEADER_BYTES - 8, _UNKNOWN_SIZE),
        b"WAVE",
        b"fmt ",
        16,
        1,
        2,
        sample_rate,
        sample_rate * FRAME_BYTES,
        FRAME_BYTES,
        16,
        b"data",
        min(data_bytes, _UNKNOWN_SIZE),
    )


def repair(path: Path) -> bool:
    """Give the recording of a process that died its true sizes; False when it is none of ours.

    Raises:
        StoreError: The file cannot be read or written.
    """
    try:
        with path.open("r+b") as file:
            start = file.read(HEADER_BYTES)
            if len(start) < HEADER_BYTES:
                return False
            fields = _HEADER.unpack(start)
            sample_rate = fields[7]
            if start[:4] != b"RIFF" or fields[9] != FRAME_BYTES or fields[11] != b"data":
                return False
            frames = (file.seek(0, os.SEEK_END) - HEADER_BYTES) // FRAME_BYTES
            file.truncate(HEADER_BYTES + frames * FRAME_BYTES)
            file.seek(0)
            file.write(header(sample_rate, frames * FRAME_BYTES))
    except FileNotFoundError:
        return False
    except OSError as exc:
        raise StoreError(f"recording {path}: {exc.strerror}") from exc
    return True


def _samples(pcm: bytes) -> _Samples:
    return np.frombuffer(pcm, dtype="<i2", count=len(pcm) // 2)
