"""Builds the transcript of a call from what the caller actually heard.

The model sends the text of a reply ahead of its audio, and the audio ahead of playback. A reply's
text is aligned with its audio by share: half of the audio heard is half of the text. Text is
emitted only once its audio was heard, so an interrupted reply ends where the caller cut it, and a
crash loses only what nobody heard. Words are never split.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

# Text may arrive ahead of its sound; nobody speaks faster than this, so no more is given out.
MAX_CHARS_PER_MS = 0.03
# Sound is added up in pieces: far above what their sum is off by, far below a word.
_ROUNDING_MS = 0.01


@dataclass(frozen=True, slots=True)
class Heard:
    """Text of one reply that the caller has heard.

    Attributes:
        text: The words; empty when only the interruption is reported.
        turn: Which turn of the call they belong to.
        interrupted: The caller cut the reply here.
    """

    text: str
    turn: int
    interrupted: bool = False


@dataclass(slots=True)
class _Reply:
    turn: int
    starts_ms: float
    sound_ms: float = 0.0
    text: str = ""
    emitted: int = 0
    over: bool = False
    closed: bool = False

    def all_heard(self, heard_ms: float) -> bool:
        """Whether the reply is complete and all of it was heard."""
        return self.over and heard_ms >= self.sound_ms - _ROUNDING_MS

    def take_heard_text(self, heard_ms: float) -> str:
        """Return the text heard since the last call; the reply starts at 0 ms."""
        if self.sound_ms <= 0.0:
            return ""  # text that was never spoken was never heard
        if self.all_heard(heard_ms):
            end = len(self.text)
        else:
            share = heard_ms / self.sound_ms
            end = int(min(len(self.text) * share, heard_ms * MAX_CHARS_PER_MS))
            end = max(self.text.rfind(" ", 0, end + 1), 0)
        if end <= self.emitted:
            return ""
        words, self.emitted = self.text[self.emitted : end], end
        return words.strip()


class AgentTranscript:
    """Aligns the agent's replies with playback, in milliseconds of its speech that were heard."""

    def __init__(self) -> None:
        self._replies: deque[_Reply] = deque()
        self._end_ms = 0.0

    @property
    def replying(self) -> bool:
        """Whether the newest reply is still being produced."""
        return bool(self._replies) and not self._replies[-1].over

    @property
    def text(self) -> str:
        """The newest reply's text."""
        return self._replies[-1].text if self._replies else ""

    @property
    def takes_text(self) -> bool:
        """Whether new text belongs to the newest reply; it may come after the audio."""
        return bool(self._replies) and not self._replies[-1].closed

    def begin(self, turn: int) -> None:
        """Start the next reply; it plays after all earlier ones."""
        self.end_turn()
        self._replies.append(_Reply(turn, self._end_ms))

    def add_text(self, text: str) -> None:
        """Append to the newest reply's text."""
        if self._replies:
            self._replies[-1].text += text

    def add_sound(self, ms: float) -> None:
        """Append to the newest reply's audio."""
        if self._replies:
            self._replies[-1].sound_ms += ms
            self._end_ms += ms

    def end_reply(self) -> None:
        """Mark the newest reply's audio as complete."""
        if self._replies:
            self._replies[-1].over = True

    def end_turn(self) -> None:
        """Mark the newest reply as complete, late text included."""
        if self._replies:
            self._replies[-1].over = self._replies[-1].closed = True

    def heard(self, heard_ms: float) -> Iterator[Heard]:
        """Yield text that was heard since the last call.

        Args:
            heard_ms: All of the agent's speech that the caller has heard since the call began.
        """
        while self._replies:
            reply = self._replies[0]
            into_ms = heard_ms - reply.starts_ms
            if into_ms < -_ROUNDING_MS or (into_ms <= 0.0 and reply.sound_ms > 0.0):
                return
            if words := reply.take_heard_text(into_ms):
                yield Heard(words, reply.turn)
            if not (reply.closed and reply.all_heard(into_ms)):
                return
            self._replies.popleft()

    def interrupt(self, heard_ms: float) -> Iterator[Heard]:
        """Yield text that was heard and drop the rest: the caller barged in here."""
        for reply in self._replies:
            into_ms = heard_ms - reply.starts_ms
            if into_ms > 0.0:
                cut = not reply.all_heard(into_ms)
                words = reply.take_heard_text(into_ms)
                if words or cut:
                    yield Heard(words, reply.turn, interrupted=cut)
        self._replies.clear()
        self._end_ms = heard_ms


class CallerSpeech:
    """Gathers pieces of the caller's transcript into utterances, split by pauses."""

    def __init__(self, quiet_s: float = 1.0) -> None:
        self._quiet_s = quiet_s
        self._text = ""
        self._first_at = 0.0
        self._last_at = 0.0

    def add(self, text: str, at: float) -> None:
        """Append a piece that arrived at time ``at`` (seconds)."""
        if not self._text:
            self._first_at = at
        self._text += text
        self._last_at = at

    def forget(self) -> None:
        """Drop what was not taken yet."""
        self._text = ""

    def take(self, now: float, *, over: bool = False) -> tuple[str, float] | None:
        """Return an utterance and when it began, once it is ``over`` or a pause followed."""
        if not self._text or not (over or now - self._last_at >= self._quiet_s):
            return None
        text, self._text = self._text.strip(), ""
        return (text, self._first_at) if text else None
