"""Calls and messages to a number come out as its script says, in Exotel's words."""

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from contract.simulator.kit import address, every_refusal, listening
from fwai.simulator.common.caller import AwaitHangUp, HangUp, Wait
from fwai.simulator.common.fate import Fate, Loss, MessageFate, Outcome, Refusal
from fwai.simulator.common.rest import Receive, Scope, Send, read_body
from fwai.simulator.exotel.api import ExotelApi
from fwai.simulator.exotel.phone import ExotelPhone

LINE, TO = "08047100000", "+919999900001"
EVENTS = ["ringing", "answered", "terminal"]


@dataclass
class House:
    """A server that hears what Exotel tells it, and closes every stream after a few messages."""

    http: str = ""
    ws: str = ""
    told: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    starts: list[dict[str, Any]] = field(default_factory=list)
    passthru: int = 200
    stays: bool = False

    async def hear(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {key.decode(): value.decode() for key, value in scope["headers"]}
        kind, body = headers.get("content-type", ""), await read_body(receive)
        fields = dict(parse_qsl(scope["query_string"].decode())) | dict(fields_of(kind, body))
        self.told.append((scope["path"], fields))
        status = self.passthru if scope["path"] == "/passthru" else 200
        await send({"type": "http.response.start", "status": status, "headers": []})
        answer = json.dumps({"url": f"{self.ws}/s"}).encode()
        await send({"type": "http.response.body", "body": answer})

    async def talk(self, connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            for _ in range(10_000 if self.stays else 5):
                message = json.loads(await connection.recv())
                if message["event"] == "start":
                    self.starts.append(message["start"])

    def at(self, path: str) -> list[dict[str, str]]:
        return [fields for where, fields in self.told if where == path]


def fields_of(kind: str, body: bytes) -> Iterator[tuple[str, str]]:
    if kind.startswith("application/json"):
        yield from json.loads(body).items()
    elif kind.startswith("multipart/"):
        parts = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
        for part in parts.walk():
            name = part.get_param("name", header="content-disposition")
            if name:
                yield str(name), str(part.get_content()).strip()
    else:
        yield from parse_qsl(body.decode(), keep_blank_values=True)


class World:
    """Exotel, a server that it calls, and a client that asks it to."""

    def __init__(self, api: ExotelApi, house: House, http: httpx.AsyncClient) -> None:
        self.api, self.house, self.http = api, house, http

    async def connect(self, **more: Any) -> httpx.Response:  # noqa: ANN401
        form = {
            "From": TO,
            "CallerId": LINE,
            "StreamUrl": f"{self.house.ws}/s?t=1",
            "StreamType": "bidirectional",
            "StatusCallback": f"{self.house.http}/status",
            "StatusCallbackEvents[]": EVENTS,
            "CustomField": "ours-7",
            **more,
        }
        given = {name: value for name, value in form.items() if value is not None}
        return await self.http.post("Calls/connect.json", data=given)

    async def place(self, **more: Any) -> str:  # noqa: ANN401
        return str((await self.connect(**more)).json()["Call"]["Sid"])

    async def text(self, **more: str) -> httpx.Response:
        form = {"From": LINE, "To": TO, "Body": "Hi", "DltTemplateId": "120", **more}
        form["StatusCallback"] = f"{self.house.http}/sms"
        return await self.http.post("Sms/send.json", data=form)


@asynccontextmanager
async def world(**options: Any) -> AsyncIterator[World]:  # noqa: ANN401
    house = House()
    async with (
        listening(house.hear) as house.http,
        serve(house.talk, "127.0.0.1", 0, compression=None) as streams,
        ExotelApi("acme1", "key", "token", **options) as api,
        httpx.AsyncClient(
            auth=("key", "token"), trust_env=False, base_url=f"{api.url}/v1/Accounts/acme1/"
        ) as http,
    ):
        house.ws = address(streams)
        yield World(api, house, http)


# ---- calls --------------------------------------------------------------------------------------


async def test_an_answered_call_tells_its_events() -> None:
    async with world() as exotel:
        exotel.api.fate(TO, Fate(script=[AwaitHangUp(5)]))
        sid = await exotel.place()
        report = await exotel.api.report(sid, 10)
        details = (await exotel.http.get(f"Calls/{sid}.json")).json()["Call"]

    told = exotel.house.at("/status")
    assert (report.problems, report.ended_by) == ([], "agent")
    assert {(one["EventType"], one["Status"]) for one in told} == {
        ("ringing", "ringing"),
        ("answered", "in-progress"),
        ("terminal", "completed"),
    }
    assert [one.get("CustomField") for one in told] == [None, None, "ours-7"]
    assert {one["CallSid"] for one in told} == {sid} == {exotel.house.starts[0]["call_sid"]}
    assert details["Status"] == "completed"


UNANSWERED: list[tuple[Outcome, str, list[str]]] = [
    ("busy", "busy", ["ringing", "terminal"]),
    ("rejected", "busy", ["ringing", "terminal"]),
    ("failed", "failed", ["terminal"]),
    ("canceled", "canceled", ["ringing", "terminal"]),
    ("no_answer", "no-answer", ["ringing", "terminal"]),
]


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data"])
@pytest.mark.parametrize(("outcome", "status", "events"), UNANSWERED)
async def test_a_call_that_nobody_takes(
    outcome: Outcome, status: str, events: list[str], content_type: str
) -> None:
    async with world(clock_scale=100) as exotel:
        exotel.api.fate(TO, Fate(outcome=outcome))
        sid = await exotel.place(TimeOut="30", StatusCallbackContentType=content_type)
        report = await exotel.api.report(sid, 5)
        details = (await exotel.http.get(f"Calls/{sid}.json")).json()["Call"]

    told = exotel.house.at("/status")
    assert [one["EventType"] for one in told] == events
    assert told[-1]["Status"] == details["Status"] == status
    assert (report.ended_by, report.problems) == ("unanswered", [])
    assert exotel.house.starts == []


async def test_without_events_only_the_end_is_told() -> None:
    async with world() as exotel:
        exotel.api.fate(TO, Fate(outcome="busy"))
        await exotel.api.report(await exotel.place(**{"StatusCallbackEvents[]": None}), 5)

    (told,) = exotel.house.at("/status")
    assert told["Status"] == "busy"
    assert "EventType" not in told


@pytest.mark.parametrize(("passthru", "ended_by"), [(302, "handed_over"), (200, "agent")])
async def test_a_flow_goes_on_where_passthru_says(passthru: int, ended_by: str) -> None:
    async with world() as exotel:
        house = exotel.house
        house.passthru = passthru
        exotel.api.template = ExotelPhone(
            url=f"{house.http}/voicebot",
            passthru_url=f"{house.http}/passthru",
            account_id="acme1",
            from_number="",
            to_number="",
        )
        exotel.api.fate(TO, Fate(script=[AwaitHangUp(5)]))
        report = await exotel.api.report(await exotel.place(StreamUrl=None, Url="http://flow"), 10)

    (asked,) = house.at("/passthru")
    assert (report.problems, report.ended_by) == ([], ended_by)
    assert asked["CustomField"] == house.at("/voicebot")[0]["CustomField"] == "ours-7"
    assert asked["Stream[DisconnectedBy]"] == "bot"


async def test_the_time_limit_ends_a_call() -> None:
    async with world() as exotel:
        exotel.house.stays = True
        exotel.api.fate(TO, Fate(script=[Wait(30_000)]))
        report = await exotel.api.report(await exotel.place(TimeLimit="1"), 10)

    assert report.ended_by == "time_limit"


async def test_on_call_decides_for_numbers_without_a_fate() -> None:
    async with world(on_call=lambda _: Fate(outcome="busy")) as exotel:
        first = await exotel.api.report(await exotel.place(), 5)
        exotel.api.on_call = lambda _: [HangUp()]
        second = await exotel.api.report(await exotel.place(), 5)

    assert (first.ended_by, second.ended_by) == ("unanswered", "caller")


async def test_a_queued_call_waits() -> None:
    async with world() as exotel:
        exotel.api.fate(TO, Fate(outcome="queued"))
        sid = await exotel.place()
        with pytest.raises(TimeoutError):
            await exotel.api.report(sid, 0.05)
        status = exotel.api.known[sid]

    assert status == "in-progress"
    assert exotel.house.told == []


# ---- the request itself -------------------------------------------------------------------------


@every_refusal
async def test_a_request_is_refused_once(refusal: Refusal, status: int) -> None:
    async with world() as exotel:
        exotel.api.fate(TO, Fate(refused=refusal), Fate(outcome="queued"))
        exotel.api.message_fate(TO, MessageFate(refused=refusal), MessageFate())
        answers = [await exotel.connect(), await exotel.connect()]
        answers += [await exotel.text(), await exotel.text()]

    assert [answer.status_code for answer in answers] == [status, 200, status, 200]
    assert answers[0].json()["RestException"]["Status"] == status
    assert (len(exotel.api.calls), len(exotel.api.messages)) == (1, 1)


@pytest.mark.parametrize("loss", ["error", "hang"])
async def test_an_answer_is_lost_but_the_call_is_placed(loss: Loss) -> None:
    async with world() as exotel:
        exotel.http.timeout = httpx.Timeout(0.3)
        exotel.api.fate(TO, Fate(lost=loss, script=[AwaitHangUp(5)]))
        try:
            answer = await exotel.connect()
        except httpx.ReadTimeout:
            assert loss == "hang"
        else:
            assert (loss, answer.status_code) == ("error", 500)
        (placed,) = exotel.api.calls
        report = await exotel.api.report(placed.sid, 10)

    assert report.ended_by == "agent"


@pytest.mark.parametrize("wrong", [{"CustomField": "x" * 129}, {"TimeLimit": "14401"}])
async def test_a_parameter_that_cannot_be_is_refused(wrong: dict[str, str]) -> None:
    async with world() as exotel:
        assert (await exotel.connect(**wrong)).status_code == 400


# ---- messages -----------------------------------------------------------------------------------


async def test_delivery_is_reported() -> None:
    async with world() as exotel:
        answer = await exotel.text(CustomField="ours-8")
        sent = await exotel.api.delivered(answer.json()["SMSMessage"]["Sid"])

    (report,) = exotel.house.at("/sms")
    assert (report["SmsSid"], report["To"], report["Status"]) == (sent.sid, TO, "sent")
    assert (report["DetailedStatus"], report["CustomField"]) == ("DELIVERED_TO_HANDSET", "ours-8")
    assert sent.form["DltTemplateId"] == ["120"]
    assert sent.reports[0].status == 200


async def test_a_message_that_does_not_arrive() -> None:
    async with world() as exotel:
        lost = MessageFate(statuses=("submitted", "failed_dnd"), error_code="21")
        exotel.api.message_fate(TO, lost)
        await exotel.api.delivered((await exotel.text()).json()["SMSMessage"]["Sid"])
        with pytest.raises(KeyError):
            await exotel.api.delivered("nothing")

    told = [(one["Status"], one["DetailedStatusCode"]) for one in exotel.house.at("/sms")]
    assert told == [("submitted", ""), ("failed_dnd", "21")]


async def test_a_report_that_nobody_takes_is_noted() -> None:
    async with world() as exotel:
        form = {"From": LINE, "To": TO, "Body": "Hi", "StatusCallback": "http://127.0.0.1:1/"}
        answer = await exotel.http.post("Sms/send.json", data=form)
        sent = await exotel.api.delivered(answer.json()["SMSMessage"]["Sid"])

    assert (sent.reports[0].status, sent.reports[0].error) == (None, "ConnectError")
