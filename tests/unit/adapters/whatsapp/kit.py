"""Stand-ins for Meta, for the media and for the call manager."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fakes import FakeCaller
from fwai.adapters.whatsapp.call_state import CallTimers, Progress
from fwai.adapters.whatsapp.calls import WhatsAppCalls
from fwai.adapters.whatsapp.events import CallConnect, CallProgress, CallTerminated, Party
from fwai.adapters.whatsapp.interfaces import MediaLeg, PendingMedia
from fwai.domain.call import CallId, CallOffer, CallState, Direction, StreamTicket
from fwai.errors import BusyError
from fwai.interfaces.calls import CallControl
from fwai.interfaces.media import CallerLeg
from unit.adapters.handler_kit import FakeCalls

NOW = 1_790_000_000.0
USER = Party("+919900000001", "IN.123")
OFFER = (
    "v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nt=0 0\r\na=ice-lite\r\n"
    "m=audio 3484 UDP/TLS/RTP/SAVPF 111\r\na=fingerprint:sha-256 AA\r\na=setup:actpass\r\n"
)
ANSWER = OFFER.replace("actpass", "active")
OURS = (
    "v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nt=0 0\r\nm=audio 10000 UDP/TLS/RTP/SAVPF 111\r\n"
    "a=fingerprint:sha-256 BB\r\na=setup:{role}\r\na=sendrecv\r\na=rtcp-mux\r\n"
)


def connect(
    call_id: str = "wacid.1", *, at: float | None = NOW, sdp: str = OFFER, ours: bool = False
) -> CallConnect:
    way = Direction.OUTBOUND if ours else Direction.INBOUND
    return CallConnect(call_id, way, USER, "+15550001111", at, sdp)


def terminate(
    call_id: str = "wacid.1", *, status: str = "COMPLETED", duration_s: float | None = None
) -> CallTerminated:
    return CallTerminated(call_id, None, USER, status, duration_s)


def progress(status: str, call_id: str = "wacid.1") -> CallProgress:
    return CallProgress(call_id, status, USER, NOW)


class FakeLeg(FakeCaller):
    """A leg that must be connected and released; writes down when."""

    def __init__(self, world: "World") -> None:
        super().__init__(world.script)
        self._world = world
        world.open_legs += 1

    async def connect(self) -> None:
        self._world.did("connect")
        await self._world.pause("connect")

    def release(self) -> None:
        self._world.did("release")

    async def close(self) -> None:
        if self.closed_at is None:
            self._world.open_legs -= 1
        await super().close()


class FakePending:
    """An offer that waits for its answer."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._leg: FakeLeg | None = None
        self._closed = False
        world.open_legs += 1

    def accept(self, answer_sdp: str) -> MediaLeg:
        self._world.open_legs -= 1
        self._leg = FakeLeg(self._world)
        return self._leg

    async def close(self) -> None:
        assert self._leg is None, "after accept the leg is to be closed"
        if not self._closed:
            self._closed = True
            self._world.open_legs -= 1


@dataclass
class World:
    """Meta's API, the media and the call manager in one, with a script of faults.

    ``faults`` maps what is done to an exception, or to seconds that it takes.
    """

    faults: dict[str, Exception | float] = field(default_factory=dict)
    script: Any = ()
    steps: list[str] = field(default_factory=list)
    descriptions: list[str] = field(default_factory=list)
    offers: list[CallOffer] = field(default_factory=list)
    endings: list[tuple[str, CallState, str]] = field(default_factory=list)
    progress: list[Progress] = field(default_factory=list)
    open_legs: int = 0
    ticket: bool = True
    carries: bool = True
    control: CallControl | None = None
    handler: FakeCalls = field(default_factory=FakeCalls)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    on: dict[str, Callable[[], None]] = field(default_factory=dict)

    def did(self, what: str) -> None:
        self.steps.append(what)
        if (then := self.on.get(what)) is not None:
            then()

    async def pause(self, what: str) -> None:
        fault = self.faults.get(what)
        if isinstance(fault, Exception):
            raise fault
        if fault is not None:
            await asyncio.sleep(fault)

    # ---- Meta -----------------------------------------------------------------------------------

    async def pre_accept(self, call_id: str, sdp: str) -> None:
        self.descriptions.append(sdp)
        self.did("pre_accept")
        await self.pause("pre_accept")

    async def accept(self, call_id: str, sdp: str) -> None:
        self.descriptions.append(sdp)
        self.did("accept")
        await self.pause("accept")

    async def reject(self, call_id: str) -> None:
        self.did("reject")
        await self.pause("reject")

    async def terminate(self, call_id: str) -> None:
        self.did("terminate")
        await self.pause("terminate")

    async def connect(self, to: Party, sdp: str, reference: str) -> str:
        self.descriptions.append(sdp)
        self.did("dial")
        await self.pause("dial")
        return "wacid.1"

    # ---- the media ------------------------------------------------------------------------------

    async def answer(self, offer_sdp: str) -> tuple[MediaLeg, str]:
        self.did("answer")
        await self.pause("answer")
        return FakeLeg(self), OURS.format(role="active")

    async def offer_media(self) -> tuple[PendingMedia, str]:
        await self.pause("offer")
        return FakePending(self), OURS.format(role="actpass")


class Peer:
    """The media of a world."""

    def __init__(self, world: World) -> None:
        self.answer = world.answer
        self.offer = world.offer_media


class Handler(FakeCalls):
    """The call manager of a world: ends a call that never connected, as the real one does."""

    def __init__(self, world: "World") -> None:
        super().__init__(StreamTicket(CallId("20261122-1"), "token"), tokens={"token"})
        self._world = world
        self._carried = False
        world.handler = self

    async def offer(self, offer: CallOffer, control: CallControl) -> StreamTicket | None:
        world = self._world
        world.offers.append(offer)
        world.control = control
        await world.pause("take")
        return await super().offer(offer, control) if world.ticket else None

    async def carry(self, token: str, provider_call_id: str, leg: CallerLeg) -> bool:
        world = self._world
        assert (token, provider_call_id) == ("token", "wacid.1")
        if not world.carries:
            return False
        self._carried = True
        world.did("carry")
        await world.over.wait()
        await leg.close()
        return True

    async def over_with(self, provider_call_id: str, state: CallState, cause: str) -> None:
        world = self._world
        if any(one[0] == provider_call_id for one in world.endings):
            return
        world.endings.append((provider_call_id, state, cause))
        if self._carried:
            world.over.set()
        elif world.control is not None:
            await world.control.hang_up(provider_call_id)


@asynccontextmanager
async def calls_of(
    world: World, *, pre_accept: bool = True, line: str = "+15550001111", **timers: float
) -> AsyncIterator[WhatsAppCalls]:
    """Serve; on leaving, everything must be over by itself or by `close`."""
    async with asyncio.TaskGroup() as group:
        calls = WhatsAppCalls(
            world,
            Peer(world),
            Handler(world),
            group,
            line=line,
            pre_accept=pre_accept,
            timers=CallTimers(**timers),
            on_progress=world.progress.append,
            clock=lambda: NOW,
        )
        yield calls
        world.over.set()
        await calls.close()
    assert world.open_legs == 0, "a leg was left open"
    assert calls.active == 0


async def until(true: Callable[[], object], within_s: float = 120.0) -> None:
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 - on a clock that jumps
            await asyncio.sleep(0.01)


BUSY = BusyError("all lines are in use")
