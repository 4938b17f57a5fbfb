"""Simulates Meta's media relay: an ICE-lite peer with DTLS, SRTP and Opus on a loopback port.

Theory of operation. Connectivity checks count only once the description that they belong to was
posted. DTLS and the keys are aiortc's; sound is sent each 20 ms on an absolute schedule, silence
included, and may be lost or delayed on its way, by seed. While a key is down its packets take the
sound's place. What comes in is decoded and laid onto the sender's own time axis, for the ear.

Source: Meta's call pages and SDP samples, 2026-06; RFC 3550, 4733, 7587.
"""

import asyncio
import base64
import random
import secrets
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from struct import pack
from typing import Any, Final

import numpy as np
from aiortc import RTCCertificate, RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport
from aiortc.codecs.opus import OpusDecoder
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtp import RtcpPacket, RtcpRrPacket, RtcpSrPacket, RtpPacket, is_rtcp
from av import AudioFrame, CodecContext

from fwai.audio.resample import Resampler
from fwai.simulator.common.caller import Network
from fwai.simulator.common.line import Line
from fwai.simulator.common.playback import Piece
from fwai.simulator.common.voice import Speech, SpeechSource
from fwai.simulator.common.wire import L16, StreamFormat
from fwai.simulator.meta.ear import HEAR_HZ, MetaEar
from fwai.simulator.meta.ice import LiteSocket
from fwai.simulator.meta.network import NetworkConditions
from fwai.simulator.meta.sdp import EVENTS, SOUND, Credentials, describe, read

__all__ = ["MALFORMED", "MetaMedia", "NetworkConditions"]

FRAME_S: Final = 0.020
OPUS_HZ: Final = 48_000
FRAME_SAMPLES: Final = 960
FRAME_EVENT_UNITS: Final = 160  # of 1/8000 s in a frame
KEY_FRAMES: Final = 5
KEY_ENDS: Final = 3
KEYS: Final = "0123456789*#ABCD"
VOICE: Final = StreamFormat(L16, OPUS_HZ)

MALFORMED: Final[Mapping[str, bytes]] = {
    "not_rtp": bytes(range(200, 256)),
    "one_byte": b"\x80",
    "short_rtp": b"\x80\x6f\x00\x01",
    "forged_rtp": b"\x80\x6f" + bytes(60),
    "forged_rtcp": b"\x80\xc8" + bytes(60),
    "broken_dtls": b"\x16\xfe\xfd" + bytes(30),
    "broken_stun": bytes(20),
}


