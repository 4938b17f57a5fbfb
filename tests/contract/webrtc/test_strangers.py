"""Anybody can send datagrams to a media port: no call notices, whenever they come."""

import asyncio
import os
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import psutil
import pytest

from contract.webrtc.lab import FRAME_S, PORTS, RATE, RECOGNIZER, Ear, Lab, packets, schedule
from fwai.adapters.webrtc import peer
from fwai.adapters.webrtc.datagrams import DroppedDatagrams
from fwai.adapters.webrtc.ports import Address, UdpPorts
from fwai.adapters.webrtc.transport import MediaTransport
from unit.adapters.media_server import on_uvloop
from unit.adapters.webrtc.test_datagrams import attributes, record, request

CLIP = "ask_ai"
CHANCE = random.Random(3)
FLOOD = 150  # what the kernel holds for a port
MOST_IN_A_TURN = 32
HOSTILE = {
    "empty": b"",
    "one byte": b"\x16",
    "unknown first byte": b"\xc8" * 40,
    "channel data": b"\x40\0\0\4abcd",
    "short stun": b"\0\1\0\0\x21\x12\xa4\x42",
    "stun that lies about its length": b"\0\1\xff\xfc\x21\x12\xa4\x42" + bytes(12),
    "stun with a short number": attributes((0x8028, b"abc"), kind=1),
    "stun of a stranger": request("somebody:else"),
    "stun without a name": attributes(kind=1),
    "answer to nothing": attributes((0x0020, bytes(8))),
    "fatal alert": record(21, b"\2\x28", epoch=0),
    "goodbye alert": record(21, b"\1\0", epoch=0),
    "client hello of noise": record(22, os.urandom(200), epoch=0),
    "server hello of noise": record(22, b"\2" + os.urandom(200), epoch=0),
    "encrypted noise": record(23, os.urandom(200)),
    "record cut off": record(22, b"x" * 60)[:40],
    "rtp of noise": b"\x80\x6f" + os.urandom(80),
    "rtp without a body": b"\x80",
    "rtcp of noise": b"\x80\xc8" + os.urandom(80),
    "large": b"\x16" + os.urandom(9_000),
}


def ports() -> list[int]:
    """Every port that a call of ours has bound."""
    found = [one.laddr.port for one in psutil.Process().net_connections("udp")]
    return [port for port in found if PORTS[0] <= port <= PORTS[1]]


@contextmanager
def stranger() -> Iterator[Callable[[bytes], None]]:
    """Send a datagram to every bound port from an address that nobody knows."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:

        def send(data: bytes) -> None:
            for port in ports():
                udp.sendto(data, ("127.0.0.1", port))

        yield send


async def sends_until(done: asyncio.Event, datagrams: list[bytes]) -> None:
    with stranger() as send:
        while not done.is_set():
            for data in datagrams:
                send(data)
            await asyncio.sleep(0.002)


@pytest.mark.parametrize("name", [*HOSTILE, "all of them"])
async def test_a_call_connects_and_is_heard_while_strangers_send(lab: Lab, name: str) -> None:
    datagrams = list(HOSTILE.values()) if name not in HOSTILE else [HOSTILE[name]]
    over = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        phone = lab.phone()
        offer = await phone.offer()
        leg, answer = await peer.answer(offer, lab.options)
        lab.legs.append(leg)
        assert ports()
        sending = tasks.create_task(sends_until(over, datagrams))
        await asyncio.sleep(0.02)  # they come before the peer does
        await phone.accept(answer)
        await leg.connect()
        await phone.ready()
        leg.release()
        ear = Ear(leg)
        await phone.say(schedule(packets(CLIP)))
        await asyncio.sleep(0.15)
        over.set()
        await sending

    match = RECOGNIZER.identify(ear.pcm, RATE)
    assert match is not None
    assert match.clip.name == CLIP
    await asyncio.sleep(5 * FRAME_S)
    assert not leg._over, "the call goes on"
    # An answer to nothing is sound, and nobody waits for it.
    assert name == "answer to nothing" or sum(lab.options.drops.counts.values()) > 50
    assert len(phone.heard) > 20


async def test_the_peer_itself_may_send_nonsense(lab: Lab) -> None:
    phone, ear = await lab.call()
    pair = ear.leg._transport._connection._nominated[1]  # type: ignore[attr-defined]
    (protocol,) = phone._ice._protocols

    for data in HOSTILE.values():
        protocol.transport.sendto(data, pair.local_addr)
    await phone.say(schedule(packets(CLIP)))
    await asyncio.sleep(0.15)

    match = RECOGNIZER.identify(ear.pcm, RATE)
    assert match is not None
    assert match.clip.name == CLIP


async def test_what_comes_before_the_peer_is_known_is_bounded(lab: Lab) -> None:
    phone = lab.phone()
    leg, _ = await peer.answer(await phone.offer(), lab.options)
    lab.legs.append(leg)
    large = record(22, os.urandom(1_300), epoch=0)

    for _ in range(40):
        with stranger() as send:
            for _ in range(20):
                send(large)
    await asyncio.sleep(0.1)

    connection = leg._transport._connection  # type: ignore[attr-defined]
    held = sum(len(data) for waiting in connection._early.values() for data in waiting)
    assert held + connection._queue.qsize() <= 16 * 4 * len(large)


async def test_a_handshake_that_came_early_is_not_lost(lab: Lab) -> None:
    """A peer that sees its check answered may begin before we nominate."""
    first, second = await lab.pair()

    assert first._transport._connection._early == {}  # type: ignore[attr-defined]
    assert second._transport._connection._early == {}  # type: ignore[attr-defined]


@on_uvloop
async def test_one_turn_of_the_loop_takes_few_datagrams_of_a_port() -> None:
    """So a flood takes turns with everybody else, whatever one datagram of it costs."""
    drops = DroppedDatagrams(lambda: 0.0)
    way = MediaTransport(UdpPorts(*PORTS), [Address("127.0.0.1", "127.0.0.1")], drops)
    await way.open()
    taken = [0]
    try:
        with stranger() as send:
            for _ in range(FLOOD):
                send(b"\xc8")
        async with asyncio.timeout(5):
            while taken[-1] < FLOOD:
                await asyncio.sleep(0)
                taken.append(drops.counts["other"])
    finally:
        await way.close()

    assert max(after - before for before, after in pairwise(taken)) <= MOST_IN_A_TURN
