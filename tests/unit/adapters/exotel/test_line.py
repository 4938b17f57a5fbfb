"""Exotel as a line: what each order becomes, and what it knows of its calls."""

from collections.abc import Awaitable, Callable

import httpx
import pytest

from fwai.adapters.exotel.client import KEPT, ExotelClient
from fwai.adapters.exotel.line import ExotelLine
from fwai.adapters.exotel.routes import ExotelWebhooks
from fwai.domain.call import CallId
from fwai.errors import ApiError, ApiUnknownError
from fwai.interfaces.calls import CallTransfer, OutboundLine
from fwai.interfaces.messages import SmsSender
from unit.adapters.client_kit import FakeRest
from unit.adapters.handler_kit import OURS, TOKEN, an_order

HOOKS = ExotelWebhooks("https://voice.example.com", "acme1", "08047100000", "s/1")
BASE = "https://voice.example.com/exotel/s%2F1"
CALL = httpx.Response(200, json={"Call": {"Sid": "c1", "Status": "in-progress"}})
SMS = httpx.Response(200, json={"SMSMessage": {"Sid": "m1", "Status": "queued"}})
Work = Callable[[ExotelLine], Awaitable[object]]


async def on(exotel: FakeRest, *work: Work, hooks: ExotelWebhooks = HOOKS) -> ExotelLine:
    async with exotel.client() as http:
        client = ExotelClient(http, "acme1", "key", "token", "08047100000", "https://api")
        line = ExotelLine(client, "08047100000", hooks.public_url, hooks.secret, hooks.stream_url)
        for one in work:
            await one(line)
        return line


def dial(line: ExotelLine) -> Awaitable[object]:
    return line.dial(an_order(ring_s=30, max_s=600, detect_machine=True))


async def test_it_is_all_that_a_line_must_be() -> None:
    one = await on(FakeRest(CALL))
    line: OutboundLine = one
    sms: SmsSender = one
    transfer: CallTransfer = one
    assert line.number == "+918047100000"
    assert {id(line), id(sms), id(transfer)} == {id(one)}


async def test_a_call_is_dialled_with_its_stream_and_its_news_name_it() -> None:
    exotel = FakeRest(CALL)

    line = await on(exotel, dial)

    (form,) = exotel.forms
    assert form["From"] == ["+919999900001"]
    assert form["StreamUrl"] == [HOOKS.stream_url(TOKEN)]
    assert form["StatusCallback"] == [f"{BASE}/status?call={OURS}"]
    assert (form["TimeOut"], form["TimeLimit"]) == (["30"], ["600"])
    assert line.linked_call("c1") == OURS
    assert line.linked_call("c2") == ""


async def test_an_address_that_exotel_would_refuse_is_not_sent() -> None:
    exotel = FakeRest(CALL)
    hooks = ExotelWebhooks("https://" + "x" * 600, "acme1", "08047100000", "s")

    with pytest.raises(ApiError, match="PUBLIC_URL") as failed:
        await on(exotel, dial, hooks=hooks)

    assert not failed.value.retryable
    assert exotel.forms == []


async def test_an_ambiguous_answer_is_said_to_be_one() -> None:
    exotel = FakeRest(httpx.Response(500))

    with pytest.raises(ApiUnknownError):
        await on(exotel, dial)

    assert len(exotel.forms) == 1


async def test_a_call_that_came_in_goes_on_to_a_human_and_one_of_ours_cannot() -> None:
    exotel = FakeRest(CALL)

    line = await on(exotel, dial, lambda line: line.transfer("in-1"))

    assert line._client.handed_off("in-1")
    with pytest.raises(ApiError):
        await line.transfer("c1")


async def test_ending_a_call_asks_exotel_nothing() -> None:
    exotel = FakeRest(CALL)

    await on(exotel, lambda line: line.hang_up("c1"))

    assert exotel.forms == []


@pytest.mark.parametrize("reference", ["job 7", ""])
async def test_reports_are_asked_for_with_a_reference(reference: str) -> None:
    exotel = FakeRest(SMS)

    await on(exotel, lambda line: line.send_sms("+919999900001", "Hello", reference))

    (form,) = exotel.forms
    url = f"{BASE}/sms-status?job=job%207"
    assert form.get("StatusCallback") == ([url] if reference else None)
    assert form.get("CustomField") == ([reference] if reference else None)


async def test_a_reference_too_long_for_exotel_stands_in_the_url_alone() -> None:
    exotel = FakeRest(SMS)

    await on(exotel, lambda line: line.send_sms("+919999900001", "Hello", "x" * 129))

    assert "CustomField" not in exotel.forms[0]
    assert "StatusCallback" in exotel.forms[0]


async def test_only_so_many_calls_are_remembered() -> None:
    line = await on(FakeRest(CALL))

    for number in range(KEPT + 1):
        line.belongs(f"c{number}", CallId("x"))

    assert (line.linked_call("c0"), line.linked_call("c1")) == ("", "x")
