"""Calls and messages through `ExotelLine`, carried out and told of by the simulated Exotel."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import httpx
import pytest
from fastapi import FastAPI

from fwai.adapters.exotel.client import ExotelClient
from fwai.adapters.exotel.line import ExotelLine
from fwai.adapters.exotel.routes import ExotelWebhooks, router
from fwai.domain.call import CallState
from fwai.errors import ApiError, ApiUnknownError
from fwai.simulator.common.caller import AwaitHangUp, HangUp, Step, Wait
from fwai.simulator.common.fate import Fate, MessageFate, Outcome, Refusal
from fwai.simulator.common.voice import standard_repertoire
from fwai.simulator.exotel.api import ExotelApi
from fwai.simulator.exotel.applets import ContentType
from fwai.simulator.exotel.phone import ExotelPhone
from gaps import assert_satisfied
from unit.adapters.handler_kit import OURS, TOKEN, FakeReports, PlacedCalls, an_order
from unit.adapters.media_server import listening

SID, SECRET = "acme1", "path-s3cret"
LINE, TO = "08047100000", "+919999900001"
TALK: list[Step] = [Wait(200), HangUp()]


@dataclass
class House:
    """Exotel, our line, and what the server is told."""

    api: ExotelApi
    line: ExotelLine
    calls: PlacedCalls
    reports: FakeReports
    base: str

    async def place(self, fate: Fate, **order: object) -> str:
        self.api.fate(TO, fate)
        return await self.calls.place(self.line, an_order(TO, **order))

    def phone(self, **options: object) -> ExotelPhone:
        phone = ExotelPhone(
            url=f"{self.base}/voicebot",
            account_id=SID,
            from_number=TO,
            to_number=LINE,
            clips=standard_repertoire(),
            exchange=self.api,
        )
        return replace(phone, **options)  # type: ignore[arg-type]


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    calls, reports, app = PlacedCalls(), FakeReports(), FastAPI()
    async with (
        listening(app) as (port, _),
        ExotelApi(SID, "key", "token", clock_scale=100) as api,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        url = f"http://127.0.0.1:{port}"
        hooks = ExotelWebhooks(url, SID, LINE, SECRET, basic=("user", "password"))
        client = ExotelClient(http, SID, "key", "token", LINE, api.url)
        line = ExotelLine(client, LINE, url, SECRET, hooks.stream_url)
        app.include_router(router(hooks, calls, client, line, reports))
        yield House(api, line, calls, reports, f"{url}/exotel/{SECRET}")
        calls.leave.set()


@pytest.mark.parametrize("status_as", ["multipart", "form", "json"])
async def test_a_call_that_is_answered_is_carried_to_its_end(status_as: ContentType) -> None:
    async with house() as exotel:
        exotel.api.template = exotel.phone(status_as=status_as)
        sid = await exotel.place(Fate(script=TALK))
        state = await exotel.calls.until_over()
        report = await exotel.api.report(sid)

    assert_satisfied(report)
    assert state is CallState.COMPLETED
    assert exotel.calls.news == ["ringing", "carried", "completed"]
    assert exotel.calls.rang == [(OURS, sid)]
    assert exotel.calls.ended_for == [OURS]


UNANSWERED: list[tuple[Outcome, CallState, list[str]]] = [
    ("busy", CallState.BUSY, ["ringing", "busy"]),
    ("no_answer", CallState.NO_ANSWER, ["ringing", "no_answer"]),
    ("rejected", CallState.BUSY, ["ringing", "busy"]),  # Exotel has no word of its own for it
    ("failed", CallState.FAILED, ["failed"]),
    ("canceled", CallState.CANCELED, ["ringing", "canceled"]),
]


@pytest.mark.parametrize(("outcome", "state", "news"), UNANSWERED)
async def test_a_call_that_nobody_takes_comes_out_as_what_it_was(
    outcome: Outcome, state: CallState, news: list[str]
) -> None:
    async with house() as exotel:
        await exotel.place(Fate(outcome=outcome), ring_s=30)
        assert await exotel.calls.until_over() is state

    assert exotel.calls.news == news
    assert exotel.calls.ended_for == [OURS]


async def test_a_machine_is_a_caller_like_any_other() -> None:
    async with house() as exotel:
        await exotel.place(Fate(outcome="machine", script=TALK), detect_machine=True)
        await exotel.calls.until_over()

    assert exotel.calls.machines == []
    assert exotel.calls.news[-2:] == ["carried", "completed"]


async def test_a_call_that_was_given_up_while_it_rang_gets_no_stream() -> None:
    """Exotel cannot be told; whoever picks up hears nothing, and the call is over."""
    async with house() as exotel:
        sid = await exotel.place(Fate(script=[AwaitHangUp(10)]))
        exotel.calls.tokens.clear()  # as the manager revokes them
        await exotel.line.hang_up(sid)
        await exotel.api.report(sid, 15)

    assert "carried" not in exotel.calls.news


REFUSED: list[tuple[Refusal, bool]] = [
    ("too_many_requests", True),
    ("no_credit", False),
    ("bad_number", False),
    ("unauthorized", False),
]


@pytest.mark.parametrize(("refused", "retryable"), REFUSED)
async def test_what_exotel_refuses_is_an_error_and_no_call(
    refused: Refusal, *, retryable: bool
) -> None:
    async with house() as exotel:
        with pytest.raises(ApiError) as failed:
            await exotel.place(Fate(refused=refused))
        assert not exotel.api.calls

    assert not isinstance(failed.value, ApiUnknownError)
    assert failed.value.retryable is retryable


async def test_news_of_a_call_whose_answer_was_lost_find_it_all_the_same() -> None:
    async with house() as exotel:
        with pytest.raises(ApiUnknownError):
            await exotel.place(Fate(script=TALK, lost="error"))
        assert await exotel.calls.until_over() is CallState.COMPLETED

    assert len(exotel.api.calls) == 1
    assert exotel.calls.news == ["ringing", "carried", "completed"]
    assert exotel.calls.ended_for == [OURS]


async def test_a_caller_is_handed_to_a_human_by_the_flow() -> None:
    async with house() as exotel:
        exotel.calls.tokens.add(TOKEN)
        exotel.calls.stays = False
        phone = exotel.phone(passthru_url=f"{exotel.base}/passthru")
        await exotel.line.transfer(phone.call_sid)
        report = await phone.call([AwaitHangUp(10)])

    assert report.ended_by == "handed_over"


MESSAGES: list[tuple[MessageFate, tuple[str, str]]] = [
    (MessageFate(), ("DELIVERED_TO_HANDSET", "")),
    (MessageFate(statuses=["sending", "failed"], error_code="21010"), ("FAILED", "21010")),
]


@pytest.mark.parametrize(("fate", "last"), MESSAGES)
async def test_reports_on_a_message_name_its_job(fate: MessageFate, last: tuple[str, str]) -> None:
    async with house() as exotel:
        exotel.api.message_fate(TO, fate)
        message_id = await exotel.line.send_sms(TO, "Hello", "job-7")
        sent = await exotel.api.delivered(message_id)

    assert {one.status for one in sent.reports} == {200}
    provider, heard_of, status, reference, error = exotel.reports.heard[-1]
    assert (provider, heard_of, reference) == ("exotel", message_id, "job-7")
    assert (status, error) == last
