"""The composition root: builds every object of a server once, in the order it needs them.

Nothing is filled in afterwards: what an object needs is built before it and handed to its
constructor.
"""

import asyncio
import contextlib
import ctypes
import gc
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import httpx
import structlog
from fastapi import FastAPI

from fwai import __version__
from fwai.calls.admission import Admission
from fwai.calls.bounded_reads import BoundedReads
from fwai.calls.call_runner import OnOver
from fwai.calls.dial_cleanup import adopted_call_jobs, dial_cleanup_jobs
from fwai.calls.limits import SessionLimits
from fwai.calls.live_events import LiveEvents, PublishingArchive
from fwai.calls.manager import CallManager
from fwai.calls.outbound import OutboundCalls
from fwai.calls.sentence_clips import SentenceClips, ShippedSentences
from fwai.config.settings import Settings
from fwai.domain.agent import AgentProfile
from fwai.domain.failure import Failure
from fwai.domain.instance import InstanceStatus
from fwai.http.access import SessionRenewal
from fwai.http.front import install as install_front
from fwai.http.signed_once import SignedOnce
from fwai.integrations.webhook_client import webhook_http
from fwai.interfaces.calls import CallFallback, OutboundLine, Sentences, ToolRunner
from fwai.interfaces.messages import MessageReports
from fwai.jobs.call_follow_ups import follow_up_jobs
from fwai.jobs.delivery_reports import (
    DeliveryReports,
    refused_template_events,
    status_events,
)
from fwai.jobs.events import Events
from fwai.jobs.failures import FailureRegistry
from fwai.jobs.limit_alarms import LimitAlarm
from fwai.jobs.signals import JobSignals
from fwai.jobs.submission import JobSubmission
from fwai.store.open import Store, StoreOptions, open_store
from fwai.tasks import start_enduring
from fwai.tools.booking_messages import BookingMessages
from fwai.web.docs import router as docs_router
from fwai.web.fallback import install as install_fallback
from fwai.web.health import router as health_router
from fwai.web.openapi import document
from fwai.wiring.access import open_access
from fwai.wiring.agents import AgentFactory, caller_recall
from fwai.wiring.api import ApiParts, api
from fwai.wiring.availability import AvailabilityFile
from fwai.wiring.fallback import agent_fallback
from fwai.wiring.front import ACTING, front, inbound_limits
from fwai.wiring.installation import AVAILABILITY, load_agents, model_warnings
from fwai.wiring.jobs import (
    SURVIVES_RESTART,
    background_jobs,
    dial_rules,
    follow_each,
    write_start_jobs,
)
from fwai.wiring.providers import Provider, browser_calls, enabled, open_whatsapp, webrtc
from fwai.wiring.quotas import daily_quotas
from fwai.wiring.sentences import SentenceMaker, agent_voices, clip_files
from fwai.wiring.tools import (
    ToolParts,
    booking_messages,
    message_channels,
    message_handlers,
    tool_registry,
)
from fwai.wiring.webhooks import (
    announcer,
    build_events,
    outgoing_webhooks,
    tool_event,
    url_check,
)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is ready to listen.

    Attributes:
        app: The ASGI application.
        calls: All calls.
        store: What is kept.
        agents: The agents by id.
        sentences: What is said when they cannot.
        fallback: What callers get whose agent cannot be brought back.
    """

    app: FastAPI
    calls: CallManager
    store: Store
    agents: Mapping[str, AgentProfile]
    sentences: Sentences
    fallback: CallFallback


@asynccontextmanager
async def open_server(
    settings: Settings,
    on_over: OnOver | None = None,
    *,
    warnings: Sequence[str] = (),
    demo: bool = False,
) -> AsyncIterator[Server]:
    """Build everything, and take it down in the opposite order.

    Args:
        settings: Those of the process.
        on_over: Told of each session that is over, and how its call ended; must not block.
        warnings: What an operator should know of the settings; told by ``/readyz``.
        demo: The model and every telephone are simulated: what is kept is marked so.

    Raises:
        ConfigError: Every fault of prompts.json, availability.json and folders, or a WebRTC
            library does not fit its guard.
        StoreError: The database or a directory cannot be used, or the database is of a demo and
            this is none, or the reverse.
    """
    agents = load_agents(settings)
    media = webrtc(settings)
    failures = FailureRegistry()
    alarms = LimitAlarm(settings.zone)
    availability = AvailabilityFile(settings.data_dir / AVAILABILITY, failures)
    live_events = LiveEvents()
    signals = JobSignals()
    status = InstanceStatus()
    async with AsyncExitStack() as stack:
        # Loading the certificates takes 60 ms and 3 MB: once, not per client or call.
        tls = ssl.create_default_context()
        http = await stack.enter_async_context(httpx.AsyncClient(verify=tls))
        hooks = await stack.enter_async_context(webhook_http(tls))

        webhooks = outgoing_webhooks(settings, agents, hooks)
        events = build_events(settings, webhooks, failures)
        announce = announcer(events)
        providers = enabled(settings, http, failures)
        channels = message_channels(settings, providers)
        bookings = booking_messages(settings, agents, channels, announce)
        options = _store_options(
            settings, events, live_events, signals, status, bookings, failures, demo
        )
        store = await stack.enter_async_context(open_store(options))

        jobs = JobSubmission(store.jobs, signals)
        quotas = daily_quotas(settings, store, alarms)
        await quotas.open()
        parts = ToolParts(
            providers, channels, jobs, announce, bookings, availability, webhooks, quotas
        )
        tools = tool_registry(settings, agents, store, parts)
        recall = caller_recall(store, settings.zone)
        reads = await stack.enter_async_context(BoundedReads())
        fallback = agent_fallback(settings, agents, store, parts, reads)
        factory = AgentFactory(settings, agents, tools, tls, recall, reads, failures)
        archive = PublishingArchive(store.calls, live_events)
        sentences = SentenceClips(agent_voices(settings, agents), ShippedSentences.load())
        calls = _call_manager(
            settings, agents, factory, tools, archive, store, status, failures, alarms, sentences,
            fallback, on_over,
        )  # fmt: skip

        workers = await stack.enter_async_context(asyncio.TaskGroup())
        stack.callback(signals.stop)  # once no call writes jobs any more
        start_enduring(workers, lambda: failures.run(store.jobs, events), "failures", failures)
        stack.callback(failures.stop)
        start_enduring(workers, lambda: alarms.run(store.jobs, events), "limit_alarms", failures)
        stack.callback(alarms.stop)
        start_enduring(workers, factory.watch.run, "model_watch", failures)
        stack.callback(factory.watch.stop)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        ready = asyncio.Event()
        group.create_task(calls.run(ready), name="calls")
        stack.callback(calls.stop)
        await ready.wait()
        if settings.agent_clips and not demo:
            speak, files = factory.speaker.speak, clip_files(settings)
            maker = SentenceMaker(sentences, files, speak, lambda: calls.active > 0)
            making = start_enduring(workers, maker.run, "sentence_clips", failures)
            stack.callback(making.cancel)

        reports = DeliveryReports(store.sent_messages)
        start_enduring(workers, reports.run, "message_reports", failures)
        stack.callback(reports.stop)
        opened = open_access(settings, demo=demo)
        access = opened.access
        looking = start_enduring(workers, opened.secret.run, "session_secret", failures)
        stack.callback(looking.cancel)
        families = model_warnings(settings, agents)
        told = [*guards_off(settings), *warnings, *opened.warnings, *families]
        once = SignedOnce(store.nonces, reads, failures)
        app = _web(
            settings,
            calls,
            providers,
            reports,
            once,
            lambda: [*failures.standing(), *factory.standing(), *quotas.standing()],
            told,
        )
        if media is not None and settings.browser_calls:
            talk = browser_calls(calls, group, live_events, media, access, agents, scripted=demo)
            app.include_router(talk)
        lines: dict[str, OutboundLine] = {one.name: one.line for one in providers}
        whatsapp = None
        if media is not None and "whatsapp" in settings.call_provider:
            whatsapp = await stack.enter_async_context(
                open_whatsapp(
                    settings,
                    http,
                    calls,
                    media,
                    store.call_permissions,
                    reports,
                    store.sent_messages,
                    failures,
                )
            )
            app.include_router(whatsapp.router)
            lines["whatsapp"] = whatsapp.line
            stack.callback(calls.stop)  # carried calls must be over before WhatsApp is left
        lines = {name: lines[name] for name in settings.call_provider if name in lines}

        rules = dial_rules(settings, agents, lines)
        outbound = OutboundCalls(rules, store.calls, store.contacts, url_check(webhooks))
        messages = message_handlers(
            settings,
            channels,
            next((one.sms for one in providers if one.sms is not None), None),
            None if whatsapp is None else (whatsapp.messages, whatsapp.line),
            tls,
            store.bookings,
            failures,
        )
        lanes = await background_jobs(
            settings, agents, store, signals, events, rules, lines, archive, calls.placer,
            outbound.place, messages, http, failures, alarms, factory.away_s,
        )  # fmt: skip
        api_parts = ApiParts(
            store, calls, tools, agents, events, live_events, archive, rules, outbound.place
        )
        app.include_router(api(settings, api_parts, access))
        document(app)
        app.include_router(docs_router(app, access))

        await write_start_jobs(settings, agents, store, rules)
        for lane in lanes:
            start_enduring(workers, lane.run, "worker", failures)
        factory.check()
        yield Server(app, calls, store, agents, sentences, fallback)


def freeze() -> None:
    """Keep the garbage collector away from all that was built at start, and tidy up after it.

    A full collection over it takes 65 to 150 ms: several frames that nobody would send.
    """
    gc.collect()
    gc.freeze()
    gc.enable()
    give_back_memory()


def give_back_memory() -> None:
    """Return freed memory to the kernel, where the C library can; takes a few milliseconds."""
    with contextlib.suppress(OSError, AttributeError):  # glibc only
        ctypes.CDLL(None).malloc_trim(0)


def guards_off(settings: Settings) -> list[str]:
    """Return the names of settings that turn a guard off; each is logged."""
    on = {
        "ALLOW_UNSIGNED_WEBHOOKS": settings.allow_unsigned_webhooks,
        "ALLOW_LOCAL_WITHOUT_KEY": settings.allow_local_without_key,
    }
    guards = [name for name, is_on in on.items() if is_on]
    for guard in guards:
        _log.warning("guard_turned_off", guard=guard)
    return guards


def _call_manager(
    settings: Settings,
    agents: Mapping[str, AgentProfile],
    factory: AgentFactory,
    tools: ToolRunner,
    archive: PublishingArchive,
    store: Store,
    status: InstanceStatus,
    failures: FailureRegistry,
    alarms: LimitAlarm,
    sentences: Sentences,
    fallback: CallFallback,
    on_over: OnOver | None,
) -> CallManager:
    limit = settings.max_concurrent_calls
    return CallManager(
        agent_for=factory.agent_for,
        agent_id_for=factory.agent_id_for,
        tools=tools,
        archive=archive,
        limits=SessionLimits(max_call_s=float(settings.max_call_seconds)),
        max_calls=None if limit == "auto" else limit,
        recorder_for=store.recorder,
        on_idle=give_back_memory,
        speaks_to_machines=lambda agent: agent in agents and agents[agent].speaks_to_machines,
        on_over=on_over,
        status=status,
        now=lambda: datetime.now(settings.zone),
        failures=failures,
        admission=Admission(inbound_limits(settings), asyncio.get_running_loop().time, alarms),
        sentences=sentences,
        fallback=fallback,
    )


def _web(
    settings: Settings,
    calls: CallManager,
    providers: Sequence[Provider],
    reports: MessageReports,
    once: SignedOnce,
    failures: Callable[[], Sequence[Failure]],
    warnings: Sequence[str],
) -> FastAPI:
    app = FastAPI(
        title="FWAI",
        version=__version__,
        summary="A self-hosted phone agent: real calls, Gemini Live, tools, n8n.",
        redirect_slashes=False,  # to where Host says
        openapi_url=None,  # /openapi.json and /docs ask for a key, and load nothing from elsewhere
    )
    app.add_middleware(SessionRenewal)
    install_front(app, front(settings))
    install_fallback(app, ACTING)

    def reasons() -> Sequence[str]:
        return [calls.refusal] if calls.refusal is not None else []

    app.include_router(health_router(reasons, lambda: calls.active, warnings, failures))
    for provider in providers:
        app.include_router(provider.router(calls, reports, once))
    return app


def _store_options(
    settings: Settings,
    events: Events,
    live_events: LiveEvents,
    signals: JobSignals,
    status: InstanceStatus,
    bookings: BookingMessages,
    failures: FailureRegistry,
    demo: bool,
) -> StoreOptions:
    return StoreOptions(
        url=settings.database_url,
        zone=settings.zone,
        transcripts_dir=settings.transcripts_dir if settings.enable_transcripts else None,
        recordings_dir=settings.data_dir / "recordings" if settings.record_calls else None,
        keep=SURVIVES_RESTART,
        adopted=adopted_call_jobs(settings.ring_seconds),
        status=status,
        old_transcripts_dir=settings.transcripts_dir,
        old_recordings_dir=settings.data_dir / "recordings",
        data_dir=settings.data_dir,
        follow=follow_up_jobs,
        follow_tool=tool_event(events, words=settings.enable_transcripts),
        follow_job=follow_each(
            dial_cleanup_jobs(settings.ring_seconds), refused_template_events(events)
        ),
        tell_status=status_events(events),
        failures=failures,
        on_new_jobs=signals.written,
        on_canceled=live_events.ended,
        booking_notices=bookings,
        demo=demo,
    )
