"""Meta's media relay, faked: an ICE-lite peer with DTLS, SRTP and real Opus on one loopback port.

Theory of operation. ICE-lite answers connectivity checks and sends none; checks count only once the
description that they belong to was posted. DTLS and the keys are aiortc's; sound is sent each 20 ms
on an absolute schedule, silence included, and may be lost or delayed on its way, by seed. What
comes in is decoded, put on the sender's own time axis and cut into utterances.

Source: Meta's call pages and SDP samples, 2026-06; RFC 8445 (lite), 3550, 4733, 7587.
"""

import asyncio
import random
import re
import secrets
from collections import deque
from dataclasses import dataclass
from struct import pack
from typing import Any, Final, cast

import numpy as np
from aioice import stun
from aiortc import RTCCertificate, RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport
from aiortc.codecs.opus import OpusDecoder
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtp import RtpPacket, is_rtcp
from av import AudioFrame, CodecContext

from fwai.audio.resample import Resampler
from fwai.simulator.plivo_hearing import Segmenter, Utterance
from fwai.simulator.plivo_playback import Piece

FRAME_S: Final = 0.020
OPUS_HZ: Final = 48_000
FRAME_SAMPLES: Final = 960
HEAR_HZ: Final = 16_000
SOUND: Final = 111
EVENTS: Final = 126
MOST_WAITING: Final = 256  # DTLS datagrams
MOST_UTTERANCES: Final = 200
_FORMAT: Final = (
    "maxaveragebitrate=20000;maxplaybackrate=16000;minptime=20;"
    "sprop-maxcapturerate=16000;useinbandfec=1"
)
_NAMED: Final = re.compile(r"^a=(ice-ufrag|ice-pwd|fingerprint|setup):(.+)$", re.MULTILINE)
KEYS: Final = "0123456789*#ABCD"


@dataclass(frozen=True, slots=True)
class Weather:
    """What the network does to sound in both directions.

    Attributes:
        loss: Share of packets that are lost, 0 to 1.
        jitter_ms: Packets to the server are late by 0 to this.
        deaf: Connectivity checks are not answered at all.
    """

    loss: float = 0.0
    jitter_ms: float = 0.0
    deaf: bool = False
    seed: int = 1


