"""Measured: nothing lost, nothing shifted, images and aliases below -70 dB, and soxr agrees."""

import itertools
import math

import numpy as np
import numpy.typing as npt
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from fwai.audio.resample import RATES_HZ, Resampler, _kernel

Floats = npt.NDArray[np.float64]
PAIRS = list(itertools.permutations(sorted(RATES_HZ), 2))
RUN_LENGTHS = st.one_of(st.integers(0, 40), st.sampled_from([160, 320, 480, 960, 4000, 12345]))


def to_pcm(samples: Floats) -> bytes:
    return np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()


def to_floats(pcm: bytes) -> Floats:
    return np.frombuffer(pcm, "<i2").astype(np.float64)


def noise(count: int, peak: float = 32767) -> Floats:
    return np.random.default_rng(count).uniform(-peak, peak, count)


def tone(hz: float, sample_rate: int, seconds: float = 0.25, amplitude: float = 16000) -> Floats:
    return amplitude * np.sin(
        2 * np.pi * hz * np.arange(round(seconds * sample_rate)) / sample_rate
    )


def convert(samples: Floats, in_hz: int, out_hz: int) -> Floats:
    resampler = Resampler(in_hz, out_hz)
    return to_floats(resampler.feed(to_pcm(samples)) + resampler.flush())


