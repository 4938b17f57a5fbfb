"""Creates WebRTC legs by answering an SDP offer or making one.

Nothing is sent to the peer before `WebRtcLeg.connect`, so that the SDP can be delivered first, and
no audio before `WebRtcLeg.release`.
"""

import secrets
import time
from dataclasses import dataclass, field

import structlog

from fwai.adapters.webrtc import library_check, sdp
from fwai.adapters.webrtc.audio_sender import Identity
from fwai.adapters.webrtc.clock import MediaClock
from fwai.adapters.webrtc.datagrams import DroppedDatagrams
from fwai.adapters.webrtc.leg import LegLimits, WebRtcLeg
from fwai.adapters.webrtc.ports import UdpPorts, media_addresses
from fwai.adapters.webrtc.transport import MediaTransport

CALLER_HZ = 16_000
"""Highest useful sample rate of the caller's audio: that of the model's input."""


def _log(reason: str, dropped: int) -> None:
    structlog.get_logger().warning("datagrams_dropped", reason=reason, dropped=dropped)


@dataclass(frozen=True, slots=True)
class PeerOptions:
    """Options that all calls of this process share.

    Attributes:
        ports: UDP ports to use.
        clock: The process's clock for sending sound.
        public_ip: What to announce instead of the machine's own address, or None.
        sample_rate: Of the legs' samples both ways, in Hz: 16000 or 24000.
        limits: Time limits.
        loopback: Use 127.0.0.1 and nothing else; for tests.
        drops: Counts what strangers send to the ports, for all calls together.
    """

    ports: UdpPorts
    clock: MediaClock
    public_ip: str | None = None
    sample_rate: int = 24_000
    limits: LegLimits = field(default_factory=LegLimits)
    loopback: bool = False
    drops: DroppedDatagrams = field(default_factory=lambda: DroppedDatagrams(time.monotonic, _log))


async def answer(offer_sdp: str, options: PeerOptions) -> tuple[WebRtcLeg, str]:
    """Answer an SDP offer.

    Returns:
        The leg, still to be connected and to be closed by the caller, and the answer.

    Raises:
        WireError: The offer cannot be parsed or has no supported audio.
        BusyError: No UDP port is free, or there is no network.
        ConfigError: The installed aiortc is not the one this was written for.
    """
    remote = sdp.read(offer_sdp)
    transport, identity = await _open(options)
    try:
        leg = _leg(transport, remote, identity, options, offered=False)
    except BaseException:
        await transport.close()
        raise
    return leg, sdp.write_answer(_local(transport, identity), remote, CALLER_HZ)


async def offer(options: PeerOptions) -> tuple["PendingOffer", str]:
    """Make an SDP offer.

    Returns:
        What waits for the answer, to be accepted or closed by the caller, and the offer.

    Raises:
        BusyError: No UDP port is free, or there is no network.
        ConfigError: The installed aiortc is not the one this was written for.
    """
    transport, identity = await _open(options)
    pending = PendingOffer(transport, identity, options)
    return pending, sdp.write_offer(_local(transport, identity), CALLER_HZ)


class PendingOffer:
    """An offer that is not answered yet; it holds a port."""

    def __init__(self, transport: MediaTransport, identity: Identity, options: PeerOptions) -> None:
        self._transport = transport
        self._identity = identity
        self._options = options

    def accept(self, answer_sdp: str) -> WebRtcLeg:
        """Accept the answer and return the leg, which takes over the port and must be connected.

        Raises:
            WireError: The answer cannot be read; the offer stays open.
        """
        remote = sdp.read(answer_sdp)
        return _leg(self._transport, remote, self._identity, self._options, offered=True)

    async def close(self) -> None:
        """Free the port; after `accept` close the leg instead."""
        await self._transport.close()


async def _open(options: PeerOptions) -> tuple[MediaTransport, Identity]:
    library_check.verify()
    addresses = media_addresses(options.public_ip, loopback=options.loopback)
    transport = MediaTransport(options.ports, addresses, options.drops)
    try:
        await transport.open()
    except BaseException:
        await transport.close()
        raise
    # The first number is in the lower half, so that it does not wrap around before the other side
    # has seen any of them: its SRTP would lose count.
    identity = Identity(
        ssrc=secrets.randbits(32),
        name=secrets.token_hex(8),
        sequence=secrets.randbits(15),
        timestamp=secrets.randbits(32),
    )
    return transport, identity


def _local(transport: MediaTransport, identity: Identity) -> sdp.Local:
    ufrag, password = transport.credentials
    return sdp.Local(
        ufrag=ufrag,
        password=password,
        fingerprint=transport.fingerprint,
        addresses=transport.announced,
        ssrc=identity.ssrc,
        name=identity.name,
    )


def _leg(
    transport: MediaTransport,
    remote: sdp.Remote,
    identity: Identity,
    options: PeerOptions,
    *,
    offered: bool,
) -> WebRtcLeg:
    return WebRtcLeg(
        transport,
        remote,
        identity,
        options.clock,
        options.sample_rate,
        options.limits,
        offered=offered,
    )
