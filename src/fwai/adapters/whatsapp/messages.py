"""Sends WhatsApp messages: text inside the 24-hour window, templates outside; tracks delivery.

A message that Meta refuses because the window is closed goes out once more as a template, whether
Meta says so at once or, more often, later by webhook. Statuses come in any order; they only ever
move forward.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog

from fwai.adapters.whatsapp.call_state import PROVIDER
from fwai.adapters.whatsapp.client import GraphError
from fwai.adapters.whatsapp.codes import WINDOW_CLOSED
from fwai.adapters.whatsapp.events import MessageStatus, Party
from fwai.adapters.whatsapp.permissions import PermissionUpdates
from fwai.errors import ApiError, StoreError
from fwai.interfaces.messages import MessageReports

MAX_TEXT_CHARS: Final = 4096
MAX_REMEMBERED: Final = 10_000
MAX_REPORT_TASKS: Final = 1_000
_RANK: Final = {"accepted": 0, "sent": 1, "delivered": 2, "read": 3}

_log = structlog.get_logger()


class MessageApi(Protocol):
    """The part of the Graph API used here."""

    async def send(
        self, to: Party, kind: str, content: Mapping[str, Any], reference: str = ""
    ) -> str:
        """Send a message; raises ``ApiError``."""
        ...


@dataclass(slots=True)
class _SentMessage:
    """A sent message, with its fallback template and error codes."""

    to: Party
    status: str
    fallback: Mapping[str, Any] | None
    reference: str = ""
    codes: Sequence[int] = ()


class WhatsAppMessages:
    """Sends messages and reports their delivery.

    Args:
        group: Owns the tasks of fallback templates and reports.
        reports: Takes delivery reports, or None.
        clock: Unix time in seconds.
    """

    def __init__(
        self,
        api: MessageApi,
        permissions: PermissionUpdates,
        group: asyncio.TaskGroup,
        reports: MessageReports | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._api = api
        self._permissions = permissions
        self._group = group
        self._reports = reports
        self._clock = clock
        self._sent: dict[str, _SentMessage] = {}
        self._tasks = 0

    async def send_text(
        self, to: str, text: str, template: Mapping[str, Any] | None, reference: str
    ) -> str:
        """Send to an E.164 number; otherwise as `send`."""
        return await self.send(Party(to), text, template, reference)

    async def send(
        self,
        to: Party,
        text: str = "",
        template: Mapping[str, Any] | None = None,
        reference: str = "",
    ) -> str:
        """Send ``text`` if the window is open, else the template; return the message's id.

        Args:
            to: Number or user id.
            text: At most 4096 characters; empty sends the template.
            template: As ``whatsapp_templates`` renders it.
            reference: Ours, at most 512 characters; reports on the message carry it, and those on
                the template that may replace it.

        Raises:
            ApiError: It was not accepted, or there is no template and the window is closed.
        """
        if text and await self._window_open(to):
            try:
                return await self._text(to, text, template, reference)
            except GraphError as exc:
                if exc.code != WINDOW_CLOSED or template is None:
                    raise
        if template is None:
            raise ApiError(
                PROVIDER, "more than 24 hours since the user's last message: only a template goes"
            )
        return await self._template(to, template, reference)

    def status(self, event: MessageStatus) -> None:
        """Handle a delivery status; repeated and late ones change nothing."""
        sent = self._sent.get(event.id)
        if sent is None:
            sent = self._sent[event.id] = _SentMessage(event.user, "", None)
            self._forget_oldest()
        if not _is_progress(sent.status, event.status):
            return
        sent.status = event.status
        sent.reference = sent.reference or event.reference
        sent.codes = [one.code for one in event.problems]
        _log.info("whatsapp_message_status", status=event.status[:20], codes=sent.codes)
        if not self._start_fallback(event.id, sent):
            self._start(
                self._report(event.id, sent, event.status, _error_codes(sent)), "whatsapp_report"
            )

    async def _text(
        self, to: Party, text: str, template: Mapping[str, Any] | None, reference: str
    ) -> str:
        if len(text) > MAX_TEXT_CHARS:
            raise ApiError(PROVIDER, f"a text has at most {MAX_TEXT_CHARS} characters")
        content = {"preview_url": False, "body": text}
        message_id = await self._api.send(to, "text", content, reference)
        return self._remember(message_id, _SentMessage(to, "accepted", template, reference))

    async def _template(self, to: Party, template: Mapping[str, Any], reference: str) -> str:
        message_id = await self._api.send(to, "template", template, reference)
        return self._remember(message_id, _SentMessage(to, "accepted", None, reference))

    async def _window_open(self, to: Party) -> bool:
        try:
            return (await self._permissions.load(to.key)).window_open(self._clock())
        except StoreError as exc:
            _log.warning("whatsapp_window_unknown", reason=str(exc))
            return False

    def _start_fallback(self, message_id: str, sent: _SentMessage) -> bool:
        """Start sending the fallback template, if there is one and the window is closed."""
        if sent.status != "failed" or sent.fallback is None or WINDOW_CLOSED not in sent.codes:
            return False
        fallback, sent.fallback = sent.fallback, None
        self._start(self._send_fallback(message_id, sent, fallback), "whatsapp_template_instead")
        return True

    async def _send_fallback(
        self, message_id: str, sent: _SentMessage, template: Mapping[str, Any]
    ) -> None:
        """Send the fallback template; only if that fails, too, the message has failed."""
        try:
            await self._template(sent.to, template, sent.reference)
        except ApiError as exc:
            _log.warning("whatsapp_template_not_sent", reason=str(exc))
            await self._report(message_id, sent, "failed", _error_codes(sent))

    async def _report(self, message_id: str, sent: _SentMessage, status: str, error: str) -> None:
        if self._reports is None:
            return
        try:
            await self._reports.reported(
                PROVIDER, message_id, status, reference=sent.reference, error=error
            )
        except StoreError as exc:
            _log.error("whatsapp_report_not_kept", reason=str(exc))

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        if self._tasks >= MAX_REPORT_TASKS:
            work.close()
            _log.error("whatsapp_report_not_kept", reason="too many wait")
            return
        self._tasks += 1
        self._group.create_task(work, name=name).add_done_callback(self._done)

    def _done(self, _: asyncio.Task[None]) -> None:
        self._tasks -= 1

    def _remember(self, message_id: str, new: _SentMessage) -> str:
        early = self._sent.get(message_id)  # a status may be faster than the answer
        if early is None:
            self._sent[message_id] = new
            self._forget_oldest()
            return message_id
        early.to, early.fallback = new.to, new.fallback
        early.reference = new.reference or early.reference
        self._start_fallback(message_id, early)
        return message_id

    def _forget_oldest(self) -> None:
        if len(self._sent) > MAX_REMEMBERED:
            del self._sent[next(iter(self._sent))]


def _error_codes(sent: _SentMessage) -> str:
    return " ".join(str(code) for code in sent.codes)


def _is_progress(old: str, new: str) -> bool:
    """Whether ``new`` is later than ``old``; a delivered message cannot fail any more."""
    if new == "failed":
        return old in ("", "accepted", "sent")
    return old != "failed" and _RANK.get(new, -1) > _RANK.get(old, -1)
