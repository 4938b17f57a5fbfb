"""G.711 mu-law companding by table: one byte on the wire is one s16le sample.

The standard speaks of 14-bit samples. They are the upper bits of ours:
going down, the lower bits are dropped towards minus infinity; going up, they are zero. The standard
leaves open where a sample on a decision value belongs: here to the louder level, as in CPython's
``audioop``.

Source: https://www.itu.int/rec/T-REC-G.711 (11/1988), tables 1a to 2b.
"""

import numpy as np
import numpy.typing as npt

from fwai.audio.pcm import SAMPLE

_CODE = np.dtype(np.uint8)
# Samples index the encoding tables by their bit pattern, so that the look-up needs no offset.
_PATTERN = np.dtype("<u2")


def ulaw_to_pcm(ulaw: bytes) -> bytes:
    """Decode mu-law to s16le: twice as many bytes. Both codes of zero (0xFF, 0x7F) become 0."""
    return _FROM_ULAW.take(np.frombuffer(ulaw, _CODE)).tobytes()


def pcm_to_ulaw(pcm: bytes) -> bytes:
    """Encode s16le as mu-law: half as many bytes. Louder than 32635 saturates.

    Raises:
        ValueError: ``pcm`` is not a whole number of samples.
    """
    return _TO_ULAW.take(np.frombuffer(pcm, _PATTERN)).tobytes()


# ---- tables -------------------------------------------------------------------------------
# A code is a sign (upper bit), a segment (3 bits) and a step within it (4 bits), all sent inverted
# so that silence has many transitions on the line.

_ULAW_INVERTED = 0xFF
_ULAW_BIAS = 33  # makes the segments of mu-law begin at powers of two
_ULAW_SHIFT = 2  # 16 to 14 bits

_Ints = npt.NDArray[np.int64]
_SEGMENT: _Ints = np.arange(128, dtype=np.int64) // 16
_STEP: _Ints = np.arange(128, dtype=np.int64) % 16


def _decoder(levels: _Ints, inverted: int, shift: int) -> npt.NDArray[np.int16]:
    """Build the decoding table of the 256 codes; ``levels`` are the 128 magnitudes."""
    code = np.arange(256) ^ inverted
    magnitude = levels[code & 0x7F] << shift
    return np.asarray(np.where(code & 0x80, -magnitude, magnitude), SAMPLE)


def _samples() -> _Ints:
    """Return all samples in the order of their bit patterns."""
    return np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int64)


def _encoder(magnitudes: _Ints, decisions: _Ints, inverted: int) -> npt.NDArray[np.uint8]:
    """Build the encoding table by bit pattern; a decision value belongs to the level above.

    ``decisions`` are the 127 upper edges of all levels but the highest, which has none.
    """
    sign = np.where(_samples() < 0, 0x80, 0)
    code = np.searchsorted(decisions, magnitudes, side="right") | sign
    return np.asarray(code ^ inverted, _CODE)


# Each level lies in the middle of its interval, which is two of these half steps wide. (Between
# segments the decision value is therefore not in the middle of the two levels.)
_ULAW_HALF_STEPS = np.left_shift(1, _SEGMENT)
_ULAW_LEVELS = np.left_shift(2 * _STEP + _ULAW_BIAS, _SEGMENT) - _ULAW_BIAS


def _ulaw_magnitudes() -> _Ints:
    return np.asarray(np.abs(_samples() >> _ULAW_SHIFT), np.int64)


_FROM_ULAW = _decoder(_ULAW_LEVELS, _ULAW_INVERTED, _ULAW_SHIFT)
_TO_ULAW = _encoder(_ulaw_magnitudes(), (_ULAW_LEVELS + _ULAW_HALF_STEPS)[:-1], _ULAW_INVERTED)
