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

# Returns the ``end`` event of a call that is over by what is kept of it, else None.
FindEnding = Callable[[], Awaitable[Event | None]]


async def _never_over() -> Event | None:
    """Know of no other ending than the one that is published."""
    return None


class EventStreams:
    """Streams live events of calls; each call's streams are bounded in number, and all of them.

    Args:
        source: Publishes the events.
        heartbeat_s: Silence on a stream before a comment is sent as a sign of life.
    """

    def __init__(self, source: LiveEventSource, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._source = source
        self._heartbeat_s = heartbeat_s
        self._open: dict[CallId, int] = {}

    def response(
        self,
        call_id: CallId,
        last_id: str,
        ending: Event | None = None,
        find_ending: FindEnding = _never_over,
    ) -> Response:
        """Answer with a call's events after ``last_id``, until it ends.

        Args:
            call_id: Whose events.
            last_id: As the header ``Last-Event-ID`` says; anything but a number is the beginning.
            ending: Of a call that is over already: what is known is sent, then this.
            find_ending: Asked at each sign of life, for a call that another process carries.

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
            self._lines(call_id, int(last_id) if known else 0, ending, find_ending),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    async def _lines(
        self, call_id: CallId, after: int, ending: Event | None, find_ending: FindEnding
    ) -> AsyncIterator[str]:
        subscription = self._source.subscribe(call_id, after)
        self._open[call_id] = self._open.get(call_id, 0) + 1
        try:
            yield "retry: 2000\n\n"
            async for line in self._until_end(subscription, ending, find_ending):
                yield line
        finally:
            subscription.close()
            self._open[call_id] -= 1
            if not self._open[call_id]:
                del self._open[call_id]

    async def _until_end(
        self, subscription: LiveEventSubscription, ending: Event | None, find_ending: FindEnding
    ) -> AsyncIterator[str]:
        while True:
            try:
                async with asyncio.timeout(self._heartbeat_s if ending is None else 0.0):
                    event = await anext(subscription)
            except StopAsyncIteration:
                return
            except TimeoutError:
                if ending is not None:
                    yield f"event: end\ndata: {json.dumps(dict(ending))}\n\n"
                    return
                yield ALIVE
                ending = await find_ending()
            else:
                yield _line(event)


def _line(event: Event) -> str:
    data = json.dumps(dict(event), ensure_ascii=False)  # no line break is left in it
    return f"id: {event['id']}\nevent: {event['type']}\ndata: {data}\n\n"
