"""What was heard, and not a word more: speech lined up with its text."""

from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwai.domain.transcript import MAX_CHARS_PER_MS, AgentTranscript, CallerSpeech, Heard

word = st.text("abcdeé", min_size=1, max_size=8)
sentence = st.lists(word, min_size=1, max_size=25).map(" ".join)
# Sound of a plausible length: slow enough that text is not held back for being too fast.
polls = st.lists(st.floats(0.0, 3000.0), max_size=20)


def reply(text: str, sound_ms: float, *, turn: int = 1, over: bool = True) -> AgentTranscript:
    transcript = AgentTranscript()
    add(transcript, text, sound_ms, turn=turn, over=over)
    return transcript


def add(
    transcript: AgentTranscript, text: str, sound_ms: float, *, turn: int = 1, over: bool = True
) -> None:
    transcript.begin(turn)
    transcript.add_text(text)
    transcript.add_sound(sound_ms)
    if over:
        transcript.end_reply()


def words(heard: list[Heard]) -> list[str]:
    return " ".join(piece.text for piece in heard).split()


def test_half_of_the_sound_is_half_of_the_text() -> None:
    transcript = reply("one two three four", 2000.0)

    assert list(transcript.heard(1000.0)) == [Heard("one two", 1)]
    assert list(transcript.heard(1000.0)) == []
    assert list(transcript.heard(2000.0)) == [Heard("three four", 1)]
    assert list(transcript.heard(9000.0)) == []


def test_nothing_heard_is_nothing_said() -> None:
    transcript = reply("one two", 1000.0)

    assert list(transcript.heard(0.0)) == []
    assert list(transcript.interrupt(0.0)) == []


def test_text_that_came_long_before_its_sound_waits() -> None:
    transcript = reply("word " * 200, 40.0, over=False)

    assert sum(len(piece.text) for piece in transcript.heard(40.0)) <= 40 * MAX_CHARS_PER_MS


@given(
    text=sentence,
    chunks=st.lists(st.floats(0.1, 400.0), min_size=1, max_size=30),
    cuts=st.lists(st.integers(0, 200), max_size=5),
    steps=polls,
)
def test_no_word_is_lost_repeated_or_split_however_it_is_polled(
    text: str, chunks: list[float], cuts: list[int], steps: list[float]
) -> None:
    transcript = AgentTranscript()
    transcript.begin(1)
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    heard: list[Heard] = []
    for begin, end in pairwise(edges):  # as its pieces came
        transcript.add_text(text[begin:end])
    for chunk in chunks:
        transcript.add_sound(chunk)
    total_ms = sum(reversed(chunks))  # as another order of adding would have it
    heard += [
        piece for now in accumulate(steps) if now < total_ms for piece in transcript.heard(now)
    ]
    so_far = words(heard)

    transcript.end_reply()
    heard += transcript.heard(total_ms)

    assert so_far == text.split()[: len(so_far)]
    assert words(heard) == text.split()


@given(text=sentence, sound_ms=st.floats(1.0, 20_000.0), share=st.floats(0.0, 1.0), steps=polls)
def test_an_interrupted_reply_is_a_beginning_of_what_was_to_be_said(
    text: str, sound_ms: float, share: float, steps: list[float]
) -> None:
    transcript = reply(text, sound_ms, over=False)
    at_ms = sound_ms * share
    heard = [p for now in accumulate(steps) if now <= at_ms for p in transcript.heard(now)]

    heard += transcript.interrupt(at_ms)

    said = words(heard)
    assert said == text.split()[: len(said)]
    assert len(" ".join(said)) <= len(text) * share + 1
    assert not transcript.replying
    assert [piece.interrupted for piece in heard].count(True) == (at_ms > 0.0)


@given(
    texts=st.lists(sentence, min_size=1, max_size=5),
    steps=polls,
    sounds=st.lists(st.floats(0.1, 5000.0), min_size=5, max_size=5),
)
def test_replies_come_one_after_the_other_whole_and_under_their_turn(
    texts: list[str], steps: list[float], sounds: list[float]
) -> None:
    transcript = AgentTranscript()
    for turn, (text, sound) in enumerate(zip(texts, sounds, strict=False)):
        add(transcript, text, sound, turn=turn)

    heard = [piece for now in accumulate(steps) for piece in transcript.heard(now)]
    heard += transcript.heard(sum(sounds) + 1.0)

    assert [piece.turn for piece in heard] == sorted(piece.turn for piece in heard)
    for turn, text in enumerate(texts):
        assert words([piece for piece in heard if piece.turn == turn]) == text.split()


