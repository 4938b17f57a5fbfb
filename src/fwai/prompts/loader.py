"""Loads and validates prompts.json, reporting every problem at once."""

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fwai.domain.agent import AgentProfile, placeholders
from fwai.domain.phone import normalise
from fwai.domain.sms_template import SmsTemplate, parse_sms_templates
from fwai.domain.webhook_tool import (
    WebhookToolError,
    WebhookToolSpec,
    parameter_problems,
    parse_webhook_tool,
)
from fwai.errors import ConfigError

# Values every call can fill in; a call's own context adds to them.
KNOWN_PLACEHOLDERS: Final = frozenset(
    {"agent_name", "caller_number", "customer_name", "date", "line_number", "note", "time"}
)


_AGENT_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class _Agent(BaseModel):
    model_config = ConfigDict(extra="forbid")

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
    memory: bool = True
    voicemail: Literal["hang_up", "speak"] = "hang_up"
    summary: bool = False
    extract: dict[str, Any] = Field(default_factory=dict)


def load_prompts(
    path: Path, *, voices: Collection[str], tools: Collection[str]
) -> Mapping[str, AgentProfile]:
    """Load every agent of the file; ids that begin with ``_`` are templates and skipped.

    Args:
        path: The file.
        voices: Names a ``voice`` may have.
        tools: Names ``tools`` may have, whether configured or not.

    Raises:
        ConfigError: Every problem of the file, each with agent, key and fix.
    """
    body = _read(path)
    problems: list[str] = []
    agents: dict[str, AgentProfile] = {}
    for agent_id, raw in body.items():
        if agent_id.startswith("_"):
            continue
        where = f"{path.name}: {agent_id}"
        if not _AGENT_ID.fullmatch(agent_id):
            problems.append(f"{where}: write the id with letters, digits, - and _ only")
            continue
        try:
            agent = _Agent.model_validate(raw)
        except ValidationError as exc:
            problems += [
                f"{'.'.join([where, *map(str, error['loc'])])}: {_describe_error(error)}"
                for error in exc.errors(include_input=False, include_url=False)
            ]
            continue
        problems += [f"{where}.{problem}" for problem in _agent_problems(agent, voices, tools)]
        webhooks = _parse_webhooks(agent, where, tools, problems)
        _check_extract(agent, where, problems)
        texts, wrong = parse_sms_templates(agent.sms_templates, f"{where}.sms_templates")
        problems += wrong
        agents[agent_id] = _build_profile(agent_id, agent, webhooks, texts)
    if not agents and not problems:
        problems.append(f"{path.name}: no agent in it; add one with name and prompt")
    problems += _duplicate_numbers(path.name, agents)
    if problems:
        raise ConfigError(problems)
    return agents


def _describe_error(error: Mapping[str, Any]) -> str:
    """Translate a pydantic error to the file's terms."""
    context = error.get("ctx", {})
    match error["type"]:
        case "missing":
            return "missing; add it"
        case "extra_forbidden":
            return f"unknown key; use one of {', '.join(_Agent.model_fields)}"
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


def _read(path: Path) -> dict[str, Any]:
    try:
        body = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError([f"{path}: not found; write one with: fwai init"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: not UTF-8; save it as UTF-8"]) from None
    except json.JSONDecodeError as exc:
        place = f"line {exc.lineno}, column {exc.colno}"
        raise ConfigError([f"{path}: not valid JSON at {place}: {exc.msg}; correct it"]) from None
    except OSError as exc:
        raise ConfigError([f"{path}: cannot be read ({exc.strerror}); check its owner"]) from None
    if not isinstance(body, dict):
        raise ConfigError([f"{path}: must be an object of agents by id, in {{ }}"])
    return body


def _agent_problems(agent: _Agent, voices: Collection[str], tools: Collection[str]) -> list[str]:
    problems = []
    if agent.voice and agent.voice not in voices:
        close = [voice for voice in voices if voice.lower() == agent.voice.lower()]
        hint = f"write {close[0]}" if close else f"use one of {', '.join(sorted(voices))}"
        problems.append(f"voice: unknown voice {agent.voice!r}; {hint}")
    problems += [
        f"tools: unknown tool {name!r}; use one of {', '.join(sorted(tools))}"
        for name in agent.tools
        if name not in tools
    ]
    known = KNOWN_PLACEHOLDERS | set(agent.placeholders)
    problems += [
        f"{key}: unknown placeholder {{{{{name}}}}}; use one of {', '.join(sorted(known))}, "
        "or name it under placeholders"
        for key in ("prompt", "greeting")
        for name in sorted(placeholders(getattr(agent, key)) - known)
    ]
    for number in agent.numbers:
        try:
            normalise(number)
        except ValueError as exc:
            problems.append(f"numbers: {number!r}: {exc}")
    return problems


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
    webhooks: tuple[WebhookToolSpec, ...],
    sms_templates: Mapping[str, SmsTemplate],
) -> AgentProfile:
    numbers = []
    for number in agent.numbers:
        try:
            numbers.append(normalise(number))
        except ValueError:
            continue  # reported with the file's other problems
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
        numbers=tuple(numbers),
        memory=agent.memory,
        speaks_to_machines=agent.voicemail == "speak",
        sums_up=agent.summary or bool(agent.extract),
        extract=agent.extract,
        webhooks=webhooks,
        sms_templates=sms_templates,
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
