"""The carrier's playback buffer, with a clock that is told."""

from hypothesis import given
from hypothesis import strategies as st

from fwai.simulator.common.playback import Gap, PlaybackBuffer

RATE = 8000
FRAME = b"\x01\x02" * 160


def pcm(ms: int) -> bytes:
    return b"\x01\x02" * (RATE * ms // 1000)


def test_audio_is_played_in_real_time_from_its_arrival() -> None:
    buffer = PlaybackBuffer(RATE)
    buffer.push(pcm(100), 1.0)

    first = buffer.advance(1.04)
    rest = buffer.advance(2.0)

    assert [(piece.start, len(piece.pcm)) for piece in first.pieces] == [(8000, 640)]
    assert [(piece.start, len(piece.pcm)) for piece in rest.pieces] == [(8320, 960)]


def test_messages_follow_each_other_without_a_gap() -> None:
    buffer = PlaybackBuffer(RATE)
    for arrival in (0.0, 0.005, 0.03):
        buffer.push(FRAME, arrival)

    pieces = buffer.advance(1.0).pieces

    assert [piece.start for piece in pieces] == [0, 160, 320]


def test_a_dry_buffer_inside_a_reply_is_a_gap() -> None:
    buffer = PlaybackBuffer(RATE)
    buffer.push(FRAME, 0.0)

    _, short = buffer.push(FRAME, 0.04)
    _, long = buffer.push(FRAME, 0.16)
    _, pause = buffer.push(FRAME, 1.0)

    assert short is None
    assert long == Gap(60.0, 100.0)
    assert pause is None


def test_silence_after_a_clear_is_no_gap() -> None:
    buffer = PlaybackBuffer(RATE)
    buffer.push(pcm(200), 0.0)
    buffer.clear(0.1)

    _, gap = buffer.push(FRAME, 0.3)

    assert gap is None


def test_clear_drops_what_was_not_heard_and_its_checkpoints() -> None:
    buffer = PlaybackBuffer(RATE)
    buffer.push(pcm(100), 0.0)
    buffer.checkpoint("first", 0.0)
    buffer.push(pcm(900), 0.0)
    buffer.checkpoint("second", 0.0)

    unheard_ms = buffer.clear(0.4)
    played = buffer.advance(5.0)

    assert unheard_ms == 600
    assert sum(len(piece.pcm) for piece in played.pieces) == len(pcm(400))
    assert played.reached == ["first"]
    assert buffer.queued_ms(0.4) == 0


def test_a_checkpoint_waits_for_all_before_it_and_for_nothing_after() -> None:
    buffer = PlaybackBuffer(RATE)
    buffer.push(pcm(100), 0.0)
    buffer.checkpoint("end", 0.01)
    buffer.push(pcm(100), 0.02)

    assert buffer.advance(0.099).reached == []
    assert buffer.advance(0.1).reached == ["end"]


def test_a_checkpoint_on_a_dry_buffer_is_reached_at_once() -> None:
    buffer = PlaybackBuffer(RATE)
    buffer.checkpoint("now", 3.0)

    assert buffer.advance(3.0).reached == ["now"]


def test_more_than_forty_seconds_are_refused() -> None:
    buffer = PlaybackBuffer(RATE)

    assert buffer.push(pcm(39_990), 0.0)[0]
    assert not buffer.push(FRAME, 0.0)[0]
    assert buffer.push(FRAME, 0.02)[0]


def test_a_clear_of_nothing_is_nothing() -> None:
    buffer = PlaybackBuffer(RATE)

    assert buffer.clear(1.0) == 0
    assert buffer.advance(1.0).pieces == []


@given(
    st.lists(
        st.tuples(
            st.integers(1, 2000),
            st.floats(0, 0.2, allow_nan=False),
            st.sampled_from(["push", "push", "advance", "clear"]),
        ),
        max_size=40,
    )
)
def test_no_sample_is_lost_or_heard_twice(steps: list[tuple[int, float, str]]) -> None:
    buffer = PlaybackBuffer(RATE)
    now_s, pushed, unheard, heard, end = 0.0, 0, 0.0, 0, 0

    for samples, wait_s, action in steps:
        now_s += wait_s
        if action == "push":
            pushed += samples if buffer.push(b"\0\0" * samples, now_s)[0] else 0
        if action == "clear":
            unheard += buffer.clear(now_s) * RATE / 1000
        for piece in buffer.advance(now_s).pieces:
            assert piece.start >= end
            end, heard = piece.end, heard + len(piece.pcm) // 2
    heard += sum(len(piece.pcm) // 2 for piece in buffer.advance(now_s + 60).pieces)

    assert heard + round(unheard) == pushed
