"""How messages fare, on each database: one order, told once, whoever hears it and whenever."""

import asyncio
from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import insert, select

from fwai.domain.delivery import MessageReport, SentMessage
from fwai.domain.job import (
    REPLACE_WHATSAPP,
    SEND_SMS,
    SEND_WHATSAPP,
    Dead,
    Done,
    Job,
    JobState,
    NewJob,
)
from fwai.store.database import Database
from fwai.store.job_tables import sent_messages
from fwai.store.jobs import Jobs
from fwai.store.sent_messages import REPLACED, SentMessages
from fwai.store.tables import calls
from unit.store.kit import PHONE, Clock, at, jobs_in
from unit.store.test_tables import call_row

OWN = "https://n8n.example.com/call"
TEMPLATE = {"name": "call_summary", "language": {"code": "en"}, "components": ["Asha"]}
TELL = "tell"


def tell(job: Job, report: MessageReport, webhook_url: str) -> Sequence[NewJob]:
    facts = {"status": report.status, "error": report.error, "url": webhook_url, "of": job.id}
    return [NewJob(TELL, f"{report.message_id}:{report.status}"[:100], facts)]


class Office:
    """One process's view of the messages."""

    def __init__(self, database: Database, jobs: Jobs, clock: Clock) -> None:
        self.jobs = jobs
        self._clock = clock
        self.messages = SentMessages(database, jobs, tell, clock)

    async def begun(self, kind: str = SEND_SMS, **payload: Any) -> Job:  # noqa: ANN401 - JSON
        """Return a message's job right before it goes out."""
        await self.jobs.enqueue(NewJob(kind, f"{kind}:1", payload, call_id="c-1", phone=PHONE))
        (job,) = await self.jobs.lease(1, [kind])
        assert await self.jobs.begin(job)
        return job

    async def say(
        self, status: str, error: str = "", *, reference: str = "", provider: str = "plivo",
        message_id: str = "m-1",
    ) -> bool:  # fmt: skip
        self._clock.move(0.001)  # so that what is told has an order
        return await self.messages.report(
            MessageReport(provider, message_id, status, reference, error)
        )

    async def took(self, job: Job, fallback: dict[str, Any] | None = TEMPLATE) -> None:
        await self.messages.sent(SentMessage("whatsapp", "m-1", job.id, PHONE, fallback))

    async def told(self) -> list[str]:
        found = await self.jobs.page(kind=TELL, limit=99)
        return [job.payload["status"] for job in reversed(found)]

    async def templates(self) -> list[Job]:
        return await self.jobs.page(kind=REPLACE_WHATSAPP)


@pytest.fixture
def office(database: Database, jobs: Jobs, clock: Clock) -> Office:
    return Office(database, jobs, clock)


@pytest.fixture
def other(other_database: Database, clock: Clock) -> Office:
    """Another process, or this one after a restart."""
    return Office(other_database, jobs_in(other_database, clock, "b"), clock)


async def rows(database: Database) -> list[Any]:
    async with database.read() as connection:
        return list((await connection.execute(select(sent_messages))).mappings())


WAYS = [
    ("plivo", ("queued", "sent", "delivered"), "delivered"),
    ("plivo", ("queued", "sent", "undelivered"), "undelivered"),
    ("plivo", ("sent", "delivered", "read"), "read"),
    ("exotel", ("queued", "sending", "submitted", "sent"), "sent"),
    ("exotel", ("submitted", "sent", "DELIVERED_TO_HANDSET"), "DELIVERED_TO_HANDSET"),
    ("exotel", ("sending", "submitted", "failed-dnd"), "failed-dnd"),
    ("whatsapp", ("sent", "delivered", "read"), "read"),
    ("whatsapp", ("accepted", "sent", "failed"), "failed"),
    ("whatsapp", ("sent", "unheard_of", "delivered"), "delivered"),
]
ORDERS = [
    pytest.param(provider, order, words, last, id=f"{provider}-{'-'.join(order)}")
    for provider, words, last in WAYS
    for order in permutations(words)
]


