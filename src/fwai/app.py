"""The composition root: builds every object once. The only module that knows everybody."""

import asyncio
import contextlib
import ctypes
import gc
import ssl
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import httpx
import structlog
from fastapi import FastAPI

from fwai import __version__
from fwai.adapters.browser.watch import CallBoard, WatchedArchive
from fwai.calls.limits import SessionLimits
from fwai.calls.listening import ListeningAgent
from fwai.calls.manager import CallManager
from fwai.config import Settings
from fwai.domain.agent import AgentProfile, fill
from fwai.domain.call import Call
from fwai.errors import ConfigError
from fwai.gemini import messages
from fwai.gemini.agent import GeminiAgent
from fwai.gemini.connection import LiveEndpoint
from fwai.gemini.models import VOICES
from fwai.gemini.setup import SessionConfig, setup_message
from fwai.interfaces import AgentLeg
from fwai.prompt_loader import load_prompts
from fwai.providers import Provider, browser_calls, enabled, open_whatsapp, webrtc
from fwai.store.opening import Store, StoreOptions, open_store
from fwai.tools.end_call import end_call
from fwai.tools.registry import ToolRegistry
from fwai.tools.send_sms import send_sms
from fwai.web.health import router as health_router

# Every tool there is; which are offered depends on settings and on the agent.
TOOL_NAMES: Final = ("end_call", "send_sms")

LISTEN: Final = "You hear a telephone conversation of others. Stay silent."

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
    async with AsyncExitStack() as stack:
        # Loading the certificates takes 60 ms and 3 MB: once, not per client or call.
        tls = ssl.create_default_context()
        http = await stack.enter_async_context(httpx.AsyncClient(verify=tls))
        store = await stack.enter_async_context(open_store(_store_options(settings)))
        providers = enabled(settings, http)
        sms = next((one.sms for one in providers if one.sms is not None), None)
        tools = ToolRegistry([end_call()] if sms is None else [end_call(), send_sms(sms)])
        cast = _Cast(settings, agents, tools, tls)
        board = CallBoard()
        calls = CallManager(
            agent_for=cast.agent_for,
            agent_id_for=cast.agent_id_for,
            tools=tools,
            archive=WatchedArchive(store.calls, board) if settings.browser_calls else store.calls,
            limits=SessionLimits(max_call_s=float(settings.max_call_seconds)),
            most_calls=None
            if settings.max_concurrent_calls == "auto"
            else settings.max_concurrent_calls,
            recorder_for=store.recorder,
            on_idle=give_back_memory,
        )
        group = await stack.enter_async_context(asyncio.TaskGroup())
        ready = asyncio.Event()
        group.create_task(calls.run(ready), name="calls")
        stack.callback(calls.stop)
        await ready.wait()
        app = _web(settings, calls, providers)
        if media is not None and settings.browser_calls:
            app.include_router(browser_calls(settings, calls, group, board, media))
        if media is not None and "whatsapp" in settings.call_provider:
            whatsapp = open_whatsapp(settings, http, calls, media)
            app.include_router(await stack.enter_async_context(whatsapp))
            stack.callback(calls.stop)  # carried calls must be over before WhatsApp is left
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


class _Cast:
    """Chooses and makes agents.

    Args:
        tools: Those that are configured; an agent is offered the ones it names.
    """

    def __init__(
        self,
        settings: Settings,
        agents: Mapping[str, AgentProfile],
        tools: ToolRegistry,
        tls: ssl.SSLContext,
    ) -> None:
        self._settings = settings
        self._agents = agents
        self._tools = tools
        self._by_line = {line: agent.id for agent in agents.values() for line in agent.numbers}
        self._default = next(iter(agents))
        url = settings.gemini_live_url
        self._endpoint = LiveEndpoint(
            base_url=url,
            api_key=settings.google_api_key.get_secret_value(),
            tls=tls if url.startswith("wss:") else None,
        )

    def agent_id_for(self, line: str) -> str:
        """Return the agent that answers a line of ours; the file's first one by default."""
        return self._by_line.get(line, self._default)

    def agent_for(self, call: Call) -> AgentLeg:
        """Make the agent's leg for a call."""
        config = self._config(self._agents[call.agent], call)
        if call.listen_only:
            config = replace(config, instruction=LISTEN, tools=())
            return ListeningAgent(GeminiAgent(self._endpoint, config))
        return GeminiAgent(self._endpoint, config)

    def warm_up(self) -> None:
        """Build now what the SDK builds at first use, rather than in the first call."""
        messages.warm_up()
        for profile in self._agents.values():
            setup_message(self._config(profile, None))

    def _config(self, profile: AgentProfile, call: Call | None) -> SessionConfig:
        now = datetime.fromtimestamp(time.time(), self._settings.zone)
        values = {
            "agent_name": profile.name,
            "date": now.strftime("%A, %d %B %Y"),
            "time": now.strftime("%H:%M"),
            "caller_number": call.caller if call is not None else "",
            "line_number": call.line if call is not None else "",
            **(call.context if call is not None else {}),
        }
        instruction = fill(profile.prompt, values)
        if profile.greeting:
            greeting = fill(profile.greeting, values)
            instruction += f"\n\nWhen the call begins, greet with these words: {greeting}"
        return SessionConfig(
            model=profile.model or self._settings.gemini_model,
            instruction=instruction,
            voice=profile.voice or self._settings.tts_voice,
            language=profile.language,
            tools=self._tools.specs(profile.tools),
        )


def _web(settings: Settings, calls: CallManager, providers: Sequence[Provider]) -> FastAPI:
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
        app.include_router(provider.router(calls))
    return app


def guards_off(settings: Settings) -> list[str]:
    """Return the names of settings that turn a guard off."""
    return ["ALLOW_UNSIGNED_WEBHOOKS"] if settings.allow_unsigned_webhooks else []


def _store_options(settings: Settings) -> StoreOptions:
    return StoreOptions(
        url=settings.database_url,
        zone=settings.zone,
        transcripts_dir=settings.transcripts_dir if settings.enable_transcripts else None,
        recordings_dir=settings.data_dir / "recordings" if settings.record_calls else None,
    )
