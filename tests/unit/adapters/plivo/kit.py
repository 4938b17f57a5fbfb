"""Plivo's side of its webhooks: signs them and sends them, over ASGI."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import httpx
from fastapi import FastAPI

from fakes import FakeControl
from fwai.adapters.plivo.routes import PlivoWebhooks, router
from fwai.http.signed_once import SignedOnce
from fwai.simulator.plivo.signature import PlivoSigner
from unit.adapters.client_kit import send
from unit.adapters.handler_kit import FakeCalls, FakeReports

PUBLIC_URL = "https://voice.example.com"
TOKEN = "account-token"
HOOKS = PlivoWebhooks(PUBLIC_URL, "MA1", (TOKEN,))
CALL = "6f2c9d84-0a1e-4b7c-9d3f-2e5a7b8c9d01"
INBOUND = {
    "CallUUID": CALL,
    "From": "919999900001",
    "To": "918888800000",
    "Direction": "inbound",
    "CallStatus": "ringing",
    "Event": "StartApp",
}
HANG_UP = {
    **INBOUND,
    "CallStatus": "completed",
    "Event": "Hangup",
    "HangupCause": "NORMAL_CLEARING",
    "HangupCauseName": "Normal Hangup",
    "AnswerTime": "2026-11-22 10:00:00",
    "Duration": "63",
}
VOICE_PATHS = ["answer", "hangup", "ring", "stream-status", "machine", "transfer"]


@dataclass
class Line:
    """Plivo's side: signs a webhook and sends it, under a host name that is not the public one."""

    calls: FakeCalls
    hooks: PlivoWebhooks = HOOKS
    reports: FakeReports = field(default_factory=FakeReports)
    signer: PlivoSigner = field(default_factory=lambda: PlivoSigner(TOKEN))
    once: SignedOnce | None = None

    async def send(
        self,
        path: str,
        form: Mapping[str, str],
        *,
        method: str = "POST",
        query: str = "v=1",
        headers: Mapping[str, str] | None = None,
        public_url: str = PUBLIC_URL,
        content: bytes | None = None,
    ) -> httpx.Response:
        where = f"/plivo/{path}" + (f"?{query}" if query else "")
        if headers is None:
            sign = self.signer.message if path == "message-status" else self.signer.voice
            headers = sign(method, f"{public_url}{where}", form if method == "POST" else {})
        app = FastAPI()
        app.include_router(router(self.hooks, self.calls, FakeControl(), self.reports, self.once))
        body = urlencode(form).encode() if content is None else content
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return await send(app, method, where, body, {**kind, **headers})


async def answered(form: Mapping[str, str], calls: FakeCalls | None = None) -> httpx.Response:
    return await Line(calls or FakeCalls()).send("answer", form)


def stream_of(response: httpx.Response) -> ET.Element:
    stream = ET.fromstring(response.text).find("Stream")  # noqa: S314 - our own
    assert stream is not None
    return stream
