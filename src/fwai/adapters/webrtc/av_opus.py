"""Opus through PyAV's bundled libopus, for machines without a system libopus.

No real concealment and no FEC: a loss is filled with the last frame, fading out.
"""

from fractions import Fraction
from typing import Final

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext

from fwai.audio.pcm import BYTES_PER_SAMPLE, SAMPLE
from fwai.audio.resample import Resampler
from fwai.errors import WireError

_TICKS_HZ: Final = 48_000
_FADE: Final = 0.5  # per concealed frame


class AvEncoder:
    """Opus encoder of FFmpeg. Implements ``Encoder``."""

    def __init__(self, sample_rate: int, bitrate: int, complexity: int) -> None:
        self._samples = sample_rate // 50
        self._rate = sample_rate
        self._time = 0
        codec = av.CodecContext.create("libopus", "w")
        assert isinstance(codec, AudioCodecContext)  # noqa: S101 - narrows av's return type
        codec.sample_rate = sample_rate
        codec.format = "s16"
        codec.layout = "mono"
        codec.bit_rate = bitrate
        codec.time_base = Fraction(1, sample_rate)
        codec.options = {
            "application": "voip",
            "frame_duration": "20",
            "compression_level": str(complexity),
        }
        self._codec = codec

    def encode(self, pcm: bytes) -> bytes:
        """Encode one frame of 20 ms."""
        if len(pcm) != BYTES_PER_SAMPLE * self._samples:
            raise ValueError(f"a frame is {self._samples} samples")
        frame = av.AudioFrame(format="s16", layout="mono", samples=self._samples)
        frame.planes[0].update(pcm)
        frame.sample_rate = self._rate
        frame.pts = self._time
        self._time += self._samples
        return b"".join(bytes(packet) for packet in self._codec.encode(frame))

    def expect_loss(self, percent: int) -> None:
        """Do nothing: FFmpeg's encoder takes this only before it starts."""


class AvDecoder:
    """Opus decoder of FFmpeg, resampled to the requested rate. Implements ``Decoder``."""

    def __init__(self, sample_rate: int) -> None:
        self._divisor = _TICKS_HZ // sample_rate
        self._resampler = Resampler(_TICKS_HZ, sample_rate)
        self._codec = _decoder()
        self._last: bytes = b""
        self._gain = 1.0

    def decode(self, payload: bytes) -> bytes:
        """Decode one packet."""
        try:
            frames = self._codec.decode(av.Packet(payload))
        except av.FFmpegError as exc:
            raise WireError("webrtc: a packet is not Opus") from exc
        pcm = b"".join(bytes(frame.planes[0])[: 2 * frame.samples] for frame in frames)
        converted = self._resampler.feed(pcm)
        # The filter holds its first samples back, once: silence stands in, so that audio keeps
        # its length.
        missing = len(pcm) // self._divisor - len(converted)
        self._last, self._gain = bytes(max(missing, 0)) + converted, 1.0
        return self._last

    def recover(self, following: bytes, ticks: int) -> bytes:  # noqa: ARG002 - it cannot be had
        """Conceal: FEC data cannot be decoded here."""
        return self.conceal(ticks)

    def conceal(self, ticks: int) -> bytes:
        """Repeat the last frame, each time half as loud."""
        size = BYTES_PER_SAMPLE * (ticks // self._divisor)
        if not self._last:
            return bytes(size)
        self._gain *= _FADE
        wave = (self._last * (size // len(self._last) + 1))[:size]
        return (np.frombuffer(wave, SAMPLE) * self._gain).astype(SAMPLE).tobytes()

    def reset(self) -> None:
        """Reset the decoder."""
        self._codec = _decoder()
        self._resampler.reset()
        self._last = b""


def _decoder() -> AudioCodecContext:
    codec = av.CodecContext.create("libopus", "r")
    assert isinstance(codec, AudioCodecContext)  # noqa: S101 - narrows av's return type
    codec.format = "s16"
    codec.layout = "mono"
    codec.sample_rate = _TICKS_HZ
    return codec
