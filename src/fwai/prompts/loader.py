"""Loads and validates prompts.json, reporting every problem at once."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fwai.domain.agent import AgentProfile, malformed_placeholders, placeholders
from fwai.domain.email_text import EmailText, parse_email_templates
from fwai.domain.near_miss import nearest
from fwai.domain.phone import PhoneError, own_number
from fwai.domain.sms_template import SmsTemplate, parse_sms_templates
from fwai.domain.webhook_tool import (
    WebhookToolError,
    WebhookToolSpec,
    parameter_problems,
    parse_webhook_tool,
)
from fwai.errors import ConfigError
from fwai.prompts.json_file import can_be_sent, printable, read_json_file
from fwai.prompts.languages import find_language

# Values every call can fill in; a call's own context adds to them.
KNOWN_PLACEHOLDERS: Final = frozenset(
    {"agent_name", "caller_number", "customer_name", "date", "line_number", "note", "time"}
)


_PLACEHOLDER_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_AGENT_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class _Agent(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    name: str = Field(min_length=1, max_length=80)
    description: str = Field(default="", max_length=500)
    prompt: str = Field(min_length=1, max_length=30_000)
    greeting: str = Field(default="", max_length=500)
    voice: str = ""
    language: str = ""
    model: str = ""
    tools: list[str] = Field(default_factory=list)
    numbers: list[str] = Field(default_factory=list)
    placeholders: list[str] = Field(default_factory=list)
    webhooks: list[Any] = Field(default_factory=list)
    sms_templates: Any = Field(default_factory=dict)
    email_templates: Any = Field(default_factory=dict)
    memory: bool = True
    voicemail: Literal["hang_up", "speak"] = "hang_up"
    summary: bool = False
    extract: dict[str, Any] = Field(default_factory=dict)


def load_prompts(
    path: Path,
    *,
    voices: Collection[str],
    tools: Collection[str],
    languages: Mapping[str, str] | None = None,
    regions: Sequence[str] = (),
) -> Mapping[str, AgentProfile]:
    """Load every agent of the file; ids that begin with ``_`` are templates and skipped.

    Args: Those of `read_prompts`.

    Raises:
        ConfigError: Every problem of the file, each with agent, key and fix.
    """
    agents, problems = read_prompts(
        path, voices=voices, tools=tools, languages=languages, regions=regions
    )
    if problems:
        raise ConfigError(problems)
    return agents


def read_prompts(
    path: Path,
    *,
    voices: Collection[str],
    tools: Collection[str],
    languages: Mapping[str, str] | None = None,
    regions: Sequence[str] = (),
) -> tuple[Mapping[str, AgentProfile], list[str]]:
    """Return the agents as far as they can be read, and every problem of the file.

    What is wrong in itself is left out of an agent, so that the rest can still be judged.

    Args:
        path: The file.
        voices: Names a ``voice`` may have.
        tools: Names ``tools`` may have, whether configured or not.
        languages: English names of the languages ``language`` may have, by code; None is any.
        regions: Country of ``numbers`` that are written as at home, ISO 3166.
    """
    body, problems = read_json_file(path)
    agents: dict[str, AgentProfile] = {}
    for agent_id, raw in body.items():
        if agent_id.startswith("_"):
            continue
        where = f"{path.name}: {printable(agent_id)}"
        if not _AGENT_ID.fullmatch(agent_id):
            problems.append(f"{where}: write the id with letters, digits, - and _ only")
        agent = _read_agent(raw, where, problems)
        if agent is None:
            continue
        agent.language, problem = find_language(agent.language, languages or {})
        if problem:
            problems.append(f"{where}.language: {problem}")
        problems += [f"{where}.{problem}" for problem in _agent_problems(agent, voices, tools)]
        numbers = _read_numbers(agent, regions, where, problems)
        webhooks = _parse_webhooks(agent, where, tools, problems)
        _check_extract(agent, where, problems)
        texts, wrong = parse_sms_templates(agent.sms_templates, f"{where}.sms_templates")
        mails, faults = parse_email_templates(agent.email_templates, f"{where}.email_templates")
        problems += [*wrong, *faults]
        agents[agent_id] = _build_profile(agent_id, agent, numbers, webhooks, texts, mails)
    if not agents and not problems:
        problems.append(f"{path.name}: no agent in it; add one with name and prompt")
    problems += _duplicate_numbers(path.name, agents)
    return agents, problems


def _read_agent(raw: object, where: str, problems: list[str]) -> _Agent | None:
    """Read one agent; adds to ``problems``.

    What is wrong in itself is left out of the agent, so that the rest of it is judged, too. None
    when nothing of it can be.
    """
    if isinstance(raw, dict):  # a key with half a character: the file's reader has named it
        raw = {key: value for key, value in raw.items() if can_be_sent(key)}
    try:
        return _Agent.model_validate(raw)
    except ValidationError as exc:
        wrong = exc.errors(include_input=False, include_url=False)
    problems += [
        f"{'.'.join([where, *(printable(str(part)) for part in error['loc'])])}: "
        f"{_describe_error(error)}"
        for error in wrong
        if error["type"] != "string_unicode"  # half a character; the file's reader has named it
    ]
    if not isinstance(raw, dict):
        return None
    bad = {str(error["loc"][0]) for error in wrong}
    return _Agent.model_validate(
        {"name": "?", "prompt": "?"} | {key: value for key, value in raw.items() if key not in bad}
    )


def _describe_error(error: Mapping[str, Any]) -> str:
    """Translate a pydantic error to the file's terms."""
    context = error.get("ctx", {})
    match error["type"]:
        case "missing":
            return "missing; add it"
        case "extra_forbidden":
            near = nearest(str(error["loc"][-1]), _Agent.model_fields)
            known = ", ".join(_Agent.model_fields)
            return f"unknown key; use one of {known}" + (f"; did you mean {near}?" if near else "")
        case "string_type":
            return "must be text in quotes"
        case "string_too_short":
            return "is empty; write something"
        case "string_too_long":
            return f"too long; use at most {context['max_length']} characters"
        case "list_type":
            return "must be a list in [ ]"
        case "dict_type" | "model_type":
            return "must be an object in { }"
    return str(error["msg"])


