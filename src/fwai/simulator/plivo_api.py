"""A fake of Plivo's REST API that really places the calls it is asked for.

Source: https://www.plivo.com/docs/voice/api/call and .../sms/api/message (read 2026-11-22).

Theory of operation: one small ASGI application on a loopback socket. A placed call becomes a
``PlivoPhone`` in the API's task group; phones of inbound calls register themselves, so hanging
up and transferring work on any call that is going on. Leaving the context ends every call.
"""

import asyncio
import re
import socket
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl
from uuid import uuid4

from fwai.simulator.caller import CallReport
from fwai.simulator.plivo_office import OnCall, PlacedCall, PlivoOffice, SentMessage
from fwai.simulator.plivo_phone import PlivoPhone
from fwai.simulator.plivo_rest import (
    ApiAnswer,
    ApiFault,
    ApiRequest,
    BadRequestError,
    Receive,
    Scope,
    Send,
    authorised,
    error,
    hang,
    new_server,
    parse_body,
    read_body,
    require,
    write_answer,
)

KEEP = 1000
SHUTDOWN_LIMIT_S = 10.0
_PATH = re.compile(r"/v1/Account/([^/]+)/(.*)")
_CALL = re.compile(r"(Call|Request|Message)/(?:([^/]+)/(?:(Record|Stream)/(?:[^/]+/)?)?)?")


