"""Carries one media stream as Exotel does.

Theory of operation: see ``common.stream``. The caller's voice is sent when a message of
``message_ms`` is full, so the delay of gathering it is in every measured time, as it is at Exotel.
"""

import base64
import ssl
from dataclasses import dataclass
from typing import ClassVar, Final
from urllib.parse import parse_qs, urlsplit

from fwai.errors import WireError
from fwai.simulator.common.line import Line
from fwai.simulator.common.stream import ProviderStream
from fwai.simulator.common.wire import (
    FRAME_MS,
    L16,
    MULAW,
    Checkpoint,
    ClearAudio,
    PlayAudio,
    StreamFormat,
)
from fwai.simulator.exotel.ear import ExotelEar
from fwai.simulator.exotel.malformed import KINDS
from fwai.simulator.exotel.wire import Command, Decoder, Encoder, Spelling, StreamFacts

MAX_AHEAD_MS: Final = 1000.0
"""More speech ahead than this is a burst; Exotel ends calls a few seconds after such."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """Format and spelling of a stream.

    Attributes:
        spelling: Of the keys.
        message_ms: How much of the caller's voice is in one message.
        mulaw: Declare mu-law at 8 kHz, whatever the URL asks for.
        listening: It is a Stream applet's: the server may send nothing.
        sample_rate: Declare this rate, whatever the URL asks for; 0 does as asked.
        tls: Trust for ``wss://``; None takes the machine's.
    """

    spelling: Spelling = "snake"
    message_ms: int = 100
    mulaw: bool = False
    listening: bool = False
    sample_rate: int = 0
    tls: ssl.SSLContext | None = None


def audio_of(url: str, options: StreamOptions) -> StreamFormat:
    """Return the audio that Exotel sends on a stream to ``url``."""
    if options.mulaw:
        return StreamFormat(MULAW, 8000)
    asked = parse_qs(urlsplit(url).query).get("sample-rate", ["8000"])[0]
    rate = int(asked) if asked in ("8000", "16000", "24000") else 8000
    return StreamFormat(L16, options.sample_rate or rate)


class ExotelStream(ProviderStream[Command]):
    """Carries one media stream to the server.

    Args:
        url: ``ws://`` or ``wss://``; user and password in it are sent as Basic credentials.
        facts: What ``start`` says.
        options: How it looks.
        line: The call it belongs to; its ear must be an `ExotelEar`.
    """

    provider: ClassVar[str] = "exotel"
    attempts: ClassVar[int] = 2
    reader_limit_s: ClassVar[float] = 10.0
    first_frame_ms: ClassVar[int] = FRAME_MS

    def __init__(self, url: str, facts: StreamFacts, options: StreamOptions, line: Line) -> None:
        super().__init__(url, audio_of(url, options), line, options.tls)
        self._stream_id = facts.stream_id
        self._listening = options.listening
        self._encoder = Encoder(facts, self._audio, options.spelling)
        self._decoder = Decoder(facts.stream_id, self._audio, options.spelling)
        self._gathered: list[bytes] = []
        self._message_frames = options.message_ms // FRAME_MS

    # ---- towards the server --------------------------------------------------------------------

    def _dtmf(self, digit: str) -> str:
        return self._encoder.dtmf(digit)

    def _malformed(self, kind: str) -> str | bytes:
        return KINDS[kind](self._stream_id)

    async def _start(self) -> None:
        await self._send(self._encoder.connected())
        await self._send(self._encoder.start())

    async def _send_frame(self, payload: str) -> None:
        self._gathered.append(base64.b64decode(payload))
        if len(self._gathered) == self._message_frames:
            voice = b"".join(self._gathered)
            self._gathered.clear()
            await self._send(self._encoder.media(voice))

    async def _tell_played(self, name: str) -> None:
        await self._send(self._encoder.mark(name))

    def _stop_message(self) -> str | None:
        by_caller = self._line.ending is not None and self._line.ending.by == "caller"
        return self._encoder.stop("callended" if by_caller else "stopped")

    # ---- from the server -----------------------------------------------------------------------

    def _decode(self, message: str | bytes) -> Command:
        if self._listening:
            raise WireError("a message on a stream that only listens")
        command = self._decoder.decode(message)
        for doubt in self._decoder.doubts:
            self._line.violate(doubt)
        return command

    async def _carry_out(self, command: Command) -> None:
        line, now_s = self._line, self._line.now_s()
        match command:
            case PlayAudio():
                line.ear.play(command.pcm, now_s)
                if line.ear.queued_ms(now_s) > MAX_AHEAD_MS:
                    line.violate("a burst: more than 1 s of speech ahead")
            case Checkpoint():
                line.ear.checkpoint(command.name, now_s)
            case ClearAudio() if isinstance(line.ear, ExotelEar):
                reached, silent_s, unheard_ms = line.ear.silence(now_s)
                line.cleared(silent_s, unheard_ms)
                await self._tell_all_played(reached)
            case _:
                pass
