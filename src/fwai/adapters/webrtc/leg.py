"""Caller leg over WebRTC: receives and sends RTP audio.

A packet is decrypted, reordered, decoded and emitted inside the read of its bytes; speech is sent
on the process's 20 ms clock, and silence where there is none, so that the path stays open and the
caller hears that the line is alive.
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
"""From sending a packet until it was heard: what the peer's jitter buffer holds on a network of
middling quality. WebRTC has no playback receipts, so a mark waits for so long instead."""

_log = structlog.get_logger()


class Transport(Protocol):
    """Encrypted RTP transport to the caller."""

    def listen(
        self,
        rtp: Callable[[bytes], None],
        rtcp: Callable[[bytes], None],
        closed: Callable[[bool], None],
    ) -> None:
        """Set the receivers; ``closed`` is called with whether the connection failed."""
        ...

    async def connect(self, remote: Remote, *, offered: bool) -> None:
        """Run ICE and the DTLS handshake."""
        ...

    def send(self, packet: bytes) -> bool:
        """Send RTP or RTCP; False when it could not be sent."""
        ...

    async def close(self) -> None:
        """Close and free all resources."""
        ...


@dataclass(frozen=True, slots=True)
class LegLimits:
    """Time limits of a leg.

    Attributes:
        connect_s: For ICE and the DTLS handshake.
        silent_s: Without a packet from the peer for so long the call ends.
        max_call_s: Limit of the provider, or None.
    """

    connect_s: float = 10.0
    silent_s: float = 15.0
    max_call_s: float | None = None


@dataclass(frozen=True, slots=True)
class MediaStats:
    """Media statistics; times in milliseconds.

    Attributes:
        received: Packets of the caller, without duplicates.
        recovered_ms: Lost audio recovered by FEC; ``concealed_ms`` was concealed.
        unsent: Packets that the kernel did not take.
        refused_ms: Speech that did not fit into the queue.
        remote_loss: Share of our packets that the peer lost lately, 0 to 1.
        round_trip_ms: Round-trip time, or None before the peer's first report.
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
    """Media of one call: `connect`, `release`, then carry it. Implements ``CallerLeg``.

    Args:
        transport: The transport, with its ports bound.
        remote: The peer's session description.
        offered: We made the offer.
        identity: RTP identity of our packets.
        clock: The process's clock for sending.
        sample_rate: Of the samples both ways, in Hz: 16000 or 24000.
        limits: Time limits.
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
        self._in = AudioReceiver(sample_rate, remote.sound, self._emit)
        self._out = AudioSender(sample_rate, remote.sound, identity)
        self._listener: Callable[[CallerEvent], None] | None = None
        self._early_events: deque[CallerEvent] = deque(maxlen=EARLY_EVENTS)
        self._timer: asyncio.TimerHandle | None = None
        self._last_packet_at = self._loop.time()
        self._wall_ahead_s = time.time() - self._loop.time()  # reports know no clock that is set
        self._over = False
        self._closed = False
        self._bye_received = False
        self._due_marks: deque[tuple[float, str]] = deque()  # when, and which mark
        self._beats = 0
        self._unsent = 0
        self._sender_report: tuple[int, float] | None = None
        self._remote_loss = 0.0
        self._round_trip_ms: float | None = None
        transport.listen(self._receive, self._receive_control, self._transport_closed)

    async def connect(self) -> None:
        """Connect to the peer; no audio is sent before `release`.

        Raises:
            WireError: It was not reached within ``connect_s``; the leg is closed.
        """
        try:
            async with asyncio.timeout(self._limits.connect_s):
                await self._transport.connect(self._remote, offered=self._offered)
        except BaseException as exc:
            await self.close()
            if isinstance(exc, TimeoutError):
                raise WireError("webrtc: the other side was not reached in time") from None
            raise

    def release(self) -> None:
        """Start sending; on WhatsApp only after the call was accepted."""
        if not self._over and not self._closed:
            self._last_packet_at = self._loop.time()
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
        """How far ahead speech must be handed over, to bridge a busy machine."""
        return LEAD_MS

    def listen(self, hear: Callable[[CallerEvent], None]) -> None:
        """Deliver every event from now on to ``hear``; earlier ones first."""
        self._listener = hear
        while self._early_events:
            hear(self._early_events.popleft())

    def play(self, pcm: bytes) -> None:
        """Play ``pcm`` to the caller."""
        self._out.queue.push(pcm)

    def flush(self) -> None:
        """Pad and play what does not fill a frame."""
        self._out.queue.pad()

    def clear(self) -> None:
        """Drop unsent audio and pending marks; sent audio ends within `HEARD_S`."""
        self._out.queue.clear()
        self._due_marks.clear()

    def mark(self, name: str) -> bool:
        """Request ``MarkReached(name)``, `HEARD_S` after everything played so far has been sent."""
        if self._over or self._closed:
            return False
        self._out.queue.mark(name)
        return True

    async def close(self) -> None:
        """Send BYE and free the port; more than once does nothing."""
        if self._closed:
            return
        self._closed = True
        self._clock.remove(self)
        self._listener = _ignore
        if self._timer is not None:
            self._timer.cancel()
        if self._out.packets and not self._over:
            self._transport.send(rtcp.goodbye(self._identity.ssrc))
        await self._transport.close()

    @property
    def stats(self) -> MediaStats:
        """Media statistics so far."""
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
            self._last_packet_at = now
            self._bye_received = False
            self._schedule_expiry()

    def _schedule_expiry(self) -> None:
        due = self._in.inbound.due
        if self._timer is not None:
            if self._timer.when() == due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None and not self._closed:
            self._timer = self._loop.call_at(due, self._expire_missing)

    def _expire_missing(self) -> None:
        self._timer = None
        due = self._in.inbound.due
        if due is not None:  # a timer may fire a little early; what it was set for is due
            self._in.give_up_missing(max(self._loop.time(), due))
        self._schedule_expiry()

    def _receive_control(self, data: bytes) -> None:
        now = self._loop.time() + self._wall_ahead_s
        received, source = rtcp.parse(data), self._in.inbound.ssrc
        if source is not None:
            if source in received.clock:
                self._sender_report = (received.clock[source], now)
            self._bye_received = self._bye_received or source in received.gone
        for about in received.about:
            if about.ssrc == self._identity.ssrc:
                self._remote_loss = about.report.fraction / 256
                self._out.report_loss(self._remote_loss)
                if about.last_sr:
                    ticks = rtcp.ntp_middle(now) - about.last_sr - about.since_sr
                    self._round_trip_ms = (ticks & 0xFFFFFFFF) / 65.536

    def _transport_closed(self, failed: bool) -> None:
        self._hang_up(failed=failed)

    def _hang_up(self, *, failed: bool) -> None:
        if not self._over:
            self._clock.remove(self)
            self._in.hand_on()
            self._over = True
            self._deliver(CallerHungUp(failed=failed))

    def _emit(self, event: CallerEvent) -> None:
        if not self._over:  # audio may go on until the transport is closed
            self._deliver(event)

    def _deliver(self, event: CallerEvent) -> None:
        if self._listener is not None:
            self._listener(event)
        else:
            self._early_events.append(event)

    # ---- to the caller, called by the clock ---------------------------------------------------

    def beat(self, now: float, frames: int, skipped: int) -> None:
        """Send the frames that are due, and periodic reports."""
        self._out.skip(skipped)
        for _ in range(frames):
            if not self._transport.send(self._out.packet()):
                self._unsent += 1
        self._emit_played_marks(now)
        self._in.beat()
        self._beats += 1
        if self._beats % REPORT_BEATS == 0:
            self._send_report()
        self._check_silence(now - self._last_packet_at)

    def _emit_played_marks(self, now: float) -> None:
        """Emit marks whose audio was sent `HEARD_S` ago."""
        self._due_marks += ((now + HEARD_S, name) for name in self._out.queue.reached())
        while self._due_marks and self._due_marks[0][0] <= now:
            self._emit(MarkReached(self._due_marks.popleft()[1]))

    def broken(self) -> None:
        """Hang up after sending raised an error."""
        self._hang_up(failed=True)

    def _check_silence(self, quiet_s: float) -> None:
        if self._bye_received and quiet_s > BYE_S:
            self._hang_up(failed=False)
        elif quiet_s > self._limits.silent_s:
            _log.warning("caller_media_stopped", silent_s=round(quiet_s, 1))
            self._hang_up(failed=True)

    def _send_report(self) -> None:
        now = self._loop.time() + self._wall_ahead_s
        about = None
        report, source = self._in.inbound.report(), self._in.inbound.ssrc
        if report is not None and source is not None:
            last_sr, at = self._sender_report or (0, now)
            delay = int((now - at) * 65536) & 0xFFFFFFFF
            about = rtcp.ReceptionReport(source, report, last_sr, delay)
        ssrc, out = self._identity.ssrc, self._out
        sent = rtcp.SenderInfo(ssrc, now, out.timestamp, out.packets, out.payload_bytes)
        self._transport.send(rtcp.build_sender_report(sent, self._identity.name, about))


def _ignore(_: CallerEvent) -> None:
    """Drop an event that came after the leg was closed."""
