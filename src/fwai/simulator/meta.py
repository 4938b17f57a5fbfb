"""WhatsApp Business Calling on this machine: Graph API, webhooks and users with real sound.

Theory of operation: a small ASGI application answers Graph requests; each call is a `MetaCall` in
the simulator's task group, and what happens to it is posted to the server's webhook, signed.
Faults are scripted: an `ApiFault` strikes requests, `Weather` strikes sound, and `post` sends any
payload at all. Leaving the context ends every call.

Source: Meta's Calling API reference, 2026-06; read 2026-11-22.
"""

import asyncio
import hmac
import json
import re
import socket
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from hashlib import sha256
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qsl
from uuid import uuid4

import httpx

from fwai.simulator.meta_media import Weather
from fwai.simulator.meta_phone import MetaCall
from fwai.simulator.plivo_rest import (
    ApiAnswer,
    ApiFault,
    ApiRequest,
    BadRequestError,
    Receive,
    Scope,
    Send,
    hang,
    new_server,
    parse_body,
    read_body,
    write_answer,
)

KEEP: Final = 1000
WEBHOOK_S: Final = 10.0
SHUTDOWN_S: Final = 10.0
_PATH: Final = re.compile(r"/v\d+\.\d+/(.+)")
_DONE: Final = {"messaging_product": "whatsapp", "success": True}

OnCall = Callable[[MetaCall], Coroutine[Any, Any, None]]


def meta_error(code: int, status: int = 400, details: str = "") -> ApiAnswer:
    """Return an error as Graph words it."""
    data = {"messaging_product": "whatsapp", "details": details}
    error = {"message": f"(#{code}) {details}", "type": "OAuthException", "code": code}
    return ApiAnswer(status, {"error": {**error, "error_data": data, "fbtrace_id": uuid4().hex}})


