"""Mail goes to an address that was dictated and confirmed."""

import re

import pytest

from fakes import CALL
from fwai.domain.email_text import EmailText
from fwai.domain.job import JobState
from fwai.domain.quota import UNLIMITED
from fwai.errors import FieldError
from fwai.interfaces.messages import MessageQuotas
from fwai.tools.base import Tool
from fwai.tools.recipient import ANYBODY, RecipientRules
from fwai.tools.send_email import (
    MAX_EMAILS_PER_CALL,
    MAX_EMAILS_PER_DAY,
    SendEmailArgs,
    email_outbox,
    send_email,
)
from unit.tools.kit import CONFIRMED, PHONE, Actions, JobSubmission, Quotas, run, use

COURSES = EmailText(
    "courses", "Fees for {#name#}", "One, {#name#}.\n\nTwo: {#day#}.", "fees and dates"
)
NOTES = EmailText("notes", "Notes", "No gap in them.")
TEMPLATES = {"courses": COURSES, "notes": NOTES}
MAIL = {
    "template": "courses",
    "variables": [{"name": "name", "value": "Asha"}, {"name": "day", "value": "Monday"}],
    "to": "asha@example.com",
    "confirmed": True,
}
FREE = {"subject": "Fees", "body": "One.\n\nTwo.", "to": "asha@example.com", "confirmed": True}
OWNED = RecipientRules(owner_emails=frozenset({"desk@example.com"}))


def tool(
    jobs: JobSubmission, rules: RecipientRules = ANYBODY, quotas: MessageQuotas = UNLIMITED
) -> Tool[SendEmailArgs]:
    return send_email(jobs, TEMPLATES, rules, outbox=email_outbox(jobs, None, quotas))


def about(name: str) -> dict[str, object]:
    """Return a mail of its own."""
    return {**MAIL, "variables": {"name": name, "day": "Monday"}}


async def test_a_confirmed_address_gets_the_mail() -> None:
    jobs = JobSubmission()

    result = await run(tool(jobs), MAIL)

    (job,) = jobs.jobs.values()
    assert job.kind == "send_email"
    assert job.payload == {
        "to": "asha@example.com",
        "template": "message",
        "values": {"subject": "Fees for Asha", "body": "One, Asha.\n\nTwo: Monday."},
    }
    assert job.confirmation == {"read_back": CONFIRMED.read_back, "answer": CONFIRMED.answer}
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

    await run(tool(jobs), {**MAIL, "to": said})

    assert jobs.payloads[0]["to"] == to


@pytest.mark.parametrize("to", ["asha", "a@b", "a@example.com, b@example.com", "<a@example.com>"])
async def test_what_is_no_address_is_asked_for_again(to: str) -> None:
    jobs = JobSubmission()

    result = await run(tool(jobs), {**MAIL, "to": to})

    assert not result.ok
    assert result.text.startswith("That e-mail address cannot be used: ")
    assert jobs.jobs == {}
    with pytest.raises(FieldError) as caught:
        await use(tool(jobs), {**MAIL, "to": to})
    assert caught.value.field == "to"


@pytest.mark.parametrize("to", [{}, {"to": None}, {"to": " "}])
async def test_without_an_address_it_is_asked_for(to: dict[str, str | None]) -> None:
    jobs = JobSubmission()
    rest = {"template": "notes"}

    result = await run(tool(jobs), rest | to)

    assert not result.ok
    assert "Ask for it" in result.text
    assert jobs.jobs == {}


async def test_an_address_that_was_not_confirmed_is_read_back_first() -> None:
    jobs = JobSubmission()

    result = await run(tool(jobs), {**MAIL, "confirmed": False})

    assert not result.ok
    assert "read the e-mail address letter by letter back" in result.text
    assert jobs.jobs == {}


async def test_an_operator_need_not_confirm_and_may_write_anything() -> None:
    jobs = JobSubmission()

    result = await use(tool(jobs), {**FREE, "confirmed": False}, to="")

    assert result.ok
    assert jobs.payloads[0] == {
        "to": "asha@example.com",
        "template": "message",
        "values": {"subject": "Fees", "body": "One.\n\nTwo."},
    }
    assert next(iter(jobs.jobs.values())).confirmation is None


# ---- an agent is no relay -----------------------------------------------------------------------


async def test_words_of_a_caller_s_own_go_to_nobody_whom_they_dictate() -> None:
    jobs, actions = JobSubmission(), Actions(heard=True)

    result = await run(tool(jobs, OWNED), FREE, actions=actions)

    assert not result.ok
    assert "To callers only these can be sent" in result.text
    assert "courses (name, day): fees and dates; notes (no variables): Notes" in result.text
    assert jobs.jobs == {}
    assert actions.asked == [], "nothing is read back that would not be sent"


