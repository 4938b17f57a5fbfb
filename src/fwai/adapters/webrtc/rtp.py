"""RTP: packets, reordering and statistics. PURE: the time is an argument.

Theory of operation of `Reorder`. A packet that comes in order goes out at once: no delay is added.
One that comes after a gap is held, and with it all that follows, until the gap is filled or the
first of those held has waited for the window; then what is missing counts as lost, and its number
is said beside the packet behind it. A packet that comes after its place was given up is late, one
that was there before is a duplicate; both are dropped. So each number goes out at most once, in
order, and no packet waits for longer than the window. Two packets in a row far away from all others
are a sender that began anew.

Source: RFC 3550, sections 5.1, 6.4.1, A.1, A.3 and A.8.
"""

import struct
from dataclasses import dataclass
from typing import Final, NamedTuple

HEADER_BYTES: Final = 12
MAX_DROPOUT: Final = 3_000  # packets
MAX_MISORDER: Final = 100
MAX_HELD: Final = 64
_SEEN_MASK: Final = (1 << 128) - 1

_FIXED = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")


class Packet(NamedTuple):
    """An RTP packet without extensions and contributing sources."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


class Released(NamedTuple):
    """A packet in order, and how many right before it are lost."""

    packet: Packet
    lost: int


def is_rtcp(data: bytes) -> bool:
    """Whether a packet is RTCP rather than RTP (RFC 5761)."""
    return len(data) > 1 and 192 <= data[1] <= 223


def parse(data: bytes) -> Packet | None:
    """Parse a packet; None when it is not RTP."""
    if len(data) < HEADER_BYTES:
        return None
    first, second, sequence, timestamp, ssrc = _FIXED.unpack_from(data)
    if first >> 6 != 2:
        return None
    start, end = HEADER_BYTES, len(data)
    if first & 0x3F:
        start += 4 * (first & 0x0F)
        if first & 0x10:
            if start + 4 > end:
                return None
            start += 4 + 4 * int(_EXTENSION.unpack_from(data, start)[1])
        if first & 0x20:
            end -= data[-1] or len(data)
        if start > end:
            return None
    return Packet(second & 0x7F, second >= 0x80, sequence, timestamp, ssrc, bytes(data[start:end]))


def build(packet: Packet) -> bytes:
    """Build a packet without extensions."""
    second = packet.payload_type | (0x80 if packet.marker else 0)
    return (
        _FIXED.pack(0x80, second, packet.sequence, packet.timestamp, packet.ssrc) + packet.payload
    )


def difference(later: int, earlier: int, bits: int) -> int:
    """Return the signed distance of two counters that wrap around after ``bits`` bits."""
    half = 1 << (bits - 1)
    return ((later - earlier + half) & ((1 << bits) - 1)) - half


class Reorder:
    """Reorder buffer for the packets of one source.

    Attributes:
        lost: Packets that were given up.
        late: Packets that came after that.
        duplicates: Repeated packets.
        received: Distinct packets, late ones too.
        restarts: How often the sender restarted its numbering.
    """

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._next: int | None = None  # numbers do not wrap here
        self._highest = 0
        self._first = 0
        self._held: dict[int, tuple[Packet, float]] = {}
        self._seen = 0  # bit n: number `next - 1 - n` was received
        self._unexpected_next: int | None = None
        self.lost = 0
        self.late = 0
        self.duplicates = 0
        self.received = 0
        self.restarts = 0

    @property
    def due(self) -> float | None:
        """When `expire` will release something; None while nothing is held."""
        for _, arrived in self._held.values():
            return arrived + self._window_s
        return None

    @property
    def expected(self) -> int:
        """Packets expected since the first one."""
        return self._highest - self._first + 1 if self._next is not None else 0

    @property
    def highest(self) -> int:
        """Extended highest sequence number: wrap-arounds above its 16 bits."""
        return self._highest

    def push(self, packet: Packet, now: float) -> list[Released]:
        """Add a packet and return those in order; often just itself."""
        if self._next is None:
            return self._start(packet)
        number = self._highest + difference(packet.sequence, self._highest & 0xFFFF, 16)
        if number > self._highest + MAX_DROPOUT or number < self._next - MAX_MISORDER:
            return self._handle_jump(packet)
        self._unexpected_next = None
        self._highest = max(self._highest, number)
        if number == self._next and not self._held:  # nearly always
            self.received += 1
            self._advance(1)
            return [Released(packet, 0)]
        released = self.expire(now)
        if number < self._next:
            self._count_late(number)
        elif number in self._held:
            self.duplicates += 1
        else:
            self.received += 1
            self._held[number] = (packet, now)
            released += self._release_consecutive(0)
            if len(self._held) > MAX_HELD:
                released += self._skip_missing()
        return released

    def expire(self, now: float) -> list[Released]:
        """Give up missing packets before those that have waited for the window."""
        released: list[Released] = []
        while (due := self.due) is not None and due <= now:
            released += self._skip_missing()
        return released

    def _start(self, packet: Packet) -> list[Released]:
        self._next = self._highest = self._first = packet.sequence + 0x10000
        self._held.clear()
        self._seen = 0
        self._unexpected_next = None
        self.received += 1
        self._advance(1)
        return [Released(packet, 0)]

    def _handle_jump(self, packet: Packet) -> list[Released]:
        if packet.sequence != self._unexpected_next:
            self._unexpected_next = (packet.sequence + 1) & 0xFFFF
            return []
        self.restarts += 1
        return self._start(packet)

    def _advance(self, count: int) -> None:
        """Advance the next number past ``count`` received ones."""
        assert self._next is not None  # noqa: S101 - only called after the start
        self._next += count
        self._seen = ((self._seen << count) | ((1 << count) - 1)) & _SEEN_MASK

    def _count_late(self, number: int) -> None:
        assert self._next is not None  # noqa: S101 - only called after the start
        bit = 1 << min(self._next - 1 - number, 128)
        if self._seen & bit:
            self.duplicates += 1
        else:
            self.late += 1
            self.received += 1
            self._seen |= bit & _SEEN_MASK

    def _release_consecutive(self, lost: int) -> list[Released]:
        """Release the held packets that are now consecutive."""
        released: list[Released] = []
        while self._next in self._held:
            packet, _ = self._held.pop(self._next)
            self._advance(1)
            released.append(Released(packet, lost))
            lost = 0
        return released

    def _skip_missing(self) -> list[Released]:
        """Give up missing packets before the first held one."""
        assert self._next is not None  # noqa: S101 - something is held
        first = min(self._held)
        missing = first - self._next
        self.lost += missing
        self._next = first
        self._seen = (self._seen << missing) & _SEEN_MASK
        return self._release_consecutive(missing)


@dataclass(frozen=True, slots=True)
class Report:
    """Reception statistics: a report block without its source and times.

    Attributes:
        fraction: Share lost since the last report, of 256.
        lost: Lost since the start; duplicates and late packets make it smaller.
        highest: Highest sequence number, with wrap-arounds above.
        jitter: In ticks.
    """

    fraction: int
    lost: int
    highest: int
    jitter: int


class Jitter:
    """Interarrival jitter, in ticks of ``clock_hz``."""

    def __init__(self, clock_hz: int) -> None:
        self._clock_hz = clock_hz
        self._last: tuple[float, int] | None = None
        self._jitter = 0.0

    @property
    def ticks(self) -> float:
        """The jitter estimate."""
        return self._jitter

    def add(self, timestamp: int, now: float) -> None:
        """Count a packet that arrived at ``now``."""
        if self._last is not None:
            arrived, before = self._last
            apart = (now - arrived) * self._clock_hz - difference(timestamp, before, 32)
            self._jitter += (abs(apart) - self._jitter) / 16
        self._last = (now, timestamp)


class Loss:
    """Builds reports from the counters of `Reorder`."""

    def __init__(self) -> None:
        self._expected = 0
        self._received = 0

    def report(self, reorder: Reorder, jitter: float) -> Report:
        """Build a report of the time since the last one."""
        expected = reorder.expected - self._expected
        missing = expected - (reorder.received - self._received)
        self._expected, self._received = reorder.expected, reorder.received
        fraction = min((missing << 8) // expected, 255) if expected and missing > 0 else 0
        lost = reorder.expected - reorder.received
        return Report(fraction, max(lost, 0), reorder.highest & 0xFFFFFFFF, round(jitter))
