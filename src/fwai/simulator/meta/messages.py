"""Accepts the messages that the server sends to WhatsApp users, and reports their statuses.

Source: Meta's messages webhook reference, 2026-06.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

KEEP: Final = 1000
MAX_REFERENCE: Final = 512
WINDOW_CLOSED: Final = 131047
_TITLES: Final = {WINDOW_CLOSED: "Re-engagement message"}

TellMessages = Callable[[Mapping[str, Any]], Awaitable[object]]
"""Posts ``value`` in the field ``messages``."""


@dataclass(frozen=True, slots=True)
class MessageFate:
    """The outcome of a message that was accepted.

    Attributes:
        statuses: What is reported, in order.
        after_s: How long after the send, and after each report, the next one comes.
        error: Code of a last report, ``failed``; 0 does not fail.
    """

    statuses: tuple[str, ...] = ("sent", "delivered")
    after_s: float = 0.05
    error: int = 0


@dataclass(slots=True)
class SentMessage:
    """A message that was accepted.

    Attributes:
        id: ``wamid.``...
        body: As the server posted it.
        statuses: What was reported so far; ``failed`` is one of them.
        fate: What becomes of it.
    """

    id: str
    body: Mapping[str, Any] = field(repr=False)
    fate: MessageFate
    statuses: list[str] = field(default_factory=list)

    @property
    def to(self) -> str:
        """The user: a number or, where only that was given, a user id."""
        return str(self.body.get("to") or self.body.get("recipient") or "")

    @property
    def reference(self) -> str:
        """What the server gave it (``biz_opaque_callback_data``)."""
        return str(self.body.get("biz_opaque_callback_data") or "")

    @property
    def text(self) -> str:
        """What the user reads; of a template its name."""
        content = self.body.get(str(self.body.get("type"))) or {}
        return str(content.get("body") or content.get("name") or "")


class MetaMessages:
    """Accepts messages and reports their statuses.

    Args:
        tell: Posts a webhook.

    Attributes:
        sent: Accepted messages, the last 1000.
        fates: What becomes of the next ones, in order; all others are delivered.
    """

    def __init__(self, tell: TellMessages) -> None:
        self.sent: deque[SentMessage] = deque(maxlen=KEEP)
        self.fates: deque[MessageFate] = deque()
        self._tell = tell

    @staticmethod
    def wrong_with(body: Mapping[str, Any]) -> str:
        """Say what is missing or too much in a message; nothing when it is good."""
        if not (body.get("to") or body.get("recipient")) or body.get("type") not in body:
            return "a parameter is missing"
        if len(str(body.get("biz_opaque_callback_data") or "")) > MAX_REFERENCE:
            return "biz_opaque_callback_data is longer than 512 characters"
        return ""

    def take(self, body: Mapping[str, Any]) -> SentMessage:
        """Accept a message; `follow` reports on it."""
        fate = self.fates.popleft() if self.fates else MessageFate()
        message = SentMessage(f"wamid.{uuid4().hex}", body, fate)
        self.sent.append(message)
        return message

    async def follow(self, message: SentMessage) -> None:
        """Report what becomes of a message, to the end."""
        fate = message.fate
        for status in fate.statuses:
            await asyncio.sleep(fate.after_s)
            await self.report(message, status)
        if fate.error:
            await asyncio.sleep(fate.after_s)
            await self.report(message, "failed", fate.error)

    async def report(self, message: SentMessage, status: str, error: int = 0) -> None:
        """Post one status of a message."""
        message.statuses.append(status)
        await self._tell({"statuses": [_status(message, status, error)]})


def _status(message: SentMessage, status: str, error: int) -> dict[str, Any]:
    body: dict[str, Any] = {"id": message.id, "status": status, "timestamp": str(int(time.time()))}
    key = "recipient_id" if message.body.get("to") else "recipient_user_id"
    body[key] = message.to.lstrip("+")
    if message.reference:
        body["biz_opaque_callback_data"] = message.reference
    if error:
        title = _TITLES.get(error, "Message failed")
        details = {"details": title}
        body["errors"] = [{"code": error, "title": title, "message": title, "error_data": details}]
    else:
        free = {"type": "free_customer_service", "category": "service"}
        body["pricing"] = {"billable": False, "pricing_model": "PMP", **free}
    return body
