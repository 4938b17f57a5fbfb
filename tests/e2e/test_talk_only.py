"""A key for Gemini and nothing else: the agents of prompts.json answer this machine's browser."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from e2e.acting_world import until
from e2e.process import free_port, ready, server
from e2e.test_browser import CALLS, Browser
from e2e.test_commands import run
from fwai.simulator.gemini.server import GeminiLiveSimulator

AGENTS = {
    "_template": {"prompt": "not an agent"},
    "Desk": {"name": "Ravi", "description": "At the desk.", "prompt": "You are Ravi, an AI."},
    "Sales": {"name": "Meera", "description": "Sells.", "prompt": "You are Meera, an AI."},
}


@asynccontextmanager
async def talking(
    folder: Path, **values: str
) -> AsyncIterator[tuple[httpx.AsyncClient, GeminiLiveSimulator]]:
    """Serve with a key alone; yields a client on this machine and the model's simulator."""
    prompts = folder / "prompts.json"
    prompts.write_text(json.dumps(AGENTS), "utf-8")
    port = free_port()
    async with GeminiLiveSimulator(api_key="the-only-key") as model:
        values = {
            "GOOGLE_API_KEY": "the-only-key",
            "GEMINI_LIVE_URL": model.url,
            "PROMPTS_FILE": str(prompts),
            **values,
        }
        with server(folder, port, **values):
            await ready(port)
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
                yield client, model


def other_address() -> str:
    """Return an address of this machine that is not loopback, or skip."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return str(probe.getsockname()[0])


async def test_the_agent_who_was_chosen_speaks_and_the_call_is_kept(tmp_path: Path) -> None:
    async with talking(tmp_path) as (client, model):
        told = (await client.get("/console/talk/agents")).json()
        page = Browser(client)
        answer = await client.post(CALLS, json={"sdp": await page.phone.offer(), "agent": "Sales"})
        page.call_id = answer.json()["call_id"]
        await page.phone.accept(answer.json()["sdp"])
        await page.phone.ready()
        await page.hear("greeting")
        await page.hang_up()
        await page.phone.close()
        call: dict[str, Any] = {}

        async def over() -> bool:
            call.update((await client.get(f"/api/calls/{page.call_id}")).json())
            return bool(call["status"] == "completed")

        await until(over, 10)
        (session,) = model.sessions
        instruction = json.dumps(session.setup)

    assert [one["id"] for one in told["agents"]] == ["Desk", "Sales"]
    assert told["agents"][0] == {"id": "Desk", "name": "Ravi", "description": "At the desk."}
    assert told["scripted"] is False
    assert "You are Meera, an AI." in instruction
    assert (call["agent"], call["provider"]) == ("Sales", "browser")
    assert (tmp_path / "fwai.db").exists()  # it is real, and kept where real calls are
    assert not (tmp_path / "demo").exists()
    log = (tmp_path / "server.log").read_text("utf-8")
    assert "/console/talk" in log
    assert "CALL_PROVIDER=plivo" in log
    assert "the-only-key" not in log


@pytest.mark.parametrize("host", ["", "0.0.0.0"])  # noqa: S104 - which is refused
async def test_nobody_but_this_machine_is_answered(tmp_path: Path, host: str) -> None:
    async with talking(tmp_path, HOST=host) as (client, _):
        port = client.base_url.port
        assert port is not None
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(other_address(), port)

    log = (tmp_path / "server.log").read_text("utf-8")
    assert ("HOST=0.0.0.0 is not used" in log) == bool(host)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"X-Forwarded-For": "203.0.113.9"}, 403),
        ({"Forwarded": "for=203.0.113.9"}, 403),
        ({"Host": "rebound.example.com"}, 403),
        ({"Origin": "https://evil.example.com"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
async def test_the_api_trusts_this_machine_itself_alone(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    async with talking(tmp_path) as (client, _):
        answers = [
            await client.get(path, headers=headers)
            for path in ("/api/agents", "/api/calls", "/console/talk/agents")
        ]

    assert [answer.status_code for answer in answers] == [status] * 3


async def test_what_needs_a_telephone_says_so(tmp_path: Path) -> None:
    async with talking(tmp_path) as (client, _):
        person = {"to": "+919999900001"}
        placed = await client.post("/api/calls", json=person)
        texted = await client.post(
            "/api/tools/send_sms", json={**person, "arguments": {"text": "x"}}
        )

    assert (placed.status_code, placed.json()["field"]) == (422, "provider")
    assert "CALL_PROVIDER" in placed.json()["detail"]
    assert (texted.status_code, "CALL_PROVIDER" in texted.json()["detail"]) == (409, True)


@pytest.mark.parametrize(
    "half", [{"PLIVO_AUTH_ID": "MA1"}, {"PUBLIC_URL": "https://voice.example.com"}]
)
async def test_half_a_telephone_does_not_start(tmp_path: Path, half: dict[str, str]) -> None:
    told: list[str] = []
    await run(tmp_path, expect=2, values={"GOOGLE_API_KEY": "k", **half}, told=told)

    assert "CALL_PROVIDER: missing; set it to plivo" in told[0]
