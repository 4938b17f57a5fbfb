import pytest

from fwai.simulator.common.clips import Clip, ClipLibrary

LIBRARY = ClipLibrary.load()


def test_both_sides_of_a_call_have_their_phrases() -> None:
    agent = {clip.name for clip in LIBRARY.by_role("agent")}
    caller = {clip.name for clip in LIBRARY.by_role("caller")}

    assert {"greeting", "courses_answer", "sms_sent", "fallback", "time_warning"} <= agent
    assert {"ask_courses", "barge_in", "ask_sms", "ask_ai", "goodbye", "hmm"} <= caller
    assert len(LIBRARY) == len(agent) + len(caller)
    assert {"en-IN", "hi-IN"} == {clip.language for clip in LIBRARY}


@pytest.mark.parametrize("clip", LIBRARY, ids=lambda clip: clip.name)
def test_a_clip_lasts_as_long_at_every_rate(clip: Clip) -> None:
    for rate in (8_000, 16_000, 24_000):
        length_ms = len(clip.pcm(rate)) / 2 * 1000 / rate
        assert length_ms == pytest.approx(clip.duration_ms, abs=5)


def test_a_rate_is_made_once() -> None:
    assert LIBRARY["hmm"].pcm(24_000) is LIBRARY["hmm"].pcm(24_000)


def test_words_put_together_are_the_text() -> None:
    assert all("".join(clip.words) == clip.text for clip in LIBRARY)


def test_the_long_answer_leaves_room_for_a_barge_in() -> None:
    assert 8_000 <= LIBRARY["courses_answer"].duration_ms <= 10_000


def test_an_unknown_name_is_a_key_error() -> None:
    assert "nobody" not in LIBRARY
    with pytest.raises(KeyError):
        LIBRARY["nobody"]
