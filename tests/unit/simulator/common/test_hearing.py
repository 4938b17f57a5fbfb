"""Heard audio becomes utterances."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fwai.simulator.common.hearing import Segmenter, Utterance, audible_span_ms
from fwai.simulator.common.playback import Piece

RATE = 8000


def tone(ms: int) -> bytes:
    t = np.arange(RATE * ms // 1000)
    return (8000 * np.sin(2 * np.pi * 440 * t / RATE)).astype("<i2").tobytes()


def quiet(ms: int) -> bytes:
    return bytes(RATE * ms // 1000 * 2)


def hear(*parts: bytes, chunk: int = 320) -> list[Utterance]:
    sound = b"".join(parts)
    segmenter = Segmenter(RATE)
    found: list[Utterance] = []
    for at in range(0, len(sound), chunk):
        found += segmenter.feed(Piece(at // 2, sound[at : at + chunk]))
    return found + segmenter.advance(len(sound) / 2 / RATE * 1000 + 400)


def test_speech_ends_after_four_hundred_ms_of_silence() -> None:
    found = hear(quiet(100), tone(300), quiet(500), tone(200), quiet(100))

    assert [(one.start_ms, one.end_ms, one.over) for one in found] == [
        (100, 400, True),
        (900, 1100, True),
    ]


def test_a_short_pause_does_not_end_it() -> None:
    (found,) = hear(tone(300), quiet(380), tone(300))

    assert (found.start_ms, found.end_ms) == (0, 980)
    assert len(found.pcm) == RATE * 980 // 1000 * 2


def test_a_hole_counts_as_silence() -> None:
    segmenter = Segmenter(RATE)
    segmenter.feed(Piece(0, tone(100)))

    ended = segmenter.feed(Piece(8000, tone(100)))
    ended += segmenter.finish(250)

    assert [(one.start_ms, one.end_ms) for one in ended] == [(0, 100), (1000, 1100)]
    assert ended[1].unheard_ms == 250


def test_a_short_hole_is_filled_with_silence() -> None:
    segmenter = Segmenter(RATE)
    segmenter.feed(Piece(0, tone(100)))
    segmenter.feed(Piece(1600, tone(100)))

    (ended,) = segmenter.finish()

    assert bytes(ended.pcm) == tone(100) + quiet(100) + tone(100)


def test_nothing_is_heard_in_silence() -> None:
    assert hear(quiet(2000)) == []
    assert Segmenter(RATE).finish() == []


@given(st.integers(1, 999).map(lambda half: half * 2))
def test_the_size_of_the_pieces_does_not_matter(chunk: int) -> None:
    found = hear(quiet(60), tone(250), quiet(450), tone(100), chunk=chunk)

    assert [(one.start_ms, one.end_ms) for one in found] == [(60, 310), (760, 860)]


def test_the_span_of_speech_in_a_clip() -> None:
    assert audible_span_ms(quiet(40) + tone(100) + quiet(30), RATE) == (40, 140)
    assert audible_span_ms(quiet(40), RATE) == (0, 0)
