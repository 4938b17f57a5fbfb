"""A telephone line in virtual time: the caller's leg of a call, and what the caller heard of it.

It plays what it is given at once and in one piece after what is still playing, as carriers do;
keeps every sample that reached the ear on one time line, and sends the caller's sound all the time.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from fwai.domain.events import CallerAudio, CallerEvent, CallerHungUp, MarkReached
from fwai.simulator.common.hearing import audible_windows

RATE: Final = 8_000
LEAD_MS: Final = 200.0
FRAME_S: Final = 0.04  # carriers send 20 ms; the legs gather them to this
_FRAME_BYTES: Final = int(RATE * FRAME_S) * 2
_WINDOW_MS: Final = 10

Samples = npt.NDArray[np.int16]


class PhoneLine:
    """One caller's line; implements ``CallerLeg``. Seconds count from its making.

    Attributes:
        ended_at: When the call was over for the caller, or None.
        audible_until: When the last audible sound given so far has been heard, or will have been.
        ticked: Called with the time after each frame of the caller's sound.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()  # until it is answered
        self._hear: Callable[[CallerEvent], None] | None = None
        self._heard = bytearray()
        self._loud: list[tuple[float, float]] = []  # spans of audible sound, in seconds
        self._to_say = bytearray()
        self._marks: dict[str, asyncio.TimerHandle] = {}
        self.ended_at: float | None = None
        self.ticked: Callable[[float], None] | None = None

    # ---- CallerLeg ------------------------------------------------------------------------------

    @property
    def sample_rate(self) -> int:
        """Samples per second."""
        return RATE

    @property
    def max_call_s(self) -> float | None:
        """No limit."""
        return None

    @property
    def lead_ms(self) -> float:
        """As Plivo's."""
        return LEAD_MS

    def listen(self, hear: Callable[[CallerEvent], None]) -> None:
        """Deliver every event to ``hear``."""
        self._hear = hear

    def play(self, pcm: bytes) -> None:
        """Play samples after what is still playing."""
        if self.ended_at is not None:
            return
        now = round(self.now() * RATE) * 2
        self._heard += bytes(max(0, now - len(self._heard)))
        at = len(self._heard) / 2 / RATE
        self._heard += pcm
        loud = np.flatnonzero(audible_windows(pcm, RATE * _WINDOW_MS // 1000))
        if len(loud):
            window_s = _WINDOW_MS / 1000
            self._loud.append((at + loud[0] * window_s, at + (loud[-1] + 1) * window_s))

    def flush(self) -> None:
        """Nothing is held back."""

    def clear(self) -> None:
        """Drop what was not heard yet."""
        now = self.now()
        del self._heard[round(now * RATE) * 2 :]
        while self._loud and self._loud[-1][1] > now:
            begin, _ = self._loud.pop()
            if begin < now:
                self._loud.append((begin, now))
        for timer in self._marks.values():
            timer.cancel()
        self._marks.clear()

    def mark(self, name: str) -> bool:
        """Tell when everything before was heard."""
        if self.ended_at is not None:
            return False
        left_s = max(0.0, len(self._heard) / 2 / RATE - self.now())
        self._marks[name] = self._loop.call_later(left_s, self._tell, MarkReached(name))
        return True

    async def close(self) -> None:
        """End the stream."""
        self._end()

    # ---- the caller -----------------------------------------------------------------------------

    def now(self) -> float:
        """Return the time of the call, in seconds."""
        return self._loop.time() - self._began

    @property
    def audible_until(self) -> float:
        """When the last audible sound given so far has been heard, or will have been."""
        return self._loud[-1][1] if self._loud else 0.0

    @property
    def speaking(self) -> bool:
        """Whether the caller has more to say."""
        return bool(self._to_say)

    def answered(self) -> None:
        """Begin to count: the call is connected."""
        self._began = self._loop.time()

    def speak(self, pcm: bytes) -> float:
        """Say s16le at 8 kHz from the next frame on; return when it will have been said."""
        self._to_say += pcm
        return self.now() + len(self._to_say) / 2 / RATE + FRAME_S

    def hang_up(self) -> None:
        """The caller leaves."""
        if self.ended_at is None:
            self._end()
            self._tell(CallerHungUp())

    async def run(self) -> None:
        """Send the caller's sound until the call is over."""
        due = self._loop.time()
        while self.ended_at is None:
            due += FRAME_S
            await asyncio.sleep(due - self._loop.time())
            frame = bytes(self._to_say[:_FRAME_BYTES])
            del self._to_say[:_FRAME_BYTES]
            if self.ended_at is None:
                self._tell(CallerAudio(frame.ljust(_FRAME_BYTES, b"\0")))
                if self.ticked is not None:
                    self.ticked(self.now())

    @property
    def heard(self) -> Samples:
        """Everything the caller heard, at 8 kHz from the call's beginning to its end."""
        end = round((self.now() if self.ended_at is None else self.ended_at) * RATE)
        samples = np.frombuffer(bytes(self._heard), "<i2")[:end]
        return np.pad(samples, (0, max(0, end - len(samples)))).astype(np.int16)

    def _tell(self, event: CallerEvent) -> None:
        if self._hear is not None:
            self._hear(event)

    def _end(self) -> None:
        if self.ended_at is None:
            self.ended_at = self.now()
            for timer in self._marks.values():
                timer.cancel()
