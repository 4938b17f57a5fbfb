"""What is done beside the calls: jobs and their handlers, events, outbound calls.

Built by `app` around the store; the tools give it work, the API shows it.
"""

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import structlog

from fwai.calls.after_call import AfterCall
from fwai.calls.dial_cleanup import closing, dial_cleanup_jobs
from fwai.calls.dialer import CallbackDialer, Dialer, DialLimits
from fwai.calls.manager import CallManager
from fwai.calls.outbound import DialRules, Outbound
from fwai.config.settings import Settings
from fwai.domain.agent import AgentProfile
from fwai.domain.availability import DEFAULT, Availability, read_availability
from fwai.domain.call import Call, CallState
from fwai.domain.call_event import (
    CALLBACK_MISSED,
    CALLBACK_SCHEDULED,
    TOOL_CALLED,
    callback_data,
)
from fwai.domain.callback import Callback, CallbackPolicy, CallbackState, NewCallback
from fwai.domain.caller_memory import recall
from fwai.domain.events import ToolCall, ToolResult
from fwai.domain.hours import CallingHours
from fwai.domain.job import (
    CALLBACK,
    DIAL,
    EVENT,
    FOLLOW_UP,
    HOUSEKEEPING,
    SUMMARY,
    WATCH_CALL,
    Job,
    JobHandler,
    NewJob,
)
from fwai.domain.record import CallRecord
from fwai.errors import ConfigError
from fwai.gemini.text import TextModel
from fwai.integrations.signing import Signer
from fwai.integrations.url_guard import UrlGuard
from fwai.integrations.webhook_client import WebhookClient, retry_gap_s
from fwai.integrations.workflow import WorkflowClient
from fwai.interfaces.media import CallArchive, OutboundLine
from fwai.jobs.call_follow_ups import CallFollowUps
from fwai.jobs.delivery_reports import DeliveryReports
from fwai.jobs.events import Events
from fwai.jobs.housekeeping import Housekeeping
from fwai.jobs.message_sender import MessageSender
from fwai.jobs.submission import JobSubmission
from fwai.jobs.unconfigured import Unconfigured
from fwai.jobs.worker import Worker
from fwai.store.callback_import import import_once
from fwai.store.open import Store

WAITING: Final = frozenset(
    {CallState.QUEUED, CallState.SCHEDULED, CallState.DIALING, CallState.RINGING}
)
DELIVERY_CONCURRENCY: Final = 4
SHARED_POLL_S: Final = 5.0  # where other machines write jobs, too

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Outgoing:
    """How signed posts leave; None without a secret to sign them."""

    guard: UrlGuard
    poster: WebhookClient
    workflows: WorkflowClient


def outgoing(
    settings: Settings, agents: Mapping[str, AgentProfile], http: httpx.AsyncClient
) -> Outgoing | None:
    """Build the way out for events and workflows, over a client that is used for nothing else.

    Raises:
        ConfigError: An agent's workflow cannot be called.
    """
    hooks = [(agent, hook) for agent in agents.values() for hook in agent.webhooks]
    secrets = settings.event_secrets
    if not secrets:
        if hooks:
            raise ConfigError(
                ["EVENTS_WEBHOOK_SECRET: missing; calls of the agents' webhooks are signed with it"]
            )
        return None
    own = [settings.events_webhook_url] if settings.events_webhook_url else []
    guard = UrlGuard(settings.webhook_allowed_hosts, own=own)
    # What the agents' workflows may reach is no business of who places a call.
    hook_guard = UrlGuard((), own=[hook.url for _, hook in hooks])
    problems = []
    for agent, hook in hooks:
        try:
            hook_guard.check(hook.url)
        except ValueError as exc:
            file = settings.prompts_file.name
            problems.append(f"{file}: {agent.id}.webhooks: {hook.name}: url: {exc}")
    if problems:
        raise ConfigError(problems)
    signer = Signer(secrets[0], secrets[1:])
    return Outgoing(
        guard, WebhookClient(http, signer, guard), WorkflowClient(http, signer, hook_guard)
    )


def build_events(settings: Settings, way: Outgoing | None) -> Events:
    """Build the events; without a secret nobody is told anything."""

    async def post(url: str, message_id: str, body: bytes) -> int:
        if way is None:
            raise ValueError("EVENTS_WEBHOOK_SECRET is no longer set")
        return (await way.poster.post(url, message_id, body)).status

    return Events(settings.events_webhook_url if way is not None else "", post, retry_gap_s)


