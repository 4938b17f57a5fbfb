"""The messages that providers took, and the furthest that their reports say of each.

Theory of operation. A report is worked in one transaction: the row moves only if the report is
later than what is known (`domain.delivery`), and with it are written the job's result and the
events that tell of it. So whichever process gets a report first tells of it, once, and what comes
late or again changes nothing. The template that stands in for a refused text is a job with a key
of the message's, written by the same transaction: it goes out once, whatever dies in between.

A report may be faster than the answer to the request that sent the message: its row then waits for
`sent`, which tells what was not told.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, CursorResult, RowMapping, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fwai.domain.delivery import FINAL, MAX_WORD, NOTHING_KNOWN, MessageReport, SentMessage
from fwai.domain.job import REPLACE_WHATSAPP, SEND_WHATSAPP, Job, JobState, NewJob
from fwai.store.database import Database
from fwai.store.job_rows import stored_job
from fwai.store.job_tables import jobs as job_rows
from fwai.store.job_tables import sent_messages
from fwai.store.jobs import Jobs
from fwai.store.tables import calls
from fwai.store.transcript_files import clean

MAX_ID: Final = 255
ACCEPTED: Final = "accepted"
REPLACED: Final = "replaced"
"""Status in the result of a job whose text was refused and whose template goes out instead."""

TellStatus = Callable[[Job, MessageReport, str], Iterable[NewJob]]
"""Names what tells of a report, given the message's job and the address of its call's events."""


def tell_no_status(job: Job, report: MessageReport, webhook_url: str) -> Iterable[NewJob]:  # noqa: ARG001
    """Tell nobody."""
    return ()


class SentMessages:
    """Keeps how messages fare. Implements ``SentMessageLog`` and ``MessageStatusStore``.

    Args:
        tell: Names the jobs that tell of an advance; written in the same transaction.
        clock: The time now, aware.
    """

    def __init__(
        self,
        database: Database,
        jobs: Jobs,
        tell: TellStatus = tell_no_status,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._tell = tell
        self._clock = clock

    async def sent(self, message: SentMessage) -> None:
        """Keep that a provider took a message; what was reported of it before is told now.

        Raises:
            StoreError: The database failed.
        """
        taken = MessageReport(message.provider, message.message_id, ACCEPTED)
        async with self._database.change() as connection:
            job = await self._locked(connection, job_rows.c.id == message.reference)
            if await self._open(connection, taken, job, message):
                return
            row = await self._bind(connection, taken, job, message)
            if row is None or job is None or row["rank"] <= taken.standing.rank:
                return
            await self._jobs.prove(connection, job.id, message.message_id)
            early = replace(taken, status=row["status"], error=row["error"] or "")
            await self._follow(connection, early, job, row)
        self._jobs.notify()

    async def report(self, report: MessageReport) -> bool:
        """Take in a report; False when it says nothing new.

        A report that names an unsettled job proves that its message went out.

        Raises:
            StoreError: The database failed; nothing was kept.
        """
        async with self._database.change() as connection:
            job = await self._job_of(connection, report)
            await self._open(connection, report, job)
            row = await self._advance(connection, report)
            if row is None:
                return False
            await self._follow(connection, report, job, row)
        self._jobs.notify()
        return True

    async def forget_old(self, before: datetime, fallbacks_before: datetime) -> int:
        """Delete what has not changed since a time, and templates older than another.

        Raises:
            StoreError: The database failed.
        """
        old = sent_messages.c.written_at < before
        kept = (sent_messages.c.written_at < fallbacks_before) & sent_messages.c.fallback.is_not(
            None
        )
        async with self._database.write() as connection:
            gone = (await connection.execute(delete(sent_messages).where(old))).rowcount
            await connection.execute(update(sent_messages).where(kept).values(fallback=None))
        return gone

    # ---- inside a transaction -------------------------------------------------------------------

    async def _job_of(self, connection: AsyncConnection, report: MessageReport) -> Job | None:
        """Return the job that sent a message, locked; None when the message is not known for sent.

        It is the one that the report names (which that proves), that the row names, or that knows
        the message's id.
        """
        query = select(sent_messages.c.job_id).where(_here(report))
        job_id = report.reference or await connection.scalar(query)
        job = None
        if job_id:
            job = await self._locked(connection, job_rows.c.id == job_id)
        if job is None:
            job = await self._locked(connection, job_rows.c.ref == report.message_id[:MAX_ID])
        if job is None or job.state is JobState.DONE:
            return job
        if job.id != report.reference:
            return None
        # Read before: what is done may forget its words, the template with them.
        proven = await self._jobs.prove(connection, job.id, report.message_id)
        ref = report.message_id[:MAX_ID]
        return replace(job, state=JobState.DONE, ref=ref) if proven else None

    async def _locked(self, connection: AsyncConnection, here: ColumnElement[bool]) -> Job | None:
        newest = select(job_rows).where(here).order_by(job_rows.c.created_at.desc()).limit(1)
        row = (await connection.execute(newest.with_for_update())).mappings().first()
        return None if row is None else stored_job(row)

    async def _open(
        self,
        connection: AsyncConnection,
        report: MessageReport,
        job: Job | None,
        message: SentMessage | None = None,
    ) -> bool:
        """Write a message's row; False when there is one already.

        Before the provider's answer is known its template is still in the job that sends it.
        """
        values: dict[str, Any] = {
            "provider": report.provider,
            "message_id": report.message_id[:MAX_ID],
            "job_id": "" if job is None else job.id,
            "recipient": "" if job is None else job.phone,
            "status": "",
            "rank": NOTHING_KNOWN,
            "error": None,
            "fallback": None if job is None else _template_of(job, report.message_id),
            "written_at": self._clock(),
        }
        if message is not None:
            values |= {
                "recipient": message.recipient or values["recipient"],
                "status": ACCEPTED,
                "rank": report.standing.rank,
                "fallback": _json(message.fallback),
            }
        opening = self._database.insert(sent_messages).values(values).on_conflict_do_nothing()
        return (await connection.execute(opening)).rowcount == 1

    async def _bind(
        self,
        connection: AsyncConnection,
        report: MessageReport,
        job: Job | None,
        message: SentMessage,
    ) -> RowMapping | None:
        """Complete a row that an early report wrote; None when that knew its job."""
        values = {
            "job_id": "" if job is None else job.id,
            "recipient": message.recipient or ("" if job is None else job.phone),
            "fallback": _json(message.fallback),
        }
        binding = update(sent_messages).where(_here(report), sent_messages.c.job_id == "")
        bound = await connection.execute(binding.values(values).returning(sent_messages))
        return _first(bound)

    async def _advance(
        self, connection: AsyncConnection, report: MessageReport
    ) -> RowMapping | None:
        """Move a message's row; None when the report says nothing new."""
        standing = report.standing
        moving = update(sent_messages).where(_here(report), sent_messages.c.rank < standing.above)
        values = {
            "status": report.status[:MAX_WORD],
            "rank": standing.rank,
            "error": report.error[:MAX_WORD] or None,
            "written_at": self._clock(),
        }
        moved = await connection.execute(moving.values(values).returning(sent_messages))
        return _first(moved)

    async def _follow(
        self, connection: AsyncConnection, report: MessageReport, job: Job | None, row: RowMapping
    ) -> None:
        """Write what follows an advance: a template instead, or the job's result and who is told.

        Without a job the message is none of ours, or its sender does not know its id yet.
        """
        if job is None:
            return
        if report.standing.rank >= FINAL:
            await connection.execute(
                update(sent_messages).where(_here(report)).values(fallback=None)
            )
        address = await _events_address(connection, job.call_id)
        facts = {"status": report.status[:MAX_WORD], "error": report.error[:MAX_WORD] or None}
        if report.asks_for_template and row["fallback"] is not None:
            await self._jobs.add(connection, [_instead(report, job, row, address)])
            facts["status"] = REPLACED
        else:
            await self._jobs.add(connection, self._tell(job, report, address))
        if job.ref in ("", report.message_id[:MAX_ID]):  # not of an older message of the same job
            result = clean({**(job.result or {}), **facts})
            noting = update(job_rows).where(job_rows.c.id == job.id)
            await connection.execute(noting.values(result=result))


