"""The archive as calls use it: what fails is logged and the call goes on.

A full disk or a database that is away must not silence the phone; the transcript file and the next
start make good what can be made good.
"""

import time
from collections.abc import Awaitable
from typing import TypeVar

import structlog

from fwai.domain.call import Call, CallEnding, CallId, CallState, Direction
from fwai.domain.record import CallRecord
from fwai.errors import StoreError
from fwai.interfaces import CallArchive

ValueT = TypeVar("ValueT")

_log = structlog.get_logger()


class Ledger:
    """Writes down what happens to calls; no method raises ``StoreError``."""

    def __init__(self, archive: CallArchive) -> None:
        self.archive = archive

    async def open(self, call: Call) -> None:
        """Keep a call that begins; one of ours is known since it was asked for."""
        now = time.time()
        ours = call.direction is Direction.OUTBOUND and await self.record(call.id) is not None
        if ours:  # else others dialled it: a provider's flow may
            await self._tried(self.archive.set_state(call.id, CallState.DIALING, now), False)
        else:
            await self._tried(self.archive.open(call, CallState.RINGING, now), None)

    async def moved(self, call: Call, state: CallState) -> None:
        """Keep where a call stands."""
        await self._tried(self.archive.set_state(call.id, state, time.time()), False)

    async def named(self, call: Call) -> None:
        """Keep the provider's id of a call."""
        await self._tried(self.archive.set_provider_id(call.id, call.provider_call_id), None)

    async def ended(self, call: Call, ending: CallEnding) -> None:
        """Keep how a call came out."""
        await self._tried(self.archive.end(call, ending, time.time()), False)

    async def record(self, call_id: CallId) -> CallRecord | None:
        """Return what is kept of a call."""
        return await self._tried(self.archive.get(call_id), None)

    async def was_here(self, provider: str, provider_call_id: str) -> bool:
        """Whether a call of this provider's id is known; False when that cannot be found out."""
        return (
            await self._tried(self.archive.state_of(provider, provider_call_id), None) is not None
        )

    async def _tried(self, work: Awaitable[ValueT], otherwise: ValueT) -> ValueT:
        try:
            return await work
        except StoreError as exc:
            _log.error("call_not_archived", error=str(exc))
            return otherwise
