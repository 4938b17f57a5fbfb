"""Phrases that a simulated caller says and recognises, and its voice as frames of 20 ms."""

import functools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from fwai.simulator.common.clips import Clip, ClipLibrary
from fwai.simulator.common.hearing import audible_span_ms
from fwai.simulator.common.recognizer import Match, Recognizer
from fwai.simulator.common.wire import FRAME_MS, StreamFormat

MAX_WAITING = 16
TELEPHONE_HZ = 8000


@dataclass(frozen=True, slots=True)
class SpokenClip:
    """A phrase encoded for a media stream.

    Attributes:
        frames: Base64 payloads of 20 ms each.
        first: Index of the first frame that can be heard.
        last: Index of the last one.
    """

    frames: tuple[str, ...]
    first: int
    last: int


class Repertoire:
    """Encodes and recognises a library's phrases, once each; shared by any number of phones."""

    def __init__(self, clips: ClipLibrary) -> None:
        self.clips = clips
        self._spoken: dict[tuple[str, StreamFormat], SpokenClip] = {}

    @functools.cached_property
    def _recognizer(self) -> Recognizer:
        return Recognizer(self.clips)

    def prepare(self) -> None:
        """Do the slow part now; meant for a worker thread."""
        _ = self._recognizer

    def spoken(self, name: str, audio: StreamFormat) -> SpokenClip:
        """Return a phrase in a stream's format; each is made once.

        Raises:
            KeyError: There is no such phrase.
        """
        made = self._spoken.get((name, audio))
        if made is None:
            pcm = self.clips[name].pcm(audio.sample_rate)
            begin_ms, end_ms = audible_span_ms(pcm, audio.sample_rate)
            frames = audio.frames(pcm)
            last = min(len(frames) - 1, max(0, round(end_ms) - 1) // FRAME_MS)
            made = SpokenClip(frames, int(begin_ms) // FRAME_MS, last)
            self._spoken[name, audio] = made
        return made

    def identify(self, pcm: bytes, sample_rate: int) -> Match | None:
        """Say which phrase was heard; takes milliseconds, so it belongs in a worker thread."""
        return self._recognizer.identify(pcm, sample_rate)

    def speech_ms(self, name: str) -> float:
        """Return how long a phrase is from its first sound to its last."""
        begin_ms, end_ms = audible_span_ms(self.clips[name].pcm(TELEPHONE_HZ), TELEPHONE_HZ)
        return end_ms - begin_ms

    def clip(self, name: str) -> Clip:
        """Return a phrase by name."""
        return self.clips[name]


@functools.cache
def standard_repertoire() -> Repertoire:
    """Return the shipped phrases, read once."""
    return Repertoire(ClipLibrary.load())


@dataclass(slots=True)
class Speech:
    """A phrase that is being said, or waits for that.

    Attributes:
        clip_name: Its name.
        started_s: When its first sound was sent, on the call's axis.
        ended_s: When its last sound was sent.
        done: Whether all of it, trailing silence too, was sent.
    """

    clip_name: str
    started_s: float | None = None
    ended_s: float | None = None
    done: bool = False


class SpeechSource:
    """Yields one payload for every 20 ms: the phrase that is being said, or silence."""

    def __init__(self, audio: StreamFormat, now_s: Callable[[], float]) -> None:
        self._silence = audio.silence()
        self._now_s = now_s
        self._waiting: deque[tuple[Speech, SpokenClip]] = deque(maxlen=MAX_WAITING)
        self._at = 0

    def say(self, name: str, spoken: SpokenClip) -> Speech:
        """Say a phrase after what is still being said."""
        speech = Speech(name)
        self._waiting.append((speech, spoken))
        return speech

    def next_payload(self) -> str:
        """Return the next 20 ms as base64."""
        if not self._waiting:
            return self._silence
        speech, spoken = self._waiting[0]
        payload = spoken.frames[self._at]
        if self._at == spoken.first:
            speech.started_s = self._now_s()
        if self._at == spoken.last:
            speech.ended_s = self._now_s()
        self._at += 1
        if self._at == len(spoken.frames):
            speech.done = True
            self._waiting.popleft()
            self._at = 0
        return payload
