"""Live messages: the server's to events, ours to bytes. No I/O.

Two lanes in. Nearly all messages carry audio, transcript and the marks of a turn; a typed decoder
that knows only those fields, and refuses any other, reads them at the cost of the base64. Whatever
it refuses (tools, errors, anything new) goes to ``server_message``, which knows every field there
is. The fast lane never sees a message that has anything it does not understand.

Source: google-genai 3.4.0's wire, captured; Live API reference (v1beta), read 2026-11-22.
"""

import json
import re
from binascii import b2a_base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

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
from fwai.domain.plain_text import readable
from fwai.gemini.server_message import parse

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


@dataclass(frozen=True, slots=True)
class OddMessage:
    """A message of kinds that nobody here knows, or of known ones spelled otherwise."""

    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServiceError:
    """The service reports an error; what it does with the connection, it says by closing it.

    Attributes:
        code: Its number, mostly an HTTP status; None when it gives none.
        status: Its name, such as ``UNAVAILABLE``; empty when it gives none.
    """

    code: int | None
    status: str = ""


Control = SetupDone | GoAway | HandleIssued | TurnRefused | OddMessage | ServiceError
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
        events.append(TokensUsed(_tokens(msgspec.to_builtins(message.usage_metadata))))
    update = message.session_resumption_update
    if isinstance(update, _Resumption) and update.resumable and update.new_handle:
        events.append(HandleIssued(update.new_handle))
    return events


def _words(transcription: _Transcription | None) -> str:
    return readable((transcription.text or "") if transcription is not None else "")


def _add_content(events: list[ServerMessage], content: _Content) -> None:
    """Append what ``content`` means, in the order of the full lane."""
    if words := _words(content.input_transcription):
        events.append(CallerSaid(words))
    if content.interrupted:
        events.append(Interrupted())
    if words := _words(content.output_transcription):
        events.append(AgentSaid(words))
    if content.model_turn is not None:
        for part in content.model_turn.parts:
            if part.inline_data.data:
                events.append(AgentAudio(part.inline_data.data))  # noqa: PERF401 - measured faster
    if content.generation_complete:
        events.append(GenerationEnded())
    if content.turn_complete:
        events.append(TurnEnded())


# ---- full lane --------------------------------------------------------------------------------


_STATUS = re.compile(r"[A-Z_]{1,40}")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)s")  # of protobuf


def _read_slow(payload: bytes) -> Iterator[ServerMessage]:
    parsed = parse(payload)
    message = parsed.fields
    if parsed.odd:
        yield OddMessage(parsed.odd)
    if parsed.error is not None:
        yield _service_error(parsed.error)
    if message.get("setupComplete") is not None:
        yield SetupDone()
    if content := message.get("serverContent"):
        yield from _content(content)
    yield from _tool_calls(message)
    cancelled = message.get("toolCallCancellation")
    if cancelled is not None:
        yield ToolsCancelled(tuple(cancelled.get("ids") or ()))
    usage = message.get("usageMetadata")
    if usage is not None:
        yield TokensUsed(_tokens(usage))
    # While it speaks or waits for a tool the server says resumable=false: the last good handle
    # stays the one to use.
    update = message.get("sessionResumptionUpdate") or {}
    if update.get("resumable") and update.get("newHandle"):
        yield HandleIssued(update["newHandle"])
    going = message.get("goAway")
    if going is not None:
        yield GoAway(_seconds(going.get("timeLeft")))


def _service_error(error: Mapping[str, Any]) -> ServiceError:
    code, status = error.get("code"), error.get("status")
    if isinstance(code, str) and code.isascii() and code.isdecimal() and len(code) < 6:
        code = int(code)
    named = isinstance(status, str) and _STATUS.fullmatch(status) is not None
    numbered = isinstance(code, int) and not isinstance(code, bool)
    return ServiceError(code if numbered else None, str(status) if named else "")


def _content(content: Mapping[str, Any]) -> Iterator[ServerMessage]:
    if words := (content.get("inputTranscription") or {}).get("text"):
        yield CallerSaid(words)
    if content.get("interrupted"):
        # Before this message's own audio: what it interrupts came earlier.
        yield Interrupted()
    if words := (content.get("outputTranscription") or {}).get("text"):
        yield AgentSaid(words)
    for part in (content.get("modelTurn") or {}).get("parts") or ():
        pcm = (part.get("inlineData") or {}).get("data")
        if pcm and not part.get("thought"):
            yield AgentAudio(pcm)
    if content.get("generationComplete"):
        yield GenerationEnded()
    if content.get("turnCompleteReason") is not None:
        yield TurnRefused(content["turnCompleteReason"])
    if content.get("turnComplete"):
        yield TurnEnded()


def _tool_calls(message: Mapping[str, Any]) -> Iterator[ToolCall]:
    """Yield what the model asks for, also where it stands only among the turn's parts."""
    calls = [_tool_call(one) for one in (message.get("toolCall") or {}).get("functionCalls") or ()]
    yield from calls
    turn = (message.get("serverContent") or {}).get("modelTurn") or {}
    for part in turn.get("parts") or ():
        call = _tool_call(part.get("functionCall") or {})
        if call.name and call not in calls:
            calls.append(call)
            yield call


def _tool_call(call: Mapping[str, Any]) -> ToolCall:
    return ToolCall(call.get("id") or "", call.get("name") or "", call.get("args") or {})


def _tokens(usage: Mapping[str, Any]) -> dict[str, int]:
    counts = {
        "prompt": usage.get("promptTokenCount"),
        "response": usage.get("responseTokenCount"),
        "thoughts": usage.get("thoughtsTokenCount"),
        "tool_use": usage.get("toolUsePromptTokenCount"),
        "cached": usage.get("cachedContentTokenCount"),
        "total": usage.get("totalTokenCount"),
    }
    for prefix, details in (
        ("prompt", usage.get("promptTokensDetails")),
        ("response", usage.get("responseTokensDetails")),
    ):
        for detail in details or ():
            if detail.get("modality") is not None and detail.get("tokenCount"):
                name = f"{prefix}_{detail['modality'].lower()}"
                counts[name] = (counts.get(name) or 0) + detail["tokenCount"]
    return {name: count for name, count in counts.items() if count}


def _seconds(duration: str | None) -> float:
    match = _DURATION.fullmatch(duration or "")
    return float(match[1]) if match else 0.0


# ---- ours -------------------------------------------------------------------------------------

_AUDIO_HEAD = b'{"realtimeInput":{"audio":{"data":"'
_AUDIO_TAIL = b'","mimeType":"audio/pcm;rate=16000"}}}'
NO_ID = "without-id-"
"""Begins what we call a tool call to which the service gave no id."""
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
    response: dict[str, Any] = {"name": result.name, "response": outcome}
    if not result.id.startswith(NO_ID):
        response = {"id": result.id, **response}
    if scheduling:
        response["scheduling"] = "SILENT" if result.silent else "WHEN_IDLE"
    return _write({"toolResponse": {"functionResponses": [response]}})


def _write(body: dict[str, Any]) -> bytes:
    # Half a surrogate pair, as a tool may return, must not break the call.
    return json.dumps(body, ensure_ascii=False, default=str).encode(errors="replace")
