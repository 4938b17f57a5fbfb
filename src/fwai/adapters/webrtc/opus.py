"""Opus codec, mono: the system's libopus through ctypes, or PyAV's bundled one.

Theory of operation. The codec's state lives in memory of this interpreter (``opus_*_get_size`` and
``opus_*_init``), so it goes when its owner goes and nothing has to be destroyed. libopus takes and
gives any of its rates directly, mixes stereo down, conceals what is lost and finds the second copy
of a lost frame in the packet behind it. PyAV can do neither of the last two: its decoder fades the
last frame out instead.

Source: RFC 6716; https://opus-codec.org/docs/opus_api-1.3.1/ (read 2026-11-22).
"""

import ctypes
import functools
from typing import Final, Protocol

from fwai.errors import WireError

TICKS_HZ: Final = 48_000  # Opus' RTP clock, whatever the sampling rate
FRAME_TICKS: Final = 960
MAX_PACKET_TICKS: Final = 5_760  # 120 ms
MAX_PAYLOAD_BYTES: Final = 1_275
LIBRARIES: tuple[str, ...] = ("libopus.so.0", "libopus.so", "libopus.0.dylib")

_VOIP = 2048
_SET_BITRATE = 4002
_SET_MAX_BANDWIDTH = 4004
_SET_COMPLEXITY = 4010
_SET_INBAND_FEC = 4012
_SET_PACKET_LOSS = 4014
_SET_SIGNAL = 4024
_SIGNAL_VOICE = 3001
_RESET_STATE = 4028
# Narrow, medium, wide, superwide and full band, by the highest sampling rate they need.
_BANDWIDTHS = ((8_000, 1101), (12_000, 1102), (16_000, 1103), (24_000, 1104), (48_000, 1105))

_SILK_TICKS = (480, 960, 1920, 2880)
_HYBRID_TICKS = (480, 960)
_CELT_TICKS = (120, 240, 480, 960)


class Encoder(Protocol):
    """Encodes 20 ms frames to Opus packets."""

    def encode(self, pcm: bytes) -> bytes:
        """Encode one frame: 20 ms of s16le mono at the encoder's rate."""
        ...

    def expect_loss(self, percent: int) -> None:
        """Set the expected loss; more loss spends more of the bitrate on FEC."""
        ...


class Decoder(Protocol):
    """Decodes Opus packets to s16le mono; ``ticks`` are 1/48000 s."""

    def decode(self, payload: bytes) -> bytes:
        """Decode one packet.

        Raises:
            WireError: It is not Opus.
        """
        ...

    def recover(self, following: bytes, ticks: int) -> bytes:
        """Decode a lost packet of ``ticks`` from the FEC data of the following one, if present."""
        ...

    def conceal(self, ticks: int) -> bytes:
        """Conceal ``ticks`` of lost audio; a multiple of 120 (2.5 ms)."""
        ...

    def reset(self) -> None:
        """Reset for another stream."""
        ...


def packet_ticks(payload: bytes) -> int:
    """Return a packet's duration in 1/48000 s; 0 when it is not a valid Opus packet."""
    if not payload:
        return 0
    config, code = payload[0] >> 3, payload[0] & 3
    if config < 12:
        ticks = _SILK_TICKS[config & 3]
    elif config < 16:
        ticks = _HYBRID_TICKS[config & 1]
    else:
        ticks = _CELT_TICKS[config & 3]
    if code == 3:
        ticks *= payload[1] & 0x3F if len(payload) > 1 else 0
    elif code:
        ticks *= 2
    return ticks if ticks <= MAX_PACKET_TICKS else 0


def encoder(sample_rate: int, *, bitrate: int, complexity: int, max_rate: int) -> Encoder:
    """Create a speech encoder, with the system's libopus if available.

    Args:
        sample_rate: Of the frames, in Hz; one of Opus' own.
        bitrate: Bits per second, on average.
        complexity: 0 (cheap) to 10.
        max_rate: Sampling rate the other side can play, in Hz.
    """
    if (lib := library()) is not None:
        return LibEncoder(lib, sample_rate, bitrate, complexity, max_rate)
    from fwai.adapters.webrtc.av_opus import AvEncoder

    return AvEncoder(sample_rate, bitrate, complexity)


def decoder(sample_rate: int) -> Decoder:
    """Create a decoder to s16le mono, with the system's libopus if available."""
    if (lib := library()) is not None:
        return LibDecoder(lib, sample_rate)
    from fwai.adapters.webrtc.av_opus import AvDecoder

    return AvDecoder(sample_rate)


@functools.cache
def library() -> ctypes.CDLL | None:
    """Load the system's libopus, or None. By fixed names: ctypes' own search runs programs."""
    for name in LIBRARIES:
        try:
            lib = ctypes.CDLL(name)
        except OSError:
            continue
        _declare(lib)
        return lib
    return None


