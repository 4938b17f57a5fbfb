"""The unmodified google-genai SDK, on a socket of ours or on a loopback one."""

import base64
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from google import genai
from google.genai import live, types
from google.genai.live import AsyncSession
from websockets.asyncio.client import connect

Json = dict[str, Any]

SPELLED_BY_THE_USER = frozenset({"args", "response", "properties"})
PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"


class ScriptedSocket:
    """What the SDK takes for its WebSocket.

    Attributes:
        sent: What the SDK sent.
        incoming: What it will receive.
    """

    def __init__(self, incoming: Sequence[bytes] = ()) -> None:
        self.sent: list[str] = []
        self.incoming = [b'{"setupComplete":{}}', *incoming]

    async def send(self, message: str) -> None:
        self.sent.append(message)

    async def recv(self, decode: bool = True) -> bytes:
        return self.incoming.pop(0)

    async def close(self) -> None:
        pass


@contextmanager
def sdk_client() -> Iterator[genai.Client]:
    client = genai.Client(api_key="K", http_options=types.HttpOptions(api_version="v1beta"))
    try:
        yield client
    finally:
        client.close()


@asynccontextmanager
async def scripted(
    monkeypatch: pytest.MonkeyPatch,
    model: str = "gemini-3.8-live",
    config: types.LiveConnectConfig | None = None,
    incoming: Sequence[bytes] = (),
) -> AsyncIterator[tuple[AsyncSession, ScriptedSocket]]:
    """Open an SDK session on a scripted socket."""
    socket = ScriptedSocket(incoming)

    @asynccontextmanager
    async def no_network(uri: str, **_: object) -> AsyncIterator[ScriptedSocket]:
        assert uri.endswith(PATH)
        yield socket

    monkeypatch.setattr(live, "ws_connect", no_network)
    with sdk_client() as client:
        async with client.aio.live.connect(model=model, config=config) as session:
            yield session, socket


@asynccontextmanager
async def on_loopback(
    monkeypatch: pytest.MonkeyPatch, url: str, model: str, config: types.LiveConnectConfig
) -> AsyncIterator[AsyncSession]:
    """Open an SDK session with a plain WebSocket service on this machine."""

    def plain(uri: str, *, additional_headers: dict[str, str], **_: object) -> connect:
        return connect(url + PATH, additional_headers=additional_headers, proxy=None)

    monkeypatch.setattr(live, "ws_connect", plain)
    with sdk_client() as client:
        async with client.aio.live.connect(model=model, config=config) as session:
            yield session


def normal(value: object) -> object:
    """Return a frame with camelCase keys and standard base64, as both spellings mean the same."""
    if isinstance(value, list):
        return [normal(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        _camel(key): item
        if key in SPELLED_BY_THE_USER
        else base64.b64encode(base64.urlsafe_b64decode(item)).decode()
        if key == "data"
        else normal(item)
        for key, item in value.items()
    }


def frame(raw: str | bytes) -> object:
    return normal(json.loads(raw))


def _camel(key: str) -> str:
    first, *rest = key.split("_")
    return first + "".join(word.capitalize() for word in rest)
