from typing import Any

import pytest

from fwai.simulator.gemini.setup import read_setup, read_tools
from fwai.simulator.gemini.wire import LiveClose
from tables import each_row

MODEL = {"model": "models/gemini-3.8-live"}
SCHEMA = {"type": "OBJECT", "properties": {"text": {"type": "STRING", "min_length": 1}}}


def function(**fields: object) -> dict[str, Any]:
    return {"tools": [{"functionDeclarations": [{"name": "f", **fields}]}]}


def test_a_bare_setup_is_enough() -> None:
    setup = read_setup(dict(MODEL))

    assert setup.model == "gemini-3.8-live"
    assert setup.interrupts
    assert not setup.resumption
    assert not setup.transcribe_input


def test_everything_a_telephone_agent_asks_for_is_read() -> None:
    setup = read_setup(
        {
            **MODEL,
            "generationConfig": {
                "responseModalities": ["AUDIO"],
                "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
            },
            "systemInstruction": {"parts": [{"text": "x"}]},
            **function(parameters=SCHEMA, behavior="BLOCKING"),
            "realtimeInputConfig": {
                "automaticActivityDetection": {
                    "startOfSpeechSensitivity": "START_SENSITIVITY_HIGH",
                    "endOfSpeechSensitivity": "END_SENSITIVITY_LOW",
                    "prefixPaddingMs": 100,
                    "silenceDurationMs": 700,
                },
                "activityHandling": "NO_INTERRUPTION",
                "turnCoverage": "TURN_INCLUDES_ALL_INPUT",
            },
            "sessionResumption": {"handle": "h"},
            "contextWindowCompression": {
                "triggerTokens": "25600",
                "slidingWindow": {"targetTokens": 12800},
            },
            "inputAudioTranscription": {},
            "outputAudioTranscription": {},
            "historyConfig": {"initialHistoryInClientContent": True},
        }
    )

    assert setup.tools == {"f": True}
    assert (setup.vad.start_high, setup.vad.end_low) == (True, True)
    assert (setup.vad.prefix_padding_ms, setup.vad.silence_duration_ms) == (100, 700)
    assert not setup.interrupts
    assert setup.all_input_billed
    assert setup.handle == "h"
    assert setup.compression == (25_600, 12_800)
    assert setup.transcribe_input
    assert setup.transcribe_output
    assert setup.history_first


@each_row(
    ("fields", "code"),
    [
        ({"model": ""}, 1007),
        ({"model": "gemini-3.8-live"}, 1008),
        ({"model": "models/gemini-2.0-flash-live-001"}, 1008),
        ({"colour": 1}, 1007),
        ({"generationConfig": []}, 1007),
        ({"generationConfig": {"colour": 1}}, 1007),
        ({"generationConfig": {"responseModalities": ["AUDIO", "TEXT"]}}, 1007),
        ({"generationConfig": {"responseModalities": ["TEXT"]}}, 1011),
        ({"generationConfig": {"thinkingConfig": {}}}, 1007),
        ({"generationConfig": {"enableAffectiveDialog": True}}, 1007),
        ({"model": "models/gemini-3.8-live-extended-thinking"}, 1007),
        ({"proactivity": {"proactiveAudio": False}}, 1007),
        ({"sessionResumption": {"transparent": True}}, 1007),
        ({"realtimeInputConfig": {"colour": 1}}, 1007),
        ({"realtimeInputConfig": {"activityHandling": "LOUD"}}, 1007),
        ({"realtimeInputConfig": {"automaticActivityDetection": {"silenceDurationMs": -1}}}, 1007),
        ({"realtimeInputConfig": {"automaticActivityDetection": {"colour": 1}}}, 1007),
        (
            {
                "contextWindowCompression": {
                    "triggerTokens": 5,
                    "slidingWindow": {"targetTokens": 5},
                }
            },
            1007,
        ),
        ({"tools": {}}, 1007),
        (function(name="two words"), 1007),
        (function(colour=1), 1007),
        (function(behavior="LATER"), 1007),
        (function(parameters=[]), 1007),
        (function(parameters={"type": "string"}), 1007),
        (function(parameters={"type": "OBJECT", "oneOf": []}), 1007),
        (function(parameters={"type": "OBJECT", "properties": {"a": {}}}), 1007),
        (function(parameters={"type": "ARRAY", "items": {"const": 1}}), 1007),
        (function(parameters={"anyOf": [{"type": "?"}]}), 1007),
        ({"tools": [{"functionDeclarations": [{"name": "f"}, {"name": "f"}]}]}, 1007),
    ],
)
def test_what_the_service_refuses_is_refused(fields: dict[str, Any], code: int) -> None:
    with pytest.raises(LiveClose) as caught:
        read_setup({**MODEL, **fields})

    assert caught.value.code == code


def test_thinking_belongs_to_the_models_that_think() -> None:
    thinking = {"generationConfig": {"thinkingConfig": {"thinkingLevel": "low"}}}

    for model in ("gemini-3.8-live-extended-thinking", "gemini-3.1-flash-live-preview"):
        assert read_setup({"model": f"models/{model}", **thinking}).model == model


@pytest.mark.parametrize(
    ("model", "behavior", "blocks"),
    [
        ("gemini-3.8-live", None, False),
        ("gemini-3.8-live", "BLOCKING", True),
        ("gemini-3.1-flash-live-preview", None, True),
        ("gemini-3.1-flash-live-preview", "NON_BLOCKING", False),
    ],
)
def test_whether_a_tool_blocks_depends_on_model_and_declaration(
    model: str, behavior: str | None, blocks: bool
) -> None:
    tools = function(behavior=behavior)["tools"]

    assert read_tools(model, tools)[0] == {"f": blocks}


def test_a_json_schema_is_ignored_as_live_does() -> None:
    tools = function(parametersJsonSchema=SCHEMA)["tools"]

    assert read_tools("gemini-3.8-live", tools)[1] == {"f"}
