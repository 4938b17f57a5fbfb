"""An agent's profile as the first message of a Live session.

The SDK's public types give names, enums and validation; the message is written in camelCase. A
contract test holds it against what the SDK itself would send.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from google.genai import types

from fwai.domain.agent import ToolSpec
from fwai.gemini.models import family_of

# Fields of the SDK's flat configuration that the wire nests under generationConfig.
_GENERATION_FIELDS = ("responseModalities", "speechConfig", "thinkingConfig")

INPUT_HZ = 16_000
OUTPUT_HZ = 24_000


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """What one session of the model needs to know.

    Attributes:
        model: Live model id, with or without ``models/``.
        instruction: The whole system instruction, placeholders already filled.
        voice: Name of a Live voice.
        language: BCP 47 code; a soft hint on speech-to-speech models.
        tools: What the model may call.
        trigger_tokens: Context size at which old turns begin to slide out.
        target_tokens: Context size that compression leaves.
    """

    model: str
    instruction: str
    voice: str
    language: str = ""
    tools: Sequence[ToolSpec] = ()
    trigger_tokens: int = 25_600
    target_tokens: int = 12_800


def connect_config(config: SessionConfig, handle: str | None) -> types.LiveConnectConfig:
    """Return the session's configuration in the SDK's own type."""
    family = family_of(config.model)
    return types.LiveConnectConfig(
        response_modalities=[types.Modality.AUDIO],
        system_instruction=config.instruction,
        speech_config=types.SpeechConfig(
            language_code=config.language or None,
            voice_config=types.VoiceConfig(
                prebuilt_voice_config=types.PrebuiltVoiceConfig(voice_name=config.voice)
            ),
        ),
        thinking_config=_thinking(config.model),
        tools=_tools(config.tools, family.tool_behaviour),
        session_resumption=types.SessionResumptionConfig(handle=handle),
        input_audio_transcription=types.AudioTranscriptionConfig(),
        output_audio_transcription=types.AudioTranscriptionConfig(),
        realtime_input_config=types.RealtimeInputConfig(
            # Telephone lines: reluctant to see speech in noise, patient with a thinking caller.
            automatic_activity_detection=types.AutomaticActivityDetection(
                start_of_speech_sensitivity=types.StartSensitivity.START_SENSITIVITY_LOW,
                end_of_speech_sensitivity=types.EndSensitivity.END_SENSITIVITY_LOW,
                prefix_padding_ms=120,
                silence_duration_ms=600,
            ),
            turn_coverage=types.TurnCoverage.TURN_INCLUDES_ONLY_ACTIVITY,
        ),
        context_window_compression=types.ContextWindowCompressionConfig(
            trigger_tokens=config.trigger_tokens,
            sliding_window=types.SlidingWindow(target_tokens=config.target_tokens),
        )
        if family.context_compression
        else None,
    )


def setup_message(config: SessionConfig, handle: str | None = None) -> bytes:
    """Write the set-up message.

    Args:
        config: What the session needs to know.
        handle: Where an earlier connection of the same conversation stopped, or None.
    """
    fields = connect_config(config, handle).model_dump(
        mode="json", by_alias=True, exclude_none=True
    )
    setup: dict[str, object] = {
        "model": config.model if config.model.startswith("models/") else f"models/{config.model}",
        "generationConfig": {
            name: fields.pop(name) for name in _GENERATION_FIELDS if name in fields
        },
        "systemInstruction": {"role": "user", "parts": [{"text": fields.pop("systemInstruction")}]},
    }
    return json.dumps({"setup": setup | fields}, ensure_ascii=False).encode()


def _thinking(model: str) -> types.ThinkingConfig | None:
    family = family_of(model)
    if family.thinking_level:
        return types.ThinkingConfig(thinking_level=types.ThinkingLevel(family.thinking_level))
    if family.thinking_budget is not None:
        return types.ThinkingConfig(thinking_budget=family.thinking_budget)
    return None


def _tools(specs: Sequence[ToolSpec], behaviour: str) -> types.ToolListUnion | None:
    if not specs:
        return None
    declarations = [
        types.FunctionDeclaration(
            name=spec.name,
            description=spec.description,
            parameters=types.Schema.model_validate(_upper_types(spec.parameters))
            if spec.parameters
            else None,
            behavior=types.Behavior(behaviour) if behaviour else None,
        )
        for spec in specs
    ]
    return [types.Tool(function_declarations=declarations)]


def _upper_types(schema: object) -> object:
    """Return a JSON Schema with its type names in the upper case that Live's Schema uses."""
    if isinstance(schema, list):
        return [_upper_types(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value.upper() if key == "type" and isinstance(value, str) else _upper_types(value)
        for key, value in schema.items()
    }
