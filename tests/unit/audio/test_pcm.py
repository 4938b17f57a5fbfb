import pytest

from fwai.audio import pcm


@pytest.mark.parametrize(
    ("n_bytes", "sample_rate", "expected_ms"), [(320, 8000, 20.0), (2, 8000, 0.125), (0, 24000, 0)]
)
def test_duration_follows_bytes_and_rate(
    n_bytes: int, sample_rate: int, expected_ms: float
) -> None:
    assert pcm.duration_ms(n_bytes, sample_rate) == expected_ms


def test_silence_is_zeros_of_whole_samples() -> None:
    assert pcm.silence(20, 8000) == bytes(320)
    assert pcm.silence(0.2, 8000) == bytes(4)
    assert pcm.silence(0, 8000) == b""


def test_silence_lasts_as_long_as_asked() -> None:
    assert pcm.duration_ms(len(pcm.silence(123, 16000)), 16000) == 123
