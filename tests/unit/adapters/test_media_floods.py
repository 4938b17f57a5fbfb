"""Floods on one media socket, beside a call that must not notice."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from websockets.exceptions import ConnectionClosed, InvalidStatus

from fwai.adapters.media_socket import MAX_MESSAGE_BYTES, MAX_READ_BYTES
from fwai.adapters.sound_allowance import AHEAD_S, MESSAGE_S
from fwai.calls.stream_tokens import TAKE_OVER_S, StreamTokens
from fwai.domain.call import CallId
from fwai.domain.events import CallerAudio, DtmfPressed
from fwai.interfaces.media import CallerLeg
from unit.adapters.media_server import (
    KEY,
    Calls,
    Carried,
    MediaServer,
    frame,
    media,
    on_uvloop,
    serving,
    start,
    until,
)

PAGE_BYTES = resource.getpagesize()
GROWTH_BYTES = 28 << 20  # the peer that pours is in this process, too: three times its 8 MB
ULAW_BYTES_PER_S = 8000
FLOOD = 40_000  # small frames


def memory() -> int:
    """Bytes that this process holds in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


def long_frame(payload: bytes) -> bytes:
    return b"\x81\xff" + len(payload).to_bytes(8, "big") + bytes(4) + payload


async def pour(client: socket.socket, data: bytes) -> None:
    """Write until everything is taken or the server has gone."""
    client.setblocking(False)
    with suppress(OSError):
        await asyncio.get_running_loop().sock_sendall(client, data)


