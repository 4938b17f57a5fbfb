"""The leg over a way that is only pretended: time, events, and what is sent when."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import aiortc.rtp as oracle
import pytest
import structlog.testing

import virtual_time
from fwai.adapters.webrtc import rtcp, rtp, sdp
from fwai.adapters.webrtc.audio_sender import Identity
from fwai.adapters.webrtc.clock import MediaClock
from fwai.adapters.webrtc.leg import HEARD_S, LegLimits, WebRtcLeg
from fwai.domain.events import CallerAudio, CallerEvent, CallerHungUp, DtmfPressed, MarkReached
from fwai.errors import WireError
from fwai.interfaces.media import CallerLeg

RATE = 24_000
FRAME = 960
REMOTE = sdp.Remote(
    lines=(("audio", "UDP/TLS/RTP/SAVPF", ("111",), "0"),),
    line=0,
    sound=sdp.Sound(fec=True),
    direction="sendrecv",
    ufrag="user",
    password="password",
    lite=True,
    setup="actpass",
    fingerprints=(),
    candidates=(),
)
PAYLOAD = bytes([9 << 3]) + bytes(20)


class FakeWay:
    """Implements ``Transport``."""

    def __init__(self, connects_after_s: float = 0.05, fails: Exception | None = None) -> None:
        self.connects_after_s = connects_after_s
        self.fails = fails
        self.sent: list[tuple[float, bytes]] = []
        self.closed = 0
        self.blocked = False
        self.broken = False
        self.rtp: Callable[[bytes], None]
        self.rtcp: Callable[[bytes], None]
        self.over: Callable[[bool], None]

    def listen(
        self,
        rtp: Callable[[bytes], None],
        rtcp: Callable[[bytes], None],
        closed: Callable[[bool], None],
    ) -> None:
        self.rtp, self.rtcp, self.over = rtp, rtcp, closed

    async def connect(self, remote: sdp.Remote, *, offered: bool) -> None:
        await asyncio.sleep(self.connects_after_s)
        if self.fails is not None:
            raise self.fails

    def send(self, packet: bytes) -> bool:
        if self.broken:
            raise RuntimeError
        if self.blocked:
            return False
        self.sent.append((asyncio.get_running_loop().time(), packet))
        return True

    async def close(self) -> None:
        self.closed += 1

    def caller_says(self, number: int, payload_type: int = 111, payload: bytes = PAYLOAD) -> None:
        self.rtp(
            rtp.build(rtp.Packet(payload_type, False, number & 0xFFFF, number * 960, 9, payload))
        )

    @property
    def sound(self) -> list[tuple[float, rtp.Packet]]:
        parsed = [(at, rtp.parse(data)) for at, data in self.sent if not rtp.is_rtcp(data)]
        return [(at, packet) for at, packet in parsed if packet is not None]


class Call:
    """A connected leg and what it told."""

    def __init__(self, way: FakeWay, limits: LegLimits) -> None:
        self.way = way
        self.told: list[CallerEvent] = []
        self.leg = WebRtcLeg(
            way,
            REMOTE,
            Identity(ssrc=7, name="us", sequence=1, timestamp=1),
            MediaClock(),
            RATE,
            limits,
            offered=False,
        )


def on_call(
    story: Callable[[Call], Coroutine[Any, Any, None]], limits: LegLimits | None = None
) -> Call:
    """Play ``story`` on a connected and released leg, in no time."""

    async def main() -> Call:
        call = Call(FakeWay(), limits or LegLimits())
        await call.leg.connect()
        call.leg.listen(call.told.append)
        call.leg.release()
        await story(call)
        await call.leg.close()
        await asyncio.sleep(0.1)
        return call

    return virtual_time.run(main())


def test_it_is_a_caller_leg() -> None:
    async def story(call: Call) -> None:
        leg: CallerLeg = call.leg
        assert leg.sample_rate == RATE
        assert leg.max_call_s == 600.0
        assert leg.lead_ms > 80

    on_call(story, LegLimits(max_call_s=600.0))


def test_nothing_is_sent_before_the_release() -> None:
    async def main() -> int:
        call = Call(FakeWay(), LegLimits())
        await call.leg.connect()
        call.leg.play(bytes(FRAME))
        await asyncio.sleep(1)
        await call.leg.close()
        return len(call.way.sent)

    assert virtual_time.run(main()) == 0


def test_silence_flows_every_20_ms_when_nothing_is_said() -> None:
    call = on_call(lambda _: asyncio.sleep(5.01))

    at = [when for when, _ in call.way.sound]
    assert len(at) == 250
    assert at[-1] - at[0] == pytest.approx(249 * 0.02, abs=0.002)


def test_reports_are_sent_and_goodbye_at_the_end() -> None:
    call = on_call(lambda _: asyncio.sleep(8))

    control = [oracle.RtcpPacket.parse(data) for _, data in call.way.sent if rtp.is_rtcp(data)]
    assert [type(packets[0]) for packets in control[:-1]] == [oracle.RtcpSrPacket] * 3
    assert isinstance(control[-1][-1], oracle.RtcpByePacket)


def test_mark_is_told_when_what_was_played_before_it_has_had_the_time_to_be_heard() -> None:
    async def story(call: Call) -> None:
        call.leg.play(bytes(5 * FRAME + 100))
        assert call.leg.mark("end")
        await asyncio.sleep(6 * 0.02 + HEARD_S - 0.005)
        assert call.told == []
        await asyncio.sleep(0.025)
        assert call.told == [MarkReached("end")]

    on_call(story)


@pytest.mark.parametrize("end", ["clear", "close", "the way is over"])
def test_a_mark_whose_sound_has_left_is_forgotten_by(end: str) -> None:
    async def story(call: Call) -> None:
        call.leg.play(bytes(FRAME))
        call.leg.mark("end")
        await asyncio.sleep(0.1)
        assert call.leg._out.queue.held_ms == 0
        match end:
            case "clear":
                call.leg.clear()
            case "close":
                await call.leg.close()
            case _:
                call.way.over(False)
        await asyncio.sleep(2 * HEARD_S)

    call = on_call(story)

    assert MarkReached("end") not in call.told


def test_marks_are_told_in_order_each_in_its_own_time() -> None:
    async def story(call: Call) -> None:
        call.leg.mark("first")
        call.leg.play(bytes(5 * FRAME))
        call.leg.mark("second")
        await asyncio.sleep(0.02 + HEARD_S + 0.021)
        assert call.told == [MarkReached("first")]
        await asyncio.sleep(0.1)
        assert call.told == [MarkReached("first"), MarkReached("second")]

    on_call(story)


def test_nothing_is_told_after_the_end_though_sound_goes_on() -> None:
    async def story(call: Call) -> None:
        call.way.caller_says(1)
        call.way.over(False)
        for number in (2, 3, 4):
            call.way.caller_says(number)
        await asyncio.sleep(0.1)

    call = on_call(story)

    assert [type(event) for event in call.told] == [CallerAudio, CallerHungUp]


def test_clear_drops_speech_and_marks_at_once() -> None:
    async def story(call: Call) -> None:
        call.leg.play(b"\x00\x10" * (480 * 50))
        call.leg.mark("never")
        await asyncio.sleep(0.1)
        call.leg.clear()
        await asyncio.sleep(1.5)

    call = on_call(story)

    payloads = [packet.payload for _, packet in call.way.sound]
    assert call.told == []
    assert len(set(payloads[-30:])) == 1  # lasting silence


def test_flush_lets_the_tail_out() -> None:
    async def story(call: Call) -> None:
        call.leg.play(b"\x00\x10" * 100)
        await asyncio.sleep(0.1)
        assert call.leg._out.queue.held_ms > 0
        call.leg.flush()
        await asyncio.sleep(0.1)
        assert call.leg._out.queue.held_ms == 0

    on_call(story)


def test_what_the_kernel_does_not_take_is_counted() -> None:
    async def story(call: Call) -> None:
        call.way.blocked = True
        await asyncio.sleep(0.11)
        assert call.leg.stats.unsent == 5
        assert call.leg.stats.sent == 0

    on_call(story)


def test_sound_goes_on_40_ms_after_a_loss_and_then_without_delay() -> None:
    async def story(call: Call) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        arrived: list[float] = []
        call.leg.listen(lambda _: arrived.append(loop.time() - began))
        for number in range(12):
            if number != 5:
                call.way.caller_says(number)
            await asyncio.sleep(began + (number + 1) * 0.02 - loop.time())
        assert arrived == pytest.approx([0.02, 0.06, 0.12, 0.16, 0.20, 0.22], abs=0.021)
        stats = call.leg.stats
        assert (stats.lost, stats.recovered_ms, stats.received) == (1, 20.0, 11)

    on_call(story)


def test_keys_are_told() -> None:
    async def story(call: Call) -> None:
        call.way.caller_says(1)
        for number in (2, 3, 4):
            call.way.caller_says(number, 126, bytes([11, 0x8A, 0, 160]))

    call = on_call(story)

    assert [type(event) for event in call.told[:2]] == [CallerAudio, DtmfPressed]
    assert call.told[1] == DtmfPressed("#")


def test_what_came_before_anyone_listened_is_delivered_first() -> None:
    async def main() -> list[CallerEvent]:
        call = Call(FakeWay(), LegLimits())
        await call.leg.connect()
        for number in range(4):
            call.way.caller_says(number)
        call.way.over(True)
        call.leg.listen(call.told.append)
        call.leg.release()
        await call.leg.close()
        return call.told

    told = virtual_time.run(main())

    assert [type(event) for event in told] == [CallerAudio, CallerAudio, CallerHungUp]


@pytest.mark.parametrize("failed", [True, False])
def test_the_end_of_the_way_is_told_once(failed: bool) -> None:
    async def story(call: Call) -> None:
        call.way.over(failed)
        call.way.over(True)
        assert not call.leg.mark("too late")
        sent = len(call.way.sent)
        await asyncio.sleep(0.5)
        assert len(call.way.sent) == sent

    call = on_call(story)

    assert call.told == [CallerHungUp(failed=failed)]


def test_a_caller_who_falls_silent_is_gone() -> None:
    async def story(call: Call) -> None:
        call.way.caller_says(1)
        await asyncio.sleep(2.9)
        assert CallerHungUp(failed=True) not in call.told
        await asyncio.sleep(0.2)

    with structlog.testing.capture_logs() as logs:
        call = on_call(story, LegLimits(silent_s=3.0))

    assert call.told[-1] == CallerHungUp(failed=True)
    assert [entry["event"] for entry in logs] == ["caller_media_stopped"]


def test_a_goodbye_ends_the_call_unless_sound_goes_on() -> None:
    async def story(call: Call) -> None:
        call.way.caller_says(1)
        call.way.rtcp(rtcp.goodbye(9))
        call.way.caller_says(2)
        await asyncio.sleep(1.5)
        assert not any(isinstance(event, CallerHungUp) for event in call.told)
        call.way.rtcp(rtcp.goodbye(9))
        await asyncio.sleep(1.5)

    call = on_call(story)

    assert call.told[-1] == CallerHungUp(failed=False)


def test_the_other_sides_reports_are_read() -> None:
    async def story(call: Call) -> None:
        call.way.caller_says(1)
        await asyncio.sleep(2.6)
        ours = next(rtcp.parse(data) for _, data in call.way.sent if rtp.is_rtcp(data))
        about = rtcp.ReceptionReport(7, rtp.Report(64, 3, 99, 1), ours.clock[7], 0)
        sent = rtcp.SenderInfo(9, 1_790_000_000.0, 1, 1, 1)
        call.way.rtcp(rtcp.build_sender_report(sent, "them", about))
        assert call.leg.stats.remote_loss == 0.25
        assert call.leg.stats.round_trip_ms is not None
        assert call.leg.stats.round_trip_ms < 1_000
        await asyncio.sleep(2.5)
        last = [data for _, data in call.way.sent if rtp.is_rtcp(data)][-1]
        assert rtcp.parse(last).about[0].last_sr == rtcp.ntp_middle(1_790_000_000.0)

    on_call(story)


def test_a_peer_that_cannot_be_reached_closes_the_leg_in_time() -> None:
    async def main() -> Call:
        call = Call(FakeWay(connects_after_s=60), LegLimits(connect_s=10))
        with pytest.raises(WireError, match="not reached in time"):
            await call.leg.connect()
        return call

    assert virtual_time.run(main()).way.closed == 1


def test_a_handshake_that_fails_closes_the_leg() -> None:
    async def main() -> Call:
        call = Call(FakeWay(fails=WireError("no")), LegLimits())
        with pytest.raises(WireError, match="no"):
            await call.leg.connect()
        call.leg.release()
        await asyncio.sleep(0.1)
        return call

    call = virtual_time.run(main())

    assert call.way.closed == 1
    assert call.way.sent == []


def test_closing_twice_does_nothing() -> None:
    async def story(call: Call) -> None:
        await call.leg.close()

    assert on_call(story).way.closed == 1


def test_a_fault_in_sending_ends_the_call() -> None:
    async def story(call: Call) -> None:
        call.way.broken = True
        await asyncio.sleep(0.1)

    with structlog.testing.capture_logs():
        call = on_call(story)

    assert call.told == [CallerHungUp(failed=True)]
