"""Agent profiles of prompts.json, and filling of prompt placeholders."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from fwai.domain.email_text import EmailText
from fwai.domain.sms_template import SmsTemplate
from fwai.domain.webhook_tool import WebhookToolSpec

_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_MAX_SHOWN = 40


@dataclass(frozen=True, slots=True)
class AgentProfile:
    """One validated agent of prompts.json.

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
        memory: Its prompt includes memory of earlier calls with the same person.
        speaks_to_machines: It leaves a message with an answering machine, rather than hang up.
        sums_up: Its calls are summarized after they end, if a text model is configured.
        extract: JSON Schema properties, by name, that are extracted from its calls then.
        webhooks: Workflows that it may use as tools.
        sms_templates: Registered wordings of its text messages, by name.
        email_templates: Prepared e-mails for callers, by name.
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
    memory: bool = True
    speaks_to_machines: bool = False
    sums_up: bool = False
    extract: Mapping[str, Any] = field(default_factory=dict)
    webhooks: tuple[WebhookToolSpec, ...] = ()
    sms_templates: Mapping[str, SmsTemplate] = field(default_factory=dict)
    email_templates: Mapping[str, EmailText] = field(default_factory=dict)


def placeholders(text: str) -> frozenset[str]:
    """Find the names used as ``{{name}}`` in ``text``."""
    return frozenset(_PLACEHOLDER.findall(text))


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace every ``{{name}}`` in ``text``; an unknown name becomes empty."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], ""), text)


def malformed_placeholders(text: str, known: Collection[str]) -> list[str]:
    """Find what was meant as a placeholder and would be read out as it stands.

    Braces that belong to something else, such as an example in JSON, are not among it.

    Returns:
        One sentence each: what is written, and the fix.
    """
    problems = [
        f"{found[0][:_MAX_SHOWN]}: too many braces; write two on each side"
        for found in re.finditer(r"\{{3,}[^{}]*\}{3,}", text)
    ]
    rest = _PLACEHOLDER.sub("", re.sub(r"\{{3,}[^{}]*\}{3,}", "", text))
    names = "|".join(re.escape(name) for name in sorted(known, key=len, reverse=True))
    # A word with an underscore is no word of a language, so other brackets around it mean the same.
    marked = "|".join(re.escape(name) for name in sorted(known) if "_" in name)
    shapes = [rf"\$?\{{{{1,2}}\s*({names})\s*\}}{{1,2}}", r"\{\{([^{}]*)"]
    if marked:
        shapes.insert(1, rf"(?:<|\[|%\(?)\s*({marked})\s*(?:>|\]|\)?%|\)s)")
    for shape in shapes:
        for found in re.finditer(shape, rest):
            name = found[1].strip()
            fix = f"write {{{{{name}}}}}" if name in known else "close it with }}, or write one {"
            problems.append(f"{found[0].strip()[:_MAX_SHOWN]}: no placeholder; {fix}")
        rest = re.sub(shape, "", rest)
    return problems
