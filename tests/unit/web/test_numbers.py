"""One number, however it is written and wherever it comes in."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from fwai.domain.call import CallId, CallState
from fwai.domain.contact import MemoryEntry
from fwai.domain.job import SEND_SMS
from fwai.domain.phone import CountryAllowList
from fwai.tools.recipient import RecipientRules
from fwai.tools.registry import ToolRegistry
from fwai.tools.send_sms import send_sms
from unit.store.kit import BUSY, NOW, T0, a_call
from unit.tools.kit import JobSubmission
from unit.web.kit import House, house, problem

NUMBER = "+919999900009"
SPELLINGS = [
    "+919999900009",
    "919999900009",
    "+91 (0)99999 00009",
    "0091-99999-00009",
    "+91\u200b 99999\u00a000009",
    "\uff0b\uff19\uff11 99999 00009",
    "tel:+91-99999-00009",
    "919999900009.0",
]
REFUSED = [
    "9999900009",
    "09999900009",
    "+91 99999 0000",
    "+91919999900000",
    "9.199999E+11",
    "+91 99999 00009 ext 4",
    "+91 99999 00009, 99999 00000",
    "+1 800 FLOWERS",
    "+1 900 555 0123",
    "112",
    "+9999900000",
    "my brother",
]


@pytest.fixture
async def texts(tmp_path: Path) -> AsyncIterator[tuple[House, JobSubmission]]:
    jobs = JobSubmission()
    tool = send_sms(jobs, RecipientRules(CountryAllowList(frozenset({"91"}))))
    async with house(tmp_path, tools=ToolRegistry([tool])) as opened:
        yield opened, jobs


def path(written: str) -> str:
    return f"/api/contacts/{quote(written, safe='')}"


async def bar(home: House, written: str) -> None:
    answer = await home.client.put(path(written), json={"do_not_call": True, "reason": "asked"})
    assert (answer.status_code, answer.json()["phone"]) == (200, NUMBER)


@pytest.mark.parametrize("called", SPELLINGS)
@pytest.mark.parametrize("barred", SPELLINGS)
async def test_who_is_barred_in_one_spelling_is_called_in_none(
    home: House, barred: str, called: str
) -> None:
    await bar(home, barred)

    problem(await home.post("/calls", {"to": called}), 403, "do-not-call")
    promise = {"to": called, "when": "tomorrow 5 pm"}
    problem(await home.post("/callbacks", promise), 403, "do-not-call")
    assert (await home.get("/calls")).json()["calls"] == []


@pytest.mark.parametrize("stored", ["+9109999900009", "+9199999000090", "+91919999900009"])
@pytest.mark.parametrize("called", SPELLINGS[:3])
async def test_an_entry_that_an_earlier_version_wrote_still_bars(
    home: House, stored: str, called: str
) -> None:
    """It kept `+91 (0)99999 00009` with the zero, `919999900009.0` with the spreadsheet's."""
    await home.services.contacts.set_do_not_call(stored, True, "asked")

    problem(await home.post("/calls", {"to": called}), 403, "do-not-call")
    assert (await home.client.get(path(called))).json()["do_not_call"] is True

    permitted = await home.client.put(path(called), json={"do_not_call": False})
    assert permitted.json()["do_not_call"] is False
    assert (await home.post("/calls", {"to": called})).status_code == 202
    assert (await home.get("/do-not-call")).json()["contacts"] == []


@pytest.mark.parametrize("written", SPELLINGS)
async def test_a_call_goes_to_one_number(home: House, written: str) -> None:
    placed = await home.post("/calls", {"to": written})

    assert placed.status_code == 202
    (shown,) = (await home.get("/calls", phone=written)).json()["calls"]
    assert (shown["call_id"], shown["to"]) == (placed.json()["call_id"], NUMBER)


@pytest.mark.parametrize("written", SPELLINGS)
async def test_arguments_and_to_mean_the_same_number(
    texts: tuple[House, JobSubmission], written: str
) -> None:
    home, jobs = texts
    argument = {"arguments": {"text": "Hi", "to": written}, "to": "+919999900000"}

    assert (
        await home.post("/tools/send_sms", {"arguments": {"text": "Hi"}, "to": written})
    ).is_success
    assert (await home.post("/tools/send_sms", argument)).is_success

    assert [job.kind for job in jobs.jobs.values()] == [SEND_SMS, SEND_SMS]
    assert [payload["to"] for payload in jobs.payloads] == [NUMBER, NUMBER]
    assert {job.phone for job in jobs.jobs.values()} == {NUMBER}


