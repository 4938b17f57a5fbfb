"""Signed webhooks out: events to n8n, agents' workflows, and where both may go."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import structlog

from fwai.config.settings import Settings
from fwai.domain.agent import AgentProfile
from fwai.domain.call import Call
from fwai.domain.call_event import TOOL_CALLED, callback_data
from fwai.domain.callback import Callback
from fwai.domain.events import ToolCall, ToolResult
from fwai.domain.job import NewJob
from fwai.errors import ConfigError
from fwai.integrations.signing import Signer, as_typed
from fwai.integrations.url_guard import UrlGuard
from fwai.integrations.webhook_client import WebhookClient, retry_gap_s
from fwai.integrations.workflow import WorkflowClient
from fwai.interfaces.failures import Failures
from fwai.jobs.events import Events
from fwai.tools.message_jobs import Announce

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class OutgoingWebhooks:
    """How signed posts leave; there are none without a secret to sign them."""

    guard: UrlGuard
    client: WebhookClient
    workflows: WorkflowClient


def outgoing_webhooks(
    settings: Settings, agents: Mapping[str, AgentProfile], http: httpx.AsyncClient
) -> OutgoingWebhooks | None:
    """Build the way out for events and workflows, over a client that is used for nothing else.

    Raises:
        ConfigError: An agent's workflow cannot be called.
    """
    if problems := webhook_problems(settings, agents):
        raise ConfigError(problems)
    secrets = settings.event_secrets
    if not secrets:
        return None
    _note_secret(secrets[0])
    own = [settings.events_webhook_url] if settings.events_webhook_url else []
    guard = UrlGuard(settings.webhook_allowed_hosts, own=own)
    signer = Signer(secrets[0], secrets[1:])
    client = WebhookClient(http, signer, guard)
    # What the agents' workflows may reach is no business of who places a call.
    hooks = [hook.url for agent in agents.values() for hook in agent.webhooks]
    workflows = WorkflowClient(http, signer, UrlGuard((), own=hooks))
    return OutgoingWebhooks(guard, client, workflows)


def webhook_problems(settings: Settings, agents: Mapping[str, AgentProfile]) -> list[str]:
    """Return why workflows of the agents cannot be called, each with its fix."""
    hooks = [(agent, hook) for agent in agents.values() for hook in agent.webhooks]
    problems = []
    if hooks and not settings.event_secrets:
        problems.append(
            "EVENTS_WEBHOOK_SECRET: missing; calls of the agents' webhooks are signed with it"
        )
    for agent, hook in hooks:
        try:
            UrlGuard((), own=[hook.url]).check(hook.url)
        except ValueError as exc:
            file = settings.prompts_file.name
            problems.append(f"{file}: {agent.id}.webhooks: {hook.name}: url: {exc}")
    return problems


def _note_secret(secret: str) -> None:
    """Say that n8n's Crypto credential cannot hold the secret; other receivers can."""
    try:
        as_typed(secret)
    except ValueError:
        _log.info("events_secret_not_typeable", see="docs/N8N.md")


def build_events(
    settings: Settings, webhooks: OutgoingWebhooks | None, failures: Failures
) -> Events:
    """Build the events; without a secret nobody is told anything."""

    async def post(url: str, message_id: str, body: bytes) -> int:
        if webhooks is None:
            raise ValueError("EVENTS_WEBHOOK_SECRET is no longer set")
        return (await webhooks.client.post(url, message_id, body)).status

    url = settings.events_webhook_url if webhooks is not None else ""
    return Events(url, post, retry_gap_s, failures=failures)


def url_check(webhooks: OutgoingWebhooks | None) -> Callable[[str], None]:
    """Return what raises ``ValueError`` with the fix when events may not go to a URL."""

    def check(url: str) -> None:
        if webhooks is None:
            raise ValueError("set EVENTS_WEBHOOK_SECRET: events are signed with it")
        webhooks.guard.check(url)

    return check


# ---- the jobs of single events ------------------------------------------------------------------


def announcer(events: Events) -> Announce:
    """Return what makes the jobs that tell of something a tool or a job did."""

    def announce(
        kind: str, key: str, data: Mapping[str, Any], call: Call | None
    ) -> Sequence[NewJob]:
        return events.new(
            kind,
            key,
            data,
            also_to=call.webhook_url if call is not None else "",
            call_id=call.id if call is not None else "",
            phone=call.caller if call is not None else "",
        )

    return announce


def callback_event(
    events: Events, kind: str, zone: ZoneInfo
) -> Callable[[Callback], Sequence[NewJob]]:
    """Return what makes the jobs of an event of ``kind`` about a callback."""

    def jobs_of(callback: Callback) -> Sequence[NewJob]:
        data = callback_data(callback, zone)
        return events.new(kind, callback.id, data, phone=callback.phone)

    return jobs_of


def tool_event(
    events: Events, *, words: bool
) -> Callable[[Call, ToolCall, ToolResult, datetime], Sequence[NewJob]]:
    """Return what makes the jobs of ``tool.called``; without ``words`` nothing that was said."""

    def jobs_of(
        call: Call, request: ToolCall, result: ToolResult, at: datetime
    ) -> Sequence[NewJob]:
        data = {
            "call_id": call.id,
            "agent": call.agent,
            "provider": call.provider,
            "caller": call.caller or None,
            "name": request.name,
            "arguments": dict(request.args) if words else None,
            "status": "ok" if result.ok else "failed",
            "message": result.text if words else None,
        }
        return events.new(
            TOOL_CALLED,
            f"{call.id}:{request.id}"[:100],
            data,
            at=at,
            also_to=call.webhook_url,
            call_id=call.id,
            phone=call.caller,
        )

    return jobs_of