def spectrum_db(samples: Floats, sample_rate: int) -> tuple[Floats, Floats]:
    """Frequencies and levels relative to a tone of amplitude 16000; edges of the run left out."""
    middle = samples[sample_rate // 50 : -sample_rate // 50]
    window = np.kaiser(len(middle), 14)
    level = np.abs(np.fft.rfft(middle * window)) / (window.sum() / 2 * 16000)
    hz = np.asarray(np.fft.rfftfreq(len(middle), 1 / sample_rate))
    return hz, np.asarray(20 * np.log10(level + 1e-9))


# ---- accounting ---------------------------------------------------------------------------


@pytest.mark.parametrize(("in_hz", "out_hz"), PAIRS)
@settings(deadline=None, max_examples=25)
@given(lengths=st.lists(RUN_LENGTHS, max_size=12))
def test_output_is_whole_and_does_not_depend_on_how_the_input_is_cut(
    in_hz: int, out_hz: int, lengths: list[int]
) -> None:
    total = sum(lengths)
    pcm = to_pcm(noise(total))
    whole, cut = Resampler(in_hz, out_hz), Resampler(in_hz, out_hz)
    ends = [2 * end for end in itertools.accumulate(lengths, initial=0)]

    pieces = [cut.feed(pcm[start:end]) for start, end in itertools.pairwise(ends)]

    assert b"".join(pieces) + cut.flush() == whole.feed(pcm) + whole.flush()
    assert len(convert(noise(total), in_hz, out_hz)) == math.ceil(total * out_hz / in_hz)


@pytest.mark.parametrize(("in_hz", "out_hz"), PAIRS)
def test_no_output_waits_longer_than_two_milliseconds(in_hz: int, out_hz: int) -> None:
    """Also while the input arrives sample by sample."""
    resampler = Resampler(in_hz, out_hz)
    made = 0

    withheld_ms = []
    for taken in range(1, 300):
        made += len(resampler.feed(b"\0\0")) // 2
        withheld_ms.append(taken * 1000 / in_hz - made * 1000 / out_hz)

    assert max(withheld_ms) <= resampler.delay_ms + 1e-9
    assert resampler.delay_ms <= 2.0


@pytest.mark.parametrize(("in_hz", "out_hz"), PAIRS)
def test_twenty_milliseconds_in_are_twenty_milliseconds_out(in_hz: int, out_hz: int) -> None:
    """From the second run on: no bursts, so no jitter."""
    resampler = Resampler(in_hz, out_hz)
    run = bytes(2 * in_hz // 50)
    resampler.feed(run)

    assert {len(resampler.feed(run)) for _ in range(20)} == {2 * out_hz // 50}


def test_equal_rates_pass_through() -> None:
    resampler = Resampler(16000, 16000)

    assert resampler.feed(b"\x01\x02\x03\x04") == b"\x01\x02\x03\x04"
    assert resampler.flush() == b""
    assert resampler.delay_ms == 0
    resampler.reset()


def test_after_flush_it_is_as_new() -> None:
    first = to_pcm(noise(500))
    resampler = Resampler(8000, 16000)

    once = resampler.feed(first) + resampler.flush()

    assert resampler.feed(first) + resampler.flush() == once
    assert resampler.flush() == b""


def test_reset_forgets_the_input() -> None:
    resampler = Resampler(24000, 8000)
    resampler.feed(to_pcm(noise(500)))
    resampler.reset()

    assert set(resampler.feed(bytes(2000))) == {0}
    resampler.reset()
    assert resampler.flush() == b""


def test_half_a_sample_is_refused() -> None:
    for resampler in (Resampler(8000, 16000), Resampler(8000, 8000)):
        with pytest.raises(ValueError, match="whole number"):
            resampler.feed(b"\0\0\0")


@pytest.mark.parametrize(("in_hz", "out_hz"), [(8000, 44100), (11025, 8000), (0, 0)])
def test_unknown_rates_are_refused(in_hz: int, out_hz: int) -> None:
    with pytest.raises(ValueError, match="cannot convert"):
        Resampler(in_hz, out_hz)


# ---- sound --------------------------------------------------------------------------------


@pytest.mark.parametrize(("in_hz", "out_hz"), PAIRS)
def test_a_constant_stays_as_it_is(in_hz: int, out_hz: int) -> None:
    out = convert(np.full(2000, 12345.0), in_hz, out_hz)

    margin = round(0.002 * out_hz)
    assert set(out[margin:-margin].tolist()) == {12345.0}


@pytest.mark.parametrize(("in_hz", "out_hz"), PAIRS)
def test_too_loud_saturates(in_hz: int, out_hz: int) -> None:
    """The overshoot of a full-scale square wave must not turn into its opposite."""
    half_wave = in_hz // 100
    square = np.tile(np.repeat([32767.0, -32768.0], half_wave), 20)

    out = convert(square, in_hz, out_hz)[out_hz // 100 : -out_hz // 100]

    since_edge = (np.arange(len(out)) * in_hz / out_hz + 0.5) % half_wave
    edge = 1.5 * max(1, in_hz / out_hz)  # what rises or falls there, and overshoots behind it
    wave = out[(since_edge > edge) & (since_edge < half_wave - edge)]
    assert np.abs(wave).min() > 28000
    assert np.count_nonzero(np.diff(np.sign(wave))) == 37  # 38 half waves are left
    assert (wave.max(), wave.min()) == (32767, -32768)


@pytest.mark.parametrize(("in_hz", "out_hz"), PAIRS)
def test_sums_are_exact_in_float64(in_hz: int, out_hz: int) -> None:
    """Then the order of summation, which depends on the machine, cannot matter."""
    divisor = math.gcd(in_hz, out_hz)
    kernel, _, _ = _kernel(out_hz // divisor, in_hz // divisor)
    in_steps = kernel * 2.0**30

    assert (in_steps == np.rint(in_steps)).all()
    assert 32768 * np.abs(in_steps).sum(axis=0).max() < 2**53


@pytest.mark.parametrize(("in_hz", "out_hz"), PAIRS)
def test_pass_band_is_flat(in_hz: int, out_hz: int) -> None:
    """At 8 kHz: 0.1 dB up to 3.1 kHz and 0.6 dB up to 3.4 kHz; in proportion at higher rates."""
    lower = min(in_hz, out_hz)

    for part, limit_db in [(0.025, 0.1), (0.2, 0.1), (0.3, 0.1), (0.3875, 0.1), (0.425, 0.6)]:
        out = convert(tone(part * lower, in_hz), in_hz, out_hz)
        steady = out[out_hz // 20 : -out_hz // 20]  # 0.15 s: whole periods of each tone
        level_db = 20 * math.log10(math.sqrt(2 * (steady**2).mean()) / 16000)
        assert abs(level_db) < limit_db


@pytest.mark.parametrize(("in_hz", "out_hz"), PAIRS)
def test_tones_have_no_images(in_hz: int, out_hz: int) -> None:
    """Up to 3.6 kHz at 8 kHz, everything but the tone itself is below -70 dB."""
    lower = min(in_hz, out_hz)

    for part in np.linspace(0.01, 0.45, 12):
        out = convert(tone(part * lower, in_hz), in_hz, out_hz)
        hz, level_db = spectrum_db(out, out_hz)
        assert level_db[np.abs(hz - part * lower) > 0.006 * out_hz].max() < -70


@pytest.mark.parametrize(("in_hz", "out_hz"), [pair for pair in PAIRS if pair[0] > pair[1]])
def test_tones_above_the_transition_leave_no_alias(in_hz: int, out_hz: int) -> None:
    """From 4.4 kHz at 8 kHz on."""
    for hz in np.linspace(0.55 * out_hz, 0.499 * in_hz, 20):
        level_db = spectrum_db(convert(tone(hz, in_hz), in_hz, out_hz), out_hz)[1]
        assert level_db.max() < -70


@pytest.mark.parametrize(("in_hz", "out_hz"), PAIRS)
def test_agrees_with_soxr_at_its_best(in_hz: int, out_hz: int) -> None:
    """On noise up to 3 kHz (at 8 kHz), sample by sample: level, phase and position."""
    count = in_hz
    lines = np.fft.rfft(noise(count, 1))
    lines[np.fft.rfftfreq(count, 1 / in_hz) > 0.375 * min(in_hz, out_hz)] = 0
    samples = np.fft.irfft(lines, count)
    samples *= 16000 / np.abs(samples).max()

    out = convert(samples, in_hz, out_hz)
    best = soxr.resample(samples, in_hz, out_hz, quality="VHQ")

    middle = slice(out_hz // 10, -out_hz // 10)
    error = out[middle] - best[middle]
    snr_db = 10 * math.log10((best[middle] ** 2).mean() / (error**2).mean())
    assert snr_db > 70
