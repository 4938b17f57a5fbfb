"""Clips of agents' own voices are made in the background; nothing is harmed when they are not."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

import virtual_time
from fwai.calls.sentence_clips import SentenceClips, ShippedSentences
from fwai.config.loading import load_settings
from fwai.domain.agent import AgentProfile
from fwai.domain.agent_voice import AgentVoice, Wording
from fwai.domain.sentence import Sentence, SpokenSentence
from fwai.errors import AgentError
from fwai.gemini.sentence_speaker import UNFIT
from fwai.store.clip_files import ClipFiles
from fwai.wiring.sentences import (
    LOOK_S,
    MAX_UNFIT,
    PATIENCE_S,
    SentenceMaker,
    agent_voices,
    clip_files,
)
from polling import until

PUCK = AgentVoice("gemini-3.8-live", "Puck", "en-IN")
KORE = AgentVoice("gemini-3.8-live", "Kore", "hi-IN")
OTHER_MODEL = AgentVoice("gemini-3.1-flash-live-preview", "Puck", "en-IN")
SHIPPED = ShippedSentences.load()
AWAY = AgentError("live: connection refused (HTTP 503)", fault="service_failed")
BAD = AgentError("live: a sentence was not read aloud: no sound", fault=UNFIT)


def virtual(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on a clock that jumps."""

    @functools.wraps(test)
    def run(**fixtures: Any) -> None:  # noqa: ANN401 - any fixture
        virtual_time.run(test(**fixtures))

    return run


