"""Sees to it that the caller hears something while the agent owes an answer, and that one comes."""

from collections.abc import Callable
from typing import Final

import structlog

from fwai.audio.pcm import duration_ms
from fwai.calls.agent_replies import AgentReplies
from fwai.calls.session_tools import SessionTools
from fwai.calls.transcript_writer import TranscriptWriter
from fwai.calls.voice import MODEL_HZ, Voice
from fwai.domain.answer_watch import AnswerWatch, Step
from fwai.domain.sentence import Sentence, SpokenSentence
from fwai.interfaces.media import AgentLeg

ASK: Final = "The caller is waiting for you to speak. Answer them now."
LOOK_S: Final = 0.25  # while an answer is owed
BARGE_IN_MS: Final = 240.0  # of the caller's speech over speech that no connection stands behind
STALLED_S: Final = 1.5  # without sound or words of a reply that is not over
PHANTOM_S: Final = 0.8  # without a sound of the caller's, before an interruption

_log = structlog.get_logger()


class AnswerKeeper:
    """Watches one call's agent.

    Args:
        agent: Is helped.
        replies: Says our own sentences.
        sentence: Returns one of them in the agent's voice.
        give_up: Called when nothing helped.

    Attributes:
        watch: What is owed.
        active: Whether anything is done; not in a call in which the agent does not speak.
        to_machine: A machine records what is said: no sentence of ours is meant for it.
    """

    def __init__(
        self,
        agent: AgentLeg,
        replies: AgentReplies,
        voice: Voice,
        transcript: TranscriptWriter,
        tools: SessionTools,
        sentence: Callable[[Sentence], SpokenSentence],
        give_up: Callable[[], None],
        now: float,
    ) -> None:
        self._agent = agent
        self._replies = replies
        self._voice = voice
        self._transcript = transcript
        self._tools = tools
        self._sentence = sentence
        self._give_up = give_up
        self._unowned = False
        self._over_ms = 0.0
        self._caller_at = now - PHANTOM_S
        self.watch = AnswerWatch(now)
        self.active = True
        self.to_machine = False

    @property
    def owed(self) -> bool:
        """Whether an answer is owed, or may be, and is seen to."""
        return self.active and self.watch.owed

    @property
    def pressing(self) -> bool:
        """Whether to look every moment."""
        return self.active and self.watch.pressing

    @property
    def unowned(self) -> bool:
        """Whether speech may be heard that the service cannot cut."""
        return self._unowned

    def hear_caller(self, now: float, ms: float, *, speech: bool) -> bool:
        """The caller was heard for ``ms``; True when they cut speech that only we can cut.

        Silence need be told only while there is `unowned` speech. The service knows of no speech of
        ours, and a new connection of none of the one before.
        """
        playing = self._voice.playing
        if speech:
            self._caller_at = now
            self.watch.caller_sound(now, over_agent=playing)
        if not (self._unowned and playing and self.active):
            self._over_ms = 0.0
            return False
        self._over_ms = self._over_ms + ms if speech else max(self._over_ms - ms, 0.0)
        if self._over_ms < BARGE_IN_MS:
            return False
        self._unowned, self._over_ms = False, 0.0
        return True

    def audio(self, now: float, *, audible: bool) -> None:
        """The model's audio came."""
        self._unowned = False
        if audible:
            self.watch.answered(now)
        else:
            self.watch.alive(now)

    def interrupted(self, now: float, *, cut: bool) -> None:
        """The model says that the caller spoke over it; if they did not, it owes what was cut."""
        self.watch.alive(now)
        if not cut:
            return
        if now - self._caller_at >= PHANTOM_S:
            self.watch.cut_short(now, now)
        else:
            self.watch.asked(now)

    def turn_over(self, now: float, *, heard: bool) -> None:
        """The model's turn ended."""
        if heard:
            self.watch.answered(now)
        elif not self._tools.running:
            self.watch.turn_over(now)

    def gone(self, now: float) -> None:
        """The connection is lost; a reply that came in part is owed."""
        self.watch.gone(now)
        self._unowned |= self._voice.playing
        if self._transcript.agent_replying:
            self._replies.end_turn()
            self.watch.asked(now)

    def back(self, now: float) -> None:
        """A connection serves; what the one before has not finished is owed."""
        self.watch.back(now)
        self._unowned |= self._voice.playing
        if self._transcript.agent_replying:
            self.watch.asked(now)
        self._replies.end_turn()

    def look(self, now: float) -> None:
        """Do what is due."""
        if not self.active:
            return
        self._end_stalled_reply(now)
        heard_until, tool_since = self._replies.heard_until, self._tools.since
        step = self.watch.step(now, heard_until, tool_since)
        if not self.to_machine and self.watch.must_say(now, heard_until, tool_since):
            self._say(now)
        if step is Step.NOTHING:
            return
        _log.warning("agent_silent", step=step.value)
        self._transcript.note("agent_silent", step=step.value)
        match step:
            case Step.ASK:
                self._agent.prompt(ASK)
            case Step.RESUME | Step.FRESH:
                self._agent.renew(fresh=step is Step.FRESH)
            case Step.GIVE_UP:
                self._give_up()

    def _end_stalled_reply(self, now: float) -> None:
        """End a reply of which nothing comes any more; what stopped in a sentence is owed."""
        if not self._transcript.agent_replying or self._voice.playing or self._tools.running:
            return
        since = max(self._replies.audio_at, self._replies.text_at, self._voice.heard_until)
        if now - since < STALLED_S:
            return
        whole = self._transcript.reply_ends_sentence
        if self._replies.turn_ms and not whole:
            self.watch.cut_short(now, since)
        self._replies.end_turn()

    def _say(self, now: float) -> None:
        spoken = self._sentence(Sentence.ONE_MOMENT)
        self._replies.say_locally(spoken)
        self._unowned = True
        self.watch.said_locally(now + duration_ms(len(spoken.pcm), MODEL_HZ) / 1000.0)
