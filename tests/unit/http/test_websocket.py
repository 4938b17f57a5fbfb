"""Our socket as a client, against a server made with another library; hostile frames among them."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, ParamSpec

import pytest
import uvloop
from picows import ws_connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

import virtual_time
from fwai.http import websocket
from fwai.http.websocket import CONTROL_BYTES, STALLED_S, Socket
from polling import until

WITHIN_S = 3.0
MAX_BYTES = 10_000
P = ParamSpec("P")
Behaviour = Callable[[ServerConnection], Coroutine[Any, Any, None]]


def on_uvloop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        uvloop.run(test(*args, **kwargs))

    return run


@dataclass
class Line:
    """Our socket, connected, and what it was told."""

    received: list[bytes] = field(default_factory=list)
    endings: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.socket = Socket(
            lambda view: self.received.append(bytes(view)),
            lambda code, reason: self.endings.append((code, reason)),
            MAX_BYTES,
            1000,
        )


@asynccontextmanager
async def connected(server: Behaviour, *, max_frame_size: int = MAX_BYTES) -> AsyncIterator[Line]:
    line = Line()
    async with serve(server, "127.0.0.1", 0, compression=None, ping_interval=None) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        await ws_connect(
            lambda: line.socket,
            f"ws://127.0.0.1:{port}/",
            max_frame_size=max_frame_size,
            enable_auto_pong=False,
        )
        try:
            yield line
        finally:
            line.socket.abort()
            await until(lambda: line.endings)
    assert len(line.endings) == 1
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


def says(*messages: Any) -> Behaviour:  # noqa: ANN401 - as websockets takes them
    async def run(connection: ServerConnection) -> None:
        for message in messages:
            await connection.send(message)
        await connection.wait_closed()

    return run


def writes(data: bytes) -> Behaviour:
    async def run(connection: ServerConnection) -> None:
        connection.transport.write(data)
        await connection.wait_closed()

    return run


@on_uvloop
async def test_messages_go_both_ways() -> None:
    async with connected(echo) as line:
        assert line.socket.open
        assert line.socket.send("नमस्ते".encode())
        assert line.socket.send(b"x" * 9000, droppable=True)
        await until(lambda: len(line.received) == 2)

        assert line.received == ["नमस्ते".encode(), b"x" * 9000]


@on_uvloop
async def test_text_binary_and_fragmented_messages_come_whole() -> None:
    async with connected(says("text", b"binary", ["in ", "three ", "parts"], "", "last")) as line:
        await until(lambda: b"last" in line.received)

        assert line.received == [b"text", b"binary", b"in three parts", b"", b"last"]


@pytest.mark.parametrize("size", [MAX_BYTES, MAX_BYTES - 1])
@on_uvloop
async def test_the_longest_message_put_together_is_taken(size: int) -> None:
    async with connected(says(["x" * 5000, "y" * (size - 5000)])) as line:
        await until(lambda: line.received)

        assert len(line.received[0]) == size


@on_uvloop
async def test_a_message_that_grows_too_long_closes_the_socket() -> None:
    closed: list[int | None] = []

    async def server(connection: ServerConnection) -> None:
        try:
            await connection.send(["x" * 6000, "y" * 6000, "z" * 6000])
            await connection.wait_closed()
        except ConnectionClosed:
            pass
        closed.append(connection.close_code)

    async with connected(server) as line:
        await until(lambda: line.endings and closed)

        assert closed == [1009]
        assert line.received == []


@on_uvloop
async def test_nothing_is_delivered_after_we_have_closed() -> None:
    """Further messages of the same read are already there."""
    line = Line()

    def close_at_once(view: memoryview) -> None:
        line.received.append(bytes(view))
        line.socket.close(1000)

    async with serve(writes(b"\x81\x01a\x81\x01b\x81\x01c"), "127.0.0.1", 0) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        line.socket = Socket(close_at_once, lambda *end: line.endings.append(end), MAX_BYTES, 1000)
        await ws_connect(lambda: line.socket, f"ws://127.0.0.1:{port}/")
        await until(lambda: line.endings)

    assert line.received == [b"a"]
    assert len(line.endings) == 1


@pytest.mark.parametrize(
    ("code", "reason"), [(1000, ""), (1001, "going away"), (1011, "अरे"), (4321, "ours")]
)
@on_uvloop
async def test_the_peers_close_code_and_reason_are_told(code: int, reason: str) -> None:
    async def server(connection: ServerConnection) -> None:
        await connection.close(code, reason)

    async with connected(server) as line:
        await until(lambda: line.endings)

        assert line.endings == [(code, reason)]
        assert not line.socket.open


@on_uvloop
async def test_a_close_without_a_code_is_1005() -> None:
    async with connected(writes(b"\x88\x00")) as line:
        await until(lambda: line.endings)

        assert line.endings == [(1005, "")]


@on_uvloop
async def test_a_connection_that_breaks_is_1006() -> None:
    async def server(connection: ServerConnection) -> None:
        connection.transport.abort()

    async with connected(server) as line:
        await until(lambda: line.endings)

        assert line.endings == [(1006, "")]


@on_uvloop
async def test_a_breach_of_the_protocol_is_an_end_and_told_once() -> None:
    async with connected(writes(b"\xff\xff\xff")) as line:
        await until(lambda: line.endings)

        assert line.received == []


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1008, "no"), (1003, "x" + "é" * 100)])
@on_uvloop
async def test_our_close_reaches_the_peer(code: int, reason: str) -> None:
    ends: list[tuple[int | None, str | None]] = []

    async def server(connection: ServerConnection) -> None:
        await connection.wait_closed()
        ends.append((connection.close_code, connection.close_reason))

    async with connected(server) as line:
        line.socket.close(code, reason)
        line.socket.close(1011, "twice")
        await until(lambda: ends)

        assert ends[0][0] == code
        assert reason.startswith(ends[0][1] or "")


@on_uvloop
async def test_what_is_closed_takes_no_message() -> None:
    async with connected(echo) as line:
        line.socket.close()

        assert not line.socket.open
        assert not line.socket.send(b"late")
        await until(lambda: line.endings)
        line.socket.close()
        line.socket.abort()
        assert not line.socket.send(b"later")
        assert line.received == []


def test_what_is_not_connected_takes_no_message() -> None:
    line = Line()

    line.socket.close()
    line.socket.abort()

    assert not line.socket.open
    assert not line.socket.send(b"early")


@on_uvloop
async def test_a_congested_socket_refuses_what_is_worth_nothing_later() -> None:
    async with connected(says()) as line:
        line.socket.pause_writing()
        taken = [line.socket.send(b"audio", droppable=True), line.socket.send(b"control")]
        line.socket.resume_writing()
        taken.append(line.socket.send(b"audio", droppable=True))

        assert taken == [False, True, True]


@on_uvloop
async def test_a_peer_that_does_not_read_congests_and_reading_relieves() -> None:
    read = asyncio.Event()

    async def server(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await read.wait()
        connection.transport.resume_reading()
        async for _ in connection:
            pass

    async with connected(server) as line:
        async with asyncio.timeout(WITHIN_S):
            while line.socket.send(b"x" * 60_000, droppable=True):  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert line.socket.congested

        read.set()
        await until(lambda: not line.socket.congested)

        assert line.socket.send(b"again", droppable=True)


@on_uvloop
async def test_a_ping_is_answered() -> None:
    answered = asyncio.Event()

    async def server(connection: ServerConnection) -> None:
        await (await connection.ping())
        answered.set()
        await connection.wait_closed()

    async with connected(server) as line:
        async with asyncio.timeout(WITHIN_S):
            await answered.wait()

        assert line.received == []


# ---- frames that are judged ---------------------------------------------------------------------


def frame(payload: bytes = b"", *, opcode: int = 1, fin: int = 0x80, rsv: int = 0) -> bytes:
    """Return a frame as a server writes it."""
    size = len(payload)
    if size < 126:
        head = bytes([fin | rsv | opcode, size])
    elif size < 1 << 16:
        head = bytes([fin | rsv | opcode, 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([fin | rsv | opcode, 127]) + size.to_bytes(8, "big")
    return head + payload


def cut(payload: bytes, *, opcode: int = 1) -> bytes:
    """Return a frame that does not end its message."""
    return frame(payload, opcode=opcode, fin=0)


LONG = b"x" * (MAX_BYTES + 1)
HOSTILE: dict[str, tuple[bytes, int]] = {
    "reserved bit 1": (frame(b"a", rsv=0x40), 1002),
    "reserved bit 2": (frame(b"a", rsv=0x20), 1002),
    "reserved bit 3": (frame(b"a", rsv=0x10), 1002),
    "reserved bit of a ping": (frame(b"a", opcode=9, rsv=0x40), 1002),
    "reserved bit of a continuation": (cut(b"a") + frame(b"b", opcode=0, rsv=0x40), 1002),
    **{f"opcode {opcode}": (frame(b"a", opcode=opcode), 1002) for opcode in (3, 7, 11, 15)},
    "cut ping": (cut(b"a", opcode=9), 1002),
    "cut pong": (cut(b"a", opcode=10), 1002),
    "cut close": (cut(b"\x03\xe8", opcode=8), 1002),
    "long ping": (frame(b"a" * 126, opcode=9), 1002),
    "long pong": (frame(b"a" * 126, opcode=10), 1002),
    "long close": (frame(b"\x03\xe8" + b"a" * 124, opcode=8), 1002),
    "endless ping": (b"\x89\x7f" + b"\xff" * 8, 1002),
    "continuation of nothing": (frame(b"a", opcode=0), 1002),
    "cut continuation of nothing": (cut(b"a", opcode=0), 1002),
    "text inside a message": (cut(b"a") + frame(b"b"), 1002),
    "binary inside a message": (cut(b"a") + frame(b"b", opcode=2), 1002),
    "cut text inside a message": (cut(b"a") + cut(b"b"), 1002),
    "masked": (b"\x81\x81\0\0\0\0a", 1002),
    "length longer than needed": (b"\x81\x7e\x00\x01a", 1002),
    "length much longer than needed": (b"\x81\x7f" + bytes(7) + b"\x01a", 1002),
    "negative length": (b"\x81\x7f\x80" + bytes(7) + b"a", 1002),
    "long": (frame(LONG), 1009),
    "long binary": (frame(LONG, opcode=2), 1009),
    "long and cut": (cut(LONG), 1009),
    "long continuation": (cut(b"a") + frame(LONG, opcode=0), 1009),
    "long in sum": (cut(b"x" * 6000) + frame(b"x" * 6000, opcode=0), 1009),
    "long in sum and cut": (cut(b"x" * 6000) + cut(b"x" * 6000, opcode=0), 1009),
    "long by its head only": (b"\x81\x7f" + (1 << 40).to_bytes(8, "big"), 1009),
    "half a close code": (frame(b"\x03", opcode=8), 1002),
    "close code 999": (frame(b"\x03\xe7", opcode=8), 1002),
    "close reason that is no text": (frame(b"\x03\xe8\xff", opcode=8), 1007),
}


@pytest.mark.parametrize("pieces", [1, 2], ids=["at once", "in two"])
@pytest.mark.parametrize("kind", HOSTILE)
@on_uvloop
async def test_a_hostile_frame_closes_the_socket_and_delivers_nothing(
    kind: str, pieces: int
) -> None:
    """Not even what comes right behind it, whether or not that is in the same write."""
    data, code = HOSTILE[kind]
    closed: list[int | None] = []

    async def server(connection: ServerConnection) -> None:
        behind = frame(b"behind") * 3
        if pieces == 1:
            connection.transport.write(data + behind)
        else:
            connection.transport.write(data[: len(data) // 2])
            await asyncio.sleep(0.002)
            with suppress(RuntimeError):  # what came first may have been enough for a close
                if not connection.transport.is_closing():
                    connection.transport.write(data[len(data) // 2 :] + behind)
        await connection.wait_closed()
        closed.append(connection.close_code)

    async with connected(server) as line:
        await until(lambda: line.endings and closed)

        assert line.received == []
        assert closed == [code]


@on_uvloop
async def test_what_was_too_long_is_not_delivered_when_its_rest_comes_at_once() -> None:
    """picows announces its close and would deliver the message all the same."""
    async with connected(writes(frame(LONG * 50) + frame(b"behind"))) as line:
        await until(lambda: line.endings)

        assert line.received == []


@on_uvloop
async def test_a_frame_that_picows_was_given_more_room_for_is_too_long_all_the_same() -> None:
    async with connected(writes(frame(LONG)), max_frame_size=1 << 20) as line:
        await until(lambda: line.endings)

        assert line.received == []


@pytest.mark.parametrize(
    "between",
    [frame(b"p", opcode=9), frame(b"p", opcode=10), cut(b"", opcode=0) * 300],
    ids=["ping", "pong", "nothing"],
)
@on_uvloop
async def test_what_may_come_between_fragments_disturbs_none(between: bytes) -> None:
    async with connected(writes(cut(b"a") + between + frame(b"b", opcode=0))) as line:
        await until(lambda: line.received)

        assert line.received == [b"ab"]


@on_uvloop
async def test_nothing_is_delivered_after_the_peer_has_closed() -> None:
    data = frame(b"before") + frame(b"\x0f\xa0", opcode=8) + frame(b"behind")
    async with connected(writes(data)) as line:
        await until(lambda: line.endings)

        assert line.received == [b"before"]
        assert line.endings == [(4000, "")]


# ---- pings --------------------------------------------------------------------------------------


@on_uvloop
async def test_a_flood_of_pings_is_answered_now_and_then_the_latest_included() -> None:
    pongs: list[bytes] = []
    sent = [f"{number}".encode() for number in range(2000)]

    async def server(connection: ServerConnection) -> None:
        pong = connection.protocol.recv_frame

        def note(one: Any) -> None:  # noqa: ANN401 - a frame of websockets
            pongs.append(bytes(one.data))
            pong(one)

        connection.protocol.recv_frame = note  # type: ignore[method-assign, assignment]
        connection.transport.write(b"".join(frame(one, opcode=9) for one in sent))
        await connection.wait_closed()

    async with connected(server):
        await until(lambda: sent[-1] in pongs)

    assert pongs[0] == sent[0]
    assert len(pongs) < 10


@on_uvloop
async def test_pings_of_a_peer_that_reads_nothing_are_not_answered_before_it_reads() -> None:
    async with connected(says()) as line:
        transport = line.socket._transport
        assert transport is not None
        waiting = transport.underlying_transport.get_write_buffer_size
        line.socket.pause_writing()
        before = waiting()
        for _ in range(1000):
            line.socket._ping = b"p" * 125
            line.socket._answer_ping()

        assert waiting() == before
        assert line.socket._ping is not None, "it is owed an answer"
        line.socket.resume_writing()
        await until(lambda: line.socket._ping is None)


# ---- peers that take nothing --------------------------------------------------------------------


class Underlying:
    """The loop's transport, with as much waiting as a test says."""

    waiting = 0
    closing = False

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def is_closing(self) -> bool:
        return self.closing

    def set_write_buffer_limits(self, high: int) -> None:
        """Take the limit."""


