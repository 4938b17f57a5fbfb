"""What strangers, and one who holds a signature, may throw at a server: each bounded in count."""

import asyncio
import json
import random
import socket
import struct
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from bench.dialling import Dialler, post
from bench.targets import ACCOUNTS, Target

IDLE: Final = 1_200
UNSIGNED: Final = 2_000
SIGNED: Final = 300
DATAGRAMS: Final = 25_000
HEADER_BYTES: Final = 32 * 1024 * 1024
FRAME_BYTES: Final = 8 * 1024 * 1024
PINGS: Final = 100_000
HOLD_S: Final = 8.0
AT_ONCE: Final = 20
STRANGERS: Final = 8

Attack = Callable[[Target], Awaitable[str]]


async def unsigned_posts(target: Target) -> str:
    """Answer webhooks without a signature."""
    url, statuses = f"{target.base_url}/plivo/answer?v=1", dict[int, int]()
    places = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with places:
            with suppress(OSError, TimeoutError, ValueError, IndexError):
                form = {"CallUUID": str(uuid.uuid4()), "From": f"+9170001{number:05d}"}
                status, _ = await post(url, form, {})
                statuses[status] = statuses.get(status, 0) + 1

    await asyncio.gather(*(one(number) for number in range(UNSIGNED)))
    return f"answers by status: {dict(sorted(statuses.items()))}"


async def signed_answers(target: Target) -> str:
    """Answer webhooks of a captured signer whose streams never come."""
    dialler = Dialler(target.base_url, "plivo", target.secret)
    places, streams = asyncio.Semaphore(AT_ONCE), 0

    async def one(number: int) -> None:
        nonlocal streams
        async with places:
            with suppress(OSError, TimeoutError, RuntimeError, ValueError, IndexError):
                found = await dialler.stream(str(uuid.uuid4()), f"+9170002{number:05d}")
                streams += found is not None

    await asyncio.gather(*(one(number) for number in range(SIGNED)))
    return f"{streams} of {SIGNED} were given a stream"


async def garbage_datagrams(target: Target) -> str:
    """Datagrams of every kind, ten thousand a second."""
    return await _send_datagrams(target, rest_s=0.01)


async def datagrams_at_once(target: Target) -> str:
    """The same as fast as a process can send them."""
    return await _send_datagrams(target, rest_s=0.0)


async def _send_datagrams(target: Target, rest_s: float) -> str:
    """Send from other addresses to each UDP port that the process has bound."""
    ports = await asyncio.to_thread(udp_ports, target.process.pid)
    kinds, sent, began = datagrams(), 0, time.monotonic()
    with ExitStack() as stack:
        senders = []
        for n in range(STRANGERS):
            udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            udp.setblocking(False)
            udp.bind((f"127.0.0.{2 + n}", 0))
            senders.append(udp)
        for n in range(DATAGRAMS if ports else 0):
            place = n // len(ports)
            with suppress(OSError):
                udp = senders[place % STRANGERS]
                udp.sendto(kinds[place % len(kinds)], ("127.0.0.1", ports[n % len(ports)]))
                sent += 1
            if n % 100 == 0:
                await asyncio.sleep(rest_s)
    return f"{sent} to {len(ports)} ports in {time.monotonic() - began:.1f} s"


def datagrams() -> list[bytes]:
    """Return one of each kind: nothing, noise, and what looks like STUN, DTLS, RTP or RTCP."""
    chance = random.Random(7)
    cookie = struct.pack("!I12x", 0x2112A442)
    check = struct.pack("!HH", 1, 12) + cookie + struct.pack("!HH8s", 6, 8, b"some:one")
    kinds = [b"", b"\0", b"\xff" * 1200]
    kinds += [chance.randbytes(1 + chance.randrange(1_400)) for _ in range(8)]
    kinds += [struct.pack("!HH", 1, 40) + cookie, check, struct.pack("!HH", 0x101, 0) + cookie]
    kinds += [b"\x16\xfe" * 90]
    for version in (0xFEFF, 0xFEFD):
        for content, body in ((21, b"\2\x28"), (21, b"\1\0"), (22, b"\1" + chance.randbytes(200))):
            kinds.append(struct.pack("!BHH6xH", content, version, 0, len(body)) + body)
    kinds += [bytes([20 + n]) * (13 + n) for n in range(44)]
    kinds += [b"\x80\x6f" + chance.randbytes(size) for size in (10, 80, 160)]
    return [*kinds, b"\x80\xc8" + chance.randbytes(60), b"\x80\x00" + b"x" * 20]


