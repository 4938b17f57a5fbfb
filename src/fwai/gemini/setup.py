"""An agent's profile as the first message of a Live session. No I/O.

A contract test holds it against what the SDK would send for the same profile.

Source: Live API reference (v1beta) BidiGenerateContentSetup and Schema; google-genai 3.4.0.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from fwai.domain.plain_text import one_line
from fwai.domain.tool import ToolSpec
from fwai.gemini.json_fields import (
    ListOf,
    Record,
    WrongValueError,
    anything,
    flag,
    map_of,
    number,
    text,
    whole,
)
from fwai.gemini.models import ModelFamily, family_of

_SPEAKERS: Final = {"user": "Caller", "model": "You"}
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


EARLIER: Final = "What was said in this call so far, before the connection was renewed:"


def setup_message(
    config: SessionConfig,
    handle: str | None = None,
    earlier: Sequence[tuple[str, str]] = (),
) -> bytes:
    """Write the set-up message.

    Args:
        config: What the session needs to know.
        handle: Where an earlier connection of the same conversation stopped, or None.
        earlier: Turns as (``user`` or ``model``, text) for a model that takes them nowhere else.

    Raises:
        ValueError: A tool's parameters are not in the subset of JSON Schema that Live accepts;
            tool and place are named.
    """
    family = family_of(config.model)
    instruction = _with_earlier(config.instruction, earlier)
    setup: dict[str, Any] = {
        "model": config.model if config.model.startswith("models/") else f"models/{config.model}",
        "generationConfig": _generation(config, family),
        "systemInstruction": {"role": "user", "parts": [{"text": instruction}]},
        "realtimeInputConfig": {
            # Telephone lines: reluctant to see speech in noise, patient with a thinking caller.
            "automaticActivityDetection": {
                "startOfSpeechSensitivity": "START_SENSITIVITY_LOW",
                "endOfSpeechSensitivity": "END_SENSITIVITY_LOW",
                "prefixPaddingMs": 120,
                "silenceDurationMs": 600,
            },
            "turnCoverage": "TURN_INCLUDES_ONLY_ACTIVITY",
        },
        "inputAudioTranscription": {},
        "outputAudioTranscription": {},
        "sessionResumption": {} if handle is None else {"handle": handle},
    }
    if config.tools:
        declarations = [_declaration(spec, family) for spec in config.tools]
        setup["tools"] = [{"functionDeclarations": declarations}]
    if family.context_compression:
        setup["contextWindowCompression"] = {
            "triggerTokens": config.trigger_tokens,
            "slidingWindow": {"targetTokens": config.target_tokens},
        }
    # Half a surrogate pair, as a workflow may put into a call's context, must not break the call.
    return json.dumps({"setup": setup}, ensure_ascii=False, allow_nan=False).encode(
        errors="replace"
    )


def _with_earlier(instruction: str, earlier: Sequence[tuple[str, str]]) -> str:
    said = [f"{_SPEAKERS.get(role, role)}: {one_line(words)}" for role, words in earlier]
    return "\n".join((instruction, "", EARLIER, *said)) if said else instruction


def _generation(config: SessionConfig, family: ModelFamily) -> dict[str, Any]:
    speech: dict[str, Any] = {
        "voiceConfig": {"prebuiltVoiceConfig": {"voiceName": config.voice}},
    }
    if config.language:
        speech["languageCode"] = config.language
    generation: dict[str, Any] = {"responseModalities": ["AUDIO"], "speechConfig": speech}
    if family.thinking_level:
        generation["thinkingConfig"] = {"thinkingLevel": family.thinking_level}
    elif family.thinking_budget is not None:
        generation["thinkingConfig"] = {"thinkingBudget": family.thinking_budget}
    return generation


def _declaration(spec: ToolSpec, family: ModelFamily) -> dict[str, Any]:
    declaration: dict[str, Any] = {"name": spec.name, "description": spec.description}
    if spec.parameters:
        try:
            declaration["parameters"] = _schema(dict(spec.parameters))
        except WrongValueError as exc:
            raise ValueError(f"tool {spec.name}: {exc.inside('parameters')}") from exc
    if family.tool_behaviour:
        declaration["behavior"] = family.tool_behaviour
    return declaration


# ---- a tool's parameters ----------------------------------------------------------------------


def _schema(value: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON Schema as Live's own Schema: types in upper case, bounds as numbers.

    Raises:
        WrongValueError: It has a keyword that Live's Schema does not have, or a wrong value.
    """
    schema = _SCHEMA(value)
    if unknown := _SCHEMA.unknown(value):
        raise WrongValueError("not accepted by Live", unknown[0])
    return {name: item for name, item in schema.items() if item is not None}


def _type(value: object) -> str:
    return text(value).upper()


_SCHEMA: Final = Record(
    {
        "type": _type,
        "description": text,
        "title": text,
        "nullable": flag,
        "default": anything,
        "example": anything,
        "enum": ListOf(text),
        "format": text,
        "pattern": text,
        "minLength": whole,
        "maxLength": whole,
        "minimum": number,
        "maximum": number,
        "items": _schema,
        "minItems": whole,
        "maxItems": whole,
        "properties": map_of(_schema),
        "propertyOrdering": ListOf(text),
        "required": ListOf(text),
        "minProperties": whole,
        "maxProperties": whole,
        "anyOf": ListOf(_schema),
    }
)
