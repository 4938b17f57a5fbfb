"""Takes in how messages fare: each report is kept in the database, or tried again until it is.

Theory of operation. Webhooks must be answered while a database hangs, and a report that was taken
must not be lost. So reports queue for one task, which writes one after the other and tries again,
with growing pauses, while the database is away. Whoever brings a report waits for it only so long.
A provider that is told to come again may: what is said twice changes nothing.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import structlog

from fwai.domain.call_event import MESSAGE_STATUS
from fwai.domain.delivery import MAX_WORD, MessageReport
from fwai.domain.job import REPLACE_WHATSAPP, SEND_EMAIL, SEND_SMS, Job, JobState, NewJob
from fwai.errors import StoreError
from fwai.interfaces.messages import MessageStatusStore
from fwai.jobs.events import Events

ANSWER_S: Final = 2.0  # a provider is answered after that at the latest
MAX_WAITING: Final = 2_000
PAUSES_S: Final = (0.2, 1.0, 3.0, 10.0)  # between tries; the last one again and again
GIVE_UP_S: Final = 3600.0
STOP_S: Final = 5.0
_CHANNELS: Final[Mapping[str, str]] = {SEND_SMS: "sms", SEND_EMAIL: "email"}

_log = structlog.get_logger()


@dataclass(frozen=True, eq=False, slots=True)
class _Waiting:
    report: MessageReport
    since: float
    kept: asyncio.Future[None]


class DeliveryReports:
    """Writes reports; ``run`` is its one task. Implements ``MessageReports``.

    Attributes:
        lost: Reports that were never written, since the start.
    """

    def __init__(self, store: MessageStatusStore) -> None:
        self.lost = 0
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Waiting] = deque()
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()

    async def reported(
        self, provider: str, message_id: str, status: str, *, reference: str = "", error: str = ""
    ) -> None:
        """Take in a report; raises ``StoreError`` while it is not kept."""
        if not message_id or not status:
            return
        if len(self._waiting) >= MAX_WAITING or self._stopping.is_set():
            self._lose(1, "too many wait" if not self._stopping.is_set() else "stopped")
            raise StoreError("reports on messages cannot be kept now")
        report = MessageReport(provider, message_id, status[:MAX_WORD], reference, error[:MAX_WORD])
        one = _Waiting(report, self._loop.time(), self._loop.create_future())
        self._waiting.append(one)
        self._wake.set()
        await asyncio.wait({one.kept}, timeout=ANSWER_S)
        if not one.kept.done():
            raise StoreError("a report on a message is not kept yet; it is tried again")

    async def run(self) -> None:
        """Write until `stop`; what is left then is given a few seconds."""
        while not self._stopping.is_set():
            if not self._waiting:
                await self._wake.wait()
            self._wake.clear()
            await self._work_off()
        if self._waiting:
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_S):
                    while self._waiting and await self._written(self._waiting[0]):
                        self._waiting.popleft()
        if self._waiting:
            self._lose(len(self._waiting), "stopped")
            self._waiting.clear()

    def stop(self) -> None:
        """Let ``run`` write the rest and return."""
        self._stopping.set()
        self._wake.set()

    async def _work_off(self) -> None:
        pauses = iter(PAUSES_S)
        while self._waiting and not self._stopping.is_set():
            if await self._written(self._waiting[0]):
                self._waiting.popleft()
                pauses = iter(PAUSES_S)
                continue
            self._waiting.rotate(-1)  # should it be this one's fault, the others need not wait
            with suppress(TimeoutError):
                async with asyncio.timeout(next(pauses, PAUSES_S[-1])):
                    await self._stopping.wait()

    async def _written(self, one: _Waiting) -> bool:
        """Write a report; False when the database failed and another try may help."""
        report = one.report
        try:
            advanced = await self._store.report(report)
        except StoreError as exc:
            _log.error("message_report_late", error=str(exc), waiting=len(self._waiting))
            if self._loop.time() - one.since < GIVE_UP_S:
                return False
            self._lose(1, "tried for an hour")
        except Exception as exc:  # noqa: BLE001 - one report's fault must not stop the others
            _log.exception("message_report_broken", error=type(exc).__name__)
            self._lose(1, "fault on our side")
        else:
            _log.debug("message_report_kept", provider=report.provider, advanced=advanced)
        if not one.kept.done():
            one.kept.set_result(None)
        return True

    def _lose(self, count: int, why: str) -> None:
        self.lost += count
        _log.error("message_reports_lost", count=count, reason=why)


def status_events(events: Events) -> Callable[[Job, MessageReport, str], Sequence[NewJob]]:
    """Return what names the jobs that tell of a message's status, for ``SentMessages``."""

    def tell(job: Job, report: MessageReport, webhook_url: str) -> Sequence[NewJob]:
        return events.new(
            MESSAGE_STATUS,
            f"{report.message_id[:60]}:{report.status}"[:100],
            _status_data(job, report),
            also_to=webhook_url,
            call_id=job.call_id,
            phone=job.phone,
        )

    return tell


def refused_template_events(
    events: Events,
) -> Callable[[Job, JobState], Sequence[NewJob]]:
    """Return what tells of texts that failed, their templates too, for ``Jobs.follows``."""

    def follow(job: Job, state: JobState) -> Sequence[NewJob]:
        if job.kind != REPLACE_WHATSAPP or state is not JobState.DEAD:
            return ()
        text = job.payload["instead_of"]
        report = MessageReport("whatsapp", text["message_id"], "failed", error=text["error"])
        return status_events(events)(job, report, job.payload["webhook_url"])

    return follow


def _status_data(job: Job, report: MessageReport) -> Mapping[str, Any]:
    return {
        "message_id": report.message_id,
        "provider": report.provider,
        "channel": _CHANNELS.get(job.kind, "whatsapp"),
        "to": job.phone or None,
        "call_id": job.call_id or None,
        "status": report.status,
        "error": report.error or None,
    }
