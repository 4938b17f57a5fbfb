"""What the suite needs of every leg: the far side's hands and ears, and what the leg promises."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from fwai.domain.events import (
    CallerAudio,
    CallerEvent,
    CallerHungUp,
    DtmfPressed,
    MarkReached,
)
from fwai.interfaces.media import CallerLeg
from fwai.simulator.common.clips import ClipLibrary
from fwai.simulator.common.ear import TimeLine
from fwai.simulator.common.hearing import WINDOW_MS, audible_windows
from fwai.simulator.common.recognizer import Recognizer

CLIPS = ClipLibrary.load()
RECOGNIZER = Recognizer(CLIPS)
CHUNK_MS = 80
WITHIN_S = 3.0


async def until(true: Callable[[], object], within_s: float = WITHIN_S) -> None:
    """Wait for something that the other end brings about."""
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 - it is not ours to signal
            await asyncio.sleep(0.005)


def identify(pcm: bytes, sample_rate: int) -> str:
    """Return the name of the clip that is heard, or nothing."""
    match = RECOGNIZER.identify(pcm, sample_rate)
    return match.clip.name if match is not None else ""


def shifts_ms(heard: bytes, said: bytes, sample_rate: int) -> list[float]:
    """Say where each fifth of ``said`` is in ``heard``, against the first: zeros when none is lost.

    A lost, doubled or invented piece shifts what is behind it. The quiet ends are left out.
    """
    here, there = (np.frombuffer(pcm, "<i2").astype(float) for pcm in (heard, said))
    fifth = len(there) // 6
    places = []
    for start in range(fifth // 2, fifth // 2 + 5 * fifth, fifth):
        piece = there[start : start + fifth]
        size = len(here) + len(piece)
        found = np.fft.irfft(np.fft.rfft(here, size) * np.conj(np.fft.rfft(piece, size)), size)
        places.append(int(found[: len(here)].argmax()) - start)
    return [(place - places[0]) * 1000 / sample_rate for place in places]


class Ear:
    """What the far side hears, on the event loop's clock; silence where nothing was played."""

    def __init__(self) -> None:
        self.zero_s = asyncio.get_running_loop().time()
        self.time_line = TimeLine()

    def pcm(self, sample_rate: int) -> bytes:
        """Return everything that was heard until now."""
        now_ms = (asyncio.get_running_loop().time() - self.zero_s) * 1000
        return self.time_line.pcm(0, now_ms, sample_rate)

    @property
    def sounded_until(self) -> float:
        """When the last sound so far was heard."""
        loud = np.flatnonzero(audible_windows(self.pcm(8000), 8 * WINDOW_MS))
        return self.zero_s + float(loud[-1] + 1) * WINDOW_MS / 1000 if len(loud) else 0.0


class Peer(Protocol):
    """The far side of a leg."""

    garbage: Sequence[str]
    """Kinds of malformed messages of which none by itself ends a call; empty without a wire."""

    @property
    def ear(self) -> Ear:
        """What it hears."""
        ...

    async def say(self, clip: str) -> None:
        """Say a phrase; return when all of it was sent."""
        ...

    async def press(self, digit: str) -> None:
        """Press a key."""
        ...

    async def hang_up(self) -> None:
        """End the call as this provider does."""
        ...

    async def drop(self) -> None:
        """End the call in the least polite way that still says so."""
        ...

    async def receipt(self, name: str) -> None:
        """Say unasked that everything before a mark was played, where that can be said."""
        ...

    async def die(self) -> None:
        """Say nothing more, take nothing more, answer nothing more, and close nothing."""
        ...

    async def garble(self, kind: str) -> None:
        """Send a malformed message."""
        ...

    def stop_reading(self) -> None:
        """Take nothing more, and go on talking."""
        ...


@dataclass
class Call:
    """A leg, its far side, and what the leg told.

    Attributes:
        told: Every event, with the time of the event loop.
    """

    leg: CallerLeg
    peer: Peer
    told: list[tuple[float, CallerEvent]] = field(default_factory=list)

    def listen(self) -> None:
        self.leg.listen(self._hear)

    def _hear(self, event: CallerEvent) -> None:
        self.told.append((asyncio.get_running_loop().time(), event))

    @property
    def events(self) -> list[CallerEvent]:
        return [event for _, event in self.told]

    @property
    def pcm(self) -> bytes:
        return b"".join(event.pcm for event in self.events if isinstance(event, CallerAudio))

    @property
    def keys(self) -> str:
        return "".join(event.digit for event in self.events if isinstance(event, DtmfPressed))

    @property
    def marks(self) -> list[str]:
        return [event.name for event in self.events if isinstance(event, MarkReached)]

    @property
    def hang_ups(self) -> list[CallerHungUp]:
        return [event for event in self.events if isinstance(event, CallerHungUp)]

    def told_at(self, event: CallerEvent) -> float:
        return next(at for at, one in self.told if one == event)

    async def speak(self, pcm: bytes) -> None:
        """Let the caller hear ``pcm`` as the session does: ahead by the leg's lead."""
        loop = asyncio.get_running_loop()
        chunk = 2 * self.leg.sample_rate * CHUNK_MS // 1000
        due = loop.time() - self.leg.lead_ms / 1000
        for at in range(0, len(pcm), chunk):
            await asyncio.sleep(max(due - loop.time(), 0))
            due += CHUNK_MS / 1000
            self.leg.play(pcm[at : at + chunk])
        self.leg.flush()


Opens = Callable[[], AbstractAsyncContextManager[tuple[CallerLeg, Peer]]]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One leg's place in the suite.

    Attributes:
        opens: Opens leg and far side, and frees the far side.
        sample_rate: Of the leg, in Hz.
        through: What becomes of samples on the way, one direction; None when no two codecs agree.
        silent_ms: From `clear` to silence at the caller's ear.
        notices_death: The leg itself notices a far side that dies without a word.
        garbage_ends: Three malformed messages in a row end the leg.
        faults: Messages that the leg has counted as malformed.
        held_ms: Speech that waits in this process, and the most it may be.
        refused: Whether speech was refused for want of room; None when nothing holds any.
        over: Whether what the leg speaks over is closed.
    """

    name: str
    opens: Opens
    sample_rate: int
    through: Callable[[bytes], bytes] | None
    silent_ms: float
    notices_death: bool = False
    garbage_ends: bool = False
    faults: Callable[[CallerLeg], int]
    held_ms: Callable[[CallerLeg], float]
    most_held_ms: float
    refused: Callable[[CallerLeg], bool] | None
    over: Callable[[CallerLeg], bool]

    @asynccontextmanager
    async def call(self, *, listens: bool = True) -> AsyncIterator[Call]:
        """Open a call; when it is left nothing of it may be left, and nothing have been raised."""
        loop = asyncio.get_running_loop()
        before, threads = asyncio.all_tasks(), threading.active_count()
        raised: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _, context: raised.append(context))
        async with self.opens() as (leg, peer):
            call = Call(leg, peer)
            if listens:
                call.listen()
            try:
                yield call
            finally:
                await leg.close()
        await until(lambda: asyncio.all_tasks() == before)
        assert threading.active_count() == threads
        assert raised == []

    def lost_ms(self, heard: bytes, said: bytes, sample_rate: int) -> float:
        """Say by how much what was heard is not what was said; 0 when no sample is missing."""
        if self.through is not None:
            return 0.0 if self.through(said) in heard else float("inf")
        return max(map(abs, shifts_ms(heard, said, sample_rate)))
