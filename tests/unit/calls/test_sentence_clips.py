"""What is said without the model: the clips that ship, and those of an agent's own."""

import json
import math
from importlib import resources

import numpy as np
import pytest

from fwai.audio.pcm import duration_ms
from fwai.calls.sentence_clips import CLIP_HZ, SentenceClips, ShippedSentences
from fwai.domain.agent_voice import AgentVoice
from fwai.domain.sentence import Sentence, SpokenSentence
from fwai.errors import StoreError

SHIPPED = ShippedSentences.load()
PUCK = AgentVoice("gemini-3.8-live", "Puck", "en-IN")
KORE = AgentVoice("gemini-3.8-live", "Kore", "hi-IN")
TAMIL = AgentVoice("gemini-3.8-live", "Puck", "ta-IN")
OWN = SpokenSentence("One moment, please.", b"\1\0" * 24_000)


def level_dbfs(pcm: bytes) -> float:
    samples = np.frombuffer(pcm, "<i2").astype(float)
    return 10 * math.log10(float(np.square(samples).mean()) / 32768**2)


@pytest.mark.parametrize("sentence", Sentence)
@pytest.mark.parametrize("language", ["en", "hi"])
def test_every_sentence_ships_in_both_languages(language: str, sentence: Sentence) -> None:
    spoken = SHIPPED.spoken(language, sentence)

    length_ms = duration_ms(len(spoken.pcm), CLIP_HZ)
    assert 800 < length_ms < 7000
    assert level_dbfs(spoken.pcm) > -25
    assert spoken.text
    assert any("\u0900" <= one <= "\u097f" for one in spoken.text) == (language == "hi")
    assert SHIPPED.wording(language, sentence).language == language


@pytest.mark.parametrize("language", ["en", "hi"])
def test_one_moment_takes_no_longer_than_one(language: str) -> None:
    assert duration_ms(len(SHIPPED.spoken(language, Sentence.ONE_MOMENT).pcm), CLIP_HZ) <= 1500


def test_the_lengths_that_are_told_are_those_of_the_sounds() -> None:
    folder = resources.files("fwai.calls") / "sentences"
    told = json.loads((folder / "sentences.json").read_text("utf-8"))

    assert len(told) == 2 * len(Sentence)
    for one in told:
        pcm = SHIPPED.spoken(one["language"], Sentence(one["sentence"])).pcm
        assert duration_ms(len(pcm), CLIP_HZ) == pytest.approx(one["duration_ms"], abs=2)


def test_a_sentence_is_decoded_once() -> None:
    first = SHIPPED.spoken("hi-IN", Sentence.APOLOGY)

    assert SHIPPED.spoken("hi", Sentence.APOLOGY) is first


@pytest.mark.parametrize(
    ("language", "spoken"),
    [("en-IN", "en"), ("en-US", "en"), ("hi-IN", "hi"), ("HI", "hi"), ("ta-IN", "en"), ("", "en")],
)
def test_an_unknown_language_is_english(language: str, spoken: str) -> None:
    voice = AgentVoice("gemini-3.8-live", "Puck", language)
    clips = SentenceClips({"A": voice}, SHIPPED)

    assert clips.of("A", Sentence.APOLOGY) is SHIPPED.spoken(spoken, Sentence.APOLOGY)


def test_an_agents_own_voice_is_used_once_it_is_there_and_by_all_who_have_it() -> None:
    clips = SentenceClips({"A": PUCK, "B": KORE, "C": PUCK}, SHIPPED)
    shipped = SHIPPED.spoken("en", Sentence.ONE_MOMENT)
    assert clips.of("A", Sentence.ONE_MOMENT) is shipped
    assert not clips.has(PUCK, Sentence.ONE_MOMENT)

    clips.keep(PUCK, Sentence.ONE_MOMENT, OWN)

    assert clips.has(PUCK, Sentence.ONE_MOMENT)
    assert clips.of("A", Sentence.ONE_MOMENT) is OWN
    assert clips.of("C", Sentence.ONE_MOMENT) is OWN
    assert clips.of("A", Sentence.APOLOGY) is SHIPPED.spoken("en", Sentence.APOLOGY)
    assert clips.of("B", Sentence.ONE_MOMENT) is SHIPPED.spoken("hi", Sentence.ONE_MOMENT)


def test_an_agent_that_is_gone_speaks_as_the_one_that_answers_for_it() -> None:
    clips = SentenceClips({"A": KORE, "B": PUCK}, SHIPPED)

    assert clips.of("gone", Sentence.APOLOGY) is SHIPPED.spoken("hi", Sentence.APOLOGY)


def test_without_any_agent_it_is_english() -> None:
    clips = SentenceClips({}, SHIPPED)

    assert clips.of("A", Sentence.APOLOGY) is SHIPPED.spoken("en", Sentence.APOLOGY)


def test_every_voice_is_to_speak_every_sentence_once() -> None:
    clips = SentenceClips({"A": PUCK, "B": TAMIL, "C": PUCK}, SHIPPED)

    wanted = list(clips.wanted())

    assert [(voice, sentence) for voice, sentence, _ in wanted] == [
        (voice, sentence) for voice in (PUCK, TAMIL) for sentence in Sentence
    ]
    assert {wording.language for _, _, wording in wanted} == {"en"}


def test_a_package_without_an_english_sentence_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json, "loads", lambda _: [])

    with pytest.raises(StoreError, match="not in English: one_moment, connecting"):
        ShippedSentences.load()


def test_a_package_with_a_strange_index_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json, "loads", lambda _: [{"sentence": "hello", "language": "en"}])

    with pytest.raises(StoreError, match="ValueError"):
        ShippedSentences.load()
