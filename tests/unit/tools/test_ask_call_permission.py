"""WhatsApp: nobody is called there who was not asked, and nobody is asked twice a day."""

import pytest

from fakes import CALL
from fwai.domain.job import JobState
from fwai.tools.ask_call_permission import ask_call_permission
from unit.tools.kit import PHONE, JobSubmission, Quotas, run, use


async def test_the_request_is_a_job_for_the_person_on_the_line() -> None:
    jobs = JobSubmission()

    result = await run(ask_call_permission(jobs), {"name": "Asha", "topic": "the Hindi course"})

    (job,) = jobs.jobs.values()
    assert (job.kind, job.phone, job.call_id) == ("ask_call_permission", PHONE, CALL.id)
    assert job.payload == {"to": PHONE, "name": "Asha", "topic": "the Hindi course"}
    assert result.ok
    assert "handed to WhatsApp" in result.text


@pytest.mark.parametrize(
    ("state", "word"), [(JobState.DEAD, "not sent"), (JobState.UNKNOWN, "not known")]
)
async def test_what_became_of_it_is_told_as_it_is(state: JobState, word: str) -> None:
    result = await run(ask_call_permission(JobSubmission(state)), {})

    assert not result.ok
    assert word in result.text


async def test_an_operator_may_ask_somebody_who_does_not_call() -> None:
    jobs = JobSubmission()

    result = await use(ask_call_permission(jobs), {"topic": "your order"}, to="+919999900009")

    assert result.ok
    assert jobs.payloads[0] == {"to": "+919999900009", "name": "there", "topic": "your order"}


async def test_nobody_is_asked_twice_a_day() -> None:
    jobs = JobSubmission(before=1)

    result = await run(ask_call_permission(jobs), {})

    assert not result.ok
    assert jobs.payloads == []


async def test_a_withheld_number_cannot_be_asked() -> None:
    jobs = JobSubmission()

    result = await run(ask_call_permission(jobs), {}, caller="")

    assert not result.ok
    assert "withheld" in result.text
    assert jobs.payloads == []


async def test_the_server_s_limit_counts_whatever_numbers_are_shown() -> None:
    jobs, quotas = JobSubmission(), Quotas({"ask_call_permission": 1})
    asking = ask_call_permission(jobs, quotas=quotas)

    results = [await run(asking, caller=f"+91999990010{number}") for number in range(2)]

    assert [result.ok for result in results] == [True, False]
    assert "things called ask_call_permission" in results[1].text
