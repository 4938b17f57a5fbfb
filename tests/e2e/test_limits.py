"""Limits over real sockets: who waits, who never does, and what browsers are told."""

import asyncio
import secrets
import time
import uuid
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from e2e.house import House
from e2e.test_http_edges import BEARER, KEY, Asked, routes, serving
from fwai.simulator.plivo.signature import sign_v3
from gaps import on_time

FLOODER = {"X-Forwarded-For": "198.51.100.7, 203.0.113.7"}
SOMEBODY = "+919999900001"


def answer_request(
    house: House, caller: str = SOMEBODY
) -> tuple[str, dict[str, str], dict[str, str]]:
    """Return URL, form and headers of Plivo's request for a call that comes in."""
    settings = house.world.settings
    url = f"{settings.base_url}/plivo/answer"
    form = {
        "CallUUID": str(uuid.uuid4()),
        "From": caller.lstrip("+"),
        "To": settings.plivo_phone_number.lstrip("+"),
        "Direction": "inbound",
        "CallStatus": "ringing",
        "Event": "StartApp",
    }
    nonce = secrets.token_hex(10)
    signature = sign_v3(settings.plivo_tokens[0], nonce, "POST", url, form)
    headers = {"X-Plivo-Signature-V3": signature, "X-Plivo-Signature-V3-Nonce": nonce}
    return url, form, headers


async def hang_up(house: House, client: httpx.AsyncClient, form: dict[str, str]) -> None:
    url = f"{house.world.settings.base_url}/plivo/hangup"
    told = {**form, "CallStatus": "completed", "Event": "Hangup"}
    nonce = secrets.token_hex(10)
    signature = sign_v3(house.world.settings.plivo_tokens[0], nonce, "POST", url, told)
    headers = {"X-Plivo-Signature-V3": signature, "X-Plivo-Signature-V3-Nonce": nonce}
    assert (await client.post(url, data=told, headers=headers)).status_code == 200


@pytest.mark.parametrize("forwarded", [FLOODER, {}], ids=["proxy says who", "bare proxy"])
async def test_beside_a_flood_of_unsigned_requests_a_signed_one_is_answered_at_once(
    forwarded: dict[str, str], tmp_path: Path
) -> None:
    """From the very same address: 2,000 unsigned ones, and calls all the time."""
    async with serving(tmp_path) as (house, _), httpx.AsyncClient(timeout=30) as client:
        statuses: list[int] = []

        async def flood() -> None:
            for _ in range(500):
                url = f"{house.url}/plivo/answer"
                one = await client.post(url, content=b"x" * 20_000, headers=forwarded)
                statuses.append(one.status_code)

        worst_s = 0.0
        async with asyncio.TaskGroup() as tasks:
            floods = [tasks.create_task(flood()) for _ in range(4)]
            while not all(one.done() for one in floods):
                url, form, headers = answer_request(
                    house, f"+9199999{secrets.randbelow(10**5):05d}"
                )
                began = time.monotonic()
                answer = await client.post(url, data=form, headers={**headers, **forwarded})
                worst_s = max(worst_s, time.monotonic() - began)
                assert answer.status_code == 200
                assert "<Stream" in answer.text, "the line was busy"
                await hang_up(house, client, form)

    assert len(statuses) == 2_000
    assert statuses.count(403) == (60 if forwarded else 2_000)
    with on_time():
        assert worst_s < 1.0


async def test_a_flood_of_signed_answers_opens_few_model_sessions(tmp_path: Path) -> None:
    """They are told that the line is busy, never 429; and another caller gets through."""
    async with (
        serving(tmp_path, calls_at_once_per_caller=4) as (house, _),
        httpx.AsyncClient(timeout=30) as client,
    ):
        answers = []
        for _ in range(300):
            url, form, headers = answer_request(house)
            answers.append(await client.post(url, data=form, headers=headers))
        open_sessions = house.world.model.open_sessions
        url, form, headers = answer_request(house, "+919999900002")
        other = await client.post(url, data=form, headers=headers)

    assert {one.status_code for one in answers} == {200}
    assert sum("<Stream" in one.text for one in answers) == 4
    assert sum('reason="busy"' in one.text for one in answers) == 296
    assert open_sessions <= 4
    assert "<Stream" in other.text