def heard_s(carried: Carried) -> float:
    samples = sum(len(e.pcm) // 2 for e in carried.heard if isinstance(e, CallerAudio))
    return samples / ULAW_BYTES_PER_S


@asynccontextmanager
async def flooded() -> AsyncIterator[tuple[MediaServer, socket.socket, Carried]]:
    """Serve a caller who floods and a neighbour, whose key is heard once the block is over."""
    async with serving() as server, server.connect() as other:
        neighbour = await server.call(other)
        async with server.raw(receive_buffer=4096) as client:
            yield server, client, server.calls.calls[1]
            await other.send(KEY)
            await until(lambda: neighbour.heard)
        assert neighbour.heard == [DtmfPressed("5")]
        assert neighbour.leg.dropped_messages == 0


@on_uvloop
async def test_a_flood_of_pings_from_a_peer_that_reads_nothing_costs_nothing_that_grows() -> None:
    pings = frame(b"p" * 125, opcode=9) * 5000
    async with flooded() as (_, client, flooder):
        before = memory()
        for _ in range(20):
            await pour(client, pings)
        assert flooder.leg._socket is not None
        transport = flooder.leg._socket._transport
        assert transport is not None
        assert transport.underlying_transport.get_write_buffer_size() < 4096
        assert memory() - before < GROWTH_BYTES
        assert flooder.hang_ups == []


@pytest.mark.parametrize("size", [MAX_MESSAGE_BYTES + 1, 8 << 20], ids=["just", "8 MB"])
@on_uvloop
async def test_a_frame_that_is_too_long_is_neither_delivered_nor_kept(size: int) -> None:
    """It comes in one write, so most of it is there before picows closes the connection."""
    heard: list[memoryview] = []
    async with flooded() as (_, client, flooder):
        before = memory()
        assert flooder.leg._socket is not None
        flooder.leg._socket._receive = heard.append
        await pour(client, long_frame(b" " * size) + frame(KEY.encode()))
        await until(lambda: flooder.hang_ups)

        assert heard == []
        assert memory() - before < GROWTH_BYTES


@on_uvloop
async def test_minutes_of_sound_in_one_message_are_one_message_too_long() -> None:
    async with serving() as server, server.connect() as client:
        carried = await server.call(client)
        with suppress(ConnectionClosed):
            await client.send(media(b"\xff" * 750 * ULAW_BYTES_PER_S))
        await client.wait_closed()

        assert client.close_code == 1009
        assert not any(isinstance(event, CallerAudio) for event in carried.heard)


@on_uvloop
async def test_more_sound_than_can_have_been_spoken_is_dropped_counted_and_ends_nothing() -> None:
    """A thousand seconds, in the largest messages there are."""
    began = asyncio.get_running_loop().time()
    with capture_logs() as logs:
        async with serving() as server, server.connect() as client:
            carried = await server.call(client)
            for _ in range(44):
                await client.send(media(b"\xff" * 23 * ULAW_BYTES_PER_S))
            await client.send(KEY)
            await until(lambda: DtmfPressed("5") in carried.heard)
            took_s = asyncio.get_running_loop().time() - began
            assert AHEAD_S <= heard_s(carried) <= AHEAD_S + took_s
            assert carried.leg.dropped_sound_ms == pytest.approx(
                (44 * 23 - heard_s(carried)) * 1000, abs=2
            )
            assert carried.hang_ups == []

    dropped = [line for line in logs if line["event"] == "stream_sound_dropped"]
    assert [line["dropped_ms"] for line in dropped] == [carried.leg.dropped_sound_ms]


@on_uvloop
async def test_one_message_brings_two_seconds_at_most_however_long_the_stream_was_silent() -> None:
    async with serving() as server, server.connect() as client:
        carried = await server.call(client)
        assert carried.leg._allowance is not None
        carried.leg._allowance._began -= 600.0
        await client.send(media(b"\xff" * 23 * ULAW_BYTES_PER_S))
        await client.send(KEY)
        await until(lambda: DtmfPressed("5") in carried.heard)

        assert heard_s(carried) == pytest.approx(MESSAGE_S)


@on_uvloop
async def test_what_a_stall_has_held_up_is_heard_in_full() -> None:
    async with serving() as server, server.connect() as client:
        carried = await server.call(client)
        assert carried.leg._allowance is not None
        carried.leg._allowance._began -= 30.0
        for _ in range(1500):
            await client.send(media())
        await client.send(KEY)
        await until(lambda: DtmfPressed("5") in carried.heard)

        assert heard_s(carried) == pytest.approx(30.0)
        assert carried.leg.dropped_sound_ms == 0


@pytest.mark.parametrize(
    "small", [frame(b'{"event":"x"}'), frame(b"", opcode=10)], ids=["messages", "pongs"]
)
@on_uvloop
async def test_a_flood_of_small_frames_takes_turns_with_everybody_else(small: bytes) -> None:
    """However much is there: what picows reads at a time does not grow with it."""
    turns: list[int] = []
    frames = 0

    async def take_turns() -> None:
        while True:
            turns.append(frames)
            await asyncio.sleep(0)

    async with flooded() as (_, client, flooder):
        listener = flooder.leg._socket
        assert listener is not None
        judge = listener.on_ws_frame

        def count(*arguments: object) -> None:
            nonlocal frames
            frames += 1
            judge(*arguments)  # type: ignore[arg-type]

        listener.on_ws_frame = count  # type: ignore[method-assign, assignment]
        turn = asyncio.create_task(take_turns())
        await pour(client, small * FLOOD)
        await until(lambda: frames >= FLOOD // 2)
        turn.cancel()
        await asyncio.wait([turn])

    most = max(after - before for before, after in pairwise(turns))
    assert most <= 4 * MAX_READ_BYTES // len(small)


# ---- sockets on one token -----------------------------------------------------------------------


@dataclass
class Tokens(Calls):
    """Calls whose tokens are the real ones."""

    now: float = 0.0

    def __post_init__(self) -> None:
        self.out = StreamTokens(lambda: self.now)
        self.token = self.out.mint(CallId("20261122-ab"), "plivo", "c-1")

    def admission(self, provider: str, token: str) -> AbstractContextManager[bool]:
        return self.out.admission(provider, token)

    async def carry(self, token: str, provider_call_id: str, leg: CallerLeg) -> bool:
        if self.out.redeem(token, provider_call_id) is None:
            return False
        return await super().carry(token, provider_call_id, leg)


@on_uvloop
async def test_of_many_sockets_on_one_token_one_waits_and_it_may_still_start() -> None:
    calls = Tokens()
    async with serving(calls=calls) as server:
        url = server.url_for(calls.token)
        async with server.connect(url) as first:
            for _ in range(500):
                with pytest.raises(InvalidStatus) as refusal:
                    await server.connect(url)
                assert refusal.value.response.status_code == 403
            await server.call(first)
            with pytest.raises(InvalidStatus):  # and it is used up
                await server.connect(url)


@pytest.mark.parametrize("said", ["", "garbage", start("another call")])
@on_uvloop
async def test_a_carrier_whose_connection_was_lost_may_try_again(said: str) -> None:
    calls = Tokens()
    async with serving(calls=calls) as server:
        url = server.url_for(calls.token)
        async with server.connect(url) as lost:
            if said:
                await lost.send(said)
            lost.transport.abort()
        await server.quiet()

        async with server.connect(url) as again:
            await server.call(again)
            await again.send(KEY)
            await until(lambda: calls.calls[0].heard)

        assert len(calls.calls) == 1


@on_uvloop
async def test_a_carrier_whose_connection_vanished_is_admitted_before_that_is_given_up() -> None:
    """No FIN came: the older socket is dropped when the newer one is let in, not ten seconds on."""
    calls = Tokens()
    async with serving(calls=calls) as server:
        url = server.url_for(calls.token)
        async with server.connect(url) as vanished:
            with pytest.raises(InvalidStatus):
                await server.connect(url)
            calls.now += TAKE_OVER_S
            async with server.connect(url) as again:
                await vanished.wait_closed()
                await server.call(again)
                await again.send(KEY)
                await until(lambda: calls.calls[0].heard)

    assert len(calls.calls) == 1


@on_uvloop
async def test_a_token_of_another_provider_opens_nothing() -> None:
    calls = Tokens()
    token = calls.out.mint(CallId("20261122-cd"), "exotel", "c-1")
    async with serving(calls=calls) as server:
        with pytest.raises(InvalidStatus) as refusal:
            await server.connect(server.url_for(token))

    assert refusal.value.response.status_code == 403
