"""The server with everybody it acts upon: telephones, a mailbox, and n8n that listens."""

import asyncio
import base64
import json
import secrets
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx
import msgspec

from e2e.house import House, running
from e2e.process import ROOT, free_port, world
from fwai.demo.world import SimulatedWorld
from fwai.domain.availability import DEFAULT
from fwai.simulator.gemini.scenario import Reply, Scenario, ToolRequest, demo
from fwai.simulator.mail.server import Mailbox
from fwai.simulator.n8n.client import PATH, FlowClient, FlowEvent

ZONE: Final = ZoneInfo("Asia/Kolkata")
ALWAYS: Final = "00:00-24:00"
READ_BACK: Final = "hindi_answer"
AGREE: Final = "hmm"
TOOLS: Final = (
    "send_sms", "send_email", "schedule_callback", "cancel_callback", "do_not_call", "book_demo",
    "transfer_call", "end_call",
)  # fmt: skip


@dataclass
class Surroundings:
    """What surrounds a server that is a process of its own.

    Attributes:
        values: Environment that points the server here.
    """

    world: SimulatedWorld
    box: Mailbox
    flow: FlowClient
    values: dict[str, str]
    port: int
    folder: Path


@dataclass
class Bureau:
    """A whole server in this process, and n8n with it."""

    house: House
    flow: FlowClient
    api: httpx.AsyncClient

    async def start(self, to: str, **more: object) -> dict[str, Any]:
        """Ask for a call and return the answer."""
        answer = await self.api.post("/api/calls", json={"to": to, **more})
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    async def call(self, to: str, **more: object) -> str:
        """Ask for a call and return its id."""
        return str((await self.start(to, **more))["call_id"])

    async def ended(self, call_id: str, within_s: float = 40.0) -> FlowEvent:
        """Wait until n8n was told of a call's end, and until nothing is left of any call."""
        event = await self.flow.wait_event("call.ended", call_id, within_s)
        await self.house.quiet(10)
        return event

    async def shown(self, call_id: str) -> dict[str, Any]:
        """Return what the API says of a call."""
        return dict((await self.api.get(f"/api/calls/{call_id}")).json())

    async def in_state(self, call_id: str, state: str, within_s: float = 10.0) -> None:
        """Wait until a call stands so."""

        async def stands() -> bool:
            return bool((await self.shown(call_id))["status"] == state)

        await until(stands, within_s)

    async def greeted(self) -> None:
        """Wait until the caller of the newest call has heard the greeting."""
        model = self.house.world.model
        await model.wait(lambda: bool(model.sessions and model.sessions[-1].turns), 20)
        await asyncio.sleep(0.6)  # until it was played, and is followed by silence

    async def jobs(self, *states: str) -> list[dict[str, Any]]:
        """Return the jobs of these states."""
        answer = await self.api.get("/api/jobs", params={"status": list(states), "limit": 200})
        assert answer.status_code == 200, answer.text
        return list(answer.json()["jobs"])

    async def idle(self, within_s: float = 10.0) -> None:
        """Wait until no work waits but what tidies up or looks once more."""

        async def done() -> bool:
            left = await self.jobs("waiting", "running")
            return all(job["kind"] in ("housekeeping", "watch_call") for job in left)

        await until(done, within_s)

    def kinds(self, call_id: str) -> list[str]:
        """Return of what n8n was told about a call, in the order of its arrival."""
        return [event.kind for event in self.flow.events if event.call_id == call_id]


async def until(true: Callable[[], Awaitable[bool]], within_s: float = 10.0) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(within_s):
        while not await true():  # noqa: ASYNC110 - a test looks on
            await asyncio.sleep(0.05)


def new_secret() -> str:
    """Return a signing secret that n8n can hold."""
    return "whsec_" + base64.b64encode(secrets.token_hex(16).encode()).decode()


def agents_file(folder: Path, **changes: object) -> Path:
    """Write prompts.json with an agent that may use every tool; return its path."""
    agents = json.loads((ROOT / "prompts.json").read_text("utf-8"))
    agents["FWAI_Core"] |= {"tools": list(TOOLS), **changes}
    path = folder / "agents.json"
    path.write_text(json.dumps(agents), "utf-8")
    return path


