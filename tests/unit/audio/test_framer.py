import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwai.audio.framer import Framer


@given(runs=st.lists(st.binary(max_size=50)), frame_bytes=st.integers(1, 20))
def test_no_byte_is_lost_and_every_frame_is_full(runs: list[bytes], frame_bytes: int) -> None:
    framer = Framer(frame_bytes)

    frames = [frame for run in runs for frame in framer.feed(run)]
    rest = framer.flush(None)

    assert b"".join(frames) + rest == b"".join(runs)
    assert {len(frame) for frame in frames} <= {frame_bytes}
    assert len(rest) < frame_bytes


def test_a_frame_is_returned_as_soon_as_it_is_full() -> None:
    framer = Framer(4)

    assert framer.feed(b"abc") == []
    assert framer.feed(b"d") == [b"abcd"]
    assert framer.feed(b"efghijklm") == [b"efgh", b"ijkl"]


@pytest.mark.parametrize(("pad", "expected"), [(b"\xff", b"ab\xff\xff\xff"), (b"xy", b"abxyx")])
def test_flush_fills_the_last_frame(pad: bytes, expected: bytes) -> None:
    framer = Framer(5)
    framer.feed(b"ab")

    assert framer.flush(pad) == expected


def test_after_flush_nothing_is_held() -> None:
    framer = Framer(5)
    framer.feed(b"ab")
    framer.flush(None)

    assert framer.flush(b"\0") == b""
    assert framer.feed(b"12345") == [b"12345"]


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        Framer(0)
    with pytest.raises(ValueError, match="empty"):
        Framer(1).flush(b"")
