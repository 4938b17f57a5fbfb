"""Linear PCM: signed 16 bit, little endian, mono; called *s16le* elsewhere."""

import numpy as np

BYTES_PER_SAMPLE = 2
SAMPLE = np.dtype("<i2")
"""One sample as numpy reads it, whatever the machine's own byte order."""


def duration_ms(n_bytes: int, sample_rate: int) -> float:
    """Return how long ``n_bytes`` of s16le play at ``sample_rate`` Hz, in milliseconds."""
    return n_bytes * 1000 / (BYTES_PER_SAMPLE * sample_rate)


def samples_in(ms: float, sample_rate: int) -> int:
    """Return the number of samples nearest to ``ms`` milliseconds at ``sample_rate`` Hz."""
    return round(ms * sample_rate / 1000)


def silence(ms: float, sample_rate: int) -> bytes:
    """Generate silence of ``ms`` milliseconds, to the nearest whole sample, as s16le."""
    return bytes(BYTES_PER_SAMPLE * samples_in(ms, sample_rate))


def swap_bytes(pcm: bytes) -> bytes:
    """Swap the byte order of the samples."""
    return np.frombuffer(pcm, SAMPLE).byteswap().tobytes()
