"""Which of Exotel's sockets are admitted, on a real server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from fastapi import FastAPI
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from fwai.adapters.exotel.client import ExotelClient
from fwai.adapters.exotel.line import ExotelLine
from fwai.adapters.exotel.routes import REFUSED, router
from fwai.calls.stream_tokens import StreamTokens
from fwai.domain.call import CallId
from fwai.interfaces.media import CallerLeg
from unit.adapters.exotel.kit import HOOKS, SECRET
from unit.adapters.handler_kit import FakeCalls, FakeReports
from unit.adapters.media_server import listening, on_uvloop, until

CALL = CallId("20261122-ab")
DONE = 1000


@dataclass
class Tokens(FakeCalls):
    """Calls with real tokens, each of which is over once it is carried."""

    out: StreamTokens = field(default_factory=lambda: StreamTokens(lambda: 0.0))
    carried: int = 0

    def admission(self, provider: str, token: str) -> AbstractContextManager[bool]:
        return self.out.admission(provider, token)

    async def carry(self, token: str, provider_call_id: str, leg: CallerLeg) -> bool:
        if self.out.redeem(token, provider_call_id) is None:
            return False
        self.carried += 1
        await leg.close()
        return True


@asynccontextmanager
async def serving(calls: FakeCalls) -> AsyncIterator[str]:
    """Serve Exotel's routes; yields the address of the static stream."""
    async with httpx.AsyncClient() as rest:
        client = ExotelClient(rest, HOOKS.account_id, "key", "token", HOOKS.line, "https://api")
        line = ExotelLine(client, HOOKS.line, HOOKS.public_url, SECRET, HOOKS.stream_url)
        app = FastAPI()
        app.include_router(router(HOOKS, calls, client, line, FakeReports()))
        async with listening(app) as (port, http):
            yield f"ws://127.0.0.1:{port}/exotel/{SECRET}/stream"
            await until(lambda: not http.server_state.tasks)


def start(token: str = "") -> str:
    said = {"call_sid": "c-1", "account_sid": "elsewhere", "custom_parameters": {"t": token}}
    return json.dumps({"event": "start", "stream_sid": "s-1", "start": said})


async def closed_with(url: str, message: str) -> int | None:
    """Open a stream, say its first message, and return how the server closes it."""
    async with asyncio.timeout(5.0), connect(url, compression=None) as socket:
        await socket.send(message)
        await socket.wait_closed()
        return socket.close_code


@pytest.mark.parametrize("in_url", [True, False])
@pytest.mark.parametrize("provider", ["exotel", "plivo"])
@on_uvloop
async def test_a_token_opens_a_stream_of_its_own_provider_only(provider: str, in_url: bool) -> None:
    calls = Tokens()
    token = calls.out.mint(CALL, provider, "c-1")
    async with serving(calls) as url:
        if in_url and provider != "exotel":
            with pytest.raises(InvalidStatus) as refusal:
                await closed_with(f"{url}/{token}", start())
            assert refusal.value.response.status_code == 403
        else:
            code = await closed_with(f"{url}/{token}" if in_url else url, start(token))
            assert code == (DONE if provider == "exotel" else REFUSED)

    assert calls.carried == (provider == "exotel")


@pytest.mark.parametrize("in_url", [True, False])
@on_uvloop
async def test_a_token_that_another_connection_holds_opens_none(in_url: bool) -> None:
    calls = Tokens()
    token = calls.out.mint(CALL, "exotel", "c-1")
    async with serving(calls) as url, connect(f"{url}/{token}", compression=None) as first:
        if in_url:
            with pytest.raises(InvalidStatus):
                await closed_with(f"{url}/{token}", start())
        else:
            assert await closed_with(url, start(token)) == REFUSED
        assert calls.carried == 0
        await first.send(start())
        await first.wait_closed()

    assert calls.carried == 1
