"""The REST fake answers Plivo's own SDK, and acts on real calls."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import plivo
import plivo.rest.client
import pytest

from contract.simulator.plivo_agent import AUTH_ID, TOKEN, AgentStream, repertoire, running
from fwai.simulator.common.caller import AwaitHangUp, Wait
from fwai.simulator.common.fate import Fate
from fwai.simulator.common.rest import ApiFault
from fwai.simulator.plivo.api import PlivoApi
from fwai.simulator.plivo.cause import BUSY, NO_ANSWER

FROM, TO = "918888800000", "919999900001"


async def silent(stream: AgentStream) -> None:
    await stream.until_closed()


@pytest.fixture
async def client() -> AsyncIterator[Callable[[PlivoApi], httpx.AsyncClient]]:
    async with httpx.AsyncClient(auth=(AUTH_ID, TOKEN), trust_env=False) as http:

        def aimed(api: PlivoApi) -> httpx.AsyncClient:
            http.base_url = httpx.URL(f"{api.url}/v1/Account/{AUTH_ID}/")
            return http

        yield aimed


@pytest.fixture
def sdk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[PlivoApi], Any]]:
    """Return the real SDK, pointed at the fake; it blocks, so it is used in threads."""
    made: list[Any] = []

    def aimed(api: PlivoApi) -> Any:  # noqa: ANN401
        for name in ("PLIVO_API_BASE_URI", "API_VOICE_BASE_URI"):
            monkeypatch.setattr(plivo.rest.client, name, f"{api.url}/v1/Account")
        made.append(plivo.RestClient(AUTH_ID, TOKEN))
        return made[-1]

    yield aimed
    for one in made:
        one.session.close()
        one.multipart_session.close()


Sdk = Callable[[PlivoApi], Any]
Client = Callable[[PlivoApi], httpx.AsyncClient]


async def test_the_sdk_places_a_call_and_hangs_up(sdk: Sdk) -> None:
    options = {"clips": repertoire()}
    async with (
        running(silent) as server,
        PlivoApi(AUTH_ID, TOKEN, on_call=lambda _: [AwaitHangUp(5)], phone_options=options) as api,
    ):
        plivo_client = sdk(api)
        created = await asyncio.to_thread(
            plivo_client.calls.create,
            from_=FROM,
            to_=TO,
            answer_url=f"{server.http}/answer?v=1",
            hangup_url=f"{server.http}/hangup?v=1",
            ring_url=f"{server.http}/ring?v=1",
        )
        uuid = created.request_uuid
        while not server.streams:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        live = await asyncio.to_thread(plivo_client.live_calls.get, uuid)
        await asyncio.to_thread(plivo_client.calls.hangup, uuid)
        report = await api.report(uuid, 5)
        with pytest.raises(plivo.exceptions.ResourceNotFoundError):
            await asyncio.to_thread(plivo_client.calls.hangup, uuid)

    assert (created.message, live.call_status) == ("call fired", "in-progress")
    assert (report.problems, report.ended_by) == ([], "api")
    assert [hook.path for hook in server.hooks if hook.path != "/status"] == [
        "/ring",
        "/answer",
        "/hangup",
    ]
    answer, hangup = server.hooks_at("/answer")[0], server.hooks_at("/hangup")[0]
    assert answer["RequestUUID"] == answer["CallUUID"] == uuid
    assert (answer["Direction"], answer["CallStatus"]) == ("outbound", "in-progress")
    assert (hangup["HangupSource"], hangup["CallStatus"]) == ("API Request", "completed")
    assert all(hook.signed for hook in server.hooks)


async def test_a_call_that_nobody_takes(client: Client) -> None:
    causes = iter([BUSY, NO_ANSWER])
    options = {"clips": repertoire()}
    async with (
        running(silent) as server,
        PlivoApi(AUTH_ID, TOKEN, on_call=lambda _: next(causes), phone_options=options) as api,
    ):
        order = {"from": FROM, "to": f"{TO}<919999900002", "answer_url": f"{server.http}/answer"}
        order["hangup_url"] = f"{server.http}/hangup"
        answer = await client(api).post("Call/", json=order)
        uuids = answer.json()["request_uuid"]
        reports = [await api.report(uuid, 5) for uuid in uuids]

    assert answer.status_code == 201
    assert [report.cause_name for report in reports] == ["Busy Line", "No Answer"]
    assert [report.ended_by for report in reports] == ["unanswered", "unanswered"]
    hooks = {fields["CallUUID"]: fields for fields in server.hooks_at("/hangup")}
    assert [hooks[uuid]["CallStatus"] for uuid in uuids] == ["busy", "no-answer"]
    assert {fields["Duration"] for fields in hooks.values()} == {"0"}
    assert server.hooks_at("/answer") == []


async def test_a_waiting_call_is_canceled(client: Client) -> None:
    async with PlivoApi(AUTH_ID, TOKEN) as api:
        api.fate(TO, Fate(outcome="queued"))
        http = client(api)
        order = {"from": FROM, "to": TO, "answer_url": "http://127.0.0.1:9/a"}
        uuid = (await http.post("Call/", json=order)).json()["request_uuid"]
        statuses = [(await http.delete(f"Request/{uuid}/")).status_code for _ in range(2)]
        report = await api.report(uuid, 1)

    assert statuses == [204, 404]
    assert report.ended_by == "canceled"


async def test_an_inbound_call_is_transferred(client: Client) -> None:
    async with running(silent) as server, PlivoApi(AUTH_ID, TOKEN) as api:
        server.answers["/human"] = "<Response><Dial><Number>+9180</Number></Dial></Response>"
        phone = server.phone(exchange=api)
        async with asyncio.TaskGroup() as tasks:
            call = tasks.create_task(phone.call([AwaitHangUp(5)]))
            while not server.streams:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            http = client(api)
            order = {"legs": "aleg", "aleg_url": f"{server.http}/human?v=1"}
            moved = await http.post(f"Call/{phone.call_uuid}/", json=order)
            recorded = await http.post(f"Call/{phone.call_uuid}/Record/", json={})
            stopped = await http.delete(f"Call/{phone.call_uuid}/Stream/")
        gone = await http.get(f"Call/{phone.call_uuid}/?status=live")
        ended = await http.get(f"Call/{phone.call_uuid}/")

    answers = (moved, recorded, stopped, gone, ended)
    assert [answer.status_code for answer in answers] == [202, 202, 204, 404, 200]
    assert call.result().dialled == ["+9180"]
    assert ended.json()["hangup_cause_name"] == "Normal Hangup"
    assert api.live_calls == []


async def test_the_sdk_sends_a_message(sdk: Sdk) -> None:
    async with running(silent) as server, PlivoApi(AUTH_ID, TOKEN) as api:
        reply = await asyncio.to_thread(
            sdk(api).messages.create,
            src="FWAIIN",
            dst=TO,
            text="Hello",
            dlt_entity_id="1",
            dlt_template_id="2",
            url=f"{server.http}/message?v=1",
        )
        await api.delivered(reply.message_uuid[0])
        with pytest.raises(plivo.exceptions.ValidationError):
            await asyncio.to_thread(sdk(api).messages.create, src="FWAIIN", dst=TO, text="")

    (message,) = api.messages
    assert reply.message_uuid == [message.message_uuid]
    assert (message.src, message.dst, message.text) == ("FWAIIN", TO, "Hello")
    assert message.parameters["dlt_template_id"] == "2"
    reports = server.hooks_at("/message")
    assert [report["Status"] for report in reports] == ["queued", "sent", "delivered"]
    assert {report["MessageUUID"] for report in reports} == {message.message_uuid}
    assert all(hook.signed for hook in server.hooks)


WRONG: list[tuple[str, str, dict[str, str] | None, int]] = [
    ("POST", "Call", {"from": FROM, "to": TO, "answer_url": "http://h/"}, 404),
    ("POST", "Call/", {"from": FROM, "to": TO}, 400),
    ("POST", "Call/", {"from": FROM, "to": "Asha", "answer_url": "http://h/"}, 400),
    ("POST", "Call/", {"from": FROM, "to": FROM, "answer_url": "http://h/"}, 400),
    ("POST", "Call/", {"from": FROM, "to": TO, "answer_url": "h"}, 400),
    ("POST", "Call/", {"from": FROM, "to": TO, "answer_url": "http://h/", "time_limit": "x"}, 400),
    ("POST", "Message/", {"src": "X", "dst": TO}, 400),
    ("POST", "Call/nobody/", {"aleg_url": "http://h/"}, 404),
    ("POST", "Call/nobody/Record/", {}, 404),
    ("DELETE", "Call/nobody/", None, 404),
    ("DELETE", "Request/nobody/", None, 404),
    ("GET", "Call/nobody/", None, 404),
    ("PUT", "Call/nobody/", None, 405),
    ("GET", "Message/", None, 405),
    ("GET", "Number/", None, 404),
]


async def test_wrong_requests(client: Client) -> None:
    async with PlivoApi(AUTH_ID, TOKEN) as api:
        http = client(api)
        answers = [await http.request(method, path, json=body) for method, path, body, _ in WRONG]

    assert [answer.status_code for answer in answers] == [status for *_, status in WRONG]
    assert all("error" in answer.json() for answer in answers)


async def test_wrong_credentials_and_bodies(client: Client) -> None:
    async with PlivoApi(AUTH_ID, TOKEN) as api:
        http = client(api)
        refused = await http.post("Call/", auth=(AUTH_ID, "wrong"))
        elsewhere = await http.get(f"{api.url}/v1/Account/MAother/Call/")
        garbled = await http.post("Call/", content=b"{")

    statuses = [answer.status_code for answer in (refused, elsewhere, garbled)]
    assert statuses == [401, 404, 400]
    assert len(api.requests) == 0


async def test_faults_on_demand(client: Client) -> None:
    order = {"src": "X", "dst": TO, "text": "Hi"}
    async with PlivoApi(AUTH_ID, TOKEN) as api:
        http = client(api)
        api.faults += [
            ApiFault(429, {"error": "too many"}, path="Message/"),
            ApiFault(200, "<html>", path="Message/"),
            ApiFault(path="Message/", hang_s=5, carried_out=True),
            ApiFault(503, method="DELETE"),
        ]
        limited = await http.post("Message/", json=order)
        html = await http.post("Message/", json=order)
        with pytest.raises(httpx.ReadTimeout):
            await http.post("Message/", json=order, timeout=0.2)
        fine = await http.post("Message/", json=order)

    assert (limited.status_code, html.text, fine.status_code) == (429, "<html>", 202)
    assert len(api.messages) == 2
    assert [request.method for request in api.requests] == ["POST"] * 4
    assert len(api.faults) == 1


async def test_an_error_inside_the_context_stays_what_it_is() -> None:
    with pytest.raises(LookupError):
        async with PlivoApi(AUTH_ID, TOKEN):
            raise LookupError


async def test_leaving_the_context_ends_every_call() -> None:
    options = {"clips": repertoire()}
    async with running(silent) as server:
        async with PlivoApi(
            AUTH_ID, TOKEN, on_call=lambda _: [Wait(60_000)], phone_options=options
        ) as api:
            async with httpx.AsyncClient(auth=(AUTH_ID, TOKEN), trust_env=False) as http:
                order = {"from": FROM, "to": TO, "answer_url": f"{server.http}/answer?v=1"}
                await http.post(f"{api.url}/v1/Account/{AUTH_ID}/Call/", json=order)
            while not server.streams:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

        left = [task for task in asyncio.all_tasks() if task.get_name().startswith("plivo")]

    assert left == []
