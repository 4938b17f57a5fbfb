"""The Graph API and the webhooks of the Meta simulator, as a server sees them."""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

import httpx
import pytest

from contract.simulator.kit import listening
from fwai.simulator.common.rest import (
    ApiAnswer,
    ApiFault,
    Receive,
    Scope,
    Send,
    read_body,
    write_answer,
)
from fwai.simulator.meta.messages import WINDOW_CLOSED, MessageFate
from fwai.simulator.meta.server import MetaSimulator, meta_error

SECRET, TOKEN = "app-secret", "EAAtoken"
TEXT = {
    "messaging_product": "whatsapp",
    "to": "919900000001",
    "type": "text",
    "text": {"body": "Hello"},
    "biz_opaque_callback_data": "job-7",
}


class Server:
    """Takes webhooks and posts to Graph."""

    def __init__(self, meta: MetaSimulator, http: httpx.AsyncClient) -> None:
        self.meta = meta
        self.values: list[tuple[str, Mapping[str, Any]]] = []
        self._http = http

    def statuses(self, field: str) -> list[Mapping[str, Any]]:
        return [one for name, value in self.values if name == field for one in value["statuses"]]

    def about_calls(self) -> list[Mapping[str, Any]]:
        told = [value for name, value in self.values if name == "calls"]
        parts = [[*value.get("calls", ()), *value.get("statuses", ())] for value in told]
        return [one for part in parts for one in part]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - webhooks come when they come
                await asyncio.sleep(0.01)

    async def post(self, path: str, body: object, token: str = TOKEN) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self.meta.url}/v25.0/PNID1/{path}"
        return await self._http.post(url, json=body, headers=headers)


@asynccontextmanager
async def world() -> AsyncIterator[Server]:
    servers: list[Server] = []

    async def hook(scope: Scope, receive: Receive, send: Send) -> None:
        raw = await read_body(receive)
        signature = dict(scope["headers"])[b"x-hub-signature-256"].decode()
        assert signature == "sha256=" + hmac.new(SECRET.encode(), raw, sha256).hexdigest()
        for change in json.loads(raw)["entry"][0]["changes"]:
            servers[0].values.append((change["field"], change["value"]))
        await write_answer(send, ApiAnswer(200, {}))

    async with (
        listening(hook) as url,
        MetaSimulator(f"{url}/webhook", SECRET, TOKEN) as meta,
        httpx.AsyncClient() as http,
    ):
        servers.append(Server(meta, http))
        yield servers[0]


async def test_a_message_is_answered_then_reported_with_its_reference() -> None:
    async with world() as server:
        answer = await server.post("messages", TEXT)
        await server.until(lambda: len(server.statuses("messages")) == 2)

        (message,) = server.meta.sent_messages
        assert answer.status_code == 200
        assert answer.json()["messages"] == [{"id": message.id}]
        told = server.statuses("messages")
        assert [one["status"] for one in told] == ["sent", "delivered"]
        assert {(one["id"], one["biz_opaque_callback_data"]) for one in told} == {
            (message.id, "job-7")
        }
        assert message.text == "Hello"


async def test_a_closed_window_is_told_by_a_status_and_the_next_message_is_delivered() -> None:
    async with world() as server:
        server.meta.fates.append(MessageFate((), error=WINDOW_CLOSED))
        first = await server.post("messages", TEXT)
        await server.until(lambda: len(server.statuses("messages")) == 1)
        await server.post("messages", TEXT)
        await server.until(lambda: len(server.statuses("messages")) == 3)

        assert first.status_code == 200, "the answer itself knows nothing of it"
        failed, *later = server.statuses("messages")
        assert failed["errors"][0]["code"] == 131047
        assert [one["status"] for one in later] == ["sent", "delivered"]
        assert [one.statuses for one in server.meta.sent_messages] == [
            ["failed"],
            ["sent", "delivered"],
        ]


async def test_a_refused_message_is_not_sent() -> None:
    async with world() as server:
        server.meta.faults.append(ApiFault(400, meta_error(131047).body, path="messages"))
        refused = await server.post("messages", TEXT)
        no_type = await server.post("messages", {**TEXT, "type": "template"})
        stranger = await server.post("messages", TEXT, token="other")

        assert refused.json()["error"]["code"] == 131047
        assert no_type.json()["error"]["code"] == 131008
        assert stranger.status_code == 401
        assert server.meta.sent_messages == []


async def test_a_message_can_be_read_later() -> None:
    async with world() as server:
        server.meta.fates.append(MessageFate(("sent",)))
        await server.post("messages", TEXT)
        await server.until(lambda: len(server.statuses("messages")) == 1)
        await server.meta.message_status(server.meta.sent_messages[0], "delivered")
        await server.meta.message_status(server.meta.sent_messages[0], "read")

        told = [one["status"] for one in server.statuses("messages")]
        assert told == ["sent", "delivered", "read"]


@pytest.mark.parametrize("ending", ["REJECTED", "ACCEPTED"])
async def test_every_webhook_of_a_call_echoes_its_reference(ending: str) -> None:
    offer = (
        "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\n"
        "a=fingerprint:sha-256 AA:BB\r\na=setup:actpass\r\na=sendrecv\r\na=rtcp-mux\r\n"
    )
    body = {
        "messaging_product": "whatsapp",
        "to": "919900000001",
        "action": "connect",
        "session": {"sdp_type": "offer", "sdp": offer},
        "biz_opaque_callback_data": "job-8",
    }
    async with world() as server:
        answer = await server.post("calls", body)
        call = server.meta.calls[answer.json()["calls"][0]["id"]]
        await server.until(lambda: len(server.about_calls()) == 2)
        await server.meta.status(call, ending)
        call.hang_up()
        await server.until(lambda: len(server.about_calls()) == 4)

        told = server.about_calls()
        assert {one["biz_opaque_callback_data"] for one in told} == {"job-8"}
        assert [one.get("event") or one["status"] for one in told] == [
            "connect",
            "RINGING",
            ending,
            "terminate",
        ]
        assert server.meta.live_calls == []