class PlivoApi:
    """Plivo's REST API on this machine; use as an async context manager.

    Args:
        auth_id: The only account.
        auth_token: Its password, and what webhooks are signed with.
        port: Where to listen on loopback; 0 takes a free port.
        on_call: Decides on outbound calls; without it they wait.
        phone_options: Further arguments of every ``PlivoPhone`` it makes, such as ``on_event``;
            ``machine=True`` lets a machine answer calls that asked for detection.
        message_statuses: Delivery reports that follow a message with a ``url``.

    Attributes:
        requests: The last 1000 requests that had the right credentials.
        faults: What goes wrong next; append an ``ApiFault``.
    """

    def __init__(
        self,
        auth_id: str,
        auth_token: str,
        *,
        port: int = 0,
        on_call: OnCall | None = None,
        phone_options: Mapping[str, Any] | None = None,
        message_statuses: Sequence[str] = ("sent", "delivered"),
    ) -> None:
        self.requests: deque[ApiRequest] = deque(maxlen=KEEP)
        self.faults: list[ApiFault] = []
        self._auth_id = auth_id
        self._auth_token = auth_token
        self._port = port
        self._office = PlivoOffice(
            auth_id, auth_token, on_call, phone_options or {}, message_statuses
        )
        self._listener: socket.socket
        self._server = new_server(self._serve)
        self._tasks = asyncio.TaskGroup()
        self._work: set[asyncio.Task[None]] = set()

    # ---- what a test or a demonstration looks at -------------------------------------------

    @property
    def url(self) -> str:
        """Base address, without ``/v1``."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def calls(self) -> Sequence[PlacedCall]:
        """The last 1000 calls that were asked for."""
        return self._office.calls

    @property
    def messages(self) -> Sequence[SentMessage]:
        """The last 1000 text messages."""
        return self._office.messages

    @property
    def live_calls(self) -> list[str]:
        """Ids of the calls that are going on."""
        return list(self._office.live)

    def decide(self, on_call: OnCall | None) -> None:
        """Decide differently on the outbound calls to come."""
        self._office.on_call = on_call

    async def report(self, request_uuid: str, timeout_s: float = 60.0) -> CallReport:
        """Wait for the end of an outbound call and return how it went.

        Raises:
            KeyError: No such call was asked for.
            TimeoutError: It is not over in time.
        """
        return await self._office.report(request_uuid, timeout_s)

    def began(self, phone: PlivoPhone) -> None:
        """A call exists from now on; phones tell by themselves when this is their exchange."""
        self._office.began(phone)

    def ended(self, phone: PlivoPhone) -> None:
        """A call is over."""
        self._office.ended(phone)

    # ---- its life --------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        await self._tasks.__aenter__()
        self._tasks.create_task(self._server.serve([self._listener]), name="plivo_api")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._work:
            task.cancel()
        self._server.should_exit = True
        if kind is not None and not issubclass(kind, asyncio.CancelledError):
            kind = failure = trace = None  # it goes its way as it is, not inside a group
        try:
            async with asyncio.timeout(SHUTDOWN_LIMIT_S):
                await self._tasks.__aexit__(kind, failure, trace)
        finally:
            self._listener.close()

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = self._tasks.create_task(work, name=name)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    # ---- HTTP ------------------------------------------------------------------------------

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        headers = {key.decode().lower(): value.decode() for key, value in scope["headers"]}
        found = _PATH.fullmatch(scope["path"])
        try:
            body = parse_body(headers.get("content-type", ""), await read_body(receive))
        except BadRequestError as exc:
            await write_answer(send, error(400, str(exc)))
            return
        if not authorised(headers, self._auth_id, self._auth_token):
            text = "Could not verify your access level for that URL."
            await write_answer(send, ApiAnswer(401, text))
            return
        if found is None or found[1] != self._auth_id:
            await write_answer(send, error(404, "not found"))
            return
        query = dict(parse_qsl(scope["query_string"].decode()))
        request = ApiRequest(scope["method"], found[2], query, body, headers)
        self.requests.append(request)
        answer = await self._answer_or_fail(request, receive)
        if answer is not None:
            request.status = answer.status
            await write_answer(send, answer)

    async def _answer_or_fail(self, request: ApiRequest, receive: Receive) -> ApiAnswer | None:
        fault = next((one for one in self.faults if one.strikes(request)), None)
        if fault is None:
            return self._answer(request)
        fault.times -= 1
        if fault.times <= 0:
            self.faults.remove(fault)
        if fault.carried_out:
            self._answer(request)
        if fault.hang_s > 0:
            await hang(receive, fault.hang_s)
        return ApiAnswer(fault.status, fault.body)

    def _answer(self, request: ApiRequest) -> ApiAnswer:
        found = _CALL.fullmatch(request.path)
        if found is None:
            return error(404, "not found")
        collection, uuid, part = found.groups()
        try:
            match request.method, collection, part:
                case "POST", "Call", None if uuid is None:
                    return self._make_call(request)
                case "POST", "Message", None if uuid is None:
                    return self._send_message(request)
                case "DELETE", "Request", None if uuid is not None:
                    return _done(self._office.cancel(uuid))
                case method, "Call", None if uuid is not None:
                    return self._act_on_call(method, uuid, request)
                case method, "Call", str() if uuid is not None:
                    return self._act_on_part(method, uuid, part)
                case _:
                    return error(405, "method not allowed")
        except BadRequestError as exc:
            return error(400, str(exc))

    def _make_call(self, request: ApiRequest) -> ApiAnswer:
        placed = self._office.take_order(request.body)
        for one in placed:
            self._start(self._office.place(one), f"plivo_call:{one.request_uuid}")
        ids = [one.request_uuid for one in placed]
        uuids: str | list[str] = ids[0] if len(ids) == 1 else ids
        body = {"api_id": str(uuid4()), "message": "call fired", "request_uuid": uuids}
        return ApiAnswer(201, body)

    def _send_message(self, request: ApiRequest) -> ApiAnswer:
        sent = self._office.take_message(request.body)
        for one in sent:
            self._start(self._office.report_message(one), f"plivo_message:{one.message_uuid}")
        uuids = [one.message_uuid for one in sent]
        body = {"api_id": str(uuid4()), "message": "message(s) queued", "message_uuid": uuids}
        return ApiAnswer(202, body)

    def _act_on_call(self, method: str, uuid: str, request: ApiRequest) -> ApiAnswer:
        match method:
            case "DELETE":
                return _done(self._office.hang_up(uuid))
            case "POST":
                return self._transfer(uuid, request.body)
            case "GET":
                return self._describe(uuid, live=request.query.get("status") == "live")
            case _:
                return error(405, "method not allowed")

    def _transfer(self, uuid: str, body: dict[str, Any]) -> ApiAnswer:
        phone = self._office.live.get(uuid)
        if phone is None:
            return error(404, "not found")
        legs = str(body.get("legs", "aleg"))
        if legs not in {"aleg", "both"}:
            raise BadRequestError("the call has no such leg")
        (url,) = require(body, "aleg_url")
        if not phone.transfer(url, str(body.get("aleg_method") or "POST")):
            return error(404, "not found")
        api_id = str(uuid4())
        body = {"api_id": api_id, "message": "call transferred", "call_uuids": [uuid]}
        return ApiAnswer(202, body)

    def _describe(self, uuid: str, *, live: bool) -> ApiAnswer:
        phone = (self._office.live if live else self._office.over).get(uuid)
        if phone is None:
            return error(404, "call not found")
        return ApiAnswer(200, _facts(phone))

    def _act_on_part(self, method: str, uuid: str, part: str) -> ApiAnswer:
        phone = self._office.live.get(uuid)
        if phone is None:
            return error(404, "not found")
        match method, part:
            case "POST", "Record":
                url = f"{self.url}/recordings/{uuid}.mp3"
                started = {"message": "call recording started", "url": url}
                ids = {"api_id": str(uuid4()), "recording_id": str(uuid4())}
                return ApiAnswer(202, {**started, **ids})
            case "DELETE", "Record":
                return ApiAnswer(204)
            case "DELETE", "Stream":
                return _done(phone.stop_stream())
            case _:
                return error(405, "method not allowed")


def _done(found: bool) -> ApiAnswer:
    return ApiAnswer(204) if found else error(404, "not found")


def _facts(phone: PlivoPhone) -> dict[str, Any]:
    facts = {
        "api_id": str(uuid4()),
        "call_uuid": phone.call_uuid,
        "request_uuid": phone.call_uuid,
        "call_direction": phone.facts.direction,
        "direction": phone.facts.direction,
        "from": phone.facts.from_number,
        "to": phone.facts.to_number,
        "call_status": "in-progress" if phone.answered else "ringing",
    }
    if phone.ending is not None:
        cause = phone.ending.cause
        facts |= {
            "call_status": cause.status,
            "hangup_cause_name": cause.name,
            "hangup_cause_code": cause.code,
            "hangup_source": phone.ending.source,
        }
    return facts
