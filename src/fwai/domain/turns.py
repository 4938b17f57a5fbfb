"""Turn-taking: latency measurement per turn, and the silence policy.

Carriers send silence without end, so silence is judged from speech energy and from what the
agent does, never from the arrival of audio. All times are seconds on one monotonic clock that
the caller of these methods owns.
"""

import enum
from dataclasses import dataclass, field


@dataclass(slots=True)
class TurnTimes:
    """Timestamps of the stages of one reply, in seconds on the session's clock.

    Attributes:
        caller_stopped: The caller's last audible speech before the reply; None for a greeting.
        asked: When a greeting or other prompt was sent; None for an answer to speech.
        model_audio: The reply's first audio came from the model.
        played: That audio was handed to the carrier.
        ended: The model had produced all of the reply.
        interrupted: The caller cut the reply off.
        barge_in_s: From the model's word to the carrier's clear command, when interrupted.
    """

    caller_stopped: float | None = None
    asked: float | None = None
    model_audio: float | None = None
    played: float | None = None
    ended: float | None = None
    interrupted: float | None = None
    barge_in_s: float | None = None

    @property
    def latency_ms(self) -> float | None:
        """From the end of the caller's speech to the first audio sent back, in milliseconds."""
        if self.caller_stopped is None or self.played is None:
            return None
        return (self.played - self.caller_stopped) * 1000.0


MOST_WORDLESS_S = 120.0
"""Sound of the caller's that is never transcribed, such as music, counts so long as speech."""


class SilenceStep(enum.Enum):
    """What to do about silence."""

    NOTHING = enum.auto()
    NUDGE = enum.auto()
    GOODBYE = enum.auto()


@dataclass(slots=True)
class SilencePolicy:
    """Decides when to nudge a silent caller, and when to end the call.

    Attributes:
        quiet_s: How long nobody may speak before something is done.
        nudges: How often the agent asks whether the caller is still there.
    """

    quiet_s: float = 20.0
    nudges: int = 2
    _since: float = field(default=0.0, init=False)
    _known_at: float = field(default=0.0, init=False)
    _asked: int = field(default=0, init=False)

    def caller_spoke(self, now: float) -> None:
        """Reset the policy: the caller spoke, as words or keys show."""
        self._since, self._asked, self._known_at = now, 0, now

    def caller_sound(self, now: float) -> None:
        """Restart the wait: the caller can be heard. Sound without a word is at last no caller."""
        if now - self._known_at < MOST_WORDLESS_S:
            self._since = now

    def agent_busy(self, now: float) -> None:
        """Restart the wait: the agent speaks, thinks or runs a tool."""
        self._since = now

    def step(self, now: float) -> SilenceStep:
        """Return what to do at ``now``; a nudge or goodbye restarts the wait."""
        if now - self._since < self.quiet_s:
            return SilenceStep.NOTHING
        self._since = now
        if self._asked >= self.nudges:
            return SilenceStep.GOODBYE
        self._asked += 1
        return SilenceStep.NUDGE
