"""What a caller gets whose agent cannot be brought back: a person, a voice message, an apology.

Nobody is told that something was done before it was: the message is thanked for once it is kept,
and a transfer that fails ends with the apology.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import numpy as np
import structlog

from fwai.audio.pcm import duration_ms
from fwai.domain.call import Call, EndReason
from fwai.domain.sentence import Fallback, Sentence, SpokenSentence
from fwai.interfaces.calls import CallFallback

HEARD_S: Final = 15.0  # of waiting until a sentence was heard
TRANSFER_S: Final = 15.0
KEEP_S: Final = 15.0
MESSAGE_S: Final = 60.0
SPEAK_WITHIN_S: Final = 6.0  # after the tone
PAUSE_S: Final = 3.0  # ends a message
LEAST_S: Final = 0.6  # of speech, for a message to be one
POLL_S: Final = 0.1
TONE_HZ: Final = 24_000

_log = structlog.get_logger()


def message_tone() -> bytes:
    """Return the tone after which a message is spoken: 0.4 s of 1000 Hz, s16le at 24 kHz."""
    at = np.arange(int(TONE_HZ * 0.4)) / TONE_HZ
    fades = np.minimum(1.0, np.minimum(at, at[::-1]) / 0.01)
    return (6_000 * fades * np.sin(2 * np.pi * 1_000 * at)).astype("<i2").tobytes()


class VoiceMessage:
    """What the caller says after the tone, s16le at ``sample_rate``; at most `MESSAGE_S`."""

    def __init__(self, sample_rate: int, now: float) -> None:
        self._rate = sample_rate
        self._began = self._spoke_at = now
        self._pcm = bytearray()
        self._speech_s = 0.0

    def hear(self, pcm: bytes, now: float, *, speech: bool) -> None:
        """Add what was heard."""
        if duration_ms(len(self._pcm), self._rate) < MESSAGE_S * 1000:
            self._pcm += pcm
        if speech:
            self._speech_s += duration_ms(len(pcm), self._rate) / 1000
            self._spoke_at = now

    def over(self, now: float) -> bool:
        """Whether nothing more seems to follow."""
        wait_s = PAUSE_S if self._speech_s else SPEAK_WITHIN_S
        return now - self._spoke_at >= wait_s or now - self._began >= MESSAGE_S

    @property
    def pcm(self) -> bytes:
        """What was said; nothing if it was no speech."""
        return bytes(self._pcm) if self._speech_s >= LEAST_S else b""


class FallbackEnding:
    """Ends a call whose agent is lost.

    Args:
        call: Which one.
        actions: What can be done for its caller.
        say: Lets the caller hear a sentence, then sound at 24 kHz right after it.
        heard: Returns once the caller has heard all that was said.
        hang_up: Ends the call; the first reason counts.
        sample_rate: Of the caller's audio, in Hz.

    Attributes:
        leaving: Why the call is over while what takes its stream away is being done.
        message: What the caller is saying after the tone, while they may.
    """

    def __init__(
        self,
        call: Call,
        actions: CallFallback,
        say: Callable[[Sentence, bytes], SpokenSentence],
        heard: Callable[[], Awaitable[None]],
        hang_up: Callable[[EndReason], None],
        sample_rate: int,
    ) -> None:
        self._call = call
        self._actions = actions
        self._say = say
        self._heard = heard
        self._hang_up = hang_up
        self._rate = sample_rate
        self._loop = asyncio.get_running_loop()
        self._hung_up = asyncio.Event()
        self._keeping = False
        self.leaving: EndReason | None = None
        self.message: VoiceMessage | None = None

    def caller_left(self) -> bool:
        """The call is over: what they said is still kept; False when nothing is left to do."""
        self._hung_up.set()
        return self._keeping

    async def run(self) -> None:
        """Do it, then end the call."""
        kind = self._actions.kind(self._call)
        _log.warning("fallback", kind=kind.value)
        if kind is Fallback.TRANSFER and await self._transferred():
            self._hang_up(EndReason.TRANSFERRED)
            return
        kept = kind is Fallback.VOICEMAIL and await self._message_kept()
        self._keeping = False
        await self._said(Sentence.MESSAGE_KEPT if kept else Sentence.APOLOGY)
        self._hang_up(EndReason.AGENT_FAILED)

    async def _said(self, sentence: Sentence, then: bytes = b"") -> None:
        """Let the caller hear it whole; at once over when they are gone."""
        if self._hung_up.is_set():
            return
        self._say(sentence, then)
        try:
            async with asyncio.timeout(HEARD_S):
                await self._heard()
        except TimeoutError:
            _log.warning("sentence_not_heard", sentence=sentence.value)

    async def _transferred(self) -> bool:
        await self._said(Sentence.CONNECTING)
        self.leaving = EndReason.TRANSFERRED
        try:
            async with asyncio.timeout(TRANSFER_S):
                done = await self._actions.transfer(self._call)
        except TimeoutError:
            done = False
        if not done:
            self.leaving = None
            _log.warning("fallback_transfer_failed")
        return done

    async def _message_kept(self) -> bool:
        await self._said(Sentence.LEAVE_MESSAGE, message_tone())
        self._keeping = True
        message = self.message = VoiceMessage(self._rate, self._loop.time())
        while not message.over(self._loop.time()) and not self._hung_up.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._hung_up.wait()
        self.message = None
        if not message.pcm:
            return False
        try:
            async with asyncio.timeout(KEEP_S):
                return await self._actions.keep_message(self._call, message.pcm, self._rate)
        except TimeoutError:
            _log.warning("voice_message_not_kept")
            return False


class ApologyOnly:
    """What is done where nothing else is configured. Implements ``CallFallback``."""

    def kind(self, call: Call) -> Fallback:  # noqa: ARG002 - the interface's signature
        """Return the apology."""
        return Fallback.APOLOGY

    async def transfer(self, call: Call) -> bool:  # noqa: ARG002
        """Do nothing."""
        return False

    async def keep_message(self, call: Call, pcm: bytes, sample_rate: int) -> bool:  # noqa: ARG002
        """Do nothing."""
        return False


APOLOGY_ONLY: Final = ApologyOnly()
