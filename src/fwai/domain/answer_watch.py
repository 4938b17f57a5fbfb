"""Whether the agent owes an answer that nobody hears, and what to do about it. No I/O, no clock.

Theory of operation. The agent owes an answer to an instruction of ours, to a tool's result, to what
the caller said, and for a reply that was cut short by anything but the caller. It has answered once
something was *heard* that is speech: what comes as near-silence, as a steady tone or as text only
is no answer. While one is owed and nothing is heard, a sentence of ours is said now and then, and
the model is helped in steps: asked to speak, its connection renewed, begun afresh, given up. The
caller's next words do not take a step back; they are only not spoken into.

That the caller said something is certain when words came, or a turn of the model. Sound alone may
be music or a dog: then the model is asked once, and only if it gives no sign of life is it certain.
All times are seconds on one monotonic clock.
"""

import enum
from typing import Final

GONE_SAY_S: Final = 1.3
"""Of silence, while the connection is known to be gone."""
SILENT_SAY_S: Final = 4.05
"""Of silence, while it is open: answers may take three and a half seconds."""
TOOL_SAY_S: Final = 8.5
"""Of silence, while a tool runs."""
AFTER_TOOL_SAY_S: Final = 3.6
"""After its outcome was given; some silence came before."""
SAY_AGAIN_S: Final = 5.5
"""From the end of one sentence to the next."""
STEP_S: Final = 4.0
"""What each step is given to show an effect, and a new connection to answer."""
CUT_SHORT_S: Final = 0.6
"""After an answer that stopped in the middle: what is due is done now."""
EMPTY_TURN_S: Final = 1.5
"""After a turn in which nothing was said: what is due is done now."""
UNSURE_ASK_S: Final = 3.5
UNSURE_SAY_S: Final = 4.5
UNSURE_AGAIN_S: Final = 60.0
LEAST_SPEECH_S: Final = 0.3
OVER_AGENT_S: Final = 1.5
MOST_SPEECH_S: Final = 15.0
WORDS_LATE_S: Final = 5.0
QUIET_WORDS_S: Final = 8.0
"""Without a sound of the caller's and without an answer: words are new then, and not late ones."""
PAUSE_S: Final = 1.0
"""Speech that goes on after a shorter pause is one utterance."""


class Step(enum.StrEnum):
    """What to do for the model's sake."""

    NOTHING = "nothing"
    ASK = "ask"
    RESUME = "resume"
    FRESH = "fresh"
    GIVE_UP = "give_up"


ESCALATION: Final = (Step.ASK, Step.RESUME, Step.FRESH, Step.GIVE_UP)


