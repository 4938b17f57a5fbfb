"""How much sound a stream may bring."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwai.adapters.sound_allowance import AHEAD_S, MESSAGE_S, SoundAllowance

BYTES_PER_MS = 16  # 8 kHz linear
PER_S = BYTES_PER_MS * 1000
FRAME = bytes(20 * BYTES_PER_MS)


def take(allowance: SoundAllowance, sound: bytes, now: float) -> bytes:
    """Do as the leg does: without a look at the clock where none is needed."""
    if len(sound) <= allowance.left:
        allowance.left -= len(sound)
        return sound
    return allowance.take(sound, now)


def test_sound_in_its_time_is_all_taken() -> None:
    allowance = SoundAllowance(BYTES_PER_MS, 100.0)

    taken = sum(len(take(allowance, FRAME, 100.0 + 0.02 * n)) for n in range(50 * 600))

    assert taken == 600 * PER_S
    assert allowance.dropped_ms == 0


def test_sound_that_comes_at_once_is_taken_for_two_seconds() -> None:
    allowance = SoundAllowance(BYTES_PER_MS, 100.0)

    taken = sum(len(take(allowance, FRAME, 100.0)) for _ in range(500))

    assert taken == AHEAD_S * PER_S
    assert allowance.dropped_ms == 10_000 - 2_000


def test_a_sender_that_is_too_fast_is_heard_at_the_speed_of_time() -> None:
    allowance = SoundAllowance(BYTES_PER_MS, 100.0)

    taken = sum(len(take(allowance, FRAME, 100.0 + 0.01 * n)) for n in range(6000))

    assert taken == pytest.approx((60 + AHEAD_S) * PER_S, abs=len(FRAME))


def test_the_burst_after_a_stall_is_taken() -> None:
    allowance = SoundAllowance(BYTES_PER_MS, 100.0)

    taken = [len(take(allowance, FRAME, 130.0)) for _ in range(50 * 30)]

    assert sum(taken) == 30 * PER_S


@pytest.mark.parametrize("size", [100_000, int(MESSAGE_S * 48_000)])
def test_the_largest_message_of_a_carrier_is_taken(size: int) -> None:
    """Exotel's, at 24 kHz: it has taken so long to speak."""
    allowance = SoundAllowance(48, 100.0)

    assert len(take(allowance, bytes(size), 100.0 + size / 48_000)) == size
    assert len(take(allowance, bytes(size), 100.0 + size / 24_000)) == size


def test_one_message_brings_two_seconds_after_however_long_a_silence() -> None:
    allowance = SoundAllowance(BYTES_PER_MS, 0.0)

    assert len(take(allowance, bytes(60 * PER_S), 3600.0)) == MESSAGE_S * PER_S
    assert allowance.dropped_ms == 60_000 - MESSAGE_S * 1000


@given(
    st.lists(st.tuples(st.integers(0, 70_000), st.floats(0.0, 3.0)), max_size=40),
    st.sampled_from([8, 16, 48]),
)
def test_no_more_than_allowed_is_taken_and_samples_stay_whole(
    messages: list[tuple[int, float]], bytes_per_ms: int
) -> None:
    """Bytes are 0 or 1, the halves of a sample; messages may cut one in two."""
    allowance, now, sent, taken = SoundAllowance(bytes_per_ms, 50.0), 50.0, 0, bytearray()
    for size, later_s in messages:
        now += later_s
        sound = bytes((sent + n) & 1 for n in range(size))
        sent += size
        one = take(allowance, sound, now)
        taken += one
        assert len(one) <= MESSAGE_S * bytes_per_ms * 1000
        assert len(taken) <= (now - 50.0 + AHEAD_S) * bytes_per_ms * 1000

    assert len(taken) + allowance.dropped_bytes == sent
    assert taken == bytes(n & 1 for n in range(len(taken)))
