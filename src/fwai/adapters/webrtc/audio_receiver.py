"""Receives the caller's RTP packets: reorders, decodes, conceals losses and batches audio.

Audio is emitted in batches of `BATCH_MS`, which is what the agent's leg gathers anyway. What comes
before a missing packet does not wait for it, what waited for it is emitted at once, and when
nothing follows at all half a batch is emitted alone.
"""

from collections.abc import Callable, Iterable
from typing import Final

from fwai.adapters.webrtc import opus, rtp
from fwai.adapters.webrtc.inbound import (
    Conceal,
    Decode,
    InboundStream,
    Key,
    Recover,
    Restart,
    Silence,
    Step,
)
from fwai.adapters.webrtc.sdp import Sound
from fwai.domain.events import CallerAudio, CallerEvent, DtmfPressed
from fwai.errors import WireError

BATCH_MS: Final = 40


class AudioReceiver:
    """Turns RTP packets into events for ``emit``.

    Attributes:
        inbound: Order and statistics.
        undecodable: Packets that were not Opus; they are concealed.
    """

    def __init__(self, sample_rate: int, sound: Sound, emit: Callable[[CallerEvent], None]) -> None:
        self.inbound = InboundStream(sound.payload_type, sound.events)
        self.undecodable = 0
        self._emit = emit
        self._rate = sample_rate
        self._decoder = opus.decoder(sample_rate)
        self._pending_audio = bytearray()
        self._beats = 0  # since the last run
        # A codec that converts may hold 2 ms back for ever.
        self._batch_bytes = 2 * sample_rate * (BATCH_MS - 2) // 1000

    def receive(self, data: bytes, now: float) -> bool:
        """Process a packet; False when it is not RTP."""
        packet = rtp.parse(data)
        if packet is None:
            return False
        self._apply(self.inbound.receive(packet, now))
        if self.inbound.due is not None:
            self.hand_on()
        return True

    def give_up_missing(self, now: float) -> None:
        """Go on without packets that did not come in time."""
        self._apply(self.inbound.expire(now))

    def beat(self) -> None:
        """Emit audio that waited since before the last call; called every 20 ms."""
        if self._pending_audio:
            self._beats += 1
            if self._beats > 1:
                self.hand_on()

    def hand_on(self) -> None:
        """Emit the batched audio."""
        self._beats = 0
        if self._pending_audio:
            pcm = bytes(self._pending_audio)
            self._pending_audio.clear()
            self._emit(CallerAudio(pcm))

    def _apply(self, steps: Iterable[Step]) -> None:
        done = 0
        for step in steps:
            done += 1
            if isinstance(step, Decode):
                self._pending_audio += self._decode(step.payload)
            elif isinstance(step, Key):
                self.hand_on()
                self._emit(DtmfPressed(step.digit))
            else:
                self._pending_audio += self._generate(step)
        if len(self._pending_audio) >= self._batch_bytes or done > 1:
            self.hand_on()

    def _decode(self, payload: bytes) -> bytes:
        try:
            return self._decoder.decode(payload)
        except WireError:
            self.undecodable += 1
            return self._decoder.conceal(opus.packet_ticks(payload))

    def _generate(self, step: Recover | Conceal | Silence | Restart) -> bytes:
        match step:
            case Recover(following, ticks):
                return self._recover(following, ticks)
            case Conceal(ticks):
                return self._decoder.conceal(ticks)
            case Silence(ticks):
                return bytes(2 * (ticks * self._rate // opus.TICKS_HZ))
            case Restart():
                self._decoder.reset()
                return b""

    def _recover(self, following: bytes, ticks: int) -> bytes:
        try:
            return self._decoder.recover(following, ticks)
        except WireError:
            return self._decoder.conceal(ticks)
