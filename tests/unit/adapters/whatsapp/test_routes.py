"""Meta's webhooks over ASGI: who is let in, what is taken, and that it is answered at once."""

import asyncio
import hmac
import json
from dataclasses import replace
from hashlib import sha256
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from fakes import InMemoryCallPermissions
from fwai.adapters.whatsapp.event_router import WebhookRouter
from fwai.adapters.whatsapp.events import (
    AccountChanged,
    ErrorsReported,
    Event,
    MessageReceived,
    MessageStatus,
    PermissionReply,
    Problem,
    SettingsChanged,
    TemplateChanged,
)
from fwai.adapters.whatsapp.messages import WhatsAppMessages
from fwai.adapters.whatsapp.permissions import PermissionUpdates
from fwai.adapters.whatsapp.routes import WhatsAppWebhooks, router
from fwai.adapters.whatsapp.webhook import MAX_BODY_BYTES
from fwai.errors import BusyError
from unit.adapters.whatsapp.kit import NOW, USER, World, calls_of, connect, until

SECRET = "s3cret"
HOOKS = WhatsAppWebhooks("PNID1", "verify-me", (SECRET,))
GOOD = {
    "object": "whatsapp_business_account",
    "entry": [
        {
            "changes": [
                {
                    "field": "messages",
                    "value": {
                        "messages": [{"id": "wamid.1", "from": "919900000001", "type": "text"}]
                    },
                }
            ]
        }
    ],
}


class Server:
    """The endpoint alone."""

    def __init__(self, hooks: WhatsAppWebhooks = HOOKS) -> None:
        self.taken: list[Event] = []
        self.fault: Exception | None = None
        app = FastAPI()
        app.include_router(router(hooks, self._take))
        self._http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="https://voice.example.com"
        )

    def _take(self, event: Event) -> None:
        self.taken.append(event)
        if self.fault is not None:
            raise self.fault

    async def post(
        self,
        body: object,
        *,
        secret: str = SECRET,
        signature: str | None = None,
        path: str = "/webhook",
    ) -> httpx.Response:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = (
            {}
            if signature == ""
            else {
                "X-Hub-Signature-256": signature
                or "sha256=" + hmac.new(secret.encode(), raw, sha256).hexdigest()
            }
        )
        return await self._http.post(path, content=raw, headers=headers)

    async def get(self, **query: str) -> httpx.Response:
        params = {f"hub.{name}": value for name, value in query.items()}
        return await self._http.get("/webhook", params=params)


async def test_an_address_with_a_slash_behind_is_the_same_and_no_less_guarded() -> None:
    server = Server()

    assert (await server.post(GOOD, path="/webhook/")).status_code == 200
    assert (await server.post(GOOD, path="/webhook/", secret="guess")).status_code == 403

    assert len(server.taken) == 1


async def test_the_webhook_is_verified_with_the_bare_challenge() -> None:
    answer = await Server().get(mode="subscribe", verify_token="verify-me", challenge="007")

    assert (answer.status_code, answer.content) == (200, b"007")
    assert answer.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize(
    "query",
    [{}, {"mode": "subscribe", "verify_token": "wrong", "challenge": "1"}, {"challenge": "1"}],
)
async def test_a_wrong_verification_is_403(query: dict[str, str]) -> None:
    assert (await Server().get(**query)).status_code == 403


@pytest.mark.parametrize("signature", ["", "sha256=00", "nonsense"])
async def test_an_unsigned_post_is_403_and_read_by_nobody(signature: str) -> None:
    server = Server()
    assert (await server.post(GOOD, signature=signature)).status_code == 403
    assert (await server.post(GOOD, secret="other")).status_code == 403
    assert not server.taken


async def test_a_signed_post_is_taken() -> None:
    server = Server()
    answer = await server.post(GOOD)
    assert answer.status_code == 200
    assert [type(one) for one in server.taken] == [MessageReceived]


async def test_unsigned_posts_for_development() -> None:
    server = Server(replace(HOOKS, allow_unsigned=True))
    assert (await server.post(GOOD, signature="")).status_code == 200
    assert server.taken


IGNORED: list[Any] = [
    *(b"", b"{", b"[]", b"\xff", {}, {"object": "page"}, {"object": "whatsapp_business_account"}),
    {"object": "whatsapp_business_account", "entry": [{"changes": [{"field": "new", "value": 1}]}]},
]


@pytest.mark.parametrize("body", IGNORED)
async def test_signed_nonsense_is_200_and_one_log_line(body: object) -> None:
    server = Server()
    with capture_logs() as logs:
        answer = await server.post(body)
    assert answer.status_code == 200
    assert [one["event"] for one in logs] == ["webhook_ignored"]
    assert not server.taken


async def test_a_fault_of_ours_is_still_200() -> None:
    server = Server()
    server.fault = RuntimeError("bug")
    assert (await server.post(GOOD)).status_code == 200


async def test_what_finds_no_room_is_asked_for_again_once_all_the_rest_is_handled() -> None:
    server = Server()
    server.fault = BusyError("too many wait")
    twice = json.loads(json.dumps(GOOD))
    twice["entry"] *= 2
    assert (await server.post(twice)).status_code == 503
    assert len(server.taken) == 2


async def test_a_body_that_never_ends_is_413() -> None:
    assert (await Server().post(b" " * (MAX_BODY_BYTES + 1))).status_code == 413


# ---- where events go -----------------------------------------------------------------------------


async def test_every_event_finds_its_way_at_once() -> None:
    world = World(faults={"answer": 60.0})
    async with calls_of(world, set_up_s=0.1) as calls, asyncio.TaskGroup() as group:
        contacts = PermissionUpdates(InMemoryCallPermissions())
        messages = WhatsAppMessages(_NoApi(), contacts, group)
        desk = WebhookRouter(calls, contacts, messages, lambda: NOW)
        reply = PermissionReply(
            "wamid.1", USER, accepted=True, permanent=True, automatic=False, expires_at=None, at=NOW
        )
        with capture_logs() as logs:
            desk.handle(connect())
            desk.handle(reply)
            desk.handle(reply)
            desk.handle(MessageReceived("wamid.2", USER, "text", NOW))
            desk.handle(MessageStatus("wamid.3", "read", USER, NOW))
            desk.handle(SettingsChanged("PNID1", "ENABLED", "", ""))
            desk.handle(SettingsChanged("PNID1", "DISABLED", "ENABLED", ""))
            desk.handle(AccountChanged("ACCOUNT_RESTRICTION", ("X",)))
            desk.handle(TemplateChanged("t", "en", "APPROVED"))
            desk.handle(ErrorsReported((Problem(131044),)))
        worker = group.create_task(contacts.run())
        await contacts.wait_until_applied()
        worker.cancel()
        standing = await contacts.load(USER.key)
        assert standing.may_call(NOW)
        assert standing.window_open(NOW)
        await until(lambda: not calls.active)
    said = [(one["event"], one["log_level"]) for one in logs]
    assert said == [
        ("whatsapp_permission_changed", "info"),
        ("whatsapp_message_received", "info"),
        ("whatsapp_message_status", "info"),
        ("whatsapp_settings_changed", "info"),
        ("whatsapp_settings_changed", "warning"),
        ("whatsapp_account_changed", "warning"),
        ("whatsapp_template_changed", "info"),
        ("whatsapp_error_reported", "error"),
    ]
    assert USER.number not in str(logs)
    assert world.offers


class _NoApi:
    async def send(self, to: object, kind: str, content: object, reference: str = "") -> str:
        raise AssertionError
