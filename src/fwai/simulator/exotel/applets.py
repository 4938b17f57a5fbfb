"""Sends Exotel's HTTP requests for one call: Voicebot, Passthru and status callbacks.

Source: Exotel's articles on Voicebot, Connect and Passthru applets, developer.exotel.com's status
callback page (read 2026-11-22).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Final, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

from fwai.errors import WireError
from fwai.simulator.common.caller import Delivery

ANSWER_LIMIT_S: Final = 10.0
ANSWER_SOON_MS: Final = 1000.0
MAX_URL: Final = 600
MAX_QUERY: Final = 256
MAX_PAIRS: Final = 3
INDIA: Final = timezone(timedelta(hours=5, minutes=30))
ContentType = Literal["multipart", "form", "json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """Facts about a call that Exotel knows from its beginning.

    Attributes:
        call_sid: The call's id.
        from_number: Who calls, as Exotel writes it.
        to_number: Who is called.
        direction: ``incoming`` or ``outbound-api``.
        custom_field: What the server gave a call that it placed, to have it back.
    """

    call_sid: str
    from_number: str
    to_number: str
    direction: str
    custom_field: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request: HTTP status or None, body, milliseconds, kind of failure."""

    status: int | None
    body: bytes
    elapsed_ms: float
    error: str = ""

    def delivery(self, kind: str, good: frozenset[int] = frozenset({200})) -> Delivery:
        """Return it for the report; a status that is good there counts as 200."""
        status = 200 if self.status in good else self.status
        return Delivery(kind, status, self.elapsed_ms, self.error)


class Applets:
    """Sends the applets' requests of one call.

    Args:
        http: Not closed here.
        facts: What is told of the call.
    """

    def __init__(self, http: httpx.AsyncClient, facts: CallFacts) -> None:
        self._http = http
        self._facts = facts

    def _fields(self) -> dict[str, str]:
        facts, now = self._facts, _now()
        return {
            "CallSid": facts.call_sid,
            "CallFrom": facts.from_number,
            "CallTo": facts.to_number,
            "Direction": facts.direction,
            "CallStatus": "in-progress",
            "Created": now,
            "StartTime": now,
            "EndTime": "1970-01-01 05:30:00",
            "CurrentTime": now,
            "CallType": "call-attempt",
            "From": facts.from_number,
            "To": facts.to_number,
            "flow_id": "100001",
            "tenant_id": "100002",
            **self._custom(),
        }

    def _custom(self) -> dict[str, str]:
        return {"CustomField": self._facts.custom_field} if self._facts.custom_field else {}

    async def voicebot(self, url: str, *, post: bool = False) -> Answer:
        """Ask where the stream goes."""
        return await self._ask(url, self._fields(), post=post)

    async def passthru(self, url: str, stream: Mapping[str, str], *, as_json: bool) -> Answer:
        """Tell how the stream went and ask which branch the flow takes: 200 or 302."""
        fields = {**self._fields(), "CallType": "completed"}
        if as_json:
            fields["Stream"] = json.dumps(dict(stream))
        else:
            fields |= {f"Stream[{key}]": value for key, value in stream.items()}
        return await self._ask(url, fields)

    async def status(
        self, url: str, kind: ContentType, event: str, status: str, duration_s: int
    ) -> Answer:
        """Tell how the call came out, or how far it is; without an event, only what is certain."""
        facts, now = self._facts, _now()
        fields = {
            "CallSid": facts.call_sid,
            "Status": status,
            "DateUpdated": now,
            "RecordingUrl": "",
        }
        if event:
            fields |= {
                "EventType": event,
                "DateCreated": now,
                "To": facts.to_number,
                "From": facts.from_number,
                "Direction": facts.direction,
                "ConversationDuration": str(duration_s),
            }
        if event in {"", "terminal"}:
            fields |= self._custom()
        if kind == "json":
            return await self._send("POST", url, json=fields)
        if kind == "form":
            return await self._send("POST", url, data=fields)
        return await self._send("POST", url, files={k: (None, v) for k, v in fields.items()})

    async def _ask(self, url: str, fields: Mapping[str, str], *, post: bool = False) -> Answer:
        if post:
            return await self._send("POST", url, data=dict(fields))
        return await self._send("GET", url + ("&" if "?" in url else "?") + urlencode(fields))

    async def _send(self, method: str, url: str, **content: object) -> Answer:
        try:
            response = await self._http.request(
                method,
                url,
                timeout=ANSWER_LIMIT_S,
                **content,  # type: ignore[arg-type]  # data, files or json, as httpx takes them
            )
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            return Answer(None, b"", 0.0, type(exc).__name__)
        elapsed_ms = response.elapsed.total_seconds() * 1000
        return Answer(response.status_code, response.content, elapsed_ms)


def read_stream_url(body: bytes) -> str:
    """Return the address that a Voicebot's URL answered.

    Raises:
        WireError: It is not JSON of exactly that, or the address breaks a rule.
    """
    try:
        answer = json.loads(body)
    except ValueError as exc:
        raise WireError("voicebot: the answer is not JSON") from exc
    if not isinstance(answer, dict) or set(answer) != {"url"} or not isinstance(answer["url"], str):
        raise WireError('voicebot: the answer is not exactly {"url": "wss://..."}')
    url: str = answer["url"]
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise WireError("voicebot: the address is not wss://")
    if len(url) >= MAX_URL:
        raise WireError("voicebot: the address is too long")
    if len(parse_qsl(parts.query)) > MAX_PAIRS or len(parts.query) > MAX_QUERY:
        raise WireError("voicebot: more than 3 parameters, or longer than 256 characters")
    return url


def _now() -> str:
    return f"{datetime.now(INDIA):%Y-%m-%d %H:%M:%S}"
