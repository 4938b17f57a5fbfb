"""Media streams of Plivo and Exotel: whole legs over a socket that is none, under real sessions."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fakes import FakeAgent
from fuzz.corpus import found, messages, recorded
from fuzz.judge import Prepared, Wire
from fuzz.mutator import Mutator
from fuzz.talk import REPLY, FakeSocket, Talk
from fwai.adapters.exotel.codec import ExotelCodec
from fwai.adapters.exotel.leg import ExotelLeg
from fwai.adapters.media_codec import MediaCodec
from fwai.adapters.media_socket import MAX_MESSAGE_BYTES
from fwai.adapters.media_stream import WebSocketLeg
from fwai.adapters.plivo.codec import PlivoCodec

MESSAGES_OF_ONE = 5_000  # what grows in one call must be seen
UNSTARTED = 8  # messages that a stream may send before its start
STARTED = 0.9  # share of streams that begin as they should
TICK_S = 0.02


class _Stream:
    """One media stream after another."""

    def __init__(
        self, mutator: Mutator, codec: Callable[[], MediaCodec], starts: list[bytes]
    ) -> None:
        self._chance = mutator.chance
        self._codec = codec
        self._starts = starts
        self._leg: WebSocketLeg | None = None
        self._talk: Talk | None = None
        self._agent: FakeAgent | None = None
        self._count = 0

    def prepare(self, message: bytes) -> memoryview:
        return memoryview(message)

    async def deliver(self, prepared: Prepared) -> bool:
        leg = self._leg or await self._begin()
        errors = leg.wire_errors
        leg._receive(prepared)
        self._count += 1
        await self._go_on(leg)
        return leg.wire_errors == errors

    async def _begin(self) -> WebSocketLeg:
        leg = self._leg = (ExotelLeg if self._chance.random() < 0.5 else WebSocketLeg)(
            self._codec()
        )
        leg._socket = FakeSocket(leg._closed)  # type: ignore[assignment]
        self._count = 0
        if self._chance.random() < STARTED:
            leg._receive(memoryview(self._chance.choice(self._starts)))
        await self._go_on(leg)
        return leg

    async def _go_on(self, leg: WebSocketLeg) -> None:
        """Let time pass, and do what a route does with a leg."""
        started = leg._started
        if self._talk is None and started.done() and started.exception() is None:
            self._agent = FakeAgent()
            self._talk = Talk(leg, self._agent)
            await asyncio.sleep(0)
        if self._agent is not None and self._count % 40 == 1:
            for event in REPLY:
                self._agent.say(event)
        await asyncio.sleep(TICK_S if self._count % 3 else 0)
        if (
            self._count > MESSAGES_OF_ONE
            or (self._talk is None and self._count > UNSTARTED)
            or (self._talk is not None and self._talk.over)
            or leg._gone.is_set()
        ):
            await self.end()

    async def end(self) -> None:
        leg, talk, self._leg, self._talk, self._agent = self._leg, self._talk, None, None, None
        if leg is None or leg._socket is None:
            return
        leg._socket.close()
        await leg.gone()
        if leg._started.done():
            leg._started.exception()
        if talk is not None:
            await talk.finish()


def _opens(codec: Callable[[], MediaCodec], starts: list[bytes]) -> Callable[[Mutator], Any]:
    @asynccontextmanager
    async def opened(mutator: Mutator) -> AsyncIterator[_Stream]:
        stream = _Stream(mutator, codec, starts)
        yield stream
        await stream.end()

    return opened


def _good(codec: Callable[[], MediaCodec], starts: list[bytes]) -> list[bytes]:
    good = []
    for start in starts:
        try:
            if codec().decode(memoryview(start)) is not None:
                good.append(start)
        except Exception:  # noqa: BLE001, S112 - a recorded one that is to be refused
            continue
    return good


def _wire(name: str, codec: Callable[[], MediaCodec]) -> Wire:
    starts = messages(f"{name}/start")
    starts += [
        json.dumps(one["message"]).encode()
        for one in recorded(f"{name}/variants")
        if "message" in one
    ]
    seeds = messages(
        *(f"{name}/{kind}" for kind in ("media", "events", "start", "variants", "malformed"))
    )
    return Wire(
        f"{name}-media",
        Mutator.json,
        [*seeds, *found(f"{name}-media")],
        MAX_MESSAGE_BYTES,
        _opens(codec, _good(codec, starts)),
    )


def plivo_wire() -> Wire:
    return _wire("plivo", PlivoCodec)


def exotel_wire() -> Wire:
    return _wire("exotel", ExotelCodec)
