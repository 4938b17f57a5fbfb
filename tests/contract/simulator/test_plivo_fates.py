"""Calls and messages to a number come out as its script says, in Plivo's words."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from contract.simulator.kit import every_refusal
from contract.simulator.plivo_agent import (
    AUTH_ID,
    TOKEN,
    Agent,
    AgentStream,
    Behaviour,
    repertoire,
    running,
)
from fwai.simulator.common.caller import AwaitHangUp, Wait
from fwai.simulator.common.cause import HangupCause
from fwai.simulator.common.fate import Fate, Loss, MessageFate, Outcome, Refusal
from fwai.simulator.plivo.api import PlivoApi
from gaps import assert_satisfied

FROM, TO = "918888800000", "+919999900001"
STAY = [AwaitHangUp(5)]


async def silent(stream: AgentStream) -> None:
    await stream.until_closed()


async def leaving(stream: AgentStream) -> None:
    await stream.socket.close()


class World:
    """Plivo, a server that it calls, and a client that asks it to."""

    def __init__(self, api: PlivoApi, server: Agent, http: httpx.AsyncClient) -> None:
        self.api, self.server, self.http = api, server, http

    def order(self, **more: str) -> dict[str, str]:
        hooks = {
            f"{name}_url": f"{self.server.http}/{name}?v=1" for name in ("answer", "ring", "hangup")
        }
        return {"from": FROM, "to": TO, **hooks, **more}

    async def place(self, **more: str) -> str:
        answer = await self.http.post("Call/", json=self.order(**more))
        assert answer.status_code == 201
        return str(answer.json()["request_uuid"])

    async def text(self, **more: str) -> httpx.Response:
        url = f"{self.server.http}/message?v=1"
        order = {"src": "FWAIIN", "dst": TO, "text": "Hi", "url": url, **more}
        return await self.http.post("Message/", json=order)

    @property
    def told(self) -> list[str]:
        return [hook.path for hook in self.server.hooks if hook.path != "/status"]


@asynccontextmanager
async def world(behaviour: Behaviour = silent, **options: Any) -> AsyncIterator[World]:  # noqa: ANN401
    clips = {"clips": repertoire()}
    async with (
        running(behaviour) as server,
        PlivoApi(AUTH_ID, TOKEN, phone_options=clips, **options) as api,
        httpx.AsyncClient(
            auth=(AUTH_ID, TOKEN), trust_env=False, base_url=f"{api.url}/v1/Account/{AUTH_ID}/"
        ) as http,
    ):
        yield World(api, server, http)
        assert all(hook.signed for hook in server.hooks)


# ---- calls --------------------------------------------------------------------------------------


async def test_a_number_without_a_fate_answers_and_talks() -> None:
    async def agent(stream: AgentStream) -> None:
        for phrase in ("greeting", "ai_answer", "goodbye_answer"):
            await stream.speak(phrase)
            if phrase != "goodbye_answer":
                await stream.listen_for_speech()
        await stream.listen("playedStream")

    async with world(agent) as plivo:
        report = await plivo.api.report(await plivo.place(), 30)

    assert_satisfied(report)
    assert [one.clip for one in report.said] == ["ask_ai", "goodbye"]
    assert plivo.told == ["/ring", "/answer", "/hangup"]
    assert plivo.server.hooks_at("/ring")[0]["CallStatus"] == "ringing"


UNANSWERED: list[tuple[Outcome, str, str, str, list[str]]] = [
    ("busy", "Busy Line", "3010", "busy", ["/ring", "/hangup"]),
    ("rejected", "Rejected", "3020", "busy", ["/ring", "/hangup"]),
    ("failed", "Network Error", "5000", "failed", ["/hangup"]),
    ("canceled", "Cancelled", "1000", "cancel", ["/ring", "/hangup"]),
    ("no_answer", "Ring Timeout Reached", "6000", "timeout", ["/ring", "/hangup"]),
]


@pytest.mark.parametrize(("outcome", "name", "code", "status", "told"), UNANSWERED)
async def test_a_call_that_nobody_takes(
    outcome: Outcome, name: str, code: str, status: str, told: list[str]
) -> None:
    async with world(clock_scale=100) as plivo:
        plivo.api.fate(TO, Fate(outcome=outcome))
        report = await plivo.api.report(await plivo.place(ring_timeout="30"), 5)

    (hangup,) = plivo.server.hooks_at("/hangup")
    assert (report.problems, report.ended_by) == ([], "unanswered")
    assert (hangup["HangupCauseName"], hangup["HangupCauseCode"]) == (name, code)
    assert (hangup["CallStatus"], hangup["Duration"], hangup["AnswerTime"]) == (status, "0", "")
    assert plivo.told == told


async def test_the_ring_timeout_ends_what_would_be_answered_too_late() -> None:
    async with world(clock_scale=100) as plivo:
        plivo.api.fate(TO, Fate(ring_s=1.0), Fate(outcome="no_answer", ring_s=0.1))
        reports = [
            await plivo.api.report(await plivo.place(ring_timeout="30"), 5) for _ in range(2)
        ]

    assert [report.cause_code for report in reports] == ["6000", "3000"]


async def test_a_failure_has_the_cause_it_was_given() -> None:
    barred = HangupCause("Destination Country Barred", "2030", "CALL_REJECTED", "failed")
    async with world() as plivo:
        plivo.api.fate(TO, Fate(outcome="failed", cause=barred))
        report = await plivo.api.report(await plivo.place(), 5)

    (hangup,) = plivo.server.hooks_at("/hangup")
    assert report.cause_code == hangup["HangupCauseCode"] == "2030"


async def test_each_call_has_the_next_fate_and_the_last_stays() -> None:
    async with world() as plivo:
        plivo.api.fate(TO, Fate(outcome="busy"), Fate(outcome="rejected"))
        uuids = [await plivo.place(to=TO.lstrip("+")) for _ in range(3)]
        codes = [(await plivo.api.report(uuid, 5)).cause_code for uuid in uuids]

    assert codes == ["3010", "3020", "3020"]


@pytest.mark.parametrize(("detection", "ended_by"), [("true", "agent"), ("hangup", "machine")])
async def test_a_machine_is_told_some_time_after_the_answer(detection: str, ended_by: str) -> None:
    async def until_told(stream: AgentStream) -> None:
        while not plivo.server.hooks_at("/machine"):
            await stream.listen("media")
        if detection == "hangup":
            await stream.until_closed()

    async with world(until_told) as plivo:
        plivo.api.fate(TO, Fate(outcome="machine", machine_after_s=0.3))
        machine_url = f"{plivo.server.http}/machine?v=1"
        uuid = await plivo.place(machine_detection=detection, machine_detection_url=machine_url)
        report = await plivo.api.report(uuid, 5)

    (machine,), (hangup,) = plivo.server.hooks_at("/machine"), plivo.server.hooks_at("/hangup")
    assert (report.problems, report.ended_by) == ([], ended_by)
    assert report.duration_ms > 290
    assert (machine["Machine"], machine["Event"]) == ("true", "MachineDetection")
    assert machine["IfMachine"] == ("hangup" if detection == "hangup" else "continue")
    assert machine["CallUUID"] == machine["RequestUUID"] == uuid
    assert (hangup["HangupCauseCode"] == "9100") is (detection == "hangup")


async def test_a_machine_that_nobody_asked_about_is_a_caller_like_any_other() -> None:
    async with world(leaving) as plivo:
        plivo.api.fate(TO, Fate(outcome="machine"))
        machine_url = f"{plivo.server.http}/machine?v=1"
        report = await plivo.api.report(await plivo.place(machine_detection_url=machine_url), 5)

    assert report.ended_by == "agent"
    assert plivo.told == ["/ring", "/answer", "/hangup"]


async def test_without_an_address_the_answer_url_hears_of_the_machine() -> None:
    async with world(leaving) as plivo:
        plivo.api.fate(TO, Fate(outcome="machine", machine_after_s=0.05))
        met = await plivo.api.report(await plivo.place(machine_detection="true"), 5)
        left = await plivo.api.report(await plivo.place(machine_detection="hangup"), 5)

    (answer,) = plivo.server.hooks_at("/answer")
    assert answer["Machine"] == "true"
    assert (met.ended_by, left.ended_by, left.cause_code) == ("agent", "machine", "9100")
    assert left.problems == []


async def test_a_ringing_call_is_canceled() -> None:
    async with world() as plivo:
        plivo.api.fate(TO, Fate(ring_s=30))
        early, late = await plivo.place(), await plivo.place()
        statuses = [(await plivo.http.delete(f"Request/{early}/")).status_code]
        while len(plivo.server.hooks_at("/ring")) < 1:
            await plivo.http.get("Call/none/")
        statuses.append((await plivo.http.delete(f"Call/{late}/")).status_code)
        reports = [await plivo.api.report(uuid, 5) for uuid in (early, late)]
        statuses.append((await plivo.http.delete(f"Request/{early}/")).status_code)

    assert statuses == [204, 204, 404]
    assert [report.ended_by for report in reports] == ["canceled", "canceled"]
    assert {fields["CallStatus"] for fields in plivo.server.hooks_at("/hangup")} == {"cancel"}


async def test_addresses_are_asked_exactly_as_given() -> None:
    query = "z=1&a={x}|y&t=%7eB%7E&e=&plus=a+b"
    async with world(leaving) as plivo:
        plivo.api.fate(TO, Fate(script=STAY))
        urls = {
            f"{name}_url": f"{plivo.server.http}/{name}?{query}"
            for name in ("answer", "ring", "hangup")
        }
        await plivo.api.report(await plivo.place(**urls), 5)

    asked = {hook.path: hook.query for hook in plivo.server.hooks}
    assert [asked[path] for path in ("/ring", "/answer", "/hangup")] == [query] * 3


async def test_a_call_that_is_moved_runs_its_new_orders_when_the_stream_ends() -> None:
    async def agent(stream: AgentStream) -> None:
        path = f"Call/{stream.start['start']['callId']}/"
        order = {"legs": "aleg", "aleg_url": f"{plivo.server.http}/human?v=1"}
        moved.append((await plivo.http.post(path, json=order)).status_code)
        assert plivo.server.hooks_at("/human") == []
        await stream.socket.close()

    moved: list[int] = []
    async with world(agent) as plivo:
        plivo.server.answers["/human"] = (
            "<Response><Speak>One moment</Speak>"
            "<Dial><Number>+919999900009</Number></Dial></Response>"
        )
        plivo.api.fate(TO, Fate(script=STAY))
        report = await plivo.api.report(await plivo.place(), 5)

    assert moved == [202]
    assert (report.ended_by, report.dialled) == ("handed_over", ["+919999900009"])
    assert report.spoken == ["One moment"]
    assert_satisfied(report)


# ---- the request itself -------------------------------------------------------------------------


@every_refusal
async def test_a_request_is_refused_once(refusal: Refusal, status: int) -> None:
    async with world() as plivo:
        plivo.api.fate(TO, Fate(refused=refusal), Fate(outcome="busy"))
        plivo.api.message_fate(TO, MessageFate(refused=refusal), MessageFate(statuses=()))
        refused = await plivo.http.post("Call/", json=plivo.order())
        accepted = await plivo.place()
        texts = [await plivo.text(), await plivo.text()]
        report = await plivo.api.report(accepted, 5)

    assert refused.status_code == status
    assert [answer.status_code for answer in texts] == [status, 202]
    assert report.cause_code == "3010"
    assert (len(plivo.api.calls), len(plivo.api.messages)) == (1, 1)
    assert refused.text.count("5030") == (refusal == "too_many_calls")


@pytest.mark.parametrize("loss", ["error", "hang"])
async def test_an_answer_is_lost_but_the_call_is_placed_and_the_message_sent(loss: Loss) -> None:
    async with world(leaving) as plivo:
        plivo.api.fate(TO, Fate(lost=loss, script=STAY))
        plivo.api.message_fate(TO, MessageFate(lost=loss))
        for path, order in [("Call/", plivo.order()), ("Message/", {"src": "X", "text": "Hi"})]:
            order["dst"] = TO
            try:
                answer = await plivo.http.post(path, json=order, timeout=0.3)
            except httpx.ReadTimeout:
                assert loss == "hang"
            else:
                assert (loss, answer.status_code) == ("error", 500)
        (placed,), (message,) = plivo.api.calls, plivo.api.messages
        report = await plivo.api.report(placed.request_uuid, 5)

    assert report.ended_by == "agent"
    assert message.dst == TO


# ---- messages -----------------------------------------------------------------------------------


async def test_delivery_is_reported() -> None:
    async with world() as plivo:
        answer = await plivo.text(dlt_entity_id="110", dlt_template_id="120")
        sent = await plivo.api.delivered(answer.json()["message_uuid"][0])

    reports = plivo.server.hooks_at("/message")
    assert [one["Status"] for one in reports] == ["queued", "sent", "delivered"]
    assert [one.status for one in sent.reports] == [200] * 3
    assert sent.parameters["dlt_entity_id"] == "110"


async def test_a_message_that_does_not_arrive() -> None:
    async with world() as plivo:
        lost = MessageFate(statuses=("queued", "sent", "undelivered"), error_code="30", gap_s=0.02)
        plivo.api.message_fate(TO, lost)
        answer = await plivo.text()
        await plivo.api.delivered(answer.json()["message_uuid"][0])

    reports = plivo.server.hooks_at("/message")
    told = [(one["Status"], one["ErrorCode"]) for one in reports]
    assert told == [("queued", ""), ("sent", ""), ("undelivered", "30")]


async def test_what_is_not_known_is_a_key_error() -> None:
    async with world() as plivo:
        with pytest.raises(KeyError):
            await plivo.api.delivered("nobody")
        with pytest.raises(KeyError):
            await plivo.api.report("nobody")


@pytest.mark.parametrize("name", ["ring_timeout", "machine_detection"])
async def test_a_parameter_that_cannot_be_is_refused(name: str) -> None:
    async with world() as plivo:
        answer = await plivo.http.post("Call/", json=plivo.order(**{name: "soon"}))

    assert answer.status_code == 400


async def test_leaving_ends_a_call_that_rings() -> None:
    async with world() as plivo:
        plivo.api.fate(TO, Fate(ring_s=30, script=[Wait(1)]))
        await plivo.place()
        while not plivo.server.hooks_at("/ring"):
            await plivo.http.get("Call/none/")

    assert plivo.api.calls[0].report is None
