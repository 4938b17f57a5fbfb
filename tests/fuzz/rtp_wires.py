"""RTP and RTCP of a peer: encrypted as it would, through the transport and the leg to a session."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import pylibsrtp

from fakes import FakeAgent
from fuzz.corpus import found
from fuzz.judge import Prepared, Wire
from fuzz.mutator import Mutator
from fuzz.talk import REPLY, Talk
from fwai.adapters.webrtc import opus, rtcp, rtp, sdp
from fwai.adapters.webrtc.audio_sender import Identity
from fwai.adapters.webrtc.clock import MediaClock
from fwai.adapters.webrtc.datagrams import MAX_RTP_BYTES, DroppedDatagrams
from fwai.adapters.webrtc.leg import LegLimits, WebRtcLeg
from fwai.adapters.webrtc.ports import UdpPorts
from fwai.adapters.webrtc.rtcp import ReceptionReport, SenderInfo
from fwai.adapters.webrtc.transport import SOURCES, MediaTransport

RATE: Final = 24_000
PEER: Final = 99  # its SSRC
OURS: Final = 7
SOUND, KEYS = 111, 126
MESSAGES_OF_ONE: Final = 5_000  # what grows in one call must be seen
PLAIN: Final = 0.4  # share of packets that come as if decrypted, whatever they are
KEY: Final = bytes(range(30))
ORDERLY: Final = 0.7  # share of packets whose sequence number is the next one, or near
REMOTE: Final = sdp.Remote(
    lines=(("audio", "UDP/TLS/RTP/SAVPF", ("111",), "0"),),
    line=0,
    sound=sdp.Sound(fec=True),
    direction="sendrecv",
    ufrag="u",
    password="p",
    lite=False,
    setup="actpass",
    fingerprints=(),
    candidates=(),
)


def _policy(direction: int) -> pylibsrtp.Policy:
    """Return the policy that aiortc makes of a handshake."""
    policy = pylibsrtp.Policy(key=KEY, ssrc_type=direction)
    policy.allow_repeat_tx = True
    policy.window_size = 1024
    return policy


class _Transport(MediaTransport):
    """The real one, connected to nobody."""

    def __init__(self) -> None:
        super().__init__(UdpPorts(1, 2), [], DroppedDatagrams(lambda: 0.0))
        self.theirs = pylibsrtp.Session(_policy(pylibsrtp.Policy.SSRC_ANY_OUTBOUND))

    async def connect(self, remote: sdp.Remote, *, offered: bool) -> None:
        self._rx = pylibsrtp.Session(_policy(pylibsrtp.Policy.SSRC_ANY_INBOUND))
        self._tx = pylibsrtp.Session(_policy(pylibsrtp.Policy.SSRC_ANY_OUTBOUND))

    def send(self, packet: bytes) -> bool:
        assert len(packet) < MAX_RTP_BYTES
        return True


class _Media:
    """One peer after another."""

    def __init__(self, mutator: Mutator) -> None:
        self._chance = mutator.chance
        self._clock = MediaClock()
        self._leg: WebRtcLeg | None = None
        self._transport: _Transport | None = None
        self._talk: Talk | None = None
        self._agent: FakeAgent | None = None
        self._count = 0
        self._sequence = 0

    def prepare(self, message: bytes) -> tuple[bytes, bool]:
        """Number a packet of sound, and encrypt it; whether that could be done."""
        if len(message) >= 12 and not rtp.is_rtcp(message) and self._chance.random() < ORDERLY:
            step = self._chance.choice((1, 1, 1, 1, 1, 0, 2, 3, -1, 70))
            self._sequence = (self._sequence + step) & 0xFFFF
            stamp = (self._sequence * 960 + self._chance.choice((0, 0, 0, 1, 48_000))) & 0xFFFFFFFF
            message = (
                message[:2]
                + self._sequence.to_bytes(2, "big")
                + stamp.to_bytes(4, "big")
                + message[8:]
            )
        if self._transport is None or self._chance.random() < PLAIN:
            return message, False
        theirs = self._transport.theirs
        try:
            protect = theirs.protect_rtcp if rtp.is_rtcp(message) else theirs.protect
            return protect(message), True
        except (pylibsrtp.Error, TypeError, ValueError):
            return message, False

    async def deliver(self, prepared: Prepared) -> bool:
        data, encrypted = prepared
        transport = self._transport or await self._begin()
        undeciphered = transport.undecipherable
        leg = self._leg
        assert leg is not None
        refused = leg._in.inbound.refused + leg._in.undecodable
        if encrypted:
            transport._receive(data)
        elif rtp.is_rtcp(data):
            leg._receive_control(data)
        else:
            leg._receive(data)
        self._count += 1
        assert len(transport._sources) <= SOURCES, "sources without end"
        await self._go_on()
        bad = leg._in.inbound.refused + leg._in.undecodable > refused
        readable = rtp.is_rtcp(data) or rtp.parse(data) is not None
        return readable and not bad and transport.undecipherable == undeciphered

    async def _begin(self) -> _Transport:
        transport = self._transport = _Transport()
        identity = Identity(ssrc=OURS, name="us", sequence=1, timestamp=1)
        leg = self._leg = WebRtcLeg(
            transport, REMOTE, identity, self._clock, RATE, LegLimits(), offered=False
        )
        await leg.connect()
        leg.release()
        self._agent = FakeAgent()
        self._talk = Talk(leg, self._agent)
        self._count = 0
        await asyncio.sleep(0)
        return transport

    async def _go_on(self) -> None:
        assert self._agent is not None
        assert self._talk is not None
        if self._count % 100 == 1:
            for event in REPLY:
                self._agent.say(event)
        await asyncio.sleep(0.02 if self._count % 4 == 0 else 0.0)
        if self._count > MESSAGES_OF_ONE or self._talk.over:
            await self.end()

    async def end(self) -> None:
        if self._leg is None or self._talk is None or self._transport is None:
            return
        self._leg._transport_closed(False)
        await self._talk.finish()
        await self._leg.close()
        self._leg = self._talk = self._transport = self._agent = None


@asynccontextmanager
async def _opened(mutator: Mutator) -> AsyncIterator[_Media]:
    media = _Media(mutator)
    yield media
    await media.end()
    await asyncio.sleep(0.1)  # the clock's last beat


# ---- good ones ----------------------------------------------------------------------------------


def _sound() -> list[bytes]:
    encoder = opus.encoder(16_000, bitrate=20_000, complexity=5, max_rate=16_000)
    encoder.expect_loss(10)
    wave = (b"\x00\x20\x00\xe0" * 160, bytes(640), bytes(range(256)) * 2 + bytes(128))
    payloads = [encoder.encode(wave[number % 3]) for number in range(12)]
    return [
        rtp.build(rtp.Packet(SOUND, number == 0, number, number * 960, PEER, payload))
        for number, payload in enumerate(payloads)
    ]


def _keys() -> list[bytes]:
    payloads = [bytes([key, end, 3, 32]) for key in (0, 9, 11, 15, 16) for end in (0x0A, 0x8A)]
    return [
        rtp.build(rtp.Packet(KEYS, False, number, 960, PEER, payload))
        for number, payload in enumerate(payloads)
    ]


def _odd() -> list[bytes]:
    head = rtp.build(rtp.Packet(SOUND, False, 5, 4_800, PEER, b"\x48" + bytes(20)))
    extended = bytes([head[0] | 0x10]) + head[1:12] + b"\xbe\xde\0\1\x10\xff\0\0" + head[12:]
    sources = bytes([head[0] | 0x02]) + head[1:12] + bytes(8) + head[12:]
    padded = bytes([head[0] | 0x20]) + head[1:] + b"\0\0\0\4"
    return [extended, sources, padded, head[:12], b"\x80", b"", bytes([0xBF]) + head[1:]]


def _reports() -> list[bytes]:
    report = rtp.Report(5, 17, 0x10005, 80)
    about = ReceptionReport(OURS, report, 0x12345678, 65_536)
    sender = rtcp.build_sender_report(SenderInfo(PEER, 1_790_000_000.0, 960, 10, 900), "x", about)
    receiver = b"\x81\xc9\0\7" + PEER.to_bytes(4, "big") + sender[28:52]
    return [
        sender,
        receiver,
        rtcp.goodbye(PEER),
        sender + rtcp.goodbye(PEER),
        receiver + b"\x81\xcd\0\3" + bytes(12) + b"\x8f\xcd\0\5" + bytes(20),  # feedback
        b"\x80\xcc\0\2" + PEER.to_bytes(4, "big") + b"name",
        b"\x9f\xcb\0\0",
        b"\x80\xc8\xff\xff" + bytes(30),
    ]


def _packets(mutator: Mutator, seeds: Sequence[bytes]) -> bytes:
    data = mutator.raw(seeds)
    if len(data) >= 12 and mutator.chance.random() < 0.05:  # another source
        at = slice(4, 8) if rtp.is_rtcp(data) else slice(8, 12)
        other = mutator.chance.randbytes(4)
        data = data[: at.start] + other + data[at.stop :]
    return data


def _reports_only(mutator: Mutator, seeds: Sequence[bytes]) -> bytes:
    data = _packets(mutator, seeds)
    kind = mutator.chance.randrange(192, 224) if mutator.chance.random() < 0.1 else 200
    return data if rtp.is_rtcp(data) or len(data) < 2 else data[:1] + bytes([kind]) + data[2:]


def rtp_wire() -> Wire:
    seeds = [*_sound() * 2, *_keys(), *_odd(), *found("rtp")]
    return Wire("rtp", _packets, seeds, MAX_RTP_BYTES, _opened)


def rtcp_wire() -> Wire:
    return Wire("rtcp", _reports_only, [*_reports(), *found("rtcp")], MAX_RTP_BYTES, _opened)
