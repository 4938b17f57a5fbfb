"""A telephone of aiortc's own making, and a network between it and us that can be bad."""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.rtp import RtpPacket

from fwai.adapters.webrtc import opus, peer
from fwai.adapters.webrtc.clock import MediaClock
from fwai.adapters.webrtc.leg import LegLimits, WebRtcLeg
from fwai.adapters.webrtc.ports import UdpPorts
from fwai.domain.events import CallerAudio, CallerEvent, CallerHungUp, DtmfPressed
from fwai.simulator.common.clips import ClipLibrary
from fwai.simulator.common.recognizer import Recognizer

CLIPS: Final = ClipLibrary.load()
RECOGNIZER: Final = Recognizer(CLIPS)
RATE: Final = 24_000
FRAME_S: Final = 0.020
PORTS: Final = (42_000, 42_099)
SOUND, KEYS = 111, 126

Schedule = list[tuple[float, RtpPacket]]


def packets(clip: str, first: int = 0xFFF0, ssrc: int = 99) -> list[RtpPacket]:
    """Return a clip as WhatsApp would send it: 16 kHz, 20 kb/s, with second copies."""
    pcm = CLIPS[clip].pcm(16_000)
    encoder = opus.encoder(16_000, bitrate=20_000, complexity=5, max_rate=16_000)
    encoder.expect_loss(10)
    return [
        RtpPacket(
            payload_type=SOUND,
            sequence_number=(first + number) & 0xFFFF,
            timestamp=(0xFFFF8000 + number * 960) & 0xFFFFFFFF,
            ssrc=ssrc,
            payload=encoder.encode(pcm[at : at + 640]),
        )
        for number, at in enumerate(range(0, len(pcm) - 639, 640))
    ]


def schedule(
    sent: list[RtpPacket],
    *,
    lost: Iterable[int] = (),
    loss: float = 0.0,
    jitter_ms: int = 0,
    twice: Iterable[int] = (),
) -> Schedule:
    """Say when which packet arrives; the first and the last one always do, the first in time."""
    chance = random.Random(5)
    gone, again = set(lost), set(twice)
    gone |= {n for n in range(1, len(sent) - 1) if chance.random() < loss}
    arriving = [
        (number * FRAME_S + chance.uniform(0, jitter_ms if number else 0) / 1000, number)
        for number in range(len(sent))
        if number not in gone
    ]
    arriving += [(number * FRAME_S + 0.005, number) for number in again]
    return [(at, sent[number]) for at, number in sorted(arriving)]


def with_key(sent: list[RtpPacket], at: int, key: int, ticks: int = 4_800) -> list[RtpPacket]:
    """Put a key before packet ``at``: five packets and three ends, while sound pauses."""
    start = sent[at].timestamp
    pressed = [
        RtpPacket(
            payload_type=KEYS,
            marker=int(number == 0),
            sequence_number=(sent[at].sequence_number + number) & 0xFFFF,
            timestamp=start,
            ssrc=sent[at].ssrc,
            payload=bytes([key, 0x8A if number >= 5 else 0x0A]) + (800).to_bytes(2, "big"),
        )
        for number in range(8)
    ]
    for later in sent[at:]:
        later.sequence_number = (later.sequence_number + 8) & 0xFFFF
        later.timestamp = (later.timestamp + ticks) & 0xFFFFFFFF
    return [*sent[:at], *pressed, *sent[at:]]


