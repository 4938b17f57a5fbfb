"""Calls and messages through `PlivoLine`, carried out and told of by the simulated Plivo."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI

from fwai.adapters.plivo.client import PlivoClient
from fwai.adapters.plivo.line import PlivoLine
from fwai.adapters.plivo.routes import PlivoWebhooks, router
from fwai.domain.call import CallState
from fwai.errors import ApiError, ApiUnknownError, BusyError
from fwai.simulator.common.caller import AwaitHangUp, HangUp, Step, Wait
from fwai.simulator.common.fate import Fate, MessageFate, Outcome, Refusal
from fwai.simulator.common.voice import standard_repertoire
from fwai.simulator.plivo.api import PlivoApi
from gaps import assert_satisfied
from unit.adapters.handler_kit import OURS, FakeReports, PlacedCalls, an_order
from unit.adapters.media_server import listening

AUTH_ID, AUTH_TOKEN = "MAXXXXXXXXXXXXXXXXXX", "a-secret-token"
LINE, TO, HUMAN = "+918888800000", "+919999900001", "+919999900009"
TALK: list[Step] = [Wait(200), HangUp()]


@dataclass
class House:
    """Plivo, our line, and what the server is told."""

    api: PlivoApi
    line: PlivoLine
    calls: PlacedCalls
    reports: FakeReports

    async def place(self, fate: Fate, **order: object) -> str:
        self.api.fate(TO, fate)
        return await self.calls.place(self.line, an_order(TO, **order))


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    calls, reports, app = PlacedCalls(), FakeReports(), FastAPI()
    clips = {"clips": standard_repertoire()}
    async with (
        listening(app) as (port, _),
        PlivoApi(AUTH_ID, AUTH_TOKEN, phone_options=clips, clock_scale=100) as api,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        url = f"http://127.0.0.1:{port}"
        line = PlivoLine(PlivoClient(http, AUTH_ID, AUTH_TOKEN, LINE, api.url), LINE, url)
        hooks = PlivoWebhooks(url, AUTH_ID, (AUTH_TOKEN,), line=LINE, human=HUMAN)
        app.include_router(router(hooks, calls, line, reports))
        yield House(api, line, calls, reports)
        calls.leave.set()


async def test_a_call_that_is_answered_is_carried_to_its_end() -> None:
    async with house() as plivo:
        request_id = await plivo.place(Fate(script=TALK))
        state = await plivo.calls.until_over()
        report = await plivo.api.report(request_id)

    assert_satisfied(report)
    assert state is CallState.COMPLETED
    assert plivo.calls.news == ["ringing", "offered", "carried", "completed"]
    assert {offer.call_id for offer in plivo.calls.offers} == {OURS}
    assert (plivo.calls.offers[0].caller, plivo.calls.offers[0].line) == (TO, LINE)
    assert plivo.calls.rang == [(OURS, request_id)]
    assert plivo.calls.ended_for == [OURS]


UNANSWERED: list[tuple[Outcome, CallState, list[str]]] = [
    ("busy", CallState.BUSY, ["ringing", "busy"]),
    ("no_answer", CallState.NO_ANSWER, ["ringing", "no_answer"]),
    ("rejected", CallState.REJECTED, ["ringing", "rejected"]),
    ("failed", CallState.FAILED, ["failed"]),
    ("canceled", CallState.CANCELED, ["ringing", "canceled"]),
]


@pytest.mark.parametrize(("outcome", "state", "news"), UNANSWERED)
async def test_a_call_that_nobody_takes_comes_out_as_what_it_was(
    outcome: Outcome, state: CallState, news: list[str]
) -> None:
    async with house() as plivo:
        await plivo.place(Fate(outcome=outcome), ring_s=30)
        assert await plivo.calls.until_over() is state

    assert plivo.calls.news == news
    assert plivo.calls.ended_for == [OURS]


async def test_a_machine_is_told_of_and_hung_up_on() -> None:
    async with house() as plivo:
        await plivo.place(Fate(outcome="machine", machine_after_s=0.1), detect_machine=True)
        await plivo.calls.until_over()

    assert plivo.calls.news[:4] == ["ringing", "offered", "carried", "machine"]
    assert plivo.calls.machines == [("plivo", plivo.calls.provider_call_id)]


async def test_nobody_listens_for_a_machine_unasked() -> None:
    async with house() as plivo:
        await plivo.place(Fate(outcome="machine", script=TALK, machine_after_s=0.05))
        await plivo.calls.until_over()

    assert plivo.calls.machines == []


async def test_a_call_that_rings_is_taken_back() -> None:
    async with house() as plivo:
        request_id = await plivo.place(Fate(outcome="no_answer", ring_s=20.0))
        await plivo.line.hang_up(request_id)
        await plivo.line.hang_up(request_id)
        await plivo.calls.until_over()

    assert "carried" not in plivo.calls.news
    assert plivo.calls.ended_for == [OURS]


async def test_a_call_that_waits_at_plivo_is_taken_back() -> None:
    async with house() as plivo:
        request_id = await plivo.place(Fate(outcome="queued"))
        await plivo.line.hang_up(request_id)
        report = await plivo.api.report(request_id, 5)

    assert report.ended_by == "canceled"


REFUSED: list[tuple[Refusal, type[Exception], bool]] = [
    ("too_many_calls", BusyError, False),
    ("too_many_requests", ApiError, True),
    ("no_credit", ApiError, False),
    ("bad_number", ApiError, False),
    ("unauthorized", ApiError, False),
]


@pytest.mark.parametrize(("refused", "kind", "retryable"), REFUSED)
async def test_what_plivo_refuses_is_an_error_and_no_call(
    refused: Refusal, kind: type[Exception], *, retryable: bool
) -> None:
    async with house() as plivo:
        with pytest.raises(kind) as failed:
            await plivo.place(Fate(refused=refused))
        assert not plivo.api.calls

    assert not isinstance(failed.value, ApiUnknownError)
    assert getattr(failed.value, "retryable", False) is retryable
    assert plivo.calls.news == []


async def test_news_of_a_call_whose_answer_was_lost_find_it_all_the_same() -> None:
    async with house() as plivo:
        with pytest.raises(ApiUnknownError):
            await plivo.place(Fate(script=TALK, lost="error"))
        assert await plivo.calls.until_over() is CallState.COMPLETED

    assert len(plivo.api.calls) == 1
    assert plivo.calls.news == ["ringing", "offered", "carried", "completed"]
    assert plivo.calls.ended_for == [OURS]


async def test_a_call_is_handed_to_the_human_when_its_stream_ends() -> None:
    async with house() as plivo:
        request_id = await plivo.place(Fate(script=[AwaitHangUp(10)]))
        await plivo.calls.carried.wait()
        await plivo.line.transfer(request_id)
        plivo.calls.leave.set()
        report = await plivo.api.report(request_id, 10)
        await plivo.calls.until_over()

    assert (report.ended_by, report.dialled) == ("handed_over", [HUMAN.lstrip("+")])
    assert_satisfied(report)


MESSAGES: list[tuple[MessageFate, list[tuple[str, str]]]] = [
    (MessageFate(statuses=["queued", "sent", "delivered"]), [("delivered", "")]),
    (MessageFate(statuses=["sent", "undelivered"], error_code="450"), [("undelivered", "450")]),
]


@pytest.mark.parametrize(("fate", "last"), MESSAGES)
async def test_reports_on_a_message_name_its_job(
    fate: MessageFate, last: list[tuple[str, str]]
) -> None:
    async with house() as plivo:
        plivo.api.message_fate(TO, fate)
        message_id = await plivo.line.send_sms(TO, "Hello", "job-7")
        sent = await plivo.api.delivered(message_id)

    assert [one.status for one in sent.reports] == [200] * len(fate.statuses or ())
    assert {one[:2] + one[3:4] for one in plivo.reports.heard} == {("plivo", message_id, "job-7")}
    assert [(one[2], one[4]) for one in plivo.reports.heard][-1:] == last
