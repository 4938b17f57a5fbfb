"""Messages to users: text inside the 24-hour window, templates outside it, and how they fare.

A message that Meta refuses because the window is closed goes out once more as a template, whether
Meta says so at once or, more often, later by webhook. Statuses come in any order; they only ever
move forward.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog

from fwai.adapters.whatsapp.client import GraphError
from fwai.adapters.whatsapp.codes import WINDOW_CLOSED
from fwai.adapters.whatsapp.contacts import Contacts
from fwai.adapters.whatsapp.events import MessageStatus, Party
from fwai.adapters.whatsapp.live import PROVIDER
from fwai.errors import ApiError, StoreError

MAX_TEXT_CHARS: Final = 4096
MOST_KEPT: Final = 10_000
_RANK: Final = {"accepted": 0, "sent": 1, "delivered": 2, "read": 3}

_log = structlog.get_logger()


class MessageApi(Protocol):
    """What is needed of the Graph API."""

    async def send(self, to: Party, kind: str, content: Mapping[str, Any]) -> str:
        """Send a message; raises ``ApiError``."""
        ...


@dataclass(slots=True)
class _Sent:
    """A message on its way, with the template that may replace it."""

    to: Party
    status: str
    fallback: Mapping[str, Any] | None


class WhatsAppMessages:
    """Sends messages.

    Args:
        group: Owns the task of a template that replaces a refused text.
        on_status: Told of each step forward, with the message's id; must not block or raise.
        clock: Unix time in seconds.
    """

    def __init__(
        self,
        api: MessageApi,
        contacts: Contacts,
        group: asyncio.TaskGroup,
        on_status: Callable[[str, str], None] = lambda *_: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._api = api
        self._contacts = contacts
        self._group = group
        self._on_status = on_status
        self._clock = clock
        self._sent: dict[str, _Sent] = {}

    async def send(
        self, to: Party, text: str = "", template: Mapping[str, Any] | None = None
    ) -> str:
        """Send ``text`` if the window is open, else the template; return the message's id.

        Args:
            to: Number or user id.
            text: At most 4096 characters; empty sends the template.
            template: As ``whatsapp_templates`` renders it.

        Raises:
            ApiError: It was not accepted, or there is no template and the window is closed.
        """
        if text and await self._window_open(to):
            try:
                return await self._text(to, text, template)
            except GraphError as exc:
                if exc.code != WINDOW_CLOSED or template is None:
                    raise
        if template is None:
            raise ApiError(
                PROVIDER, "more than 24 hours since the user's last message: only a template goes"
            )
        return self._keep(await self._api.send(to, "template", template), to, None)

    def status(self, event: MessageStatus) -> None:
        """Take in how a message fares; repeated and late news change nothing."""
        sent = self._sent.get(event.id)
        if sent is None:
            sent = self._sent[event.id] = _Sent(event.user, "", None)
            self._forget_oldest()
        if not _forward(sent.status, event.status):
            return
        sent.status = event.status
        codes = [one.code for one in event.problems]
        _log.info("whatsapp_message_status", status=event.status[:20], codes=codes)
        if event.status == "failed" and sent.fallback is not None and WINDOW_CLOSED in codes:
            fallback, sent.fallback = sent.fallback, None
            self._group.create_task(
                self._replace(sent.to, fallback), name="whatsapp_template_instead"
            )
        self._on_status(event.id, event.status)

    async def _text(self, to: Party, text: str, template: Mapping[str, Any] | None) -> str:
        if len(text) > MAX_TEXT_CHARS:
            raise ApiError(PROVIDER, f"a text has at most {MAX_TEXT_CHARS} characters")
        content = {"preview_url": False, "body": text}
        return self._keep(await self._api.send(to, "text", content), to, template)

    async def _window_open(self, to: Party) -> bool:
        try:
            return (await self._contacts.load(to.key)).window_open(self._clock())
        except StoreError as exc:
            _log.warning("whatsapp_window_unknown", reason=str(exc))
            return False

    async def _replace(self, to: Party, template: Mapping[str, Any]) -> None:
        try:
            self._keep(await self._api.send(to, "template", template), to, None)
        except ApiError as exc:
            _log.warning("whatsapp_template_not_sent", reason=str(exc))

    def _keep(self, message_id: str, to: Party, fallback: Mapping[str, Any] | None) -> str:
        early = self._sent.get(message_id)  # a status may be faster than the answer
        if early is None:
            self._sent[message_id] = _Sent(to, "accepted", fallback)
            self._forget_oldest()
        return message_id

    def _forget_oldest(self) -> None:
        if len(self._sent) > MOST_KEPT:
            del self._sent[next(iter(self._sent))]


def _forward(old: str, new: str) -> bool:
    """Whether ``new`` is later than ``old``; what was delivered cannot fail any more."""
    if new == "failed":
        return old in ("", "accepted", "sent")
    return old != "failed" and _RANK.get(new, -1) > _RANK.get(old, -1)
