"""Exotel's side: its requests over ASGI, and its REST API, faked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

import httpx
from fastapi import FastAPI

from fwai.adapters.exotel.client import ExotelClient
from fwai.adapters.exotel.line import ExotelLine
from fwai.adapters.exotel.routes import ExotelWebhooks, router
from unit.adapters.client_kit import Answer, FakeRest, send
from unit.adapters.handler_kit import OURS, TOKEN, FakeCalls, FakeReports

SECRET = "path-s3cret"
HOOKS = ExotelWebhooks("https://voice.example.com", "acme1", "08047100000", SECRET)
INCOMING = {
    "CallSid": "c1",
    "CallFrom": "09999900001",
    "CallTo": "08047100000",
    "Direction": "incoming",
    "CallStatus": "ringing",
    "From": "09999900001",
    "To": "08047100000",
}
OUTGOING = {
    **INCOMING,
    "CallFrom": "08047100000",
    "CallTo": "09999900001",
    "Direction": "outbound-dial",
}
KNOWN = httpx.Response(200, json={"Call": {"Sid": "c1", "Status": "in-progress"}})


@dataclass
class Exotel:
    """Exotel's side: its requests, and its REST API, which knows one call or none."""

    calls: FakeCalls = field(default_factory=lambda: FakeCalls(tokens={TOKEN}))
    hooks: ExotelWebhooks = HOOKS
    answer: Answer = field(default_factory=lambda: httpx.Response(404))
    handed_off: str = ""
    placed: str = ""
    reports: FakeReports = field(default_factory=FakeReports)

    def app(self, rest: httpx.AsyncClient) -> FastAPI:
        client = ExotelClient(rest, "acme1", "key", "token", "08047100000", "https://api")
        if self.handed_off:
            client.hand_off(self.handed_off)
        line = ExotelLine(
            client, "08047100000", self.hooks.public_url, SECRET, self.hooks.stream_url
        )
        if self.placed:
            line.belongs(self.placed, OURS)
        app = FastAPI()
        app.include_router(router(self.hooks, self.calls, client, line, self.reports))
        return app

    async def send(
        self,
        path: str,
        fields: Mapping[str, str],
        *,
        method: str = "GET",
        secret: str = SECRET,
        content: bytes | None = None,
        content_type: str = "application/x-www-form-urlencoded",
    ) -> httpx.Response:
        where, form = f"/exotel/{secret}/{path}", urlencode(fields)
        if method != "POST":
            where, form = f"{where}?{form}", ""
        body = form.encode() if content is None else content
        headers = {"Content-Type": content_type} if method == "POST" else {}
        async with FakeRest(self.answer).client() as rest:
            return await send(self.app(rest), method, where, body, headers)
