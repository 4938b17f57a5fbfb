"""Calls users who permit it, and asks the others for permission.

Theory of operation. What is known decides first; only when it says no, or nothing, is Meta asked,
and Meta's word is kept. A refusal for want of permission (138006) is kept, too. Every failure is an
`ApiError` with words and with whether to try again; `Progress` says how a placed call fares.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import structlog

from fwai.adapters.whatsapp.call_state import PROVIDER, Progress
from fwai.adapters.whatsapp.calls import WhatsAppCalls
from fwai.adapters.whatsapp.client import GraphError
from fwai.adapters.whatsapp.codes import (
    NO_PERMISSION,
    PERMANENT_PERMISSION,
    PERMISSION_LIMIT,
    WINDOW_CLOSED,
)
from fwai.adapters.whatsapp.events import Party
from fwai.adapters.whatsapp.permissions import PermissionUpdates
from fwai.domain.call import CallState
from fwai.domain.call_permission import FRESH_S, CallPermission, can
from fwai.errors import ApiError

LOOK_UP_GAP_S: Final = 0.25  # Meta allows five look-ups in a second
LOOK_UP_S: Final = 12.0
_MISSED: Final = frozenset({CallState.NO_ANSWER, CallState.REJECTED, CallState.BUSY})

_log = structlog.get_logger()


class PermissionNeededError(ApiError):
    """The user has not permitted calls.

    Attributes:
        kind: A stable name, kept as the cause of the call that was not placed.
        may_ask: Whether permission may be asked for now.
    """

    kind: Final = "permission_needed"

    def __init__(self, *, may_ask: bool) -> None:
        what = "ask first" if may_ask else "and was asked often enough; wait"
        super().__init__(PROVIDER, f"the user has not permitted calls: {what}")
        self.may_ask = may_ask


class PermissionApi(Protocol):
    """What is needed of the Graph API; every method raises ``ApiError``."""

    async def permission(self, user: Party) -> Mapping[str, Any]:
        """Look a permission up."""
        ...

    async def send(self, to: Party, kind: str, content: Mapping[str, Any]) -> str:
        """Send a message."""
        ...


class WhatsAppDialer:
    """Places calls.

    Args:
        clock: Unix time in seconds.
    """

    def __init__(
        self,
        api: PermissionApi,
        contacts: PermissionUpdates,
        calls: WhatsAppCalls,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._api = api
        self._contacts = contacts
        self._calls = calls
        self._clock = clock
        self._looking_up = asyncio.Lock()
        self._next_look_up = 0.0

    async def dial(self, to: Party, reference: str, ring_s: float | None = None) -> str:
        """Call a user and return Meta's id of the call; arguments as for `WhatsAppCalls.dial`.

        Raises:
            PermissionNeededError: The user has not permitted it.
            ApiError: It was not placed; ``ApiUnknownError`` when that cannot be known.
            BusyError: This server has no room.
            StoreError: What is kept cannot be read.
        """
        await self._must_permit(to)
        try:
            return await self._calls.dial(to, reference, ring_s)
        except GraphError as exc:
            _log.warning("whatsapp_dial_refused", code=exc.code, reason=exc.meaning.words)
            if exc.code != NO_PERMISSION:
                raise
            standing = await self._contacts.change(to.key, CallPermission.refused)
            raise PermissionNeededError(may_ask=standing.may_ask(self._clock())) from exc

    async def ask(self, to: Party, text: str, template: Mapping[str, Any] | None = None) -> str:
        """Ask for permission and return the message's id.

        Args:
            to: Number or user id.
            text: Sent within the 24-hour window.
            template: Sent outside it; one that was approved with a call permission request, as
                ``whatsapp_templates`` renders it.

        Raises:
            ApiError: It may not be asked now, or Meta refused.
            StoreError: What is kept cannot be read or written.
        """
        now = self._clock()
        standing = await self._contacts.load(to.key)
        if not standing.may_ask(now):
            raise PermissionNeededError(may_ask=False)
        try:
            message_id = await self._request(to, text, template, free=standing.window_open(now))
        except GraphError as exc:
            if exc.code == PERMISSION_LIMIT:
                await self._contacts.change(to.key, lambda kept: kept.asked(now))
            elif exc.code == PERMANENT_PERMISSION:
                await self._contacts.change(
                    to.key,
                    lambda kept: kept.replied(now, accepted=True, permanent=True, expires_at=None),
                )
            raise
        await self._contacts.change(to.key, lambda kept: kept.asked(now))
        return message_id

    async def _request(
        self, to: Party, text: str, template: Mapping[str, Any] | None, *, free: bool
    ) -> str:
        """Send the question; as a template when the window is closed, or Meta says that it is."""
        if free:
            question = {
                "type": "call_permission_request",
                "action": {"name": "call_permission_request"},
                "body": {"text": text},
            }
            try:
                return await self._api.send(to, "interactive", question)
            except GraphError as exc:
                if exc.code != WINDOW_CLOSED or template is None:
                    raise
        if template is None:
            raise ApiError(PROVIDER, "permission is asked outside 24 hours by template only")
        return await self._api.send(to, "template", template)

    def progressed(self, progress: Progress) -> None:
        """Keep what a call of ours tells about its user; never waits."""
        if progress.state is CallState.IN_PROGRESS:
            now = self._clock()
            self._contacts.note(progress.user.key, lambda kept: kept.connected(now))
        elif progress.state in _MISSED:
            self._contacts.note(progress.user.key, CallPermission.missed)

    async def _must_permit(self, to: Party) -> None:
        now = self._clock()
        standing = await self._contacts.load(to.key)
        if standing.may_call(now):
            return
        if now - standing.checked_at < FRESH_S:
            raise PermissionNeededError(may_ask=standing.may_ask(now))
        answer = await self._look_up(to)
        standing = await self._contacts.change(to.key, lambda kept: kept.said_by_meta(answer, now))
        allowed = can(answer, "start_call")
        if allowed is False or (allowed is None and not standing.may_call(now)):
            asking = can(answer, "send_call_permission_request")
            raise PermissionNeededError(may_ask=standing.may_ask(now) if asking is None else asking)

    async def _look_up(self, to: Party) -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(LOOK_UP_S), self._looking_up:
                loop = asyncio.get_running_loop()
                await asyncio.sleep(max(self._next_look_up - loop.time(), 0.0))
                self._next_look_up = loop.time() + LOOK_UP_GAP_S
                return await self._api.permission(to)
        except TimeoutError:
            raise ApiError(
                PROVIDER, "permissions cannot be looked up now", retryable=True
            ) from None
