"""How messages fare, told in order by a whole server: late reports, a restart, a refused text."""

import hmac
import json
import time
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from e2e.acting_world import Bureau, bureau, until
from fwai.domain.job import SEND_WHATSAPP
from fwai.simulator.common.fate import MessageFate as SmsFate
from fwai.simulator.common.rest import ApiFault
from fwai.simulator.meta.graph import meta_error
from fwai.simulator.meta.messages import MessageFate

PERSON = "+919999900003"


def told(office: Bureau) -> list[tuple[str, str]]:
    """Return which messages n8n was told of, and how they fared."""
    return [
        (event.data["message_id"], event.data["status"])
        for event in office.flow.events
        if event.kind == "message.status"
    ]


async def quiet(office: Bureau) -> None:
    """Wait until nothing more is to be told."""
    await office.idle()


async def test_a_late_word_about_a_text_message_is_not_told(tmp_path: Path) -> None:
    async with bureau(tmp_path) as office:
        late = SmsFate(statuses=("delivered", "sent", "queued", "delivered"))
        office.house.world.provider.message_fate(PERSON, late)
        body = {"to": PERSON, "arguments": {"text": "Your demo is tomorrow."}}
        answer = (await office.api.post("/api/tools/send_sms", json=body)).json()
        assert answer["status"] == "ok"
        sent = office.house.world.provider.messages[-1]

        async def reported() -> bool:
            return len(sent.reports) == 4

        await until(reported)
        await quiet(office)

        assert [status for _, status in told(office)] == ["delivered"]


async def opened(office: Bureau) -> None:
    """Let the person write to us, so that a text may go out."""
    store = office.house.server.store.call_permissions
    await store.change(PERSON, lambda permission: permission.heard_from(time.time()))


async def say_hello(office: Bureau) -> str:
    """Send a text by WhatsApp; return the message's id."""
    body = {"to": PERSON, "arguments": {"text": "See you tomorrow."}}
    answer = (await office.api.post("/api/tools/send_whatsapp", json=body)).json()
    assert answer["status"] == "ok", answer
    assert office.house.world.meta is not None
    sent = office.house.world.meta.sent_messages[-1]
    assert sent.body["type"] == "text"
    return sent.id


async def meta_says(office: Bureau, message_id: str, status: str, error: int = 0) -> int:
    """Post Meta's word about a message, whoever it was that sent it."""
    settings = office.house.world.settings
    item: dict[str, Any] = {"id": message_id, "status": status, "recipient_id": PERSON[1:]}
    if error:
        item["errors"] = [{"code": error, "title": "Re-engagement message"}]
    value: Mapping[str, Any] = {
        "metadata": {"phone_number_id": settings.phone_number_id},
        "statuses": [item],
    }
    entry = {"changes": [{"field": "messages", "value": value}]}
    raw = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
    key = settings.meta_app_secret.get_secret_value().encode()
    signature = f"sha256={hmac.new(key, raw, sha256).hexdigest()}"
    headers = {"X-Hub-Signature-256": signature}
    return (await office.api.post("/webhook", content=raw, headers=headers)).status_code


async def test_after_a_restart_a_refused_text_is_replaced_once_and_late_words_change_nothing(
    tmp_path: Path,
) -> None:
    async with bureau(tmp_path, call_provider="whatsapp") as office:
        await opened(office)
        assert office.house.world.meta is not None
        office.house.world.meta.fates.append(MessageFate(statuses=("sent",)))
        refused = await say_hello(office)
        await office.flow.wait_event("message.status")
        office.house.world.meta.fates.append(MessageFate(statuses=("read",)))
        read = await say_hello_again(office)
        await quiet(office)

    async with bureau(tmp_path, call_provider="whatsapp") as office:
        assert office.house.world.meta is not None
        for _ in range(3):
            assert await meta_says(office, refused, "failed", 131047) == 200
        for status in ("delivered", "sent", "read"):
            assert await meta_says(office, read, status) == 200
        meta = office.house.world.meta

        async def replaced() -> bool:
            return bool(meta.sent_messages) and len(meta.sent_messages[-1].statuses) == 2

        await until(replaced)
        await quiet(office)

        (template,) = meta.sent_messages
        assert template.body["type"] == "template"
        assert template.to == PERSON[1:]
        assert told(office) == [(template.id, "sent"), (template.id, "delivered")]
        jobs = [job for job in await office.jobs("done") if job["kind"] == SEND_WHATSAPP]
        assert len(jobs) == 2


async def say_hello_again(office: Bureau) -> str:
    """Send another text; return the message's id once it was read."""
    body = {"to": PERSON, "arguments": {"text": "Bring a notebook."}}
    await office.api.post("/api/tools/send_whatsapp", json=body)
    assert office.house.world.meta is not None
    sent = office.house.world.meta.sent_messages[-1]

    async def was_read() -> bool:
        return (sent.id, "read") in told(office)

    await until(was_read)
    return sent.id


async def test_a_text_and_its_template_that_are_both_refused_have_failed(tmp_path: Path) -> None:
    async with bureau(tmp_path, call_provider="whatsapp") as office:
        await opened(office)
        assert office.house.world.meta is not None
        office.house.world.meta.fates.append(MessageFate(statuses=(), error=131047, after_s=0.3))
        refused = await say_hello(office)
        fault = ApiFault(400, meta_error(132001).body, path="messages")
        office.house.world.meta.faults.append(fault)

        await office.flow.wait_event("message.status")

        assert told(office) == [(refused, "failed")]
