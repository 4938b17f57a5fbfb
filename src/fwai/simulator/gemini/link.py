"""The socket and the clock of one simulated session."""

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from websockets.asyncio.server import ServerConnection

from fwai.simulator.gemini.record import SessionRecord
from fwai.simulator.gemini.wire import Json, encode

SEND_LIMIT_S = 10.0
"""A client that takes nothing for so long is cut off."""


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
    """

    socket: ServerConnection
    clock: SimClock
    record: SessionRecord
    stalled: bool = False
    odd: bool = False
    _count: Iterator[int] = field(default_factory=itertools.count)

    async def send(self, frame: Json) -> None:
        """Send one frame.

        Raises:
            LinkAbort: The client does not read.
            ConnectionClosed: It has gone.
        """
        if self.stalled:
            return
        if self.odd:
            frame = _with_oddities(frame, next(self._count))
        try:
            async with asyncio.timeout(SEND_LIMIT_S):
                await self.socket.send(encode(frame))
        except TimeoutError as exc:
            raise LinkAbort from exc


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