class MetaMedia:
    """Sends and receives one call's media on Meta's side.

    Args:
        line: The call's time axis.
        ear: Listens.
        conditions: What happens to the sound.

    Attributes:
        may_send: The call was accepted: sound of the server is welcome.
        sound_at: When sound came last, on the loop's clock.
        finished: The port is closed and everything that came was heard.
    """

    def __init__(
        self, line: Line, ear: MetaEar, conditions: NetworkConditions | None = None
    ) -> None:
        self.conditions = conditions or NetworkConditions()
        self.password = secrets.token_urlsafe(18)
        self.check_name = ""
        self.may_send = False
        self.sound_at: float | None = None
        self.finished = asyncio.Event()
        self._line = line
        self._ear = ear
        self._speech = SpeechSource(VOICE, line.now_s)
        self._ufrag = secrets.token_hex(4)
        self._chance = random.Random(self.conditions.seed)  # noqa: S311 - a simulated network
        self._loop = asyncio.get_running_loop()
        self._socket = LiteSocket(self)
        self._dtls = RTCDtlsTransport(self._socket, [RTCCertificate.generateCertificate()])  # type: ignore[arg-type]
        self._remote: Mapping[str, str] = {}
        self._keys: deque[str] = deque()
        self._ssrc = secrets.randbits(32)
        self._sequence = secrets.randbits(15)
        self._timestamp = secrets.randbits(31)
        self._encoder = _encoder()
        self._pts = 0
        self._sent = self._dropped = 0
        self._server_lost = 0
        self._server_jitter_ms: float | None = None
        self._decoder = OpusDecoder()
        self._resampler = Resampler(OPUS_HZ, HEAR_HZ)
        self._first: tuple[int, float] | None = None
        self._aborted = False
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
        own = Credentials(self._ufrag, self.password, print_, self._ssrc, secrets.randbits(40))
        return describe(own, self._port, answer=answer)

    def apply(self, description: str) -> str:
        """Take the server's description; checks count from now on. Return what is wrong with it."""
        remote, wrong = read(description)
        if not wrong:
            self._remote = remote
            self.check_name = f"{self._ufrag}:{remote['ice-ufrag']}"
        return wrong

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

    async def run(self, tick: Callable[[], None]) -> None:
        """Send sound, silence or keys each 20 ms, and call ``tick`` after each."""
        due = self._loop.time()
        key: Iterator[None] = iter(())
        while True:
            if next(key, key) is key:
                for payload in self._encode(base64.b64decode(self._speech.next_payload())):
                    self._send(SOUND, payload)
                key = self._pressing(self._keys.popleft()) if self._keys else iter(())
            self._timestamp = (self._timestamp + FRAME_SAMPLES) & 0xFFFFFFFF
            tick()
            due += FRAME_S
            await asyncio.sleep(due - self._loop.time())

    async def close(self) -> None:
        """Say goodbye over DTLS, unless it was broken off, and free the port."""
        if not self._aborted:
            await self._dtls.stop()
        self._socket.close()

    def violate(self, rule: str) -> None:
        """Note that the server broke a rule."""
        self._line.violate(rule)

    @property
    def deaf(self) -> bool:
        """Whether nothing that comes is heard."""
        return self.conditions.deaf or self._aborted

    @property
    def network(self) -> Network:
        """What became of the packets so far."""
        travel = self._ear.travel
        return Network(
            sent=self._sent,
            dropped=self._dropped,
            server_lost=self._server_lost,
            server_jitter_ms=self._server_jitter_ms,
            received=travel.received,
            lost=travel.lost,
            jitter_ms=travel.jitter_ms,
            late_ms=travel.late_ms,
            drift_ms=travel.drift_ms,
        )

    # ---- what the user does ---------------------------------------------------------------------

    def say(self, name: str) -> Speech:
        """Say a phrase after what is still being said.

        Raises:
            KeyError: There is no such phrase.
        """
        return self._speech.say(name, self._line.repertoire.spoken(name, VOICE))

    def press(self, digit: str) -> None:
        """Press a key for a tenth of a second, after those that wait."""
        self._keys.append(digit)

    def garble(self, kind: str) -> None:
        """Send a malformed datagram; ``kind`` is one of `MALFORMED`."""
        self._socket.send(MALFORMED[kind])

    def abort(self) -> None:
        """Vanish without a word: nothing is sent or heard any more."""
        self._aborted = True
        self._socket.close()

    # ---- out ------------------------------------------------------------------------------------

    def _encode(self, pcm: bytes) -> list[bytes]:
        samples = np.frombuffer(pcm, dtype="<i2").reshape(1, -1)
        frame = AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.pts = OPUS_HZ, self._pts
        self._pts += FRAME_SAMPLES
        return [bytes(packet) for packet in self._encoder.encode(frame)]

    def _send(
        self, payload_type: int, payload: bytes, *, marker: int = 0, timestamp: int | None = None
    ) -> None:
        at = self._timestamp if timestamp is None else timestamp
        packet = RtpPacket(payload_type, marker, self._sequence, at, self._ssrc, payload)
        self._sequence = (self._sequence + 1) & 0xFFFF
        data = self._dtls._tx_srtp.protect(packet.serialize())  # noqa: SLF001
        number, self._sent = self._sent, self._sent + 1
        if self._chance.random() < self.conditions.loss or number in self.conditions.lost:
            self._dropped += 1
            return
        delay_s = self._chance.random() * self.conditions.jitter_ms / 1000
        self._loop.call_later(delay_s, self._socket.send, data)

    def _pressing(self, digit: str) -> Iterator[None]:
        """Send one key, a step each frame; its end is sent three times."""
        event, start = KEYS.index(digit), self._timestamp
        for frame in range(1, KEY_FRAMES + 1):
            last = frame == KEY_FRAMES
            for _ in range(KEY_ENDS if last else 1):
                payload = pack("!BBH", event, (0x80 if last else 0) | 10, frame * FRAME_EVENT_UNITS)
                self._send(EVENTS, payload, marker=int(frame == 1), timestamp=start)
            yield

    # ---- in -------------------------------------------------------------------------------------

    def arrived(self, data: bytes) -> None:
        """Hear one datagram of the server's."""
        srtp: Any = self._dtls._rx_srtp  # noqa: SLF001
        if srtp is None:
            return
        if is_rtcp(data):
            self._read_report(srtp.unprotect_rtcp(data))
            return
        if self._chance.random() < self.conditions.loss:
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
        if self.may_send:
            self._hear(packet)

    def _read_report(self, data: bytes) -> None:
        for one in RtcpPacket.parse(data):
            if not isinstance(one, RtcpRrPacket | RtcpSrPacket):
                continue
            for report in one.reports:
                if report.ssrc == self._ssrc:
                    self._server_lost = report.packets_lost
                    self._server_jitter_ms = report.jitter * 1000 / OPUS_HZ

    def _hear(self, packet: RtpPacket) -> None:
        now_s = self._line.now_s()
        if self._first is None:
            self._first = packet.timestamp, now_s
        first, began_s = self._first
        ticks = (packet.timestamp - first) & 0xFFFFFFFF
        late_ms = self._ear.travel.add(packet.sequence_number, ticks, now_s)
        place = round(began_s * HEAR_HZ) + ticks // 3
        frames: Any = self._decoder.decode(JitterFrame(packet.payload, packet.timestamp))
        for frame in frames:
            stereo = frame.to_ndarray().reshape(-1, 2).astype(np.int32)
            mono = (stereo.sum(axis=1) // 2).astype("<i2").tobytes()
            heard = self._resampler.feed(mono)
            self._ear.hear(Piece(place, heard), late_ms, now_s)
            place += len(heard) // 2


def _encoder() -> Any:  # noqa: ANN401 - PyAV's types are loose
    codec: Any = CodecContext.create("libopus", "w")
    codec.bit_rate, codec.format, codec.layout = 20_000, "s16", "mono"
    codec.sample_rate = OPUS_HZ
    codec.options = {"application": "voip", "fec": "1", "packet_loss": "10"}
    return codec
