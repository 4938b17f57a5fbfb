import asyncio

import pytest
import structlog.testing

import virtual_time
from fwai.adapters.webrtc.clock import MAX_AT_ONCE, PTIME_S, MediaClock


class Beaten:
    def __init__(self, fails_at: int = -1, blocks: dict[int, float] | None = None) -> None:
        self.beats: list[tuple[float, int, int]] = []
        self.failed = False
        self.fails_at = fails_at
        self.blocks = blocks or {}

    def beat(self, now: float, frames: int, skipped: int) -> None:
        self.beats.append((now, frames, skipped))
        if len(self.beats) == self.fails_at:
            raise RuntimeError
        asyncio.get_running_loop().time()

    def broken(self) -> None:
        self.failed = True


def run(*legs: Beaten, seconds: float) -> float:
    async def main() -> float:
        clock = MediaClock()
        began = asyncio.get_running_loop().time()
        for leg in legs:
            clock.add(leg)
        await asyncio.sleep(seconds)
        for leg in legs:
            clock.remove(leg)
        await asyncio.sleep(1)
        return began

    return virtual_time.run(main())


def test_a_frame_each_20_ms_without_drift() -> None:
    leg = Beaten()

    began = run(leg, seconds=60.0)

    frames = sum(frames + skipped for _, frames, skipped in leg.beats)
    assert frames in (2_999, 3_000)
    assert leg.beats[-1][0] == pytest.approx(began + frames * PTIME_S, abs=0.001)


def test_all_legs_share_each_beat() -> None:
    legs = [Beaten() for _ in range(3)]

    run(*legs, seconds=1.0)

    assert legs[0].beats == legs[1].beats == legs[2].beats


def test_a_broken_leg_does_not_silence_the_others() -> None:
    broken, sound = Beaten(fails_at=3), Beaten()

    with structlog.testing.capture_logs() as logs:
        run(broken, sound, seconds=1.0)

    assert broken.failed
    assert len(broken.beats) == 3
    assert len(sound.beats) >= 49
    assert [entry["event"] for entry in logs] == ["media_send_failed"]


@pytest.mark.parametrize(
    ("late_s", "frames", "skipped"),
    [(0.0, 1, 0), (0.019, 1, 0), (0.0201, 2, 0), (0.0401, 3, 0), (0.1001, 3, 3), (5.0001, 3, 248)],
)
def test_short_delays_are_caught_up_and_long_ones_left_out(
    late_s: float, frames: int, skipped: int
) -> None:
    leg = Beaten()
    clock = MediaClock()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        clock.add(leg)
        began = loop.time()
        loop.time = lambda: began + PTIME_S + late_s  # type: ignore[method-assign]
        clock._beat()
        clock.remove(leg)

    asyncio.run(main())

    assert leg.beats[0][1:] == (frames, skipped)
    assert frames <= MAX_AT_ONCE


def test_the_clock_rests_without_legs_and_begins_again() -> None:
    async def main() -> int:
        clock = MediaClock()
        leg = Beaten()
        for _ in range(2):
            clock.add(leg)
            await asyncio.sleep(0.1)
            clock.remove(leg)
            await asyncio.sleep(0.1)
            assert clock._timer is None
        return len(leg.beats)

    assert virtual_time.run(main()) in range(8, 11)


def test_a_leg_that_breaks_also_in_ending_does_not_silence_the_others() -> None:
    class Hopeless(Beaten):
        def broken(self) -> None:
            raise ValueError("again")

    broken, sound = Hopeless(fails_at=3), Beaten()

    with structlog.testing.capture_logs() as logs:
        run(broken, sound, seconds=1.0)

    assert len(sound.beats) >= 49
    assert [entry["event"] for entry in logs] == ["media_send_failed", "media_not_ended"]
