"""Takes in how messages fare: proves that they went out, keeps their status, tells others."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import structlog

from fwai.domain.call import CallId
from fwai.domain.call_event import MESSAGE_STATUS
from fwai.domain.job import Job
from fwai.errors import StoreError
from fwai.interfaces.jobs import SentMessages
from fwai.interfaces.store import CallLookup
from fwai.jobs.events import Events

MAX_WORD: Final = 60

_log = structlog.get_logger()


class DeliveryReports:
    """Implements ``MessageReports``.

    Args:
        clock: The time now, aware.
        calls: Where the address of a call's own events is read; None tells only the operator.
    """

    def __init__(
        self,
        sent: SentMessages,
        events: Events,
        clock: Callable[[], datetime],
        calls: CallLookup | None = None,
    ) -> None:
        self._sent = sent
        self._calls = calls
        self._events = events
        self._clock = clock

    async def reported(
        self, provider: str, message_id: str, status: str, *, reference: str = "", error: str = ""
    ) -> None:
        """Take in a report; what cannot be kept is logged, and the provider need not repeat it."""
        if not message_id:
            return
        status, error = status[:MAX_WORD], error[:MAX_WORD]
        try:
            if reference and await self._sent.proven(reference, message_id):
                _log.info("message_proven", job_id=reference[:40], provider=provider)
            facts = {"status": status, "error": error or None}
            job = await self._sent.note_result(message_id, facts)
            # A template that goes out instead of a text has an id of its own, and our reference.
            if job is None and reference and await self._sent.rename_ref(reference, message_id):
                job = await self._sent.note_result(message_id, facts)
            if job is None:
                return  # not one of ours, or older than what is kept
            await self._tell(provider, message_id, job, facts)
        except StoreError as exc:
            _log.error("message_report_not_kept", error=str(exc))

    async def _tell(
        self, provider: str, message_id: str, job: Job, facts: Mapping[str, Any]
    ) -> None:
        data = {
            "message_id": message_id,
            "provider": provider,
            "channel": job.kind.removeprefix("send_"),
            "to": job.phone or None,
            "call_id": job.call_id or None,
            **facts,
        }
        key = f"{message_id[:80]}:{facts['status']}"[:100]
        at = self._clock()
        for new in self._events.new(
            MESSAGE_STATUS,
            key,
            data,
            at=at,
            also_to=await self._own_address(job.call_id),
            call_id=job.call_id,
            phone=job.phone,
        ):
            await self._sent.enqueue(new)

    async def _own_address(self, call_id: str) -> str:
        if not call_id or self._calls is None:
            return ""
        record = await self._calls.get(CallId(call_id))
        return "" if record is None else record.call.webhook_url