@pytest.fixture(autouse=True)
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do at once what else has a thread: that clock does not wait for threads."""

    async def at_once(function: Callable[..., Any], *args: Any) -> Any:  # noqa: ANN401 - as it is
        await asyncio.sleep(0)
        return function(*args)

    monkeypatch.setattr(asyncio, "to_thread", at_once)


class FullDisk(ClipFiles):
    """A folder that takes files only after a while."""

    full = True

    def write(self, name: str, spoken: SpokenSentence, facts: Mapping[str, str]) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        super().write(name, spoken, facts)


class World:
    """A maker with a model that does what the test says.

    Attributes:
        asked: What the model was to speak, with the loop's time since the start.
        errors: Raised by it: for one voice or sentence, or for all (None), as long as it is there.
        busy: Calls are live.
    """

    def __init__(self, files: ClipFiles, voices: Mapping[str, AgentVoice]) -> None:
        self.files = files
        self.clips = SentenceClips(voices, SHIPPED)
        self.asked: list[tuple[float, AgentVoice, str]] = []
        self.errors: dict[AgentVoice | str | None, AgentError] = {}
        self.busy = False
        self.maker = SentenceMaker(self.clips, files, self.speak, lambda: self.busy)
        self.began = asyncio.get_running_loop().time()

    async def speak(self, voice: AgentVoice, wording: Wording) -> SpokenSentence:
        at = asyncio.get_running_loop().time() - self.began
        self.asked.append((at, voice, wording.text))
        for key in (None, voice, wording.text):
            if key in self.errors:
                raise self.errors[key]
        return SpokenSentence(wording.text, f"{voice.voice} {wording.text}".encode() * 2)

    @property
    def times(self) -> list[int]:
        return [round(at) for at, _, _ in self.asked]


@asynccontextmanager
async def making(files: ClipFiles, **voices: AgentVoice) -> AsyncIterator[World]:
    world = World(files, voices or {"A": PUCK})
    async with asyncio.TaskGroup() as group:
        running = group.create_task(world.maker.run())
        yield world
        assert not running.done()
        running.cancel()


@pytest.fixture
def files(tmp_path: Path) -> ClipFiles:
    return ClipFiles(tmp_path / "clips")


@virtual
async def test_what_is_missing_is_spoken_once_and_kept(files: ClipFiles, tmp_path: Path) -> None:
    async with making(files, A=PUCK, B=KORE, C=PUCK) as world:
        assert world.clips.of("A", Sentence.APOLOGY) is SHIPPED.spoken("en", Sentence.APOLOGY)
        await until(lambda: len(list((tmp_path / "clips").glob("*.json"))) == 2 * len(Sentence))
        await asyncio.sleep(2 * LOOK_S)

        assert len(world.asked) == 2 * len(Sentence)
        assert world.clips.of("C", Sentence.APOLOGY).pcm.startswith(b"Puck Sorry")
        assert world.clips.of("B", Sentence.APOLOGY).pcm.startswith(b"Kore ")
        assert world.clips.of("B", Sentence.APOLOGY).text.startswith("क्षमा")

    async with making(files, A=PUCK) as again:
        await until(lambda: again.clips.has(PUCK, Sentence.LINE_BROKE))
        await asyncio.sleep(2 * LOOK_S)

        assert again.asked == []
        assert again.clips.of("A", Sentence.APOLOGY) == world.clips.of("A", Sentence.APOLOGY)
        left = list((tmp_path / "clips").glob("*.pcm"))
        assert len(left) == len(Sentence), "nobody has the other voice any more"


@virtual
async def test_only_a_file_that_is_broken_is_made_again(files: ClipFiles, tmp_path: Path) -> None:
    async with making(files) as world:
        await until(lambda: world.clips.has(PUCK, Sentence.LINE_BROKE))
        await asyncio.sleep(5)
    next((tmp_path / "clips").glob("*.pcm")).write_bytes(b"half")

    async with making(files) as again:
        await asyncio.sleep(5)
        assert len(again.asked) == 1


@virtual
async def test_it_waits_while_calls_are_live_but_not_for_ever(files: ClipFiles) -> None:
    async with making(files) as world:
        world.busy = True
        await asyncio.sleep(PATIENCE_S - 10)
        assert world.asked == []
        world.busy = False
        await until(lambda: len(world.asked) == len(Sentence))

    async with making(files, A=KORE) as always:
        always.busy = True
        await asyncio.sleep(2.5 * PATIENCE_S)
        assert always.times == [PATIENCE_S, 2 * PATIENCE_S]


@virtual
async def test_a_service_that_is_away_is_asked_less_and_less(files: ClipFiles) -> None:
    with capture_logs() as logs:
        async with making(files) as world:
            world.errors[None] = AWAY
            await asyncio.sleep(5000)
            assert world.times == [0, 60, 360, 2160, 3960]
            world.errors.clear()
            await asyncio.sleep(1800)
            assert len(world.asked) == 5 + len(Sentence)

    told = [one for one in logs if one["log_level"] == "warning"]
    assert [(one["event"], one["cause"]) for one in told] == [
        ("sentence_clips_not_made", "gemini-3.8-live: live: connection refused (HTTP 503)")
    ]
    assert [one["clips"] for one in logs if one["event"] == "sentence_clips_made"] == [6]


@virtual
async def test_a_model_that_fails_does_not_keep_another_from_speaking(files: ClipFiles) -> None:
    async with making(files, A=OTHER_MODEL, B=PUCK) as world:
        world.errors[OTHER_MODEL] = AWAY
        await until(lambda: world.clips.has(PUCK, Sentence.LINE_BROKE))

        assert [voice for _, voice, _ in world.asked] == [OTHER_MODEL, *[PUCK] * 6]


@virtual
async def test_a_sentence_that_is_not_read_as_it_stands_is_given_up(files: ClipFiles) -> None:
    text = SHIPPED.wording("en", Sentence.CONNECTING).text
    with capture_logs() as logs:
        async with making(files) as world:
            world.errors[text] = BAD
            await asyncio.sleep(4 * LOOK_S)

            assert [said for _, _, said in world.asked].count(text) == MAX_UNFIT
            assert len(world.asked) == len(Sentence) - 1 + MAX_UNFIT
            shipped = SHIPPED.spoken("en", Sentence.CONNECTING)
            assert world.clips.of("A", Sentence.CONNECTING) is shipped

    told = [one["cause"] for one in logs if one["log_level"] == "warning"]
    assert told == [f"Puck en-IN connecting: {BAD}"]


@virtual
async def test_a_full_disk_is_survived_and_costs_nothing_twice(tmp_path: Path) -> None:
    files = FullDisk(tmp_path / "clips")
    with capture_logs() as logs:
        async with making(files) as world:
            await asyncio.sleep(30)
            assert len(world.asked) == len(Sentence)
            assert world.clips.has(PUCK, Sentence.APOLOGY), "it is heard all the same"
            files.full = False
            await asyncio.sleep(60)

    assert len(world.asked) == len(Sentence)
    assert len(list((tmp_path / "clips").glob("*.pcm"))) == len(Sentence)
    told = [one["cause"] for one in logs if one["log_level"] == "warning"]
    assert told == ["DATA_DIR: the disk is full (ENOSPC)"]


@virtual
async def test_a_folder_that_cannot_be_made_is_survived(tmp_path: Path) -> None:
    (tmp_path / "clips").write_text("a file", encoding="utf-8")
    async with making(ClipFiles(tmp_path / "clips")) as world:
        await until(lambda: world.clips.has(PUCK, Sentence.LINE_BROKE))


def profile(agent: str, **changes: Any) -> AgentProfile:  # noqa: ANN401 - any field
    values = {"voice": "", "language": "en-IN", "model": "", "tools": (), "numbers": (), **changes}
    return AgentProfile(
        id=agent, name="Asha", description="", prompt="Be brief.", greeting="", **values
    )


def test_agents_without_a_voice_or_model_have_the_servers(tmp_path: Path) -> None:
    settings = load_settings(
        {"tts_voice": "Aoede", "gemini_model": "gemini-3.8-live", "data_dir": tmp_path},
        environment=False,
    )
    agents = {
        "A": profile("A"),
        "B": profile("B", voice="Kore", model="gemini-3.1-flash-live-preview", language="hi-IN"),
    }

    assert agent_voices(settings, agents) == {
        "A": AgentVoice("gemini-3.8-live", "Aoede", "en-IN"),
        "B": AgentVoice("gemini-3.1-flash-live-preview", "Kore", "hi-IN"),
    }
    clip_files(settings).write("0" * 32, SpokenSentence("a", b"\1\0"), {})
    assert (tmp_path / "clips" / f"{'0' * 32}.pcm").exists()
