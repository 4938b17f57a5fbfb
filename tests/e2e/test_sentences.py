"""A server's agents speak, beside its work, what is said when they cannot."""

import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from e2e.house import House, running
from fwai.audio.g711 import pcm_to_ulaw
from fwai.audio.resample import Resampler
from fwai.calls.sentence_clips import ShippedSentences
from fwai.domain.sentence import Sentence, SpokenSentence
from fwai.simulator.common.clips import Clip, ClipLibrary
from fwai.simulator.gemini.scenario import Pace, Prompt, Reply, Scenario
from fwai.simulator.gemini.server import GeminiLiveSimulator
from polling import until

SHIPPED = ShippedSentences.load()
# By this the simulated model's sound is told from that which ships.
QUIETER = 0.5


def own(sentence: Sentence) -> Clip:
    """Return a sentence as the simulated model says it: in words of ours, with other sound."""
    spoken = SHIPPED.spoken("en", sentence)
    down = Resampler(24_000, 16_000)
    pcm = np.frombuffer(down.feed(spoken.pcm) + down.flush(), "<i2") * QUIETER
    ulaw = pcm_to_ulaw(pcm.astype("<i2").tobytes())
    return Clip(sentence.value, "agent", "en-IN", spoken.text, ulaw)


def reads_aloud(*sentences: Sentence) -> Scenario:
    """Return a model that reads these aloud, and greets whatever else it is to say."""
    names = [one.value for one in sentences]
    texts = [SHIPPED.wording("en", one).text.rstrip(".") for one in sentences]
    return Scenario(
        replies={"greeting": Reply(clip="greeting"), **{one: Reply(clip=one) for one in names}},
        greeting="greeting",
        fallback="greeting",
        prompts=tuple(
            Prompt((text,), name, first=True) for text, name in zip(texts, names, strict=True)
        ),
        pace=Pace(thinking_ms=20, speed=20),
    )


@asynccontextmanager
async def house(
    folder: Path, *sentences: Sentence, languages: dict[str, str], **settings: bool
) -> AsyncIterator[tuple[House, GeminiLiveSimulator]]:
    """Serve with a model that reads these sentences aloud, and an agent for each language."""
    phrases = list(ClipLibrary.load())
    clips = ClipLibrary({one.name: one for one in (*phrases, *map(own, Sentence))})
    agents = {
        name: {"name": "Asha", "prompt": "Be brief.", "voice": "Kore", "language": language}
        for name, language in languages.items()
    }
    (folder / "agents.json").write_text(json.dumps(agents), encoding="utf-8")
    async with GeminiLiveSimulator(reads_aloud(*sentences), clips=clips, clock_scale=20) as model:
        given: dict[str, object] = {
            "prompts_file": folder / "agents.json",
            "gemini_live_url": model.url,
            "agent_clips": True,
            **settings,
        }
        async with running(folder, **given) as one:
            yield one, model


def kept(folder: Path) -> dict[tuple[str, str], Path]:
    """Return the sounds below `DATA_DIR/clips`, by language and sentence."""
    found = {}
    for path in (folder / "clips").glob("*.json"):
        facts = json.loads(path.read_text("utf-8"))
        found[facts["language"], facts["sentence"]] = path.with_suffix(".pcm")
    return found


def loudness(spoken: SpokenSentence) -> float:
    samples = np.frombuffer(spoken.pcm, "<i2").astype(float)
    return math.sqrt(float(np.square(samples).mean()))


async def test_clips_are_made_in_the_background_and_used_from_then_on(tmp_path: Path) -> None:
    async with house(tmp_path, *Sentence, languages={"A": "en-IN"}) as (one, model):
        await until(lambda: len(kept(tmp_path)) == len(Sentence), within_s=20)
        for sentence in Sentence:
            spoken, shipped = one.server.sentences.of("A", sentence), SHIPPED.spoken("en", sentence)
            assert spoken.pcm == kept(tmp_path)["en-IN", sentence].read_bytes()
            assert spoken.text == shipped.text
            assert loudness(spoken) == pytest.approx(QUIETER * loudness(shipped), rel=0.15)
            assert len(spoken.pcm) == pytest.approx(len(shipped.pcm), rel=0.1)
        assert [session.violations for session in model.sessions] == [[]] * len(Sentence)
    before = len(model.sessions)

    async with house(tmp_path, *Sentence, languages={"A": "en-IN"}) as (one, model):
        shipped = SHIPPED.spoken("en", Sentence.APOLOGY)
        await until(lambda: one.server.sentences.of("A", Sentence.APOLOGY) != shipped)
        assert model.sessions == [], "they were kept"
    assert before == len(Sentence)


async def test_a_model_that_says_something_else_is_not_believed_unless_it_translates(
    tmp_path: Path,
) -> None:
    languages = {"A": "en-IN", "B": "mr-IN"}
    async with house(tmp_path, Sentence.APOLOGY, languages=languages) as (one, model):
        await until(lambda: ("mr-IN", "line_broke") in kept(tmp_path), within_s=20)

        assert {name for language, name in kept(tmp_path) if language == "en-IN"} == {"apology"}
        sentences = one.server.sentences
        assert sentences.of("A", Sentence.CONNECTING) == SHIPPED.spoken("en", Sentence.CONNECTING)
        assert sentences.of("B", Sentence.CONNECTING).text.startswith("Hello, this is Asha")
        assert any(", in Marathi: " in text for one in model.sessions for text in one.texts)


@pytest.mark.parametrize("off", [{"demo": True}, {"agent_clips": False}])
async def test_a_demo_and_whoever_wants_none_uses_what_ships(
    tmp_path: Path, off: dict[str, bool]
) -> None:
    async with house(tmp_path, *Sentence, languages={"A": "hi-IN"}, **off) as (one, model):
        spoken = one.server.sentences.of("A", Sentence.APOLOGY)

        assert spoken is not None
        assert spoken.text == SHIPPED.wording("hi", Sentence.APOLOGY).text
    assert model.sessions == []
    assert not (tmp_path / "clips").exists()
