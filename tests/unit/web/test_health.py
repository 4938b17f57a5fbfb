"""What pings, systemd and load balancers are told."""

from collections.abc import Sequence

import httpx
from fastapi import FastAPI

from fwai.web.health import router


async def get(
    path: str, reasons: Sequence[str] = (), warnings: Sequence[str] = ()
) -> httpx.Response:
    app = FastAPI()
    app.include_router(router(lambda: reasons, lambda: 3, warnings))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1"
    ) as http:
        return await http.get(path)


async def test_a_ping_is_answered_as_ever() -> None:
    response = await get("/")

    assert response.text == (
        '{"status":"ok","service":"WhatsApp Voice Calling with Gemini Live","version":"1.0.0"}'
    )


async def test_alive_is_alive_even_when_no_call_is_admitted() -> None:
    response = await get("/healthz", reasons=["draining"])

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_ready_says_how_many_calls_there_are() -> None:
    response = await get("/readyz")

    assert response.status_code == 200
    assert response.json() == {"ready": True, "reasons": [], "warnings": [], "calls": 3}


async def test_not_ready_says_why() -> None:
    response = await get("/readyz", reasons=["draining"])

    assert response.status_code == 503
    assert response.json()["reasons"] == ["draining"]
    assert response.json()["ready"] is False


async def test_a_guard_that_is_off_is_announced_but_does_not_stop_calls() -> None:
    response = await get("/readyz", warnings=["ALLOW_UNSIGNED_WEBHOOKS"])

    assert response.status_code == 200
    assert response.json()["warnings"] == ["ALLOW_UNSIGNED_WEBHOOKS"]
