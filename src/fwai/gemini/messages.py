"""Live messages: the server's to events, ours to bytes. No I/O.

Two lanes in. Nearly all messages carry audio, transcript and the marks of a turn; a typed decoder
that knows only those fields, and refuses any other, reads them at the cost of the base64. Whatever
it refuses (tools, errors, anything new) goes to the SDK's own reader, which knows every field there
is. Both lanes therefore agree by construction: the fast one never sees a message that has anything
it does not understand.

Source: google-genai 3.4.0's wire, captured; Live API reference (v1beta), read 2026-11-22.
"""

import base64
import json
import re
import warnings
from binascii import b2a_base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from google.genai import _live_converters as converters  # read by the SDK itself; guarded by test
from google.genai import types

from fwai.domain.events import (
    AgentAudio,
    AgentEvent,
    AgentSaid,
    CallerSaid,
    GenerationEnded,
    Interrupted,
    TokensUsed,
    ToolCall,
    ToolResult,
    ToolsCancelled,
    TurnEnded,
)
from fwai.errors import WireError

# ---- what concerns the connection rather than the call --------------------------------------


@dataclass(frozen=True, slots=True)
class SetupDone:
    """The session is open."""


@dataclass(frozen=True, slots=True)
class GoAway:
    """The server will close this connection in ``left_s`` seconds."""

    left_s: float


@dataclass(frozen=True, slots=True)
class HandleIssued:
    """The conversation can be resumed from here with ``handle``."""

    handle: str


@dataclass(frozen=True, slots=True)
class TurnRefused:
    """The model ended a turn for a reason other than being done, such as a safety filter."""

    reason: str


Control = SetupDone | GoAway | HandleIssued | TurnRefused
ServerMessage = AgentEvent | Control

# ---- fast lane --------------------------------------------------------------------------------


