"""A text message goes to the caller or to whom they dictated, once, and is told as it is."""

import asyncio
from dataclasses import replace

import pytest

from fakes import CALL
from fwai.domain.call import CallId
from fwai.domain.job import JobState
from fwai.domain.phone import CountryAllowList
from fwai.errors import FieldError, StoreError
from fwai.tools.send_sms import MAX_SMS_PER_CALL, MAX_SMS_PER_DAY, send_sms
from unit.tools.kit import OTHER, PHONE, Actions, JobSubmission, run, use

TEXT = {"text": "Foundations of AI: eight weeks."}


async def test_the_caller_gets_the_message() -> None:
    jobs = JobSubmission()

    result = await run(send_sms(jobs), TEXT)

    (job,) = jobs.jobs.values()
    assert (job.kind, job.payload) == ("send_sms", {"to": PHONE, "text": TEXT["text"]})
    assert (job.call_id, job.phone) == (CALL.id, PHONE)
    assert job.key.startswith(f"send_sms:{CALL.id}:")
    assert result.ok
    assert result.data == {"delivery": "accepted", "message_id": "m-1"}


@pytest.mark.parametrize(
    ("state", "ok", "words"),
    [
        (JobState.DONE, True, "handed to the network"),
        (JobState.WAITING, True, "not sent yet"),
        (JobState.RUNNING, True, "not sent yet"),
        (JobState.DEAD, False, "was not sent"),
        (JobState.CANCELED, False, "was not sent"),
        (JobState.UNKNOWN, False, "not known whether"),
    ],
)
async def test_the_agent_may_only_say_what_is_known(state: JobState, ok: bool, words: str) -> None:
    result = await run(send_sms(JobSubmission(state)), TEXT)

    assert result.ok is ok
    assert words in result.text


async def test_the_same_message_asked_for_again_is_the_same_message() -> None:
    jobs, actions = JobSubmission(), Actions()
    tool = send_sms(jobs)

    results = [await run(tool, TEXT, actions=actions) for _ in range(MAX_SMS_PER_CALL + 2)]

    assert len(jobs.jobs) == 1
    assert all(result.ok and result.data == results[0].data for result in results)
    assert actions.uses == {"send_sms": 1}


async def test_the_same_message_asked_for_twice_at_once_is_one() -> None:
    jobs = JobSubmission()
    tool = send_sms(jobs)

    await asyncio.gather(run(tool, TEXT), run(tool, TEXT))

    assert len(jobs.jobs) == 1


async def test_another_text_is_another_message() -> None:
    jobs = JobSubmission()
    tool = send_sms(jobs)

    await run(tool, TEXT)
    await run(tool, {"text": "Another."})

    assert len(jobs.jobs) == 2


async def test_one_call_sends_only_so_many() -> None:
    jobs, actions = JobSubmission(), Actions()
    tool = send_sms(jobs)

    results = [
        await run(tool, {"text": f"{number}"}, actions=actions)
        for number in range(MAX_SMS_PER_CALL + 2)
    ]

    assert [result.ok for result in results] == [True] * MAX_SMS_PER_CALL + [False] * 2
    assert len(jobs.jobs) == MAX_SMS_PER_CALL
    assert results[-1].text == "No further text message can be sent in this call."
    refused_again = await run(tool, {"text": "4"}, actions=actions)
    assert not refused_again.ok


async def test_one_person_gets_only_so_many_a_day() -> None:
    jobs = JobSubmission(before=MAX_SMS_PER_DAY - 1)
    tool = send_sms(jobs)

    first = await run(tool, TEXT)
    second = await run(tool, {"text": "Another."})

    assert (first.ok, second.ok) == (True, False)
    assert "to them today" in second.text
    assert len(jobs.jobs) == 1
    assert (await run(tool, TEXT)).ok, "what was sent already is still told"


# ---- recipients ---------------------------------------------------------------------------------


async def test_a_number_that_was_confirmed_gets_the_message() -> None:
    jobs = JobSubmission()

    result = await run(send_sms(jobs), {**TEXT, "to": "+91 99999-00009", "confirmed": True})

    (job,) = jobs.jobs.values()
    assert result.ok
    assert (job.payload["to"], job.phone) == (OTHER, OTHER)


@pytest.mark.parametrize("confirmed", [{}, {"confirmed": False}])
async def test_a_number_that_was_not_confirmed_is_read_back_first(
    confirmed: dict[str, bool],
) -> None:
    jobs = JobSubmission()

    result = await run(send_sms(jobs), {**TEXT, "to": OTHER, **confirmed})

    assert not result.ok
    assert "Read the number digit by digit back" in result.text
    assert jobs.jobs == {}


async def test_a_number_is_read_back_before_its_first_message_and_not_again() -> None:
    jobs, actions = JobSubmission(), Actions()
    tool = send_sms(jobs)
    args = {"to": OTHER, "confirmed": True}

    results = [await run(tool, {"text": text, **args}, actions=actions) for text in ("A", "A", "B")]

    assert [result.ok for result in results] == [False, True, True]
    assert "Read the number digit by digit back" in results[0].text
    assert [payload["text"] for payload in jobs.payloads] == ["A", "B"]