class MetaSimulator:
    """Meta for one number; use as an async context manager.

    Args:
        webhook_url: The server's ``/webhook``.
        app_secret: Signs webhooks.
        token: The access token that is taken.
        phone_number_id: The only number.
        ring_s: How long an unanswered call lasts.
        on_call: Plays the user of each call that the server places; rings for ever without it.

    Attributes:
        requests: The last 1000 requests that had the right token.
        faults: What goes wrong next; append an ``ApiFault``.
        calls: All calls by id.
        permission: What is answered about permission to call.
        deliveries: Status and seconds of each webhook, the last 1000.
    """

    def __init__(
        self,
        webhook_url: str,
        app_secret: str,
        token: str,
        phone_number_id: str = "PNID1",
        *,
        ring_s: float = 30.0,
        on_call: OnCall | None = None,
    ) -> None:
        self.requests: deque[ApiRequest] = deque(maxlen=KEEP)
        self.faults: list[ApiFault] = []
        self.calls: dict[str, MetaCall] = {}
        self.messages: deque[Mapping[str, Any]] = deque(maxlen=KEEP)
        self.deliveries: deque[tuple[int, float]] = deque(maxlen=KEEP)
        self.permission: Mapping[str, Any] = {
            "permission": {"status": "permanent"},
            "actions": [{"action_name": "start_call", "can_perform_action": True}],
        }
        self.webhook_url = webhook_url
        self._secret = app_secret.encode()
        self._token = token
        self._number = phone_number_id
        self._ring_s = ring_s
        self._on_call = on_call
        self._listener: socket.socket
        self._server = new_server(self._serve)
        self._tasks = asyncio.TaskGroup()
        self._work: set[asyncio.Task[None]] = set()
        self._http = httpx.AsyncClient(timeout=WEBHOOK_S)

    @property
    def url(self) -> str:
        """Base address, without a version."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def live_calls(self) -> list[str]:
        """Ids of the calls that are going on."""
        return [call.id for call in self.calls.values() if not call.over.is_set()]

    @property
    def violations(self) -> list[str]:
        """Rules that the server broke in any call."""
        return [rule for call in self.calls.values() for rule in call.violations]

    # ---- users ----------------------------------------------------------------------------------

    async def call(
        self,
        user: str = "919900000001",
        *,
        weather: Weather | None = None,
        repeats: int = 1,
        age_s: float = 0.0,
        without: tuple[str, ...] = (),
    ) -> MetaCall:
        """Have a user call the server.

        Args:
            user: Digits of the number.
            weather: What happens to the sound.
            repeats: How often the webhook is posted.
            age_s: How old it says it is.
            without: Fields that are left out, such as ``from`` or ``direction``.
        """
        call = await self._begin(user, ours=False, weather=weather)
        session = {"sdp_type": "offer", "sdp": call.media.description()}
        body = {
            **call.parties(),
            "event": "connect",
            "timestamp": str(int(time.time() - age_s)),
            "session": session,
        }
        for name in without:
            body.pop(name, None)
        self._start(call.run(self._ring_s), f"meta:{call.id}")
        for _ in range(repeats):
            await self.tell({"calls": [body]})
        return call

    async def tell(self, value: Mapping[str, Any], field: str = "calls") -> int:
        """Post a webhook about our number; return the server's status, 0 when there was none."""
        metadata = {"display_phone_number": "15550001111", "phone_number_id": self._number}
        whole = {"messaging_product": "whatsapp", "metadata": metadata, **value}
        changes = [{"field": field, "value": whole}]
        entry = [{"id": "WABA1", "changes": changes}]
        return await self.post({"object": "whatsapp_business_account", "entry": entry})

    async def post(self, payload: object, signature: str | None = None) -> int:
        """Post anything; return the server's status, 0 when there was none."""
        raw = json.dumps(payload).encode()
        signed = "sha256=" + hmac.new(self._secret, raw, sha256).hexdigest()
        headers = {"X-Hub-Signature-256": signature or signed, "Content-Type": "application/json"}
        began = time.monotonic()
        try:
            answer = await self._http.post(self.webhook_url, content=raw, headers=headers)
        except httpx.HTTPError:
            status = 0
        else:
            status = answer.status_code
        self.deliveries.append((status, time.monotonic() - began))
        return status

    # ---- its life -------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        await self._tasks.__aenter__()
        self._tasks.create_task(self._server.serve([self._listener]), name="meta_graph")
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
            async with asyncio.timeout(SHUTDOWN_S):
                await self._tasks.__aexit__(kind, failure, trace)
        finally:
            self._listener.close()
            await self._http.aclose()

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = self._tasks.create_task(work, name=name)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _begin(self, user: str, *, ours: bool, weather: Weather | None = None) -> MetaCall:
        async def tell(value: Mapping[str, Any]) -> None:
            await self.tell(value)

        call = MetaCall(user, ours=ours, tell=tell, weather=weather)
        await call.media.open()
        self.calls[call.id] = call
        return call

    # ---- Graph ----------------------------------------------------------------------------------

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        headers = {key.decode().lower(): value.decode() for key, value in scope["headers"]}
        found = _PATH.fullmatch(scope["path"])
        try:
            body = parse_body(headers.get("content-type", ""), await read_body(receive))
        except BadRequestError as exc:
            await write_answer(send, meta_error(100, 400, str(exc)))
            return
        if headers.get("authorization") != f"Bearer {self._token}":
            await write_answer(send, meta_error(190, 401, "Invalid OAuth access token"))
            return
        if found is None or not found[1].startswith(f"{self._number}/"):
            await write_answer(send, meta_error(33, 404, "unknown object"))
            return
        query = dict(parse_qsl(scope["query_string"].decode()))
        path = found[1].partition("/")[2]
        request = ApiRequest(scope["method"], path, query, body, headers)
        self.requests.append(request)
        answer = await self._answer_or_fail(request, receive)
        request.status = answer.status
        await write_answer(send, answer)

    async def _answer_or_fail(self, request: ApiRequest, receive: Receive) -> ApiAnswer:
        fault = next((one for one in self.faults if self._strikes(one, request)), None)
        if fault is None:
            return await self._answer(request)
        fault.times -= 1
        if fault.carried_out:
            await self._answer(request)
        if fault.hang_s > 0:
            await hang(receive, fault.hang_s)
        return ApiAnswer(fault.status, fault.body)

    @staticmethod
    def _strikes(fault: ApiFault, request: ApiRequest) -> bool:
        """A fault's ``path`` may also be an action, such as ``accept``."""
        action = str(request.body.get("action", ""))
        return fault.times > 0 and fault.path in (action, request.path, "")

    async def _answer(self, request: ApiRequest) -> ApiAnswer:
        if request.method == "POST" and request.body.get("messaging_product") != "whatsapp":
            return meta_error(100, 400, "messaging_product is needed")
        match request.method, request.path:
            case "POST", "calls":
                return await self._call(request.body)
            case "POST", "messages":
                return self._message(request.body)
            case "GET", "call_permissions":
                return ApiAnswer(200, dict(self.permission))
            case "GET", "settings":
                return ApiAnswer(200, {"calling": {"status": "ENABLED"}})
            case _:
                return meta_error(100, 400, "unknown path")

    async def _call(self, body: Mapping[str, Any]) -> ApiAnswer:
        action, session = body.get("action"), body.get("session") or {}
        if action == "connect":
            return await self._place(body, session)
        if action not in ("pre_accept", "accept", "reject", "terminate"):
            return meta_error(100, 400, f"unknown action {action}")
        call = self.calls.get(str(body.get("call_id")))
        if call is None:
            return meta_error(100, 400, "unknown call")
        if action in ("pre_accept", "accept") and session.get("sdp_type") != "answer":
            return meta_error(100, 400, "sdp_type must be answer")
        wrong = call.act(action, str(session.get("sdp", "")))
        return meta_error(100, 400, wrong) if wrong else ApiAnswer(200, dict(_DONE))

    async def _place(self, body: Mapping[str, Any], session: Mapping[str, Any]) -> ApiAnswer:
        user = str(body.get("to") or body.get("recipient") or "")
        if not user or session.get("sdp_type") != "offer":
            return meta_error(100, 400, "to and an offer are needed")
        actions = self.permission.get("actions") or ()
        if not any(
            one["action_name"] == "start_call" and one["can_perform_action"] for one in actions
        ):
            return meta_error(138006, 401, "no permission")
        call = await self._begin(user, ours=True)
        call.reference = str(body.get("biz_opaque_callback_data", ""))
        if wrong := call.dialled(str(session.get("sdp", ""))):
            call.media.violate(wrong)
            await call.media.close()
            return meta_error(100, 400, wrong)
        self._start(call.run(self._ring_s), f"meta:{call.id}")
        self._start(self._ring(call), f"meta_user:{call.id}")
        answer = {"messaging_product": "whatsapp", "calls": [{"id": call.id}]}
        return ApiAnswer(200, answer)

    async def _ring(self, call: MetaCall) -> None:
        """Let a call of the server's ring, with Meta's answer to its offer."""
        session = {"sdp_type": "answer", "sdp": call.media.description(answer=True)}
        connect = {**call.parties(), "event": "connect", "session": session}
        await self.tell({"calls": [{**connect, "timestamp": str(int(time.time()))}]})
        await self.status(call, "RINGING")
        if self._on_call is not None:
            await self._on_call(call)

    async def status(self, call: MetaCall, status: str) -> None:
        """Post a status of a call of the server's; ``ACCEPTED`` picks it up."""
        if status == "ACCEPTED":
            call.pick_up()
        one = {"id": call.id, "type": "call", "status": status, "recipient_id": call.user}
        reference = {"biz_opaque_callback_data": call.reference} if call.reference else {}
        await self.tell({"statuses": [{**one, "timestamp": str(int(time.time())), **reference}]})
        if status == "REJECTED":
            call.hang_up()

    def _message(self, body: Mapping[str, Any]) -> ApiAnswer:
        if not (body.get("to") or body.get("recipient")) or body.get("type") not in body:
            return meta_error(131008, 400, "a parameter is missing")
        self.messages.append(body)
        message_id = f"wamid.{uuid4().hex}"
        contacts = [{"input": body.get("to", ""), "wa_id": body.get("to", "")}]
        reply = {"messaging_product": "whatsapp", "contacts": contacts}
        return ApiAnswer(200, {**reply, "messages": [{"id": message_id}]})
