"""The API over ASGI: a real store in a temporary directory, and pretended live calls and tools."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import time
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, Field

from fwai.calls.live_events import LiveEvents
from fwai.calls.outbound import OutboundCalls
from fwai.domain.agent import AgentProfile
from fwai.domain.api_key import read_key
from fwai.domain.call import Call, CallEnding, CallId, CallState, Direction, EndReason
from fwai.domain.callback import Callback, NewCallback
from fwai.domain.hours import CallingHours
from fwai.domain.outbound import AcceptedCall, CallRequest, DialRules
from fwai.domain.phone import CountryAllowList
from fwai.domain.read_back import ReadBack
from fwai.http.access import Access
from fwai.interfaces.tools import ToolContext
from fwai.store.audit import AuditList
from fwai.store.bookings import Bookings
from fwai.store.callbacks import Callbacks
from fwai.store.contacts import Contacts
from fwai.store.database import Database
from fwai.store.erasure import Erasure
from fwai.store.idempotency_keys import IdempotencyKeys
from fwai.tools.base import Outcome, Tool
from fwai.tools.registry import ToolRegistry
from fwai.web.api import router
from fwai.web.docs import router as docs_router
from fwai.web.openapi import document
from fwai.web.services import ApiServices
from unit.store.kit import KOLKATA, PHONE, T0, Clock, Kept, a_database, jobs_in, kept_in, sqlite_url

KEY = "key-of-an-operator-0123456789"
ELSEWHERE = "https://voice.example.com"
LINE = "+912200000000"
PROBLEM = "application/problem+json"


class NoteArgs(BaseModel):
    text: str = Field(max_length=100)
    when: str = ""


class ReasonArgs(BaseModel):
    reason: str = ""


@dataclass
class Session:
    """A carried call."""

    call: Call
    said: list[str] = field(default_factory=list)
    finished: list[EndReason] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.said.append(text)

    def finish(
        self, reason: EndReason, before: Callable[[], Awaitable[bool]] | None = None
    ) -> bool:
        self.finished.append(reason)
        return False

    def allow(self, what: str, limit: int) -> bool:
        return True

    async def confirm(self, kind: str, recipient: str) -> ReadBack:
        return ReadBack.NAMED


@dataclass
class Live:
    """The calls that are not over."""

    sessions: dict[CallId, Session] = field(default_factory=dict)
    ringing: set[CallId] = field(default_factory=set)
    hung_up: list[CallId] = field(default_factory=list)

    def live(self, call_id: CallId) -> bool:
        return call_id in self.sessions or call_id in self.ringing

    def session(self, call_id: CallId) -> Session | None:
        return self.sessions.get(call_id)

    def hang_up(self, call_id: CallId) -> bool:
        if self.live(call_id):
            self.hung_up.append(call_id)
        return self.live(call_id)


@dataclass
class House:
    """What a test can look at; `client` is on this machine."""

    app: FastAPI
    client: httpx.AsyncClient
    services: ApiServices
    kept: Kept
    live: Live
    board: LiveEvents
    clock: Clock
    notes: list[tuple[NoteArgs, ToolContext]]
    placed: list[CallRequest]

    def stranger(self, address: str = "203.0.113.9", **headers: str) -> httpx.AsyncClient:
        """Return a client at another address."""
        return client(self.app, address, ELSEWHERE, headers)

    async def get(self, path: str, **params: Any) -> httpx.Response:  # noqa: ANN401
        return await self.client.get(f"/api{path}", params=params)

    async def post(self, path: str, body: Any = None, key: str = "") -> httpx.Response:  # noqa: ANN401
        headers = {"Idempotency-Key": key} if key else {}
        return await self.client.post(f"/api{path}", json=body, headers=headers)

    async def carry(self, call_id: str = "c-1", caller: str = PHONE) -> Session:
        """Let a call be answered that came in."""
        call = Call(
            CallId(call_id), "plivo", Direction.INBOUND, caller, LINE, "FWAI_Core", f"u-{call_id}"
        )
        await self.kept.calls.open(call, CallState.IN_PROGRESS, T0)
        session = self.live.sessions[call.id] = Session(call)
        return session

    async def over(self, call_id: str = "c-1", seconds: float = 60.0) -> None:
        """Let it end."""
        session = self.live.sessions.pop(CallId(call_id))
        ending = CallEnding(CallState.COMPLETED, EndReason.CALLER_HUNG_UP)
        await self.kept.calls.end(session.call, ending, T0 + seconds)
        await self.kept.flush()


def client(
    app: FastAPI, address: str, url: str, headers: Mapping[str, str] | None = None
) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, client=(address, 40_000))
    return httpx.AsyncClient(transport=transport, base_url=url, headers=headers)


def agent(agent_id: str, name: str) -> AgentProfile:
    return AgentProfile(
        agent_id, name, "Sells.", "SECRET PROMPT", "", "Puck", "en-IN", "", ("note",), (LINE,)
    )


AGENTS = {"FWAI_Core": agent("FWAI_Core", "Mousumi"), "FWAI_Hindi": agent("FWAI_Hindi", "Rohan")}


def may_post(url: str) -> None:
    if not url.startswith("https://n8n.example.com/"):
        raise ValueError("name a host of WEBHOOK_ALLOWED_HOSTS")


@asynccontextmanager
async def house(
    folder: Path,
    keys: tuple[str, ...] = (),
    access: Access | None = None,
    *,
    loopback: bool = True,
    **changes: Any,  # noqa: ANN401 - services
) -> AsyncIterator[House]:
    """Open the API; ``changes`` replace services."""
    async with a_database(sqlite_url(folder)) as database:
        clock = Clock()
        kept = kept_in(database, folder)
        live, board, notes = Live(), LiveEvents(), list[tuple[NoteArgs, ToolContext]]()
        placed: list[CallRequest] = []
        services = _services(database, kept, folder, clock, live, board, notes, placed)
        services = replace(services, **changes)
        access = access or Access(
            [read_key(key) for key in keys],
            loopback=loopback,
            secure_cookies=False,
            what="the API is",
        )
        app = served(services, access)
        async with client(app, "127.0.0.1", "http://localhost:3000") as near:
            yield House(app, near, services, kept, live, board, clock, notes, placed)


def served(services: ApiServices, access: Access) -> FastAPI:
    app = FastAPI(title="FWAI", version="1.0.0", openapi_url=None, redirect_slashes=False)
    # Like `include_router`, which would look at each route again: 20 ms of every test.
    app.router.routes.extend(router(services, access).routes)
    document(app)
    app.include_router(docs_router(app, access))

    @app.post("/session", include_in_schema=False)
    async def begin_session(request: Request, response: Response) -> None:
        await access.begin_session(request, response)

    return app


def _services(
    database: Database,
    kept: Kept,
    folder: Path,
    clock: Clock,
    live: Live,
    board: LiveEvents,
    notes: list[tuple[NoteArgs, ToolContext]],
    placed: list[CallRequest],
) -> ApiServices:
    jobs = jobs_in(database, clock)
    callbacks = Callbacks(database, jobs, clock=clock)
    contacts = Contacts(database, clock=clock)
    hours = CallingHours(time(9), time(21))
    lines = {"plivo": LINE, "exotel": LINE}
    reach = CountryAllowList(frozenset({"91"}))
    rules = DialRules(lines, tuple(AGENTS), hours, KOLKATA, reach)
    outbound = OutboundCalls(rules, kept.calls, contacts, may_post, clock)
    kept.recordings.mkdir(exist_ok=True)

    async def place(request: CallRequest) -> AcceptedCall:
        placed.append(request)
        return await outbound.place(request)

    async def cancel(call: Call) -> bool:
        ending = CallEnding(CallState.CANCELED, EndReason.OPERATOR)
        return await kept.calls.end(call, ending, clock().timestamp())

    async def schedule(new: NewCallback) -> tuple[Callback, bool]:
        return await callbacks.schedule(new)

    return ApiServices(
        calls=kept.calls,
        place=place,
        cancel=cancel,
        live=live,
        live_events=board,
        tools=tools(notes),
        callbacks=callbacks,
        schedule=schedule,
        bookings=Bookings(database, jobs, clock=clock),
        contacts=contacts,
        erase=Erasure(database, kept.transcripts, kept.recordings, kept.files.flush).erase,
        jobs=jobs,
        requests=IdempotencyKeys(database, clock=clock),
        audit=AuditList(database, kept.writer),
        rules=rules,
        agents=AGENTS,
        recordings_dir=kept.recordings,
        clock=clock,
        heartbeat_s=0.02,
    )


def tools(notes: list[tuple[NoteArgs, ToolContext]]) -> ToolRegistry:
    async def note(args: NoteArgs, context: ToolContext) -> Outcome:
        notes.append((args, context))
        if args.text == "later":
            return Outcome("It is being tried.", {"delivery": "pending"})
        return Outcome("It is noted.", {"length": len(args.text)})

    async def transfer(args: ReasonArgs, context: ToolContext) -> Outcome:
        assert context.actions is not None
        silent = context.actions.finish(EndReason.TRANSFERRED)
        return Outcome("Say that you connect them.", {"reason": args.reason}, silent=silent)

    return ToolRegistry(
        [
            Tool("note", "Note something.", NoteArgs, note),
            Tool("transfer_call", "Connect with a human.", ReasonArgs, transfer),
        ],
        {"FWAI_Core": [Tool("core_only", "Of one agent.", NoteArgs, note)]},
        {"send_sms": "PLIVO_AUTH_ID"},
    )


def problem(response: httpx.Response, status: int, kind: str, field_: str | None = None) -> str:
    """Hold a response against what it should refuse, and return the detail."""
    body = response.json()
    assert response.headers["content-type"] == PROBLEM, response.text
    assert (response.status_code, body["status"]) == (status, status), response.text
    assert body["type"] == f"urn:fwai:problem:{kind}"
    assert body["field"] == field_
    assert body["title"]
    detail: str = body["detail"]
    assert detail
    return detail
