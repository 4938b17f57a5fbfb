"""The agent's speech on its way to the caller: converted, held, paced, taken back, receipted."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from fwai.audio.pcm import duration_ms
from fwai.audio.playout import PlayoutBuffer
from fwai.audio.resample import Resampler
from fwai.calls.pacer import Pacer
from fwai.interfaces.media import CallerLeg, Recorder

MODEL_HZ: Final = 24_000
RECEIPT_S: Final = 2.0  # beyond the end of the audio, for the carrier's receipt
DRY_S: Final = 0.1  # with nothing to say in the middle of a reply, before its rest is flushed
POLL_S: Final = 0.05  # only in the last seconds of a call

_log = structlog.get_logger()


class Voice:
    """Plays model audio on the caller's leg, a short lead ahead of the caller's ear.

    Args:
        leg: Where it is played.
        pacer: The process's clock for speech.
        recorder: Gets what the caller will hear, at the time they will.
        fail: Called when speech cannot be sent because of a fault of ours.
    """

    def __init__(
        self,
        leg: CallerLeg,
        pacer: Pacer,
        recorder: Recorder | None,
        fail: Callable[[], None],
    ) -> None:
        self.fail = fail
        self._leg = leg
        self._pacer = pacer
        self._recorder = recorder
        self._loop = asyncio.get_running_loop()
        self._rate = leg.sample_rate
        self._resampler = Resampler(MODEL_HZ, self._rate)
        self._buffer = PlayoutBuffer(self._rate, lead_ms=leg.lead_ms)
        self._heard_until = 0.0
        self._tail_due = False
        self._unflushed = False
        self._marks = 0
        self._receipt: asyncio.Event | None = None
        self.sent_at: float | None = None

    @property
    def heard_ms(self) -> float:
        """Speech that the caller has heard since the call began, in milliseconds."""
        return self._buffer.heard_ms(self._loop.time())

    @property
    def playing(self) -> bool:
        """Whether there is speech that the caller has not heard yet."""
        return self._held or self._loop.time() < self._heard_until

    @property
    def unheard_ms(self) -> float:
        """Speech that the caller has not heard yet, in milliseconds."""
        return self._buffer.unheard_ms(self._loop.time())

    @property
    def heard_until(self) -> float:
        """When the caller has heard, or will have heard, what was sent; the loop's time."""
        return self._heard_until

    @property
    def underruns(self) -> int:
        """How often the carrier ran dry in the middle of a reply."""
        return self._buffer.underruns

    def say(self, pcm: bytes, now: float) -> None:
        """Add s16le at 24 kHz; what may be sent goes out at once."""
        self._tail_due = False
        self._buffer.push(self._resampler.feed(pcm))
        self._go(now)

    def end_reply(self, now: float) -> None:
        """The whole reply was said: nothing follows that its tail should wait for."""
        self._buffer.push(self._resampler.flush())
        self._buffer.end_turn()
        self._tail_due = True
        self._go(now)

    def cut(self, now: float) -> float:
        """Stop at once, here and at the carrier.

        Returns:
            How much speech the caller will not hear, in milliseconds.
        """
        self._resampler.reset()
        self._tail_due = self._unflushed = False
        self._pacer.remove(self)
        unheard_ms = self._buffer.clear(now)
        if unheard_ms > 0.0:
            self._leg.clear()
            if self._recorder is not None:
                self._recorder.cut(now)
        self._heard_until = now
        return unheard_ms

    def stop(self) -> None:
        """Send nothing more."""
        self._pacer.remove(self)

    def reached(self, mark: str) -> None:
        """The carrier says that it has played everything before ``mark``."""
        if self._receipt is not None and mark == f"end-{self._marks}":
            self._receipt.set()

    async def until_heard(self) -> None:
        """Wait for the carrier's receipt of all speech; a timer stands in for a missing one."""
        unheard_s = self._buffer.unheard_ms(self._loop.time()) / 1000.0
        deadline = self._loop.time() + unheard_s + RECEIPT_S
        while self._held and self._loop.time() < deadline:  # noqa: ASYNC110 - only in hanging up
            await asyncio.sleep(POLL_S)
        self._marks += 1
        self._receipt = asyncio.Event()
        ahead_s = max(self._heard_until - self._loop.time(), 0.0)
        if not self._leg.mark(f"end-{self._marks}"):
            await asyncio.sleep(ahead_s)
            return
        try:
            async with asyncio.timeout(ahead_s + RECEIPT_S):
                await self._receipt.wait()
        except TimeoutError:
            _log.info("receipt_missing", waited_s=round(ahead_s + RECEIPT_S, 1))

    def tick(self, now: float) -> bool:
        """Send what is due; False when nothing is left to send. Called by the pacer."""
        if pcm := self._buffer.take(now):
            starts = max(now, self._heard_until)
            self._leg.play(pcm)
            self._heard_until = starts + duration_ms(len(pcm), self._rate) / 1000.0
            self.sent_at = now
            self._unflushed = True
            if self._recorder is not None:
                self._recorder.agent(pcm, starts)
        dry = now >= self._heard_until + DRY_S
        if self._unflushed and not self._held and (self._tail_due or dry):
            self._tail_due = self._unflushed = False
            self._leg.flush()
        return self._held or self._unflushed

    @property
    def _held(self) -> bool:
        return self._buffer.next_due(0.0) is not None

    def _go(self, now: float) -> None:
        if self.tick(now):
            self._pacer.add(self)
