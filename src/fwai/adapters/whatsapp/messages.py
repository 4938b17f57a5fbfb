"""Sends WhatsApp messages: text inside the 24-hour window, templates outside; tracks delivery.

A text that Meta refuses because the window is closed goes out once more as a template. When Meta
says so at once that is done here; when it says so later, by webhook, whoever keeps the reports does
it. What is needed for both is kept with the message, in the database.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import structlog

from fwai.adapters.whatsapp.call_state import PROVIDER
from fwai.adapters.whatsapp.client import GraphError
from fwai.adapters.whatsapp.codes import WINDOW_CLOSED
from fwai.adapters.whatsapp.events import MessageStatus, Party
from fwai.adapters.whatsapp.permissions import PermissionUpdates
from fwai.domain.delivery import SentMessage
from fwai.errors import ApiError, BusyError, StoreError
from fwai.interfaces.messages import MessageReports, SentMessageLog
from fwai.tasks import IsolatedTasks

MAX_TEXT_CHARS: Final = 4096
MAX_REPORT_TASKS: Final = 1_000

_log = structlog.get_logger()


class MessageApi(Protocol):
    """The part of the Graph API used here."""

    async def send(
        self, to: Party, kind: str, content: Mapping[str, Any], reference: str = ""
    ) -> str:
        """Send a message; raises ``ApiError``."""
        ...


class WhatsAppMessages:
    """Sends messages and passes reports on their delivery on.

    Args:
        group: Owns the tasks of reports.
        reports: Takes delivery reports, or None.
        log: Keeps what was sent, or None.
        clock: Unix time in seconds.
    """

    def __init__(
        self,
        api: MessageApi,
        permissions: PermissionUpdates,
        group: asyncio.TaskGroup,
        reports: MessageReports | None = None,
        log: SentMessageLog | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._api = api
        self._permissions = permissions
        self._tasks = IsolatedTasks(group, MAX_REPORT_TASKS)
        self._reports = reports
        self._sent = log
        self._clock = clock

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
        """Take a delivery status in; it is kept behind the webhook.

        Raises:
            BusyError: Too many wait already; Meta shall come again.
        """
        codes = " ".join(str(one.code) for one in event.problems)
        _log.info("whatsapp_message_status", status=event.status[:20], codes=codes)
        if self._reports is None:
            return
        work = self._report(self._reports, event, codes)
        if self._tasks.start(work, "whatsapp_report") is None:
            raise BusyError("too many reports on messages wait")

    async def _text(
        self, to: Party, text: str, template: Mapping[str, Any] | None, reference: str
    ) -> str:
        if len(text) > MAX_TEXT_CHARS:
            raise ApiError(PROVIDER, f"a text has at most {MAX_TEXT_CHARS} characters")
        content = {"preview_url": False, "body": text}
        message_id = await self._api.send(to, "text", content, reference)
        await self._keep(SentMessage(PROVIDER, message_id, reference, to.key, template))
        return message_id

    async def _template(self, to: Party, template: Mapping[str, Any], reference: str) -> str:
        message_id = await self._api.send(to, "template", template, reference)
        await self._keep(SentMessage(PROVIDER, message_id, reference, to.key))
        return message_id

    async def _window_open(self, to: Party) -> bool:
        try:
            return (await self._permissions.load(to.key)).window_open(self._clock())
        except StoreError as exc:
            _log.warning("whatsapp_window_unknown", reason=str(exc))
            return False

    async def _keep(self, message: SentMessage) -> None:
        """Keep what was sent; it is out, whatever the database says."""
        if self._sent is None:
            return
        try:
            await self._sent.sent(message)
        except StoreError as exc:  # its first report names the job, which knows as much
            _log.error("whatsapp_message_not_kept", reason=str(exc))

    async def _report(self, reports: MessageReports, event: MessageStatus, codes: str) -> None:
        try:
            await reports.reported(
                PROVIDER, event.id, event.status, reference=event.reference, error=codes
            )
        except StoreError as exc:
            _log.warning("whatsapp_report_late", reason=str(exc))
