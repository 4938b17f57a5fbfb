"""Cuts silence off the ends of a recording."""

from typing import Final

import numpy as np

from fwai.audio.pcm import BYTES_PER_SAMPLE, SAMPLE, samples_in

_FRAME_MS: Final = 10.0
_FULL_SCALE_POWER: Final = 32768.0**2


def trim_silence(
    pcm: bytes, sample_rate: int, *, threshold_dbfs: float = -45.0, keep_ms: float = 60.0
) -> bytes:
    """Return s16le mono from shortly before its first audible frame to shortly after its last.

    Args:
        pcm: Half a sample at its end is dropped.
        sample_rate: Of it, in Hz.
        threshold_dbfs: Mean power, relative to 32768 squared, above which a frame is audible.
        keep_ms: How much is kept around what is audible, as far as it is there.

    Returns:
        Nothing at all when no frame is audible.
    """
    size = samples_in(_FRAME_MS, sample_rate)
    whole = len(pcm) // (BYTES_PER_SAMPLE * size)
    samples = np.frombuffer(pcm, SAMPLE, whole * size).astype(np.float64).reshape(whole, size)
    power = np.square(samples).mean(axis=1)
    audible = np.flatnonzero(power > 10 ** (threshold_dbfs / 10) * _FULL_SCALE_POWER)
    if not len(audible):
        return b""
    kept = samples_in(keep_ms, sample_rate)
    start = max(0, int(audible[0]) * size - kept)
    end = min(len(pcm) // BYTES_PER_SAMPLE, (int(audible[-1]) + 1) * size + kept)
    return pcm[start * BYTES_PER_SAMPLE : end * BYTES_PER_SAMPLE]
