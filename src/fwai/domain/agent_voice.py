"""Whose voice a sentence is in, and the words it is made of. No I/O."""

import hashlib
import json
from dataclasses import dataclass
from typing import Final

NAME_DIGITS: Final = 32


@dataclass(frozen=True, slots=True)
class AgentVoice:
    """What a caller recognises an agent by; agents with the same one share their clips.

    Attributes:
        model: Live model id.
        voice: Name of a Live voice.
        language: BCP 47 code; may be empty.
    """

    model: str
    voice: str
    language: str


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of a sentence.

    Attributes:
        text: As they are written.
        language: Of them: its code without a region, such as ``hi``.
    """

    text: str
    language: str


def primary_language(code: str) -> str:
    """Return the language of a BCP 47 code without its region: ``hi-IN`` is ``hi``."""
    return code.strip().replace("_", "-").partition("-")[0].casefold()


def clip_name(voice: AgentVoice, text: str) -> str:
    """Return the name of the clip of a text; another model, voice, language or text has another."""
    parts = json.dumps([voice.model, voice.voice, voice.language, text], ensure_ascii=True)
    return hashlib.sha256(parts.encode()).hexdigest()[:NAME_DIGITS]
