"""Validates a client's setup message as the service does.

Source: Live API reference and reports collected for google-genai 3.4.0 (read 2026-11-22). Reasons
imitate the service's wording where it is known.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from fwai.simulator.gemini.endpointing import VadSettings
from fwai.simulator.gemini.wire import Json, LiveClose, camel, invalid, unknown_name


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


VOICES: Final = _words(
    "Zephyr Puck Charon Kore Fenrir Leda Orus Aoede Callirrhoe Autonoe Enceladus Iapetus "
    "Umbriel Algieba Despina Erinome Algenib Rasalgethi Laomedeia Achernar Alnilam Schedar "
    "Gacrux Pulcherrima Achird Zubenelgenubi Vindemiatrix Sadachbia Sadaltager Sulafat"
)

NOT_HERE: Final = frozenset(
    {
        "gemini-2.0-flash-live-001",  # shut down 2025-12-09
        "gemini-live-2.5-flash-preview",  # shut down 2025-12-09
        "gemini-live-2.5-flash-native-audio",  # Vertex only
    }
)
"""Models that the Developer API answers with 1008."""

_SETUP_FIELDS = _words(
    "model generationConfig systemInstruction tools realtimeInputConfig sessionResumption "
    "contextWindowCompression inputAudioTranscription outputAudioTranscription proactivity "
    "historyConfig safetySettings labels translationConfig avatarConfig"
)
_GENERATION_FIELDS = _words(
    "responseModalities temperature topP topK maxOutputTokens seed speechConfig thinkingConfig "
    "enableAffectiveDialog mediaResolution candidateCount presencePenalty frequencyPenalty"
)
_REALTIME_FIELDS = _words(
    "automaticActivityDetection activityHandling turnCoverage interimTranscriptTimestampEnabled"
)
_VAD_FIELDS = _words(
    "disabled startOfSpeechSensitivity endOfSpeechSensitivity prefixPaddingMs silenceDurationMs"
)
_DECLARATION_FIELDS = _words("name description parameters behavior response parametersJsonSchema")
_SCHEMA_FIELDS = _words(
    "type properties required items enum description title format pattern default example "
    "nullable anyOf minimum maximum minLength maxLength minItems maxItems minProperties "
    "maxProperties propertyOrdering additionalProperties ref defs"
)
_SCHEMA_TYPES = _words("STRING NUMBER INTEGER BOOLEAN ARRAY OBJECT NULL")
_FUNCTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,63}")
_HANDLING = ("START_OF_ACTIVITY_INTERRUPTS", "NO_INTERRUPTION")
_COVERAGE = (
    "TURN_INCLUDES_ONLY_ACTIVITY",
    "TURN_INCLUDES_ALL_INPUT",
    "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO",
)


_TAKEN_UP = "\\nYou: "
"""In JSON: a line of a transcript, said by the model."""


@dataclass(frozen=True, slots=True)
class Setup:
    """A valid setup message.

    Attributes:
        model: Without the ``models/`` prefix.
        tools: Declared functions by name; True means that the call blocks the conversation.
        argless: Functions that are called with empty arguments, because their schema came in
            ``parametersJsonSchema``, which Live ignores.
        vad: How the caller's speech is found.
        interrupts: Whether caller speech stops the agent.
        all_input_billed: Whether silence counts as input too.
        transcribe_input: Whether the caller's words are sent.
        transcribe_output: Whether the agent's words are sent.
        resumption: Whether handles are issued.
        handle: The handle of an earlier connection, or None.
        history_first: The first clientContent is history and starts no turn.
        compression: ``(trigger, target)`` tokens of the sliding window, or None.
        taken_up: The instruction tells what the model said in this call so far.
    """

    model: str
    tools: dict[str, bool] = field(default_factory=dict)
    argless: set[str] = field(default_factory=set)
    vad: VadSettings = field(default_factory=VadSettings)
    interrupts: bool = True
    all_input_billed: bool = False
    transcribe_input: bool = False
    transcribe_output: bool = False
    resumption: bool = False
    handle: str | None = None
    history_first: bool = False
    compression: tuple[int, int] | None = None
    taken_up: bool = False


def read_setup(body: Json) -> Setup:
    """Judge a setup message whose keys are camelCase.

    Raises:
        LiveClose: The service would refuse it.
    """
    _known(body, _SETUP_FIELDS, "setup")
    model = _model(body)
    _check_generation(model, _part(body, "generationConfig"))
    if _part(body, "proactivity").get("proactiveAudio") is False and _is_38(model):
        raise invalid("Proactive audio cannot be disabled for this model.")
    realtime = _part(body, "realtimeInputConfig")
    _known(realtime, _REALTIME_FIELDS, "setup.realtime_input_config")
    resumption = _part(body, "sessionResumption")
    if "transparent" in resumption:
        raise invalid("transparent session resumption is not supported.")
    declared = body.get("tools")
    tools, argless = read_tools(model, [] if declared is None else declared)
    return Setup(
        model=model,
        tools=tools,
        argless=argless,
        vad=_vad(_part(realtime, "automaticActivityDetection")),
        interrupts=_one_of(realtime, "activityHandling", _HANDLING) != "NO_INTERRUPTION",
        all_input_billed=_one_of(realtime, "turnCoverage", _COVERAGE) == _COVERAGE[1],
        transcribe_input=body.get("inputAudioTranscription") is not None,
        transcribe_output=body.get("outputAudioTranscription") is not None,
        resumption=body.get("sessionResumption") is not None,
        handle=resumption.get("handle") or None,
        history_first=bool(_part(body, "historyConfig").get("initialHistoryInClientContent")),
        compression=_compression(_part(body, "contextWindowCompression")),
        taken_up=_TAKEN_UP in json.dumps(body.get("systemInstruction"), ensure_ascii=False),
    )


def _is_38(model: str) -> bool:
    return model.startswith("gemini-3.8-live")


def _known(body: Json, fields: Iterable[str], where: str) -> None:
    for key in body:
        if key not in fields:
            raise invalid(unknown_name(key, where))


def _part(body: Json, key: str) -> Json:
    part = body.get(key)
    if part is None:
        return {}
    if not isinstance(part, dict):
        raise invalid(f"Invalid value at '{key}'.")
    return part


def _one_of(body: Json, key: str, values: tuple[str, ...]) -> str:
    value = body.get(key) or values[0]
    if value not in values and not str(value).endswith("_UNSPECIFIED"):
        raise invalid(f"Invalid value at '{key}': {value!r}.")
    return str(value)


def _whole(body: Json, key: str, default: int) -> int:
    value = body.get(key, default)
    if isinstance(value, str) and value.isdigit():  # int64 fields are strings in protobuf JSON
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise invalid(f"Invalid value at '{key}': {value!r}.")
    return value


def _model(body: Json) -> str:
    name = body.get("model")
    if not isinstance(name, str) or not name:
        raise invalid("setup.model must be set.")
    short = name.rsplit("/", 1)[-1]
    if not name.startswith("models/") or short in NOT_HERE:
        found = "is not found for API version v1beta, or is not supported for bidiGenerateContent."
        raise LiveClose(1008, f"{name} {found}")
    return short


def _check_generation(model: str, config: Json) -> None:
    _known(config, _GENERATION_FIELDS, "setup.generation_config")
    modalities = config.get("responseModalities") or ["AUDIO"]
    if not isinstance(modalities, list) or len(modalities) != 1:
        raise invalid("Request contains an invalid argument.")
    if modalities != ["AUDIO"]:
        raise LiveClose(1011, "Internal error encountered.")
    voice = _part(_part(_part(config, "speechConfig"), "voiceConfig"), "prebuiltVoiceConfig")
    name = voice.get("voiceName", "Puck")
    if name not in VOICES:
        raise invalid(f"Requested voice api_name '{name}' is not available for model {model}")
    extended = "extended-thinking" in model
    if ("thinkingConfig" in config) != extended and _is_38(model):
        state = "required" if extended else "not supported"
        raise invalid(f"thinking_config is {state} for this model.")
    if config.get("enableAffectiveDialog") is not None and "2.5" not in model:
        raise invalid("enable_affective_dialog is not supported for this model.")


def _vad(config: Json) -> VadSettings:
    _known(config, _VAD_FIELDS, "setup.realtime_input_config.automatic_activity_detection")
    default = VadSettings()
    starts = ("START_SENSITIVITY_LOW", "START_SENSITIVITY_HIGH")
    ends = ("END_SENSITIVITY_HIGH", "END_SENSITIVITY_LOW")
    return VadSettings(
        disabled=bool(config.get("disabled", False)),
        start_high=_one_of(config, "startOfSpeechSensitivity", starts) == starts[1],
        end_low=_one_of(config, "endOfSpeechSensitivity", ends) == ends[1],
        prefix_padding_ms=_whole(config, "prefixPaddingMs", default.prefix_padding_ms),
        silence_duration_ms=_whole(config, "silenceDurationMs", default.silence_duration_ms),
    )


def _compression(config: Json) -> tuple[int, int] | None:
    if not config:
        return None
    trigger = _whole(config, "triggerTokens", 102_400)
    target = _whole(_part(config, "slidingWindow"), "targetTokens", trigger // 2)
    if target >= trigger:
        raise invalid("sliding_window.target_tokens must be less than trigger_tokens.")
    return trigger, target


def read_tools(model: str, tools: object) -> tuple[dict[str, bool], set[str]]:
    """Judge tool declarations.

    Returns:
        Whether each function's calls block the conversation, and those called without arguments.

    Raises:
        LiveClose: The service would refuse them.
    """
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise invalid("Invalid value at 'setup.tools'.")
    declared: dict[str, bool] = {}
    argless: set[str] = set()
    for declaration in (d for tool in tools for d in tool.get("functionDeclarations") or []):
        _known(declaration, _DECLARATION_FIELDS, "setup.tools[0].function_declarations[0]")
        name = declaration.get("name")
        if not isinstance(name, str) or not _FUNCTION_NAME.fullmatch(name):
            raise invalid(f"Invalid function name {name!r}.")
        if name in declared:
            raise invalid(f"Duplicate function declaration found: {name}")
        if declaration.get("parameters") is not None:
            _check_schema(declaration["parameters"], name)
        elif "parametersJsonSchema" in declaration:
            argless.add(name)
        values = ("UNSPECIFIED", "BLOCKING", "NON_BLOCKING")
        behavior = _one_of(declaration, "behavior", values)
        declared[name] = behavior == "BLOCKING" or (behavior == values[0] and not _is_38(model))
    return declared, argless


def _check_schema(schema: object, where: str) -> None:
    if not isinstance(schema, dict):
        raise invalid(f"Invalid schema at '{where}'.")
    schema = {camel(key): value for key, value in schema.items()}
    _known(schema, _SCHEMA_FIELDS, where)
    if "anyOf" not in schema and schema.get("type") not in _SCHEMA_TYPES:
        raise invalid(f"Invalid value at '{where}.type': {schema.get('type')!r}.")
    for name, inner in (schema.get("properties") or {}).items():
        _check_schema(inner, f"{where}.{name}")
    if "items" in schema:
        _check_schema(schema["items"], f"{where}.items")
    for inner in schema.get("anyOf") or []:
        _check_schema(inner, f"{where}.anyOf")
