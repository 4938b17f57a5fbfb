"""The unmodified google-genai SDK, on a socket of ours or on a loopback one."""

import base64
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import pytest
from google import genai
from google.genai import live, types
from google.genai.live import AsyncSession
from websockets.asyncio.client import connect

from fwai.domain.events import (
    AgentAudio,
    AgentSaid,
    CallerSaid,
    GenerationEnded,
    Interrupted,
    TokensUsed,
    ToolCall,
    ToolsCancelled,
    TurnEnded,
)
from fwai.gemini.messages import (
    GoAway,
    HandleIssued,
    OddMessage,
    ServerMessage,
    ServiceError,
    SetupDone,
    TurnRefused,
)

Json = dict[str, Any]

SPELLED_BY_THE_USER = frozenset({"args", "response"})
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


@cache
def sdk_client() -> genai.Client:
    """Return the one client of the run: making it takes a tenth of a second."""
    return genai.Client(api_key="K", http_options=types.HttpOptions(api_version="v1beta"))


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
    async with sdk_client().aio.live.connect(model=model, config=config) as session:
        yield session, socket


@asynccontextmanager
async def on_loopback(
    monkeypatch: pytest.MonkeyPatch, url: str, model: str, config: types.LiveConnectConfig
) -> AsyncIterator[AsyncSession]:
    """Open an SDK session with a plain WebSocket service on this machine."""

    def plain(uri: str, *, additional_headers: dict[str, str], **_: object) -> connect:
        return connect(url + PATH, additional_headers=additional_headers, proxy=None)

    monkeypatch.setattr(live, "ws_connect", plain)
    async with sdk_client().aio.live.connect(model=model, config=config) as session:
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
        else {name: normal(schema) for name, schema in item.items()}
        if key == "properties"
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


def known(events: Iterable[ServerMessage]) -> list[ServerMessage]:
    """Return events without what the SDK has no word for, which is only logged."""
    return [event for event in events if not isinstance(event, OddMessage | ServiceError)]


def meaning(message: types.LiveServerMessage) -> list[ServerMessage]:
    """Say in our words what the SDK's own reader found; written apart from ours on purpose."""
    found: list[ServerMessage] = []
    if message.setup_complete:
        found.append(SetupDone())
    content = message.server_content or types.LiveServerContent()
    if content.input_transcription and content.input_transcription.text:
        found.append(CallerSaid(content.input_transcription.text))
    if content.interrupted:
        found.append(Interrupted())
    if content.output_transcription and content.output_transcription.text:
        found.append(AgentSaid(content.output_transcription.text))
    parts = (content.model_turn.parts if content.model_turn else None) or []
    spoken = [part.inline_data for part in parts if not part.thought and part.inline_data]
    found += [AgentAudio(blob.data) for blob in spoken if blob.data]
    if content.generation_complete:
        found.append(GenerationEnded())
    if content.turn_complete_reason is not None:
        found.append(TurnRefused(content.turn_complete_reason.value))
    if content.turn_complete:
        found.append(TurnEnded())
    return found + _control(message)


def _control(message: types.LiveServerMessage) -> list[ServerMessage]:
    found: list[ServerMessage] = []
    if message.tool_call:
        calls = message.tool_call.function_calls or []
        found += [_tool_call(call) for call in calls]
    found += _calls_among_parts(message, found)
    if message.tool_call_cancellation:
        found.append(ToolsCancelled(tuple(message.tool_call_cancellation.ids or ())))
    if message.usage_metadata:
        found.append(TokensUsed(_bill(message.usage_metadata)))
    update = message.session_resumption_update
    if update and update.resumable and update.new_handle:
        found.append(HandleIssued(update.new_handle))
    if message.go_away:
        found.append(GoAway(_seconds_left(message.go_away.time_left or "")))
    return found


def _tool_call(call: types.FunctionCall) -> ToolCall:
    return ToolCall(call.id or "", call.name or "", call.args or {})


def _calls_among_parts(
    message: types.LiveServerMessage, known: list[ServerMessage]
) -> list[ServerMessage]:
    """Return the calls that stand nowhere else; the SDK leaves them to whoever reads the parts."""
    content = message.server_content
    parts = (content.model_turn.parts if content and content.model_turn else None) or []
    found: list[ServerMessage] = []
    for part in parts:
        if part.function_call is not None:
            call = _tool_call(part.function_call)
            if call.name and call not in [*known, *found]:
                found.append(call)
    return found


def _bill(usage: types.UsageMetadata) -> dict[str, int]:
    counts = Counter(
        prompt=usage.prompt_token_count or 0,
        response=usage.response_token_count or 0,
        thoughts=usage.thoughts_token_count or 0,
        tool_use=usage.tool_use_prompt_token_count or 0,
        cached=usage.cached_content_token_count or 0,
        total=usage.total_token_count or 0,
    )
    for name, shares in (
        ("prompt", usage.prompt_tokens_details),
        ("response", usage.response_tokens_details),
    ):
        for share in shares or []:
            if share.modality is not None and share.token_count:
                counts[f"{name}_{share.modality.value.lower()}"] += share.token_count
    return {name: count for name, count in counts.items() if count}


def _seconds_left(duration: str) -> float:
    whole, point, part = duration.removesuffix("s").partition(".")
    readable = duration.endswith("s") and whole.isdecimal() and part.isdecimal() == bool(point)
    return float(f"{whole}.{part or 0}") if readable else 0.0
