"""Held against the tables of ITU-T G.711 (11/1988) and against the audio module of old Pythons."""

import warnings
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pytest

from fwai.audio import g711

Ints = npt.NDArray[np.int64]
ALL_CODES = bytes(range(256))
ALL_PCM = np.arange(-32768, 32768).astype("<i2").tobytes()

# Tables 1a and 2a, "Number of intervals x interval size", from zero outwards.
ULAW_INTERVALS = [(1, 1), (15, 2), (16, 4), (16, 8), (16, 16), (16, 32), (16, 64), (16, 128)]
ULAW_INTERVALS += [(16, 256)]
# Their column "Value at segment end points".
ULAW_ENDS = [31, 95, 223, 479, 991, 2015, 4063, 8159]


def edges(intervals: list[tuple[int, int]]) -> Ints:
    """Decision values x1... of the standard, with zero in front."""
    sizes = [size for count, size in intervals for _ in range(count)]
    return np.concatenate([[0], np.cumsum(sizes)])


ULAW_EDGES = edges(ULAW_INTERVALS)
ULAW_LEVELS = (ULAW_EDGES[:-1] + ULAW_EDGES[1:]) // 2  # the interval around zero gives zero

ULAW_POSITIVE = bytes(0xFF - n for n in range(128))  # table 2a: all ones is the lowest level
ULAW_NEGATIVE = bytes(0x7F - n for n in range(128))


def samples(pcm: bytes) -> Ints:
    return np.frombuffer(pcm, "<i2").astype(np.int64)


def to_pcm(values: Ints) -> bytes:
    return values.astype("<i2").tobytes()


def test_reference_tables_have_the_standards_end_points() -> None:
    assert set(ULAW_ENDS) < set(ULAW_EDGES.tolist())


def test_ulaw_codes_decode_to_the_quantised_values_of_the_standard() -> None:
    assert samples(g711.ulaw_to_pcm(ULAW_POSITIVE)).tolist() == (ULAW_LEVELS * 4).tolist()
    assert samples(g711.ulaw_to_pcm(ULAW_NEGATIVE)).tolist() == (ULAW_LEVELS * -4).tolist()


def test_ulaw_changes_code_exactly_at_the_decision_values() -> None:
    assert g711.pcm_to_ulaw(to_pcm(ULAW_EDGES[:-1] * 4)) == ULAW_POSITIVE
    assert g711.pcm_to_ulaw(to_pcm(ULAW_EDGES[1:] * 4 - 1)) == ULAW_POSITIVE
    assert g711.pcm_to_ulaw(to_pcm(ULAW_EDGES[1:-1] * -4)) == ULAW_NEGATIVE[1:]


def test_ulaw_codes_survive_a_round_trip_except_negative_zero() -> None:
    expected = ALL_CODES.replace(b"\x7f", b"\xff")

    assert g711.pcm_to_ulaw(g711.ulaw_to_pcm(ALL_CODES)) == expected


def test_coding_is_monotonic_and_errs_by_half_a_step_at_most() -> None:
    """A step is at most 1/16 of the magnitude at which its segment begins."""
    original = samples(ALL_PCM)

    heard = samples(g711.ulaw_to_pcm(g711.pcm_to_ulaw(ALL_PCM)))

    assert (np.diff(heard) >= 0).all()
    within = np.abs(original) < 32636  # louder saturates
    error = np.abs(heard - original)[within]
    step = np.maximum(8, (np.abs(original)[within] + 132) / 16)
    assert (error <= step / 2 + 4).all()  # 4: the bits below the standard's samples


def test_ulaw_saturates() -> None:
    assert samples(
        g711.ulaw_to_pcm(g711.pcm_to_ulaw(to_pcm(np.array([32767, -32768]))))
    ).tolist() == [
        32124,
        -32124,
    ]


def test_silence_is_the_code_carriers_send() -> None:
    assert g711.pcm_to_ulaw(bytes(4)) == b"\xff\xff"
    assert g711.ulaw_to_pcm(b"\xff\x7f") == bytes(4)


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="element size"):
        g711.pcm_to_ulaw(b"\0\0\0")


def test_nothing_becomes_nothing() -> None:
    assert g711.ulaw_to_pcm(b"") == g711.pcm_to_ulaw(b"") == b""


@pytest.fixture(scope="module")
def audioop() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        module: ModuleType = pytest.importorskip("audioop", reason="gone from Python 3.13")
    return module


def test_agrees_with_audioop_on_every_input(audioop: ModuleType) -> None:
    assert g711.pcm_to_ulaw(ALL_PCM) == audioop.lin2ulaw(ALL_PCM, 2)
    assert g711.ulaw_to_pcm(ALL_CODES) == audioop.ulaw2lin(ALL_CODES, 2)
