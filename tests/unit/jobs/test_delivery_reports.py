"""Reports of providers on messages: they prove, they are kept, and others are told once."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from fwai.domain.call import CallId, CallState
from fwai.domain.job import EVENT, Dead, Done, Job, JobState, NewJob
from fwai.domain.record import CallRecord
from fwai.jobs.delivery_reports import MAX_WORD, DeliveryReports
from fwai.jobs.events import Events
from unit.jobs.kit import PHONE, T0, MemoryJobs
from unit.store.kit import Clock, a_call

OWN = "https://n8n.example.com/call"


class Sent(MemoryJobs):
    """Also adds to results."""

    async def note_result(self, ref: str, facts: Mapping[str, Any]) -> Job | None:
        self._fail()
        for job in self.rows.values():
            if ref and job.ref == ref:
                self.rows[job.id] = replace(job, result={**(job.result or {}), **facts})
                return self.rows[job.id]
        return None

    async def rename_ref(self, job_id: str, ref: str) -> bool:
        job = self.rows.get(job_id)
        if job is None or job.state is not JobState.DONE or job.ref in ("", ref):
            return False
        if (job.result or {}).get("replaced") == ref:
            return False
        result = {**(job.result or {}), "replaced": job.ref}
        self.rows[job_id] = replace(job, ref=ref, result=result)
        return True


class Archive:
    """Knows one call, which has an address of its own."""

    async def get(self, call_id: CallId) -> CallRecord | None:
        if call_id != "c-1":
            return None
        call = replace(a_call("c-1"), webhook_url=OWN)
        return CallRecord(
            call, CallState.COMPLETED, None, T0, T0, T0, T0, T0, {}, (), 1.0, 1.0, None, None, "a"
        )


class Desk:
    def __init__(self) -> None:
        clock = Clock()
        clock.now = T0
        self.sent = Sent(clock)
        events = Events("https://n8n.example.com", None, None)  # type: ignore[arg-type]
        self.reports = DeliveryReports(self.sent, events, clock)
        self.telling_calls = DeliveryReports(self.sent, events, clock, Archive())

    async def message(self, *, settled: bool = True) -> Job:
        await self.sent.enqueue(NewJob("send_sms", "send_sms:1", call_id="c-1", phone=PHONE))
        (job,) = await self.sent.lease(1, ["send_sms"])
        assert await self.sent.begin(job)
        if settled:
            await self.sent.settle(job, Done(ref="m-1"))
        return job

    def events(self) -> list[Job]:
        return [job for job in self.sent.rows.values() if job.kind == EVENT]


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_a_report_is_kept_with_its_message_and_told(desk: Desk) -> None:
    job = await desk.message()

    await desk.reports.reported("plivo", "m-1", "delivered", reference=job.id)

    assert desk.sent.rows[job.id].result == {"status": "delivered", "error": None}
    (event,) = desk.events()
    assert event.payload["body"]["type"] == "message.status"
    assert event.payload["body"]["data"] == {
        "message_id": "m-1",
        "provider": "plivo",
        "channel": "sms",
        "to": PHONE,
        "call_id": "c-1",
        "status": "delivered",
        "error": None,
    }
    assert (event.call_id, event.phone) == ("c-1", PHONE)


async def test_the_same_report_twice_is_told_once_and_another_one_too(desk: Desk) -> None:
    await desk.message()

    for status in ("sent", "sent", "delivered"):
        await desk.reports.reported("plivo", "m-1", status)

    assert [event.payload["body"]["data"]["status"] for event in desk.events()] == [
        "sent",
        "delivered",
    ]


async def test_a_report_proves_a_message_of_which_we_know_nothing(desk: Desk) -> None:
    job = await desk.message(settled=False)

    await desk.reports.reported("plivo", "m-9", "failed", reference=job.id, error="30003")

    kept = desk.sent.rows[job.id]
    assert (kept.state.value, kept.ref) == ("done", "m-9")
    assert kept.result == {"status": "failed", "error": "30003"}


async def test_what_became_of_the_template_that_replaced_a_text_is_kept_and_told(
    desk: Desk,
) -> None:
    job = await desk.message()
    await desk.reports.reported("whatsapp", "m-1", "sent", reference=job.id)

    for status in ("sent", "delivered"):
        await desk.reports.reported("whatsapp", "m-2", status, reference=job.id)

    kept = desk.sent.rows[job.id]
    assert kept.ref == "m-2"
    assert kept.result == {"status": "delivered", "error": None, "replaced": "m-1"}
    told = [event.payload["body"]["data"] for event in desk.events()]
    assert [(one["message_id"], one["status"]) for one in told] == [
        ("m-1", "sent"),
        ("m-2", "sent"),
        ("m-2", "delivered"),
    ]


async def test_late_news_of_the_text_that_was_replaced_changes_nothing(desk: Desk) -> None:
    job = await desk.message()
    await desk.reports.reported("whatsapp", "m-2", "delivered", reference=job.id)

    await desk.reports.reported("whatsapp", "m-1", "failed", reference=job.id, error="131047")

    kept = desk.sent.rows[job.id]
    assert (kept.ref, (kept.result or {})["status"]) == ("m-2", "delivered")
    assert len(desk.events()) == 1


async def test_a_report_on_a_message_that_was_refused_proves_nothing(desk: Desk) -> None:
    job = await desk.message(settled=False)
    await desk.sent.settle(job, Dead("no credit"))

    await desk.reports.reported("whatsapp", "m-2", "sent", reference=job.id)

    assert desk.sent.rows[job.id].state is JobState.DEAD
    assert desk.events() == []


async def test_the_calls_own_address_hears_of_its_messages_too(desk: Desk) -> None:
    await desk.message()

    await desk.telling_calls.reported("plivo", "m-1", "delivered")

    assert [event.payload["url"] for event in desk.events()] == ["", OWN]


async def test_of_a_call_that_was_erased_the_operator_hears(desk: Desk) -> None:
    job = await desk.message()
    desk.sent.rows[job.id] = replace(job, ref="m-1", call_id="c-9")

    await desk.telling_calls.reported("plivo", "m-1", "delivered")

    assert [event.payload["url"] for event in desk.events()] == [""]


async def test_a_report_on_somebody_elses_message_changes_nothing(desk: Desk) -> None:
    job = await desk.message()

    await desk.reports.reported("plivo", "theirs", "delivered", reference="job_99")
    await desk.reports.reported("plivo", "", "delivered", reference=job.id)

    assert desk.sent.rows[job.id].result == {}
    assert desk.sent.rows[job.id].ref == "m-1"
    assert desk.events() == []


async def test_words_of_any_length_are_bounded(desk: Desk) -> None:
    await desk.message()

    await desk.reports.reported("plivo", "m-1", "s" * 5000, error="e" * 5000)

    (event,) = desk.events()
    assert len(event.payload["body"]["data"]["status"]) == MAX_WORD
    assert len(event.key) <= 160


async def test_a_sick_database_is_logged_and_the_provider_need_not_repeat_it(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    await desk.message()
    desk.sent.sick = 1

    await desk.reports.reported("plivo", "m-1", "delivered")

    logged = capsys.readouterr().out
    assert "message_report_not_kept" in logged
    assert PHONE not in logged
