"""Ports, ends, and what is left behind."""

import asyncio
import gc
import threading
import weakref

import aioice.ice
import psutil
import pytest

from contract.webrtc.lab import PORTS, Ear, Lab, packets, schedule
from fwai.adapters.webrtc import peer
from fwai.adapters.webrtc.clock import MediaClock
from fwai.adapters.webrtc.ports import UdpPorts
from fwai.domain.events import CallerHungUp
from fwai.errors import BusyError, WireError


def udp_ports() -> set[int]:
    """The ports of all UDP sockets of this process."""
    return {one.laddr.port for one in psutil.Process().net_connections("udp")}


def in_range(ports: set[int]) -> set[int]:
    return {port for port in ports if PORTS[0] <= port <= PORTS[1]}


# ---- ports --------------------------------------------------------------------------------


async def test_ten_calls_use_ports_of_the_range_and_leave_none(lab: Lab) -> None:
    before = udp_ports()

    for _ in range(10):
        await lab.pair()
    during = udp_ports() - before
    for leg in lab.legs:
        await leg.close()

    assert len(during) == 20
    assert during == in_range(during)
    assert udp_ports() == before


async def test_what_is_announced_is_what_is_bound(lab: Lab) -> None:
    phone = lab.phone()
    leg, answer = await peer.answer(await phone.offer(), lab.options)
    lab.legs.append(leg)

    (port,) = in_range(udp_ports())

    assert f"m=audio {port} " in answer
    assert f" 127.0.0.1 {port} typ host" in answer
    assert answer.count("a=candidate") == 1


async def test_public_address_is_announced_and_the_call_connects_all_the_same(lab: Lab) -> None:
    """As behind NAT the other side cannot reach what we announce; our checks tell it of us."""
    phone = lab.phone()
    options = peer.PeerOptions(
        UdpPorts(*PORTS), MediaClock(), public_ip="198.51.100.7", loopback=True
    )
    leg, answer = await peer.answer(await phone.offer(), options)
    lab.legs.append(leg)
    (port,) = in_range(udp_ports())
    assert "127.0.0.1" not in answer
    assert f"198.51.100.7 {port} typ host" in answer
    assert "c=IN IP4 198.51.100.7" in answer

    await phone.accept(answer)
    await leg.connect()
    await phone.ready()
    leg.release()
    ear = Ear(leg)
    await phone.say(schedule(packets("ask_ai"))[:10])
    await asyncio.sleep(0.1)

    assert ear.samples
    assert phone.heard


async def test_without_a_free_port_the_call_is_refused(lab: Lab) -> None:
    options = peer.PeerOptions(UdpPorts(42_099, 42_099), MediaClock(), loopback=True)
    pending, offer = await peer.offer(options)

    with pytest.raises(BusyError, match="42099"):
        await peer.answer(offer, options)
    await pending.close()
    second, _ = await peer.offer(options)
    await second.close()

    assert not in_range(udp_ports())


# ---- ends ---------------------------------------------------------------------------------


async def test_a_caller_who_hangs_up_has_hung_up(lab: Lab) -> None:
    phone, ear = await lab.call()
    await phone.say(schedule(packets("ask_ai"))[:5])

    await phone.connection.close()

    assert await ear.gone() == CallerHungUp(failed=False)


async def test_a_caller_who_vanishes_has_failed(lab: Lab) -> None:
    lab.limit(silent_s=0.4)
    phone, ear = await lab.call()
    await phone.say(schedule(packets("ask_ai"))[:5])

    phone.vanish()

    assert await ear.gone() == CallerHungUp(failed=True)


async def test_a_caller_who_no_longer_consents_has_failed(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 0.05)
    monkeypatch.setattr(aioice.ice, "CONSENT_FAILURES", 1)
    phone, ear = await lab.call()

    phone.vanish()

    assert await ear.gone() == CallerHungUp(failed=True)


async def test_when_we_hang_up_the_phone_is_told(lab: Lab) -> None:
    phone, ear = await lab.call()

    await ear.leg.close()

    async with asyncio.timeout(3):
        while phone.connection.connectionState != "closed":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert not any(isinstance(event, CallerHungUp) for _, event in ear.events)


async def test_a_phone_that_does_not_answer_is_given_up_in_time(lab: Lab) -> None:
    lab.limit(connect_s=0.2)
    phone = lab.phone()
    leg, _ = await peer.answer(await phone.offer(), lab.options)

    with pytest.raises(WireError, match="not reached in time"):
        await leg.connect()

    assert not in_range(udp_ports())


async def test_another_certificate_than_was_announced_is_refused(lab: Lab) -> None:
    phone = lab.phone()
    offer = await phone.offer()
    start = offer.index("sha-256 ") + len("sha-256 ")
    offer = offer[:start] + ":".join(["00"] * 32) + offer[start + 95 :]
    leg, answer = await peer.answer(offer, lab.options)
    await phone.accept(answer)

    with pytest.raises(WireError, match="handshake"):
        await leg.connect()

    assert not in_range(udp_ports())


@pytest.mark.parametrize("after_s", [0.0, 0.001, 0.01, 0.03])
async def test_giving_up_while_connecting_leaves_nothing(lab: Lab, after_s: float) -> None:
    """The other side's terminate comes in the middle of everything."""
    before = asyncio.all_tasks()
    pending, offer = await peer.offer(lab.options)
    leg, answer = await peer.answer(offer, lab.options)
    other = pending.accept(answer)
    both = asyncio.gather(leg.connect(), other.connect())

    await asyncio.sleep(after_s)
    both.cancel()
    await asyncio.gather(both, return_exceptions=True)
    await leg.close()
    await other.close()
    await asyncio.sleep(0.01)

    assert not in_range(udp_ports())
    assert asyncio.all_tasks() == before


# ---- what is left behind ------------------------------------------------------------------


async def test_twenty_calls_leave_no_task_socket_thread_or_leg() -> None:
    lab = Lab()
    await lab.pair()  # what the first call loads stays
    await lab.close()
    tasks, threads, ports = len(asyncio.all_tasks()), threading.active_count(), udp_ports()
    legs = []

    for _ in range(10):
        lab = Lab()
        first, second = await lab.pair()
        first.play(bytes(2_000))
        await asyncio.sleep(0.05)
        legs += [weakref.ref(first), weakref.ref(second)]
        await lab.close()
        del first, second, lab
    await asyncio.sleep(0.05)
    gc.collect()

    assert len(asyncio.all_tasks()) == tasks
    assert threading.active_count() == threads
    assert udp_ports() == ports
    assert [leg() for leg in legs] == [None] * 20


async def test_a_call_has_no_thread_of_its_own(lab: Lab) -> None:
    before = threading.active_count()

    await lab.pair()

    assert threading.active_count() == before
