"""Health and readiness endpoints, for uptime checks, systemd and load balancers."""

from collections.abc import Callable, Sequence
from typing import Final

from fastapi import APIRouter, Response
from pydantic import BaseModel

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
        ready: False means 503: draining, overloaded or misconfigured.
        reasons: Why not.
        warnings: Guards that are turned off.
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
) -> APIRouter:
    """Build the health and readiness endpoints.

    Args:
        reasons: Why no call is admitted now; empty when one is.
        calls: How many calls are not over.
        warnings: Guards that are turned off.
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
        why = list(reasons())
        if why:
            response.status_code = 503
        return Readiness(ready=not why, reasons=why, warnings=list(warnings), calls=calls())

    return api
