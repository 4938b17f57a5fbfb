"""Our frames against the SDK's own: what an SDK upgrade changes on the wire is seen here."""

import json
from collections.abc import Sequence

import pytest
from google.genai import types

from contract.gemini.oracle import connect_config
from contract.gemini.sdk import frame, scripted
from fwai.domain.events import ToolResult
from fwai.domain.tool import ToolSpec
from fwai.gemini import messages
from fwai.gemini.setup import SessionConfig, setup_message

MODELS = (
    "gemini-3.8-live",
    "gemini-3.8-live-extended-thinking",
    "gemini-3.1-flash-live-preview",
    "gemini-2.5-flash-native-audio-preview-12-2025",
    "gemini-live-2.5-flash-native-audio",
    "models/gemini-9-live",
)
SCHEMA = {
    "type": "object",
    "properties": {
        "my_text": {"type": "string", "description": "d", "minLength": 1, "maxLength": 480},
        "format": {"type": "string", "enum": ["a", "b"], "default": "a", "pattern": "^[ab]$"},
        "many": {"type": "integer", "minimum": 1, "maximum": 5, "title": "t"},
        "list": {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 3},
        "either": {"anyOf": [{"type": "string"}, {"type": "boolean"}], "nullable": True},
    },
    "required": ["my_text"],
}
TOOLS = (ToolSpec("send_sms", "Send a text.", SCHEMA), ToolSpec("end_call", "Hang up.", {}))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("tools", [(), TOOLS], ids=["no-tools", "tools"])
@pytest.mark.parametrize("handle", [None, "H"], ids=["new", "resumed"])
@pytest.mark.parametrize("language", ["", "hi-IN"], ids=["any-language", "hindi"])
async def test_the_setup_is_the_sdks(
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    tools: Sequence[ToolSpec],
    handle: str | None,
    language: str,
) -> None:
    config = SessionConfig(model, "Be brief. नमस्ते", "Kore", language, tools)

    async with scripted(monkeypatch, model, connect_config(config, handle)) as (_, socket):
        assert frame(setup_message(config, handle)) == frame(socket.sent[0])


@pytest.mark.parametrize("pcm", [b"\xff\xfe\x00\x01", bytes(range(256)) * 5, b""])
async def test_audio_is_the_sdks(monkeypatch: pytest.MonkeyPatch, pcm: bytes) -> None:
    async with scripted(monkeypatch) as (session, socket):
        blob = types.Blob(data=pcm, mime_type="audio/pcm;rate=16000")
        await session.send_realtime_input(audio=blob)

        assert frame(messages.audio(pcm)) == frame(socket.sent[1])


async def test_the_end_of_audio_is_the_sdks(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted(monkeypatch) as (session, socket):
        await session.send_realtime_input(audio_stream_end=True)

        assert frame(messages.AUDIO_STREAM_END) == frame(socket.sent[1])


@pytest.mark.parametrize("words", ["Greet the caller.", 'a "quoted" line\nand नमस्ते 👋'])
async def test_text_is_the_sdks(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    async with scripted(monkeypatch) as (session, socket):
        await session.send_realtime_input(text=words)

        assert frame(messages.text(words)) == frame(socket.sent[1])


async def test_history_is_the_sdks(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = [("model", "Welcome."), ("user", "Hello"), ("model", "How are you?")]
    contents: list[types.Content | types.ContentDict] = [
        types.Content(role=role, parts=[types.Part(text=words)]) for role, words in turns
    ]
    async with scripted(monkeypatch) as (session, socket):
        await session.send_client_content(turns=contents, turn_complete=False)

        assert frame(messages.history(turns)) == frame(socket.sent[1])


@pytest.mark.parametrize(
    ("result", "scheduling", "response"),
    [
        (
            ToolResult("1", "f", True, "Sent.", {}),
            True,
            types.FunctionResponse(
                id="1",
                name="f",
                response={"output": "Sent."},
                scheduling=types.FunctionResponseScheduling.WHEN_IDLE,
            ),
        ),
        (
            ToolResult("1", "f", True, "Bye.", {}, silent=True),
            True,
            types.FunctionResponse(
                id="1",
                name="f",
                response={"output": "Bye."},
                scheduling=types.FunctionResponseScheduling.SILENT,
            ),
        ),
        (
            ToolResult("1", "f", False, "No network.", {}),
            False,
            types.FunctionResponse(id="1", name="f", response={"error": "No network."}),
        ),
        (
            ToolResult("1", "f", True, "Booked.", {"snake_case": 1, "list": [1.5, None, "é"]}),
            False,
            types.FunctionResponse(
                id="1",
                name="f",
                response={
                    "output": "Booked.",
                    "data": {"snake_case": 1, "list": [1.5, None, "é"]},
                },
            ),
        ),
    ],
    ids=["idle", "silent", "failed", "facts"],
)
async def test_a_tool_response_is_the_sdks(
    monkeypatch: pytest.MonkeyPatch,
    result: ToolResult,
    scheduling: bool,
    response: types.FunctionResponse,
) -> None:
    async with scripted(monkeypatch) as (session, socket):
        await session.send_tool_response(function_responses=response)

        ours = messages.tool_response(result, scheduling=scheduling)
        assert frame(ours) == frame(socket.sent[1])


def test_facts_that_json_does_not_know_are_written_as_words() -> None:
    result = ToolResult("1", "f", True, "x", {"odd": {1}})

    body = json.loads(messages.tool_response(result, scheduling=False))

    assert body["toolResponse"]["functionResponses"][0]["response"]["data"] == {"odd": "{1}"}
