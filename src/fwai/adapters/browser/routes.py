"""Endpoints of browser calls: page, session, calls and their events."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from fwai.adapters.browser.line import BrowserLine
from fwai.adapters.browser.page_files import PAGE, PageFiles
from fwai.adapters.webrtc.peer import PeerOptions
from fwai.domain.agent import AgentProfile
from fwai.domain.api_key import Permission
from fwai.domain.call import CallId
from fwai.domain.plain_text import fault
from fwai.errors import BusyError, WireError
from fwai.http.access import Access, Client
from fwai.http.body import BodyTooLargeError, read_body
from fwai.http.problem import MEDIA_TYPE, ProblemError, ProblemRoute
from fwai.http.sse import HEARTBEAT_S, EventStreams
from fwai.interfaces.calls import CallHandler, LiveEventSource

MAX_BODY_BYTES: Final = 64 * 1024
RETRY_S: Final = "10"

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class BrowserCalls:
    """Dependencies of the browser's endpoints.

    Attributes:
        peer: WebRTC options.
        tasks: Owns what a call leaves running; left only after the calls were stopped.
        live_events: Publishes the events of live calls.
        access: Authenticates callers.
        agents: By id; whom callers may choose from. The first one speaks when they choose nobody.
        scripted: What answers is a simulation, whichever agent is chosen.
        heartbeat_s: Silence on an event stream before a keep-alive comment.
    """

    peer: PeerOptions
    tasks: asyncio.TaskGroup
    live_events: LiveEventSource
    access: Access
    agents: Mapping[str, AgentProfile]
    scripted: bool = False
    heartbeat_s: float = HEARTBEAT_S


class Answered(BaseModel):
    """A call that was begun.

    Attributes:
        call_id: Ours; the address of its events and of its end.
        sdp: The answer.
    """

    call_id: str
    sdp: str


class Allowed(BaseModel):
    """The client may call."""

    allowed: bool = True


class Agent(BaseModel):
    """Somebody to talk to.

    Attributes:
        id: Its key in prompts.json.
        name: What it calls itself.
        description: What it is there for; may be empty.
    """

    id: str
    name: str
    description: str


class AgentChoice(BaseModel):
    """Whom a caller may choose from.

    Attributes:
        agents: The first one speaks when nobody is chosen.
        scripted: Recorded sentences answer, whoever is chosen: nothing is configured.
    """

    agents: list[Agent]
    scripted: bool


_PROBLEM: Final[dict[str, Any]] = {"content": {MEDIA_TYPE: {}}}
_OFFER_SCHEMA: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["sdp"],
                    "properties": {
                        "sdp": {"type": "string", "description": "The offer."},
                        "agent": {
                            "type": "string",
                            "description": "Id of who is to speak; the first agent by default.",
                        },
                    },
                }
            }
        },
    }
}


def router(options: BrowserCalls, calls: CallHandler) -> APIRouter:
    """Build the browser's endpoints.

    Args:
        options: Media, tasks and who may call.
        calls: Takes over each call.
    """
    api = APIRouter(prefix="/console/talk", tags=["browser"], route_class=ProblemRoute)
    access = options.access
    line = BrowserLine(options.peer, calls, options.tasks)
    streams = EventStreams(options.live_events, options.heartbeat_s)
    files = PageFiles()
    caller = Annotated[Client, Depends(access.requires(Permission.CONSOLE))]

    @api.get("", response_class=Response, responses={403: _PROBLEM})
    async def page(request: Request) -> Response:
        access.refuse_when_off(request)
        return files.response(PAGE)

    @api.get("/page/{name}", include_in_schema=False)
    async def page_file(name: str) -> Response:
        return files.response(name)

    @api.get("/session", responses={401: _PROBLEM, 403: _PROBLEM})
    async def session(client: caller) -> Allowed:  # noqa: ARG001 - that there is one is the answer
        return Allowed()

    @api.post("/session", status_code=201, responses={401: _PROBLEM, 403: _PROBLEM})
    async def begin_session(request: Request, response: Response) -> Allowed:
        await access.begin_session(request, response)
        return Allowed()

    @api.get("/agents", responses={401: _PROBLEM, 403: _PROBLEM})
    async def agents(client: caller) -> AgentChoice:  # noqa: ARG001 - it must be one who may call
        return _choice(options)

    @api.post(
        "/calls",
        status_code=201,
        openapi_extra=_OFFER_SCHEMA,
        responses=dict.fromkeys((400, 401, 403, 413, 415, 422, 503), _PROBLEM),
    )
    async def begin(request: Request, client: caller) -> Answered:
        sdp, agent = await _read_offer(request, options.agents)
        return await _start_call(sdp, agent, client, line)

    @api.get("/calls/{call_id}/events", responses={404: _PROBLEM, 429: _PROBLEM})
    async def events(call_id: str, request: Request, client: caller) -> Response:
        own = _owned_call(call_id, client, line)
        return streams.response(own, request.headers.get("last-event-id", ""))

    @api.delete("/calls/{call_id}", status_code=204, responses={404: _PROBLEM})
    async def give_up(call_id: str, client: caller) -> None:
        await line.end_call(_owned_call(call_id, client, line))

    return api


def _choice(options: BrowserCalls) -> AgentChoice:
    agents = [
        Agent(id=one.id, name=one.name, description=one.description)
        for one in options.agents.values()
    ]
    return AgentChoice(agents=agents, scripted=options.scripted)


async def _read_offer(request: Request, agents: Mapping[str, AgentProfile]) -> tuple[str, str]:
    """Read the SDP offer and the agent's id, which may be empty, from a request's body.

    Raises:
        ProblemError: There is none.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":  # a form of another site could send anything else
        raise ProblemError(
            "wrong-content", "Wrong content", 415, "Send application/json.", "Content-Type"
        )
    try:
        said = json.loads(await read_body(request, MAX_BODY_BYTES))
    except BodyTooLargeError:
        raise ProblemError(
            "too-large", "Too large", 413, f"Send at most {MAX_BODY_BYTES} bytes."
        ) from None
    except (ValueError, RecursionError):
        raise ProblemError("unreadable", "Unreadable", 400, "The body is not JSON.") from None
    sdp = said.get("sdp") if isinstance(said, dict) else None
    if not isinstance(sdp, str) or not sdp:
        raise _bad_offer("Send the offer of an RTCPeerConnection as a string.")
    if words := fault(sdp):
        raise _bad_offer(f"The offer is no text: {words}.")
    agent, known = said.get("agent"), list(agents)
    if agent not in (None, "", *known):
        detail = f"Choose one of: {', '.join(known)}."
        raise ProblemError("unknown-agent", "Unknown agent", 422, detail, "agent")
    return sdp, agent or ""


async def _start_call(offer_sdp: str, agent: str, client: Client, line: BrowserLine) -> Answered:
    try:
        call_id, sdp = await line.answer(offer_sdp, client.id, local=client.local, agent=agent)
    except WireError as exc:
        raise _bad_offer(f"The offer cannot be used: {exc}.") from exc
    except BusyError as exc:
        _log.warning("call_refused", reason=str(exc))
        raise ProblemError(
            "busy",
            "All lines are busy",
            503,
            "No further call can be carried now. Try again in a little while.",
            headers={"Retry-After": RETRY_S},
        ) from exc
    return Answered(call_id=call_id, sdp=sdp)


def _bad_offer(detail: str) -> ProblemError:
    return ProblemError("bad-offer", "Bad offer", 422, detail, "sdp")


def _owned_call(call_id: str, client: Client, line: BrowserLine) -> CallId:
    if not line.is_owner(CallId(call_id), client.id):
        raise ProblemError("no-such-call", "No such call", 404, "It is not a call of yours.")
    return CallId(call_id)
