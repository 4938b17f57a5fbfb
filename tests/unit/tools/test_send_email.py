"""Mail goes to an address that was dictated and confirmed."""

import pytest

from fakes import CALL
from fwai.domain.job import JobState
from fwai.errors import FieldError
from fwai.tools.send_email import MAX_EMAILS_PER_CALL, MAX_EMAILS_PER_DAY, send_email
from unit.tools.kit import PHONE, Actions, JobSubmission, run, use

MAIL = {
    "subject": "Fees",
    "body": "One.\n\nTwo.",
    "to": "asha@example.com",
    "confirmed": True,
}


async def test_a_confirmed_address_gets_the_mail() -> None:
    jobs = JobSubmission()

    result = await run(send_email(jobs), MAIL)

    (job,) = jobs.jobs.values()
    assert job.kind == "send_email"
    assert job.payload == {
        "to": "asha@example.com",
        "template": "message",
        "values": {"subject": "Fees", "body": "One.\n\nTwo."},
    }
    assert (job.call_id, job.phone) == (CALL.id, PHONE)
    assert result.ok
    assert "mail server" in result.text


@pytest.mark.parametrize(
    ("said", "to"),
    [
        ("Asha dot K at example dot com", "asha.k@example.com"),
        ("a s h a at the rate example.com", "asha@example.com"),
        (" ASHA@EXAMPLE.COM ", "asha@example.com"),
    ],
)
async def test_an_address_is_understood_as_it_is_spelt(said: str, to: str) -> None:
    jobs = JobSubmission()

    await run(send_email(jobs), {**MAIL, "to": said})

    assert jobs.payloads[0]["to"] == to


@pytest.mark.parametrize("to", ["asha", "a@b", "a@example.com, b@example.com", "<a@example.com>"])
async def test_what_is_no_address_is_asked_for_again(to: str) -> None:
    jobs = JobSubmission()

    result = await run(send_email(jobs), {**MAIL, "to": to})

    assert not result.ok
    assert result.text.startswith("That e-mail address cannot be used: ")
    assert jobs.jobs == {}
    with pytest.raises(FieldError) as caught:
        await use(send_email(jobs), {**MAIL, "to": to})
    assert caught.value.field == "to"


@pytest.mark.parametrize("to", [{}, {"to": None}, {"to": " "}])
async def test_without_an_address_it_is_asked_for(to: dict[str, str | None]) -> None:
    jobs = JobSubmission()
    rest = {"subject": "Fees", "body": "One."}

    result = await run(send_email(jobs), rest | to)

    assert not result.ok
    assert "Ask for it" in result.text
    assert jobs.jobs == {}


async def test_an_address_that_was_not_confirmed_is_read_back_first() -> None:
    jobs = JobSubmission()

    result = await run(send_email(jobs), {**MAIL, "confirmed": False})

    assert not result.ok
    assert "Read the e-mail address letter by letter back" in result.text
    assert jobs.jobs == {}


async def test_an_operator_need_not_confirm() -> None:
    jobs = JobSubmission()

    result = await use(send_email(jobs), {**MAIL, "confirmed": False}, to="")

    assert result.ok
    assert jobs.payloads[0]["to"] == "asha@example.com"


async def test_one_call_sends_only_so_many() -> None:
    jobs, actions = JobSubmission(), Actions(heard=True)
    tool = send_email(jobs)

    results = [
        await run(tool, {**MAIL, "subject": f"{number}"}, actions=actions) for number in range(3)
    ]

    assert [result.ok for result in results] == [True] * MAX_EMAILS_PER_CALL + [False]


async def test_one_address_gets_only_so_many_a_day_whoever_asks() -> None:
    jobs = JobSubmission()
    tool = send_email(jobs)

    results = [
        await run(tool, MAIL, caller=f"+91999990010{number}")
        for number in range(MAX_EMAILS_PER_DAY)
    ]
    # The same key of the same call: told again, not counted again.
    assert all(result.ok for result in results)
    results = [
        await run(tool, {**MAIL, "subject": f"{number}"}, caller=f"+9199999002{number:02}")
        for number in range(MAX_EMAILS_PER_DAY)
    ]

    assert [result.ok for result in results] == [True] * (MAX_EMAILS_PER_DAY - 1) + [False]
    assert "today" in results[-1].text
    assert (await run(tool, {**MAIL, "to": "ravi@example.com"})).ok


async def test_one_person_is_sent_only_so_many_a_day() -> None:
    result = await run(send_email(JobSubmission(before=MAX_EMAILS_PER_DAY)), MAIL)

    assert not result.ok


async def test_mail_for_a_caller_without_a_number_is_nobodys() -> None:
    jobs = JobSubmission()

    result = await run(send_email(jobs), MAIL, caller="")

    assert result.ok
    assert next(iter(jobs.jobs.values())).phone == ""


async def test_all_callers_without_a_number_are_one_and_a_restart_forgets_nothing() -> None:
    jobs = JobSubmission(wishes={"": MAX_EMAILS_PER_DAY})
    tool = send_email(jobs)

    assert not (await run(tool, MAIL, caller="")).ok
    assert jobs.jobs == {}
    assert (await run(tool, MAIL)).ok


async def test_an_address_is_read_back_before_its_first_mail() -> None:
    jobs, actions = JobSubmission(), Actions()
    tool = send_email(jobs)

    results = [await run(tool, MAIL, actions=actions) for _ in range(2)]

    assert [result.ok for result in results] == [False, True]
    assert "letter by letter back" in results[0].text
    assert len(jobs.jobs) == 1


async def test_a_subject_becomes_one_line() -> None:
    jobs = JobSubmission()

    await run(send_email(jobs), {**MAIL, "subject": "Fees\r\nBcc: x@example.com"})

    assert jobs.payloads[0]["values"]["subject"] == "Fees Bcc: x@example.com"


async def test_a_server_that_refused_is_told() -> None:
    result = await run(send_email(JobSubmission(JobState.DEAD)), MAIL)

    assert (result.ok, result.text) == (
        False,
        "The e-mail was not sent. Say so and offer another way.",
    )
