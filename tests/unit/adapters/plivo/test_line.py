"""Plivo as a line: what each order becomes, and what is done about a call that did not begin."""

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from fwai.adapters.plivo.client import DETECTION, PlivoClient
from fwai.adapters.plivo.line import MAX_REMEMBERED, PlivoLine
from fwai.domain.call import CallId, DialOrder
from fwai.errors import ApiError, ApiUnknownError, BusyError
from fwai.interfaces.calls import CallTransfer, OutboundLine
from fwai.interfaces.messages import SmsSender
from unit.adapters.client_kit import Answer, FakeRest
from unit.adapters.handler_kit import OURS, an_order

PUBLIC_URL = "https://voice.example.com/fwai"
FIRED = httpx.Response(201, json={"request_uuid": "r-1"})
QUEUED = httpx.Response(202, json={"message_uuid": ["m-1"]})
GONE = httpx.Response(404, json={"error": "not found"})
DONE = httpx.Response(204)
DLT = {"entity_id": "e-1", "template_id": "", "template_category": "service_implicit"}
Work = Callable[[PlivoLine], Awaitable[object]]


async def on(plivo: FakeRest, *work: Work, public_url: str = PUBLIC_URL) -> list[object]:
    async with plivo.client() as http:
        client = PlivoClient(http, "MA1", "token", "+918888800000", "https://api", dlt=DLT)
        line = PlivoLine(client, "+918888800000", public_url)
        return [await one(line) for one in work]


def dial(**more: object) -> Work:
    return lambda line: line.dial(an_order(**more))  # type: ignore[arg-type]


def hang_up(call: str) -> Work:
    return lambda line: line.hang_up(call)


def text(reference: str = "") -> Work:
    return lambda line: line.send_sms("+919999900001", "Hello", reference)


async def test_it_is_all_that_a_line_must_be() -> None:
    async with httpx.AsyncClient() as http:
        one = PlivoLine(PlivoClient(http, "MA1", "t", "+918888800000"), "+918888800000", "")
    line: OutboundLine = one
    sms: SmsSender = one
    transfer: CallTransfer = one
    assert line.number == "+918888800000"
    assert {id(line), id(sms), id(transfer)} == {id(one)}


async def test_every_address_of_a_call_names_it() -> None:
    plivo = FakeRest(FIRED)

    assert await on(plivo, dial(call_id=CallId("a/b&c"), ring_s=30, max_s=600)) == ["r-1"]

    body = plivo.bodies[0]
    for name in ("answer", "hangup", "ring"):
        url = urlsplit(str(body[f"{name}_url"]))
        assert f"{url.scheme}://{url.netloc}{url.path}" == f"{PUBLIC_URL}/plivo/{name}"
        assert parse_qs(url.query) == {"call": ["a/b&c"]}
    assert (body["ring_timeout"], body["time_limit"]) == (30, 600)
    assert not [name for name in body if name.startswith("machine")]


async def test_a_machine_is_looked_for_while_the_call_goes_on() -> None:
    plivo = FakeRest(FIRED)

    await on(plivo, dial(detect_machine=True))

    body = plivo.bodies[0]
    assert body["machine_detection"] == "true"
    assert body["machine_detection_url"] == f"{PUBLIC_URL}/plivo/machine?call={OURS}"
    assert DETECTION.items() <= body.items()


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("machine_detection_time", 2_000, 10_000),
        ("machine_detection_maximum_speech_length", 1_000, 6_000),
        ("machine_detection_initial_silence", 2_000, 10_000),
    ],
)
def test_detection_keeps_to_plivos_limits(name: str, low: int, high: int) -> None:
    assert low <= DETECTION[name] <= high


@pytest.mark.parametrize("text", ["concurrent call limit exceeded", {"call": "Concurrency limit"}])
async def test_no_room_at_plivo_is_no_failure_of_the_call(text: object) -> None:
    with pytest.raises(BusyError):
        await on(FakeRest(httpx.Response(403, json={"error": text})), dial())


@pytest.mark.parametrize(
    "answer", [httpx.Response(500), httpx.Response(201, json={}), httpx.ReadTimeout("slow")]
)
async def test_an_ambiguous_answer_is_said_to_be_one_and_dialled_once(answer: Answer) -> None:
    plivo = FakeRest(answer)

    with pytest.raises(ApiUnknownError):
        await on(plivo, dial())

    assert len(plivo.requests) == 1


# ---- ending -------------------------------------------------------------------------------------


async def test_a_call_is_ended_by_its_id() -> None:
    plivo = FakeRest(DONE)

    await on(plivo, hang_up("c-1"))

    assert plivo.asked("MA1") == ["DELETE /Call/c-1/"]


async def test_a_request_that_is_no_call_yet_is_taken_back() -> None:
    plivo = FakeRest(FIRED, GONE, DONE)

    await on(plivo, dial(), hang_up("r-1"))

    assert plivo.asked("MA1") == ["POST /Call/", "DELETE /Call/r-1/", "DELETE /Request/r-1/"]


async def test_what_is_over_is_no_error() -> None:
    plivo = FakeRest(FIRED, GONE)

    await on(plivo, dial(), hang_up("r-1"), hang_up("another"))

    assert plivo.asked("MA1")[-1] == "DELETE /Call/another/"


async def test_a_hang_up_that_plivo_refuses_is_one() -> None:
    with pytest.raises(ApiError):
        await on(FakeRest(httpx.Response(500)), hang_up("c-1"))


async def test_only_so_many_requests_are_remembered() -> None:
    plivo = FakeRest(FIRED)
    async with plivo.client() as http:
        line = PlivoLine(PlivoClient(http, "MA1", "t", "+918888800000"), "", PUBLIC_URL)
        for number in range(MAX_REMEMBERED + 1):
            plivo.answers = [httpx.Response(201, json={"request_uuid": f"r-{number}"})]
            await line.dial(DialOrder(OURS, "+919999900001", ""))
        plivo.answers, plivo.requests = [GONE], []
        await line.hang_up("r-0")
        await line.hang_up("r-1")

    assert plivo.asked("MA1") == ["DELETE /Call/r-0/", "DELETE /Call/r-1/", "DELETE /Request/r-1/"]


# ---- the rest -----------------------------------------------------------------------------------


async def test_a_transfer_sends_plivo_to_our_own_route() -> None:
    plivo = FakeRest(httpx.Response(202, json={}))

    await on(plivo, lambda line: line.transfer("c-1"))

    assert plivo.asked("MA1") == ["POST /Call/c-1/"]
    assert plivo.bodies[0]["aleg_url"] == f"{PUBLIC_URL}/plivo/transfer?v=1"


@pytest.mark.parametrize(
    ("reference", "public_url", "asks"),
    [("job 7", PUBLIC_URL, True), ("", PUBLIC_URL, False), ("job 7", "", False)],
)
async def test_reports_are_asked_for_with_a_reference(
    reference: str, public_url: str, *, asks: bool
) -> None:
    plivo = FakeRest(QUEUED)

    assert await on(plivo, text(reference), public_url=public_url) == ["m-1"]

    body = plivo.bodies[0]
    assert (body["dlt_entity_id"], body["dlt_template_category"]) == ("e-1", "service_implicit")
    assert "dlt_template_id" not in body
    url = f"{PUBLIC_URL}/plivo/message-status?job=job%207"
    assert (body.get("url"), body.get("method")) == ((url, "POST") if asks else (None, None))