def acting(**requests: Mapping[str, object]) -> Scenario:
    """Return the academy with other tools behind its phrases.

    ``ask_ai`` and ``book_demo`` are what a caller may say; a request is a tool's arguments. Whom it
    names for the first time is read back as ``READ_BACK``; the caller agrees with ``AGREE``.
    """
    said = {
        "schedule_callback": ("ask_ai", "price_answer"),
        "book_demo": ("book_demo", "booking_confirmed"),
        "transfer_call": ("ask_hindi", "ai_answer"),
    }
    known = demo()
    replies, heard = dict(known.replies), dict(known.heard)
    for tool, args in requests.items():
        clip, then = said[tool]
        replies[f"{tool}_done"] = Reply(clip=then)
        replies[tool] = Reply(
            tools=(ToolRequest(tool, dict(args)),),
            then=f"{tool}_done",
            otherwise=f"{tool}_read_back" if args.get("confirmed") else "fallback",
        )
        replies[f"{tool}_read_back"] = Reply(clip=READ_BACK)
        replies[f"{tool}_again"] = Reply(
            tools=(ToolRequest(tool, dict(args)),), then=f"{tool}_done", otherwise="fallback"
        )
        heard[clip] = tool
        if args.get("confirmed"):
            heard[AGREE] = f"{tool}_again"
    return msgspec.structs.replace(known, replies=replies, heard=heard)


def open_slot(now: datetime) -> datetime:
    """Return when a demo can be booked: tomorrow at 11, or the next opening after that."""
    tomorrow = now.astimezone(ZONE) + timedelta(days=1)
    at = tomorrow.replace(hour=11, minute=0, second=0, microsecond=0)
    return DEFAULT.next_free(at, now, ZONE, lambda _: 0, 1)[0]


def calendar_of(mail: EmailMessage) -> str:
    """Return the invitation in a mail, its folded lines unfolded; all its copies are the same."""
    parts = [one for one in mail.walk() if one.get_content_type() == "text/calendar"]
    copies = {bytes(part.get_payload(decode=True)) for part in parts}
    assert len(copies) == 1
    assert any(part.get_filename() == "invitation.ics" for part in parts)
    return copies.pop().decode().replace("\r\n ", "")


def bring_forward(folder: Path) -> list[float]:
    """Make every event due now that waits for another try; return in how many seconds it was.

    It is what the passing of time would do; wake the worker afterwards. Not in the event loop: the
    server in it may hold the database's lock.
    """
    late = "kind = 'event' and state = 'waiting' and attempts > 0"
    now = datetime.now(UTC)
    with closing(sqlite3.connect(folder / "fwai.db", timeout=5)) as database, database:
        database.execute("begin immediate")  # what is put off in between is not moved unseen
        found = database.execute(f"select next_at from jobs where {late}").fetchall()  # noqa: S608
        written = now.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
        database.execute(f"update jobs set next_at = ? where {late}", (written,))  # noqa: S608
    due = [datetime.fromisoformat(one).replace(tzinfo=UTC) for (one,) in found]
    return [(one - now).total_seconds() for one in due]


@asynccontextmanager
async def surroundings(folder: Path) -> AsyncIterator[Surroundings]:
    """Open everything that a server process acts upon; start it with `process.server`."""
    port, secret, key = free_port(), new_secret(), secrets.token_hex(16)
    async with (
        world(port) as (outside, values),
        Mailbox() as box,
        FlowClient(values["PUBLIC_URL"], key, secret) as flow,
    ):
        values |= {
            "API_KEYS": key,
            "BUSINESS_NAME": "FWAI Academy",
            "CALLING_HOURS": ALWAYS,
            "EVENTS_WEBHOOK_URL": flow.webhook_url,
            "EVENTS_WEBHOOK_SECRET": secret,
            "PROMPTS_FILE": str(agents_file(folder)),
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(box.port),
            "SMTP_SENDER": "desk@example.com",
            "SMTP_SECURITY": "none",
        }
        yield Surroundings(outside, box, flow, values, port, folder)


@asynccontextmanager
async def bureau(folder: Path, **overrides: object) -> AsyncIterator[Bureau]:
    """Serve in this process, with n8n listening; further settings by field name."""
    secret, key, port = new_secret(), secrets.token_hex(16), free_port()
    settings: dict[str, object] = {
        "api_keys": key,
        "calling_hours": ALWAYS,
        "events_webhook_url": f"http://127.0.0.1:{port}{PATH}",
        "events_webhook_secret": secret,
        "outbound_calls_per_second": 50.0,
        **overrides,
    }
    if "prompts_file" not in settings:
        settings["prompts_file"] = agents_file(folder)
    async with (
        running(folder, **settings) as house,
        FlowClient(house.url, key, str(settings["events_webhook_secret"]), port=port) as flow,
        httpx.AsyncClient(
            base_url=house.url, headers={"authorization": f"Bearer {key}"}, timeout=20
        ) as api,
    ):
        yield Bureau(house, flow, api)
