"""Where each webhook event goes."""

import time
from collections.abc import Callable
from typing import Final

import structlog

from fwai.adapters.whatsapp.call_state import Seen
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
    """Hands every event to whom it concerns; never waits.

    Args:
        clock: Unix time in seconds.
    """

    def __init__(
        self,
        calls: WhatsAppCalls,
        contacts: PermissionUpdates,
        messages: WhatsAppMessages,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._calls = calls
        self._contacts = contacts
        self._messages = messages
        self._clock = clock
        self._seen = Seen(clock, REMEMBER_MESSAGES_S)

    def take(self, event: Event) -> None:
        """Take one event in."""
        match event:
            case CallConnect() | CallTerminated() | CallProgress():
                self._call(event)
            case PermissionReply():
                if self._seen.first(event.id):
                    self._replied(event)
            case MessageReceived():
                if self._seen.first(event.id):
                    self._heard(event.user.key, event.at)
                    _log.info("whatsapp_message_received", kind=event.kind)
            case MessageStatus():
                self._messages.status(event)
            case ErrorsReported():
                _report(event)
            case SettingsChanged() | AccountChanged() | TemplateChanged():
                self._told(event)

    def _call(self, event: CallConnect | CallTerminated | CallProgress) -> None:
        self._calls.take(event)
        if isinstance(event, CallConnect) and event.direction is Direction.INBOUND:
            self._heard(event.user.key, event.at)

    def _heard(self, user: str, at: float | None) -> None:
        when = min(at if at is not None else self._clock(), self._clock())
        self._contacts.note(user, lambda kept: kept.heard_from(when))

    def _replied(self, event: PermissionReply) -> None:
        now = self._clock()
        _log.info(
            "whatsapp_permission_changed",
            accepted=event.accepted,
            permanent=event.permanent,
            automatic=event.automatic,
        )
        self._contacts.note(
            event.user.key,
            lambda kept: kept.replied(
                now,
                accepted=event.accepted,
                permanent=event.permanent,
                expires_at=event.expires_at,
            ),
        )
        if not event.automatic:
            self._heard(event.user.key, event.at)

    def _told(self, event: SettingsChanged | AccountChanged | TemplateChanged) -> None:
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


def _report(event: ErrorsReported) -> None:
    for one in event.problems:
        _log.error("whatsapp_error_reported", code=one.code, reason=meaning(one.code).words)