async def test_words_of_a_caller_s_own_go_to_the_owner_without_limit() -> None:
    jobs = JobSubmission(before=MAX_EMAILS_PER_DAY)
    mails = tool(jobs, OWNED, Quotas({"send_email": 0}))

    result = await run(mails, {**FREE, "to": "Desk@example.com"}, actions=Actions())

    assert result.ok
    assert jobs.payloads[0]["to"] == "desk@example.com"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"template": "spam"}, "none of that name"),
        ({"subject": "Win", "body": "Click."}, "not both|either a template"),
        ({"variables": {}}, "courses needs name, day"),
        ({"variables": {"name": "Asha", "day": " "}}, "courses needs day"),
        ({"variables": {"name": "Asha", "day": "x", "url": "y"}}, "no variable url"),
        ({"variables": {"name": "Asha", "day": "x" * 61}}, "day is too long"),
        ({"variables": {"name": "Asha", "day": "https://spam.example"}}, "without a link"),
        ({"variables": {"name": "www.spam.example", "day": "x"}}, "without a link"),
        ({"variables": {"name": "spam.example/win", "day": "x"}}, "without a link"),
        ({"variables": {"name": "ask@spam.example", "day": "x"}}, "without a link"),
    ],
)
async def test_a_gap_takes_a_few_plain_words(changes: dict[str, object], told: str) -> None:
    jobs = JobSubmission()

    result = await run(tool(jobs), {**MAIL, **changes})

    assert not result.ok
    assert re.search(told, result.text), result.text
    assert jobs.jobs == {}


async def test_a_gap_holds_no_second_line() -> None:
    jobs = JobSubmission()

    await run(tool(jobs), about("Asha\r\nBcc: x"))

    values = jobs.payloads[0]["values"]
    assert values["subject"] == "Fees for Asha Bcc: x"
    assert values["body"].startswith("One, Asha Bcc: x.")


async def test_without_prepared_mails_the_agent_is_told_to_offer_another_way() -> None:
    jobs = JobSubmission()

    result = await run(send_email(jobs), FREE)

    assert not result.ok
    assert "No e-mail is prepared for callers: offer another way." in result.text
    assert jobs.jobs == {}


async def test_the_server_s_limit_counts_addresses_that_callers_dictated() -> None:
    jobs, quotas = JobSubmission(), Quotas({"send_email": 1})
    mails = tool(jobs, quotas=quotas)

    first = await run(mails, MAIL)
    again = await run(mails, MAIL)
    other = await run(mails, {**MAIL, "to": "ravi@example.com"})

    assert (first.ok, again.ok, other.ok) == (True, True, False)
    assert "things called send_email" in other.text
    assert quotas.taken == [("send_email", "asha@example.com", PHONE)]
    assert (await use(mails, FREE)).ok, "what an operator sends is not counted"


async def test_one_call_sends_only_so_many() -> None:
    jobs, actions = JobSubmission(), Actions(heard=True)
    mails = tool(jobs)

    results = [await run(mails, about(f"N {number}"), actions=actions) for number in range(3)]

    assert [result.ok for result in results] == [True] * MAX_EMAILS_PER_CALL + [False]


async def test_one_address_gets_only_so_many_a_day_whoever_asks() -> None:
    jobs = JobSubmission()
    mails = tool(jobs)

    results = [
        await run(mails, MAIL, caller=f"+91999990010{number}")
        for number in range(MAX_EMAILS_PER_DAY)
    ]
    # The same key of the same call: told again, not counted again.
    assert all(result.ok for result in results)
    results = [
        await run(mails, about(f"N {number}"), caller=f"+9199999002{number:02}")
        for number in range(MAX_EMAILS_PER_DAY)
    ]

    assert [result.ok for result in results] == [True] * (MAX_EMAILS_PER_DAY - 1) + [False]
    assert "today" in results[-1].text
    assert (await run(mails, {**MAIL, "to": "ravi@example.com"})).ok


async def test_one_person_is_sent_only_so_many_a_day() -> None:
    result = await run(tool(JobSubmission(before=MAX_EMAILS_PER_DAY)), MAIL)

    assert not result.ok


async def test_mail_for_a_caller_without_a_number_is_nobodys() -> None:
    jobs = JobSubmission()

    result = await run(tool(jobs), MAIL, caller="")

    assert result.ok
    assert next(iter(jobs.jobs.values())).phone == ""


async def test_all_callers_without_a_number_are_one_and_a_restart_forgets_nothing() -> None:
    jobs = JobSubmission(wishes={"": MAX_EMAILS_PER_DAY})
    mails = tool(jobs)

    assert not (await run(mails, MAIL, caller="")).ok
    assert jobs.jobs == {}
    assert (await run(mails, MAIL)).ok


async def test_an_address_is_read_back_before_its_first_mail() -> None:
    jobs, actions = JobSubmission(), Actions()
    mails = tool(jobs)

    results = [await run(mails, MAIL, actions=actions) for _ in range(2)]

    assert [result.ok for result in results] == [False, True]
    assert "letter by letter back" in results[0].text
    assert len(jobs.jobs) == 1


async def test_an_operator_s_subject_becomes_one_line() -> None:
    jobs = JobSubmission()

    await use(tool(jobs), {**FREE, "subject": "Fees\r\nBcc: x@example.com"})

    assert jobs.payloads[0]["values"]["subject"] == "Fees Bcc: x@example.com"


async def test_a_server_that_refused_is_told() -> None:
    result = await run(tool(JobSubmission(JobState.DEAD)), MAIL)

    assert (result.ok, result.text) == (
        False,
        "The e-mail was not sent. Say so and offer another way.",
    )
