"""Plans how to decode the caller's packets, so that audio keeps its length. PURE.

Theory of operation. Packets come out of `Reorder` in order. Keys are taken out; audio is placed on
the sender's own time line, its timestamps: a gap between the end of the last packet and the start
of the next is filled with exactly as much, so nothing is ever shifted. After a loss the last piece
of the gap comes from the FEC data in the next packet; what is before it is concealed up to 100 ms,
and silence beyond. A gap without a loss is a sender that was silent or sent keys: silence. Beyond a
second nothing is filled, because nobody waits for it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from fwai.adapters.webrtc.opus import FRAME_TICKS, TICKS_HZ, packet_ticks
from fwai.adapters.webrtc.rtp import Jitter, Loss, Packet, Released, Reorder, Report, difference
from fwai.adapters.webrtc.telephone_event import TelephoneEvents

WINDOW_S: Final = 0.040
MAX_CONCEAL_TICKS: Final = 4_800  # 100 ms
MAX_GAP_TICKS: Final = TICKS_HZ
STEP_TICKS: Final = 120  # 2.5 ms, the least that Opus can make
NEW_SOURCE_S: Final = 0.100  # the old one must be quiet for so long


@dataclass(frozen=True, slots=True)
class Decode:
    """Decode a packet's audio."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Recover:
    """Decode a lost packet from the FEC data in the next one."""

    following: bytes
    ticks: int


@dataclass(frozen=True, slots=True)
class Conceal:
    """Conceal lost audio without FEC data."""

    ticks: int


@dataclass(frozen=True, slots=True)
class Silence:
    """Insert silence."""

    ticks: int


@dataclass(frozen=True, slots=True)
class Key:
    """Report a pressed key."""

    digit: str


@dataclass(frozen=True, slots=True)
class Restart:
    """Reset the decoder: the source changed."""


Step = Decode | Recover | Conceal | Silence | Key | Restart


class InboundStream:
    """Turns the packets of one call into decoding steps.

    Args:
        sound: Payload type of Opus.
        events: Payload types of telephone events.

    Attributes:
        ssrc: The current source, or None before the first packet.
        refused: Packets of other sources or types, and broken ones.
        recovered_ticks: Audio recovered by FEC, in 1/48000 s.
        concealed_ticks: Concealed audio.
        silent_ticks: Inserted silence.
    """

    def __init__(self, sound: int, events: Collection[int], window_s: float = WINDOW_S) -> None:
        self._sound = sound
        self._events = frozenset(events)
        self._window_s = window_s
        self.ssrc: int | None = None
        self.refused = 0
        self.recovered_ticks = 0
        self.concealed_ticks = 0
        self.silent_ticks = 0
        self._last_packet_at = 0.0
        self._begin()

    def _begin(self) -> None:
        self.reorder = Reorder(self._window_s)
        self._jitter = Jitter(TICKS_HZ)
        self._loss = Loss()
        self._keys = TelephoneEvents()
        self._next: int | None = None  # timestamp at which the sound so far ends

    @property
    def due(self) -> float | None:
        """When `expire` must be called; None if not needed."""
        return self.reorder.due

    @property
    def jitter_ms(self) -> float:
        """Interarrival jitter in milliseconds."""
        return self._jitter.ticks * 1000 / TICKS_HZ

    def receive(self, packet: Packet, now: float) -> list[Step]:
        """Process a packet and return the steps, in order."""
        if packet.payload_type != self._sound and packet.payload_type not in self._events:
            self.refused += 1
            return []
        steps: list[Step] = []
        if packet.ssrc != self.ssrc:
            if self.ssrc is not None and now - self._last_packet_at < NEW_SOURCE_S:
                self.refused += 1
                return []
            if self.ssrc is not None:
                self._begin()
                steps.append(Restart())
            self.ssrc = packet.ssrc
        self._last_packet_at = now
        if packet.payload_type == self._sound:
            self._jitter.add(packet.timestamp, now)
        for released in self.reorder.push(packet, now):
            self._add_packet(released, steps)
        return steps

    def expire(self, now: float) -> list[Step]:
        """Go on without packets that did not come in time."""
        steps: list[Step] = []
        for released in self.reorder.expire(now):
            self._add_packet(released, steps)
        return steps

    def report(self) -> Report | None:
        """Build the reception report for the sender; None before its first packet."""
        if self.ssrc is None:
            return None
        return self._loss.report(self.reorder, self._jitter.ticks)

    def _add_packet(self, released: Released, steps: list[Step]) -> None:
        packet, lost = released
        if packet.payload_type != self._sound:
            steps += map(Key, self._keys.feed(packet.payload, packet.timestamp))
            return
        ticks = packet_ticks(packet.payload)
        if not ticks:
            self.refused += 1
            return
        steps += map(Key, self._keys.interrupt())
        if self._next is not None:
            gap = difference(packet.timestamp, self._next, 32)
            if 0 < gap <= MAX_GAP_TICKS:
                self._fill(gap - gap % STEP_TICKS, lost, packet.payload, ticks, steps)
        self._next = (packet.timestamp + ticks) & 0xFFFFFFFF
        steps.append(Decode(packet.payload))

    def _fill(self, gap: int, lost: int, following: bytes, ticks: int, steps: list[Step]) -> None:
        made = recovered = 0
        if lost:
            recovered = min(gap, ticks, FRAME_TICKS)
            made = min(gap - recovered, MAX_CONCEAL_TICKS)
        silent = gap - recovered - made
        if made:
            steps.append(Conceal(made))
        if silent:
            steps.append(Silence(silent))
        if recovered:
            steps.append(Recover(following, recovered))
        self.recovered_ticks += recovered
        self.concealed_ticks += made
        self.silent_ticks += silent
