"""What a caller dictated, read back to them: whether they heard it and answered.

Theory of operation. A tool names a recipient whom the caller dictated. From then on the agent's
speech is the read-back: once at least `LEAST_MS` of it was said, the reply is complete and the
caller has heard it (by what was sent and played, not by what the model wrote), the caller's next
transcribed words are the answer. Nothing that the model says of itself counts. An interruption
before the end begins anew, and so does naming another recipient of the same kind: of what was
corrected nothing stays confirmed. All of it belongs to the call, so it outlives the model's
connection and is nobody else's.

A transcript comes after the speech, sometimes after the reply to it has begun. So words count if
the caller spoke after the read-back, or are of the turn that the newest reply answers, and a tool
that is faster than the words waits a moment for them.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from fwai.calls.caller_input import CallerInput
from fwai.calls.voice import Voice
from fwai.domain.read_back import MAX_ANSWER, MAX_READ_BACK, Confirmation, ReadBack

LEAST_MS: Final = 1_000.0  # no number and no address is read back in less
TAIL_MS: Final = 300.0  # of the end, over which people begin to answer
SETTLED_S: Final = 1.0  # after the read-back, words come from nowhere but an answer
ANSWER_WAIT_S: Final = 1.5
MAX_CONFIRMED: Final = 20  # in one call


@dataclass(slots=True)
class _Asked:
    recipient: str
    said_ms: float = 0.0
    read_back: str = ""
    answer: str = ""
    heard: bool = False  # all of it, before a later reply began
    cut: bool = False
    answered: asyncio.Event = field(default_factory=asyncio.Event)


class ReadBacks:
    """Follows one call's speech; every method but `confirm` is told what happens in it.

    Args:
        voice: The agent's speech, and how much of it was heard.
        caller: When the caller spoke.
        replying: Whether sound of the agent's reply is still to come from the model.
    """

    def __init__(self, voice: Voice, caller: CallerInput, replying: Callable[[], bool]) -> None:
        self._voice = voice
        self._caller = caller
        self._replying = replying
        self._loop = asyncio.get_running_loop()
        self._asked: dict[str, _Asked] = {}  # the newest of each kind
        self._confirmed: dict[tuple[str, str], Confirmation] = {}

    async def confirm(self, kind: str, recipient: str) -> Confirmation | ReadBack:
        """Return what confirmed a recipient in this call, or why nothing has.

        The first time it is named nothing has; one that is confirmed stays so.
        """
        if known := self._confirmed.get((kind, recipient)):
            return known
        asked = self._asked.get(kind)
        if asked is None or asked.recipient != recipient:
            self._asked[kind] = _Asked(recipient)
            return ReadBack.NAMED
        if not asked.answer.strip() and self._is_heard(asked):
            with suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_WAIT_S):
                    await asked.answered.wait()
        if asked is not self._asked.get(kind):
            return ReadBack.UNHEARD  # another one was named meanwhile
        if not asked.answer.strip():
            return self._why_not(asked)
        confirmation = Confirmation(asked.read_back.strip(), asked.answer.strip())
        del self._asked[kind]
        if len(self._confirmed) < MAX_CONFIRMED:
            self._confirmed[kind, recipient] = confirmation
        return confirmation

    def reply_began(self) -> None:
        """A reply begins: what was read back before it is over."""
        for asked in self._asked.values():
            asked.heard = asked.heard or self._is_heard(asked)

    def agent_sound(self, ms: float) -> None:
        """The agent says something, in milliseconds of its sound."""
        for asked in self._asked.values():
            if not asked.heard:
                asked.said_ms += ms

    def agent_text(self, words: str) -> None:
        """Words of what the agent says."""
        for asked in self._asked.values():
            if not asked.heard:
                asked.read_back = (asked.read_back + words)[-MAX_READ_BACK:]

    def interrupted(self, unheard_ms: float, *, replying: bool) -> None:
        """The caller spoke over the agent.

        Args:
            unheard_ms: Speech that they will not hear.
            replying: The reply was not complete.
        """
        for asked in self._asked.values():
            if asked.heard or asked.answer or not asked.said_ms:
                continue
            if replying or unheard_ms > TAIL_MS:
                asked.said_ms, asked.read_back, asked.cut = 0.0, "", True

    def caller_said(self, words: str) -> None:
        """A piece of the caller's transcript came."""
        for asked in self._asked.values():
            if asked.heard or (self._is_heard(asked) and self._spoke_since()):
                asked.answer = (asked.answer + words)[:MAX_ANSWER]
                if asked.answer.strip():
                    asked.answered.set()

    def _is_heard(self, asked: _Asked) -> bool:
        if asked.heard:
            return True
        said = asked.said_ms >= LEAST_MS and not self._replying()
        return said and self._voice.unheard_ms <= TAIL_MS

    def _spoke_since(self) -> bool:
        """Whether what is transcribed now was said after the agent's last words."""
        over_at, spoke_at = self._voice.heard_until, self._caller.stopped_at
        if spoke_at is not None and spoke_at > over_at - TAIL_MS / 1000.0:
            return True
        return self._loop.time() - over_at >= SETTLED_S

    def _why_not(self, asked: _Asked) -> ReadBack:
        if self._is_heard(asked):
            return ReadBack.UNANSWERED
        return ReadBack.CUT if asked.cut and not asked.said_ms else ReadBack.UNHEARD
