"""One timer for all speech, on a schedule that does not drift."""

import asyncio
import heapq
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from fwai.calls.pacer import TICK_S, Pacer


class Timer:
    """What ``loop.call_at`` returns."""

    def __init__(self, at: float, work: Callable[[], None]) -> None:
        self.at = at
        self.work = work

    def __lt__(self, other: "Timer") -> bool:
        return self.at < other.at


class Clock:
    """An event loop's time and timers, moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, work: Callable[[], None], *_: Any) -> Timer:  # noqa: ANN401
        heapq.heappush(self.timers, timer := Timer(at, work))
        return timer

    def run(self, seconds: float, *, late_s: float = 0.0) -> None:
        until = self.now + seconds
        while self.timers and self.timers[0].at <= until:
            timer = heapq.heappop(self.timers)
            self.now = max(self.now, timer.at + late_s)
            timer.work()
        self.now = max(self.now, until)


class Voice:
    """Has so many ticks' worth of speech."""

    def __init__(self, ticks: int, error: Exception | None = None) -> None:
        self.left = ticks
        self.error = error
        self.at: list[float] = []
        self.failed = 0

    def fail(self) -> None:
        self.failed += 1

    def tick(self, now: float) -> bool:
        self.at.append(now)
        if self.error is not None:
            raise self.error
        self.left -= 1
        return self.left > 0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: made)
    return made


def test_speech_is_ticked_on_an_absolute_schedule(clock: Clock) -> None:
    pacer, voice = Pacer(), Voice(5)
    pacer.add(voice)

    clock.run(1.0, late_s=0.003)

    assert voice.at == pytest.approx([100.003 + n * TICK_S for n in range(1, 6)])


def test_one_timer_serves_everybody_and_rests_when_nobody_speaks(clock: Clock) -> None:
    pacer = Pacer()
    voices = [Voice(2), Voice(3)]
    for voice in voices:
        pacer.add(voice)
    assert len(clock.timers) == 1

    clock.run(1.0)

    assert [len(voice.at) for voice in voices] == [2, 3]
    assert clock.timers == []


def test_a_rested_pacer_starts_again(clock: Clock) -> None:
    pacer = Pacer()
    pacer.add(Voice(1))
    clock.run(1.0)
    again = Voice(1)

    pacer.add(again)
    clock.run(1.0)

    assert again.at == pytest.approx([101.0 + TICK_S])


def test_a_removed_one_is_not_ticked(clock: Clock) -> None:
    pacer, stays, goes = Pacer(), Voice(3), Voice(3)
    pacer.add(stays)
    pacer.add(goes)
    clock.run(TICK_S)

    pacer.remove(goes)
    pacer.remove(goes)
    clock.run(1.0)

    assert (len(stays.at), len(goes.at)) == (3, 1)


def test_one_that_breaks_is_told_and_does_not_silence_the_others(clock: Clock) -> None:
    pacer, good, bad = Pacer(), Voice(3), Voice(3, ValueError("broken"))
    pacer.add(bad)
    pacer.add(good)

    with capture_logs() as logs:
        clock.run(1.0)

    assert (len(good.at), len(bad.at), bad.failed) == (3, 1, 1)
    assert [line["event"] for line in logs] == ["playout_failed"]


def test_one_tick_can_remove_another(clock: Clock) -> None:
    pacer, other = Pacer(), Voice(9)

    class Ending(Voice):
        def tick(self, now: float) -> bool:
            pacer.remove(other)
            return super().tick(now)

    pacer.add(Ending(1))
    pacer.add(other)

    clock.run(1.0)

    assert len(other.at) <= 1
    assert clock.timers == []


def test_after_a_stall_the_schedule_goes_on_without_a_burst(clock: Clock) -> None:
    pacer, voice = Pacer(), Voice(4)
    pacer.add(voice)
    clock.now += 0.5  # nothing ran for half a second

    clock.run(1.0)

    gaps = [round(b - a, 3) for a, b in zip(voice.at, voice.at[1:], strict=False)]
    assert gaps == [0.0, TICK_S, TICK_S]


def test_lag_is_the_worst_lateness_and_fades(clock: Clock) -> None:
    pacer = Pacer()
    pacer.add(Voice(60))
    clock.now += TICK_S + 0.2

    clock.run(TICK_S)
    assert pacer.lag_s == pytest.approx(0.2, abs=0.02)

    clock.run(1.0)
    assert 0.05 < pacer.lag_s < 0.12


def test_a_voice_that_breaks_also_in_ending_does_not_silence_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: clock)
    pacer = Pacer()
    broken, sound = Voice(5, RuntimeError("tick")), Voice(20)
    monkeypatch.setattr(broken, "fail", list[int]().pop)
    pacer.add(broken)
    pacer.add(sound)

    with capture_logs() as logs:
        clock.run(1.0)

    assert sound.left == 0
    assert [one["event"] for one in logs] == ["playout_failed", "playout_not_ended"]
