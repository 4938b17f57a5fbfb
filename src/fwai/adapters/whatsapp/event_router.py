"""Routes webhook events to calls, permissions and messages."""

import time
from collections.abc import Callable
from typing import Final

import structlog

from fwai.adapters.whatsapp.call_state import RecentKeys
from fwai.adapters.whatsapp.calls import WhatsAppCalls
from fwai.adapters.whatsapp.codes import meaning
from fwai.adapters.whatsapp.events import (
    AccountChanged,
    CallConnect,
    CallProgress,
    CallTerminated,
    ErrorsReported,
    Event,
    MessageReceived,
    MessageStatus,
    PermissionReply,
    SettingsChanged,
    TemplateChanged,
)
from fwai.adapters.whatsapp.messages import WhatsAppMessages
from fwai.adapters.whatsapp.permissions import PermissionUpdates
from fwai.domain.call import Direction

REMEMBER_MESSAGES_S: Final = 7 * 86_400.0

_log = structlog.get_logger()


class WebhookRouter:
    """Routes every event to its handler; never waits.

    Args:
        clock: Unix time in seconds.
    """

    def __init__(
        self,
        calls: WhatsAppCalls,
        permissions: PermissionUpdates,
        messages: WhatsAppMessages,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._calls = calls
        self._permissions = permissions
        self._messages = messages
        self._clock = clock
        self._seen = RecentKeys(time.monotonic, REMEMBER_MESSAGES_S)

    def handle(self, event: Event) -> None:
        """Route one event."""
        match event:
            case CallConnect() | CallTerminated() | CallProgress():
                self._route_call(event)
            case PermissionReply():
                if self._seen.add(event.id):
                    self._record_permission(event)
            case MessageReceived():
                if self._seen.add(event.id):
                    self._record_contact(event.user.key, event.at)
                    _log.info("whatsapp_message_received", kind=event.kind)
            case MessageStatus():
                self._messages.status(event)
            case ErrorsReported():
                _log_errors(event)
            case SettingsChanged() | AccountChanged() | TemplateChanged():
                self._log_change(event)

    def _route_call(self, event: CallConnect | CallTerminated | CallProgress) -> None:
        self._calls.handle(event)
        if isinstance(event, CallConnect) and event.direction is Direction.INBOUND:
            self._record_contact(event.user.key, event.at)

    def _record_contact(self, user: str, at: float | None) -> None:
        when = min(at if at is not None else self._clock(), self._clock())
        self._permissions.enqueue(user, lambda permission: permission.heard_from(when))

    def _record_permission(self, event: PermissionReply) -> None:
        now = self._clock()
        at = min(event.at if event.at is not None else now, now)
        _log.info(
            "whatsapp_permission_changed",
            accepted=event.accepted,
            permanent=event.permanent,
            automatic=event.automatic,
        )
        self._permissions.enqueue(
            event.user.key,
            lambda permission: permission.replied(
                at,
                accepted=event.accepted,
                permanent=event.permanent,
                expires_at=event.expires_at,
            ),
        )
        if not event.automatic:
            self._record_contact(event.user.key, event.at)

    def _log_change(self, event: SettingsChanged | AccountChanged | TemplateChanged) -> None:
        match event:
            case SettingsChanged():
                level = "info" if event.calling in ("ENABLED", "") else "warning"
                getattr(_log, level)(
                    "whatsapp_settings_changed", calling=event.calling, sip=event.sip
                )
            case AccountChanged():
                _log.warning(
                    "whatsapp_account_changed",
                    change=event.event,
                    restrictions=event.restrictions,
                )
            case TemplateChanged():
                _log.info("whatsapp_template_changed", template=event.name, change=event.event)


def _log_errors(event: ErrorsReported) -> None:
    for one in event.problems:
        _log.error("whatsapp_error_reported", code=one.code, reason=meaning(one.code).words)
