"""Places calls to users who permit them, and sends permission requests.

Theory of operation. The stored permission decides first; only when it is missing or negative, Meta
is asked, and the answer is stored. A refusal without permission (138006) is stored, too. Every
failure is an `ApiError` with a description and whether to retry.
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
from fwai.domain.call_permission import RECHECK_S, CallPermission, action_allowed
from fwai.errors import ApiError

LOOKUP_INTERVAL_S: Final = 0.25  # Meta allows five look-ups in a second
LOOKUP_S: Final = 12.0
_MISSED: Final = frozenset({CallState.NO_ANSWER, CallState.REJECTED, CallState.BUSY})

_log = structlog.get_logger()


class PermissionNeededError(ApiError):
    """The user has not permitted calls.

    Attributes:
        kind: A stable name, stored as the cause of the call that was not placed.
        may_ask: Whether a permission request may be sent now.
    """

    kind: Final = "permission_needed"

    def __init__(self, *, may_ask: bool) -> None:
        what = "ask first" if may_ask else "and was asked often enough; wait"
        super().__init__(PROVIDER, f"the user has not permitted calls: {what}")
        self.may_ask = may_ask


class PermissionApi(Protocol):
    """The part of the Graph API used here; every method raises ``ApiError``."""

    async def permission(self, user: Party) -> Mapping[str, Any]:
        """Fetch a call permission."""
        ...

    async def send(self, to: Party, kind: str, content: Mapping[str, Any]) -> str:
        """Send a message."""
        ...


class WhatsAppDialer:
    """Places calls after checking the user's permission.

    Args:
        clock: Unix time in seconds.
    """

    def __init__(
        self,
        api: PermissionApi,
        permissions: PermissionUpdates,
        calls: WhatsAppCalls,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._api = api
        self._permissions = permissions
        self._calls = calls
        self._clock = clock
        self._lookup_lock = asyncio.Lock()
        self._next_lookup_at = 0.0

    async def dial(self, to: Party, reference: str, ring_s: float | None = None) -> str:
        """Call a user and return Meta's id of the call; arguments as for `WhatsAppCalls.dial`.

        Raises:
            PermissionNeededError: The user has not permitted it.
            ApiError: It was not placed; ``ApiUnknownError`` when that cannot be known.
            BusyError: This server has no capacity.
            StoreError: The stored permission cannot be read.
        """
        await self._require_permission(to)
        try:
            return await self._calls.dial(to, reference, ring_s)
        except GraphError as exc:
            _log.warning("whatsapp_dial_refused", code=exc.code, reason=exc.meaning.words)
            if exc.code != NO_PERMISSION:
                raise
            permission = await self._permissions.change(to.key, CallPermission.refused)
            raise PermissionNeededError(may_ask=permission.may_ask(self._clock())) from exc

    async def ask(self, to: Party, text: str, template: Mapping[str, Any] | None = None) -> str:
        """Send a permission request and return the message's id.

        Args:
            to: Number or user id.
            text: Sent within the 24-hour window.
            template: Sent outside it; one that was approved with a call permission request, as
                ``whatsapp_templates`` renders it.

        Raises:
            ApiError: No request may be sent now, or Meta refused.
            StoreError: The stored permission cannot be read or written.
        """
        now = self._clock()
        permission = await self._permissions.load(to.key)
        if not permission.may_ask(now):
            raise PermissionNeededError(may_ask=False)
        try:
            message_id = await self._request(
                to, text, template, window_open=permission.window_open(now)
            )
        except GraphError as exc:
            if exc.code == PERMISSION_LIMIT:
                await self._permissions.change(to.key, lambda permission: permission.asked(now))
            elif exc.code == PERMANENT_PERMISSION:
                await self._permissions.change(
                    to.key,
                    lambda permission: permission.replied(
                        now, accepted=True, permanent=True, expires_at=None
                    ),
                )
            raise
        await self._permissions.change(to.key, lambda permission: permission.asked(now))
        return message_id

    async def _request(
        self, to: Party, text: str, template: Mapping[str, Any] | None, *, window_open: bool
    ) -> str:
        """Send the request; as a template when the 24-hour window is closed."""
        if window_open:
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

    def on_progress(self, progress: Progress) -> None:
        """Update the user's permission by a call's progress; never waits."""
        if progress.state is CallState.IN_PROGRESS:
            now = self._clock()
            self._permissions.enqueue(
                progress.user.key, lambda permission: permission.connected(now)
            )
        elif progress.state in _MISSED:
            self._permissions.enqueue(progress.user.key, CallPermission.missed)

    async def _require_permission(self, to: Party) -> None:
        now = self._clock()
        permission = await self._permissions.load(to.key)
        if permission.may_call(now):
            return
        if 0.0 <= now - permission.checked_at < RECHECK_S:
            raise PermissionNeededError(may_ask=permission.may_ask(now))
        answer = await self._fetch_permission(to)
        permission = await self._permissions.change(
            to.key, lambda permission: permission.said_by_meta(answer, now)
        )
        allowed = action_allowed(answer, "start_call")
        if allowed is False or (allowed is None and not permission.may_call(now)):
            asking = action_allowed(answer, "send_call_permission_request")
            raise PermissionNeededError(
                may_ask=permission.may_ask(now) if asking is None else asking
            )

    async def _fetch_permission(self, to: Party) -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(LOOKUP_S), self._lookup_lock:
                loop = asyncio.get_running_loop()
                await asyncio.sleep(max(self._next_lookup_at - loop.time(), 0.0))
                self._next_lookup_at = loop.time() + LOOKUP_INTERVAL_S
                return await self._api.permission(to)
        except TimeoutError:
            raise ApiError(
                PROVIDER, "permissions cannot be looked up now", retryable=True
            ) from None