def _agent_problems(agent: _Agent, voices: Collection[str], tools: Collection[str]) -> list[str]:
    problems = []
    if agent.voice and agent.voice not in voices:
        close = nearest(agent.voice, sorted(voices))
        hint = f"write {close}" if close else f"use one of {', '.join(sorted(voices))}"
        problems.append(f"voice: unknown voice {agent.voice[:40]!r}; {hint}")
    problems += [
        f"tools: unknown tool {name[:40]!r}; use one of {', '.join(sorted(tools))}"
        + (f"; did you mean {near}?" if (near := nearest(name, sorted(tools))) else "")
        for name in agent.tools
        if name not in tools
    ]
    problems += [
        f"tools: {name} is named {count} times; name it once"
        for name, count in Counter(agent.tools).items()
        if count > 1 and name in tools
    ]
    problems += _placeholder_problems(agent)
    return problems


def _placeholder_problems(agent: _Agent) -> Iterator[str]:
    known = KNOWN_PLACEHOLDERS | set(agent.placeholders)
    for name in agent.placeholders:
        if not _PLACEHOLDER_NAME.fullmatch(name):
            yield f"placeholders: {name[:40]!r}: write the name alone: letters, digits and _"
    for key in ("prompt", "greeting"):
        text = getattr(agent, key)
        for name in sorted(placeholders(text) - known):
            near = nearest(name, sorted(known))
            meant = f"did you mean {{{{{near}}}}}? Use" if near else "use"
            yield (
                f"{key}: unknown placeholder {{{{{name[:40]}}}}}; {meant} one of "
                f"{', '.join(sorted(known))}, or name it under placeholders"
            )
        yield from (f"{key}: {problem}" for problem in malformed_placeholders(text, known))
    if placeholders(agent.name):
        yield "name: placeholders are filled in prompt and greeting only; write the name itself"


def _read_numbers(
    agent: _Agent, regions: Sequence[str], where: str, problems: list[str]
) -> tuple[str, ...]:
    """Read the lines that the agent answers, to E.164; adds to ``problems``."""
    found = []
    for written in agent.numbers:
        try:
            found.append(own_number(written, regions))
        except PhoneError as exc:
            problems.append(f"{where}.numbers: {written!r}: {exc}")
    return tuple(found)


def _parse_webhooks(
    agent: _Agent, where: str, tools: Collection[str], problems: list[str]
) -> tuple[WebhookToolSpec, ...]:
    """Parse the agent's webhook tools; adds to ``problems``."""
    found: list[WebhookToolSpec] = []
    for place, raw in enumerate(agent.webhooks):
        taken = {*tools, *(spec.name for spec in found)}
        try:
            found.append(parse_webhook_tool(raw, f"{where}.webhooks.{place}", taken))
        except WebhookToolError as exc:
            problems += exc.problems
    return tuple(found)


def _check_extract(agent: _Agent, where: str, problems: list[str]) -> None:
    if not agent.extract:
        return
    schema = {"type": "object", "properties": agent.extract}
    problems += parameter_problems(schema, f"{where}.extract")


def _build_profile(
    agent_id: str,
    agent: _Agent,
    numbers: tuple[str, ...],
    webhooks: tuple[WebhookToolSpec, ...],
    sms_templates: Mapping[str, SmsTemplate],
    email_templates: Mapping[str, EmailText],
) -> AgentProfile:
    return AgentProfile(
        id=agent_id,
        name=agent.name,
        description=agent.description,
        prompt=agent.prompt,
        greeting=agent.greeting,
        voice=agent.voice,
        language=agent.language,
        model=agent.model,
        tools=tuple(agent.tools),
        numbers=numbers,
        memory=agent.memory,
        speaks_to_machines=agent.voicemail == "speak",
        sums_up=agent.summary or bool(agent.extract),
        extract=agent.extract,
        webhooks=webhooks,
        sms_templates=sms_templates,
        email_templates=email_templates,
    )


def _duplicate_numbers(name: str, agents: Mapping[str, AgentProfile]) -> list[str]:
    owner: dict[str, str] = {}
    problems = []
    for agent in agents.values():
        for number in agent.numbers:
            if number in owner:
                problems.append(
                    f"{name}: {agent.id}.numbers: also answered by {owner[number]}; keep one"
                )
            owner[number] = agent.id
    return problems
