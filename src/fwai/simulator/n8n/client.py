"""Simulates n8n with our flows: starts calls, receives events, runs tools.

Source: n8n 2.41's webhook and Crypto nodes as n8n_flows/FWAI_Internal uses them (read 2026-11-22);
Standard Webhooks, "Verifying webhook authenticity".

It judges a delivery as the flows' nodes do, so what it accepts, they accept: the key is the text
behind ``whsec_`` and base64, the header may hold several signatures, the message is at most 300 s
old or early, and what was seen before is answered 200 and dropped. Something else than a flow may
stand behind the same address, so faults can be ordered: ``faults.append(ApiFault(503))``.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import httpx

from fwai.errors import ApiAuthError, ApiError, ApiUnknownError
from fwai.simulator.common.rest import ApiAnswer, ApiRequest, BadRequestError, parse_body
from fwai.simulator.common.rest_server import KEEP, Arrival, RestServer

PATH: Final = "/webhook/fwai-events"
FRESH_S: Final = 300.0
KEEP_IDS: Final = 10_000
REQUEST_LIMIT_S: Final = 15.0
PREFIX: Final = "whsec_"
RETRYABLE: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_UNAUTHORISED: Final = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class FlowEvent:
    """An event that was delivered with a valid signature.

    Attributes:
        id: ``webhook-id``; the same for every repeat.
        kind: Such as ``call.ended``.
        timestamp: When it happened, as written.
        data: What it is about.
    """

    id: str
    kind: str
    timestamp: str
    data: Mapping[str, Any]

    @property
    def call_id(self) -> str:
        """The call it is about, or nothing."""
        return str(self.data.get("call_id") or "")


def signing_key(secret: str) -> bytes:
    """Return the key that n8n's Crypto node uses for this secret: the decoded text's bytes.

    Of several (``new,old`` during a rotation) it is the first one's.

    Raises:
        ValueError: It does not begin with ``whsec_``, or is not base64 of printable ASCII, which
            that node could not hold.
    """
    secret = secret.split(",", maxsplit=1)[0].strip()
    if not secret.startswith(PREFIX):
        raise ValueError(f"the secret must begin with {PREFIX}")
    text = base64.b64decode(secret.removeprefix(PREFIX), validate=True).decode("ascii")
    if not text or not text.isprintable():
        raise ValueError("the secret must be base64 of printable ASCII")
    return text.encode("ascii")


def verified(headers: Mapping[str, str], body: bytes, key: bytes, now: float) -> bool:
    """Tell whether the flows' nodes would let a delivery pass.

    Args:
        headers: Names in lower case.
        body: The exact bytes.
        key: What `signing_key` returns.
        now: Seconds since 1970.
    """
    stamp = headers.get("webhook-timestamp", "")
    content = f"{headers.get('webhook-id', '')}.{stamp}.".encode() + body
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode("ascii")
    signatures = headers.get("webhook-signature", "").split(" ")
    try:
        age_s = abs(now - float(stamp))
    except ValueError:
        return False
    right = any(hmac.compare_digest(one.encode(), f"v1,{expected}".encode()) for one in signatures)
    return right and age_s < FRESH_S


class FlowClient(RestServer):
    """Does what our n8n flows do; use as an async context manager.

    Args:
        base_url: Address of the server under test; it may be started later.
        api_key: One of its API_KEYS.
        secret: Its EVENTS_WEBHOOK_SECRET.
        port: Where to listen on loopback; 0 takes a free port.
        now: Seconds since 1970, for the age of messages.

    Attributes:
        events: The last 1000 events that were accepted, repeats left out.
        repeats: Accepted deliveries that had been seen before.
        refused: Deliveries answered 401.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        secret: str,
        *,
        port: int = 0,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__("n8n_client", port)
        self.events: deque[FlowEvent] = deque(maxlen=KEEP)
        self.repeats = 0
        self.refused = 0
        self._key = signing_key(secret)
        self._now = now
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._news = asyncio.Condition()
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers={"authorization": f"Bearer {api_key}"},
            timeout=REQUEST_LIMIT_S,
        )

    @property
    def webhook_url(self) -> str:
        """The router's address, for EVENTS_WEBHOOK_URL."""
        return f"{self.url}{PATH}"

    # ---- what the flows ask of the server ------------------------------------------------------

    async def start_call(self, to: str, *, key: str | None = None, **more: object) -> str:
        """Start a call as flow 01 does and return its id.

        Args:
            to: Whom to call, E.164.
            key: Idempotency-Key; a new one when absent.
            more: Further fields of the request, such as ``agent`` or ``context``.

        Raises:
            ApiError: The server refused, or did not answer.
        """
        answer = await self._post("/api/calls", {"to": to, **more}, key)
        return str(answer["call_id"])

    async def send_sms(
        self, text: str, *, to: str = "", call_id: str = "", key: str | None = None
    ) -> Mapping[str, Any]:
        """Have a text message sent as the flows do; see `run_tool`."""
        return await self.run_tool("send_sms", {"text": text}, to=to, call_id=call_id, key=key)

    async def run_tool(
        self,
        name: str,
        arguments: Mapping[str, object],
        *,
        to: str = "",
        call_id: str = "",
        key: str | None = None,
    ) -> Mapping[str, Any]:
        """Run a tool for a number or for a call and return the server's answer.

        Raises:
            ApiError: The server refused (409, 422), or did not answer.
        """
        whom = {"to": to} if to else {"call_id": call_id} if call_id else {}
        return await self._post(f"/api/tools/{name}", {"arguments": arguments, **whom}, key)

    async def _post(
        self, path: str, body: Mapping[str, object], key: str | None
    ) -> Mapping[str, Any]:
        headers = {"idempotency-key": key or f"flow-{uuid4()}"}
        try:
            answer = await self._client.post(path, json=body, headers=headers)
        except httpx.ConnectError as exc:
            raise ApiError("fwai", "no connection", retryable=True) from exc
        except httpx.HTTPError as exc:
            raise ApiUnknownError("fwai", type(exc).__name__, retryable=False) from exc
        if answer.is_success:
            return dict(answer.json())
        status = answer.status_code
        kind = ApiAuthError if status in _UNAUTHORISED else ApiError
        raise kind("fwai", f"{path}: {status}", status=status, retryable=status in RETRYABLE)

    # ---- what the server sends -----------------------------------------------------------------

    async def wait_event(self, kind: str, call_id: str = "", timeout_s: float = 30.0) -> FlowEvent:
        """Return the first kept event of a kind, of one call or of any.

        Raises:
            TimeoutError: None came in time.
        """
        async with asyncio.timeout(timeout_s), self._news:
            while True:
                for event in self.events:
                    if event.kind == kind and call_id in ("", event.call_id):
                        return event
                await self._news.wait()

    def _read(self, arrival: Arrival) -> ApiRequest | ApiAnswer:
        if arrival.method != "POST" or arrival.path != PATH:
            return ApiAnswer(
                404, {"code": 404, "message": "The requested webhook is not registered."}
            )
        if not verified(arrival.headers, arrival.body, self._key, self._now()):
            self.refused += 1
            return ApiAnswer(401, {"error": "signature missing, wrong or too old"})
        body = parse_body("application/json", arrival.body)
        if not isinstance(body.get("type"), str) or not isinstance(body.get("data"), dict):
            raise BadRequestError("an event has a type and data")
        return ApiRequest(arrival.method, arrival.path, {}, body, arrival.headers)

    async def _answer(self, request: ApiRequest) -> ApiAnswer:
        event_id = request.headers["webhook-id"]
        if event_id in self._seen:
            self.repeats += 1
        else:
            self._seen[event_id] = None
            while len(self._seen) > KEEP_IDS:
                self._seen.popitem(last=False)
            body = request.body
            stamp = str(body.get("timestamp", ""))
            async with self._news:
                self.events.append(FlowEvent(event_id, body["type"], stamp, body["data"]))
                self._news.notify_all()
        return ApiAnswer(200, {"received": True})

    def _bad_request(self, text: str) -> ApiAnswer:
        return ApiAnswer(500, {"message": f"Error in workflow: {text}"})

    async def _close(self) -> None:
        await self._client.aclose()


def signed_headers(key: bytes, event_id: str, at: float, body: bytes) -> dict[str, str]:
    """Return the headers by which a server signs a delivery, for tests of receivers."""
    stamp = f"{at:.0f}"
    content = f"{event_id}.{stamp}.".encode() + body
    made = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode("ascii")
    return {"webhook-id": event_id, "webhook-timestamp": stamp, "webhook-signature": f"v1,{made}"}


def event_body(kind: str, data: Mapping[str, object], timestamp: str) -> bytes:
    """Return an event as the server writes it, for tests of receivers."""
    return json.dumps({"type": kind, "timestamp": timestamp, "data": data}).encode()
