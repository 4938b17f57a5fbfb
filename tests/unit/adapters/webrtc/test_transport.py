"""What a peer that has the keys may cost in one call."""

import asyncio
from collections.abc import Iterator

import pylibsrtp
import pytest
from aioice import Candidate, stun

import virtual_time
from fwai.adapters.webrtc import rtcp, rtp
from fwai.adapters.webrtc.datagrams import DroppedDatagrams
from fwai.adapters.webrtc.ports import UdpPorts
from fwai.adapters.webrtc.transport import (
    PEER_ADDRESSES,
    SOURCES,
    MediaConnection,
    MediaProtocol,
    MediaTransport,
)

KEY = bytes(range(30))
PASSWORD = "password-of-22-letters"
Address = tuple[str, int]


class Udp:
    """Takes what is sent, and to whom."""

    def __init__(self) -> None:
        self.asked: set[Address] = set()

    def sendto(self, data: bytes, addr: Address) -> None:
        if stun.parse_message(data).message_class is stun.Class.REQUEST:
            self.asked.add(addr)


def check(connection: MediaConnection) -> bytes:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = f"{connection.local_username}:theirs"
    message.attributes["PRIORITY"] = 1
    message.add_message_integrity(connection.local_password.encode())
    return bytes(message)


def addresses(count: int) -> Iterator[Address]:
    for number in range(count):
        yield f"127.0.{number // 250}.{number % 250 + 1}", 40_000


def test_a_peer_that_checks_us_from_everywhere_is_checked_back_at_few_addresses() -> None:
    """Else whoever may call could have us send to any address, and remember all of them."""

    async def main() -> tuple[MediaConnection, Udp, int]:
        connection = MediaConnection(UdpPorts(1, 2), [], DroppedDatagrams(lambda: 0.0))
        connection.remote_username, connection.remote_password = "theirs", PASSWORD
        connection._early_checks_done = True
        protocol, udp = MediaProtocol(connection), Udp()
        protocol.transport = udp  # type: ignore[assignment]
        protocol.local_candidate = Candidate("1", 1, "udp", 1, "127.0.0.1", 50_000, "host")
        connection._protocols.append(protocol)
        for address in addresses(500):
            protocol.datagram_received(check(connection), address)
        protocol.datagram_received(check(connection), next(addresses(1)))  # a known one
        tasks = len(asyncio.all_tasks())
        await asyncio.sleep(120)
        return connection, udp, tasks

    connection, udp, tasks = virtual_time.run(main())

    assert len(connection.remote_candidates) == len(udp.asked) == PEER_ADDRESSES
    assert tasks <= PEER_ADDRESSES + 1
    assert connection.drops.counts == {"stun_addresses": 500 - PEER_ADDRESSES}


def session(kind: int) -> pylibsrtp.Session:
    return pylibsrtp.Session(pylibsrtp.Policy(key=KEY, ssrc_type=kind))


@pytest.mark.parametrize("control", [False, True], ids=["rtp", "rtcp"])
def test_a_peer_that_sends_from_ever_new_sources_is_heard_from_few(control: bool) -> None:
    """libsrtp keeps 400 bytes for each, until the call is over."""
    heard: list[bytes] = []

    async def main() -> MediaTransport:
        transport = MediaTransport(UdpPorts(1, 2), [], DroppedDatagrams(lambda: 0.0))
        transport.listen(heard.append, heard.append, lambda _: None)
        theirs = session(pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        transport._rx = session(pylibsrtp.Policy.SSRC_ANY_INBOUND)
        for source in [*range(1, 201), 1]:
            if control:
                transport._receive(theirs.protect_rtcp(rtcp.goodbye(source)))
            else:
                packet = rtp.Packet(111, False, 200 + len(heard), 0, source, b"x")
                transport._receive(theirs.protect(rtp.build(packet)))
        return transport

    transport = virtual_time.run(main())

    assert len(heard) == SOURCES + 1  # the first one again
    assert transport.undecipherable == 0
    assert transport._connection.drops.counts == {"rtp_sources": 200 - SOURCES}


def test_what_cannot_be_decrypted_takes_no_sources_place() -> None:
    """It may be anybody's, with the peer's address on it."""
    heard: list[bytes] = []

    async def main() -> MediaTransport:
        transport = MediaTransport(UdpPorts(1, 2), [], DroppedDatagrams(lambda: 0.0))
        transport.listen(heard.append, heard.append, lambda _: None)
        theirs = session(pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        transport._rx = session(pylibsrtp.Policy.SSRC_ANY_INBOUND)
        for source in range(2, 500):
            transport._receive(rtp.build(rtp.Packet(111, False, 1, 0, source, bytes(20))))
        transport._receive(theirs.protect(rtp.build(rtp.Packet(111, False, 1, 0, 1, b"x"))))
        return transport

    transport = virtual_time.run(main())

    assert len(heard) == 1
    assert transport.undecipherable == 498
