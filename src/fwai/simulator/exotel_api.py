"""A fake of Exotel's REST API that really places the calls it is asked for.

Source: developer.exotel.com's voice-v1 and SMS pages (read 2026-11-22).

Theory of operation: as in ``plivo_api``, one small ASGI application on a loopback socket, and a
placed call becomes an `ExotelPhone` in its task group. Without ``.json`` at the end of a path the
answer is XML, as at Exotel.
"""

import asyncio
import re
import socket
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qs
from uuid import uuid4
from xml.sax.saxutils import escape

from fwai.simulator.caller import CallReport, Step
from fwai.simulator.exotel_applets import MOST_URL
from fwai.simulator.exotel_phone import ExotelPhone
from fwai.simulator.plivo_rest import (
    ApiAnswer,
    ApiFault,
    ApiRequest,
    BadRequestError,
    Receive,
    Scope,
    Send,
    authorised,
    hang,
    new_server,
    read_body,
    require,
    write_answer,
)

KEEP: Final = 1000
SHUTDOWN_LIMIT_S: Final = 10.0
_PATH: Final = re.compile(r"/v1/Accounts/([^/]+)/(.*)")
_CALL: Final = re.compile(r"Calls/([0-9a-f]+)")

Form = Mapping[str, list[str]]


@dataclass(slots=True)
class PlacedCall:
    """An outbound call that the server asked for.

    Attributes:
        sid: Its id.
        form: The whole request.
        report: How it went, once it is over.
    """

    sid: str
    form: Form
    report: CallReport | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def value(self, name: str) -> str:
        """Return one field of the request, or nothing."""
        return self.form.get(name, [""])[0]


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A text message that the server sent: its id, from whom, to whom, what, and everything."""

    sid: str
    src: str
    dst: str
    text: str
    form: Form


OnCall = Callable[[PlacedCall], Sequence[Step]]
"""Decides what the person does who is called."""


class ExotelApi:
    """Exotel's REST API on this machine; use as an async context manager.

    Args:
        account_id: The only account.
        api_key: User of the API.
        api_token: Its password.
        on_call: Answers outbound calls; without it nobody does.
        template: A telephone whose options outbound calls have; may be set later.

    Attributes:
        requests: The last 1000 requests that had the right credentials.
        calls: The last 1000 calls that were asked for.
        messages: The last 1000 text messages.
        faults: What goes wrong next; append an ``ApiFault``.
        known: Calls by id: how they stand.
    """

    def __init__(
        self,
        account_id: str,
        api_key: str,
        api_token: str,
        *,
        on_call: OnCall | None = None,
        template: ExotelPhone | None = None,
    ) -> None:
        self.requests: deque[ApiRequest] = deque(maxlen=KEEP)
        self.calls: deque[PlacedCall] = deque(maxlen=KEEP)
        self.messages: deque[SentMessage] = deque(maxlen=KEEP)
        self.faults: list[ApiFault] = []
        self.known: dict[str, str] = {}
        self.on_call = on_call
        self._account_id = account_id
        self._auth = (api_key, api_token)
        self.template = template
        self._listener: socket.socket
        self._server = new_server(self._serve)
        self._tasks = asyncio.TaskGroup()
        self._work: set[asyncio.Task[None]] = set()
        self._port = 0

    @property
    def url(self) -> str:
        """Base address, without ``/v1``."""
        return f"http://127.0.0.1:{self._port}"

    def began(self, phone: ExotelPhone) -> None:
        """A call exists from now on."""
        self.known[phone.call_sid] = "in-progress"

    def ended(self, phone: ExotelPhone) -> None:
        """A call is over."""
        self.known[phone.call_sid] = "completed"
        while len(self.known) > KEEP:
            del self.known[next(iter(self.known))]

    async def report(self, sid: str, timeout_s: float = 60.0) -> CallReport:
        """Wait for the end of an outbound call and return how it went.

        Raises:
            KeyError: No such call was asked for, or nobody answers it.
            TimeoutError: It is not over in time.
        """
        placed = next((one for one in self.calls if one.sid == sid), None)
        if placed is None or self.on_call is None:
            raise KeyError(sid)
        async with asyncio.timeout(timeout_s):
            await placed.done.wait()
        if placed.report is None:
            raise KeyError(sid)
        return placed.report

    # ---- its life --------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._port = self._listener.getsockname()[1]
        await self._tasks.__aenter__()
        self._tasks.create_task(self._server.serve([self._listener]), name="exotel_api")
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

    # ---- HTTP ------------------------------------------------------------------------------

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        headers = {key.decode().lower(): value.decode() for key, value in scope["headers"]}
        form = parse_qs((await read_body(receive)).decode(), keep_blank_values=True)
        found = _PATH.fullmatch(scope["path"])
        if not authorised(headers, *self._auth):
            await write_answer(send, _error(401, "Authentication failed", "UNAUTHORIZED"))
            return
        if found is None or found[1] != self._account_id:
            await write_answer(send, _error(404, "not found", "NOT_FOUND"))
            return
        path, dot, kind = found[2].partition(".")
        fields: dict[str, Any] = dict(form)
        request = ApiRequest(scope["method"], found[2], {}, fields, headers)
        self.requests.append(request)
        answer = await self._answer_or_fail(request, path, form, receive)
        if answer is not None:
            request.status = answer.status
            as_json = dot and kind == "json"
            await write_answer(send, answer if as_json else _as_xml(answer))

    async def _answer_or_fail(
        self, request: ApiRequest, path: str, form: Form, receive: Receive
    ) -> ApiAnswer | None:
        fault = next((one for one in self.faults if one.strikes(request)), None)
        if fault is None:
            return self._answer(request.method, path, form)
        fault.times -= 1
        if fault.times <= 0:
            self.faults.remove(fault)
        if fault.carried_out:
            self._answer(request.method, path, form)
        if fault.hang_s > 0:
            await hang(receive, fault.hang_s)
        return ApiAnswer(fault.status, fault.body)

    def _answer(self, method: str, path: str, form: Form) -> ApiAnswer:
        try:
            match method, path:
                case "POST", "Calls/connect":
                    return self._connect(form)
                case "POST", "Sms/send":
                    return self._send_sms(form)
                case "GET", _ if call := _CALL.fullmatch(path):
                    return self._describe(call[1])
                case _:
                    return _error(404, "not found", "NOT_FOUND")
        except BadRequestError as exc:
            return _error(400, str(exc), "BAD_REQUEST")

    def _connect(self, form: Form) -> ApiAnswer:
        placed = PlacedCall(uuid4().hex, form)
        one = {name: values[0] for name, values in form.items()}
        dialled, line = require(one, "From", "CallerId")
        where = require(one, "StreamUrl" if "StreamUrl" in one else "Url")[0]
        if dialled.lstrip("+") == line.lstrip("+"):
            raise BadRequestError("From is the ExoPhone itself")
        if "StreamUrl" in one and (len(where) >= MOST_URL or not where.startswith("ws")):
            raise BadRequestError("StreamUrl is not a valid address")
        self.calls.append(placed)
        self.known[placed.sid] = "in-progress"
        if self.on_call is not None and self.template is not None and "StreamUrl" in one:
            task = self._tasks.create_task(self._place(placed), name=f"exotel_call:{placed.sid}")
            self._work.add(task)
            task.add_done_callback(self._work.discard)
        return ApiAnswer(200, {"Call": self._facts(placed.sid)})

    async def _place(self, placed: PlacedCall) -> None:
        if self.on_call is None or self.template is None:
            return
        phone = replace(
            self.template,
            url=placed.value("StreamUrl"),
            from_number=placed.value("From"),
            to_number=placed.value("CallerId"),
            direction="outbound-api",
            call_sid=placed.sid,
            status_url=placed.value("StatusCallback") or None,
            exchange=self,
        )
        placed.report = await phone.call(self.on_call(placed))
        placed.done.set()

    def _describe(self, sid: str) -> ApiAnswer:
        if sid not in self.known:
            return _error(404, "The requested resource was not found", "NOT_FOUND")
        return ApiAnswer(200, {"Call": self._facts(sid)})

    def _facts(self, sid: str) -> dict[str, object]:
        placed = next((one for one in self.calls if one.sid == sid), None)
        return {
            "Sid": sid,
            "ParentCallSid": None,
            "AccountSid": self._account_id,
            "From": placed.value("From") if placed else "",
            "PhoneNumberSid": placed.value("CallerId") if placed else "",
            "Status": self.known[sid],
            "Direction": "outbound-api" if placed else "inbound",
            "DateCreated": "2026-11-22 10:00:00",
            "RecordingUrl": None,
        }

    def _send_sms(self, form: Form) -> ApiAnswer:
        one = {name: values[0] for name, values in form.items()}
        src, dst, text = require(one, "From", "To", "Body")
        message = SentMessage(uuid4().hex, src, dst, text, form)
        self.messages.append(message)
        facts = {"Sid": message.sid, "From": src, "To": dst, "Body": text, "Status": "queued"}
        return ApiAnswer(200, {"SMSMessage": {**facts, "AccountSid": self._account_id}})


def _error(status: int, text: str, code: str) -> ApiAnswer:
    return ApiAnswer(status, {"RestException": {"Status": status, "Message": text, "Code": code}})


def _as_xml(answer: ApiAnswer) -> ApiAnswer:
    """Write an answer as XML; what is text already stays as it is."""
    if not isinstance(answer.body, dict):
        return answer
    inner = "".join(f"<{name}>{_xml(value)}</{name}>" for name, value in answer.body.items())
    return ApiAnswer(answer.status, f"<TwilioResponse>{inner}</TwilioResponse>")


def _xml(value: object) -> str:
    if isinstance(value, dict):
        return "".join(f"<{name}>{_xml(inner)}</{name}>" for name, inner in value.items())
    return "" if value is None else escape(str(value))