async def idle_connections(target: Target) -> str:
    """Connections that say nothing."""
    parts, opened = urlsplit(target.base_url), 0
    async with AsyncExitStack() as stack:
        for n in range(IDLE):
            with suppress(OSError):
                _, writer = await asyncio.open_connection(parts.hostname, parts.port)
                stack.callback(writer.close)
                opened += 1
            if n % 50 == 0:
                await asyncio.sleep(0.02)
        await asyncio.sleep(HOLD_S)
    return f"{opened} were opened"


async def one_large_header(target: Target) -> str:
    """One request whose header does not end."""
    parts = urlsplit(target.base_url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    sent, block = 0, b"x" * 65_536
    with suppress(OSError):
        writer.write(b"GET / HTTP/1.1\r\nHost: voice.example.com\r\nX-Large: ")
        while sent < HEADER_BYTES:
            writer.write(block)
            await writer.drain()
            sent += len(block)
        writer.write(b"\r\n\r\n")
    answer = b""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(10):
            answer = await reader.read(200)
    writer.close()
    first = answer.partition(b"\r\n")[0].decode("ascii", "replace")
    return f"{sent // 1024} kB taken, answer {first or 'none'}"


async def large_frames(target: Target) -> str:
    """Messages of 8 MB on a stream that was rightly opened."""
    text = b'{"event":"media","media":{"track":"inbound","payload":"' + b"f" * FRAME_BYTES + b'"}}'

    def throw(transport: WSTransport) -> None:
        for _ in range(4):
            transport.send(WSMsgType.TEXT, text)

    return await _on_a_stream(target, throw, HOLD_S)


async def ping_flood(target: Target) -> str:
    """Pings on a stream whose peer never reads."""

    def throw(transport: WSTransport) -> None:
        transport.underlying_transport.pause_reading()
        for _ in range(PINGS):
            transport.send_ping(b"p" * 125)

    return await _on_a_stream(target, throw, HOLD_S)


class _Peer(WSListener):
    def __init__(self) -> None:
        super().__init__()
        self.closed = asyncio.Event()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.closed.set()


async def _on_a_stream(target: Target, throw: Callable[[WSTransport], None], hold_s: float) -> str:
    call_id, number = str(uuid.uuid4()), "+917000300001"
    found = await Dialler(target.base_url, "plivo", target.secret).stream(call_id, number)
    if found is None:
        return "no stream was given"
    peer = _Peer()
    transport, _ = await ws_connect(lambda: peer, found[0], extra_headers=found[1])
    start: dict[str, object] = {
        "callId": call_id,
        "streamId": "s",
        "accountId": ACCOUNTS["plivo"],
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
    }
    opening = {"event": "start", "sequenceNumber": 0, "start": start}
    transport.send(WSMsgType.TEXT, json.dumps(opening).encode())
    throw(transport)
    closed = False
    with suppress(TimeoutError):
        async with asyncio.timeout(hold_s):
            await peer.closed.wait()
            closed = True
    transport.underlying_transport.abort()
    return "the server closed the stream" if closed else "the stream stayed open"


def udp_ports(pid: int) -> list[int]:
    """Return the UDP ports that a process has bound."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            name = str(link.readlink())
            if name.startswith("socket:["):
                inodes.add(name[8:-1])
    found = []
    for table in ("udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text("ascii").splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes:
                found.append(int(fields[1].rpartition(":")[2], 16))
    return found


ATTACKS: Final[dict[str, Attack]] = {
    f"{UNSIGNED} unsigned POSTs": unsigned_posts,
    f"{SIGNED} signed answers without a stream": signed_answers,
    f"{DATAGRAMS} garbage datagrams": garbage_datagrams,
    f"{DATAGRAMS} of them at once": datagrams_at_once,
    f"{IDLE} idle connections": idle_connections,
    "one header of 32 MB": one_large_header,
    "frames of 8 MB": large_frames,
    f"{PINGS} pings to a peer that does not read": ping_flood,
}