@pytest.mark.parametrize("written", REFUSED)
async def test_what_one_refuses_all_refuse_in_the_same_words(
    texts: tuple[House, JobSubmission], written: str
) -> None:
    home, jobs = texts
    told = {
        problem(await home.post("/calls", {"to": written}), 422, "invalid", "to"),
        problem(
            await home.post("/callbacks", {"to": written, "when": "tomorrow 5 pm"}),
            422,
            "invalid",
            "to",
        ),
        problem(
            await home.post("/tools/send_sms", {"arguments": {"text": "Hi"}, "to": written}),
            422,
            "invalid",
            "to",
        ),
        problem(
            await home.post(
                "/tools/send_sms",
                {"arguments": {"text": "Hi", "to": written}, "to": NUMBER},
            ),
            422,
            "invalid",
            "arguments.to",
        ),
        problem(
            await home.client.put(path(written), json={"do_not_call": True}),
            422,
            "invalid",
            "phone",
        ),
        problem(await home.client.get(path(written)), 422, "invalid", "phone"),
        problem(await home.client.delete(path(written)), 422, "invalid", "phone"),
        *[
            problem(await home.get(f"/{what}", phone=written), 422, "invalid", "phone")
            for what in ("calls", "callbacks", "bookings")
        ],
    }

    assert len(told) == 1
    assert jobs.jobs == {}
    assert (await home.get("/calls")).json()["calls"] == []


# ---- what is kept under numbers that are refused today ----------------------------------------


async def keep_call(home: House, caller: str) -> None:
    call = replace(a_call("c-9"), caller=caller)
    await home.kept.calls.open(call, CallState.RINGING, T0)
    await home.kept.calls.end(call, BUSY, T0 + 5)
    await home.kept.flush()


@pytest.mark.parametrize("caller", ["+91919999900000", "+91999990000", "+15550100123"])
async def test_what_was_kept_under_a_wrong_number_is_found_and_erased(
    home: House, caller: str
) -> None:
    """A caller may show any number, and earlier versions dialled such ones."""
    problem(await home.client.get(path(caller)), 422, "invalid", "phone")
    problem(await home.get("/calls", phone=caller), 422, "invalid", "phone")
    problem(await home.client.delete(path(caller)), 422, "invalid", "phone")
    await keep_call(home, caller)

    (shown,) = (await home.get("/calls", phone=caller)).json()["calls"]
    (known,) = (await home.client.get(path(caller))).json()["calls"]
    assert shown["call_id"] == known["call_id"] == CallId("c-9")
    assert (await home.client.delete(path(caller))).json()["calls"] == 1
    assert (await home.get("/calls")).json()["calls"] == []


async def test_a_wrong_entry_of_the_list_can_be_taken_back(home: House) -> None:
    wrong = "+91999990000"
    await home.services.contacts.set_do_not_call(wrong, True, "a slip")

    answer = await home.client.put(path(wrong), json={"do_not_call": False})

    assert (answer.status_code, answer.json()["do_not_call"]) == (200, False)


async def test_erasing_finds_every_spelling_of_earlier_versions(home: House) -> None:
    await keep_call(home, "+9109999900009")
    contacts: Any = home.services.contacts
    for phone in (NUMBER, "+9109999900009"):
        await contacts.remember(phone, MemoryEntry(NOW, f"c-{phone}", "FWAI_Core", "asked"))
    assert len((await home.client.get(path(NUMBER))).json()["memory"]) == 2

    erased = (await home.client.delete(path("+91 (0)99999 00009"))).json()

    assert (erased["calls"], erased["contact"]) == (1, True)
    assert (await home.client.get(path(NUMBER))).json()["memory"] == []
    assert (await home.client.get(path(NUMBER))).json()["calls"] == []


@pytest.mark.parametrize("asked", ["+919999900009", "+4721234567"])
async def test_a_plus_that_became_a_space_is_still_one(home: House, asked: str) -> None:
    """As it does in an address where nobody has written %2B; Norway has eight digits."""
    answer = await home.client.get(f"/api/calls?phone={asked}")

    assert (answer.status_code, answer.json()["calls"]) == (200, [])
