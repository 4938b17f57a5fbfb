"""Who speaks for us on a call, and what it may do."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as the model sees it.

    Attributes:
        name: What the model calls it.
        description: When to use it, in words for the model.
        parameters: JSON Schema of its arguments in the subset Live accepts; empty for none.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AgentProfile:
    """One agent of prompts.json, validated.

    Attributes:
        id: Its key in the file.
        name: What it calls itself.
        description: For operators.
        prompt: System instruction, with ``{{placeholders}}``.
        greeting: Its first words, with ``{{placeholders}}``; empty lets the model choose.
        voice: Name of a Live voice.
        language: BCP 47 code it starts in.
        model: Live model, or empty for the server's default.
        tools: Names of the tools it may use.
        numbers: Lines of ours (E.164) that it answers.
    """

    id: str
    name: str
    description: str
    prompt: str
    greeting: str
    voice: str
    language: str
    model: str
    tools: tuple[str, ...]
    numbers: tuple[str, ...]


def placeholders(text: str) -> frozenset[str]:
    """Return the names used as ``{{name}}`` in ``text``."""
    return frozenset(_PLACEHOLDER.findall(text))


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return ``text`` with every ``{{name}}`` replaced; an unknown name becomes empty."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], ""), text)
