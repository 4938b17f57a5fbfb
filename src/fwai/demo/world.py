"""Simulated environment: a Live model and telephone providers on this machine."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from fwai.config.loading import load_settings
from fwai.config.settings import Settings
from fwai.domain.demo import DEMO_LINE
from fwai.domain.host import is_loopback
from fwai.prompts.default import DEFAULT_PROMPTS
from fwai.simulator.common.line import EventSink
from fwai.simulator.exotel.api import ExotelApi
from fwai.simulator.exotel.phone import ExotelPhone
from fwai.simulator.exotel.stream import StreamOptions
from fwai.simulator.gemini.server import GeminiLiveSimulator
from fwai.simulator.meta.network import NetworkConditions
from fwai.simulator.plivo.api import PlivoApi
from fwai.simulator.plivo.phone import PlivoPhone

if TYPE_CHECKING:  # its media path is only loaded for a world that has it
    from fwai.simulator.meta.server import MetaSimulator
    from fwai.simulator.meta.user import MetaUser

LINE: Final = DEMO_LINE
CALLER: Final = "+919999900001"
EXOTEL_SID: Final = "demo1"
TEXT_MODEL: Final = "gemini-3.8-flash"
META_NUMBER_ID: Final = "100200300400"

DEMO_MODE: Final = """
  Demo mode: nothing is configured, so the model and the telephone are simulated on this machine.
  What answers is a script of recorded sentences: it does not speak your prompt, nor understand you.

    hear and watch a whole call     make demo
    see the page, hear the script   http://localhost:{port}/console/talk
    a real conversation             put GOOGLE_API_KEY (Google AI Studio) into .env and start again;
                                    prompts.json is then what your agents say
    answer a telephone              put these there as well:
                                      CALL_PROVIDER=plivo
                                      PLIVO_AUTH_ID, PLIVO_AUTH_TOKEN, PLIVO_PHONE_NUMBER
                                      PUBLIC_URL            https://your.domain
    stop                            Ctrl-C

  What happens here is kept in {folder} and nowhere else; a server with real calls never uses it.
