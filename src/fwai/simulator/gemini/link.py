"""The socket and the clock of one simulated session."""

import asyncio
import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode

from fwai.simulator.gemini.record import SessionRecord
from fwai.simulator.gemini.wire import Json, encode

SEND_LIMIT_S = 10.0
"""A client that takes nothing for so long is cut off."""


MAX_HELD = 1_000
"""Frames that wait for a network that was cut; later ones are lost."""


class LinkAbort(Exception):  # noqa: N818 - an order to cut the wire, not an error of this program
    """The connection must be broken off without a close frame."""


@dataclass(frozen=True, slots=True)
class SimClock:
    """The simulator's time, which may run faster than the clock on the wall.

    Attributes:
        scale: Simulated seconds per real second.
    """

    scale: float = 1.0

    def ms(self) -> float:
        """Return now, in simulated milliseconds."""
        return asyncio.get_running_loop().time() * 1000 * self.scale

    async def until(self, at_ms: float) -> None:
        """Wait until a point of simulated time; one that has passed costs nothing."""
        left_ms = at_ms - self.ms()
        if left_ms > 0:
            await asyncio.sleep(left_ms / 1000 / self.scale)

    async def sleep(self, length_ms: float) -> None:
        """Wait so many simulated milliseconds."""
        await self.until(self.ms() + length_ms)


@dataclass(slots=True)
class Link:
    """Sends frames to the client.

    Attributes:
        socket: The open connection.
        clock: The simulator's time.
        record: What is kept of the session.
        stalled: Nothing is sent any more, as when the service has died behind its socket.
        odd: Frames carry fields and parts that no client knows.
        twice: Every tool call is sent twice.
        frozen: The network is cut: nothing goes either way, and nobody is told.
    """

    socket: ServerConnection
    clock: SimClock
    record: SessionRecord
    stalled: bool = False
    odd: bool = False
    twice: bool = False
    frozen: bool = False
    _held: deque[Json] = field(default_factory=deque)
    _count: Iterator[int] = field(default_factory=itertools.count)

    async def send(self, frame: Json) -> None:
        """Send one frame.

        Raises:
            LinkAbort: The client does not read.
            ConnectionClosed: It has gone.
        """
        if self.stalled:
            return
        if self.frozen:
            if len(self._held) < MAX_HELD:
                self._held.append(frame)
            return
        if self.odd:
            frame = _with_oddities(frame, next(self._count))
        await self.send_raw(encode(frame))
        if self.twice and "toolCall" in frame:
            await self.send_raw(encode(frame))

    async def send_raw(self, message: bytes) -> None:
        """Send bytes as they are, in a frame.

        Raises:
            LinkAbort: The client does not read.
            ConnectionClosed: It has gone.
        """
        if self.stalled or self.frozen:
            return
        try:
            async with asyncio.timeout(SEND_LIMIT_S):
                await self.socket.send(message)
        except TimeoutError as exc:
            raise LinkAbort from exc

    def freeze(self) -> None:
        """Cut the network: nothing is read, sent or answered."""
        self.frozen = True
        self.socket.transport.pause_reading()

    async def thaw(self) -> None:
        """Let what was held come after all; a stalled link sends again, too.

        Raises:
            LinkAbort: The client does not read.
            ConnectionClosed: It has gone.
        """
        self.stalled = False
        if not self.frozen:
            return
        self.frozen = False
        if not self.socket.transport.is_closing():
            self.socket.transport.resume_reading()
        while self._held:
            await self.send(self._held.popleft())

    def delay_pongs(self, delay_ms: float) -> None:
        """Answer every ping so much later."""
        protocol, transport = self.socket.protocol, self.socket
        send_now = protocol.send_frame

        def send(frame: Frame) -> None:
            if frame.opcode is not Opcode.PONG:
                send_now(frame)
                return

            def late() -> None:
                if not transport.transport.is_closing():
                    send_now(frame)
                    transport.send_data()

            asyncio.get_running_loop().call_later(delay_ms / 1000 / self.clock.scale, late)

        protocol.send_frame = send  # type: ignore[method-assign]


async def wait_closed(socket: ServerConnection, clock: SimClock, until_ms: float | None) -> None:
    """Wait until a connection is closed, or until a point of simulated time."""
    left_s = None if until_ms is None else max(0.0, until_ms - clock.ms()) / 1000 / clock.scale
    await asyncio.wait({socket.connection_lost_waiter}, timeout=left_s)


def _with_oddities(frame: Json, number: int) -> Json:
    """Return the frame with nested fields of tomorrow, a thought, and a bare audio mime type."""
    body = frame.get("serverContent")
    if not isinstance(body, dict):
        return frame
    body = {**body, "futureField": {"level": number}}
    if "modelTurn" in body:
        parts = [{**part, "futurePart": True} for part in body["modelTurn"]["parts"]]
        for part in parts:
            part["inlineData"] = {**part["inlineData"], "mimeType": "audio/pcm"}
        thought = {"text": "I am thinking.", "thought": True}
        body["modelTurn"] = {"role": "model", "parts": [thought, *parts]}
    return {**frame, "serverContent": body}
