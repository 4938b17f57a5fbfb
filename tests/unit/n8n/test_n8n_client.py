"""The client that stands for our n8n flows, against a server of three routes."""

import asyncio
import base64
import json

import httpx
import pytest

from fwai.errors import ApiAuthError, ApiError
from fwai.simulator.common.rest import ApiAnswer, ApiFault, ApiRequest
from fwai.simulator.common.rest_server import Arrival, RestServer
from fwai.simulator.n8n.client import (
    FlowClient,
    event_body,
    signed_headers,
    signing_key,
    verified,
)

NOW = 1_795_000_000.0
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdefABCDEF").decode()
KEY = signing_key(SECRET)
BODY = event_body("call.ended", {"call_id": "c1", "status": "completed"}, "2026-11-22T10:05:00Z")


class SmallServer(RestServer):
    """Takes calls and tools, and remembers idempotency keys."""

    def __init__(self) -> None:
        super().__init__("small_server")
        self.calls: dict[str, str] = {}

    def _read(self, arrival: Arrival) -> ApiRequest | ApiAnswer:
        if arrival.headers.get("authorization") != "Bearer key-1":
            return ApiAnswer(401, {"title": "no key"})
        body = json.loads(arrival.body)
        return ApiRequest(arrival.method, arrival.path, {}, body, arrival.headers)

    async def _answer(self, request: ApiRequest) -> ApiAnswer:
        if request.path == "/api/calls":
            key = request.headers["idempotency-key"]
            call_id = self.calls.setdefault(key, f"c{len(self.calls) + 1}")
            return ApiAnswer(202, {"call_id": call_id, "status": "queued"})
        return ApiAnswer(200, {"status": "ok", "message": "sent", "result": {}})

    def _bad_request(self, text: str) -> ApiAnswer:
        return ApiAnswer(422, {"title": text})


async def deliver(flow: FlowClient, headers: dict[str, str], body: bytes = BODY) -> int:
    async with httpx.AsyncClient() as client:
        return (await client.post(flow.webhook_url, content=body, headers=headers)).status_code


def flow_for(base_url: str = "http://127.0.0.1:9", api_key: str = "key-1") -> FlowClient:
    return FlowClient(base_url, api_key, SECRET, now=lambda: NOW)


# ---- receiving ----------------------------------------------------------------------------


async def test_an_event_that_is_signed_is_taken_and_can_be_waited_for() -> None:
    async with flow_for() as flow, asyncio.TaskGroup() as group:
        waiting = group.create_task(flow.wait_event("call.ended", "c1", 5))

        status = await deliver(flow, signed_headers(KEY, "msg_1", NOW, BODY))
        event = await waiting

    assert status == 200
    assert (event.id, event.kind, event.call_id) == ("msg_1", "call.ended", "c1")
    assert event.data["status"] == "completed"


async def test_a_repeat_is_answered_and_dropped() -> None:
    async with flow_for() as flow:
        statuses = [await deliver(flow, signed_headers(KEY, "msg_1", NOW, BODY)) for _ in range(3)]

    assert statuses == [200, 200, 200]
    assert (len(flow.events), flow.repeats) == (1, 2)


async def test_an_event_of_another_call_is_not_the_awaited_one() -> None:
    async with flow_for() as flow:
        await deliver(flow, signed_headers(KEY, "msg_1", NOW, BODY))

        with pytest.raises(TimeoutError):
            await flow.wait_event("call.ended", "c2", 0.05)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": ""},
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": f"{NOW + 1:.0f}"},
        {"webhook-timestamp": "soon"},
    ],
)
async def test_what_is_not_signed_is_refused(change: dict[str, str]) -> None:
    async with flow_for() as flow:
        status = await deliver(flow, signed_headers(KEY, "msg_1", NOW, BODY) | change)

    assert (status, flow.refused, len(flow.events)) == (401, 1, 0)


async def test_an_ordered_fault_keeps_the_event_out_until_it_is_repeated() -> None:
    headers = signed_headers(KEY, "msg_1", NOW, BODY)
    async with flow_for() as flow:
        flow.faults.append(ApiFault(503))

        assert [await deliver(flow, headers), len(flow.events)] == [503, 0]
        assert [await deliver(flow, headers), len(flow.events)] == [200, 1]


async def test_another_path_is_not_registered() -> None:
    async with flow_for() as flow, httpx.AsyncClient() as client:
        answer = await client.post(f"{flow.url}/webhook/else", content=b"{}")

    assert answer.status_code == 404


@pytest.mark.parametrize(("age_s", "good"), [(0, True), (299, True), (300, False), (-300, False)])
def test_a_message_is_fresh_for_five_minutes(age_s: int, *, good: bool) -> None:
    assert verified(signed_headers(KEY, "m", NOW - age_s, BODY), BODY, KEY, NOW) is good


def test_one_right_signature_among_several_is_enough() -> None:
    headers = signed_headers(KEY, "m", NOW, BODY)
    headers["webhook-signature"] = f"v1,AAAA v1a,BBBB {headers['webhook-signature']}"

    assert verified(headers, BODY, KEY, NOW)


@pytest.mark.parametrize("secret", ["plain", "whsec_!", "whsec_//8=", "whsec_"])
def test_a_secret_that_n8n_cannot_hold_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        FlowClient("http://127.0.0.1:9", "key-1", secret)


# ---- asking -------------------------------------------------------------------------------


async def test_a_call_and_a_message_are_asked_for_with_key_and_idempotency() -> None:
    async with SmallServer() as server, flow_for(server.url) as flow:
        first = await flow.start_call("+919999900000", key="row-1", agent="FWAI_Core")
        again = await flow.start_call("+919999900000", key="row-1", agent="FWAI_Core")
        sent = await flow.send_sms("Thank you", call_id=first)

    assert first == again == "c1"
    assert sent["status"] == "ok"
    assert server.requests[0].body == {"to": "+919999900000", "agent": "FWAI_Core"}
    assert server.requests[2].path == "/api/tools/send_sms"
    assert server.requests[2].body == {"arguments": {"text": "Thank you"}, "call_id": "c1"}


@pytest.mark.parametrize(("status", "retryable"), [(422, False), (409, False), (503, True)])
async def test_a_refusal_says_whether_asking_again_helps(status: int, *, retryable: bool) -> None:
    async with SmallServer() as server, flow_for(server.url) as flow:
        server.faults.append(ApiFault(status))

        with pytest.raises(ApiError) as refused:
            await flow.send_sms("Thank you", to="+919999900000")

    assert (refused.value.status, refused.value.retryable) == (status, retryable)


async def test_a_wrong_key_and_a_missing_server_are_told_apart() -> None:
    async with SmallServer() as server, flow_for(server.url, "wrong") as flow:
        with pytest.raises(ApiAuthError):
            await flow.start_call("+919999900000")
    async with flow_for() as flow:
        with pytest.raises(ApiError, match="no connection"):
            await flow.start_call("+919999900000")
