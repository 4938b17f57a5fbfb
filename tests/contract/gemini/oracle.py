"""What google-genai makes of a profile and of a frame: what our own code is held against.

The server had these two functions until it learned to do without the SDK (docs/adr/0012).
"""

import json
from collections.abc import Sequence
from typing import Any

from google.genai import _live_converters as converters
from google.genai import types

from contract.gemini.sdk import meaning
from fwai.domain.plain_text import readable_json
from fwai.domain.tool import ToolSpec
from fwai.errors import WireError
from fwai.gemini.messages import ServerMessage
from fwai.gemini.models import family_of
from fwai.gemini.setup import SessionConfig

# ---- a profile --------------------------------------------------------------------------------


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
        tools=_tools(config.tools, family.tool_behaviour) if config.tools else None,
        session_resumption=types.SessionResumptionConfig(handle=handle),
        input_audio_transcription=types.AudioTranscriptionConfig(),
        output_audio_transcription=types.AudioTranscriptionConfig(),
        realtime_input_config=types.RealtimeInputConfig(
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


def _thinking(model: str) -> types.ThinkingConfig | None:
    family = family_of(model)
    if family.thinking_level:
        return types.ThinkingConfig(thinking_level=types.ThinkingLevel(family.thinking_level))
    if family.thinking_budget is not None:
        return types.ThinkingConfig(thinking_budget=family.thinking_budget)
    return None


def _tools(specs: Sequence[ToolSpec], behaviour: str) -> types.ToolListUnion:
    declarations = [
        types.FunctionDeclaration(
            name=spec.name,
            description=spec.description,
            parameters=types.Schema.model_validate(spec.parameters) if spec.parameters else None,
            behavior=types.Behavior(behaviour) if behaviour else None,
        )
        for spec in specs
    ]
    return [types.Tool(function_declarations=declarations)]


def schema(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return a tool's parameters as the SDK writes them.

    Raises:
        ValueError: It refuses them.
    """
    kept: dict[str, Any] = types.Schema.model_validate(parameters).model_dump(
        mode="json", by_alias=True, exclude_none=True
    )
    return kept


# ---- a frame ----------------------------------------------------------------------------------


class NoKnownKindError(WireError):
    """The SDK's reader raises TypeError for such a frame; whoever calls it again reads the next."""


def read(payload: bytes) -> list[ServerMessage]:
    """Read one frame of the server with the SDK; one of no known kind says nothing.

    Raises:
        WireError: It refuses the frame.
    """
    try:
        return meaning(parse(payload))
    except NoKnownKindError:
        return []
    except (ValueError, TypeError, AttributeError, RecursionError) as exc:
        raise WireError(f"live: unreadable message ({type(exc).__name__})") from exc


def parse(payload: bytes) -> types.LiveServerMessage:
    """Return a frame in the SDK's own type, of text alone: what is none is left out before.

    Raises:
        NoKnownKindError: It has no kind that the SDK knows.
    """
    body = json.loads(payload) if payload else {}
    body = readable_json(body, len(payload))
    known = converters._LiveServerMessage_from_mldev(body)
    if body and not known:
        if not isinstance(body, dict):
            raise WireError("live: no object")
        raise NoKnownKindError("live: a message of no known kind")
    return types.LiveServerMessage._from_response(response=known, kwargs={})
