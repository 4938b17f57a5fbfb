"""A call from a browser, as cheap as the bench needs it: packets are encoded before, none decoded.

The peer is our own transport. What it hears is judged by its packets: which are missing, and which
come later than a phone's jitter buffer would have held them. What the server hears is judged by the
server's own reception reports.
"""

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any, Final

from bench import script
from bench.dialling import post_json
from bench.measure import Spread, now_s
from bench.peers import RING, Marks, Model
from bench.wires import PlivoWire
from fwai.adapters.webrtc import opus, rtcp, rtp, sdp
from fwai.adapters.webrtc.datagrams import DroppedDatagrams
from fwai.adapters.webrtc.ports import Address, UdpPorts
from fwai.adapters.webrtc.transport import MediaTransport
from fwai.simulator.common.clips import ClipLibrary

PORTS: Final = (30_000, 30_999)
SSRC: Final = 7
SOUND: Final = 111
TICKS: Final = 960  # of one packet
LATE_S: Final = 0.060  # a jitter buffer of 40 ms ran dry for 20 ms
SPEECH_BYTES: Final = 20  # a packet of silence is shorter
CONNECT_S: Final = 10.0
TRIES: Final = 5


@dataclass(slots=True)
class Heard:
    """The agent's voice as it came.

    Attributes:
        packets: How many, without those of silence in ``speech``.
        late: How long after its time each came, against the most punctual one.
        server_lost: The caller's packets that the server misses, by its last report.
    """

    packets: int = 0
    speech: int = 0
    lost: int = 0
    late: list[float] = field(default_factory=list)
    server_lost: int = 0


class WebPhone:
    """A browser that calls.

    Args:
        index: Place among the phones of the load, after those of the carrier.
        packets: One cycle of the caller's voice, see `encoded`.
    """

    wire = PlivoWire  # what the model counts is that of a line of 8 kHz

    def __init__(self, index: int, packets: list[bytes]) -> None:
        self.index = index
        self.marks = Marks()
        self.model: Model | None = None
        self.closed = False
        self.frames = 0
        self.due = 0
        self.sent_at = [0.0] * RING
        self.heard = Heard()
        self._packets = packets
        self._first_frame = 0
        self._closing = False
        self._ahead = float("inf")  # of the most punctual packet
        self._next: int | None = None
        self._lost_before = 0
        self._way: MediaTransport | None = None

    async def dial(self, base_url: str, key: str, into_cycle_s: float) -> None:
        """Call and be answered.

        Raises:
            RuntimeError: It was refused.
            TimeoutError: No media, or no model.
        """
        way = MediaTransport(
            UdpPorts(*PORTS),
            [Address("127.0.0.1", "127.0.0.1")],
            DroppedDatagrams(time.monotonic),
        )
        await way.open()
        local = sdp.Local(*way.credentials, way.fingerprint, way.announced, SSRC, "caller")
        text = await _begin(base_url, key, sdp.write_offer(local, 16_000))
        way.listen(self._hear, self._read_report, self._lost_connection)
        try:
            async with asyncio.timeout(CONNECT_S):
                await way.connect(sdp.read(json.loads(text)["sdp"]), offered=True)
                while self.model is None:  # noqa: ASYNC110 - the model's side of this process
                    await asyncio.sleep(0.01)
        except BaseException:
            await way.close()
            raise
        self._first_frame = round(into_cycle_s / script.FRAME_S)
        self._way = way

    def send_frame(self, _: object) -> None:
        """Let 20 ms pass."""
        if self._way is None:
            return
        number = self.frames
        payload = self._packets[(number + self._first_frame) % len(self._packets)]
        packet = rtp.Packet(SOUND, False, number & 0xFFFF, number * TICKS, SSRC, payload)
        self.sent_at[number % RING] = now_s()
        self.frames += 1
        self._way.send(rtp.build(packet))

    def begin_reply(self) -> None:
        """The model is about to send the first sound of a reply."""
        if self.marks.on:
            self.marks.replies += 1

    def interrupt(self) -> None:
        """The model is about to say that the caller interrupted it."""

    def begin_window(self) -> None:
        """Count from now on."""
        self._lost_before = self.heard.server_lost
        self.heard = Heard(server_lost=self.heard.server_lost)
        self.marks.on = True

    def end_window(self) -> None:
        """Count no more."""
        self.marks.on = False

    @property
    def server_lost(self) -> int:
        """How many of the caller's packets the server missed in the window."""
        return self.heard.server_lost - self._lost_before

    async def hang_up(self) -> None:
        """Say goodbye and free the port."""
        self._closing = True
        way, self._way = self._way, None
        if way is not None:
            await way.close()

    def _hear(self, data: bytes) -> None:
        packet = rtp.parse(data)
        if packet is None:
            return
        ahead = now_s() - packet.timestamp / opus.TICKS_HZ
        if abs(ahead - self._ahead) > 3600:  # the first one, or timestamps turned over
            self._ahead = ahead
        self._ahead = min(self._ahead, ahead)
        missing = 0 if self._next is None else (packet.sequence - self._next) & 0xFFFF
        self._next = (packet.sequence + 1) & 0xFFFF
        if self.marks.on:
            self.heard.packets += 1
            self.heard.speech += len(packet.payload) > SPEECH_BYTES
            self.heard.lost += missing if missing < 0x8000 else 0
            self.heard.late.append(ahead - self._ahead)

    def _read_report(self, data: bytes) -> None:
        for one in rtcp.parse(data).about:
            if one.ssrc == SSRC:
                self.heard.server_lost = one.report.lost

    def _lost_connection(self, _: bool) -> None:
        self.closed = self.closed or not self._closing


async def _begin(base_url: str, key: str, offer: str) -> str:
    """Return the answer to an offer; a server that is busy is asked again."""
    status, text = 0, ""
    for number in range(TRIES):
        await asyncio.sleep(number)
        status, text = await post_json(
            f"{base_url}/console/talk/calls", {"sdp": offer}, {"Authorization": f"Bearer {key}"}
        )
        if status != 503:
            break
    if status != 201:
        raise RuntimeError(f"the call was refused: {status} {text[:200]}")
    return text


def encoded() -> list[bytes]:
    """Return one cycle of the caller's voice, in packets of 20 ms."""
    pcm = script.spoken(ClipLibrary.load(), "caller", 16_000)
    pcm += bytes((1, 0, 255, 255)) * (len(pcm) // 4)  # a quiet line, not a dead one
    encoder = opus.encoder(16_000, bitrate=20_000, complexity=5, max_rate=16_000)
    return [encoder.encode(pcm[at : at + 640]) for at in range(0, len(pcm) - 639, 640)]


def figures(phones: list[WebPhone]) -> dict[str, Any]:
    """Return what became of all of them in the window."""
    late = [one for phone in phones for one in phone.heard.late]
    heard = sum(phone.heard.packets for phone in phones)
    return {
        "calls": len(phones),
        "dropped_calls": sum(
            phone.closed or phone.model is None or phone.model.transport is None for phone in phones
        ),
        "server_lost": sum(phone.server_lost for phone in phones),
        "to_model_ms": Spread.of(one for phone in phones for one in phone.marks.to_model).dump(),
        "heard": heard,
        "speech": sum(phone.heard.speech for phone in phones),
        "lost": sum(phone.heard.lost for phone in phones),
        "late_over_60ms": sum(one > LATE_S for one in late),
        "late_ms": Spread.of(late).dump(),
    }
