"""The composition root: builds every object once. The only module that knows everybody."""

import asyncio
import contextlib
import ctypes
import gc
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx
import structlog
from fastapi import FastAPI

from fwai import __version__
from fwai.calls.limits import SessionLimits
from fwai.calls.live_events import LiveEvents, PublishingArchive
from fwai.calls.manager import CallManager
from fwai.config.settings import Settings
from fwai.domain.agent import AgentProfile
from fwai.errors import ConfigError
from fwai.gemini.models import VOICES
from fwai.integrations.webhook_client import webhook_http
from fwai.interfaces.media import MessageReports
from fwai.jobs.call_follow_ups import follow_up_jobs
from fwai.jobs.events import Events
from fwai.prompts.loader import load_prompts
from fwai.store.open import Store, StoreOptions, open_store
from fwai.web.health import router as health_router
from fwai.web.openapi import document
from fwai.wiring.agents import AgentFactory
from fwai.wiring.api import access_of, api
from fwai.wiring.jobs import (
    WAITING,
    AvailabilityFile,
    Office,
    build_events,
    outgoing,
    tool_follower,
)
from fwai.wiring.providers import Provider, browser_calls, enabled, open_whatsapp, webrtc
from fwai.wiring.tools import TOOL_NAMES, Toolbox

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is ready to listen.

    Attributes:
        app: The ASGI application.
        calls: All calls.
        store: What is kept.
        agents: The agents by id.
    """

    app: FastAPI
    calls: CallManager
    store: Store
    agents: Mapping[str, AgentProfile]


@asynccontextmanager
async def open_server(settings: Settings) -> AsyncIterator[Server]:
    """Build everything, and take it down in the opposite order.

    Raises:
        ConfigError: prompts.json does not fit the settings, or a WebRTC library its guard.
        StoreError: The database or a directory cannot be used.
    """
    agents = load_prompts(settings.prompts_file, voices=VOICES, tools=TOOL_NAMES)
    if settings.tts_voice not in VOICES:
        raise ConfigError([f"TTS_VOICE: unknown voice {settings.tts_voice!r}; such as Puck"])
    media = webrtc(settings)
    availability = AvailabilityFile(settings.data_dir / "availability.json")
    async with AsyncExitStack() as stack:
        # Loading the certificates takes 60 ms and 3 MB: once, not per client or call.
        tls = ssl.create_default_context()
        http = await stack.enter_async_context(httpx.AsyncClient(verify=tls))
        hooks = await stack.enter_async_context(webhook_http(tls))
        way = outgoing(settings, agents, hooks)
        events = build_events(settings, way)
        store = await stack.enter_async_context(open_store(_store_options(settings, events)))
        providers = enabled(settings, http)
        office = Office(settings, store, agents, events, way)
        toolbox = Toolbox(settings, office, store, providers, availability, tls)
        tools = toolbox.registry(agents, None if way is None else way.workflows)
        cast = AgentFactory(settings, agents, tools, tls, office.recall)
        board = LiveEvents()
        archive = PublishingArchive(store.calls, board)
        store.calls.on_canceled = archive.ended
        access = access_of(settings)
        calls = CallManager(
            agent_for=cast.agent_for,
            agent_id_for=cast.agent_id_for,
            tools=tools,
            archive=archive,
            limits=SessionLimits(max_call_s=float(settings.max_call_seconds)),
            max_calls=None
            if settings.max_concurrent_calls == "auto"
            else settings.max_concurrent_calls,
            recorder_for=store.recorder,
            on_idle=give_back_memory,
            speaks_to_machines=lambda agent: agent in agents and agents[agent].speaks_to_machines,
        )
        workers = await stack.enter_async_context(asyncio.TaskGroup())
        stack.callback(office.stop)  # once no call gives it work any more
        group = await stack.enter_async_context(asyncio.TaskGroup())
        ready = asyncio.Event()
        group.create_task(calls.run(ready), name="calls")
        stack.callback(calls.stop)
        await ready.wait()
        app = _web(settings, calls, providers, office.reports)
        if media is not None and settings.browser_calls:
            app.include_router(browser_calls(calls, group, board, media, access))
        for provider in providers:
            office.lines[provider.name] = provider.line
        if media is not None and "whatsapp" in settings.call_provider:
            whatsapp = await stack.enter_async_context(
                open_whatsapp(settings, http, calls, media, store.standings, office.reports)
            )
            app.include_router(whatsapp.router)
            office.lines["whatsapp"] = whatsapp.line
            toolbox.whatsapp(whatsapp.messages, whatsapp.line)
            stack.callback(calls.stop)  # carried calls must be over before WhatsApp is left
        office.lines = {
            name: office.lines[name] for name in settings.call_provider if name in office.lines
        }
        office.serve_calls(calls, archive, http)
        app.include_router(
            api(settings, store, office, calls, tools, agents, board, archive, access)
        )
        document(app)
        await office.open()
        workers.create_task(office.worker.run(), name="worker")
        workers.create_task(office.postman.run(), name="postman")
        cast.warm_up()
        yield Server(app, calls, store, agents)


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


def _web(
    settings: Settings,
    calls: CallManager,
    providers: Sequence[Provider],
    reports: MessageReports,
) -> FastAPI:
    app = FastAPI(
        title="FWAI",
        version=__version__,
        summary="A self-hosted phone agent: real calls, Gemini Live, tools, n8n.",
    )
    warnings = guards_off(settings)
    for warning in warnings:
        _log.warning("guard_turned_off", guard=warning)

    def reasons() -> Sequence[str]:
        return [calls.refusal] if calls.refusal is not None else []

    app.include_router(health_router(__version__, reasons, lambda: calls.active, warnings))
    for provider in providers:
        app.include_router(provider.router(calls, reports))
    return app


def guards_off(settings: Settings) -> list[str]:
    """Return the names of settings that turn a guard off."""
    return ["ALLOW_UNSIGNED_WEBHOOKS"] if settings.allow_unsigned_webhooks else []


def _store_options(settings: Settings, events: Events) -> StoreOptions:
    return StoreOptions(
        url=settings.database_url,
        zone=settings.zone,
        transcripts_dir=settings.transcripts_dir if settings.enable_transcripts else None,
        recordings_dir=settings.data_dir / "recordings" if settings.record_calls else None,
        keep=WAITING,
        old_transcripts_dir=settings.transcripts_dir,
        old_recordings_dir=settings.data_dir / "recordings",
        follow=follow_up_jobs,
        follow_tool=tool_follower(events, words=settings.enable_transcripts),
    )
