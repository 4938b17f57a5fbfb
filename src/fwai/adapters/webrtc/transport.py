"""ICE, DTLS and SRTP transport of one call, on aiortc without its media classes.

Theory of operation. aiortc's gatherer gets an ICE connection of ours that binds ports of our range,
and whose sockets pass RTP straight to us instead of to the DTLS transport's queue and task. aiortc
does connectivity checks, consent, the handshake and the keys. Its private names that we use are
listed in `library_check`.

Anybody can send to these ports. What is not sound is dropped before a library sees it
(`datagrams`), what a library makes of the rest is caught for each datagram, and once a pair of
addresses is nominated, DTLS and RTP are taken from that address only. A peer may begin its
handshake before we know which address is its: the first datagrams of each address wait until then.
A peer itself may be hostile, too: aioice checks each address back from which it is checked, and
libsrtp keeps a state for each source, both for as long as the call. So both are bounded.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import pylibsrtp
from aioice import Candidate, Connection, stun
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import StunProtocol
from aiortc import (
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    RTCIceCandidate,
    RTCIceGatherer,
    RTCIceParameters,
    RTCIceTransport,
)

from fwai.adapters.webrtc.datagrams import (
    MAX_RTP_BYTES,
    DroppedDatagrams,
    Kind,
    dtls_fault,
    kind_of,
    stun_fault,
)
from fwai.adapters.webrtc.ports import Address, UdpPorts
from fwai.adapters.webrtc.rtp import is_rtcp
from fwai.adapters.webrtc.sdp import Remote
from fwai.errors import WireError

UNSENT_BYTES: Final = 16_384  # more than the kernel's own buffer must not pile up
EARLY_ADDRESSES: Final = 16
EARLY_DATAGRAMS: Final = 4  # a handshake's first flight
QUEUED_DATAGRAMS: Final = 64
PEER_ADDRESSES: Final = 64  # that a peer may name, or check us from
SOURCES: Final = 32  # that may send in one call: a peer that begins anew has another number


class MediaProtocol(StunProtocol):
    """UDP protocol that judges each datagram, and passes RTP straight to the call."""

    def __init__(self, connection: "MediaConnection") -> None:
        super().__init__(connection)
        self._media = connection

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        """Hand a datagram on to whom it is for; none of them ends anything but itself."""
        media = self._media
        if not isinstance(data, bytes):
            return
        try:
            kind = kind_of(data)
            if kind is Kind.RTP:
                media.take_rtp(data, addr)
            elif kind is Kind.DTLS:
                media.take_dtls(data, addr)
            elif kind is Kind.OTHER:
                media.drops.add("other" if data else "empty")
            elif fault := stun_fault(data, media.user):
                media.drops.add(fault)
            else:
                super().datagram_received(data, addr)
        except Exception as exc:  # noqa: BLE001 - a library's fault with one stranger's bytes
            media.drops.add(f"{type(exc).__name__.lower()}")


class MediaConnection(Connection):
    """ICE connection over ports of our range.

    Attributes:
        on_media: Called with each datagram that looks like RTP.
        announced: Addresses for the session description.
        drops: Counts what is dropped.
        ended: It was closed, by us or because consent expired.
        user: Our user name fragment.
    """

    def __init__(
        self, ports: UdpPorts, addresses: Sequence[Address], drops: DroppedDatagrams
    ) -> None:
        super().__init__(ice_controlling=False, use_ipv6=False)
        self._ports = ports
        self._addresses = addresses
        self._early: dict[tuple[Any, ...], list[bytes]] = {}
        self.drops = drops
        self.user = self.local_username.encode()
        self.on_media: Callable[[bytes], None] = _ignore
        self.announced: list[tuple[str, int]] = []
        self.ended = False

    def take_rtp(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Pass RTP of the peer on."""
        pair = self._nominated.get(1)
        if pair is None or pair.remote_addr != addr or len(data) > MAX_RTP_BYTES:
            self.drops.add("rtp_stranger" if pair is not None else "rtp_early")
        else:
            self.on_media(data)

    def take_dtls(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Queue DTLS of the peer; keep the first of each address until it is known."""
        if fault := dtls_fault(data):
            self.drops.add(fault)
            return
        pair = self._nominated.get(1)
        if pair is None:
            self._keep_early(data, addr)
        elif pair.remote_addr != addr:
            self.drops.add("dtls_stranger")
        else:
            for early in self._early.pop(addr, ()):
                self._queue_dtls(early)
            self._early.clear()
            self._queue_dtls(data)

    def admit_early(self) -> None:
        """Hand on what the nominated address sent before it was nominated."""
        pair = self._nominated.get(1)
        early, self._early = self._early, {}
        for data in early.get(pair.remote_addr, ()) if pair is not None else ():
            self._queue_dtls(data)

    def check_incoming(
        self, message: stun.Message, addr: tuple[str, int], protocol: StunProtocol
    ) -> None:
        """Check back an address from which the peer has checked us."""
        known = self.remote_candidates
        if len(known) >= PEER_ADDRESSES and all((one.host, one.port) != addr for one in known):
            self.drops.add("stun_addresses")
        else:
            super().check_incoming(message, addr, protocol)

    def _keep_early(self, data: bytes, addr: tuple[Any, ...]) -> None:
        if addr not in self._early and len(self._early) >= EARLY_ADDRESSES:
            self.drops.add("dtls_early")
            return
        kept = self._early.setdefault(addr, [])
        if len(kept) < EARLY_DATAGRAMS:
            kept.append(data)
        else:
            self.drops.add("dtls_early")

    def _queue_dtls(self, data: bytes) -> None:
        if self._queue.qsize() < QUEUED_DATAGRAMS:
            self.data_received(data, 1)
        else:
            self.drops.add("dtls_queue")

    async def get_component_candidates(
        self,
        component: int,
        addresses: list[str],  # noqa: ARG002 - aioice's own idea of interfaces
        timeout: int = 5,  # noqa: ARG002 - nobody is asked
    ) -> list[Candidate]:
        """Bind a port of the range on each of our addresses."""
        loop = asyncio.get_running_loop()
        candidates = []
        for bound, announced in self._addresses:
            udp = self._ports.bind(bound)
            port = udp.getsockname()[1]
            try:
                _, protocol = await loop.create_datagram_endpoint(
                    lambda: MediaProtocol(self), sock=udp
                )
            except BaseException:
                udp.close()
                raise
            protocol.local_candidate = Candidate(
                foundation=candidate_foundation("host", "udp", bound),
                component=component,
                transport="udp",
                priority=candidate_priority(component, "host"),
                host=bound,
                port=port,
                type="host",
            )
            self._protocols.append(protocol)
            self.announced.append((announced, port))
            candidates.append(protocol.local_candidate)
        return candidates

    def send_now(self, data: bytes) -> bool:
        """Send to the nominated pair; False when there is none or no room."""
        pair = self._nominated.get(1)
        if pair is None:
            return False
        udp = pair.protocol.transport
        # typeshed does not know that datagram transports say this, too
        if udp.is_closing() or udp.get_write_buffer_size() > UNSENT_BYTES:  # type: ignore[attr-defined]
            return False
        udp.sendto(data, pair.remote_addr)
        return True

    async def close(self) -> None:
        """Close; aioice also calls this when consent has expired."""
        self.ended = True
        await super().close()


class _Gatherer(RTCIceGatherer):
    def __init__(self, connection: MediaConnection) -> None:
        super().__init__(iceServers=[])
        self._connection = connection


class MediaTransport:
    """Encrypted media transport. Implements ``Transport``.

    Attributes:
        undecipherable: Datagrams that could not be decrypted, or were replayed.
    """

    def __init__(
        self, ports: UdpPorts, addresses: Sequence[Address], drops: DroppedDatagrams
    ) -> None:
        self._connection = MediaConnection(ports, addresses, drops)
        self._gatherer = _Gatherer(self._connection)
        self._ice = RTCIceTransport(self._gatherer)
        self._dtls = RTCDtlsTransport(self._ice, [RTCCertificate.generateCertificate()])
        self._on_rtp: Callable[[bytes], None] = _ignore
        self._on_rtcp: Callable[[bytes], None] = _ignore
        self._on_closed: Callable[[bool], None] = _ignore
        self._rx: Any = None
        self._tx: Any = None
        self._sources: set[bytes] = set()
        self.undecipherable = 0

    @property
    def credentials(self) -> tuple[str, str]:
        """ICE user name fragment and password."""
        return self._connection.local_username, self._connection.local_password

    @property
    def fingerprint(self) -> str:
        """SHA-256 fingerprint of our certificate."""
        prints = self._dtls.getLocalParameters().fingerprints
        return next(print_.value for print_ in prints if print_.algorithm == "sha-256")

    @property
    def announced(self) -> list[tuple[str, int]]:
        """Hosts and ports announced to the peer."""
        return self._connection.announced

    def listen(
        self,
        rtp: Callable[[bytes], None],
        rtcp: Callable[[bytes], None],
        closed: Callable[[bool], None],
    ) -> None:
        """Set the receivers; ``closed`` is called with whether the connection failed."""
        self._on_rtp, self._on_rtcp, self._on_closed = rtp, rtcp, closed

    async def open(self) -> None:
        """Bind the ports.

        Raises:
            BusyError: None is free.
        """
        await self._gatherer.gather()

    async def connect(self, remote: Remote, *, offered: bool) -> None:
        """Run ICE and the DTLS handshake, without a time limit.

        Args:
            remote: Its description.
            offered: We made the offer.

        Raises:
            WireError: It cannot be done.
        """
        try:
            await self._connect(remote, offered=offered)
        except (WireError, OSError):
            raise
        except Exception as exc:  # a library's fault with what the peer said
            raise WireError(f"webrtc: not connected ({type(exc).__name__})") from exc

    async def _connect(self, remote: Remote, *, offered: bool) -> None:
        connection = self._connection
        connection.ice_controlling = offered or remote.lite
        for candidate in remote.candidates:
            await self._ice.addRemoteCandidate(
                RTCIceCandidate(
                    component=1,
                    foundation=candidate.foundation,
                    ip=candidate.host,
                    port=candidate.port,
                    priority=candidate.priority,
                    protocol="udp",
                    type=candidate.kind,
                )
            )
        # The end of candidates is never said: a peer that checks us is found even when none of the
        # addresses it named leads to it.
        await self._ice.start(RTCIceParameters(remote.ufrag, remote.password, remote.lite))
        if self._ice.state != "completed":
            raise WireError("webrtc: no way to the other side")
        connection.admit_early()
        self._dtls._set_role("server" if remote.setup == "active" else "client")  # noqa: SLF001
        prints = [RTCDtlsFingerprint(name, value) for name, value in remote.fingerprints]
        await self._dtls.start(RTCDtlsParameters(fingerprints=prints))
        if self._dtls.state != "connected":
            raise WireError("webrtc: the handshake failed")
        self._rx, self._tx = self._dtls._rx_srtp, self._dtls._tx_srtp  # noqa: SLF001
        self._dtls.on("statechange", self._state_changed)
        connection.on_media = self._receive

    def send(self, packet: bytes) -> bool:
        """Send RTP or RTCP; False when it could not be sent."""
        if self._tx is None:
            return False
        protect = self._tx.protect_rtcp if is_rtcp(packet) else self._tx.protect
        return self._connection.send_now(protect(packet))

    async def close(self) -> None:
        """Close DTLS and ICE, and free ports, tasks and keys."""
        self._connection.on_media = self._on_rtp = self._on_rtcp = self._on_closed = _ignore
        self._rx = self._tx = None
        try:
            await self._dtls.stop()
        finally:
            await self._ice.stop()
            self._dtls.remove_all_listeners()

    def _receive(self, data: bytes) -> None:
        control = is_rtcp(data)
        source = data[4:8] if control else data[8:12]
        if source not in self._sources and len(self._sources) >= SOURCES:
            self._connection.drops.add("rtp_sources")
            return
        try:
            plain = self._rx.unprotect_rtcp(data) if control else self._rx.unprotect(data)
        except (pylibsrtp.Error, ValueError):
            self.undecipherable += 1
            return
        self._sources.add(source)  # now that it is known to be the peer's
        (self._on_rtcp if control else self._on_rtp)(plain)

    def _state_changed(self) -> None:
        if self._dtls.state == "closed":
            self._on_closed(self._connection.ended)


def _ignore(_: object) -> None:
    """Ignore an event after closing."""