def tool_follower(
    events: Events, *, words: bool
) -> Callable[[Call, ToolCall, ToolResult, datetime], Sequence[NewJob]]:
    """Return what tells of tools that ran; without ``words`` nothing that was said."""

    def follow(call: Call, request: ToolCall, result: ToolResult, at: datetime) -> Sequence[NewJob]:
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

    return follow


class OurNumbers(Mapping[str, str]):
    """Our number at each provider, asked for each time: WhatsApp tells it only later."""

    def __init__(self, lines: Mapping[str, OutboundLine]) -> None:
        self._lines = lines

    def __getitem__(self, name: str) -> str:
        return self._lines[name].number

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)


class Office:
    """Everything that happens beside the calls.

    Attributes:
        lines: Who places calls, by provider; to be filled before `open`.
        handlers: By kind of job; to be filled before `open`.
        worker: Runs the jobs.
        postman: Runs those that wait for others' servers: events, summaries.
        orders: Gives it work.
        events: Tells others.
        reports: Hears how messages fare.
        outbound: Accepts calls to be placed; set by `serve_calls`.
        rules: When and whom it may call; set with it.
    """

    outbound: Outbound
    rules: DialRules

    def __init__(
        self,
        settings: Settings,
        store: Store,
        agents: Mapping[str, AgentProfile],
        events: Events,
        way: Outgoing | None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._agents = agents
        self._way = way
        self.events = events
        self.lines: dict[str, OutboundLine] = {}
        self.handlers: dict[str, JobHandler] = {}
        shared = not settings.database_url.startswith("sqlite")
        poll_s = SHARED_POLL_S if shared else None
        self.worker = Worker(store.jobs, self.handlers, poll_s=poll_s)
        # A receiver that hangs must hold up no text and no dial.
        self._slow: dict[str, JobHandler] = {}
        self.postman = Worker(
            store.jobs, self._slow, concurrency=DELIVERY_CONCURRENCY, poll_s=poll_s
        )
        self.orders = JobSubmission(store.jobs, self.worker)
        self.reports = DeliveryReports(store.jobs, events, lambda: datetime.now(UTC), store.calls)
        self.hours = CallingHours.parse(settings.calling_hours)
        self.policy = CallbackPolicy(
            attempts=settings.callback_attempts,
            gap_s=settings.callback_retry_minutes * 60.0,
            window_s=settings.callback_window_minutes * 60.0,
        )
        store.jobs.on_new = self._wake

    def _wake(self, at: datetime | None) -> None:
        self.worker.wake(at)
        self.postman.wake(at)

    def stop(self) -> None:
        """Let both workers end what they do and return."""
        self.worker.stop()
        self.postman.stop()

    def sends(self, kind: str, send: Callable[[Job], Awaitable[str]], **how: Any) -> None:  # noqa: ANN401
        """Handle messages of a kind."""
        self.handlers[kind] = MessageSender(send, **how)

    def gave_up(self, kind: str, needs: str) -> None:
        """Give up messages of a kind that is not configured any more, for want of ``needs``."""
        self.handlers[kind] = Unconfigured(needs)

    def serve_calls(
        self, calls: CallManager, archive: CallArchive, http: httpx.AsyncClient
    ) -> None:
        """Handle what calls leave to be done, and calls to be placed.

        What the dialer closes goes through ``archive``, so that those who watch hear of it.
        """
        store, settings = self._store, self._settings
        self.rules = rules = DialRules(
            providers=OurNumbers(self.lines),
            agents=tuple(self._agents),
            hours=self.hours,
            zone=settings.zone,
            reach=settings.reach,
        )
        limits = DialLimits(
            at_once=settings.outbound_calls_at_once,
            per_second=settings.outbound_calls_per_second,
            ring_s=settings.ring_seconds,
            max_s=settings.max_call_seconds + 60,
        )
        self.outbound = Outbound(rules, store.calls, store.contacts, self.may_post)
        self.dialer = Dialer(rules, limits, self.lines, archive, calls, store.contacts)
        store.jobs.follows = dial_cleanup_jobs(settings.ring_seconds)
        callbacks = CallbackDialer(
            rules, self.policy, store.callbacks, self.outbound.place, self._missed
        )
        following = CallFollowUps(
            store.calls,
            store.jobs,
            self.events,
            store.contacts,
            store.callbacks,
            self.policy,
            remembers=self._remembers,
            sums_up=self._sums_up,
        )
        self.handlers |= {
            DIAL: self.dialer.dial,
            WATCH_CALL: self.dialer.watch,
            CALLBACK: callbacks,
            FOLLOW_UP: following,
            HOUSEKEEPING: Housekeeping(store.jobs, store.requests),
        }
        self._slow[EVENT] = self.events.deliver
        self._slow[SUMMARY] = (
            self._after_call(http)
            if settings.gemini_text_model
            else Unconfigured("GEMINI_TEXT_MODEL")
        )

    async def open(self) -> None:
        """Write down what a start has to do; to be called once before the worker runs.

        Raises:
            StoreError: The database failed.
        """
        settings = self._settings
        await import_once(
            settings.data_dir / "callbacks.json",
            self._store.callbacks,
            zone=settings.zone,
            default_agent=next(iter(self._agents)),
        )
        store = self._store
        waiting = await store.calls.waiting_outbound()
        for job in await self.dialer.left_over(waiting, store.jobs.by_key):
            await store.jobs.enqueue(job)
        for dial in await store.jobs.stranded(DIAL):
            await store.jobs.enqueue(closing(dial, datetime.now(UTC)))
        await store.jobs.enqueue(Housekeeping.next(datetime.now(UTC) + timedelta(hours=1)))

    async def recall(self, phone: str) -> str:
        """Return what is known of a person, for an agent; empty when nothing is.

        Raises:
            StoreError: The database failed.
        """
        store = self._store
        contact = await store.contacts.get(phone)
        promised = await store.callbacks.open_for(phone)
        # Not the one that is kept right now, perhaps by this very call.
        callbacks = [one for one in promised if one.state is CallbackState.SCHEDULED]
        bookings = await store.bookings.open_for(phone, datetime.now(UTC))
        return recall(contact.memory, callbacks, bookings, self._settings.zone)

    def may_post(self, url: str) -> None:
        """Check that events may go to a URL.

        Raises:
            ValueError: They may not; the text is the fix.
        """
        if self._way is None:
            raise ValueError("set EVENTS_WEBHOOK_SECRET: events are signed with it")
        self._way.guard.check(url)

    def announce(
        self, kind: str, key: str, data: Mapping[str, Any], call: Call | None
    ) -> list[NewJob]:
        """Return the jobs that tell of something a tool did."""
        return self.events.new(
            kind,
            key,
            data,
            also_to=call.webhook_url if call is not None else "",
            call_id=call.id if call is not None else "",
            phone=call.caller if call is not None else "",
        )

    async def schedule(self, new: NewCallback) -> tuple[Callback, bool]:
        """Write a promise and tell of it; True when it is new.

        Raises:
            StoreError: The database failed; nothing is promised.
        """
        return await self._store.callbacks.schedule(
            new, lambda one: self._of_callback(CALLBACK_SCHEDULED, one)
        )

    def _missed(self, callback: Callback) -> list[NewJob]:
        return self._of_callback(CALLBACK_MISSED, callback)

    def _of_callback(self, kind: str, callback: Callback) -> list[NewJob]:
        data = callback_data(callback, self._settings.zone)
        return self.events.new(kind, callback.id, data, phone=callback.phone)

    def _remembers(self, agent: str) -> bool:
        profile = self._agents.get(agent)
        return profile is not None and profile.memory

    def _sums_up(self, agent: str) -> bool:
        profile = self._agents.get(agent)
        return bool(self._settings.gemini_text_model) and profile is not None and profile.sums_up

    def _after_call(self, http: httpx.AsyncClient) -> AfterCall:
        settings, store = self._settings, self._store

        async def tell(kind: str, record: CallRecord, data: Mapping[str, Any]) -> None:
            call = record.call
            for job in self.announce(kind, call.id, data, call):
                await store.jobs.enqueue(job)

        model = TextModel(
            http,
            settings.google_api_key.get_secret_value(),
            settings.gemini_text_model,
            settings.gemini_text_url,
        )
        return AfterCall(
            store.calls,
            model,
            store.contacts,
            lambda agent: profile.extract if (profile := self._agents.get(agent)) else {},
            self._remembers,
            tell,
        )


class AvailabilityFile:
    """``data/availability.json``, read again when it changes.

    Raises:
        ConfigError: It is there at the start and wrong.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._current = DEFAULT
        self._load(strict=True)

    def __call__(self) -> Availability:
        """Return what holds now; a file that became wrong is reported and the last one kept."""
        self._load(strict=False)
        return self._current

    def _load(self, *, strict: bool) -> None:
        try:
            status = self._path.stat()
        except OSError:
            self._stamp, self._current = None, DEFAULT
            return
        stamp_now = (status.st_mtime_ns, status.st_size)
        if stamp_now == self._stamp:
            return
        self._stamp = stamp_now
        try:
            self._current = read_availability(json.loads(self._path.read_text("utf-8-sig")))
        except (ValueError, OSError) as exc:
            if strict:
                raise ConfigError([f"{self._path}: {exc}"]) from None
            _log.error("availability_not_read", error=type(exc).__name__)
