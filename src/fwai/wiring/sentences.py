"""Has agents' own models speak the sentences that are said without them, while nobody calls.

Theory of operation. What was spoken before is read from `DATA_DIR/clips` at the start; what is
missing is spoken one after the other, in a round. A model that fails is left alone for the rest of
the round, and rounds in which something failed are followed by growing pauses. A sentence that a
model does not read as it is written is given up after `MAX_UNFIT` tries: those cost tokens. What
cannot be written, as on a full disk, is used all the same, and written in a later round.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import structlog

from fwai.calls.sentence_clips import SentenceClips
from fwai.config.settings import Settings
from fwai.domain.agent import AgentProfile
from fwai.domain.agent_voice import AgentVoice, Wording, clip_name
from fwai.domain.failure import storage_words
from fwai.domain.sentence import Sentence, SpokenSentence
from fwai.errors import AgentError
from fwai.gemini.sentence_speaker import UNFIT
from fwai.store.clip_files import ClipFiles

FOLDER: Final = "clips"
PAUSES_S: Final = (60.0, 300.0, 1800.0)
LOOK_S: Final = 1800.0
BUSY_S: Final = 5.0  # between two looks whether calls are live
PATIENCE_S: Final = 900.0  # where calls always are, one is spoken beside them all the same
MAX_UNFIT: Final = 3
MAX_TOLD: Final = 5

Speak = Callable[[AgentVoice, Wording], Awaitable[SpokenSentence]]

_log = structlog.get_logger()


def agent_voices(
    settings: Settings, agents: Mapping[str, AgentProfile]
) -> Mapping[str, AgentVoice]:
    """Return the voices of the agents by their ids."""
    return {
        agent.id: AgentVoice(
            agent.model or settings.gemini_model,
            agent.voice or settings.tts_voice,
            agent.language,
        )
        for agent in agents.values()
    }


def clip_files(settings: Settings) -> ClipFiles:
    """Return where clips are kept."""
    return ClipFiles(settings.data_dir / FOLDER)


class SentenceMaker:
    """Makes the clips that are missing, in the background.

    Args:
        clips: Where they are used.
        files: Where they are kept.
        speak: Has one spoken; raises ``AgentError``.
        busy: Whether calls are live, beside which nothing is to be spoken.
        pauses_s: After rounds in which something failed, one after the other; the last one again.
        look_s: After other rounds.
    """

    def __init__(
        self,
        clips: SentenceClips,
        files: ClipFiles,
        speak: Speak,
        busy: Callable[[], bool],
        *,
        pauses_s: Sequence[float] = PAUSES_S,
        look_s: float = LOOK_S,
    ) -> None:
        self._clips = clips
        self._files = files
        self._speak = speak
        self._busy = busy
        self._pauses_s = pauses_s
        self._look_s = look_s
        self._unwritten: dict[str, tuple[SpokenSentence, Mapping[str, str]]] = {}
        self._unfit: Counter[str] = Counter()
        self._told: dict[str, str] = {}

    async def run(self) -> None:
        """Make what is missing, now and whenever there may be something again, until cancelled."""
        await asyncio.to_thread(self._load)
        failed = 0
        while True:
            whole = await self._make()
            if whole:
                failed, pause = 0, self._look_s
            else:
                pause = self._pauses_s[min(failed, len(self._pauses_s) - 1)]
                failed += 1
            await asyncio.sleep(pause)

    def _load(self) -> None:
        """Read what was spoken before, and remove what no agent says any more."""
        names = set()
        for voice, sentence, wording in self._clips.wanted():
            name = clip_name(voice, wording.text)
            names.add(name)
            if (spoken := self._files.read(name)) is not None:
                self._clips.keep(voice, sentence, spoken)
        if removed := self._files.keep_only(names):
            _log.info("sentence_clips_removed", files=removed)

    async def _make(self) -> bool:
        """Have what is missing spoken; False when a round soon might do better."""
        away: dict[str, str] = {}  # models
        unfit: dict[str, str] = {}
        made = 0
        for voice, sentence, wording in list(self._clips.wanted()):
            name = clip_name(voice, wording.text)
            given_up = self._unfit[name] >= MAX_UNFIT
            if self._clips.has(voice, sentence) or voice.model in away or given_up:
                continue
            await self._quiet()
            try:
                spoken = await self._speak(voice, wording)
            except AgentError as exc:
                if exc.fault == UNFIT:
                    self._unfit[name] += 1
                    unfit[f"{voice.voice} {voice.language} {sentence}"] = str(exc)
                else:
                    away[voice.model] = str(exc)
            else:
                made += 1
                self._clips.keep(voice, sentence, spoken)
                self._unwritten[name] = spoken, _facts(voice, sentence, wording)
                await self._write()
        if made:
            _log.info("sentence_clips_made", clips=made)
        written = await self._write()
        self._tell("spoken", {**away, **unfit})
        return written and not (away or unfit)

    async def _write(self) -> bool:
        """Write what is not written yet; False when that failed."""
        try:
            for name, (spoken, facts) in list(self._unwritten.items()):
                await asyncio.to_thread(self._files.write, name, spoken, facts)
                del self._unwritten[name]
        except OSError as exc:
            self._tell("written", {"DATA_DIR": storage_words(exc, "DATA_DIR")[0]})
            return False
        self._tell("written", {})
        return True

    async def _quiet(self) -> None:
        """Wait until no call is live, for `PATIENCE_S` at most."""
        for _ in range(round(PATIENCE_S / BUSY_S)):
            if not self._busy():
                break
            await asyncio.sleep(BUSY_S)

    def _tell(self, step: str, causes: Mapping[str, str]) -> None:
        """Log what is wrong when that is news."""
        what = "; ".join(f"{name}: {cause}" for name, cause in list(causes.items())[:MAX_TOLD])
        if what != self._told.get(step, ""):
            self._told[step] = what
            if what:
                _log.warning("sentence_clips_not_made", step=step, cause=what, clips=len(causes))


def _facts(voice: AgentVoice, sentence: Sentence, wording: Wording) -> Mapping[str, str]:
    """Return what an operator may want to know of a clip, for the file beside it."""
    return {
        "sentence": sentence.value,
        "asked_for": wording.text,
        "model": voice.model,
        "voice": voice.voice,
        "language": voice.language,
    }