"""
NOT_SENT: Final = "  Nothing leaves this machine: {names} has no effect in demo mode.\n"
# Where a demo would reach others; on this machine itself it may.
_REACHES_OUT: Final = ("smtp_host", "events_webhook_url", "gemini_live_url", "gemini_text_url")
_SIMULATED: Final = ("plivo_api_url", "exotel_api_url", "meta_graph_url")


@dataclass(frozen=True, slots=True)
class SimulatedWorld:
    """Running simulators and the settings that point a server at them.

    Attributes:
        provider: Plivo's API.
        exotel: Exotel's, when it is among the providers.
        meta: WhatsApp's, when it is among the providers.
    """

    settings: Settings
    model: GeminiLiveSimulator
    provider: PlivoApi
    exotel: ExotelApi | None = None
    meta: "MetaSimulator | None" = None

    @property
    def messages(self) -> list[tuple[str, str]]:
        """Sent text messages: recipient and text."""
        by_plivo = [(one.dst, one.text) for one in self.provider.messages]
        by_exotel = self.exotel.messages if self.exotel is not None else ()
        return [*by_plivo, *((one.dst, one.text) for one in by_exotel)]

    @property
    def whatsapp_messages(self) -> list[tuple[str, str]]:
        """Sent WhatsApp messages: recipient and text."""
        sent = self.meta.sent_messages if self.meta is not None else ()
        return [(one.to, one.text) for one in sent]

    def phone(self, on_event: EventSink | None = None, number: str = CALLER) -> PlivoPhone:
        """Build a simulated Plivo caller that dials this server.

        Args:
            on_event: Called as ``on_event(kind, **facts)`` while the call goes on.
            number: The caller's.
        """
        base = self.settings.base_url
        return PlivoPhone(
            answer_url=f"{base}/plivo/answer?v=1",
            hangup_url=f"{base}/plivo/hangup?v=1",
            auth_id=self.settings.plivo_auth_id,
            auth_token=self.settings.plivo_tokens[0],
            from_number=number,
            to_number=LINE,
            exchange=self.provider,
            on_event=on_event,
        )

    def exotel_phone(
        self,
        on_event: EventSink | None = None,
        number: str = CALLER,
        stream: StreamOptions | None = None,
        *,
        static_rate: int = 0,
    ) -> ExotelPhone:
        """Build a simulated Exotel caller whose Voicebot applet connects to this server.

        Args:
            on_event: Called as ``on_event(kind, **facts)`` while the call goes on.
            number: The caller's.
            stream: Options of the media stream.
            static_rate: The applet has a fixed stream address with this rate in Hz, instead of
                asking for one.
        """
        settings = self.settings
        base = f"{settings.base_url}/exotel/{settings.exotel_webhook_secret.get_secret_value()}"
        url = f"{base}/voicebot"
        if static_rate:
            login = ":".join(settings.exotel_basic or ("", ""))
            socket = base.replace("http://", f"ws://{login}@" if login != ":" else "ws://")
            url = f"{socket}/stream?sample-rate={static_rate}"
        return ExotelPhone(
            url=url,
            passthru_url=f"{base}/passthru",
            status_url=f"{base}/status",
            account_id=settings.exotel_sid,
            from_number=_national_format(number),
            to_number=settings.exotel_caller_id,
            stream=stream or StreamOptions(),
            exchange=self.exotel,
            on_event=on_event,
        )

    def whatsapp_user(
        self,
        on_event: EventSink | None = None,
        number: str = CALLER,
        network: NetworkConditions | None = None,
    ) -> "MetaUser":
        """Build a simulated WhatsApp user who calls this server's number.

        Args:
            on_event: Called as ``on_event(kind, **facts)`` while the call goes on.
            number: The user's.
            network: Network conditions of the media.

        Raises:
            LookupError: WhatsApp is not among the providers.
        """
        from fwai.simulator.meta.user import MetaUser

        if self.meta is None:
            raise LookupError("whatsapp is not on this world")
        return MetaUser(simulator=self.meta, number=number, network=network, on_event=on_event)


def _national_format(number: str) -> str:
    """Format an Indian number nationally, as Exotel does."""
    return f"0{number.removeprefix('+91')}"


def _exotel_settings(api_url: str, api_key: str, api_token: str) -> dict[str, Any]:
    return {
        "exotel_sid": EXOTEL_SID,
        "exotel_api_key": api_key,
        "exotel_api_token": api_token,
        "exotel_api_url": api_url,
        "exotel_caller_id": _national_format(LINE),
        "exotel_webhook_secret": secrets.token_hex(16),
        "exotel_basic_user": "exotel",
        "exotel_basic_password": secrets.token_hex(8),
    }


def _prompts_setting() -> dict[str, Any]:
    """Return the setting that uses the packaged agents where there is no prompts.json."""
    default = Settings.model_fields["prompts_file"].get_default()
    return {} if default.exists() else {"prompts_file": DEFAULT_PROMPTS}


def _meta_settings(graph_url: str, secret: str, token: str) -> dict[str, Any]:
    return {
        "phone_number_id": META_NUMBER_ID,
        "meta_access_token": token,
        "meta_app_secret": secret,
        "meta_verify_token": secrets.token_hex(8),
        "meta_graph_url": graph_url,
    }


@asynccontextmanager
async def open_simulated_world(
    port: int, overrides: Mapping[str, Any] | None = None, *, model_port: int = 0
) -> AsyncIterator[SimulatedWorld]:
    """Start the simulators; stops them on exit.

    Args:
        port: Where the server will listen on loopback.
        overrides: Further settings by field name.
        model_port: Where the simulated model listens; 0 takes a free port.
    """
    overrides = {"call_provider": "plivo", **_prompts_setting(), **(overrides or {})}
    auth_id, auth_token = "MADEMO0000000000DEMO", secrets.token_hex(20)
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(GeminiLiveSimulator(port=model_port))
        provider = await stack.enter_async_context(PlivoApi(auth_id, auth_token))
        exotel = None
        if "exotel" in overrides["call_provider"]:
            key, token = "demo-key", secrets.token_hex(20)
            exotel = await stack.enter_async_context(ExotelApi(EXOTEL_SID, key, token))
            overrides = {**_exotel_settings(exotel.url, key, token), **overrides}
        meta = None
        if "whatsapp" in overrides["call_provider"]:
            from fwai.simulator.meta.server import MetaSimulator

            secret, token = secrets.token_hex(16), secrets.token_hex(20)
            hook = f"http://127.0.0.1:{port}/webhook"
            meta = await stack.enter_async_context(
                MetaSimulator(hook, secret, token, META_NUMBER_ID)
            )
            overrides = {**_meta_settings(meta.url, secret, token), **overrides}
        settings = load_settings(
            {
                "google_api_key": "demo",
                "gemini_live_url": model.url,
                "agent_clips": False,  # what answers is a script: it reads nothing aloud
                "gemini_text_model": TEXT_MODEL,
                "gemini_text_url": model.text_url,
                "plivo_auth_id": auth_id,
                "plivo_auth_token": auth_token,
                "plivo_phone_number": LINE,
                "plivo_api_url": provider.url,
                "public_url": f"http://127.0.0.1:{port}",
                "host": "127.0.0.1",
                "port": port,
                **overrides,
            },
            environment=False,
        )
        yield SimulatedWorld(settings, model, provider, exotel, meta)


@asynccontextmanager
async def simulated_world_for(settings: Settings) -> AsyncIterator[SimulatedWorld]:
    """Start simulators for an unconfigured server; its other settings are kept.

    What the demo does is kept below a folder of its own, whatever database is configured, and
    reaches nobody outside of this machine.
    """
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    given.setdefault("browser_calls", True)
    for name in (*_SIMULATED, *_away(settings)):
        given.pop(name, None)
    folder = demo_folder(settings)
    given |= {
        "data_dir": folder,
        "database_url": f"sqlite+aiosqlite:///{folder / 'fwai.db'}",
        "transcripts_dir": folder / "transcripts",
    }
    async with open_simulated_world(settings.port, given) as world:
        yield world


def demo_folder(settings: Settings) -> Path:
    """Return where demo mode keeps its database, transcripts and recordings."""
    return settings.data_dir / "demo"


def demo_notice(settings: Settings, simulated: Settings) -> str:
    """Return what a terminal is told at the start of demo mode.

    Args:
        settings: What is configured.
        simulated: What the demo runs with.
    """
    notice = DEMO_MODE.format(port=simulated.port, folder=demo_folder(settings))
    names = ", ".join(name.upper() for name in _away(settings))
    return notice + NOT_SENT.format(names=names) if names else notice


def _away(settings: Settings) -> list[str]:
    """Return the settings that would have a demo reach another machine."""
    found = []
    for name in _REACHES_OUT:
        place = str(getattr(settings, name)) if name in settings.model_fields_set else ""
        host = urlsplit(place).hostname if "://" in place else place
        if host and not is_loopback(host):
            found.append(name)
    return found
