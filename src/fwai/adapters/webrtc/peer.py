"""Begins WebRTC calls: answers an offer, or makes one.

Nothing is sent to the other side before `WebRtcLeg.connect`, so that the description can be
delivered first, and no sound before `WebRtcLeg.release`.
"""

import secrets
from dataclasses import dataclass, field

from fwai.adapters.webrtc import library_check as guard
from fwai.adapters.webrtc import sdp
from fwai.adapters.webrtc.audio_sender import Identity
from fwai.adapters.webrtc.clock import MediaClock
from fwai.adapters.webrtc.leg import LegLimits, WebRtcLeg
from fwai.adapters.webrtc.ports import UdpPorts, media_addresses
from fwai.adapters.webrtc.transport import MediaTransport

CALLER_HZ = 16_000
"""Sampling rate up to which the caller's sound is of use: what the model hears."""


@dataclass(frozen=True, slots=True)
class PeerOptions:
    """What all calls of this process share.

    Attributes:
        ports: UDP ports to use.
        clock: The process's clock for sending sound.
        public_ip: What to announce instead of the machine's own address, or None.
        sample_rate: Of the legs' samples both ways, in Hz: 16000 or 24000.
        limits: How long things may last.
        loopback: Use 127.0.0.1 and nothing else; for tests.
    """

    ports: UdpPorts
    clock: MediaClock
    public_ip: str | None = None
    sample_rate: int = 24_000
    limits: LegLimits = field(default_factory=LegLimits)
    loopback: bool = False


async def answer(offer_sdp: str, options: PeerOptions) -> tuple[WebRtcLeg, str]:
    """Answer an offer.

    Returns:
        The leg, still to be connected and to be closed by the caller, and the answer.

    Raises:
        WireError: The offer cannot be read or has no sound that we understand.
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
    """Make an offer.

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
    """An offer that was made and not answered yet; it holds a port."""

    def __init__(self, transport: MediaTransport, identity: Identity, options: PeerOptions) -> None:
        self._transport = transport
        self._identity = identity
        self._options = options

    def accept(self, answer_sdp: str) -> WebRtcLeg:
        """Return the leg, which takes over the port and is still to be connected.

        Raises:
            WireError: The answer cannot be read; the offer stays open.
        """
        remote = sdp.read(answer_sdp)
        return _leg(self._transport, remote, self._identity, self._options, offered=True)

    async def close(self) -> None:
        """Give the port back; not after `accept`, then the leg is to be closed."""
        await self._transport.close()


async def _open(options: PeerOptions) -> tuple[MediaTransport, Identity]:
    guard.verify()
    addresses = media_addresses(options.public_ip, loopback=options.loopback)
    transport = MediaTransport(options.ports, addresses)
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