async def test_no_text_goes_to_a_country_out_of_reach() -> None:
    jobs, satellite = JobSubmission(), "+882160000001"
    tool = send_sms(jobs, CountryAllowList(frozenset({"91"})))

    own = await run(tool, TEXT, caller=satellite)
    dictated = await run(tool, {**TEXT, "to": satellite, "confirmed": True})

    assert not own.ok
    assert not dictated.ok
    assert "offer an e-mail or a WhatsApp message" in own.text
    assert jobs.jobs == {}
    assert (await run(tool, TEXT)).ok
    assert (await use(tool, {**TEXT, "to": satellite})).ok


# ---- one caller, many recipients ----------------------------------------------------------------


def stranger(number: int) -> dict[str, object]:
    return {**TEXT, "to": f"+9199999100{number:02}", "confirmed": True}


@pytest.mark.parametrize("caller", [PHONE, ""])
async def test_one_caller_has_only_so_many_strangers_texted_a_day(caller: str) -> None:
    jobs = JobSubmission()
    tool = send_sms(jobs)

    results = []
    for number in range(MAX_SMS_PER_DAY + 1):
        call = replace(CALL, id=CallId(f"20261122-{number:016}"))
        results.append(await run(tool, stranger(number), caller=caller, call=call))

    assert [result.ok for result in results] == [True] * MAX_SMS_PER_DAY + [False]
    assert "today" in results[-1].text
    assert (await run(tool, stranger(50), caller="+919999900088")).ok
    assert (await run(tool, TEXT)).ok, "their own number is not a stranger's"


@pytest.mark.parametrize("caller", [PHONE, ""])
async def test_what_a_caller_had_sent_before_a_restart_is_counted(caller: str) -> None:
    jobs = JobSubmission(wishes={caller: MAX_SMS_PER_DAY})

    result = await run(send_sms(jobs), stranger(1), caller=caller)

    assert not result.ok
    assert jobs.jobs == {}


async def test_many_calls_at_once_do_not_all_find_room() -> None:
    jobs = JobSubmission()
    tool = send_sms(jobs)

    async def ask(number: int) -> bool:
        call = replace(CALL, id=CallId(f"20261122-{number:016}"))
        return (await run(tool, stranger(number), call=call)).ok

    results = await asyncio.gather(*(ask(number) for number in range(50)))

    assert sum(results) == len(jobs.jobs) == MAX_SMS_PER_DAY


async def test_an_operator_is_not_counted_as_the_caller() -> None:
    jobs = JobSubmission(wishes={PHONE: MAX_SMS_PER_DAY, "": MAX_SMS_PER_DAY})

    assert (await use(send_sms(jobs), {**TEXT, "to": OTHER})).ok
    assert (await use(send_sms(jobs), {**TEXT, "to": OTHER}, to="", scope="2")).ok


async def test_the_callers_own_number_needs_no_confirmation() -> None:
    jobs = JobSubmission()

    result = await run(send_sms(jobs), {**TEXT, "to": PHONE})

    assert result.ok
    assert jobs.payloads[0]["to"] == PHONE


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("99999 00009", "country code"),  # would pass for a number in Iran
        ("919999900009", "country code"),
        ("+91", "cannot be a phone number"),
        ("+91 nine nine", "cannot be a phone number"),
        ("my brother", "country code"),
    ],
)
async def test_what_is_no_whole_number_is_asked_for_again(to: str, words: str) -> None:
    jobs = JobSubmission()

    result = await run(send_sms(jobs), {**TEXT, "to": to, "confirmed": True})

    assert not result.ok
    assert words in result.text
    assert jobs.jobs == {}


async def test_a_withheld_number_gets_none() -> None:
    jobs, actions = JobSubmission(), Actions()

    result = await run(send_sms(jobs), TEXT, caller="", actions=actions)

    assert not result.ok
    assert "withheld" in result.text
    assert jobs.jobs == {}
    assert actions.uses == {}


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 481])
async def test_a_message_has_words_and_is_short(text: str) -> None:
    jobs = JobSubmission()

    result = await run(send_sms(jobs), {"text": text})

    assert not result.ok
    assert "text: " in result.text
    assert jobs.jobs == {}


# ---- for an operator ----------------------------------------------------------------------------


async def test_an_operator_chooses_the_recipient() -> None:
    jobs = JobSubmission()
    tool = send_sms(jobs)

    await use(tool, TEXT)
    await use(tool, {**TEXT, "to": "919999900009"}, to="")

    assert [payload["to"] for payload in jobs.payloads] == [PHONE, OTHER]


async def test_the_same_request_again_sends_nothing_and_another_request_does() -> None:
    jobs = JobSubmission()
    tool = send_sms(jobs)

    for scope in ("request-1", "request-1", "request-2"):
        await use(tool, TEXT, scope=scope)

    assert len(jobs.jobs) == 2


async def test_a_day_has_its_limit_for_an_operator_too() -> None:
    result = await use(send_sms(JobSubmission(before=MAX_SMS_PER_DAY)), TEXT)

    assert not result.ok


async def test_a_wrong_number_names_the_argument() -> None:
    with pytest.raises(FieldError) as caught:
        await use(send_sms(JobSubmission()), {**TEXT, "to": "12"})

    assert caught.value.field == "to"


async def test_a_database_that_fails_is_told_as_not_known() -> None:
    result = await run(send_sms(JobSubmission(error=StoreError("disk full"))), TEXT)

    assert not result.ok
    assert "not known whether it was done" in result.text
    assert "disk" not in result.text
