"""Held against a carrier that counts whole samples, and against a clock that only moves on."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fwai.audio.playout import PlayoutBuffer

RATE = 8000
MS = RATE // 1000 * 2  # bytes


def speech(ms: int, value: int = 1) -> bytes:
    return bytes([value]) * (ms * MS)


def numbered(first: int, count: int) -> bytes:
    return (np.arange(first, first + count) % 65536).astype("<u2").tobytes()


# ---- pacing -------------------------------------------------------------------------------


def test_first_speech_goes_out_at_once_however_little() -> None:
    buffer = PlayoutBuffer(RATE)
    buffer.push(speech(10))

    assert buffer.next_due(5.0) == 5.0
    assert buffer.take(5.0) == speech(10)


def test_never_more_than_the_lead_is_sent() -> None:
    buffer = PlayoutBuffer(RATE, lead_ms=200)
    buffer.push(speech(1000))

    assert buffer.take(5.0) == speech(200)
    assert buffer.take(5.0) == b""


def test_while_playing_a_message_is_a_whole_chunk() -> None:
    buffer = PlayoutBuffer(RATE, lead_ms=200, chunk_ms=80)
    buffer.push(speech(1000))
    buffer.take(5.0)

    assert buffer.next_due(5.0) == pytest.approx(5.080)
    assert buffer.take(5.079) == b""
    assert buffer.take(5.081) == speech(81)


def test_a_little_speech_waits_for_more_until_less_than_a_chunk_is_ahead() -> None:
    buffer = PlayoutBuffer(RATE, lead_ms=200, chunk_ms=80)
    buffer.push(speech(200))
    buffer.take(5.0)
    buffer.push(speech(30))

    assert buffer.take(5.119) == b""
    assert buffer.next_due(5.1) == pytest.approx(5.120)
    assert buffer.take(5.121) == speech(30)


def test_waiting_speech_goes_out_with_what_completes_the_chunk() -> None:
    buffer = PlayoutBuffer(RATE, lead_ms=200, chunk_ms=80)
    buffer.push(speech(200))
    buffer.take(5.0)
    buffer.push(speech(30))

    assert buffer.take(5.100) == b""
    buffer.push(speech(60))
    assert buffer.take(5.100) == speech(90)


def test_the_tail_of_a_turn_waits_only_for_its_place() -> None:
    buffer = PlayoutBuffer(RATE, lead_ms=200, chunk_ms=80)
    buffer.push(speech(230))
    buffer.take(5.0)
    buffer.end_turn()

    assert buffer.take(5.079) == b""
    assert buffer.take(5.081) == speech(30)


def test_flush_fills_up_to_the_lead_at_once() -> None:
    buffer = PlayoutBuffer(RATE, lead_ms=200)
    buffer.push(speech(230))
    buffer.take(5.0)

    assert buffer.take(5.0, flush=True) == b""
    assert buffer.take(5.010, flush=True) == speech(10)


def test_nothing_is_due_when_nothing_is_held() -> None:
    buffer = PlayoutBuffer(RATE)

    assert buffer.next_due(5.0) is None
    assert buffer.take(5.0) == b""


@settings(deadline=None)
@given(
    start=st.floats(0, 1e7),
    pushes=st.lists(st.integers(1, 3000), min_size=1, max_size=20),
    lead_ms=st.floats(60, 400),
    chunk_part=st.floats(0.05, 1),
    rate=st.sampled_from([8000, 16000, 24000]),
)
def test_waking_at_the_due_instant_sends_everything_without_a_gap(
    start: float, pushes: list[int], lead_ms: float, chunk_part: float, rate: int
) -> None:
    """The due instant is never too early: a clock that jumps there exactly does not spin."""
    buffer = PlayoutBuffer(rate, lead_ms=lead_ms, chunk_ms=lead_ms * chunk_part)
    for count in pushes:
        buffer.push(bytes(2 * count))
    buffer.end_turn()

    now, sent = start, 0
    while (due := buffer.next_due(now)) is not None:
        now = due
        pcm = buffer.take(now)
        assert pcm
        sent += len(pcm)

    assert sent == 2 * sum(pushes)
    assert buffer.heard_ms(start + 3600) == pytest.approx(buffer.pushed_ms)
    assert buffer.unheard_ms(now) <= lead_ms + 1000 / rate
    end = start + buffer.pushed_ms / 1000
    assert buffer.idle(end + 1e-6)
    assert not buffer.idle(end - 1e-3)


def test_a_steady_reply_makes_few_messages_and_no_gap() -> None:
    """30 ms pieces arriving every 20 ms, taken every 10 ms: 3 s of speech."""
    buffer = PlayoutBuffer(RATE, lead_ms=200, chunk_ms=80)
    messages = []

    for tick in range(400):
        if tick % 2 == 0 and tick < 200:
            buffer.push(speech(30))
        messages.append(buffer.take(5.0 + tick * 0.010))

    sizes_ms = [len(message) // MS for message in messages if message]
    assert sum(sizes_ms) == 3000
    assert min(sizes_ms[12:-1]) >= 80  # once the model has a lead of its own
    assert buffer.underruns == 0


# ---- bounds -------------------------------------------------------------------------------


def test_when_full_the_newest_speech_is_refused_and_counted() -> None:
    buffer = PlayoutBuffer(RATE, lead_ms=100, chunk_ms=50, capacity_ms=100)

    assert buffer.push(speech(70, 1)) == 70 * MS
    assert buffer.push(speech(50, 2)) == 30 * MS
    assert buffer.push(speech(10, 3)) == 0

    assert buffer.dropped_ms == 30
    assert buffer.pushed_ms == 100
    assert buffer.take(5.0) == speech(70, 1) + speech(30, 2)


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="whole number"):
        PlayoutBuffer(RATE).push(b"\0\0\0")


@pytest.mark.parametrize(("lead_ms", "chunk_ms"), [(100, 101), (100, 0), (0, 0)])
def test_impossible_pacing_is_refused(lead_ms: float, chunk_ms: float) -> None:
    with pytest.raises(ValueError, match="chunk_ms"):
        PlayoutBuffer(RATE, lead_ms=lead_ms, chunk_ms=chunk_ms)


# ---- barge-in and accounting --------------------------------------------------------------


def test_barge_in_tells_what_was_not_heard() -> None:
    buffer = PlayoutBuffer(RATE, lead_ms=200)
    buffer.push(speech(1000))
    buffer.take(5.0)

    assert buffer.heard_ms(5.150) == pytest.approx(150)
    assert buffer.unheard_ms(5.150) == pytest.approx(850)
    assert buffer.clear(5.150) == pytest.approx(850)

    assert buffer.heard_ms(9.0) == pytest.approx(150)
    assert buffer.unheard_ms(5.150) == 0
    assert buffer.idle(5.150)
    assert buffer.next_due(5.150) is None


def test_after_barge_in_the_next_reply_starts_at_once_and_is_no_underrun() -> None:
    buffer = PlayoutBuffer(RATE, lead_ms=200)
    buffer.push(speech(1000, 1))
    buffer.take(5.0)
    buffer.clear(5.050)
    buffer.push(speech(300, 2))

    assert buffer.take(5.050) == speech(200, 2)
    assert buffer.underruns == 0


def test_a_gap_within_a_turn_is_an_underrun() -> None:
    buffer = PlayoutBuffer(RATE)
    buffer.push(speech(50))
    buffer.take(5.0)
    buffer.push(speech(50))
    buffer.take(5.060)

    assert buffer.underruns == 1
    assert buffer.heard_ms(5.070) == pytest.approx(60)


def test_a_pause_between_turns_is_no_underrun() -> None:
    buffer = PlayoutBuffer(RATE)
    for turn in range(3):
        buffer.push(speech(50))
        buffer.take(5.0 + turn)
        buffer.end_turn()

    assert buffer.underruns == 0


def test_a_late_tail_is_no_underrun() -> None:
    buffer = PlayoutBuffer(RATE, lead_ms=200)
    buffer.push(speech(250))
    buffer.take(5.0)
    buffer.end_turn()

    assert buffer.take(5.3) == speech(50)
    buffer.push(speech(50))
    assert buffer.take(6.0) == speech(50)
    assert buffer.underruns == 0


# ---- against a model ----------------------------------------------------------------------

TICKS_HZ = 8192  # a power of two: instants are exact, so the model can be held to the sample
LEAD, CHUNK = 1600, 600
EXACT_LEAD_MS, EXACT_CHUNK_MS = LEAD * 1000 / TICKS_HZ, CHUNK * 1000 / TICKS_HZ
CAPACITY = 5000


@dataclass
class Model:
    """The same in whole samples, tick by tick; what is held is a list of sample numbers."""

    held: list[int] = field(default_factory=list)
    ahead: int = 0
    heard: int = 0
    turn_open: bool = False

    def push(self, first: int, count: int) -> int:
        self.turn_open = True
        count = min(count, CAPACITY - len(self.held))
        self.held += range(first, first + count)
        return count

    def wait(self, ticks: int) -> None:
        played = min(ticks, self.ahead)
        self.ahead -= played
        self.heard += played

    def take(self, *, flush: bool) -> list[int]:
        low = LEAD - CHUNK
        if self.turn_open and len(self.held) < CHUNK:
            low = min(low, CHUNK)
        count = LEAD - self.ahead if flush or self.ahead in range(low + 1) else 0
        sent, self.held = self.held[:count], self.held[count:]
        self.ahead += len(sent)
        return sent

    def clear(self) -> int:
        unheard = len(self.held) + self.ahead
        self.held, self.ahead, self.turn_open = [], 0, False
        return unheard


STEPS = st.one_of(
    st.tuples(st.just("push"), st.integers(0, 3000)),
    st.tuples(st.just("wait"), st.integers(0, 2500)),
    st.tuples(st.sampled_from(["take", "take", "flush", "clear", "end_turn"]), st.just(0)),
)


@settings(deadline=None, max_examples=200)
@given(steps=st.lists(STEPS, max_size=60), start=st.integers(0, 2**30))
def test_agrees_with_a_carrier_that_counts_samples(
    steps: list[tuple[str, int]], start: int
) -> None:
    buffer = PlayoutBuffer(
        TICKS_HZ,
        lead_ms=EXACT_LEAD_MS,
        chunk_ms=EXACT_CHUNK_MS,
        capacity_ms=CAPACITY * 1000 / TICKS_HZ,
    )
    model = Model()
    ticks, pushed, offered = start, 0, 0

    for step, amount in steps:
        now = ticks / TICKS_HZ
        match step:
            case "push":
                accepted = buffer.push(numbered(pushed, amount)) // 2
                assert accepted == model.push(pushed, amount)
                pushed += accepted
                offered += amount
            case "wait":
                ticks += amount
                model.wait(amount)
            case "clear":
                assert buffer.clear(now) * TICKS_HZ / 1000 == pytest.approx(model.clear())
            case "end_turn":
                buffer.end_turn()
                model.turn_open = False
            case _:
                sent = model.take(flush=step == "flush")
                assert buffer.take(now, flush=step == "flush") == b"".join(
                    numbered(number, 1) for number in sent
                )
        now = ticks / TICKS_HZ
        assert buffer.heard_ms(now) * TICKS_HZ / 1000 == pytest.approx(model.heard)
        assert buffer.unheard_ms(now) * TICKS_HZ / 1000 == pytest.approx(
            model.ahead + len(model.held)
        )
        assert buffer.idle(now) == (not model.held and not model.ahead)
        assert model.ahead <= LEAD

    assert buffer.pushed_ms * TICKS_HZ / 1000 == pytest.approx(pushed)
    assert buffer.dropped_ms * TICKS_HZ / 1000 == pytest.approx(offered - pushed)


Step = Callable[[PlayoutBuffer, float], object]
ACTIONS: list[Step] = [
    lambda buffer, _: buffer.push(speech(35)),
    lambda buffer, _: buffer.push(speech(350)),
    lambda buffer, now: buffer.take(now),
    lambda buffer, now: buffer.take(now),
    lambda buffer, now: buffer.clear(now),
    lambda buffer, _: buffer.end_turn(),
]


@settings(deadline=None)
@given(
    start=st.floats(0, 1e7),
    steps=st.lists(st.tuples(st.floats(0, 0.3), st.sampled_from(ACTIONS)), max_size=60),
)
def test_what_was_heard_never_falls_on_any_clock(
    start: float, steps: list[tuple[float, Step]]
) -> None:
    buffer = PlayoutBuffer(RATE)
    now, heard_ms = start, []

    for wait_s, act in steps:
        now += wait_s
        heard_ms.append(buffer.heard_ms(now))
        act(buffer, now)
        heard_ms.append(buffer.heard_ms(now))
        assert buffer.heard_ms(now) + buffer.unheard_ms(now) <= buffer.pushed_ms + 1e-6

    assert all(later >= earlier for earlier, later in itertools.pairwise(heard_ms))