def _first(result: CursorResult[Any]) -> RowMapping | None:
    return result.mappings().first()


def _here(report: MessageReport) -> ColumnElement[bool]:
    return (sent_messages.c.provider == report.provider) & (
        sent_messages.c.message_id == report.message_id[:MAX_ID]
    )


def _json(template: Mapping[str, Any] | None) -> Any:  # noqa: ANN401 - JSON
    return None if template is None else clean(template)


def _template_of(job: Job, message_id: str) -> Any:  # noqa: ANN401 - JSON
    """Return the template that a job would send instead of its text; None when it has none."""
    if (
        job.kind != SEND_WHATSAPP
        or not job.payload.get("text")
        or job.ref not in ("", message_id[:MAX_ID])
    ):
        return None
    return job.payload.get("template")


def _instead(report: MessageReport, job: Job, row: RowMapping, address: str) -> NewJob:
    """Return the job that sends the template in place of a text that was refused."""
    digest = hashlib.sha256(report.message_id.encode(errors="replace")).hexdigest()[:32]
    return NewJob(
        REPLACE_WHATSAPP,
        f"{REPLACE_WHATSAPP}:{digest}",
        {
            "to": row["recipient"] or job.phone,
            "text": "",
            "template": row["fallback"],
            "instead_of": {"message_id": report.message_id, "error": report.error[:MAX_WORD]},
            "webhook_url": address,
        },
        call_id=job.call_id,
        phone=job.phone,
    )


async def _events_address(connection: AsyncConnection, call_id: str) -> str:
    if not call_id:
        return ""
    query = select(calls.c.webhook_url).where(calls.c.id == call_id)
    return await connection.scalar(query) or ""
