"""The sentences that are said without the model, as sound that is at hand.

English and Hindi ones ship with the package, made by ``scripts/make_sentences.sh`` as raw 16 kHz
mu-law; they serve until an agent's own model has spoken its own, and whenever it cannot.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Final, Self

from fwai.audio.g711 import ulaw_to_pcm
from fwai.audio.resample import Resampler
from fwai.domain.agent_voice import AgentVoice, Wording, primary_language
from fwai.domain.sentence import Sentence, SpokenSentence
from fwai.errors import StoreError

STORED_HZ: Final = 16_000
"""Sample rate of the clips that ship."""
CLIP_HZ: Final = 24_000
"""Sample rate of a `SpokenSentence`."""
ENGLISH: Final = "en"


class ShippedSentences:
    """The sentences that ship with the package; each is decoded once, when it is first needed.

    Args:
        clips: Text and raw 16 kHz mu-law, by language and sentence; English has every sentence.
    """

    def __init__(self, clips: Mapping[tuple[str, Sentence], tuple[str, bytes]]) -> None:
        self._clips = clips
        self._spoken: dict[tuple[str, Sentence], SpokenSentence] = {}

    @classmethod
    def load(cls) -> Self:
        """Read them.

        Raises:
            StoreError: The package is incomplete.
        """
        folder = resources.files("fwai.calls") / "sentences"
        clips = {}
        try:
            for entry in json.loads((folder / "sentences.json").read_text("utf-8")):
                sentence, language = Sentence(entry["sentence"]), entry["language"]
                ulaw = (folder / f"{sentence}.{language}.ulaw").read_bytes()
                clips[language, sentence] = entry["text"], ulaw
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise StoreError(f"sentences: {type(exc).__name__}: {exc}") from exc
        if missing := [one.value for one in Sentence if (ENGLISH, one) not in clips]:
            raise StoreError(f"sentences: not in English: {', '.join(missing)}")
        return cls(clips)

    def wording(self, language: str, sentence: Sentence) -> Wording:
        """Return the words in a language, given as a BCP 47 code; in English if there are none."""
        spoken = self._spoken_language(language, sentence)
        return Wording(self._clips[spoken, sentence][0], spoken)

    def spoken(self, language: str, sentence: Sentence) -> SpokenSentence:
        """Return a sentence as it is heard, in the language of its `wording`."""
        key = self._spoken_language(language, sentence), sentence
        made = self._spoken.get(key)
        if made is None:
            text, ulaw = self._clips[key]
            resampler = Resampler(STORED_HZ, CLIP_HZ)
            pcm = resampler.feed(ulaw_to_pcm(ulaw)) + resampler.flush()
            made = self._spoken[key] = SpokenSentence(text, pcm)
        return made

    def _spoken_language(self, language: str, sentence: Sentence) -> str:
        primary = primary_language(language)
        return primary if (primary, sentence) in self._clips else ENGLISH


class SentenceClips:
    """Finds the sentences of each agent. Implements ``Sentences``.

    At most one clip a sentence is kept for each voice: about 150 KB of sound, 600 KB at most.

    Args:
        voices: Of the agents, by id; a line of a strange one is answered by the first.
        shipped: What is said where an agent's own is not there.
    """

    def __init__(self, voices: Mapping[str, AgentVoice], shipped: ShippedSentences) -> None:
        self._voices = voices
        self._shipped = shipped
        self._own: dict[tuple[AgentVoice, Sentence], SpokenSentence] = {}

    def of(self, agent: str, sentence: Sentence) -> SpokenSentence:
        """Return a sentence in the voice and language of an agent, as near as they are at hand."""
        voice = self._voices.get(agent) or next(iter(self._voices.values()), None)
        if voice is None:
            return self._shipped.spoken(ENGLISH, sentence)
        return self._own.get((voice, sentence)) or self._shipped.spoken(voice.language, sentence)

    def wanted(self) -> Iterator[tuple[AgentVoice, Sentence, Wording]]:
        """Go through all that agents say in voices of their own, with the words to be spoken."""
        for voice in dict.fromkeys(self._voices.values()):
            for sentence in Sentence:
                yield voice, sentence, self._shipped.wording(voice.language, sentence)

    def has(self, voice: AgentVoice, sentence: Sentence) -> bool:
        """Whether a sentence is there in this voice."""
        return (voice, sentence) in self._own

    def keep(self, voice: AgentVoice, sentence: Sentence, spoken: SpokenSentence) -> None:
        """Use a sentence from now on wherever an agent has this voice."""
        self._own[voice, sentence] = spoken


@cache
def shipped_only() -> SentenceClips:
    """Return the sentences that ship, for calls without an agent's own."""
    return SentenceClips({}, ShippedSentences.load())