def test_the_last_word_is_not_lost_to_rounding() -> None:
    """0.1 + 0.2 ms are a little more than the 0.3 ms that were heard."""
    transcript = AgentTranscript()
    transcript.begin(1)
    transcript.add_text("the end")
    transcript.add_sound(0.1)
    transcript.add_sound(0.2)
    transcript.end_reply()

    assert words(list(transcript.heard(0.3))) == ["the", "end"]


def test_a_reply_that_was_heard_to_its_end_was_not_interrupted() -> None:
    """The caller speaks after the last word, before anybody asked what was heard."""
    transcript = reply("all of it", 1000.0)

    assert list(transcript.interrupt(1000.0)) == [Heard("all of it", 1)]


def test_only_the_reply_being_heard_is_interrupted() -> None:
    transcript = reply("first reply", 1000.0)
    add(transcript, "the second reply", 1000.0, turn=2)
    add(transcript, "never begun", 1000.0, turn=3)

    heard = list(transcript.interrupt(1700.0))

    assert heard == [Heard("first reply", 1), Heard("the second", 2, interrupted=True)]


def test_a_reply_cut_before_its_first_word_is_still_told() -> None:
    assert list(reply("Extraordinarily", 1000.0).interrupt(100.0)) == [
        Heard("", 1, interrupted=True)
    ]


def test_after_an_interruption_the_next_reply_begins_at_what_was_heard() -> None:
    transcript = reply("never to be heard", 5000.0)
    list(transcript.interrupt(1000.0))

    add(transcript, "new words", 1000.0, turn=2)

    assert words(list(transcript.heard(2000.0))) == ["new", "words"]


def test_text_of_the_next_reply_waits_for_the_sound_before_it() -> None:
    """It has no sound of its own yet, and the earlier reply is still playing."""
    transcript = reply("first of all", 2000.0)
    transcript.begin(2)
    transcript.add_text("not heard yet by anybody at all")

    assert words(list(transcript.heard(1999.0))) == ["first", "of"]
    assert words(list(transcript.heard(1999.5))) == []


@pytest.mark.parametrize("over", [False, True])
def test_text_without_sound_never_comes_before_its_turn(over: bool) -> None:
    transcript = AgentTranscript()
    transcript.begin(1)
    transcript.add_sound(2000.0)
    transcript.begin(2)
    transcript.add_text("not heard yet by anybody at all")
    if over:
        transcript.end_reply()

    assert list(transcript.heard(1900.0)) == []


def test_replying_until_the_reply_is_ended() -> None:
    transcript = AgentTranscript()

    replying = [transcript.replying]
    transcript.begin(1)
    replying.append(transcript.replying)
    transcript.end_reply()
    replying.append(transcript.replying)

    assert replying == [False, True, False]


def test_text_and_sound_without_a_reply_are_nothing() -> None:
    transcript = AgentTranscript()
    transcript.add_text("nobody said this")
    transcript.add_sound(100.0)
    transcript.end_reply()

    assert list(transcript.heard(1000.0)) == []


# ---- the caller ---------------------------------------------------------------------------------


def test_pieces_are_one_utterance_until_there_is_quiet() -> None:
    speech = CallerSpeech(quiet_s=1.0)
    speech.add(" Hello", 10.0)
    speech.add(" there.", 10.8)

    assert speech.take(11.5) is None
    assert speech.take(11.8) == ("Hello there.", 10.0)
    assert speech.take(99.0) is None


def test_what_is_over_is_taken_at_once() -> None:
    speech = CallerSpeech()
    speech.add("Bye", 10.0)

    assert speech.take(10.0, over=True) == ("Bye", 10.0)


def test_blank_pieces_are_no_utterance() -> None:
    speech = CallerSpeech()
    speech.add("  \n", 10.0)

    assert speech.take(20.0) is None
    speech.add("Yes", 30.0)
    assert speech.take(40.0) == ("Yes", 30.0)


@given(pieces=st.lists(st.tuples(sentence, st.floats(0.0, 3.0)), max_size=20))
def test_every_word_of_the_caller_is_taken_once(pieces: list[tuple[str, float]]) -> None:
    speech, now, taken = CallerSpeech(), 0.0, []
    for text, gap in pieces:
        now += gap
        taken.append(speech.take(now))
        speech.add(f" {text}", now)
    taken.append(speech.take(now, over=True))

    said = " ".join(one[0] for one in taken if one is not None)
    assert said.split() == " ".join(text for text, _ in pieces).split()
