"""The archive as calls use it: what fails is logged and the call goes on.

A full disk or a database that is away must not silence the phone; the transcript file and the next
start make good what can be made good. Only how a call ended is tried again: until it is written
the call counts as running, nobody is told of its end, and no callback is settled by it.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog

from fwai.domain.call import Call, CallEnding, CallId, CallState, Direction
from fwai.domain.record import CallRecord
from fwai.errors import StoreError
from fwai.interfaces.store import CallArchive

ValueT = TypeVar("ValueT")

RETRY_DELAYS_S: Final = (0.2, 0.8, 2.0)  # between tries to write an ending
MAX_LATE: Final = 256

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Ended:
    """How a call came out, and when, in Unix time."""

    call: Call
    ending: CallEnding
    at: float


class CallRecords:
    """Writes down what happens to calls; no method raises ``StoreError``.

    Args:
        retry_delays_s: How long to wait before an ending that failed is tried again, each time.
    """

    def __init__(
        self, archive: CallArchive, retry_delays_s: Sequence[float] = RETRY_DELAYS_S
    ) -> None:
        self.archive = archive
        self._retry_delays_s = retry_delays_s
        self._late: deque[_Ended] = deque()

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
        """Keep how a call came out; what cannot be written now the next ending writes."""
        ended = _Ended(call, ending, time.time())
        written = await self._written(ended)
        for gap_s in self._retry_delays_s:
            if written:
                break
            await asyncio.sleep(gap_s)
            written = await self._written(ended)
        if written:
            await self._catch_up()
        else:
            self._put_off(ended)

    async def record(self, call_id: CallId) -> CallRecord | None:
        """Return what is kept of a call."""
        return await self._tried(self.archive.get(call_id), None)

    async def was_here(self, provider: str, provider_call_id: str) -> bool:
        """Whether a call of this provider's id is known; False when that cannot be found out."""
        return (
            await self._tried(self.archive.state_of(provider, provider_call_id), None) is not None
        )

    async def _written(self, ended: _Ended) -> bool:
        try:
            await self.archive.end(ended.call, ended.ending, ended.at)
        except StoreError as exc:
            _log.error("call_not_archived", call_id=ended.call.id, error=str(exc))
            return False
        return True

    async def _catch_up(self) -> None:
        """Write the endings that wait; one that fails goes to the back, and the rest wait on."""
        for _ in range(len(self._late)):
            if not self._late:
                return
            ended = self._late.popleft()
            if not await self._written(ended):
                self._put_off(ended)
                return

    def _put_off(self, ended: _Ended) -> None:
        if len(self._late) >= MAX_LATE:
            lost = self._late.popleft()
            _log.error("call_ending_lost", call_id=lost.call.id)  # the next start closes it
        self._late.append(ended)

    async def _tried(self, work: Awaitable[ValueT], otherwise: ValueT) -> ValueT:
        try:
            return await work
        except StoreError as exc:
            _log.error("call_not_archived", error=str(exc))
            return otherwise
