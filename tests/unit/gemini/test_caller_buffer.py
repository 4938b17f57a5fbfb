"""What of the caller's speech another connection must hear again."""

import tracemalloc

import pytest

from fwai.gemini.caller_buffer import (
    ANSWERED_OVER_S,
    BYTES_PER_S,
    FORGOTTEN_S,
    KEPT_S,
    CallerBuffer,
)

STEP_S = 0.04
SILENT = b"\0" * int(BYTES_PER_S * STEP_S)


class Line:
    """A caller on a clock."""

    def __init__(self) -> None:
        self.buffer = CallerBuffer()
        self.now = 100.0
        self.began = 0

    def says(self, seconds: float, mark: int = 1) -> bytes:
        piece = bytes([mark]) * len(SILENT)
        count = round(seconds / STEP_S)
        for _ in range(count):
            self.began += self.buffer.add(piece, speech=True, now=self.now)
            self.now += STEP_S
        return piece * count

    def pauses(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP_S)):
            self.buffer.add(SILENT, speech=False, now=self.now)
            self.now += STEP_S

    @property
    def unanswered(self) -> bytes:
        return self.buffer.unanswered(self.now)


def test_nothing_is_due_before_anybody_spoke() -> None:
    line = Line()
    line.pauses(30.0)

    assert line.unanswered == b""


def test_an_utterance_is_kept_with_the_moment_before_and_all_after() -> None:
    line = Line()
    line.pauses(5.0)
    said = line.says(2.0)
    line.pauses(1.0)
    said += SILENT * 25 + line.says(1.0)

    assert line.unanswered == SILENT * 10 + said
    assert line.began == 1


def test_of_a_long_one_the_end_is_kept() -> None:
    line = Line()
    line.says(10.0, 1)
    said = line.says(KEPT_S, 2)

    assert line.unanswered == said


def test_an_answer_ends_it_and_the_next_words_begin_anew() -> None:
    line = Line()
    line.says(2.0, 1)
    line.pauses(0.5)
    line.buffer.answered(line.now)
    answered = line.unanswered
    line.pauses(1.0)
    said = line.says(1.0, 2)

    assert answered == b""
    assert line.unanswered == SILENT * 10 + said
    assert line.began == 2


def test_what_is_being_said_cannot_be_answered_yet() -> None:
    line = Line()
    said = line.says(2.0)
    line.buffer.answered(line.now)

    assert line.unanswered == said


@pytest.mark.parametrize(("wait_s", "settled"), [(0.5, False), (1.5, True)])
def test_words_stand_for_speech_once_no_more_of_them_are_due(wait_s: float, settled: bool) -> None:
    line = Line()
    line.says(2.0)
    line.buffer.words_came(line.now)
    line.pauses(wait_s)

    assert (line.unanswered == b"") is settled


def test_words_of_earlier_speech_do_not_stand_for_later_one() -> None:
    line = Line()
    line.says(1.0, 1)
    line.buffer.words_came(line.now)
    line.pauses(1.5)
    said = line.says(1.0, 2)
    line.pauses(1.5)

    assert line.began == 2
    assert line.unanswered.lstrip(b"\0").startswith(said)


def test_what_nobody_answered_for_long_needed_no_answer() -> None:
    line = Line()
    line.says(1.0)
    line.pauses(FORGOTTEN_S + 0.1)

    assert line.unanswered == b""


def test_what_was_answered_on_a_line_that_is_never_silent_is_not_heard_again() -> None:
    line = Line()
    line.says(15.0)
    line.buffer.answered(line.now)
    after = line.says(1.0, mark=2)

    assert line.unanswered.endswith(after)
    assert len(line.unanswered) <= (ANSWERED_OVER_S + 1.0) * BYTES_PER_S


def test_pieces_of_no_size_and_of_one_sample_are_bounded_as_others_are() -> None:
    line = Line()
    tracemalloc.start()
    try:
        for _ in range(200_000):
            line.buffer.add(b"", speech=True, now=line.now)
        line.buffer.add(b"\1\1", speech=True, now=line.now)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert line.unanswered == b"\1\1"
    assert held < 100_000
