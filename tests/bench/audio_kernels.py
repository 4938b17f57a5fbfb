"""Print what the audio hot path costs, in microseconds per operation.

Run: ``.venv/bin/python tests/bench/audio_kernels.py``. Each figure is the best of several rounds;
nothing is asserted, machines differ.
"""

import functools
import sys
import timeit
from collections.abc import Callable

import numpy as np

from fwai.audio import g711
from fwai.audio.playout import PlayoutBuffer
from fwai.audio.resample import Resampler
from fwai.audio.speech import SpeechDetector

ROUNDS = 5
LOOPS = 2000
FEEDS_MS = (20, 40)
RATE_PAIRS = ((8, 16), (16, 8), (24, 8), (24, 16), (16, 24), (8, 24), (48, 16), (16, 48), (24, 48))


def noise(ms: int, rate_hz: int) -> bytes:
    return (np.random.default_rng(0).normal(0, 4000, ms * rate_hz // 1000)).astype("<i2").tobytes()


def report(name: str, operation: Callable[[], object]) -> None:
    operation()
    best_us = min(timeit.repeat(operation, number=LOOPS, repeat=ROUNDS)) / LOOPS * 1e6
    sys.stdout.write(f"{name:44s}{best_us:8.2f} us\n")


def bench_resampler() -> None:
    for in_khz, out_khz in RATE_PAIRS:
        for ms in FEEDS_MS:
            resampler = Resampler(in_khz * 1000, out_khz * 1000)
            run = noise(ms, in_khz * 1000)
            report(
                f"resample {in_khz}->{out_khz} kHz, {ms} ms", functools.partial(resampler.feed, run)
            )


def bench_codes() -> None:
    pcm = noise(20, 8000)
    ulaw = g711.pcm_to_ulaw(pcm)
    report("mu-law decode, 20 ms", lambda: g711.ulaw_to_pcm(ulaw))
    report("mu-law encode, 20 ms", lambda: g711.pcm_to_ulaw(pcm))


def bench_speech() -> None:
    for ms in (20, 40, 100):
        detector = SpeechDetector(8000)
        run = noise(ms, 8000)
        report(f"speech detector, {ms} ms at 8 kHz", functools.partial(detector.feed, run))


def bench_playout() -> None:
    buffer = PlayoutBuffer(8000)
    run = noise(80, 8000)
    now = 1000.0

    def push_and_take() -> None:
        nonlocal now
        buffer.push(run)
        now += 0.080
        buffer.take(now)

    report("playout, push and take 80 ms at 8 kHz", push_and_take)
    report("playout, take with nothing held", lambda: buffer.take(now))


if __name__ == "__main__":
    bench_resampler()
    bench_codes()
    bench_speech()
    bench_playout()