class AnswerWatch:
    """Judges one call.

    Args:
        now: The time.

    Attributes:
        said: How many sentences were said in a row without an answer.
    """

    def __init__(self, now: float) -> None:
        self._owed_at: float | None = None
        self._certain = self._after_tool = False
        self._steps_taken = 0
        self._stepped_at = now
        self._hasten_at: float | None = None
        self._gone_at: float | None = now  # no connection was opened yet
        self._speech_began = self._spoke_at = -MOST_SPEECH_S
        self._alive_at = self._answered_at = now
        self._unsure_at = -UNSURE_AGAIN_S
        self._said_until = 0.0
        self.said = 0

    @property
    def owed(self) -> bool:
        """Whether an answer is owed, or may be."""
        return self._owed_at is not None

    @property
    def pressing(self) -> bool:
        """Whether to look every moment."""
        return self._owed_at is not None or self._gone_at is not None

    def spoke_at(self, now: float) -> float:
        """Return when the caller said words that come now: their transcript may be late."""
        return self._spoke_at if now - self._spoke_at < WORDS_LATE_S else now

    # ---- what happens ---------------------------------------------------------------------------

    def asked(self, now: float) -> None:
        """The model was told to speak: it owes an answer."""
        self._owe(now, certain=True)

    def tool_done(self, now: float) -> None:
        """It has the outcome of a tool; the caller has waited for that already."""
        self._owe(now, certain=True)
        self._after_tool = True

    def cut_short(self, now: float, since: float) -> None:
        """An answer stopped in the middle, and nothing was heard since: no long wait is needed."""
        self._owe(since, certain=True)
        self._hasten_at = now + CUT_SHORT_S

    def caller_sound(self, now: float, *, over_agent: bool) -> None:
        """The caller can be heard; called for each piece of audio with speech in it.

        Args:
            now: The time.
            over_agent: The agent is heard at the same time: a word or two need no answer.
        """
        if now - self._spoke_at > PAUSE_S:
            self._speech_began = now
        self._spoke_at = now
        least_s = OVER_AGENT_S if over_agent else LEAST_SPEECH_S
        if now - self._speech_began >= least_s or self._owed_at is not None:
            self._owe(now, certain=False)

    def caller_words(self, now: float, *, over_agent: bool = False) -> None:
        """Words of the caller were transcribed.

        Args:
            now: The time.
            over_agent: The agent is heard at the same time.
        """
        self.alive(now)
        if self._owed_at is not None or now - self._spoke_at < SILENT_SAY_S:
            self._owe(max(self._spoke_at, self._owed_at or 0.0), certain=True)
        elif not over_agent and now - max(self._spoke_at, self._answered_at) >= QUIET_WORDS_S:
            self._owe(now, certain=False)  # they speak too quietly for us, but not for the model

    def alive(self, now: float) -> None:
        """The model gave a sign of life."""
        self._alive_at = now

    def answered(self, now: float) -> None:
        """Speech of the model is heard, or it acts: nothing is owed any more."""
        self.alive(now)
        self._answered_at = now
        self._owed_at = self._hasten_at = None
        self._certain = self._after_tool = False
        self._steps_taken = self.said = 0

    def turn_over(self, now: float) -> None:
        """A turn ended; if an answer is owed it was none."""
        self.alive(now)
        if self._owed_at is not None and self._spoke_at < now - 0.2:
            self._certain = True
            self._hasten_at = now + EMPTY_TURN_S

    def gone(self, now: float) -> None:
        """The connection is known to be lost."""
        if self._gone_at is None:
            self._gone_at = now

    def back(self, now: float) -> None:
        """It is there again; what is owed was told to it anew."""
        self._gone_at = self._hasten_at = None
        self._stepped_at = now

    def said_locally(self, until: float) -> None:
        """A sentence of ours is heard until then."""
        self._said_until = until
        self.said += 1

    # ---- what to do -----------------------------------------------------------------------------

    def must_say(self, now: float, heard_until: float, tool_since: float | None) -> bool:
        """Whether the caller must hear a sentence of ours now.

        Args:
            now: The time.
            heard_until: Until when the caller hears speech that was sent.
            tool_since: Since when the model waits for a tool of ours; None while it does not.
        """
        owed_at = tool_since if self._owed_at is None else self._owed_at
        if owed_at is None:
            return False
        quiet_from = max(owed_at, self._spoke_at, heard_until)
        if owed_at - self._said_until > SAY_AGAIN_S:
            self.said = 0  # that was said in another wait
        if self.said:
            return now - self._said_until >= SAY_AGAIN_S and now - self._spoke_at >= PAUSE_S
        if self._gone_at is not None:
            return now - max(quiet_from, self._gone_at) >= GONE_SAY_S and self._speechlike
        if tool_since is not None:
            return now - quiet_from >= TOOL_SAY_S
        wait_s = SILENT_SAY_S if self._certain else UNSURE_SAY_S
        if self._after_tool:
            wait_s = AFTER_TOOL_SAY_S
        return now - quiet_from >= wait_s and self._is_certain(now)

    def step(self, now: float, heard_until: float, tool_since: float | None) -> Step:
        """Return what to do for the model now, once each; arguments as of `must_say`."""
        if self._owed_at is None or self._gone_at is not None or tool_since is not None:
            return Step.NOTHING
        if now - self._spoke_at < PAUSE_S:  # they are speaking: no moment to judge
            return Step.NOTHING
        quiet_from = max(self._owed_at, heard_until if not self.said else 0.0)
        if not self._certain:
            return self._unsure(now, quiet_from)
        due = max(quiet_from + SILENT_SAY_S, self._stepped_at + STEP_S)
        if self._hasten_at is not None:
            due = min(due, self._hasten_at)
        if now < due or self._steps_taken >= len(ESCALATION):
            return Step.NOTHING
        return self._take_step(now)

    # ---- inside ---------------------------------------------------------------------------------

    @property
    def _speechlike(self) -> bool:
        return self._certain or self._spoke_at - self._speech_began <= MOST_SPEECH_S

    def _owe(self, at: float, *, certain: bool) -> None:
        self._certain |= certain
        if self._owed_at is None or self._steps_taken == 0:
            self._owed_at = at

    def _is_certain(self, now: float) -> bool:
        """Whether an answer is owed for certain; a model that was asked and is dead owes one."""
        asked_in_vain = self._unsure_at > self._alive_at and now - self._unsure_at >= 0.9
        self._certain |= asked_in_vain
        return self._certain

    def _unsure(self, now: float, quiet_from: float) -> Step:
        if self._unsure_at > quiet_from:  # it was asked
            if self._alive_at > self._unsure_at:
                self._owed_at = None  # it lives, and has nothing to say to that sound
            else:
                self._is_certain(now)
            return Step.NOTHING
        if now - quiet_from < UNSURE_ASK_S:
            return Step.NOTHING
        if not self._speechlike or now - self._unsure_at < UNSURE_AGAIN_S:
            self._owed_at = None
            return Step.NOTHING
        self._unsure_at = now
        self._steps_taken, self._stepped_at = 1, now
        return Step.ASK

    def _take_step(self, now: float) -> Step:
        step = ESCALATION[self._steps_taken]
        self._steps_taken += 1
        self._stepped_at, self._hasten_at = now, None
        return step
