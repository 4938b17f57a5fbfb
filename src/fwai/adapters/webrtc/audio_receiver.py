"""The caller's sound on its way out of packets: ordered, decoded, mended, gathered.

Sound is handed on in runs of `PACK_MS`, which is what the agent's leg gathers anyway. What comes
before something missing does not wait with it, what waited for it goes on at once, too, and when
nothing follows at all half a run goes on alone.
"""

from collections.abc import Callable, Iterable
from typing import Final

from fwai.adapters.webrtc import opus, rtp
from fwai.adapters.webrtc.inbound import (
    Conceal,
    Decode,
    Inbound,
    Key,
    Recover,
    Restart,
    Silence,
    Step,
)
from fwai.adapters.webrtc.sdp import Sound
from fwai.domain.events import CallerAudio, CallerEvent, DtmfPressed
from fwai.errors import WireError

PACK_MS: Final = 40


class AudioReceiver:
    """Turns packets into events for ``tell``.

    Attributes:
        inbound: Order and statistics.
        undecodable: Packets that were not Opus; they are concealed.
    """

    def __init__(self, sample_rate: int, sound: Sound, tell: Callable[[CallerEvent], None]) -> None:
        self.inbound = Inbound(sound.payload_type, sound.events)
        self.undecodable = 0
        self._tell = tell
        self._rate = sample_rate
        self._decoder = opus.decoder(sample_rate)
        self._pending = bytearray()
        self._beats = 0  # since the last run
        # A codec that converts may hold 2 ms back for ever.
        self._pack_bytes = 2 * sample_rate * (PACK_MS - 2) // 1000

    def receive(self, data: bytes, now: float) -> bool:
        """Take a packet; False when it is none."""
        packet = rtp.parse(data)
        if packet is None:
            return False
        self._perform(self.inbound.receive(packet, now))
        if self.inbound.due is not None:
            self.hand_on()
        return True

    def give_up_missing(self, now: float) -> None:
        """Go on without what did not come in time."""
        self._perform(self.inbound.expire(now))

    def beat(self) -> None:
        """Called every 20 ms: tell what waits since before the last time."""
        if self._pending:
            self._beats += 1
            if self._beats > 1:
                self.hand_on()

    def hand_on(self) -> None:
        """Tell what was gathered."""
        self._beats = 0
        if self._pending:
            pcm = bytes(self._pending)
            self._pending.clear()
            self._tell(CallerAudio(pcm))

    def _perform(self, steps: Iterable[Step]) -> None:
        done = 0
        for step in steps:
            done += 1
            if isinstance(step, Decode):
                self._pending += self._decode(step.payload)
            elif isinstance(step, Key):
                self.hand_on()
                self._tell(DtmfPressed(step.digit))
            else:
                self._pending += self._fill(step)
        if len(self._pending) >= self._pack_bytes or done > 1:
            self.hand_on()

    def _decode(self, payload: bytes) -> bytes:
        try:
            return self._decoder.decode(payload)
        except WireError:
            self.undecodable += 1
            return self._decoder.conceal(opus.packet_ticks(payload))

    def _fill(self, step: Recover | Conceal | Silence | Restart) -> bytes:
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
