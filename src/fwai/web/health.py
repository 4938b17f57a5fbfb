"""Health and readiness endpoints, for uptime checks, systemd and load balancers."""

from collections.abc import Callable, Sequence
from typing import Final

from fastapi import APIRouter, Response
from pydantic import BaseModel

from fwai.domain.failure import Failure

SERVICE: Final = "WhatsApp Voice Calling with Gemini Live"
INTERFACE_VERSION: Final = "1.0.0"
"""Version of what ``/`` answers, not of the package: uptime checks compare the whole body, so it
stays through releases. The package's is told by ``fwai --version`` and ``/openapi.json``."""


class Ping(BaseModel):
    """Body of the root endpoint; uptime checks depend on these fields."""

    status: str
    service: str
    version: str


class Readiness(BaseModel):
    """Whether this server admits calls.

    Attributes:
        ready: False means 503: draining, overloaded, or every call would fail.
        reasons: Why not, each with its fix where there is one.
        warnings: What else is out of order, each with its fix, and guards that are turned off.
        calls: Calls that are not over.
    """

    ready: bool
    reasons: list[str]
    warnings: list[str]
    calls: int


def router(
    reasons: Callable[[], Sequence[str]],
    calls: Callable[[], int],
    warnings: Sequence[str],
    failures: Callable[[], Sequence[Failure]] = lambda: (),
) -> APIRouter:
    """Build the health and readiness endpoints.

    Args:
        reasons: Why no call is admitted now; empty when one is.
        calls: How many calls are not over.
        warnings: Guards that are turned off.
        failures: What the process has seen fail and not seen mended.
    """
    api = APIRouter(tags=["health"])

    @api.get("/")
    async def ping() -> Ping:
        return Ping(status="ok", service=SERVICE, version=INTERFACE_VERSION)

    @api.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @api.get("/readyz")
    async def readyz(response: Response) -> Readiness:
        standing = failures()
        why = [*reasons(), *(one.sentence for one in standing if one.trouble.stops_calls)]
        beside = [one.sentence for one in standing if not one.trouble.stops_calls]
        if why:
            response.status_code = 503
        return Readiness(ready=not why, reasons=why, warnings=[*beside, *warnings], calls=calls())

    return api