class _Blob(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    data: bytes
    mime_type: str = ""


class _Part(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    inline_data: _Blob


class _ModelTurn(msgspec.Struct, forbid_unknown_fields=True):
    parts: list[_Part]
    role: str = ""


class _Transcription(msgspec.Struct, forbid_unknown_fields=True):
    text: str


class _Content(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    model_turn: _ModelTurn | None = None
    input_transcription: _Transcription | None = None
    output_transcription: _Transcription | None = None
    interrupted: bool = False
    generation_complete: bool = False
    turn_complete: bool = False


class _Share(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    modality: str
    token_count: int = 0


class _Usage(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    prompt_token_count: int = 0
    response_token_count: int = 0
    thoughts_token_count: int = 0
    tool_use_prompt_token_count: int = 0
    cached_content_token_count: int = 0
    total_token_count: int = 0
    prompt_tokens_details: list[_Share] = []
    response_tokens_details: list[_Share] = []


class _Resumption(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    new_handle: str = ""
    resumable: bool = False


class _FastMessage(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    server_content: _Content | msgspec.UnsetType = msgspec.UNSET
    usage_metadata: _Usage | msgspec.UnsetType = msgspec.UNSET
    session_resumption_update: _Resumption | msgspec.UnsetType = msgspec.UNSET


_decode_fast = msgspec.json.Decoder(_FastMessage).decode


def read(payload: bytes | memoryview) -> list[ServerMessage]:
    """Read one frame of the server, every field of it.

    Raises:
        WireError: It is not a Live message.
    """
    try:
        message = _decode_fast(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return list(_read_slow(bytes(payload)))
    events: list[ServerMessage] = []
    if isinstance(message.server_content, _Content):
        _add_content(events, message.server_content)
    if isinstance(message.usage_metadata, _Usage):
        events.append(TokensUsed(_tokens(message.usage_metadata)))
    update = message.session_resumption_update
    if isinstance(update, _Resumption) and update.resumable and update.new_handle:
        events.append(HandleIssued(update.new_handle))
    return events


def _add_content(events: list[ServerMessage], content: _Content) -> None:
    """Append what ``content`` means, in the order of the full lane."""
    if content.input_transcription is not None and content.input_transcription.text:
        events.append(CallerSaid(content.input_transcription.text))
    if content.interrupted:
        events.append(Interrupted())
    if content.output_transcription is not None and content.output_transcription.text:
        events.append(AgentSaid(content.output_transcription.text))
    if content.model_turn is not None:
        for part in content.model_turn.parts:
            if part.inline_data.data:
                events.append(AgentAudio(part.inline_data.data))  # noqa: PERF401 - measured faster
    if content.generation_complete:
        events.append(GenerationEnded())
    if content.turn_complete:
        events.append(TurnEnded())


# ---- full lane --------------------------------------------------------------------------------


_DURATION = re.compile(r"(\d+(?:\.\d+)?)s")  # of protobuf


def _read_slow(payload: bytes) -> Iterator[ServerMessage]:
    message = _parse(payload)
    if message.setup_complete is not None:
        yield SetupDone()
    if message.server_content is not None:
        yield from _content(message.server_content)
    if message.tool_call is not None:
        for call in message.tool_call.function_calls or ():
            yield ToolCall(call.id or "", call.name or "", call.args or {})
    if message.tool_call_cancellation is not None:
        yield ToolsCancelled(tuple(message.tool_call_cancellation.ids or ()))
    if message.usage_metadata is not None:
        yield TokensUsed(_tokens(message.usage_metadata))
    if message.session_resumption_update is not None:
        update = message.session_resumption_update
        # While it speaks or waits for a tool the server says resumable=false: the last good
        # handle stays the one to use.
        if update.resumable and update.new_handle:
            yield HandleIssued(update.new_handle)
    if message.go_away is not None:
        yield GoAway(_seconds(message.go_away.time_left))


def _parse(payload: bytes) -> types.LiveServerMessage:
    try:
        body = json.loads(payload) if payload else {}
        if b"\\u" in payload:  # half a surrogate pair would break whoever writes it down
            body = json.loads(json.dumps(body, ensure_ascii=False).encode(errors="replace"))
        known = converters._LiveServerMessage_from_mldev(body)  # noqa: SLF001
        if body and not known:
            raise WireError("live: a message of no known kind")
        return types.LiveServerMessage._from_response(response=known, kwargs={})  # noqa: SLF001
    except (ValueError, TypeError, AttributeError, RecursionError) as exc:
        raise WireError(f"live: unreadable message ({type(exc).__name__})") from exc


def _content(content: types.LiveServerContent) -> Iterator[ServerMessage]:
    if content.input_transcription is not None and content.input_transcription.text:
        yield CallerSaid(content.input_transcription.text)
    if content.interrupted:
        # Before this message's own audio: what it interrupts came earlier.
        yield Interrupted()
    if content.output_transcription is not None and content.output_transcription.text:
        yield AgentSaid(content.output_transcription.text)
    if content.model_turn is not None:
        for part in content.model_turn.parts or ():
            if part.inline_data is not None and part.inline_data.data and not part.thought:
                yield AgentAudio(part.inline_data.data)
    if content.generation_complete:
        yield GenerationEnded()
    if content.turn_complete_reason is not None:
        yield TurnRefused(str(content.turn_complete_reason.value))
    if content.turn_complete:
        yield TurnEnded()


def _tokens(usage: types.UsageMetadata | _Usage) -> dict[str, int]:
    counts = {
        "prompt": usage.prompt_token_count,
        "response": usage.response_token_count,
        "thoughts": usage.thoughts_token_count,
        "tool_use": usage.tool_use_prompt_token_count,
        "cached": usage.cached_content_token_count,
        "total": usage.total_token_count,
    }
    for prefix, details in (
        ("prompt", usage.prompt_tokens_details),
        ("response", usage.response_tokens_details),
    ):
        for detail in details or ():
            if detail.modality is not None and detail.token_count:
                # The SDK's enum is a string, too.
                name = f"{prefix}_{str(getattr(detail.modality, 'value', detail.modality)).lower()}"
                counts[name] = (counts.get(name) or 0) + detail.token_count
    return {name: count for name, count in counts.items() if count}


def _seconds(duration: str | None) -> float:
    match = _DURATION.fullmatch(duration or "")
    return float(match[1]) if match else 0.0


# ---- ours -------------------------------------------------------------------------------------

_AUDIO_HEAD = b'{"realtimeInput":{"audio":{"data":"'
_AUDIO_TAIL = b'","mimeType":"audio/pcm;rate=16000"}}}'
AUDIO_STREAM_END = b'{"realtimeInput":{"audioStreamEnd":true}}'


def audio(pcm: bytes) -> bytes:
    """Write caller audio: s16le mono at 16 kHz."""
    return _AUDIO_HEAD + b2a_base64(pcm, newline=False) + _AUDIO_TAIL


def text(words: str) -> bytes:
    """Write text that starts a turn at once."""
    return _write({"realtimeInput": {"text": words}})


def history(turns: list[tuple[str, str]]) -> bytes:
    """Write earlier turns as (``user`` or ``model``, text), without asking for a reply."""
    contents = [{"role": role, "parts": [{"text": words}]} for role, words in turns]
    return _write({"clientContent": {"turns": contents, "turnComplete": False}})


def tool_response(result: ToolResult, *, scheduling: bool) -> bytes:
    """Write the outcome of one tool call.

    Args:
        result: What the tool call came to.
        scheduling: Whether this model takes a hint on when to speak about it.
    """
    outcome: dict[str, Any] = {"output": result.text} if result.ok else {"error": result.text}
    if result.data:
        outcome["data"] = dict(result.data)
    response: dict[str, Any] = {"id": result.id, "name": result.name, "response": outcome}
    if scheduling:
        response["scheduling"] = "SILENT" if result.silent else "WHEN_IDLE"
    return _write({"toolResponse": {"functionResponses": [response]}})


def _write(body: dict[str, Any]) -> bytes:
    # Half a surrogate pair, as a tool may return, must not break the call.
    return json.dumps(body, ensure_ascii=False, default=str).encode(errors="replace")


def warm_up() -> None:
    """Build the SDK's lazily made readers now rather than in the first call."""
    # A value newer than the SDK is read as it stands; saying so for each message helps nobody.
    warnings.filterwarnings("ignore", message=".* is not a valid ", module="google.genai")
    sample = base64.b64encode(bytes(4)).decode()
    read(
        json.dumps(
            {
                "serverContent": {
                    "modelTurn": {"parts": [{"inlineData": {"mimeType": "x", "data": sample}}]},
                    "outputTranscription": {"text": "a", "finished": True},
                    "turnComplete": True,
                },
                "usageMetadata": {"totalTokenCount": 1},
            }
        ).encode()
    )
    read(b'{"toolCall":{"functionCalls":[{"id":"1","name":"a","args":{"b":1}}]}}')
    read(b'{"sessionResumptionUpdate":{"newHandle":"h","resumable":true}}')
    read(b'{"goAway":{"timeLeft":"1s"}}')
    read(b'{"setupComplete":{}}')
