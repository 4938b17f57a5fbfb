"""Ends a call's event stream when the call ended in another process."""

import structlog

from fwai.domain.record import CallRecord
from fwai.errors import StoreError
from fwai.http.sse import FindEndEvent
from fwai.interfaces.calls import Event
from fwai.interfaces.store import CallLookup

_log = structlog.get_logger()


def end_event(record: CallRecord) -> Event | None:
    """Build the ``end`` event of a call that is over; None for any other."""
    if not record.state.final:
        return None
    ended_at, reason = record.ended_at, record.end_reason
    return {
        "type": "end",
        "state": record.state.value,
        "reason": None if reason is None else reason.value,
        "at": None if ended_at is None else ended_at.timestamp(),
    }


def end_event_finder(calls: CallLookup, record: CallRecord) -> FindEndEvent:
    """Return a function that reads the call again and builds its ``end`` event once it is over."""

    async def find() -> Event | None:
        try:
            found = await calls.get(record.call.id)
        except StoreError as exc:
            _log.warning("watched_call_not_read", error=str(exc))
            return None
        return None if found is None else end_event(found)

    return find