class Phone:
    """aiortc's peer connection; sends what it is told and keeps what it hears."""

    def __init__(self) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.transceiver = self.connection.addTransceiver("audio", "sendrecv")
        self.transceiver.receiver._handle_rtp_packet = self._hear  # type: ignore[method-assign]
        self.heard: list[tuple[float, RtpPacket]] = []
        self.sent_at: dict[int, float] = {}

    async def _hear(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        self.heard.append((asyncio.get_running_loop().time(), packet))

    async def offer(self, edit: Callable[[str], str] = lambda text: text) -> str:
        """Return an offer as Meta makes it, apart from its credentials."""
        await self.connection.setLocalDescription(await self.connection.createOffer())
        text = self.connection.localDescription.sdp.replace("a=end-of-candidates\r\n", "")
        text = text.replace("m=audio", "a=ice-lite\r\nm=audio", 1)
        text = text.replace("SAVPF 96 ", f"SAVPF {SOUND} {KEYS} ").replace(
            ":96 opus", f":{SOUND} opus"
        )
        text += f"a=fmtp:{SOUND} maxaveragebitrate=20000;maxplaybackrate=16000;useinbandfec=1\r\n"
        text += f"a=rtpmap:{KEYS} telephone-event/8000\r\n"
        self._ice.ice_controlling = False  # it only pretends to be lite
        return edit(text)

    async def accept(self, answer: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def answer(self, offer: str) -> str:
        await self.connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await self.connection.setLocalDescription(await self.connection.createAnswer())
        return str(self.connection.localDescription.sdp)

    @property
    def _dtls(self) -> Any:  # noqa: ANN401 - the stranger's inside
        return self.transceiver.sender.transport

    @property
    def _ice(self) -> Any:  # noqa: ANN401
        return self._dtls.transport._connection

    async def ready(self) -> None:
        """Wait until sound can be sent."""
        async with asyncio.timeout(5):
            while self._dtls.state != "connected":  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def say(self, arriving: Schedule) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for at, packet in arriving:
            if (wait := began + at - loop.time()) > 0:
                await asyncio.sleep(wait)
            self.sent_at[packet.sequence_number] = loop.time()
            await self._dtls._send_rtp(packet.serialize())

    def vanish(self) -> None:
        """Fall silent without a word: no goodbye, no answer to any check."""
        for protocol in self._ice._protocols:
            protocol.transport.abort()

    def pcm(self, rate: int = RATE) -> bytes:
        """Return everything that was heard."""
        decoder = opus.decoder(rate)
        return b"".join(decoder.decode(packet.payload) for _, packet in self.heard)

    async def close(self) -> None:
        self._ice._nominated.clear()  # nothing can be sent any more; closing must not wait for it
        await self.connection.close()


class Ear:
    """What the leg told, and when."""

    def __init__(self, leg: WebRtcLeg) -> None:
        self.leg = leg
        self.events: list[tuple[float, CallerEvent]] = []
        self.samples: list[tuple[float, int]] = []
        self._count = 0
        self._gone = asyncio.Event()
        leg.listen(self._hear)

    def _hear(self, event: CallerEvent) -> None:
        now = asyncio.get_running_loop().time()
        self.events.append((now, event))
        if isinstance(event, CallerAudio):
            self._count += len(event.pcm) // 2
            self.samples.append((now, self._count))
        if isinstance(event, CallerHungUp):
            self._gone.set()

    @property
    def pcm(self) -> bytes:
        return b"".join(event.pcm for _, event in self.events if isinstance(event, CallerAudio))

    @property
    def keys(self) -> str:
        return "".join(e.digit for _, e in self.events if isinstance(e, DtmfPressed))

    async def gone(self) -> CallerHungUp:
        async with asyncio.timeout(5):
            await self._gone.wait()
        last = self.events[-1][1]
        assert isinstance(last, CallerHungUp)
        return last


class Lab:
    """Calls between phones and us, on 127.0.0.1."""

    def __init__(self) -> None:
        self.options = peer.PeerOptions(
            UdpPorts(*PORTS), MediaClock(), sample_rate=RATE, loopback=True
        )
        self.phones: list[Phone] = []
        self.legs: list[WebRtcLeg] = []

    def limit(self, **limits: float) -> None:
        self.options = replace(self.options, limits=LegLimits(**limits))

    def phone(self) -> Phone:
        self.phones.append(Phone())
        return self.phones[-1]

    async def call(self, edits: Mapping[str, str] | None = None) -> tuple[Phone, Ear]:
        """Let a phone call us; both are connected and we have answered."""
        phone = self.phone()
        offer = await phone.offer()
        for old, new in (edits or {}).items():
            offer = offer.replace(old, new)
        leg, answer = await peer.answer(offer, self.options)
        self.legs.append(leg)
        await phone.accept(answer)
        await leg.connect()
        await phone.ready()
        leg.release()
        return phone, Ear(leg)

    async def pair(self) -> tuple[WebRtcLeg, WebRtcLeg]:
        """Let us call ourselves."""
        pending, offer = await peer.offer(self.options)
        second, answer = await peer.answer(offer, self.options)
        first = pending.accept(answer)
        self.legs += [first, second]
        await asyncio.gather(first.connect(), second.connect())
        first.release()
        second.release()
        return first, second

    async def close(self) -> None:
        for leg in self.legs:
            await leg.close()
        for phone in self.phones:
            await phone.close()
