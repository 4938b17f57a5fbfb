"""The agent's replies in one call: from the model's first audio to the end of the turn."""

import asyncio
import time
from typing import Final

import structlog

from fwai.audio.audible import AudibleSpeech
from fwai.audio.pcm import duration_ms
from fwai.calls.caller_input import CallerInput
from fwai.calls.read_backs import ReadBacks
from fwai.calls.transcript_writer import TranscriptWriter
from fwai.calls.voice import MODEL_HZ, Voice
from fwai.domain.sentence import SpokenSentence
from fwai.domain.turns import TurnTimes

LATE_AUDIO_S: Final = 0.4  # after an interruption: no answer to it can come sooner
MAX_TURNS_KEPT: Final = 2_000

_log = structlog.get_logger()


class AgentReplies:
    """Plays replies, cuts them at an interruption, and keeps when their stages happened.

    Attributes:
        read_backs: What the caller dictated, and whether they heard it read back.
        turns: When the stages of each reply happened; the first `MAX_TURNS_KEPT`.
        begun: How many replies have begun.
        audio_at: When the model's audio last came, in the loop's time.
        text_at: When words of it last came.
        turn_ms: Audio of this turn so far, in milliseconds.
        away_cause: Why the agent is away, in words an operator can act on; empty while it is there.
    """

    def __init__(self, voice: Voice, transcript: TranscriptWriter, caller: CallerInput) -> None:
        self._voice = voice
        self._transcript = transcript
        self._caller = caller
        self._loop = asyncio.get_running_loop()
        self._turn = TurnTimes()
        self.read_backs = ReadBacks(voice, caller, lambda: self._turn.model_audio is not None)
        self._turn_open = False
        self._drop_audio_until = 0.0
        self._judge = AudibleSpeech(MODEL_HZ)
        self._counts = True  # what is played is speech
        self._heard_before = 0.0
        self.audio_at = self.text_at = 0.0
        self.turns: list[TurnTimes] = []
        self.begun = 0
        self.turn_ms = 0.0
        self.away_cause = ""

    def away(self, cause: str) -> None:
        """The model cannot be heard until it is back; an unknown cause keeps what is known."""
        self.away_cause = cause or self.away_cause

    def asked(self, now: float) -> None:
        """The model was prompted: the next reply answers that, not the caller's speech."""
        self._turn.asked = now

    @property
    def heard_until(self) -> float:
        """Until when the caller hears something that is speech; the loop's time."""
        return self._voice.heard_until if self._counts else self._heard_before

    def say_locally(self, sentence: SpokenSentence, then: bytes = b"") -> None:
        """Say something without the model, in place of what it has not said.

        Args:
            sentence: What.
            then: Sound right after it, s16le at 24 kHz.
        """
        now = self._loop.time()
        if not self._counts and self._voice.playing:
            heard_ms = self._voice.heard_ms
            self._voice.cut(now)  # nobody waits for near-silence to end
            self._transcript.interrupted(heard_ms)
        self._counts = True
        self.end_turn()
        self._transcript.agent_begins()
        self._transcript.agent_text(sentence.text)
        for pcm in (sentence.pcm, then):
            self._transcript.agent_sound(duration_ms(len(pcm), MODEL_HZ))
            self._voice.say(pcm, now)
        self._voice.end_reply(now)
        self._transcript.agent_done()
        self._transcript.agent_turn_over()

    def audio(self, pcm: bytes) -> bool:
        """Play the model's audio, s16le at 24 kHz; late audio of a cut reply is dropped.

        Returns:
            Whether the reply can be heard so far: it is no near-silence and no steady tone.
        """
        now = self._loop.time()
        if now < self._drop_audio_until:
            return False  # late audio of a reply that the caller interrupted
        if self._turn.model_audio is None:
            self._begin(now)
        pcm = pcm if len(pcm) % 2 == 0 else pcm[:-1]
        self.audio_at = now
        ms = duration_ms(len(pcm), MODEL_HZ)
        self.turn_ms += ms
        self._transcript.agent_sound(ms)
        self.read_backs.agent_sound(ms)
        self._voice.say(pcm, now)
        if self._turn.played is None:
            self._turn.played = self._voice.sent_at
        self._counts = self._counts or self._judge.add(pcm)
        return self._counts

    def text(self, words: str) -> None:
        """Add a piece of the reply's transcript; words nobody will hear are dropped."""
        now = self._loop.time()
        if now >= self._drop_audio_until:
            self.text_at = now
            self._transcript.agent_text(words)
            self.read_backs.agent_text(words)

    def caller_text(self, words: str) -> None:
        """Add a piece of the caller's transcript, where it belongs among the replies."""
        # No speech of theirs since the reply began: it is what the reply answers.
        late = self._turn_open and self._caller.stopped_at is None
        self._transcript.caller_text(words, self._transcript.now(), late=late)
        self.read_backs.caller_said(words)

    def end(self) -> bool:
        """The model has produced the whole reply; its tail is still to be heard.

        Returns:
            Whether it was one that can be heard.
        """
        now = self._loop.time()
        if self._turn.model_audio is None:
            self._transcript.agent_done()
            return False
        heard = self._judge.ended()
        self._counts |= heard
        if not heard:
            _log.warning("agent_reply_inaudible", turn=self.begun)
        if not self._voice.playing:
            # The last milliseconds that the resampler held are no sound that ends a silence.
            self._heard_before, self._counts = self.heard_until, False
        self._voice.end_reply(now)
        self._turn.ended = now
        self.close_turn()
        self._transcript.agent_done()
        return heard

    def end_turn(self) -> bool:
        """The model's turn is over: what comes now belongs to another one. Returns as `end`."""
        heard = self.end()
        self._transcript.agent_turn_over()
        self._turn_open = False
        self._drop_audio_until = self.turn_ms = 0.0
        return heard

    def interrupt(self) -> bool:
        """The caller spoke over the agent: nothing more of this reply may be heard.

        Returns:
            Whether something was cut off.
        """
        began = time.perf_counter()  # the loop's own clock stands still within one event
        now = self._loop.time()
        self._drop_audio_until = now + LATE_AUDIO_S
        heard_ms = self._voice.heard_ms
        unheard_ms = self._voice.cut(now)
        self.read_backs.interrupted(unheard_ms, replying=self._turn.model_audio is not None)
        self._transcript.interrupted(heard_ms)
        self._turn.interrupted = now
        self._turn.barge_in_s = time.perf_counter() - began
        self.turn_ms = 0.0
        _log.info("barge_in", turn=self.begun, unheard_ms=round(unheard_ms))
        replying = self._turn.model_audio is not None
        if not replying and self.turns:
            self.turns[-1].interrupted = now  # cut while its tail was playing
        self.close_turn()
        return replying or unheard_ms > 0.0

    def close_turn(self) -> None:
        """Keep the times of the reply that is over."""
        if self._turn.model_audio is not None and len(self.turns) < MAX_TURNS_KEPT:
            self.turns.append(self._turn)
        self._turn = TurnTimes()

    def _begin(self, now: float) -> None:
        self.read_backs.reply_began()
        self._turn.model_audio = now
        self._heard_before = self.heard_until
        self._counts = False
        self._judge.reset()
        if self._turn.asked is None:
            self._turn.caller_stopped = self._caller.stopped_at
        self._caller.stopped_at = None
        self._turn_open = True
        self.turn_ms = 0.0
        self.begun += 1
        if not self._transcript.agent_replying:  # its text may have come first
            self._transcript.agent_begins()
