import asyncio

import numpy as np
import pytest

from fwai.domain.events import CallerAudio, CallerEvent, CallerHungUp, MarkReached
from fwai.faults.line import RATE, PhoneLine

LOUD = (np.ones(RATE // 10) * 3_000).astype("<i2").tobytes()  # 100 ms


async def test_speech_is_heard_at_once_and_in_one_piece() -> None:
    line = PhoneLine()
    await asyncio.sleep(0.2)
    line.play(LOUD)
    line.play(LOUD)
    await asyncio.sleep(0.5)
    await line.close()

    loud = np.flatnonzero(line.heard)
    assert (loud[0], loud[-1] + 1) == (RATE * 2 // 10, RATE * 4 // 10)
    assert len(line.heard) == round(RATE * 0.7)
    assert line.audible_until == pytest.approx(0.4)


async def test_what_is_cleared_is_not_heard_and_gets_no_receipt() -> None:
    events: list[CallerEvent] = []
    line = PhoneLine()
    line.listen(events.append)
    line.play(LOUD * 5)
    assert line.mark("end-1")
    await asyncio.sleep(0.1)
    line.clear()
    assert line.audible_until == pytest.approx(0.1)
    await asyncio.sleep(1.0)
    line.flush()
    line.hang_up()
    line.hang_up()

    assert np.flatnonzero(line.heard)[-1] < RATE * 0.11
    assert events == [CallerHungUp()]


async def test_a_mark_is_reached_when_all_before_it_was_heard() -> None:
    events: list[tuple[float, CallerEvent]] = []
    line = PhoneLine()
    line.listen(lambda event: events.append((line.now(), event)))
    line.play(LOUD * 3)
    line.mark("end-1")
    await asyncio.sleep(1.0)
    await line.close()

    ((at, event),) = events
    assert at == pytest.approx(0.3)
    assert event == MarkReached("end-1")
    line.play(LOUD)
    assert not line.mark("end-2")


async def test_the_caller_is_sent_all_the_time() -> None:
    frames: list[bytes] = []
    ticks: list[float] = []
    line = PhoneLine()
    line.answered()
    line.ticked = ticks.append
    line.listen(lambda event: frames.append(event.pcm) if isinstance(event, CallerAudio) else None)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(line.run())
        await asyncio.sleep(0.1)
        line.speak(LOUD)
        assert line.speaking
        await asyncio.sleep(0.5)
        await line.close()

    said = b"".join(frames)
    assert LOUD in said
    assert said.count(b"\0\0") > RATE * 0.3
    assert ticks[0] == pytest.approx(0.04)
    assert line.sample_rate == RATE
    assert line.max_call_s is None
    assert line.lead_ms == 200.0