class Transport:
    """picows' transport, as far as the socket looks at it."""

    is_close_frame_sent = False
    is_disconnected = False

    def __init__(self) -> None:
        self.underlying_transport = Underlying()
        self.sent: list[bytes] = []
        self.ends: list[bool] = []

    def send(self, _: object, message: bytes) -> None:
        self.sent.append(message)

    def send_close(self, *_: object) -> None:
        self.is_close_frame_sent = True

    def disconnect(self, graceful: bool = True) -> None:
        self.ends.append(graceful)


def congested_line() -> tuple[Line, Transport]:
    line, transport = Line(), Transport()
    line.socket.on_ws_connected(transport)  # type: ignore[arg-type]
    line.socket.pause_writing()
    return line, transport


def test_a_peer_that_stays_congested_is_given_up_though_nobody_speaks() -> None:
    async def main() -> None:
        line, transport = congested_line()
        await asyncio.sleep(STALLED_S - 0.1)
        assert transport.ends == []
        await asyncio.sleep(0.2)
        assert transport.ends == [False]
        assert line.socket.stalled

    virtual_time.run(main())


def test_a_peer_that_is_slow_now_and_then_is_kept() -> None:
    async def main() -> None:
        line, transport = congested_line()
        for _ in range(20):
            await asyncio.sleep(STALLED_S - 0.1)
            line.socket.resume_writing()
            await asyncio.sleep(0.01)
            line.socket.pause_writing()
        assert transport.ends == []
        assert not line.socket.stalled
        line.socket.on_ws_disconnected(transport)  # type: ignore[arg-type]

    virtual_time.run(main())


