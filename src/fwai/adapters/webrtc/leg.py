"""The caller's leg over WebRTC: our own way of receiving and sending sound.

Implements ``CallerLeg``. A packet is deciphered, put into order, decoded and handed on inside the
read of its bytes; speech leaves on the process's 20 ms clock, and silence where there is none, so
that the way stays open and the caller hears that the line is alive.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from fwai.adapters.webrtc import rtcp
from fwai.adapters.webrtc.audio_receiver import AudioReceiver
from fwai.adapters.webrtc.audio_sender import AudioSender, Identity
from fwai.adapters.webrtc.clock import MediaClock
from fwai.adapters.webrtc.opus import TICKS_HZ
from fwai.adapters.webrtc.sdp import Remote
from fwai.domain.events import CallerEvent, CallerHungUp, MarkReached
from fwai.errors import WireError

LEAD_MS: Final = 200.0  # an interruption drops it here at once, so it costs nothing
EARLY_EVENTS: Final = 50  # two seconds of sound
REPORT_BEATS: Final = 125  # 2.5 s
BYE_S: Final = 1.0  # without sound after a goodbye
HEARD_S: Final = 0.2
"""From a packet's leaving until its sound was heard: what the other side's jitter buffer holds on a
network of middling quality. WebRTC has no receipts, so a mark waits for so long instead."""

_log = structlog.get_logger()


class Transport(Protocol):
    """What the leg needs of the way to the caller."""

    def listen(
        self,
        rtp: Callable[[bytes], None],
        rtcp: Callable[[bytes], None],
        closed: Callable[[bool], None],
    ) -> None:
        """Hand on what comes; ``closed`` hears whether the way broke rather than was closed."""
        ...

    async def connect(self, remote: Remote, *, offered: bool) -> None:
        """Find the way and agree on keys."""
        ...

    def send(self, packet: bytes) -> bool:
        """Send RTP or RTCP; False when it could not be sent."""
        ...

    async def close(self) -> None:
        """Free everything."""
        ...


@dataclass(frozen=True, slots=True)
class LegLimits:
    """How long things may last.

    Attributes:
        connect_s: From the start of the checks to the keys.
        silent_s: No packet from the other side for so long ends the call.
        max_call_s: What the provider allows, or None.
    """

    connect_s: float = 10.0
    silent_s: float = 15.0
    max_call_s: float | None = None


@dataclass(frozen=True, slots=True)
class MediaStats:
    """What happened to the sound so far; times in milliseconds.

    Attributes:
        received: Packets of the caller, without duplicates.
        recovered_ms: Lost sound that was made from copies; ``concealed_ms`` was made up.
        unsent: Packets that the kernel did not take.
        refused_ms: Speech that did not fit into the queue.
        remote_loss: Share of our packets that the other side missed lately, 0 to 1.
        round_trip_ms: To the other side and back, or None while it did not say.
    """

    received: int
    lost: int
    late: int
    duplicates: int
    jitter_ms: float
    recovered_ms: float
    concealed_ms: float
    sent: int
    unsent: int
    refused_ms: float
    remote_loss: float
    round_trip_ms: float | None


class WebRtcLeg:
    """One call's sound. Made by `peer`; `connect`, then `release`, then give it to the session.

    Args:
        transport: The way, with its ports bound.
        remote: The other side's description.
        offered: We made the offer.
        identity: How our packets are marked.
        clock: The process's clock for sending.
        sample_rate: Of the samples both ways, in Hz: 16000 or 24000.
        limits: How long things may last.
    """

    def __init__(
        self,
        transport: Transport,
        remote: Remote,
        identity: Identity,
        clock: MediaClock,
        sample_rate: int,
        limits: LegLimits,
        *,
        offered: bool,
    ) -> None:
        self._transport = transport
        self._remote = remote
        self._offered = offered
        self._identity = identity
        self._clock = clock
        self._rate = sample_rate
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._in = AudioReceiver(sample_rate, remote.sound, self._tell)
        self._out = AudioSender(sample_rate, remote.sound, identity)
        self._hear: Callable[[CallerEvent], None] | None = None
        self._early: deque[CallerEvent] = deque(maxlen=EARLY_EVENTS)
        self._timer: asyncio.TimerHandle | None = None
        self._heard_at = self._loop.time()
        self._over = False
        self._closed = False
        self._bye = False
        self._receipts: deque[tuple[float, str]] = deque()  # when, and which mark
        self._beats = 0
        self._unsent = 0
        self._sender_report: tuple[int, float] | None = None
        self._remote_loss = 0.0
        self._round_trip_ms: float | None = None
        transport.listen(self._receive, self._receive_control, self._transport_closed)

    async def connect(self) -> None:
        """Reach the other side; nothing audible is sent before `release`.

        Raises:
            WireError: It was not reached within ``connect_s``; the leg is closed.
        """
        try:
            async with asyncio.timeout(self._limits.connect_s):
                await self._transport.connect(self._remote, offered=self._offered)
        except TimeoutError:
            await self.close()
            raise WireError("webrtc: the other side was not reached in time") from None
        except BaseException:
            await self.close()
            raise

    def release(self) -> None:
        """Send from now on; on WhatsApp only after the call was accepted."""
        if not self._over and not self._closed:
            self._heard_at = self._loop.time()
            self._clock.add(self)

    # ---- CallerLeg ----------------------------------------------------------------------------

    @property
    def sample_rate(self) -> int:
        """Samples per second both ways, in Hz."""
        return self._rate

    @property
    def max_call_s(self) -> float | None:
        """How long the provider lets a call last, in seconds."""
        return self._limits.max_call_s

    @property
    def lead_ms(self) -> float:
        """How far ahead speech must be handed over: what a busy machine may be late."""
        return LEAD_MS

    def listen(self, hear: Callable[[CallerEvent], None]) -> None:
        """Deliver every event from now on to ``hear``; earlier ones first."""
        self._hear = hear
        while self._early:
            hear(self._early.popleft())

    def play(self, pcm: bytes) -> None:
        """Let the caller hear ``pcm``."""
        self._out.queue.push(pcm)

    def flush(self) -> None:
        """Let the caller hear what does not fill a frame."""
        self._out.queue.pad()

    def clear(self) -> None:
        """Drop what was not sent, and marks not told; what was sent ends within `HEARD_S`."""
        self._out.queue.clear()
        self._receipts.clear()

    def mark(self, name: str) -> bool:
        """Ask for ``MarkReached(name)``, `HEARD_S` after everything played so far has been sent."""
        if self._over or self._closed:
            return False
        self._out.queue.mark(name)
        return True

    async def close(self) -> None:
        """Say goodbye and free the port; more than once does nothing."""
        if self._closed:
            return
        self._closed = True
        self._clock.remove(self)
        self._hear = _ignore
        if self._timer is not None:
            self._timer.cancel()
        if self._out.packets and not self._over:
            self._transport.send(rtcp.goodbye(self._identity.ssrc))
        await self._transport.close()

    @property
    def stats(self) -> MediaStats:
        """What happened so far."""
        inbound, reorder = self._in.inbound, self._in.inbound.reorder
        return MediaStats(
            received=reorder.received,
            lost=reorder.lost,
            late=reorder.late,
            duplicates=reorder.duplicates,
            jitter_ms=inbound.jitter_ms,
            recovered_ms=inbound.recovered_ticks * 1000 / TICKS_HZ,
            concealed_ms=inbound.concealed_ticks * 1000 / TICKS_HZ,
            sent=self._out.packets - self._unsent,
            unsent=self._unsent,
            refused_ms=self._out.queue.refused_ms,
            remote_loss=self._remote_loss,
            round_trip_ms=self._round_trip_ms,
        )

    # ---- from the caller ----------------------------------------------------------------------

    def _receive(self, data: bytes) -> None:
        now = self._loop.time()
        if self._in.receive(data, now):
            self._heard_at = now
            self._bye = False
            self._wait_for_missing()

    def _wait_for_missing(self) -> None:
        due = self._in.inbound.due
        if self._timer is not None:
            if self._timer.when() == due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None and not self._closed:
            self._timer = self._loop.call_at(due, self._give_up_missing)

    def _give_up_missing(self) -> None:
        self._timer = None
        due = self._in.inbound.due
        if due is not None:  # a timer may fire a little early; what it was set for is due
            self._in.give_up_missing(max(self._loop.time(), due))
        self._wait_for_missing()

    def _receive_control(self, data: bytes) -> None:
        now = time.time()
        heard = rtcp.parse(data)
        source = self._in.inbound.ssrc
        if source is not None:
            if source in heard.clock:
                self._sender_report = (heard.clock[source], now)
            self._bye = self._bye or source in heard.gone
        for about in heard.about:
            if about.ssrc == self._identity.ssrc:
                self._remote_loss = about.report.fraction / 256
                self._out.report_loss(self._remote_loss)
                if about.last_sr:
                    ticks = rtcp.clock_middle(now) - about.last_sr - about.since_sr
                    self._round_trip_ms = (ticks & 0xFFFFFFFF) / 65.536

    def _transport_closed(self, failed: bool) -> None:
        self._hang_up(failed=failed)

    def _hang_up(self, *, failed: bool) -> None:
        if not self._over:
            self._clock.remove(self)
            self._in.hand_on()
            self._over = True
            self._deliver(CallerHungUp(failed=failed))

    def _tell(self, event: CallerEvent) -> None:
        if not self._over:  # sound may go on until the way is closed
            self._deliver(event)

    def _deliver(self, event: CallerEvent) -> None:
        if self._hear is not None:
            self._hear(event)
        else:
            self._early.append(event)

    # ---- to the caller, called by the clock ---------------------------------------------------

    def beat(self, now: float, frames: int, skipped: int) -> None:
        """Send the frames that are due, and what is due more rarely."""
        self._out.skip(skipped)
        for _ in range(frames):
            if not self._transport.send(self._out.packet()):
                self._unsent += 1
        self._tell_heard(now)
        self._in.beat()
        self._beats += 1
        if self._beats % REPORT_BEATS == 0:
            self._report()
        self._watch(now - self._heard_at)

    def _tell_heard(self, now: float) -> None:
        """Tell the marks whose sound has left and has had the time to be heard."""
        self._receipts += ((now + HEARD_S, name) for name in self._out.queue.reached())
        while self._receipts and self._receipts[0][0] <= now:
            self._tell(MarkReached(self._receipts.popleft()[1]))

    def broken(self) -> None:
        """Sending failed because of a fault of ours."""
        self._hang_up(failed=True)

    def _watch(self, quiet_s: float) -> None:
        if self._bye and quiet_s > BYE_S:
            self._hang_up(failed=False)
        elif quiet_s > self._limits.silent_s:
            _log.warning("caller_media_stopped", silent_s=round(quiet_s, 1))
            self._hang_up(failed=True)

    def _report(self) -> None:
        now = time.time()
        about = None
        report, source = self._in.inbound.report(), self._in.inbound.ssrc
        if report is not None and source is not None:
            last_sr, at = self._sender_report or (0, now)
            about = rtcp.About(source, report, last_sr, int((now - at) * 65536) & 0xFFFFFFFF)
        out = self._out
        sent = rtcp.Sent(self._identity.ssrc, now, out.timestamp, out.packets, out.payload_bytes)
        self._transport.send(rtcp.compound(sent, self._identity.name, about))


def _ignore(_: CallerEvent) -> None:
    """Drop an event that came after the leg was closed."""
