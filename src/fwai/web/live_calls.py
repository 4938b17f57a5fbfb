"""Routes that act on calls in progress: event stream, hang up, say, transfer."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Response

from fwai.domain.call import CallId, CallState
from fwai.domain.record import CallRecord
from fwai.http.problem import ProblemError
from fwai.http.sse import EventStreams
from fwai.interfaces.calls import LiveSession
from fwai.interfaces.tools import ToolContext
from fwai.web.call_models import CallActionAccepted, SayRequest, TransferRequest
from fwai.web.calls import CallPath, get_call
from fwai.web.errors import conflict, problem_responses
from fwai.web.event_streams import end_event, end_event_finder
from fwai.web.models import ToolAnswer
from fwai.web.responses import json_response
from fwai.web.services import ApiServices
from fwai.web.tools import result_json, run_tool

CONNECTING: Final = "One moment please, I connect you with a colleague."
# Nobody carries it: it waits for its time, or for another try.
_WAITING: Final = (
    CallState.QUEUED,
    CallState.SCHEDULED,
    CallState.DIALING,
    CallState.RINGING,
)
_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "`text/event-stream`", "content": {"text/event-stream": {}}}
}


def add(api: APIRouter, services: ApiServices) -> None:
    """Add the routes."""
    streams = EventStreams(services.live_events, services.heartbeat_s)

    @api.get(
        "/calls/{call_id}/events",
        tags=["live calls"],
        summary="Follow a call while it runs",
        response_class=Response,
        responses=_STREAM | problem_responses(404, 429),
    )
    async def events(
        call_id: CallPath,
        last_event_id: Annotated[
            str, Header(description="Leaves out what was seen before.", max_length=40)
        ] = "",
    ) -> Response:
        """Return server-sent events of `state`, `said`, `tool` and `end`, until the call ends.

        A comment each 15 seconds shows that the stream is alive.
        """
        record = await get_call(services, call_id)
        find = end_event_finder(services.calls, record)
        return streams.response(record.call.id, last_event_id, end_event(record), find)

    @api.post(
        "/calls/{call_id}/hangup",
        tags=["live calls"],
        summary="End a call, or cancel one that was not dialled yet",
        status_code=202,
        response_model=CallActionAccepted,
        responses=problem_responses(404, 409, 413, 415),
    )
    async def hang_up(call_id: CallPath) -> Response:
        record = await get_call(services, call_id)
        if not services.live.hang_up(record.call.id):
            if record.state not in _WAITING or not await services.cancel(record.call):
                raise _not_live(record)
            services.live.hang_up(record.call.id)  # if it was begun to be dialled meanwhile
            return _accepted(record.call.id, CallState.CANCELED)
        return _accepted(record.call.id, record.state)

    @api.post(
        "/calls/{call_id}/say",
        tags=["live calls"],
        summary="Let the agent say something now",
        status_code=202,
        response_model=CallActionAccepted,
        responses=problem_responses(400, 404, 409, 413, 415),
    )
    async def say(call_id: CallPath, body: SayRequest) -> Response:
        record = await get_call(services, call_id)
        _session(services, record).say(body.text)
        return _accepted(record.call.id, record.state)

    @api.post(
        "/calls/{call_id}/transfer",
        tags=["live calls"],
        summary="Hand a call over to a human",
        response_model=ToolAnswer,
        responses=problem_responses(400, 404, 409, 413, 415),
    )
    async def transfer(call_id: CallPath, body: TransferRequest | None = None) -> Response:
        """Do what the tool `transfer_call` does."""
        record = await get_call(services, call_id)
        session = _session(services, record)
        call = session.call
        args = {"reason": body.reason} if body is not None and body.reason else {}
        context = ToolContext(
            to=call.caller, scope=call.id, call=call, actions=session, trusted=True
        )
        result = await run_tool(services, "transfer_call", args, context, call.agent)
        if result.ok and not result.silent:  # it waits for the agent to say so
            session.say(CONNECTING)
        return json_response(result_json(result))


def _not_live(record: CallRecord) -> ProblemError:
    """Build a 409: the call is not in progress in this process."""
    detail = f"The call is {record.state.value}; only a live call can be acted on."
    return conflict("not-live", "Not a live call", detail)


def _session(services: ApiServices, record: CallRecord) -> LiveSession:
    session = services.live.session(record.call.id)
    if session is None:
        raise _not_live(record)
    return session


def _accepted(call_id: CallId, state: CallState) -> Response:
    return json_response({"call_id": call_id, "status": state.value}, 202)