def test_one_that_has_left_is_dropped_in_time_and_that_is_no_stall() -> None:
    async def main() -> None:
        line, transport = congested_line()
        transport.underlying_transport.closing = True
        await asyncio.sleep(STALLED_S + 0.1)
        assert transport.ends == [False]
        assert not line.socket.stalled

    virtual_time.run(main())


def test_control_messages_for_a_congested_peer_have_a_bound() -> None:
    async def main() -> None:
        line, transport = congested_line()
        room = 1000 + CONTROL_BYTES
        taken = []
        for waiting, size in [(1001, 100), (room - 100, 100), (room - 100, 101), (room, 1)]:
            transport.underlying_transport.waiting = waiting
            taken.append(line.socket.send(b"x" * size))
        assert taken == [True, True, False, False]
        line.socket.resume_writing()
        assert line.socket.send(b"x" * room), "one message of any size, when nothing waits"
        line.socket.on_ws_disconnected(transport)  # type: ignore[arg-type]

    virtual_time.run(main())


@pytest.mark.parametrize("closes", ["we", "picows"])
def test_who_does_not_take_our_last_bytes_is_dropped(closes: str) -> None:
    async def main() -> None:
        line, transport = congested_line()
        line.socket.resume_writing()
        if closes == "picows":
            transport.is_close_frame_sent = True
            line.socket.end_soon()
        else:
            line.socket.close(1009, "message too long")
        assert not line.socket.open
        assert not line.socket.send(b"late")
        await asyncio.sleep(websocket.LINGER_S + 0.1)
        assert transport.ends[-1] is False

    virtual_time.run(main())
