"""Whatever comes to a media port: STUN, DTLS, RTP and noise, before and after a peer is known."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from aioice import Candidate, stun
from aioice.ice import CandidatePair

from fuzz.corpus import found
from fuzz.judge import Prepared, Wire
from fuzz.mutator import Mutator
from fwai.adapters.webrtc.datagrams import DroppedDatagrams
from fwai.adapters.webrtc.ports import UdpPorts
from fwai.adapters.webrtc.transport import PEER_ADDRESSES, MediaConnection, MediaProtocol

MAX_BYTES: Final = 65_507  # the longest datagram of UDP
PEER: Final = ("127.0.0.1", 40_000)
OURS: Final = ("127.0.0.1", 50_000)
PASSWORD: Final = "password-of-22-letters"
THEIRS: Final = "theirs"
USER: Final = "ours"
SIGNED: Final = 0.6  # share of STUN messages whose length and integrity are right in spite of all
DATAGRAMS_OF_ONE: Final = 5_000


class _Udp:
    """Takes what is sent."""

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def sendto(self, data: bytes, addr: object) -> None:
        assert isinstance(data, bytes)

    def close(self) -> None:
        pass


class _Port:
    """The port of one call after another."""

    def __init__(self, mutator: Mutator) -> None:
        self._chance = mutator.chance
        self._connection: MediaConnection | None = None
        self._protocol: MediaProtocol | None = None
        self._count = 0
        self._heard = 0

    def prepare(self, message: bytes) -> tuple[bytes, tuple[str, int]]:
        sender = PEER
        if self._chance.random() < 0.3:  # a stranger, or the peer from elsewhere
            sender = (
                f"127.0.0.{self._chance.randrange(2, 250)}",
                self._chance.randrange(1, 65_536),
            )
        return message, sender

    async def deliver(self, prepared: Prepared) -> bool:
        data, sender = prepared
        protocol = self._protocol or await self._begin()
        connection = self._connection
        assert connection is not None
        dropped = connection.drops.counts.total()
        protocol.datagram_received(data, sender)
        while not connection._queue.empty():  # what DTLS would be given
            connection._queue.get_nowait()
        self._count += 1
        accepted = connection.drops.counts.total() == dropped
        assert len(connection.remote_candidates) <= PEER_ADDRESSES, "candidates without end"
        await asyncio.sleep(0.05 if self._count % 5 == 0 else 0)
        if self._count > DATAGRAMS_OF_ONE:
            await self.end()
        return accepted

    async def _begin(self) -> MediaProtocol:
        drops = DroppedDatagrams(asyncio.get_running_loop().time)
        connection = self._connection = MediaConnection(UdpPorts(1, 2), [], drops)
        connection._local_username, connection._local_password = USER, PASSWORD
        connection.user = USER.encode()
        connection.remote_username, connection.remote_password = THEIRS, PASSWORD
        connection._early_checks_done = self._chance.random() < 0.7
        connection.on_media = self._hear
        protocol = self._protocol = MediaProtocol(connection)
        protocol.transport = _Udp()  # type: ignore[assignment]
        protocol.local_candidate = _candidate(OURS)
        connection._protocols.append(protocol)
        known = self._chance.random()
        if known < 0.7:
            remote = _candidate(PEER)
            connection._remote_candidates.append(remote)
            pair = CandidatePair(protocol, remote)
            connection._check_list.append(pair)
            if known < 0.4:
                pair.state = CandidatePair.State.SUCCEEDED
                pair.nominated = True
                connection._nominated[1] = pair
        self._count = 0
        return protocol

    def _hear(self, data: bytes) -> None:
        self._heard += 1

    async def end(self) -> None:
        if self._connection is None or self._protocol is None:
            return
        protocol = self._protocol
        for pair in self._connection._check_list:
            if pair.task is not None:
                pair.task.cancel()
        asyncio.get_running_loop().call_soon(protocol.connection_lost, None)
        await self._connection.close()
        self._connection = self._protocol = None


def _candidate(address: tuple[str, int]) -> Candidate:
    return Candidate("1", 1, "udp", 2_130_706_431, address[0], address[1], "host")


@asynccontextmanager
async def _opened(mutator: Mutator) -> AsyncIterator[_Port]:
    port = _Port(mutator)
    yield port
    await port.end()
    await asyncio.sleep(60)  # checks that were begun are given up


# ---- good ones, and how they are broken ---------------------------------------------------------


def _request(**more: object) -> bytes:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes |= {"USERNAME": f"{USER}:{THEIRS}", "PRIORITY": 1_853_693_695, **more}
    message.add_message_integrity(PASSWORD.encode())
    return bytes(message)


def _answer(kind: stun.Class) -> bytes:
    message = stun.Message(stun.Method.BINDING, kind)
    if kind is stun.Class.ERROR:
        message.attributes["ERROR-CODE"] = (487, "Role Conflict")
    else:
        message.attributes["XOR-MAPPED-ADDRESS"] = OURS
    message.add_message_integrity(PASSWORD.encode())
    return bytes(message)


def _record(content: int, payload: bytes, epoch: int) -> bytes:
    head = bytes([content]) + b"\xfe\xfd" + epoch.to_bytes(2, "big") + bytes(6)
    return head + len(payload).to_bytes(2, "big") + payload


def _seeds() -> list[bytes]:
    hello = (
        b"\x01"
        + (44).to_bytes(3, "big")
        + bytes(5)
        + (44).to_bytes(3, "big")
        + b"\xfe\xfd"
        + bytes(42)
    )
    return [
        _request(),
        _request(**{"ICE-CONTROLLING": 1 << 63, "USE-CANDIDATE": None}),
        _request(**{"ICE-CONTROLLED": 5}),
        _request(**{"ICE-CONTROLLING": (1 << 64) - 1, "SOFTWARE": "x" * 40}),
        _answer(stun.Class.RESPONSE),
        _answer(stun.Class.ERROR),
        bytes(stun.Message(stun.Method.BINDING, stun.Class.INDICATION)),
        _record(22, hello, 0),
        _record(22, hello, 0) * 3,
        _record(21, b"\2\x28", 0),
        _record(23, bytes(60), 1),
        _record(20, b"\1", 0) + _record(22, bytes(40), 1),
        b"\x2c\0\0\x20" + bytes(40),  # of DTLS 1.3
        b"\x80\x6f" + bytes(60),
        b"\x80\xc8\0\6" + bytes(24),
        b"\x40\0\0\4abcd",
        b"",
        *found("datagrams"),
    ]


def _attributes(data: bytes) -> list[tuple[int, bytes]]:
    pairs, at = [], 20
    while at + 4 <= len(data):
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        pairs.append((int.from_bytes(data[at : at + 2], "big"), data[at + 4 : at + 4 + length]))
        at += 4 + length + -length % 4
    return pairs


def _broken(mutator: Mutator, seeds: Sequence[bytes]) -> bytes:
    """Break a datagram; in a STUN message its attributes, with the rest as it should be."""
    chance = mutator.chance
    data = chance.choice(seeds)
    if not data or data[0] > 3 or chance.random() > SIGNED:
        return mutator.raw(seeds)
    pairs = [pair for pair in _attributes(data) if pair[0] not in (0x0008, 0x8028)]
    for _ in range(chance.choice((0, 1, 1, 2))):
        at = chance.randrange(len(pairs) + 1)
        match chance.randrange(5):
            case 0 if pairs:
                del pairs[at % len(pairs)]
            case 1:
                kind = chance.choice(
                    (0x0006, 0x0001, 0x0009, 0x000A, 0x0020, 0x0024, 0x8022, 0x8029, 0x802A, 0xC001)
                )
                pairs.insert(at, (kind, chance.randbytes(chance.choice((0, 3, 4, 8, 20, 300)))))
            case 2 if pairs:
                kind, value = pairs[at % len(pairs)]
                changed = bytearray(value)
                if changed:
                    changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
                pairs[at % len(pairs)] = (kind, bytes(changed))
            case 3 if pairs:
                pairs.append(pairs[at % len(pairs)])
            case _:
                chance.shuffle(pairs)
    head = (
        data[:2]
        if chance.random() < 0.9
        else chance.choice((b"\0\1", b"\1\1", b"\1\x11", b"\0\x11", b"\0\3"))
    )
    return _signed(head, chance.randbytes(12), pairs)


def _signed(kind: bytes, transaction: bytes, pairs: Sequence[tuple[int, bytes]]) -> bytes:
    body = b"".join(
        number.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value + bytes(-len(value) % 4)
        for number, value in pairs
    )
    data = kind + (len(body) + 24).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + transaction + body
    integrity = stun.message_integrity(data, PASSWORD.encode())
    data += b"\0\x08\0\x14" + integrity
    data = data[:2] + (len(data) - 20 + 8).to_bytes(2, "big") + data[4:]
    return data + b"\x80\x28\0\4" + stun.message_fingerprint(data).to_bytes(4, "big")


def datagram_wire() -> Wire:
    return Wire("datagrams", _broken, _seeds(), MAX_BYTES, _opened)
