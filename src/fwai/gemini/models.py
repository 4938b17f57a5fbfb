"""What each family of Live models accepts at set-up.

Source: Google's Live model pages and observed set-up refusals, read 2026-11-22. A field a family
does not know ends the socket with 1007 or 1008, so nothing is sent that this table does not allow.
"""

import re
from dataclasses import dataclass
from typing import Final

VOICES = frozenset(
    {
        "Zephyr", "Puck", "Charon", "Kore", "Fenrir", "Leda", "Orus", "Aoede", "Callirrhoe",
        "Autonoe", "Enceladus", "Iapetus", "Umbriel", "Algieba", "Despina", "Erinome", "Algenib",
        "Rasalgethi", "Laomedeia", "Achernar", "Alnilam", "Schedar", "Gacrux", "Pulcherrima",
        "Achird", "Zubenelgenubi", "Vindemiatrix", "Sadachbia", "Sadaltager", "Sulafat",
    }
)  # fmt: skip

# Code and English name; a speech-to-speech model follows its instruction more than the code.
LANGUAGES: Final = {
    "ar-EG": "Arabic", "bn-BD": "Bengali", "de-DE": "German", "en-IN": "English",
    "en-US": "English", "es-US": "Spanish", "fr-FR": "French", "hi-IN": "Hindi",
    "id-ID": "Indonesian", "it-IT": "Italian", "ja-JP": "Japanese", "ko-KR": "Korean",
    "mr-IN": "Marathi", "nl-NL": "Dutch", "pl-PL": "Polish", "pt-BR": "Portuguese",
    "ro-RO": "Romanian", "ru-RU": "Russian", "ta-IN": "Tamil", "te-IN": "Telugu",
    "th-TH": "Thai", "tr-TR": "Turkish", "uk-UA": "Ukrainian", "vi-VN": "Vietnamese",
}  # fmt: skip
DEFAULT_MODEL: Final = "gemini-3.8-live"


@dataclass(frozen=True, slots=True)
class ModelFamily:
    """What a family of Live models takes.

    Attributes:
        thinking_budget: Value for thinkingBudget; None leaves it out.
        thinking_level: Value for thinkingLevel; empty leaves it out.
        tool_behaviour: ``NON_BLOCKING`` or ``BLOCKING`` per declaration; empty leaves it out.
        tool_scheduling: Whether a tool result may say when the model should speak about it.
        context_compression: Whether sliding-window compression may be asked for.
        history: Whether earlier turns may be sent after the set-up; else they stand in it.
    """

    thinking_budget: int | None = None
    thinking_level: str = ""
    tool_behaviour: str = ""
    tool_scheduling: bool = False
    context_compression: bool = True
    history: bool = True


_FAMILIES: tuple[tuple[str, ModelFamily], ...] = (
    # Longest prefix first. 3.8: no thinking config; tools run while it talks.
    (
        "gemini-3.8-live-extended-thinking",
        ModelFamily(thinking_level="LOW", tool_behaviour="NON_BLOCKING", tool_scheduling=True),
    ),
    ("gemini-3.8-live", ModelFamily(tool_behaviour="NON_BLOCKING", tool_scheduling=True)),
    ("gemini-3.1-flash-live", ModelFamily(thinking_level="MINIMAL", history=False)),
    ("gemini-2.5-flash-native-audio", ModelFamily(thinking_budget=0)),
    ("gemini-live-2.5-flash-native-audio", ModelFamily(thinking_budget=0)),
)
_UNKNOWN = ModelFamily()


def family_of(model: str) -> ModelFamily:
    """Return what ``model`` accepts; an unknown one gets only what every family takes."""
    name = model.removeprefix("models/")
    return next((family for prefix, family in _FAMILIES if name.startswith(prefix)), _UNKNOWN)


_SHUT_DOWN: Final = frozenset({"gemini-2.0-flash-live-001", "gemini-live-2.5-flash-preview"})
_VERTEX_ONLY: Final = frozenset({"gemini-live-2.5-flash-native-audio"})
_LIVE_WORD: Final = re.compile(r"(?:^|-)(?:live|native-audio)(?:-|$)")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{2,99}")
_NO_CONVERSATION: Final = ("translate", "transcribe")


def has_known_family(model: str) -> bool:
    """Whether it is known what ``model`` accepts."""
    return family_of(model) is not _UNKNOWN


def live_model_problem(model: str) -> str | None:
    """Return why a phone call cannot be held with ``model``, and the fix; None if it may be.

    A Live model of a family that is not known yet is taken; it gets what every family takes.
    """
    name = model.removeprefix("models/")
    use = f"use a Live model such as {DEFAULT_MODEL}"
    if _NAME.fullmatch(name.lower()) and name != name.lower():
        return f"write it in small letters: {name.lower()}"
    if not _NAME.fullmatch(name):
        return f"is no name of a model; {use}"
    if name in _SHUT_DOWN:
        return f"was shut down by Google; {use}"
    if name in _VERTEX_ONLY:
        return f"is of Vertex AI, not of the Gemini API; {use}"
    if not name.startswith("gemini-") or not _LIVE_WORD.search(name):
        return f"is no Live model; {use}"
    if any(word in name for word in _NO_CONVERSATION):
        return f"holds no conversations; {use}"
    return None


def text_model_problem(model: str) -> str | None:
    """Return why calls cannot be summed up with ``model``, and the fix; None if they may be."""
    name = model.removeprefix("models/")
    use = "use a text model such as gemini-3.8-flash"
    if not _NAME.fullmatch(name):
        return f"is no name of a model; {use}"
    return f"is a Live model, which answers with sound; {use}" if _LIVE_WORD.search(name) else None