@pytest.mark.parametrize(("provider", "order", "words", "last"), ORDERS)
async def test_whatever_the_order_of_reports_only_what_is_later_is_kept_and_told(
    office: Office,
    database: Database,
    provider: str,
    order: tuple[str, ...],
    words: tuple[str, ...],
    last: str,
) -> None:
    job = await office.begun()
    await office.jobs.settle(job, Done(ref="m-1"))

    for _ in range(2):  # all of it once more: providers repeat themselves
        for status in order:
            await office.say(status, provider=provider, reference=job.id)

    told = await office.told()
    assert told[-1] == last
    assert told == sorted(set(told), key=words.index)
    assert told[0] == order[0]
    (row,) = await rows(database)
    assert (row["status"], row["provider"], row["job_id"]) == (last, provider, job.id)
    kept = await office.jobs.get(job.id)
    assert kept is not None
    assert kept.result == {"status": last, "error": None}


async def test_a_report_proves_that_a_message_went_out(office: Office) -> None:
    job = await office.begun()

    assert await office.say("failed", "30003", reference=job.id)

    kept = await office.jobs.get(job.id)
    assert kept is not None
    assert (kept.state, kept.ref) == (JobState.DONE, "m-1")
    assert kept.result == {"status": "failed", "error": "30003"}
    assert await office.told() == ["failed"]


async def test_a_late_report_still_proves_what_an_earlier_one_could_not(office: Office) -> None:
    assert await office.say("sent")
    job = await office.begun()

    assert not await office.say("queued", reference=job.id)

    kept = await office.jobs.get(job.id)
    assert kept is not None
    assert kept.state is JobState.DONE


async def test_after_a_restart_and_in_another_process_the_order_still_holds(
    office: Office, other: Office
) -> None:
    job = await office.begun()
    await office.jobs.settle(job, Done(ref="m-1"))
    assert await office.say("delivered", reference=job.id)

    late = [await other.say(status, reference=job.id) for status in ("queued", "sent", "delivered")]

    assert late == [False, False, False]
    assert await other.told() == ["delivered"]


async def test_two_processes_that_hear_the_same_at_once_tell_it_once(
    office: Office, other: Office, database: Database
) -> None:
    job = await office.begun()
    await office.jobs.settle(job, Done(ref="m-1"))

    news = await asyncio.gather(
        *(one.say(status, reference=job.id)
          for status in ("sent", "delivered") for one in (office, other) for _ in range(3))
    )  # fmt: skip

    told = await office.told()
    (row,) = await rows(database)
    assert row["status"] == "delivered"
    assert "delivered" in told
    assert sum(news) == len(told) == len(set(told))


async def test_somebody_elses_message_is_told_to_nobody(office: Office) -> None:
    await office.begun()

    await office.say("delivered", reference="job_99", message_id="theirs")
    await office.say("read", message_id="theirs")

    assert await office.told() == []


async def test_a_report_on_a_message_that_was_refused_proves_nothing(office: Office) -> None:
    job = await office.begun()
    await office.jobs.settle(job, Dead("no credit"))

    await office.say("sent", reference=job.id)

    kept = await office.jobs.get(job.id)
    assert kept is not None
    assert kept.state is JobState.DEAD
    assert await office.told() == []


async def test_an_older_message_of_a_job_that_was_tried_again_does_not_speak_for_it(
    office: Office,
) -> None:
    job = await office.begun()
    await office.jobs.settle(job, Done(ref="m-2"))
    await office.say("delivered", reference=job.id, message_id="m-2")

    await office.say("failed", reference=job.id, message_id="m-1")

    kept = await office.jobs.get(job.id)
    assert kept is not None
    assert (kept.result or {})["status"] == "delivered"
    assert await office.told() == ["delivered", "failed"]


async def test_the_address_of_the_calls_own_events_is_given_to_who_tells(
    office: Office, database: Database
) -> None:
    async with database.write() as connection:
        await connection.execute(insert(calls), [call_row(id="c-1", webhook_url=OWN)])
    job = await office.begun()

    await office.say("sent", reference=job.id)

    (told,) = await office.jobs.page(kind=TELL)
    assert told.payload["url"] == OWN


async def test_words_of_any_length_are_kept_short(office: Office, database: Database) -> None:
    job = await office.begun()

    await office.say("s" * 999, "e" * 999, reference=job.id, message_id="m" * 999)

    (row,) = await rows(database)
    assert (len(row["status"]), len(row["error"]), len(row["message_id"])) == (60, 60, 255)


# ---- the template instead of a text -------------------------------------------------------------


async def whatsapp(office: Office) -> Job:
    return await office.begun(SEND_WHATSAPP, to=PHONE, text="Hi", template=TEMPLATE)


