"""The round trip with n8n: it starts a call, hears how it ended, and has a message sent.

    make test-n8n        or: PYTHONPATH=src:tests python scripts/n8n/round_trip.py [--n8n COMMAND]

The server runs as a process in front of the Plivo simulator. First a small client makes the trip
as our flows do; then a real n8n, in a fresh folder, with our flows. Where n8n cannot be run, it
says why and what was not checked. Exit code 0: everything that could be checked is right.
"""

import argparse
import asyncio
import base64
import secrets
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import httpx

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "src"), str(ROOT / "tests")]

from scripts.n8n.check import kind_of, load  # noqa: E402
from scripts.n8n.process import N8n, N8nFailedError, NoN8nError, find  # noqa: E402

from e2e.process import free_port, ready, server, world  # noqa: E402
from fwai.demo.world import SimulatedWorld  # noqa: E402
from fwai.errors import ApiError  # noqa: E402
from fwai.simulator.common.caller import HangUp, Hear  # noqa: E402
from fwai.simulator.n8n.client import (  # noqa: E402
    FlowClient,
    event_body,
    signed_headers,
    signing_key,
)

CUSTOMER: Final = "+919999900001"
OWNER: Final = "+919999900009"
CALL_LIMIT_S: Final = 60.0
NOT_CHECKED: Final = (
    "import of the credentials and flows",
    "publishing",
    "each webhook's answer to unsigned and signed messages",
    "the round trip through flows 01, router and 03",
)


class CheckFailedError(Exception):
    """A step did not come out as it should."""


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def step(name: str, work: Awaitable[object]) -> None:
    """Do one step and print how it came out."""
    begun = time.monotonic()
    try:
        await work
    except (ApiError, CheckFailedError, N8nFailedError, TimeoutError, httpx.HTTPError) as exc:
        say(f"  FAILED  {name}: {str(exc) or type(exc).__name__}")
        raise CheckFailedError(name) from exc
    say(f"  ok      {name} ({time.monotonic() - begun:.1f} s)")


async def until(what: Callable[[], bool], name: str, limit_s: float = CALL_LIMIT_S) -> None:
    """Wait until something holds.

    Raises:
        CheckFailedError: It did not in time.
    """
    due = time.monotonic() + limit_s
    while not what():
        if time.monotonic() > due:
            raise CheckFailedError(f"{name}: not within {limit_s:.0f} s")
        await asyncio.sleep(0.2)


def new_secret() -> str:
    """Return a signing secret that n8n can hold."""
    return "whsec_" + base64.b64encode(secrets.token_hex(16).encode()).decode()


def listening(world: SimulatedWorld) -> None:
    """Have the customer answer, hear the greeting and hang up."""
    world.provider.on_call = lambda _placed: [Hear("greeting"), HangUp()]


def sent(world: SimulatedWorld, to: str, text: str = "") -> bool:
    """Tell whether a message went to a number; providers write numbers without ``+``."""
    digits = to.lstrip("+")
    return any(one.lstrip("+") == digits and text in words for one, words in world.messages)


# ---- a small client ------------------------------------------------------------------------


async def by_client(folder: Path) -> None:
    """Make the trip with a client that behaves as our flows do."""
    say("By a small client that behaves as the flows do:")
    port, secret, key = free_port(), new_secret(), secrets.token_hex(16)
    async with (
        world(port) as (outside, values),
        FlowClient(values["PUBLIC_URL"], key, secret) as flow,
    ):
        listening(outside)
        values |= {"API_KEYS": key, "CALLING_HOURS": "00:00-24:00"}
        values |= {"EVENTS_WEBHOOK_URL": flow.webhook_url, "EVENTS_WEBHOOK_SECRET": secret}
        with server(folder, port, **values):
            await step("the server is ready", ready(port))
            await client_trip(flow, outside)


