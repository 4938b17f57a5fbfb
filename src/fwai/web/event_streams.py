"""Streams of server-sent events.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html (read 2026-11-22).
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Final

import structlog
from fastapi import Response
from fastapi.responses import StreamingResponse

from fwai.calls.live_events import Event, Watching
from fwai.domain.call import CallId
from fwai.domain.record import CallRecord
from fwai.errors import StoreError
from fwai.http.problem import ProblemError
from fwai.web.services import ApiServices

MAX_STREAMS: Final = 4  # of one call at the same time
MAX_OPEN: Final = 200
ALIVE: Final = ": alive\n\n"
_MAX_DIGITS: Final = 15

_log = structlog.get_logger()


class EventStreams:
    """Streams what happens in calls; each is bounded by the watch, all of them in number."""

    def __init__(self, services: ApiServices) -> None:
        self._services = services
        self._open: dict[CallId, int] = {}

    def response(self, record: CallRecord, last_id: str) -> Response:
        """Answer with a call's events after ``last_id``, until it ends.

        Raises:
            ProblemError: Too many look on.
        """
        here = self._open.get(record.call.id, 0)
        if here >= MAX_STREAMS or sum(self._open.values()) >= MAX_OPEN:
            raise ProblemError(
                "too-many-streams", "Too many streams", 429, "Close another event stream."
            )
        known = last_id.isascii() and last_id.isdecimal() and len(last_id) <= _MAX_DIGITS
        return StreamingResponse(
            self._lines(record, int(last_id) if known else 0),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    async def _lines(self, record: CallRecord, after: int) -> AsyncIterator[str]:
        call_id = record.call.id
        watching = self._services.watch.watch(call_id, after)
        self._open[call_id] = self._open.get(call_id, 0) + 1
        try:
            yield "retry: 2000\n\n"
            async for line in self._until_end(record, watching):
                yield line
        finally:
            watching.close()
            self._open[call_id] -= 1
            if not self._open[call_id]:
                del self._open[call_id]

    async def _until_end(self, record: CallRecord, watching: Watching) -> AsyncIterator[str]:
        while True:
            # Of a call that is over nothing more comes: what is known is sent, and the ending.
            wait_s = 0.0 if record.state.final else self._services.heartbeat_s
            try:
                async with asyncio.timeout(wait_s):
                    event = await anext(watching)
            except StopAsyncIteration:
                return
            except TimeoutError:
                if record.state.final:
                    yield _ending(record)
                    return
                yield ALIVE
                record = await self._again(record)
            else:
                yield _line(event)

    async def _again(self, record: CallRecord) -> CallRecord:
        """Look the call up: another process may carry it, whose events do not come here."""
        try:
            return await self._services.calls.get(record.call.id) or record
        except StoreError as exc:
            _log.warning("watched_call_not_read", error=str(exc))
            return record


def _line(event: Event) -> str:
    data = json.dumps(dict(event), ensure_ascii=False)  # no line break is left in it
    return f"id: {event['id']}\nevent: {event['type']}\ndata: {data}\n\n"


def _ending(record: CallRecord) -> str:
    ended_at, reason = record.ended_at, record.end_reason
    facts = {
        "type": "end",
        "state": record.state.value,
        "reason": None if reason is None else reason.value,
        "at": None if ended_at is None else ended_at.timestamp(),
    }
    return f"event: end\ndata: {json.dumps(facts)}\n\n"
