"""An agent's profile as a set-up message; the SDK's own is compared in tests/contract/gemini."""

import json
from typing import Any

import pytest

from fwai.domain.tool import ToolSpec
from fwai.gemini.setup import SessionConfig, setup_message


def setup(handle: str | None = None, **fields: object) -> dict[str, Any]:
    given: dict[str, Any] = {
        "model": "gemini-3.8-live",
        "instruction": "Be brief.",
        "voice": "Kore",
    }
    given |= fields
    message: dict[str, Any] = json.loads(setup_message(SessionConfig(**given), handle))
    assert list(message) == ["setup"]
    body: dict[str, Any] = message["setup"]
    return body


@pytest.mark.parametrize("model", ["gemini-3.8-live", "models/gemini-3.8-live"])
def test_the_model_is_named_with_its_collection(model: str) -> None:
    assert setup(model=model)["model"] == "models/gemini-3.8-live"


def test_voice_and_language_are_nested_where_the_wire_has_them() -> None:
    assert setup(language="hi-IN")["generationConfig"] == {
        "responseModalities": ["AUDIO"],
        "speechConfig": {
            "languageCode": "hi-IN",
            "voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}},
        },
    }


def test_no_language_is_sent_when_there_is_none() -> None:
    assert "languageCode" not in setup()["generationConfig"]["speechConfig"]


@pytest.mark.parametrize(
    ("model", "thinking"),
    [
        ("gemini-3.8-live", None),
        ("gemini-3.8-live-extended-thinking", {"thinkingLevel": "LOW"}),
        ("gemini-3.1-flash-live-preview", {"thinkingLevel": "MINIMAL"}),
        ("gemini-2.5-flash-native-audio-preview-12-2025", {"thinkingBudget": 0}),
    ],
)
def test_thinking_is_said_as_the_family_wants_it(
    model: str, thinking: dict[str, object] | None
) -> None:
    assert setup(model=model)["generationConfig"].get("thinkingConfig") == thinking


@pytest.mark.parametrize(("handle", "sent"), [(None, {}), ("H", {"handle": "H"})])
def test_handles_are_always_asked_for(handle: str | None, sent: dict[str, str]) -> None:
    assert setup(handle)["sessionResumption"] == sent


def test_old_turns_slide_out_at_the_configured_size() -> None:
    compression = setup(trigger_tokens=1_000, target_tokens=500)["contextWindowCompression"]

    assert int(compression["triggerTokens"]) == 1_000
    assert int(compression["slidingWindow"]["targetTokens"]) == 500


def test_no_tools_is_no_field() -> None:
    assert "tools" not in setup()


def test_a_tool_without_parameters_has_no_schema() -> None:
    tools = setup(tools=[ToolSpec("end_call", "End the call.", {})])["tools"]

    assert tools == [
        {
            "functionDeclarations": [
                {"name": "end_call", "description": "End the call.", "behavior": "NON_BLOCKING"}
            ]
        }
    ]


def test_type_names_are_upper_case_and_a_property_may_be_called_type() -> None:
    schema = {
        "type": "object",
        "properties": {
            "type": {"type": "string", "enum": ["string", "object"]},
            "list": {"type": "array", "items": {"type": "integer"}},
        },
        "required": ["type"],
    }
    tools = setup(tools=[ToolSpec("f", "d", schema)])["tools"]

    assert tools[0]["functionDeclarations"][0]["parameters"] == {
        "type": "OBJECT",
        "properties": {
            "type": {"type": "STRING", "enum": ["string", "object"]},
            "list": {"type": "ARRAY", "items": {"type": "INTEGER"}},
        },
        "required": ["type"],
    }


def test_words_of_any_script_are_sent_as_they_are() -> None:
    message = setup_message(SessionConfig("gemini-3.8-live", "नमस्ते", "Puck"))

    assert "नमस्ते" in message.decode()


def test_half_a_surrogate_pair_in_an_instruction_does_not_break_the_call() -> None:
    assert setup(instruction="a\ud83d")["systemInstruction"]["parts"] == [{"text": "a?"}]


def test_parameters_that_live_does_not_take_are_named_with_their_tool() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "const": "b"}}}

    with pytest.raises(ValueError, match=r"tool f: parameters\.properties\.a\.const: not accepted"):
        setup(tools=[ToolSpec("f", "d", schema)])