def _declare(lib: ctypes.CDLL) -> None:
    pointer, integer = ctypes.c_void_p, ctypes.c_int
    for coder in ("encoder", "decoder"):
        size = getattr(lib, f"opus_{coder}_get_size")
        size.argtypes, size.restype = (integer,), integer
    lib.opus_encoder_init.argtypes = (pointer, ctypes.c_int32, integer, integer)
    lib.opus_decoder_init.argtypes = (pointer, ctypes.c_int32, integer)
    lib.opus_encode.argtypes = (pointer, ctypes.c_char_p, integer, pointer, ctypes.c_int32)
    lib.opus_encode.restype = ctypes.c_int32
    lib.opus_decode.argtypes = (
        pointer,
        ctypes.c_char_p,
        ctypes.c_int32,
        pointer,
        integer,
        integer,
    )
    lib.opus_decode.restype = integer


class LibEncoder:
    """Encoder of libopus. Implements ``Encoder``.

    Raises:
        ValueError: A parameter is none that Opus knows.
    """

    def __init__(
        self,
        lib: ctypes.CDLL,
        sample_rate: int,
        bitrate: int,
        complexity: int,
        max_rate: int,
    ) -> None:
        self._lib = lib
        self._samples = sample_rate // 50
        self._state = ctypes.create_string_buffer(lib.opus_encoder_get_size(1))
        self._packet = ctypes.create_string_buffer(MAX_PAYLOAD_BYTES)
        if lib.opus_encoder_init(self._state, sample_rate, 1, _VOIP):
            raise ValueError(f"opus cannot encode {sample_rate} Hz")
        settings = {
            _SET_BITRATE: bitrate,
            _SET_COMPLEXITY: complexity,
            _SET_SIGNAL: _SIGNAL_VOICE,
            _SET_INBAND_FEC: 1,  # used as far as loss is expected
            _SET_MAX_BANDWIDTH: next(
                (band for rate, band in _BANDWIDTHS if max_rate <= rate), _BANDWIDTHS[-1][1]
            ),
        }
        for request, value in settings.items():
            self._set(request, value)

    def encode(self, pcm: bytes) -> bytes:
        """Encode one frame of 20 ms."""
        if len(pcm) != 2 * self._samples:
            raise ValueError(f"a frame is {self._samples} samples")
        size = self._lib.opus_encode(
            self._state, pcm, self._samples, self._packet, MAX_PAYLOAD_BYTES
        )
        if size < 0:
            raise ValueError(f"opus cannot encode this frame ({size})")
        return ctypes.string_at(self._packet, size)

    def expect_loss(self, percent: int) -> None:
        """Set the expected loss; 0 disables FEC."""
        self._set(_SET_PACKET_LOSS, min(percent, 100))

    def _set(self, request: int, value: int) -> None:
        refused = self._lib.opus_encoder_ctl(
            self._state, ctypes.c_int(request), ctypes.c_int32(value)
        )
        if refused:
            raise ValueError(f"opus refuses setting {request} = {value}")


class LibDecoder:
    """Decoder of libopus. Implements ``Decoder``."""

    def __init__(self, lib: ctypes.CDLL, sample_rate: int) -> None:
        self._lib = lib
        self._divisor = TICKS_HZ // sample_rate
        self._most = MAX_PACKET_TICKS // self._divisor
        self._state = ctypes.create_string_buffer(lib.opus_decoder_get_size(1))
        self._pcm = ctypes.create_string_buffer(2 * self._most)
        if lib.opus_decoder_init(self._state, sample_rate, 1):
            raise ValueError(f"opus cannot decode to {sample_rate} Hz")

    def decode(self, payload: bytes) -> bytes:
        """Decode one packet."""
        return self._run(payload, self._most, fec=0)

    def recover(self, following: bytes, ticks: int) -> bytes:
        """Decode a lost packet from FEC data; without any it is concealed."""
        return self._run(following, ticks // self._divisor, fec=1)

    def conceal(self, ticks: int) -> bytes:
        """Continue the last frames, fading out."""
        return self._run(None, ticks // self._divisor, fec=0)

    def reset(self) -> None:
        """Reset the decoder."""
        self._lib.opus_decoder_ctl(self._state, ctypes.c_int(_RESET_STATE))

    def _run(self, payload: bytes | None, samples: int, fec: int) -> bytes:
        size = len(payload) if payload is not None else 0
        made = self._lib.opus_decode(self._state, payload, size, self._pcm, samples, fec)
        if made < 0:
            raise WireError(f"webrtc: a packet is not Opus ({made})")
        return ctypes.string_at(self._pcm, 2 * made)
