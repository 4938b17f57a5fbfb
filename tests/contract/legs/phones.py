"""Meta's end of a WebRTC call, with a jitter buffer; and the hands of the fake."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from contract.legs.bench import CLIPS, Ear, Peer
from fakes import FakeCaller
from fwai.adapters.webrtc import peer as webrtc
from fwai.adapters.webrtc import rtcp
from fwai.adapters.webrtc.clock import MediaClock
from fwai.adapters.webrtc.leg import LegLimits, WebRtcLeg
from fwai.adapters.webrtc.ports import UdpPorts
from fwai.domain.events import CallerAudio, CallerHungUp, DtmfPressed
from fwai.interfaces.media import CallerLeg
from fwai.simulator.common.line import Line
from fwai.simulator.common.playback import Piece, PlaybackBuffer
from fwai.simulator.common.voice import standard_repertoire
from fwai.simulator.meta.ear import HEAR_HZ, MetaEar
from fwai.simulator.meta.media import MALFORMED, MetaMedia, NetworkConditions

PORTS = (42_100, 42_199)
JITTER_BUFFER_S = 0.150
RATE = 24_000


class _JitterBuffer(MetaEar):
    """Plays what comes later than it came."""

    def __init__(self, line: Line) -> None:
        super().__init__(line)
        self.played = Ear()

    def hear(self, piece: Piece, late_ms: float, now_s: float) -> None:
        buffered = Piece(piece.start + round(JITTER_BUFFER_S * HEAR_HZ), piece.pcm)
        self.played.time_line.add(buffered, HEAR_HZ)
        super().hear(piece, late_ms, now_s)


class MetaPeer:
    """A WhatsApp phone that plays what comes `JITTER_BUFFER_S` later. Implements ``Peer``."""

    garbage: Sequence[str] = tuple(sorted(MALFORMED))

    def __init__(self) -> None:
        self.line = Line(standard_repertoire())
        self._buffer = _JitterBuffer(self.line)
        self._buffer.played.zero_s = asyncio.get_running_loop().time() - self.line.now_s()
        self.media = MetaMedia(self.line, self._buffer)
        self._talking: asyncio.Task[None] | None = None

    @property
    def ear(self) -> Ear:
        return self._buffer.played

    def talk(self) -> None:
        self._talking = asyncio.create_task(self.media.run(self.line.wake), name="phone")

    async def fall_silent(self) -> None:
        if self._talking is not None:
            self._talking.cancel()
            await asyncio.wait([self._talking])

    async def say(self, clip: str) -> None:
        speech = self.media.say(clip)
        assert await self.line.until(lambda: speech.done, 10.0)

    async def press(self, digit: str) -> None:
        self.media.press(digit)

    async def hang_up(self) -> None:
        await self.fall_silent()
        await self.media.close()

    async def drop(self) -> None:
        """Say by RTCP that the sound has ended, and close nothing."""
        await self.fall_silent()
        goodbye = rtcp.goodbye(self.media._ssrc)
        srtp: Any = self.media._dtls._tx_srtp
        self.media._socket.send(srtp.protect_rtcp(goodbye))

    async def receipt(self, name: str) -> None:
        """There is nothing like it in RTP."""

    async def die(self) -> None:
        await self.fall_silent()
        self.stop_reading()

    async def garble(self, kind: str) -> None:
        self.media.garble(kind)

    def stop_reading(self) -> None:
        self.media.conditions = NetworkConditions(deaf=True)


@asynccontextmanager
async def meta() -> AsyncIterator[tuple[CallerLeg, Peer]]:
    """Open a call that comes from WhatsApp and is accepted."""
    limits = LegLimits(silent_s=0.4, max_call_s=600.0)
    options = webrtc.PeerOptions(
        UdpPorts(*PORTS), MediaClock(), sample_rate=RATE, limits=limits, loopback=True
    )
    phone = MetaPeer()
    await phone.media.open()
    try:
        leg, answer = await webrtc.answer(phone.media.description(), options)
        assert phone.media.apply(answer) == ""
        async with asyncio.timeout(5):
            await asyncio.gather(leg.connect(), phone.media.connect())
        phone.media.may_send = True
        leg.release()
        phone.talk()
        yield leg, phone
    finally:
        await phone.fall_silent()
        await phone.media.close()
    assert phone.line.violations == {}


def undecipherable(leg: CallerLeg) -> int:
    return int(cast("Any", leg)._transport.undecipherable)


def queued_ms(leg: CallerLeg) -> float:
    return cast("WebRtcLeg", leg)._out.queue.held_ms


def refused(leg: CallerLeg) -> bool:
    return cast("WebRtcLeg", leg).stats.refused_ms > 0


def over(leg: CallerLeg) -> bool:
    return bool(cast("Any", leg)._transport._connection.ended)


class FakePeer:
    """What the fake's carrier does. Implements ``Peer``."""

    garbage: Sequence[str] = ()

    def __init__(self, leg: FakeCaller) -> None:
        self._leg = leg
        self._zero_s = asyncio.get_running_loop().time()

    @property
    def ear(self) -> Ear:
        """Play again what the fake was given, as a carrier does."""
        ear, rate = Ear(), self._leg.sample_rate
        now_s, ear.zero_s = ear.zero_s - self._zero_s, self._zero_s
        playback = PlaybackBuffer(rate)
        cleared = dict(zip(self._leg.cleared_after, self._leg.cleared_at, strict=True))
        for count, (at, pcm) in enumerate(self._leg.played):
            if count in cleared:
                playback.clear(cleared[count] - self._zero_s)
            playback.push(pcm, at - self._zero_s)
        if len(self._leg.played) in cleared:
            playback.clear(cleared[len(self._leg.played)] - self._zero_s)
        for piece in playback.advance(now_s).pieces:
            ear.time_line.add(piece, rate)
        return ear

    async def say(self, clip: str) -> None:
        loop, rate = asyncio.get_running_loop(), self._leg.sample_rate
        pcm, due = CLIPS[clip].pcm(rate), loop.time()
        for at in range(0, len(pcm), rate // 25 * 2):
            self._leg.say(CallerAudio(pcm[at : at + rate // 25 * 2]))
            due += 0.040
            await asyncio.sleep(due - loop.time())

    async def press(self, digit: str) -> None:
        self._leg.say(DtmfPressed(digit))

    async def hang_up(self) -> None:
        self._leg.say(CallerHungUp())

    async def drop(self) -> None:
        """Say it twice, and talk in between, as a carrier that stops its stream and closes it."""
        self._leg.say(CallerHungUp())
        self._leg.say(CallerAudio(bytes(640)))
        self._leg.say(CallerHungUp())

    async def receipt(self, name: str) -> None:
        """The fake's receipts come by themselves."""

    async def die(self) -> None:
        """Nothing comes from a fake by itself."""

    async def garble(self, kind: str) -> None:
        """There is no wire that it could be sent over."""

    def stop_reading(self) -> None:
        """There is nobody who reads."""


@asynccontextmanager
async def fake() -> AsyncIterator[tuple[CallerLeg, Peer]]:
    """Open the fake."""
    leg = FakeCaller()
    yield leg, FakePeer(leg)


def fake_over(leg: CallerLeg) -> bool:
    return cast("FakeCaller", leg).closed_at is not None
