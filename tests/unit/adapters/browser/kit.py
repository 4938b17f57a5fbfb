"""The browser's endpoints over ASGI, with a call handler that remembers what it was told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI

from fwai.adapters.browser.routes import BrowserCalls, router
from fwai.adapters.webrtc.clock import MediaClock
from fwai.adapters.webrtc.leg import LegLimits
from fwai.adapters.webrtc.peer import PeerOptions
from fwai.adapters.webrtc.ports import UdpPorts
from fwai.calls.live_events import LiveEvents
from fwai.domain.agent import AgentProfile
from fwai.domain.api_key import read_key
from fwai.domain.call import CallId, CallOffer, CallState, StreamTicket
from fwai.http.access import Access
from fwai.interfaces.calls import CallControl
from fwai.interfaces.media import CallerLeg
from unit.adapters.handler_kit import FakeCalls

KEY = "key-of-an-operator-0123456789"
PORTS = (42_100, 42_199)
AGENTS = {
    id_: AgentProfile(id_, name, about, "be kind", "", "", "", "", (), ())
    for id_, name, about in (("core", "Asha", "Answers."), ("desk", "Ravi", ""))
}


@dataclass
class Calls(FakeCalls):
    """A CallHandler that hangs up like the real one."""

    gone: bool = False
    carried: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def offer(self, offer: CallOffer, control: CallControl) -> StreamTicket | None:
        await super().offer(offer, control)
        return None if self.gone else StreamTicket(CallId(f"id-{len(self.offers)}"), "token")

    async def carry(self, token: str, provider_call_id: str, leg: CallerLeg) -> bool:
        self.carried.set()
        await self.over.wait()
        return True

    async def ended(
        self,
        provider: str,
        provider_call_id: str,
        state: CallState,
        cause: str = "",
        *,
        call_id: CallId = CallId(""),  # noqa: B008 - a plain string
    ) -> None:
        await super().ended(provider, provider_call_id, state, cause, call_id=call_id)
        self.over.set()
        if self.control is not None:
            await self.control.hang_up(provider_call_id)


@dataclass
class Desk:
    """What a test can look at; `client` is on this machine."""

    app: FastAPI
    calls: Calls
    board: LiveEvents
    client: httpx.AsyncClient

    def stranger(self, address: str = "203.0.113.9", **headers: str) -> httpx.AsyncClient:
        """Return a client at another address."""
        return client(self.app, address, "https://voice.example.com", headers)


def client(
    app: FastAPI, address: str, url: str, headers: dict[str, str] | None = None
) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, client=(address, 40_000))
    return httpx.AsyncClient(transport=transport, base_url=url, headers=headers)


@asynccontextmanager
async def desk(
    calls: Calls | None = None,
    connect_s: float = 10.0,
    keys: tuple[str, ...] = (),
    loopback: bool = True,
    secure_cookies: bool = False,
    **options: Any,  # noqa: ANN401 - of BrowserCalls
) -> AsyncIterator[Desk]:
    calls = calls or Calls()
    board = LiveEvents()
    limits = LegLimits(connect_s=connect_s)
    peer = PeerOptions(UdpPorts(*PORTS), MediaClock(), limits=limits, loopback=True)
    async with asyncio.TaskGroup() as tasks:
        app = FastAPI()
        access = Access(
            [read_key(key) for key in keys], loopback=loopback, secure_cookies=secure_cookies
        )
        given: dict[str, Any] = {"agents": AGENTS, **options}
        app.include_router(router(BrowserCalls(peer, tasks, board, access, **given), calls))
        async with client(app, "127.0.0.1", "http://localhost:3000") as near:
            yield Desk(app, calls, board, near)
        for offer in calls.offers:
            await calls.ended("browser", offer.provider_call_id, CallState.CANCELED)
