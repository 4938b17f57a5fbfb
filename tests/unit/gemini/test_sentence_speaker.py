"""One sentence, spoken by a model: what it is told, and what is taken of what it says."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest

from fwai.audio.pcm import silence
from fwai.domain.agent_voice import AgentVoice, Wording
from fwai.domain.sentence import SpokenSentence
from fwai.errors import AgentError
from fwai.gemini.connection import LiveEndpoint
from fwai.gemini.sentence_speaker import (
    DEADLINE_S,
    INSTRUCTION,
    UNFIT,
    SentenceSpeaker,
    same_words,
)
from fwai.simulator.common.jumping_loop import settle
from unit.gemini.fake_live import (
    GENERATED,
    INTERRUPTED,
    TURN_DONE,
    FakeLive,
    Json,
    Line,
    Plan,
    agent_said,
    audio,
    content,
)

ENGLISH = AgentVoice("gemini-3.8-live", "Puck", "en-IN")
TAMIL = AgentVoice("gemini-3.8-live", "Kore", "ta-IN")
WORDS = Wording("Sorry, I cannot go on right now.", "en")
HINDI_WORDS = Wording("कृपया एक क्षण रुकिए।", "hi")


def speech(ms: float) -> bytes:
    at = np.arange(24 * round(ms)) / 24_000
    return (6000 * np.sin(2 * np.pi * 300 * at)).astype("<i2").tobytes()


class Asked:
    """A sentence that is being spoken by a fake service."""

    def __init__(self, line: Line, speaking: "asyncio.Task[SpokenSentence]") -> None:
        self.line = line
        self.speaking = speaking

    async def refused(self) -> AgentError:
        with pytest.raises(AgentError) as caught:
            await self.speaking
        return caught.value


@asynccontextmanager
async def asked(voice: AgentVoice = ENGLISH, wording: Wording = WORDS) -> AsyncIterator[Asked]:
    async with FakeLive() as service:
        speaker = SentenceSpeaker(LiveEndpoint(service.url, "K"))
        speaking = asyncio.ensure_future(speaker.speak(voice, wording))
        yield Asked(await service.line(0), speaking)
        await settle(0.1)
        assert service.open == 0, "the session is closed"


async def test_a_sentence_is_read_aloud_and_its_silence_cut_off() -> None:
    async with asked() as one:
        said = speech(1500)
        setup = one.line.setup["setup"]
        assert setup["model"] == "models/gemini-3.8-live"
        assert setup["systemInstruction"]["parts"] == [{"text": INSTRUCTION}]
        assert setup["generationConfig"]["speechConfig"] == {
            "voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Puck"}},
            "languageCode": "en-IN",
        }
        assert "tools" not in setup
        assert one.line.texts == ['Say exactly this: "Sorry, I cannot go on right now."']
        await one.line.send(audio(silence(800, 24_000) + said[:20_001]), agent_said("Sorry, I can"))
        await one.line.send(audio(said[20_001:] + silence(600, 24_000)))
        await one.line.send(agent_said("not go on right now"), GENERATED, TURN_DONE)

        spoken = await one.speaking

    assert spoken.text == WORDS.text, "as it is written, and not as it was transcribed"
    assert said[2000:-2000] in spoken.pcm
    assert 1500 * 48 <= len(spoken.pcm) <= 1640 * 48


async def test_another_language_is_spoken_as_the_model_says_it() -> None:
    async with asked(TAMIL) as one:
        (text,) = one.line.texts
        assert text == 'Say exactly this, in Tamil: "Sorry, I cannot go on right now."'
        await one.line.send(audio(speech(1000)), agent_said("மன்னிக்கவும்,"), agent_said(" இப்போது"))
        await one.line.send(TURN_DONE)

        assert (await one.speaking).text == "மன்னிக்கவும், இப்போது"


@pytest.mark.parametrize(
    ("language", "wording", "order"),
    [
        ("hi-IN", HINDI_WORDS, "Say exactly this: "),
        ("hi", HINDI_WORDS, "Say exactly this: "),
        ("", WORDS, "Say exactly this: "),
        ("pt-PT", WORDS, "Say exactly this, in Portuguese: "),
        ("xx", WORDS, "Say exactly this, in xx: "),
    ],
)
async def test_a_language_that_the_words_are_not_in_is_named(
    language: str, wording: Wording, order: str
) -> None:
    async with asked(AgentVoice("gemini-3.8-live", "Puck", language), wording) as one:
        assert one.line.texts == [f'{order}"{wording.text}"']
        await one.line.send(audio(speech(1000)), TURN_DONE)
        assert (await one.speaking).text == wording.text, "nothing was transcribed"


REFUSED: Sequence[tuple[str, tuple[Json, ...]]] = [
    ("no sound", (TURN_DONE,)),
    ("no sound", (agent_said(WORDS.text), TURN_DONE)),
    ("nothing audible", (audio(silence(2000, 24_000)), TURN_DONE)),
    ("nothing audible", (audio(b"\3\0\xfd\xff" * 24_000), TURN_DONE)),
    ("0.3 s long", (audio(speech(300)), TURN_DONE)),
    ("13.0 s long", (audio(speech(6_500)), audio(speech(6_500)), TURN_DONE)),
    ("too long", (*[audio(speech(5_000))] * 5,)),
    ("interrupted", (audio(speech(900)), INTERRUPTED, TURN_DONE)),
    (
        "refused (PROHIBITED_INPUT_CONTENT)",
        (content(turnComplete=True, turnCompleteReason="PROHIBITED_INPUT_CONTENT"),),
    ),
    (
        "other words than those it was given",
        (audio(speech(1500)), agent_said("Hello! How can I help you today?"), TURN_DONE),
    ),
    (
        "other words than those it was given",
        (audio(speech(1500)), *[agent_said(f"{WORDS.text} Anything else? ")] * 400, TURN_DONE),
    ),
]


@pytest.mark.parametrize(("what", "frames"), REFUSED, ids=[str(n) for n in range(len(REFUSED))])
async def test_what_is_of_no_use_is_refused(what: str, frames: tuple[Json, ...]) -> None:
    async with asked() as one:
        await one.line.send(*frames)
        error = await one.refused()

    assert error.detail == what
    assert error.fault == UNFIT


async def test_one_that_does_not_end_in_time_is_given_up() -> None:
    async with asked() as one:
        began = asyncio.get_running_loop().time()
        await one.line.send(audio(speech(1500)))
        error = await one.refused()
        assert asyncio.get_running_loop().time() - began == pytest.approx(DEADLINE_S, abs=1)

    assert error.fault == UNFIT


async def test_a_connection_that_ends_is_the_services_fault() -> None:
    async with asked() as one:
        await one.line.send(audio(speech(1500)))
        await one.line.close(1011, "Internal error encountered.")
        error = await one.refused()

    assert error.code == 1011
    assert error.fault not in ("", UNFIT)


async def test_a_service_that_refuses_is_not_asked_to_speak() -> None:
    async with FakeLive(Plan("refuse", status=403)) as service:
        speaker = SentenceSpeaker(LiveEndpoint(service.url, "K"))
        with pytest.raises(AgentError) as caught:
            await speaker.speak(ENGLISH, WORDS)

    assert caught.value.fault == "key_refused"


async def test_being_stopped_closes_the_session() -> None:
    async with asked() as one:
        one.speaking.cancel()
        await asyncio.wait([one.speaking])
        assert one.speaking.cancelled()


@pytest.mark.parametrize(
    ("text", "heard", "same"),
    [
        ("One moment, please.", "one moment please", True),
        ("One moment, please.", "One moment... please!", True),
        ("One moment, please.", "Please hold the line.", False),
        ("One moment, please.", "Of course! Here it is: One moment, please. Did that help?", False),
        ("कृपया एक क्षण रुकिए।", "कृपया एक क्षण रुकिए", True),
        ("कृपया एक क्षण रुकिए।", "कृपया एक क्षण रुकिये।", True),
        ("कृपया एक क्षण रुकिए।", "One moment, please.", False),
    ],
)
def test_a_transcript_may_spell_a_word_its_own_way(text: str, heard: str, same: bool) -> None:
    assert same_words(text, heard) is same
