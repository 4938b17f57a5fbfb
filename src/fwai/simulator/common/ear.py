"""Hears the agent for one caller: plays its audio in real time, finds utterances and gaps."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from fwai.audio.resample import Resampler
from fwai.simulator.common.caller import Heard
from fwai.simulator.common.hearing import Segmenter, Utterance
from fwai.simulator.common.playback import BYTES_PER_SAMPLE, Gap, Piece, PlaybackBuffer
from fwai.simulator.common.voice import Repertoire

KEEP_AUDIO_S = 600.0
SEGMENT_S = 10.0
MAX_HEARD = 2000
WHOLE_TOLERANCE_MS = 100.0


@dataclass(slots=True)
class HeardSegment:
    """A stretch of sound without a hole.

    Attributes:
        start_ms: Its beginning on the call's time axis.
        sample_rate: Hz.
        pcm: s16le mono.
    """

    start_ms: float
    sample_rate: int
    pcm: bytearray

    @property
    def end_ms(self) -> float:
        """Its end on the call's time axis."""
        return self.start_ms + len(self.pcm) * 1000 / BYTES_PER_SAMPLE / self.sample_rate


class TimeLine:
    """Records the sound that was heard, the last ten minutes of it."""

    def __init__(self, keep_s: float = KEEP_AUDIO_S) -> None:
        self.segments: deque[HeardSegment] = deque(maxlen=MAX_HEARD)
        self._keep_ms = keep_s * 1000

    def add(self, piece: Piece, sample_rate: int) -> None:
        """Append sound; what is older than the limit is forgotten."""
        start_ms = piece.start * 1000 / sample_rate
        last = self.segments[-1] if self.segments else None
        limit = int(SEGMENT_S * sample_rate) * BYTES_PER_SAMPLE
        joins = last and last.sample_rate == sample_rate and abs(last.end_ms - start_ms) < 0.01
        if last and joins and len(last.pcm) < limit:
            last.pcm += piece.pcm
            return
        self.segments.append(HeardSegment(start_ms, sample_rate, bytearray(piece.pcm)))
        while self.segments[-1].end_ms - self.segments[0].start_ms > self._keep_ms:
            self.segments.popleft()

    def pcm(self, start_ms: float, end_ms: float, sample_rate: int = 8000) -> bytes:
        """Return the sound between two moments as s16le mono, silence where nothing was played."""
        whole = bytearray(max(0, round((end_ms - start_ms) * sample_rate / 1000)) * 2)
        for segment in self.segments:
            if segment.end_ms <= start_ms or segment.start_ms >= end_ms:
                continue
            sound = bytes(segment.pcm)
            if segment.sample_rate != sample_rate:
                resampler = Resampler(segment.sample_rate, sample_rate)
                sound = resampler.feed(sound) + resampler.flush()
            at = round((segment.start_ms - start_ms) * sample_rate / 1000) * 2
            if at < 0:
                sound, at = sound[-at:], 0
            sound = sound[: len(whole) - at]
            whole[at : at + len(sound)] = sound
        return bytes(whole)


