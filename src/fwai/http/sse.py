"""Server-sent events of live calls, for the API and for the browser's page.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html (read 2026-11-22).
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from fastapi import Response
from fastapi.responses import StreamingResponse

from fwai.domain.call import CallId
from fwai.http.problem import ProblemError
from fwai.interfaces.calls import Event, LiveEventSource, LiveEventSubscription

HEARTBEAT_S: Final = 15.0
MAX_STREAMS: Final = 4  # of one call at the same time
MAX_OPEN: Final = 200
ALIVE: Final = ": alive\n\n"
_MAX_DIGITS: Final = 15

# Returns the ``end`` event of a call whose stored record is over, else None.
FindEndEvent = Callable[[], Awaitable[Event | None]]


async def _no_end_event() -> Event | None:
    """Find no ``end`` event besides the published one."""
    return None


class EventStreams:
    """Streams live events of calls; the number of streams is limited per call and in total.

    Args:
        source: Publishes the events.
        heartbeat_s: Silence on a stream before a keep-alive comment is sent.
    """

    def __init__(self, source: LiveEventSource, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._source = source
        self._heartbeat_s = heartbeat_s
        self._open: dict[CallId, int] = {}

    def response(
        self,
        call_id: CallId,
        last_id: str,
        end_event: Event | None = None,
        find_end_event: FindEndEvent = _no_end_event,
    ) -> Response:
        """Stream a call's events after ``last_id`` until it ends.

        Args:
            call_id: Whose events.
            last_id: Header ``Last-Event-ID``; anything but a number starts from the beginning.
            end_event: Of a call that is over already: sent after the buffered events.
            find_end_event: Asked at each keep-alive, for a call that another process carries.

        Raises:
            ProblemError: Too many streams are open.
        """
        here = self._open.get(call_id, 0)
        if here >= MAX_STREAMS or sum(self._open.values()) >= MAX_OPEN:
            raise ProblemError(
                "too-many-streams", "Too many streams", 429, "Close another event stream."
            )
        known = last_id.isascii() and last_id.isdecimal() and len(last_id) <= _MAX_DIGITS
        return StreamingResponse(
            self._lines(call_id, int(last_id) if known else 0, end_event, find_end_event),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    async def _lines(
        self, call_id: CallId, after: int, end_event: Event | None, find_end_event: FindEndEvent
    ) -> AsyncIterator[str]:
        subscription = self._source.subscribe(call_id, after)
        self._open[call_id] = self._open.get(call_id, 0) + 1
        try:
            yield "retry: 2000\n\n"
            async for line in self._until_end(subscription, end_event, find_end_event):
                yield line
        finally:
            subscription.close()
            self._open[call_id] -= 1
            if not self._open[call_id]:
                del self._open[call_id]

    async def _until_end(
        self,
        subscription: LiveEventSubscription,
        end_event: Event | None,
        find_end_event: FindEndEvent,
    ) -> AsyncIterator[str]:
        while True:
            try:
                async with asyncio.timeout(self._heartbeat_s if end_event is None else 0.0):
                    event = await anext(subscription)
            except StopAsyncIteration:
                return
            except TimeoutError:
                if end_event is not None:
                    yield f"event: end\ndata: {json.dumps(dict(end_event))}\n\n"
                    return
                yield ALIVE
                end_event = await find_end_event()
            else:
                yield _line(event)


def _line(event: Event) -> str:
    data = json.dumps(dict(event), ensure_ascii=False)  # no line break is left in it
    return f"id: {event['id']}\nevent: {event['type']}\ndata: {data}\n\n"
