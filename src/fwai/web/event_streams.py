"""How the event stream of a call ends when its ending was not published in this process."""

import structlog

from fwai.domain.record import CallRecord
from fwai.errors import StoreError
from fwai.http.sse import FindEnding
from fwai.interfaces.calls import Event
from fwai.interfaces.store import CallLookup

_log = structlog.get_logger()


def ending_of(record: CallRecord) -> Event | None:
    """Return the ``end`` event of a call that is over; None of any other."""
    if not record.state.final:
        return None
    ended_at, reason = record.ended_at, record.end_reason
    return {
        "type": "end",
        "state": record.state.value,
        "reason": None if reason is None else reason.value,
        "at": None if ended_at is None else ended_at.timestamp(),
    }


def ending_finder(calls: CallLookup, record: CallRecord) -> FindEnding:
    """Return what looks a call up again: another process may carry it and have ended it."""

    async def find() -> Event | None:
        try:
            found = await calls.get(record.call.id)
        except StoreError as exc:
            _log.warning("watched_call_not_read", error=str(exc))
            return None
        return None if found is None else ending_of(found)

    return find