class Ear:
    """Plays and recognises the agent's audio, of one media stream after the other.

    Args:
        repertoire: The phrases to recognise.
        emit: Called with ``agent_started``, ``agent_heard`` and ``gap``.
    """

    def __init__(self, repertoire: Repertoire, emit: Callable[..., None]) -> None:
        self.heard: list[Heard] = []
        self.gaps: list[Gap] = []
        self.time_line = TimeLine()
        self.first_sound_ms: float | None = None
        self._repertoire = repertoire
        self._emit = emit
        self._playback = PlaybackBuffer(8000)
        self._segmenter = Segmenter(8000)
        self._announced: Utterance | None = None
        self._finished: asyncio.Queue[tuple[Heard, Utterance] | None]
        self._finished = asyncio.Queue(MAX_HEARD + 1)

    def open(self, sample_rate: int) -> None:
        """Begin to listen to a new stream."""
        self._playback = PlaybackBuffer(sample_rate)
        self._segmenter = Segmenter(sample_rate)

    @property
    def speaking_since_ms(self) -> float | None:
        """When the speech that is going on began, or None."""
        current = self._segmenter.current
        return current.start_ms if current else None

    def queued_ms(self, now_s: float) -> float:
        """Return how much speech waits to be played."""
        return self._playback.queued_ms(now_s)

    def play(self, pcm: bytes, now_s: float) -> bool:
        """Queue the agent's audio; False when the provider's buffer is full."""
        accepted, gap = self._playback.push(pcm, now_s)
        if gap is not None and len(self.gaps) < MAX_HEARD:
            self.gaps.append(gap)
            self._emit("gap", at_ms=gap.at_ms, length_ms=gap.length_ms)
        return accepted

    def checkpoint(self, name: str, now_s: float) -> bool:
        """Queue a checkpoint; False when there are too many."""
        return self._playback.checkpoint(name, now_s)

    def advance(self, now_s: float) -> list[str]:
        """Let time pass; return the checkpoints that were reached."""
        played = self._playback.advance(now_s)
        ended: list[Utterance] = []
        for piece in played.pieces:
            self.time_line.add(piece, self._playback.sample_rate)
            ended += self._segmenter.feed(piece)
        ended += self._segmenter.advance(now_s * 1000)
        current = self._segmenter.current
        if current is not None and current is not self._announced:
            self._announced = current
            if self.first_sound_ms is None:
                self.first_sound_ms = current.start_ms
            self._emit("agent_started", at_ms=current.start_ms)
        for utterance in ended:
            self._keep(utterance)
        return played.reached

    def clear(self, now_s: float) -> tuple[list[str], float]:
        """Drop what is not heard yet.

        Returns:
            The checkpoints that had been reached just before, and the length dropped, in ms.
        """
        reached = self.advance(now_s)
        unheard_ms = self._playback.clear(now_s)
        if unheard_ms > 0:
            for utterance in self._segmenter.finish(unheard_ms):
                self._keep(utterance)
        return reached, unheard_ms

    def close(self, now_s: float) -> None:
        """The stream is over; what was not heard never will be."""
        self.advance(now_s)
        unheard_ms = self._playback.clear(now_s)
        for utterance in self._segmenter.finish(unheard_ms):
            self._keep(utterance, by_end=True)

    def _keep(self, utterance: Utterance, *, by_end: bool = False) -> None:
        if len(self.heard) + self._finished.qsize() >= MAX_HEARD:
            return
        heard = Heard(utterance.start_ms, utterance.end_ms, by_end=by_end)
        heard.unheard_ms = utterance.unheard_ms
        self._finished.put_nowait((heard, utterance))

    def end(self) -> None:
        """Let ``recognise`` return once everything has its name."""
        self._finished.put_nowait(None)

    async def recognise(self) -> None:
        """Put names to what was heard, one by one and off the event loop, until ``end``."""
        while (item := await self._finished.get()) is not None:
            await self._recognise(*item)
            self._finished.task_done()

    async def settle(self) -> None:
        """Wait until everything that was heard so far has its name."""
        await self._finished.join()

    async def _recognise(self, heard: Heard, utterance: Utterance) -> None:
        match = await asyncio.to_thread(
            self._repertoire.identify, bytes(utterance.pcm), utterance.sample_rate
        )
        heard.whole = utterance.unheard_ms == 0.0
        if match is not None:
            heard.clip = match.clip.name
            heard.score = match.score
            heard.heard_ms = match.heard_ms
            missing_ms = self._repertoire.speech_ms(match.clip.name) - (
                heard.end_ms - heard.start_ms
            )
            heard.whole = missing_ms <= WHOLE_TOLERANCE_MS
        self.heard.append(heard)
        self._emit(
            "agent_heard",
            clip=heard.clip,
            text=match.clip.text if match else "",
            score=heard.score,
            start_ms=heard.start_ms,
            end_ms=heard.end_ms,
            whole=heard.whole,
        )