async def refuse(office: Office, job: Job, code: str = "131047", reference: str = "") -> bool:
    return await office.say("failed", code, provider="whatsapp", reference=reference)


WHEN = ["answered and settled", "answered", "before the answer", "before it, and unnamed"]


@pytest.mark.parametrize("when", WHEN)
async def test_a_refused_text_is_replaced_once_whenever_it_is_refused_and_wherever_heard(
    office: Office, other: Office, when: str
) -> None:
    """The words are forgotten once they are sent, the process may be another one by then."""
    job = await whatsapp(office)
    reference = "" if "unnamed" in when else job.id
    if when.startswith("answered"):
        await office.took(job)
    if when == "answered and settled":
        await office.jobs.settle(job, Done(ref="m-1"))

    heard = await asyncio.gather(
        *(refuse(one, job, reference=reference) for one in (office, other, other))
    )
    if when.startswith("before"):
        await office.took(job)
    await office.jobs.settle(job, Done(ref="m-1"))
    for one in (office, other):
        await refuse(one, job, reference=job.id)
        await one.took(job)

    (template,) = await office.templates()
    assert sum(heard) == 1
    assert template.payload["template"] == TEMPLATE
    assert (template.payload["to"], template.payload["text"]) == (PHONE, "")
    assert (template.call_id, template.phone) == ("c-1", PHONE)
    assert template.payload["instead_of"] == {"message_id": "m-1", "error": "131047"}
    assert await office.told() == [], "the text has not failed: the template stands in for it"
    kept = await office.jobs.get(job.id)
    assert kept is not None
    assert kept.result == {"status": REPLACED, "error": "131047"}


ENDINGS = [("delivered", "", 0), ("read", "", 0), ("failed", "131026", 0), ("sent", "", 1)]


@pytest.mark.parametrize(("status", "code", "left"), ENDINGS)
async def test_a_template_is_kept_only_as_long_as_it_can_be_needed(
    office: Office, database: Database, status: str, code: str, left: int
) -> None:
    job = await whatsapp(office)
    await office.took(job)

    await office.say(status, code, provider="whatsapp", reference=job.id)

    (row,) = await rows(database)
    assert (row["fallback"] is not None) is bool(left)
    assert await office.templates() == []
    assert await office.told() == [status]


async def test_what_failed_early_for_another_reason_stays_failed(office: Office) -> None:
    job = await whatsapp(office)

    await refuse(office, job, "131026")
    await office.took(job)

    assert await office.templates() == []
    assert await office.told() == ["failed"]


@pytest.mark.parametrize("early", ["sent", "delivered"])
async def test_what_was_reported_before_its_job_was_known_is_told_when_it_is(
    office: Office, early: str
) -> None:
    job = await whatsapp(office)
    await office.say(early, provider="whatsapp")
    assert await office.told() == []

    await office.took(job)
    await office.took(job)

    assert await office.told() == [early]
    kept = await office.jobs.get(job.id)
    assert kept is not None
    assert (kept.state, kept.ref) == (JobState.DONE, "m-1")
    assert kept.result == {"status": early, "error": None}


async def test_metas_own_acceptance_is_no_news(office: Office) -> None:
    job = await whatsapp(office)
    await office.took(job)

    assert not await office.say("accepted", provider="whatsapp", reference=job.id)


async def test_a_message_that_no_job_sent_is_kept_and_told_to_nobody(office: Office) -> None:
    await office.messages.sent(SentMessage("whatsapp", "m-1", "", PHONE))

    assert await office.say("delivered", provider="whatsapp")
    assert await office.told() == []


# ---- forgetting ---------------------------------------------------------------------------------


async def test_old_rows_and_old_templates_are_forgotten(
    office: Office, database: Database, clock: Clock
) -> None:
    await office.messages.sent(SentMessage("whatsapp", "old", "", PHONE, TEMPLATE))
    clock.move(100)
    await office.messages.sent(SentMessage("whatsapp", "young", "", PHONE, TEMPLATE))
    clock.move(100)
    await office.messages.sent(SentMessage("whatsapp", "new", "", PHONE, TEMPLATE))

    assert await office.messages.forget_old(at(50), at(150)) == 1

    left = {row["message_id"]: row["fallback"] for row in await rows(database)}
    assert left == {"young": None, "new": TEMPLATE}
