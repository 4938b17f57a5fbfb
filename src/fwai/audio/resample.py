"""Streaming sample rate conversion between the rates of telephony and of the model.

Theory of operation. Output ``n`` lies at input position ``n * down / up`` and is a windowed sinc
around it, reaching 16 samples of the lower rate to either side: that is the delay, at most 2 ms.
``up`` outputs per ``down`` inputs repeat the same offsets and form a *group*. The buffer is viewed
as overlapping rows of 16 groups each, so that one small matrix product makes a whole run of audio.
A row that reaches beyond the input is computed all the same and its groups are thrown away; they
are made again when their input is there. No output waits for more than its own group.

Samples are 16-bit integers and coefficients are multiples of 2**-30, so every product and every sum
is exact in float64. The result therefore does not depend on the order of summation: it is the same
bit for bit however the input is cut, and on every machine.
"""

import functools
import math
from typing import Final

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from fwai.audio.pcm import SAMPLE

RATES_HZ: Final = frozenset({8000, 16000, 24000, 48000})

_HALF_WIDTH = 16  # samples of the lower rate to either side: 32 taps per phase
_KAISER_BETA = 7.5  # stopband below -76 dB
# Of the lower rate's Nyquist frequency. At 8 kHz: -0.4 dB at 3.4 kHz, stopband from 4.36 kHz.
_CUTOFF = 0.94
_COEFFICIENT_STEP = 2.0**-30
_ROW_GROUPS = 16  # fewer make more rows, more make more products with zeros; flat between 8 and 32
_MAX_ROWS = 64  # 128 ms of the lower rate 8 kHz; longer runs are converted in pieces

Floats = npt.NDArray[np.float64]


class Resampler:
    """Converts a stream of s16le mono from ``in_hz`` to ``out_hz``; equal rates pass through.

    ``n`` input samples make exactly ``ceil(n * out_hz / in_hz)`` output samples once flushed: all
    whose instant lies within the input. The first output sample lies at the instant of the first
    input sample, so nothing is shifted; before the first and after the last there is silence.

    Attributes:
        delay_ms: How long the newest input waits for what follows it, at most.

    Raises:
        ValueError: A rate is not one of ``RATES_HZ``.
    """

    def __init__(self, in_hz: int, out_hz: int) -> None:
        if not {in_hz, out_hz} <= RATES_HZ:
            raise ValueError(f"cannot convert {in_hz} Hz to {out_hz} Hz; known: {sorted(RATES_HZ)}")
        divisor = math.gcd(in_hz, out_hz)
        self._up = up = out_hz // divisor
        self._down = down = in_hz // divisor
        self._passes = in_hz == out_hz
        self._before = 0
        self.delay_ms = 0.0
        self._taken = 0
        self._given = 0
        if self._passes:
            return
        kernel, self._width, self._before = _kernel(up, down)
        self._kernel = kernel
        self.delay_ms = (self._width - self._before - 1) * 1000 / in_hz
        row = _ROW_GROUPS * down
        # The longest run of which all groups fit into _MAX_ROWS rows.
        self._buffer = np.zeros(_MAX_ROWS * row + self._width - 1)
        self._rows = as_strided(
            self._buffer,
            shape=(_MAX_ROWS, kernel.shape[0]),
            strides=(row * self._buffer.itemsize, self._buffer.itemsize),
            writeable=False,
        )
        self._products = np.empty((_MAX_ROWS, kernel.shape[1]))
        self._output = self._products.reshape(-1)
        self._filled = self._before

    def feed(self, pcm: bytes) -> bytes:
        """Convert s16le samples and return those that are ready; possibly none.

        Equal runs that are a multiple of ``in_hz / out_hz`` samples return runs of equal length
        from the second one on (the first is shorter). What exceeds 16 bits saturates.

        Raises:
            ValueError: ``pcm`` is not a whole number of samples.
        """
        if len(pcm) & 1:
            raise ValueError("pcm is not a whole number of samples")
        if self._passes or not pcm:
            return pcm
        samples = np.frombuffer(pcm, SAMPLE)
        count = len(samples)
        self._taken += count
        room = len(self._buffer) - self._filled
        if count <= room:
            return self._convert(samples)
        pieces = []
        at = 0
        while at < count:
            piece = samples[at : at + len(self._buffer) - self._filled]
            pieces.append(self._convert(piece))
            at += len(piece)
        return b"".join(pieces)

    def flush(self) -> bytes:
        """Return the pending tail, as if silence followed, and reset."""
        if self._passes:
            return b""
        total = -(-self._taken * self._up // self._down)
        missing = total - self._given
        tail = self._convert(np.zeros(self._width, SAMPLE))
        self.reset()
        return tail[: missing * SAMPLE.itemsize]

    def reset(self) -> None:
        """Reset without returning the tail."""
        self._taken = self._given = 0
        if not self._passes:
            self._filled = self._before
            self._buffer[: self._before] = 0.0

    def _convert(self, samples: npt.NDArray[np.int16]) -> bytes:
        """Append samples to the buffer and compute every group whose input is complete."""
        start, end = self._filled, self._filled + len(samples)
        buffer, down = self._buffer, self._down
        buffer[start:end] = samples
        groups = (end - self._width) // down + 1
        if groups <= 0:
            self._filled = end
            return b""
        rows = -(-groups // _ROW_GROUPS)
        np.dot(self._rows[:rows], self._kernel, out=self._products[:rows])
        made = groups * self._up
        self._given += made
        output = self._output[:made]
        np.rint(output, out=output)
        np.minimum(output, 32767.0, out=output)
        np.maximum(output, -32768.0, out=output)
        used = groups * down
        self._filled = kept = end - used
        buffer[:kept] = buffer[used:end]
        return output.astype(SAMPLE).tobytes()


@functools.cache
def _kernel(up: int, down: int) -> tuple[Floats, int, int]:
    """Build the matrix of one row, the inputs a group needs, and those before its position."""
    half = _HALF_WIDTH * max(up, down) // up
    positions = np.arange(up) * down / up
    # Both ends of the window are zero and left out.
    offsets = np.arange(1 - half, math.ceil(positions[-1] + half))
    distance = offsets[:, None] - positions
    cutoff = _CUTOFF * min(1.0, up / down)
    window = np.i0(_KAISER_BETA * np.sqrt(np.maximum(0.0, 1 - (distance / half) ** 2)))
    taps = np.where(np.abs(distance) < half, np.sinc(cutoff * distance) * window, 0.0)
    taps /= taps.sum(axis=0)  # each phase passes a constant unchanged, so it has no image
    taps = np.rint(taps / _COEFFICIENT_STEP) * _COEFFICIENT_STEP
    width = len(offsets)
    kernel = np.zeros((width + (_ROW_GROUPS - 1) * down, _ROW_GROUPS * up))
    for group in range(_ROW_GROUPS):
        at = group * down
        kernel[at : at + width, group * up : (group + 1) * up] = taps
    kernel.flags.writeable = False
    return kernel, width, half - 1
