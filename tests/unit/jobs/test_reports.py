"""Reports of providers on messages: they prove, they are kept, and others are told once."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from fwai.domain.job import Done, Job, NewJob
from fwai.jobs.events import EVENT, Events
from fwai.jobs.reports import MOST_WORD, Reports
from unit.jobs.kit import PHONE, T0, MemoryJobs
from unit.store.kit import Clock


class Sent(MemoryJobs):
    """Also adds to results."""

    async def note_result(self, ref: str, facts: Mapping[str, Any]) -> Job | None:
        self._fail()
        for job in self.rows.values():
            if ref and job.ref == ref:
                self.rows[job.id] = replace(job, result={**(job.result or {}), **facts})
                return self.rows[job.id]
        return None


class Desk:
    def __init__(self) -> None:
        clock = Clock()
        clock.now = T0
        self.sent = Sent(clock)
        self.reports = Reports(self.sent, Events("https://n8n.example.com", None, None), clock)  # type: ignore[arg-type]

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


async def test_a_report_on_somebody_elses_message_changes_nothing(desk: Desk) -> None:
    job = await desk.message()

    await desk.reports.reported("plivo", "theirs", "delivered", reference="job_99")
    await desk.reports.reported("plivo", "", "delivered", reference=job.id)

    assert desk.sent.rows[job.id].result == {}
    assert desk.events() == []


async def test_words_of_any_length_are_bounded(desk: Desk) -> None:
    await desk.message()

    await desk.reports.reported("plivo", "m-1", "s" * 5000, error="e" * 5000)

    (event,) = desk.events()
    assert len(event.payload["body"]["data"]["status"]) == MOST_WORD
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