async def client_trip(flow: FlowClient, world: SimulatedWorld) -> None:
    """Start a call, wait for its end, send a message."""
    call_id = ""

    async def start() -> None:
        nonlocal call_id
        call_id = await flow.start_call(CUSTOMER, context={"customer_name": "Asha"})

    async def ended() -> None:
        event = await flow.wait_event("call.ended", call_id, CALL_LIMIT_S)
        if event.data["status"] != "completed":
            raise CheckFailedError(f"the call is {event.data['status']}")

    async def thank() -> None:
        await flow.send_sms("Thank you for the call", call_id=call_id)
        await until(lambda: sent(world, CUSTOMER, "Thank you for the call"), "the message")

    await step("a call is started by POST /api/calls", start())
    await step("call.ended came, signed, and says completed", ended())
    await step("POST /api/tools/send_sms sent a message", thank())


# ---- a real n8n ----------------------------------------------------------------------------


async def by_n8n(command: list[str], folder: Path) -> None:
    """Make the trip with a real n8n and our flows."""
    say(f"By n8n ({' '.join(command)}):")
    port, n8n_port, secret, key = free_port(), free_port(), new_secret(), secrets.token_hex(16)
    n8n = N8n(command, folder, n8n_port)
    async with world(port) as (outside, values):
        listening(outside)
        values |= {"API_KEYS": key, "CALLING_HOURS": "00:00-24:00"}
        values |= {
            "EVENTS_WEBHOOK_URL": n8n.address("fwai-events"),
            "EVENTS_WEBHOOK_SECRET": secret,
        }
        mine = {"base_url": values["PUBLIC_URL"], "owner_phone": OWNER}
        with server(folder, port, **values):
            await step("the server is ready", ready(port))
            await step("flows are imported and published", n8n.fill(key, secret, mine))
            async with n8n.running():
                await webhooks(n8n, secret)
                await step("01, router and 03 make the round trip", flow_trip(n8n, world))


async def webhooks(n8n: N8n, secret: str) -> None:
    """Check what every webhook answers to strangers, and the signed ones to us."""
    async with httpx.AsyncClient(timeout=30) as client:
        for flow in load().values():
            for node in flow["nodes"]:
                if kind_of(node) == "webhook":
                    path, form = node["parameters"]["path"], "headerAuth"
                    signed = node["parameters"]["authentication"] != form
                    await step(
                        f"/webhook/{path}", answers(client, n8n, path, secret, signed=signed)
                    )


async def answers(
    client: httpx.AsyncClient, n8n: N8n, path: str, secret: str, *, signed: bool
) -> None:
    """Check one webhook."""
    body = event_body("call.ringing", {"call_id": "check"}, "2026-11-22T10:05:00Z")
    wanted = 401 if signed else 403
    stranger = await client.post(n8n.address(path), content=body)
    if stranger.status_code != wanted:
        raise CheckFailedError(f"a stranger got {stranger.status_code}, not {wanted}")
    if signed:
        headers = signed_headers(signing_key(secret), f"check-{path}", time.time(), body)
        ours = await client.post(n8n.address(path), content=body, headers=headers)
        if ours.status_code != httpx.codes.OK:
            raise CheckFailedError(f"a signed event got {ours.status_code}, not 200")


async def flow_trip(n8n: N8n, world: SimulatedWorld) -> None:
    """Start a call by flow 01 and wait until flow 03 told the owner about it."""
    asked = {"phone": CUSTOMER, "name": "Asha", "request_id": "round-trip"}
    async with httpx.AsyncClient(timeout=60) as client:
        headers = {"X-FWAI-Key": n8n.form_key}
        answer = await client.post(n8n.address("fwai-call"), json=asked, headers=headers)
    if answer.status_code != httpx.codes.ACCEPTED:
        raise CheckFailedError(f"flow 01 answered {answer.status_code}: {answer.text[:200]}")
    told = "the message of flow 03 to the owner"
    await until(lambda: sent(world, OWNER), told)


async def main() -> int:
    """Make both trips, as far as they can be made."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n8n", default="", help="the command that runs n8n, such as 'npx n8n'")
    command: str = parser.parse_args().n8n
    try:
        with tempfile.TemporaryDirectory() as folder:
            await by_client(Path(folder))
        try:
            found = find(command)
        except NoN8nError as exc:
            say(f"By n8n: not checked, because {exc}.")
            for one in NOT_CHECKED:
                say(f"  not checked: {one}")
            return 0
        with tempfile.TemporaryDirectory() as folder:
            await by_n8n(found, Path(folder))
    except CheckFailedError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
