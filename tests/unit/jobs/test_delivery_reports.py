"""Reports of providers on messages: each is kept, however long the database takes, and told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from fwai.domain.delivery import MAX_WORD, MessageReport
from fwai.domain.job import ASK_CALL_PERMISSION, REPLACE_WHATSAPP, SEND_SMS, JobState
from fwai.errors import StoreError
from fwai.jobs.delivery_reports import (
    ANSWER_S,
    GIVE_UP_S,
    MAX_WAITING,
    DeliveryReports,
    refused_template_events,
    status_events,
)
from fwai.jobs.events import Events
from unit.jobs.kit import PHONE, a_job
from virtual_time import run as virtual

OWN = "https://n8n.example.com/call"
EVENTS = Events("https://n8n.example.com", None, None)  # type: ignore[arg-type]
HANGS = 10**6


class Book:
    """Keeps reports; ``sick`` of the next tries fail, and each takes ``slow_s``."""

    def __init__(self) -> None:
        self.kept: list[MessageReport] = []
        self.tries = 0
        self.sick = 0
        self.slow_s = 0.0
        self.poison = ""

    async def report(self, report: MessageReport) -> bool:
        self.tries += 1
        await asyncio.sleep(self.slow_s)
        if self.poison and report.status == self.poison:
            raise ValueError("never")
        if self.sick:
            self.sick -= 1
            raise StoreError("database: server away")
        self.kept.append(report)
        return True


@asynccontextmanager
async def desk(book: Book) -> AsyncIterator[DeliveryReports]:
    async with asyncio.TaskGroup() as group:
        reports = DeliveryReports(book)
        group.create_task(reports.run())
        try:
            yield reports
        finally:
            reports.stop()


def test_a_report_is_kept_before_its_provider_is_answered() -> None:
    async def story() -> None:
        book = Book()
        async with desk(book) as reports:
            await reports.reported("plivo", "m-1", "sent", reference="job_1", error="7")
            assert book.kept == [MessageReport("plivo", "m-1", "sent", "job_1", "7")]
            assert reports.lost == 0

    virtual(story())


def test_words_of_any_length_are_bounded_and_what_names_no_message_is_left_out() -> None:
    async def story() -> None:
        book = Book()
        async with desk(book) as reports:
            await reports.reported("plivo", "m-1", "s" * 5000, error="e" * 5000)
            await reports.reported("plivo", "", "sent")
            await reports.reported("plivo", "m-1", "")
        (kept,) = book.kept
        assert (len(kept.status), len(kept.error)) == (MAX_WORD, MAX_WORD)

    virtual(story())


@pytest.mark.parametrize(("sick", "slow_s"), [(4, 0.0), (40, 0.0), (0, 30.0)])
def test_a_database_that_is_away_or_hangs_delays_an_answer_briefly_and_loses_nothing(
    sick: int, slow_s: float
) -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        book = Book()
        book.sick, book.slow_s = sick, slow_s
        async with desk(book) as reports:
            began = loop.time()
            with pytest.raises(StoreError):
                await reports.reported("plivo", "m-1", "delivered")
            assert loop.time() - began <= ANSWER_S
            await asyncio.sleep(600)
            assert [one.status for one in book.kept] == ["delivered"]
            await reports.reported("plivo", "m-2", "sent") if not slow_s else None
        assert reports.lost == 0

    virtual(story())


def test_tries_grow_rarer_while_the_database_is_away() -> None:
    async def story() -> None:
        book = Book()
        book.sick = HANGS
        async with desk(book) as reports:
            with pytest.raises(StoreError):
                await reports.reported("plivo", "m-1", "delivered")
            await asyncio.sleep(100)
            assert 8 <= book.tries <= 20
            book.sick = 0

    virtual(story())


def test_a_report_that_nothing_can_write_is_given_up_in_words_and_holds_up_no_other() -> None:
    async def story() -> None:
        book = Book()
        book.poison = "odd"
        async with desk(book) as reports:
            with capture_logs() as logs:
                await reports.reported("plivo", "m-1", "odd")
            await reports.reported("plivo", "m-2", "sent")
            book.sick = HANGS
            with pytest.raises(StoreError):
                await reports.reported("plivo", "m-3", "sent")
            await asyncio.sleep(GIVE_UP_S + 60)
            assert reports.lost == 2
        assert [one.message_id for one in book.kept] == ["m-2"]
        assert "message_reports_lost" in [one["event"] for one in logs]
        assert PHONE not in str(logs)

    virtual(story())


def test_only_so_many_wait_and_the_provider_is_told_to_come_again() -> None:
    async def story() -> None:
        book = Book()
        book.sick = HANGS
        async with desk(book) as reports, asyncio.TaskGroup() as group:

            async def refused(number: int) -> None:
                with pytest.raises(StoreError):
                    await reports.reported("plivo", f"m-{number}", "sent")

            for number in range(MAX_WAITING + 5):
                group.create_task(refused(number))
            await asyncio.sleep(ANSWER_S + 1)
            assert reports.lost == 5
            book.sick = 0
            await asyncio.sleep(60)
        assert len(book.kept) == MAX_WAITING

    virtual(story())


@pytest.mark.parametrize(("sick", "kept", "lost"), [(0, 1, 0), (HANGS, 0, 1)])
def test_a_stop_writes_the_rest_or_says_how_much_is_lost(sick: int, kept: int, lost: int) -> None:
    async def story() -> None:
        book = Book()
        book.sick = HANGS
        async with desk(book) as reports:
            with pytest.raises(StoreError):
                await reports.reported("plivo", "m-1", "sent")
            book.sick = sick
        assert (len(book.kept), reports.lost) == (kept, lost)
        with pytest.raises(StoreError):
            await reports.reported("plivo", "m-2", "sent")

    virtual(story())


# ---- what is told -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "channel"),
    [
        (SEND_SMS, "sms"),
        ("send_email", "email"),
        ("send_whatsapp", "whatsapp"),
        (REPLACE_WHATSAPP, "whatsapp"),
        (ASK_CALL_PERMISSION, "whatsapp"),
    ],
)
def test_the_operator_and_the_calls_own_address_hear_how_a_message_fares(
    kind: str, channel: str
) -> None:
    job = a_job(kind, call_id="c-1", phone=PHONE)

    told = status_events(EVENTS)(job, MessageReport("plivo", "m-1", "failed", "", "30003"), OWN)

    assert [one.payload["url"] for one in told] == ["", OWN]
    assert told[0].payload["body"]["type"] == "message.status"
    assert told[0].payload["body"]["data"] == {
        "message_id": "m-1",
        "provider": "plivo",
        "channel": channel,
        "to": PHONE,
        "call_id": "c-1",
        "status": "failed",
        "error": "30003",
    }
    assert (told[0].call_id, told[0].phone) == ("c-1", PHONE)


def test_without_a_call_only_the_operator_hears_and_keys_are_short() -> None:
    (told,) = status_events(EVENTS)(a_job(SEND_SMS), MessageReport("p", "m" * 999, "s" * 60), "")

    assert told.payload["body"]["data"]["to"] is told.payload["body"]["data"]["call_id"] is None
    assert len(told.key) <= 160


def test_a_text_has_failed_only_when_its_template_has_too() -> None:
    instead = {"message_id": "m-1", "error": "131047"}
    job = a_job(REPLACE_WHATSAPP, phone=PHONE)
    job = replace(job, payload={"instead_of": instead, "webhook_url": ""})
    follow = refused_template_events(EVENTS)

    (told,) = follow(job, JobState.DEAD)

    data = told.payload["body"]["data"]
    assert (data["message_id"], data["status"], data["error"]) == ("m-1", "failed", "131047")
    for state in (JobState.DONE, JobState.WAITING, JobState.UNKNOWN):
        assert follow(job, state) == ()
    assert follow(a_job(SEND_SMS), JobState.DEAD) == ()
