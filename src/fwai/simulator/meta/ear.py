"""Hears the agent for a WhatsApp user: places its packets in time, and measures their delay.

Nothing tells this ear that speech was taken back: it simply ends. A known phrase that ends before
its end is therefore what an interruption looks like from here.
"""

from collections import deque
from statistics import median
from typing import Final

from fwai.simulator.common.caller import Heard
from fwai.simulator.common.ear import Ear
from fwai.simulator.common.hearing import Segmenter, Utterance
from fwai.simulator.common.line import Line
from fwai.simulator.common.playback import Gap, Piece, PlaybackBuffer, Played

HEAR_HZ: Final = 16_000
TICKS_HZ: Final = 48_000
BUFFER_MS: Final = 100.0
"""Speech that is later than this is missing when a telephone wants to play it."""

STALL_S: Final = 1.0
"""Sound has its own time; the clock's counts only where nothing has come for so long."""

MAX_GAPS: Final = 1000
SAMPLE: Final = 250  # packets, 5 s


class Travel:
    """Measures loss and jitter of one RTP source; times in seconds, timestamps in 1/48000 s. PURE.

    Attributes:
        received: Packets, without repeated ones.
        jitter_ms: As in RFC 3550.
        late_ms: How much later than the most punctual packet the latest one came.
    """

    def __init__(self) -> None:
        self.received = 0
        self.jitter_ms = 0.0
        self._transits: list[float] = []
        self._latest: deque[float] = deque(maxlen=SAMPLE)
        self._least = self._most = self._last = 0.0
        self._first_number = self._highest = 0

    def add(self, number: int, timestamp: int, now_s: float) -> float:
        """Take a packet's sequence number and timestamp; return how late it is, in ms.

        ``timestamp`` counts from the source's first packet and does not wrap.
        """
        transit = (now_s - timestamp / TICKS_HZ) * 1000
        if not self.received:
            self._first_number = self._highest = number
            self._least = self._most = self._last = transit
        step = (number - self._highest + 0x8000 & 0xFFFF) - 0x8000
        self._highest += max(step, 0)
        self.received += 1
        self.jitter_ms += (abs(transit - self._last) - self.jitter_ms) / 16
        self._last = transit
        self._least, self._most = min(self._least, transit), max(self._most, transit)
        if len(self._transits) < SAMPLE:
            self._transits.append(transit)
        self._latest.append(transit)
        return transit - self._least

    @property
    def lost(self) -> int:
        """Packets that did not arrive."""
        sent = self._highest - self._first_number + 1 if self.received else 0
        return max(sent - self.received, 0)

    @property
    def late_ms(self) -> float:
        """How much later than the most punctual packet the latest one came."""
        return self._most - self._least

    @property
    def drift_ms(self) -> float:
        """How much later the last packets came than the first ones, both as medians."""
        return median(self._latest) - median(self._transits) if self._transits else 0.0


class _Arrivals(PlaybackBuffer):
    """A playback buffer that plays sound as it comes."""

    def __init__(self) -> None:
        super().__init__(HEAR_HZ)
        self._pieces: list[Piece] = []

    def put(self, piece: Piece) -> None:
        self._pieces.append(piece)

    def advance(self, now_s: float) -> Played:  # noqa: ARG002 - all that came is heard
        pieces, self._pieces = self._pieces, []
        return Played(pieces)


class MetaEar(Ear):
    """Plays and recognises the agent's audio, as `Ear` does, from packets.

    Attributes:
        travel: How the packets arrived.
    """

    def __init__(self, line: Line) -> None:
        super().__init__(line.repertoire, line.emit)
        self.travel = Travel()
        self._line = line
        self._arrivals = _Arrivals()
        self._playback = self._arrivals
        self._segmenter = Segmenter(HEAR_HZ)
        self._late = False
        self._until_s = 0.0

    def hear(self, piece: Piece, late_ms: float, now_s: float) -> None:
        """Hear a packet's sound, ``late_ms`` after it should have come."""
        self._arrivals.put(piece)
        self._until_s = piece.end / HEAR_HZ
        self.advance(now_s)
        late = late_ms > BUFFER_MS and self.speaking_since_ms is not None
        if late and not self._late and len(self.gaps) < MAX_GAPS:
            self.gaps.append(Gap(piece.start * 1000 / HEAR_HZ, late_ms))
            self._emit("gap", at_ms=now_s * 1000, length_ms=late_ms)
        self._late = late

    def advance(self, now_s: float) -> list[str]:
        """Let time pass, as far as sound has come."""
        stalled = now_s - self._until_s > STALL_S
        return super().advance(now_s if stalled else self._until_s)

    async def _recognise(self, heard: Heard, utterance: Utterance) -> None:
        await super()._recognise(heard, utterance)
        if heard.clip is None or heard.whole or heard.by_end:
            return
        whole_ms = self._repertoire.speech_ms(heard.clip)
        heard.unheard_ms = max(whole_ms - (heard.end_ms - heard.start_ms), 0.0)
        self._line.cleared(heard.end_ms / 1000, heard.unheard_ms)
