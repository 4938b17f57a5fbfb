"""A caller's leg over a real socket: bad messages, broken connections, peers that do not read."""

import asyncio
import json
import socket
from collections.abc import Callable
from contextlib import suppress

import pytest
from structlog.testing import capture_logs
from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode

from fwai.adapters import media_stream
from fwai.adapters.media_socket import MAX_MESSAGE_BYTES
from fwai.domain.events import CallerHungUp, DtmfPressed
from fwai.http import websocket
from unit.adapters.media_server import (
    KEY,
    SPEECH,
    STOP,
    MediaServer,
    carrying,
    frame,
    media,
    on_uvloop,
    serving,
    start,
    until,
)

# ---- bad messages -------------------------------------------------------------------------------

MALFORMED = ["garbage", "{}", '{"event":"media","media":{"payload":"!"}}', start("other")]


@pytest.mark.parametrize("bad", MALFORMED)
@on_uvloop
async def test_three_bad_messages_in_a_row_end_the_leg(bad: str) -> None:
    async with carrying() as (_, client, carried):
        for _ in range(3):
            await client.send(bad)
        await client.wait_closed()
        await until(lambda: carried.hang_ups)

        assert client.close_code == 1003
        assert carried.heard == [CallerHungUp(failed=True)]
        assert carried.leg.wire_errors == 3


@on_uvloop
async def test_bad_messages_among_good_ones_are_dropped_and_counted() -> None:
    async with carrying() as (_, client, carried):
        for message in ("bad", "bad", KEY, "bad", "bad", '{"event":"new"}', "bad", KEY):
            await client.send(message)
        await until(lambda: len(carried.heard) == 2)

        assert carried.leg.wire_errors == 5
        assert carried.hang_ups == []


@pytest.mark.parametrize(
    "bad", [b'{"event":"dtmf","dtmf":{"digit":"\xff"}}', b'{"event":"x","a":' + b"[" * 20_000]
)
@on_uvloop
async def test_text_that_is_no_text_is_one_bad_message(bad: bytes) -> None:
    async with carrying() as (_, client, carried):
        await client.send(bad, text=True)
        await client.send(KEY)
        await until(lambda: carried.heard)

        assert carried.heard == [DtmfPressed("5")]
        assert carried.leg.wire_errors == 1


@on_uvloop
async def test_a_flood_of_bad_messages_is_reported_once() -> None:
    with capture_logs() as logs:
        async with serving() as server, server.raw() as client:
            client.sendall(frame(b"bad") * 500)
            await server.quiet()

    assert [line["event"] for line in logs].count("stream_closed_on_errors") == 1
    assert server.calls.calls[0].leg.wire_errors == 3


@pytest.mark.parametrize(
    "message",
    [
        "x" * (MAX_MESSAGE_BYTES + 1),
        ["x" * 160_000, "x" * 160_000],
        ["", *["x" * 9000] * 30],
    ],
    ids=["whole", "two fragments", "many fragments"],
)
@on_uvloop
async def test_a_message_that_is_too_long_closes_its_socket_and_no_other(
    message: str | list[str],
) -> None:
    async with serving() as server, server.connect() as client, server.connect() as other:
        carried, undisturbed = await server.call(client), await server.call(other)
        with suppress(ConnectionClosed):  # as early as while it is sent
            await client.send(message)
        await client.wait_closed()
        await until(lambda: carried.hang_ups)
        await other.send(KEY)
        await until(lambda: undisturbed.heard)

        assert client.close_code == 1009
        assert len(carried.hang_ups) == 1
        assert undisturbed.heard == [DtmfPressed("5")]


@on_uvloop
async def test_the_longest_message_is_understood() -> None:
    async with carrying() as (_, client, carried):
        await client.send(KEY[:-1] + f',"x":"{"y" * (MAX_MESSAGE_BYTES - len(KEY) - 7)}"}}')
        await until(lambda: carried.heard)

        assert carried.heard == [DtmfPressed("5")]


@pytest.mark.parametrize(
    "bad",
    [
        frame(b"x", masked=False),
        frame(b"x", opcode=3),
        frame(b"x" * 3, opcode=9, fin=False),
        frame(b"\x00", opcode=8),
        b"\xff" * 50,
    ],
    ids=["no mask", "opcode", "cut ping", "half a close code", "noise"],
)
@on_uvloop
async def test_a_breach_of_the_websocket_protocol_ends_one_leg(bad: bytes) -> None:
    async with serving() as server, server.connect() as other:
        undisturbed = await server.call(other)
        async with server.raw() as client:
            client.sendall(bad)
            await until(lambda: server.calls.calls[1].hang_ups)

        assert len(server.calls.calls[1].hang_ups) == 1
        assert undisturbed.hang_ups == []


# ---- how it ends --------------------------------------------------------------------------------


@on_uvloop
async def test_a_connection_that_breaks_is_one_hang_up() -> None:
    async with carrying() as (server, client, carried):
        client.transport.abort()
        await server.quiet()

        assert carried.heard == [CallerHungUp()]


@pytest.mark.parametrize("code", [1000, 1001, 1011, 3000, 4999])
@on_uvloop
async def test_a_peer_that_closes_is_answered_and_one_hang_up(code: int) -> None:
    async with carrying() as (server, client, carried):
        await client.close(code, "bye")
        await server.quiet()

        assert client.protocol.close_rcvd is not None
        assert carried.heard == [CallerHungUp()]