class _LiteSocket(asyncio.DatagramProtocol):
    """The port, and what aiortc's DTLS needs of an ICE transport."""

    role = "controlled"

    def __init__(self, media: "MetaMedia") -> None:
        self._media = media
        self._udp: asyncio.DatagramTransport | None = None
        self._dtls: asyncio.Queue[bytes] = asyncio.Queue(MOST_WAITING)
        self._peer: tuple[str, int] | None = None
        self.reached = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # In Python 3.11 it is one by its methods only.
        self._udp = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        if not data or self._media.weather.deaf:
            return
        if data[0] < 4:
            self._check(data, (addr[0], addr[1]))
        elif 19 < data[0] < 64 and not self._dtls.full():
            self._dtls.put_nowait(data)
        elif 127 < data[0] < 192:
            self._media.arrived(data)

    def _check(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer a connectivity check, as a lite agent does."""
        try:
            request = stun.parse_message(data)
            known = request.attributes.get("USERNAME") == self._media.check_name
            if not known or not request.check_message_integrity(self._media.password.encode()):
                return
        except ValueError:
            return
        answer = stun.Message(request.message_method, stun.Class.RESPONSE, request.transaction_id)
        if "ICE-CONTROLLED" in request.attributes:
            self._media.violate("the server wants to be controlled")
            answer.message_class = stun.Class.ERROR
            answer.attributes["ERROR-CODE"] = (487, "Role Conflict")
        else:
            answer.attributes["XOR-MAPPED-ADDRESS"] = addr
        answer.add_message_integrity(self._media.password.encode())
        answer.add_fingerprint()
        self.send(bytes(answer), addr)
        if "USE-CANDIDATE" in request.attributes:
            self._peer = addr
            self.reached.set()

    def send(self, data: bytes, addr: tuple[str, int] | None = None) -> None:
        """Send to ``addr``, by default to where the checks came from."""
        to = addr or self._peer
        if self._udp is not None and to is not None and not self._udp.is_closing():
            self._udp.sendto(data, to)

    async def _recv(self) -> bytes:
        return await self._dtls.get()

    async def _send(self, data: bytes) -> None:
        self.send(data)

    def close(self) -> None:
        """Free the port."""
        if self._udp is not None:
            self._udp.close()


class MetaMedia:
    """One call's media on Meta's side.

    Attributes:
        violations: Rules of Meta's that the server broke.
        utterances: What was heard, whole utterances in order; the last 200.
        may_send: The call was accepted: sound of the server is welcome.
        received: Sound packets that came.
    """

    def __init__(self, weather: Weather | None = None) -> None:
        self.weather = weather or Weather()
        self.password = secrets.token_urlsafe(18)
        self.violations: list[str] = []
        self.utterances: deque[Utterance] = deque(maxlen=MOST_UTTERANCES)
        self.may_send = False
        self.received = 0
        self.sound_at: float | None = None
        self.check_name = ""
        self._ufrag = secrets.token_hex(4)
        self._chance = random.Random(self.weather.seed)  # noqa: S311 - weather
        self._loop = asyncio.get_running_loop()
        self._socket = _LiteSocket(self)
        self._dtls = RTCDtlsTransport(self._socket, [RTCCertificate.generateCertificate()])  # type: ignore[arg-type]
        self._remote: dict[str, str] = {}
        self._waiting: deque[bytes] = deque()
        self._keys: deque[str] = deque()
        self._ssrc = secrets.randbits(32)
        self._sequence = secrets.randbits(15)
        self._timestamp = secrets.randbits(31)
        self._encoder = _encoder()
        self._pts = 0
        self._decoder = OpusDecoder()
        self._resampler = Resampler(OPUS_HZ, HEAR_HZ)
        self._segmenter = Segmenter(HEAR_HZ)
        self._first_timestamp: int | None = None
        self._port = 0

    async def open(self) -> None:
        """Bind the port."""
        udp, _ = await self._loop.create_datagram_endpoint(
            lambda: self._socket, local_addr=("127.0.0.1", 0)
        )
        self._port = int(udp.get_extra_info("sockname")[1])

    def description(self, *, answer: bool = False) -> str:
        """Return Meta's offer, or its answer to one."""
        prints = self._dtls.getLocalParameters().fingerprints
        print_ = next(one.value for one in prints if one.algorithm == "sha-256")
        mid = "0" if answer else "audio"
        lines = [
            *("v=0", f"o=- {secrets.randbits(40)} 2 IN IP4 127.0.0.1", "s=-", "t=0 0"),
            *(f"a=group:BUNDLE {mid}", "a=msid-semantic: WMS", "a=ice-lite"),
            f"m=audio {self._port} UDP/TLS/RTP/SAVPF {SOUND} {EVENTS}",
            *("c=IN IP4 127.0.0.1", "a=rtcp:9 IN IP4 0.0.0.0"),
            f"a=candidate:1 1 udp 2113937151 127.0.0.1 {self._port} typ host generation 0",
            f"a=ice-ufrag:{self._ufrag}",
            f"a=ice-pwd:{self.password}",
            f"a=fingerprint:sha-256 {print_}",
            f"a=setup:{'active' if answer else 'actpass'}",
            *(f"a=mid:{mid}", "a=sendrecv", "a=rtcp-mux"),
            f"a=rtpmap:{SOUND} opus/48000/2",
            f"a=rtcp-fb:{SOUND} transport-cc",
            f"a=fmtp:{SOUND} {_FORMAT}",
            f"a=rtpmap:{EVENTS} telephone-event/8000",
            *("a=maxptime:20", "a=ptime:20", f"a=ssrc:{self._ssrc} cname:WhatsAppAudioStream1"),
        ]
        return "\r\n".join(lines) + "\r\n"

    def apply(self, description: str) -> str:
        """Take the server's description; checks count from now on. Return what is wrong with it."""
        if not description.endswith("\r\n") or "\n" in description.replace("\r\n", ""):
            return "lines must end in CRLF"
        lines = description.split("\r\n")
        remote = {name: value.strip() for name, value in _NAMED.findall(description)}
        if sum(line.startswith("a=fingerprint:") for line in lines) != 1:
            return "exactly one fingerprint is needed"
        if not remote["fingerprint"].startswith("sha-256 ") or len(remote) != 4:
            return "ICE credentials, set-up role or SHA-256 fingerprint missing"
        if "a=ice-lite" in lines or "a=sendrecv" not in lines or "a=rtcp-mux" not in lines:
            return "ice-lite, direction or rtcp-mux"
        if sum(line.startswith("m=") for line in lines) != 1:
            return "one audio section is needed"
        if remote["setup"] not in ("active", "actpass"):
            return "setup must be active"
        self._remote = remote
        self.check_name = f"{self._ufrag}:{remote['ice-ufrag']}"
        return ""

    async def connect(self) -> None:
        """Wait for the server's checks and agree on keys; nothing limits how long it takes.

        Raises:
            ConnectionError: The handshake failed.
        """
        await self._socket.reached.wait()
        self._dtls._set_role("server" if self._remote["setup"] == "active" else "client")  # noqa: SLF001
        algorithm, value = self._remote["fingerprint"].split(" ", 1)
        await self._dtls.start(RTCDtlsParameters([RTCDtlsFingerprint(algorithm, value)]))
        if self._dtls.state != "connected":
            raise ConnectionError("DTLS failed")

    async def run(self) -> None:
        """Send sound, or silence, each 20 ms."""
        due = self._loop.time()
        silence = bytes(FRAME_SAMPLES * 2)
        while True:
            for payload in self._encode(self._waiting.popleft() if self._waiting else silence):
                self._send(SOUND, payload)
            self._timestamp = (self._timestamp + FRAME_SAMPLES) & 0xFFFFFFFF
            if self._keys:
                self._press(self._keys.popleft())
            due += FRAME_S
            await asyncio.sleep(due - self._loop.time())

    def say(self, pcm: bytes) -> float:
        """Say s16le mono at 48 kHz; return how long it takes, in seconds."""
        size = FRAME_SAMPLES * 2
        frames = [pcm[at : at + size].ljust(size, b"\0") for at in range(0, len(pcm), size)]
        self._waiting.extend(frames)
        return len(frames) * FRAME_S

    def press(self, digit: str) -> None:
        """Press a key."""
        self._keys.append(digit)

    async def close(self) -> None:
        """Say goodbye over DTLS and free the port."""
        self.utterances.extend(self._segmenter.finish())
        await self._dtls.stop()
        self._socket.close()

    def violate(self, rule: str) -> None:
        """Keep a broken rule, once."""
        if rule not in self.violations:
            self.violations.append(rule)

    # ---- out ------------------------------------------------------------------------------------

    def _encode(self, pcm: bytes) -> list[bytes]:
        samples = np.frombuffer(pcm, dtype="<i2").reshape(1, -1)
        frame = AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.pts = OPUS_HZ, self._pts
        self._pts += FRAME_SAMPLES
        return [bytes(packet) for packet in self._encoder.encode(frame)]

    def _send(self, payload_type: int, payload: bytes, *, marker: int = 0) -> None:
        packet = RtpPacket(
            payload_type, marker, self._sequence, self._timestamp, self._ssrc, payload
        )
        self._sequence = (self._sequence + 1) & 0xFFFF
        data = self._dtls._tx_srtp.protect(packet.serialize())  # noqa: SLF001
        if self._chance.random() < self.weather.loss:
            return
        delay_s = self._chance.random() * self.weather.jitter_ms / 1000
        self._loop.call_later(delay_s, self._socket.send, data)

    def _press(self, digit: str) -> None:
        event = KEYS.index(digit)
        for number, units in enumerate((160, 320, 480, 800, 800, 800)):
            over = 0x80 if number >= 3 else 0
            self._send(EVENTS, pack("!BBH", event, over | 10, units), marker=int(number == 0))

    # ---- in -------------------------------------------------------------------------------------

    def arrived(self, data: bytes) -> None:
        """Hear one datagram of the server's."""
        srtp: Any = self._dtls._rx_srtp  # noqa: SLF001
        if srtp is None or is_rtcp(data) or self._chance.random() < self.weather.loss:
            return
        if not self.may_send:
            self.violate("sound was sent before the call was accepted")
        packet = RtpPacket.parse(srtp.unprotect(data))
        if packet.payload_type != SOUND:
            self.violate(f"payload type {packet.payload_type} was not agreed on")
            return
        now = self._loop.time()
        if self.sound_at is not None and now - self.sound_at > 1.0:
            self.violate("sound paused: silence must be sent, too")
        self.sound_at = now
        self.received += 1
        self._hear(packet)

    def _hear(self, packet: RtpPacket) -> None:
        if self._first_timestamp is None:
            self._first_timestamp = packet.timestamp
        place = ((packet.timestamp - self._first_timestamp) & 0xFFFFFFFF) // 3
        frames: Any = self._decoder.decode(JitterFrame(packet.payload, packet.timestamp))
        for frame in frames:
            stereo = frame.to_ndarray().reshape(-1, 2).astype(np.int32)
            mono = (stereo.sum(axis=1) // 2).astype("<i2").tobytes()
            heard = self._resampler.feed(mono)
            self.utterances.extend(self._segmenter.feed(Piece(place, heard)))
            place += len(heard) // 2

    @property
    def speaking(self) -> bool:
        """Whether the server's agent is being heard right now."""
        return self._segmenter.current is not None


def _encoder() -> Any:  # noqa: ANN401 - PyAV's types are loose
    codec: Any = CodecContext.create("libopus", "w")
    codec.bit_rate, codec.format, codec.layout = 20_000, "s16", "mono"
    codec.sample_rate = OPUS_HZ
    codec.options = {"application": "voip", "fec": "1", "packet_loss": "10"}
    return codec
