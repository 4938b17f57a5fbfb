"""The outside world on this machine: a Live model and a telephone provider that are simulated."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from fwai.config import Settings, load_settings
from fwai.simulator.gemini_live import GeminiLiveSimulator
from fwai.simulator.plivo_api import PlivoApi
from fwai.simulator.plivo_line import EventSink
from fwai.simulator.plivo_phone import PlivoPhone

LINE: Final = "+918888800000"
CALLER: Final = "+919999900001"

GO_LIVE: Final = """
  Demo mode: nothing is configured, so the model and the telephone are simulated on this machine.

    hear and watch a whole call     make demo
    go live                         cp .env.example .env   and fill in:
                                      CALL_PROVIDER=plivo
                                      GOOGLE_API_KEY        Google AI Studio
                                      PLIVO_AUTH_ID, PLIVO_AUTH_TOKEN, PLIVO_PHONE_NUMBER
                                      PUBLIC_URL            https://your.domain
                                    then   make run
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """A simulated world and the settings that point a server at it."""

    settings: Settings
    model: GeminiLiveSimulator
    provider: PlivoApi

    def phone(self, on_event: EventSink | None = None, number: str = CALLER) -> PlivoPhone:
        """Return a caller's telephone that dials this server.

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


@asynccontextmanager
async def open_stage(
    port: int, overrides: Mapping[str, Any] | None = None, *, model_port: int = 0
) -> AsyncIterator[Stage]:
    """Start the simulators.

    Args:
        port: Where the server will listen on loopback.
        overrides: Further settings by field name.
        model_port: Where the simulated model listens; 0 takes a free port.
    """
    auth_id, auth_token = "MADEMO0000000000DEMO", secrets.token_hex(20)
    async with (
        GeminiLiveSimulator(port=model_port) as model,
        PlivoApi(auth_id, auth_token) as provider,
    ):
        settings = load_settings(
            {
                "call_provider": "plivo",
                "google_api_key": "demo",
                "gemini_live_url": model.url,
                "plivo_auth_id": auth_id,
                "plivo_auth_token": auth_token,
                "plivo_phone_number": LINE,
                "plivo_api_url": provider.url,
                "public_url": f"http://127.0.0.1:{port}",
                "host": "127.0.0.1",
                "port": port,
                **(overrides or {}),
            },
            environment=False,
        )
        yield Stage(settings, model, provider)


@asynccontextmanager
async def stage_instead_of(settings: Settings) -> AsyncIterator[Stage]:
    """Simulate the world of a server that has nothing configured; its other settings are kept."""
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    async with open_stage(settings.port, given) as stage:
        yield stage