@on_uvloop
async def test_a_close_without_a_code_is_one_hang_up() -> None:
    async with carrying() as (server, client, carried):
        client.transport.write(frame(b"", opcode=Opcode.CLOSE))
        await server.quiet()

        assert carried.heard == [CallerHungUp()]


@on_uvloop
async def test_stop_and_close_are_one_hang_up() -> None:
    async with carrying() as (server, client, carried):
        await client.send(STOP)
        await client.send(STOP)
        await client.close()
        await server.quiet()

        assert carried.heard == [CallerHungUp()]


def _closes(client: socket.socket) -> None:
    client.sendall(frame(b"\x03\xe8", opcode=8))


@pytest.mark.parametrize("leave", [_closes, lambda client: client.shutdown(socket.SHUT_WR)])
@on_uvloop
async def test_a_peer_that_leaves_without_stop_while_it_is_spoken_to_has_hung_up(
    monkeypatch: pytest.MonkeyPatch, leave: Callable[[socket.socket], None]
) -> None:
    """It reads no more, so our last words cannot be sent: a normal end, and at once."""
    monkeypatch.setattr(websocket, "LINGER_S", 0.05)

    async with serving() as server, server.raw(receive_buffer=4096) as client:
        await fill(server)
        carried = server.calls.calls[0]
        leave(client)

        def over() -> bool:
            carried.leg.play(SPEECH)
            return bool(carried.hang_ups)

        await until(over)

        assert carried.heard == [CallerHungUp()]


@on_uvloop
async def test_a_leg_that_is_closed_says_goodbye_properly() -> None:
    async with carrying() as (server, client, carried):
        carried.over.set()
        await client.wait_closed()
        await server.quiet()

        assert client.close_code == 1000
        assert carried.heard == []


@on_uvloop
async def test_a_peer_in_full_flow_still_gets_the_goodbye() -> None:
    async with carrying() as (_, client, carried):
        for _ in range(200):
            await client.send(media())
        carried.over.set()
        with suppress(ConnectionClosed):
            while True:
                await client.send(media())
                await asyncio.sleep(0)

        assert client.close_code == 1000


@on_uvloop
async def test_a_closed_leg_takes_everything_and_does_nothing() -> None:
    async with carrying() as (server, _, carried):
        carried.over.set()
        await server.quiet()

        carried.leg.play(SPEECH)
        carried.leg.clear()
        marked = carried.leg.mark("x")
        await carried.leg.close()
        await carried.leg.gone()

        assert not marked


# ---- a peer that does not read ------------------------------------------------------------------


async def fill(server: MediaServer) -> None:
    """Speak until the peer's and the kernel's buffers are full."""
    leg = server.calls.calls[-1].leg
    async with asyncio.timeout(5.0):
        while not leg.dropped_messages:
            leg.play(bytes(48_000))
            await asyncio.sleep(0)


@on_uvloop
async def test_speech_for_a_peer_that_does_not_read_is_dropped_and_counted() -> None:
    async with serving() as server, server.connect() as other:
        undisturbed = await server.call(other)
        async with server.raw(receive_buffer=4096):
            await fill(server)
            slow = server.calls.calls[1]
            before = slow.leg.dropped_messages
            slow.leg.play(SPEECH)
            undisturbed.leg.play(SPEECH)
            heard = json.loads(await other.recv())

            assert slow.leg.dropped_messages == before + 1
            assert slow.leg.mark("still goes in")
            assert slow.hang_ups == []
            assert heard["event"] == "playAudio"
            assert undisturbed.leg.dropped_messages == 0


@on_uvloop
async def test_a_peer_that_reads_again_is_spoken_to_again() -> None:
    async with serving() as server, server.raw(receive_buffer=4096) as client:
        await fill(server)
        leg = server.calls.calls[0].leg
        client.setblocking(False)

        def taken() -> bool:
            with suppress(BlockingIOError):
                client.recv(1 << 20)
            dropped = leg.dropped_messages
            leg.play(SPEECH)
            return leg.dropped_messages == dropped

        await until(taken)

        assert server.calls.calls[0].hang_ups == []


@pytest.mark.parametrize("speaks", [True, False])
@on_uvloop
async def test_a_peer_that_takes_nothing_for_too_long_has_broken_its_leg(
    monkeypatch: pytest.MonkeyPatch, speaks: bool
) -> None:
    """Also while nobody says anything."""
    monkeypatch.setattr(websocket, "STALLED_S", 0.05)

    async with serving() as server, server.connect() as other:
        undisturbed = await server.call(other)
        async with server.raw(receive_buffer=4096):
            await fill(server)
            slow = server.calls.calls[1]

            def gone() -> bool:
                if speaks:
                    slow.leg.play(SPEECH)
                return bool(slow.hang_ups)

            with capture_logs() as logs:
                await until(gone)

            assert slow.heard == [CallerHungUp(failed=True)]
            assert [line["event"] for line in logs] == ["stream_stalled"]
            assert undisturbed.hang_ups == []


@on_uvloop
async def test_closing_does_not_wait_for_a_peer_that_does_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(media_stream, "CLOSE_S", 0.05)

    async with serving() as server, server.raw(receive_buffer=4096):
        await fill(server)
        server.calls.calls[0].over.set()
        await server.quiet()

        assert server.calls.calls[0].heard == []
