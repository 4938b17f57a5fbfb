"""Energy-based speech detection (VAD), for latency measurement and the silence watchdog.

Theory of operation. The stream is cut into frames of 20 ms from its start, so the verdict does not
depend on how it arrives. A frame is loud when its power is above a fixed threshold and well above
the noise floor, which is the quietest frame of the last 2.5 to 5 s: speech pauses within that time
and steady noise does not. Two loud frames in a row are speech (one is a click) from the first one
on; speech is over when no frame was loud for the hangover, and then counts as over since the last
loud frame. Sound louder than ``_ALWAYS_LOUD_DBFS`` never becomes noise.
"""

import math

import numpy as np

from fwai.audio.pcm import SAMPLE, samples_in

_FRAME_MS = 20.0
_FLOOR_FRAMES = 125  # 2.5 s
_ALWAYS_LOUD_DBFS = -25.0
_FULL_SCALE_POWER = 32768.0**2


class SpeechDetector:
    """Detects speech in one s16le mono stream; levels are mean power relative to 32768 squared.

    ``threshold_dbfs`` is what is silence at any rate, ``margin_db`` how far above the noise floor
    speech must be, ``attack_ms`` how long it must last, and ``hangover_ms`` how long a pause ends
    it; times to the nearest 20 ms frame.
    """

    def __init__(
        self,
        sample_rate: int,
        *,
        threshold_dbfs: float = -45.0,
        margin_db: float = 10.0,
        attack_ms: float = 40.0,
        hangover_ms: float = 240.0,
    ) -> None:
        self._rate = sample_rate
        self._frame_samples = samples_in(_FRAME_MS, sample_rate)
        self._margin = 10 ** (margin_db / 10)
        self._attack_frames = max(1, round(attack_ms / _FRAME_MS))
        self._hangover_frames = max(1, round(hangover_ms / _FRAME_MS))
        # Energies are sums of squares over one frame.
        self._least = self._energy(threshold_dbfs)
        self._most = max(self._least, self._energy(_ALWAYS_LOUD_DBFS))
        self._threshold = self._least
        # Nothing is known of the noise before one whole period, and speech may come first.
        self._floor_before = 0.0
        self._floor = math.inf
        self._floor_frames = 0
        self._partial_energy = 0.0
        self._partial_samples = 0
        self._frames = 0
        self._loud_frames = 0
        self._quiet_frames = 0
        self._speaking = False
        self._start_frame: int | None = None
        self._end_frame: int | None = None

    def feed(self, pcm: bytes) -> bool:
        """Process s16le samples, any number of them.

        Returns:
            Whether a frame that ended in this run is audible speech; pauses are not, however short.

        Raises:
            ValueError: ``pcm`` is not a whole number of samples.
        """
        # Squares of 16 bits do not fit into 16; in float64 their sum is exact.
        samples = np.frombuffer(pcm, SAMPLE).astype(np.float64)
        size, count = self._frame_samples, len(samples)
        audible = False
        if not self._partial_samples and count % size == 0:  # whole frames, as carriers send them
            for start in range(0, count, size):
                frame = samples[start : start + size]
                audible |= self._classify_frame(float(frame.dot(frame)))
            return audible
        at = 0
        while at < count:
            part = samples[at : at + size - self._partial_samples]
            at += len(part)
            self._partial_energy += float(part.dot(part))
            self._partial_samples += len(part)
            if self._partial_samples == size:
                audible |= self._classify_frame(self._partial_energy)
                self._partial_energy = 0.0
                self._partial_samples = 0
        return audible

    @property
    def speaking(self) -> bool:
        """Whether speech is in progress; short pauses belong to it."""
        return self._speaking

    @property
    def stream_ms(self) -> float:
        """Duration of the audio fed; the time base of the other properties."""
        return (self._frames * self._frame_samples + self._partial_samples) * 1000 / self._rate

    @property
    def last_start_ms(self) -> float | None:
        """Stream time at which the latest speech began; None before any."""
        return None if self._start_frame is None else self._at_ms(self._start_frame)

    @property
    def last_end_ms(self) -> float | None:
        """Stream time at which speech was last audible; moves on while it is; None before any."""
        return None if self._end_frame is None else self._at_ms(self._end_frame)

    def _classify_frame(self, energy: float) -> bool:
        """Classify one whole frame: whether it is audible speech."""
        self._frames += 1
        self._track_noise_floor(energy)
        if energy <= self._threshold:
            self._loud_frames = 0
            self._quiet_frames += 1
            if self._quiet_frames >= self._hangover_frames:
                self._speaking = False
            return False
        self._quiet_frames = 0
        self._loud_frames += 1
        if not self._speaking:
            if self._loud_frames < self._attack_frames:
                return False
            self._speaking = True
            self._start_frame = self._frames - self._loud_frames
        self._end_frame = self._frames
        return True

    def _track_noise_floor(self, energy: float) -> None:
        if energy < self._floor:
            self._floor = energy
            self._set_threshold()
        self._floor_frames += 1
        if self._floor_frames == _FLOOR_FRAMES:
            self._floor_frames = 0
            self._floor_before = self._floor
            self._floor = math.inf
            self._set_threshold()

    def _set_threshold(self) -> None:
        above_noise = min(self._floor, self._floor_before) * self._margin
        self._threshold = min(max(above_noise, self._least), self._most)

    def _energy(self, dbfs: float) -> float:
        return float(10 ** (dbfs / 10) * _FULL_SCALE_POWER * self._frame_samples)

    def _at_ms(self, frame: int) -> float:
        return frame * self._frame_samples * 1000 / self._rate