async def test_a_flood_of_bad_stream_tokens_counts_and_says_little(tmp_path: Path) -> None:
    """It hears 429 where nothing can be the provider's; a handshake with a token is looked at."""
    statuses: dict[str, list[int]] = {"token": [], "none": [], "elsewhere": [], "page": []}
    async with serving(tmp_path) as (house, _), httpx.AsyncClient() as client:
        base = house.url.replace("http", "ws", 1)
        with capture_logs() as logs:
            asked = [("token", "/plivo/stream?t=guess")] * 100
            asked += [("none", "/plivo/stream"), ("elsewhere", "/exotel/guess/stream/x")] * 3
            for name, path in asked:
                with pytest.raises(InvalidStatus) as refusal:
                    await connect(base + path, additional_headers=FLOODER)
                statuses[name].append(refusal.value.response.status_code)
        other = await client.get(f"{house.url}/", headers=FLOODER)

    assert statuses["token"] == [403] * 100
    assert statuses["none"] == statuses["elsewhere"] == [429] * 3
    assert other.status_code == 429
    told = [log for log in logs if log["event"] == "stream_refused"]
    assert [(log["reason"], log["address"]) for log in told] == [("token or signature", "ipv4")]


async def test_a_websocket_to_nowhere_counts_as_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, refused_requests_per_minute=5) as (house, _):
        url = f"{house.url.replace('http', 'ws', 1)}/nowhere"
        statuses = []
        for _ in range(7):
            with pytest.raises(InvalidStatus) as refusal:
                await connect(url, additional_headers=FLOODER)
            statuses.append(refusal.value.response.status_code)

    assert statuses == [403] * 5 + [429] * 2


async def test_a_key_that_asks_too_often_learns_when_to_come_again(tmp_path: Path) -> None:
    limits = {"requests_per_minute": 20, "api_calls_per_minute": 2}
    async with serving(tmp_path, **limits) as (house, _), httpx.AsyncClient() as client:
        key = {"Authorization": f"Bearer {KEY}"}
        url = f"{house.url}/api/calls"
        placed = [await client.post(url, headers=key, json={"to": "x"}) for _ in range(4)]
        listed = [await client.get(url, headers=key) for _ in range(20)]

    assert [one.status_code for one in placed] == [422, 422, 429, 429]
    assert placed[-1].json()["type"] == "urn:fwai:problem:too-many-requests"
    assert 1 <= int(placed[-1].headers["retry-after"]) <= 60
    assert [one.status_code for one in listed].count(429) == 4


async def test_every_answer_of_every_route_is_guarded(tmp_path: Path) -> None:
    """With a key and without one: what may run in it, who keeps it, who may frame it."""
    wrong = []
    async with serving(tmp_path) as (house, line):
        asked = [*sorted(set(routes(house))), ("GET", "/nothing-here"), ("PROPFIND", "/")]
        for method, route in asked:
            path = f"{route}-no" if route.endswith("/events") else route
            for headers in ([], [BEARER]):
                answer = await line.ask(Asked(method, path, headers))
                told = answer.headers
                policy = told.get("content-security-policy", "")
                page = path.startswith(("/console", "/docs", "/redoc"))
                good = (
                    "default-src 'none'" in policy
                    and "frame-ancestors 'none'" in policy
                    and "unsafe-" not in policy
                    and (path.startswith("/docs") or ("script-src 'self';" in policy) == page)
                    and told.get("x-content-type-options") == "nosniff"
                    and told.get("referrer-policy") == "no-referrer"
                    and "camera=()" in told.get("permissions-policy", "")
                    and ("microphone=(self)" in told["permissions-policy"])
                    == path.startswith("/console/talk")
                    and (page or told.get("cache-control") == "no-store")
                    and "strict-transport-security" not in told  # it is no https
                )
                if not good:
                    wrong.append((method, path, answer.status, told))

    assert wrong == []
    assert len(asked) > 40
