"""Finds the caller's utterances in a stream of samples, by energy, in audio time.

Time is counted in samples, never by a clock, so a client may send faster than real time; and
speech never ends while no samples come, as with the service. Frames of 20 ms are loud or not: loud
is above a fixed level and well above the line's own noise, which is followed slowly. An utterance
starts when ``prefix_padding_ms`` of loud sound has come with hardly a gap, and ends after
``silence_duration_ms`` without loud sound. What was heard 300 ms before its start belongs to it.
With detection disabled the client brackets utterances itself, and sound outside is ignored.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

FRAME_MS = 20
PRE_ROLL_MS = 300
MAX_UTTERANCE_MS = 30_000
"""Longer utterances lose what comes after; they still end when the caller stops."""

_START_RMS = {False: 300.0, True: 150.0}  # by "start sensitivity is high"
_NOISE_FACTOR = 3.0
_MAX_NOISE_RMS = 1_000.0


@dataclass(frozen=True, slots=True)
class VadSettings:
    """Settings of voice activity detection.

    Attributes:
        disabled: The client says itself when the caller speaks.
        start_high: Softer sound counts as speech too.
        end_low: Sound half as loud as at the start keeps an utterance alive.
        prefix_padding_ms: Speech needed before a start is committed.
        silence_duration_ms: Silence needed before an end is committed.
    """

    disabled: bool = False
    start_high: bool = False
    end_low: bool = False
    prefix_padding_ms: int = 20
    silence_duration_ms: int = 500


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The caller has begun to speak; ``at_ms`` is audio time."""

    at_ms: float


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The caller has stopped.

    Attributes:
        at_ms: Audio time.
        pcm: The utterance, s16le, with pre-roll and the silence that ended it.
        sample_rate: Its rate in Hz.
    """

    at_ms: float
    pcm: bytes
    sample_rate: int


SpeechEvent = SpeechStarted | SpeechEnded


class Endpointer:
    """Cuts one caller's audio into utterances."""

    def __init__(self, settings: VadSettings) -> None:
        self._settings = settings
        self._rate = 0
        self._rest = b""
        self._pre_roll: deque[bytes] = deque(maxlen=PRE_ROLL_MS // FRAME_MS)
        self._utterance = bytearray()
        self._noise_rms = 0.0
        self._loud_ms = 0
        self._quiet_ms = 0
        self.heard_ms = 0.0
        self.speaking = False

    def feed(self, pcm: bytes, sample_rate: int) -> list[SpeechEvent]:
        """Take s16le samples, any number; a change of rate forgets what was not yet judged."""
        if sample_rate != self._rate:
            self._rate = sample_rate
            self._rest = b""
            self._pre_roll.clear()
        self.heard_ms += len(pcm) / 2 * 1000 / sample_rate
        data = self._rest + pcm
        size = sample_rate * FRAME_MS // 1000 * 2
        whole = len(data) - len(data) % size
        self._rest = data[whole:]
        events: list[SpeechEvent] = []
        for at in range(0, whole, size):
            event = self._judge(data[at : at + size])
            if event is not None:
                events.append(event)
        return events

    def start(self) -> list[SpeechEvent]:
        """The client says that the caller begins; only with detection disabled."""
        if self.speaking:
            return []
        return [self._begin()]

    def stop(self) -> list[SpeechEvent]:
        """The client says that the caller, or the whole stream, stops."""
        self._rest = b""
        self._pre_roll.clear()
        self._loud_ms = 0
        if not self.speaking:
            return []
        return [self._end()]

    def _judge(self, frame: bytes) -> SpeechEvent | None:
        if self._settings.disabled:
            if self.speaking:
                self._keep(frame)
            return None
        loud = self._is_loud(frame)
        if self.speaking:
            self._keep(frame)
            self._quiet_ms = 0 if loud else self._quiet_ms + FRAME_MS
            if self._quiet_ms >= max(self._settings.silence_duration_ms, FRAME_MS):
                return self._end()
            return None
        self._pre_roll.append(frame)
        self._loud_ms = self._loud_ms + FRAME_MS if loud else max(0, self._loud_ms - FRAME_MS // 2)
        if loud and self._loud_ms >= max(self._settings.prefix_padding_ms, FRAME_MS):
            return self._begin()
        return None

    def _is_loud(self, frame: bytes) -> bool:
        samples = np.frombuffer(frame, "<i2").astype(np.float64)
        rms = float(np.sqrt(np.square(samples).mean()))
        level = max(_START_RMS[self._settings.start_high], self._noise_rms * _NOISE_FACTOR)
        if self.speaking and self._settings.end_low:
            level /= 2
        if rms < level:
            rise = 0.05 if rms > self._noise_rms else 0.3
            self._noise_rms += rise * (min(rms, _MAX_NOISE_RMS) - self._noise_rms)
        return rms >= level

    def _begin(self) -> SpeechStarted:
        self.speaking = True
        self._quiet_ms = self._loud_ms = 0
        self._utterance = bytearray(b"".join(self._pre_roll))
        self._pre_roll.clear()
        return SpeechStarted(self.heard_ms)

    def _keep(self, frame: bytes) -> None:
        if len(self._utterance) < self._rate * 2 * MAX_UTTERANCE_MS // 1000:
            self._utterance += frame

    def _end(self) -> SpeechEnded:
        self.speaking = False
        pcm, self._utterance = bytes(self._utterance), bytearray()
        return SpeechEnded(self.heard_ms, pcm, self._rate or 16_000)
