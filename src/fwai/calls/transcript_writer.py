"""What is written down of a call while it happens: who said what, as it was heard."""

import time
from collections.abc import Callable

from fwai.domain.events import ToolCall, ToolResult
from fwai.domain.transcript import AgentTranscript, CallerSpeech, Heard
from fwai.interfaces.store import CallLog

SENTENCE_ENDS = (".", "!", "?", "।", "॥", "\u06d4", "\u061f", "…", "\u3002")


class TranscriptWriter:
    """Turns the legs' pieces of text into lines of the call's log.

    Turns are numbered in the order in which they were spoken. A caller's transcript may come after
    the reply to it has begun, so each reply leaves a number free for the words it answers.

    Args:
        log: Where lines go.
        now: The call's time: Unix time in seconds that never goes back.

    Attributes:
        now: The same.
    """

    def __init__(self, log: CallLog, now: Callable[[], float] | None = None) -> None:
        self._log = log
        self.now = now or time.time
        self._agent = AgentTranscript()
        self._caller = CallerSpeech()
        self._turn = 0
        self._reply_turn = 0
        self._asking_turn = 0  # of the caller's words that the newest reply answers
        self._caller_turn = 0
        self._caller_open = False

    @property
    def agent_replying(self) -> bool:
        """Whether the agent is producing a reply."""
        return self._agent.replying

    @property
    def reply_ends_sentence(self) -> bool:
        """Whether the newest reply's text, as far as it came, ends a sentence."""
        return self._agent.text.rstrip(" \"')»”").endswith(SENTENCE_ENDS)

    def caller_text(self, text: str, at: float, *, late: bool) -> None:
        """Add a piece of the caller's transcript.

        Args:
            text: As it came.
            at: Unix time, in seconds.
            late: The caller has not spoken since the agent's reply began: it belongs before it.
        """
        if late and self._reply_turn:
            turn = self._asking_turn
        elif self._caller_open and self._caller_turn > self._reply_turn:
            turn = self._caller_turn
        else:
            self._turn += 1
            turn = self._turn
        if turn != self._caller_turn:
            self._write_caller(at, over=True)
            self._caller_turn = turn
        self._caller_open = True
        self._caller.add(text, at)

    def caller_repeats(self) -> None:
        """Forget the words of the caller that are not written yet: they will come anew."""
        self._caller.forget()

    def agent_begins(self) -> None:
        """Start a reply."""
        if self._caller_turn > self._reply_turn:
            self._asking_turn = self._caller_turn
        else:
            self._turn += 1
            self._asking_turn = self._turn
        self._turn += 1
        self._reply_turn = self._turn
        self._agent.begin(self._turn)

    def agent_text(self, text: str) -> None:
        """Add a piece of the reply's transcript; it may come before the sound or after its end."""
        if not self._agent.takes_text:
            self.agent_begins()
        self._agent.add_text(text)

    def agent_sound(self, ms: float) -> None:
        """Add to the reply's sound, in milliseconds."""
        self._agent.add_sound(ms)

    def agent_done(self) -> None:
        """End the reply's sound; it may be still playing, and late text may come."""
        self._agent.end_reply()

    def agent_turn_over(self) -> None:
        """End the reply: what text comes now belongs to another one."""
        self._agent.end_turn()

    def interrupted(self, heard_ms: float) -> None:
        """Cut the agent's speech at what was heard."""
        now = self.now()
        for words in self._agent.interrupt(heard_ms):
            self._write_agent(words, now)

    def heard(self, heard_ms: float, now: float, *, over: bool = False) -> None:
        """Write what became known; called about once a second.

        Args:
            heard_ms: All agent speech that the caller has heard.
            now: Unix time in seconds.
            over: The call is over: write all that is left.
        """
        for words in self._agent.heard(heard_ms):
            self._write_agent(words, now)
        self._write_caller(now, over=over)

    def finish(self, heard_ms: float) -> None:
        """Write what is left of a call that is over."""
        self.heard(heard_ms, self.now(), over=True)

    def tool(self, request: ToolCall, result: ToolResult, at: float, elapsed_ms: float) -> None:
        """Write a tool call and its outcome, after the words that led to it."""
        self._write_caller(self.now(), over=True)
        self._log.tool_finished(request, result, at, elapsed_ms)

    def note(self, what: str, **facts: str | float | bool) -> None:
        """Write a system event."""
        self._log.note(what, self.now(), **facts)

    def _write_caller(self, now: float, *, over: bool = False) -> None:
        said = self._caller.take(now, over=over)
        if said is not None:
            text, at = said
            self._log.caller_said(text, at, self._caller_turn)
            self._caller_open = False

    def _write_agent(self, words: Heard, now: float) -> None:
        if words.turn > self._caller_turn:  # what it answers comes first
            self._write_caller(now, over=True)
        if words.text or words.interrupted:
            self._log.agent_said(words.text, now, words.turn, interrupted=words.interrupted)
