"""What pings, systemd and load balancers are told."""

from collections.abc import Sequence
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import FastAPI

from fwai.domain.failure import Area, Failure, Trouble
from fwai.web.health import router


async def get(
    path: str,
    reasons: Sequence[str] = (),
    warnings: Sequence[str] = (),
    failures: Sequence[Failure] = (),
) -> httpx.Response:
    app = FastAPI()
    app.include_router(router(lambda: reasons, lambda: 3, warnings, lambda: failures))
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


AT = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
FULL = Failure(Trouble(Area.STORAGE, "recordings", "the disk is full", "free it"), AT, AT)
KEY = Failure(
    Trouble(Area.MODEL, "gemini", "Gemini refuses the key", "check it", stops_calls=True), AT, AT
)
FULL_SAYS = "storage: recordings: the disk is full, since 2026-11-24T04:00:00Z; free it"
KEY_SAYS = "model: gemini: Gemini refuses the key, since 2026-11-24T04:00:00Z; check it"


@pytest.mark.parametrize(
    ("failures", "status", "reasons", "warnings"),
    [
        ([], 200, [], ["GUARD"]),
        ([FULL], 200, [], [FULL_SAYS, "GUARD"]),
        ([KEY], 503, [KEY_SAYS], ["GUARD"]),
        ([FULL, KEY], 503, [KEY_SAYS], [FULL_SAYS, "GUARD"]),
    ],
)
async def test_what_fails_every_call_is_a_reason_and_all_else_a_warning_each_with_its_fix(
    failures: Sequence[Failure], status: int, reasons: list[str], warnings: list[str]
) -> None:
    response = await get("/readyz", warnings=["GUARD"], failures=failures)

    assert response.status_code == status
    assert response.json() == {
        "ready": status == 200,
        "reasons": reasons,
        "warnings": warnings,
        "calls": 3,
    }


async def test_that_calls_are_not_admitted_comes_first() -> None:
    response = await get("/readyz", reasons=["draining"], failures=[KEY])

    assert response.json()["reasons"] == ["draining", KEY_SAYS]
