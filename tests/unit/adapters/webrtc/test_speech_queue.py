import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwai.adapters.webrtc.speech_queue import CAPACITY_MS, SpeechQueue

RATE = 24_000
FRAME = 960  # bytes in 20 ms


def frames(queue: SpeechQueue) -> list[bytes]:
    found = []
    while (frame := queue.frame()) is not None:
        found.append(frame)
    return found


@given(st.lists(st.integers(0, 4_000).map(lambda n: 2 * n), max_size=12))
def test_everything_comes_out_in_order_and_in_whole_frames(sizes: list[int]) -> None:
    queue = SpeechQueue(RATE)
    speech = (np.arange(sum(sizes) // 2) % 30_000).astype("<i2").tobytes()
    at = 0
    out = b""

    for size in sizes:
        queue.push(speech[at : at + size])
        at += size
        got = frames(queue)
        assert all(len(frame) == FRAME for frame in got)
        out += b"".join(got)
    queue.pad()
    out += b"".join(frames(queue))

    assert out[: len(speech)] == speech
    assert set(out[len(speech) :]) <= {0}
    assert len(out) - len(speech) < FRAME


def test_what_does_not_fill_a_frame_waits_for_more() -> None:
    queue = SpeechQueue(RATE)
    queue.push(b"\x01\x01" * 300)

    assert queue.frame() is None
    queue.push(b"\x01\x01" * 180)
    assert queue.frame() == b"\x01\x01" * 480


def test_padding_twice_adds_nothing() -> None:
    queue = SpeechQueue(RATE)
    queue.push(b"\x01\x01" * 10)
    queue.pad()
    queue.pad()

    assert len(frames(queue)) == 1


def test_mark_is_reached_when_all_before_it_left() -> None:
    queue = SpeechQueue(RATE)
    queue.push(bytes(FRAME + 10))
    queue.mark("one")
    queue.push(bytes(FRAME))
    queue.mark("two")

    reached = []
    for _ in range(3):
        queue.frame()
        reached.append(queue.reached())

    assert reached == [[], ["one"], ["two"]]


def test_mark_behind_nothing_is_reached_at_once() -> None:
    queue = SpeechQueue(RATE)
    queue.mark("now")

    assert queue.reached() == ["now"]
    assert queue.reached() == []


def test_clear_fades_out_in_5_ms_and_drops_marks() -> None:
    queue = SpeechQueue(RATE)
    queue.push(np.full(RATE, 10_000, "<i2").tobytes())
    queue.mark("never")

    queue.clear()

    frame = queue.frame()
    assert frame is not None
    samples = np.frombuffer(frame, "<i2").astype(int)
    assert samples[0] == 10_000
    assert (np.diff(samples[:120]) < 0).all()
    assert not samples[120:].any()
    assert queue.frame() is None
    assert queue.reached() == []


def test_clear_of_nothing_is_nothing() -> None:
    queue = SpeechQueue(RATE)

    queue.clear()

    assert queue.frame() is None


def test_too_much_is_refused_and_counted() -> None:
    queue = SpeechQueue(RATE)

    queue.push(bytes(2 * RATE * 3))

    assert queue.held_ms == CAPACITY_MS
    assert queue.refused_ms == pytest.approx(3_000 - CAPACITY_MS)
