"""What is said of a message is what is known of its job."""

import pytest

from fwai.domain.job import Job, JobState
from fwai.errors import ToolError
from fwai.interfaces.tools import ToolContext
from fwai.tools.message_jobs import DAY_S, DayCount, DayLimit, delivery_outcome
from unit.tools.kit import NOW, PHONE, JobSubmission


def job(state: JobState) -> Job:
    ref = "m-1" if state is JobState.DONE else ""
    return Job("job_1", "send_sms", "k", {}, state, NOW, 1, NOW, ref=ref)


def test_a_job_that_is_done_was_accepted_and_no_more() -> None:
    outcome = delivery_outcome(job(JobState.DONE), "text message", "the network")

    assert outcome.text == (
        "The text message was handed to the network; whether it arrives is not known yet."
    )
    assert outcome.data == {"delivery": "accepted", "message_id": "m-1"}


@pytest.mark.parametrize("state", [JobState.WAITING, JobState.RUNNING])
def test_a_job_that_waits_is_not_sent_yet(state: JobState) -> None:
    outcome = delivery_outcome(job(state), "text message", "the network")

    assert outcome.text.startswith("The text message is not sent yet; it is being tried.")
    assert outcome.data == {"delivery": "pending"}


@pytest.mark.parametrize("state", [JobState.DEAD, JobState.CANCELED])
def test_a_job_that_is_given_up_was_not_sent(state: JobState) -> None:
    with pytest.raises(ToolError, match=r"^The e-mail was not sent\. Say so and offer another way"):
        delivery_outcome(job(state), "e-mail", "the mail server")


def test_a_job_of_which_nobody_knows_is_told_so() -> None:
    with pytest.raises(ToolError, match=r"not known whether the e-mail went out\. Do not send"):
        delivery_outcome(job(JobState.UNKNOWN), "e-mail", "the mail server")


@pytest.mark.parametrize("state", list(JobState))
def test_no_state_claims_an_arrival(state: JobState) -> None:
    try:
        text = delivery_outcome(job(state), "text message", "the network").text
    except ToolError as exc:
        text = str(exc)

    assert "delivered" not in text
    assert "arrived" not in text


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_uses_are_counted_for_a_day() -> None:
    clock = Clock()
    count = DayCount(clock)

    count.add("a")
    clock.now = 10.0
    count.add("a")
    count.add("b")

    assert (count.count("a"), count.count("b"), count.count("c")) == (2, 1, 0)
    clock.now = DAY_S
    assert (count.count("a"), count.count("b")) == (1, 1)
    clock.now = DAY_S + 10.0
    assert (count.count("a"), count.count("b")) == (0, 0)


def test_only_so_many_things_are_counted() -> None:
    count = DayCount(most=2)

    for what in ("a", "b", "a", "c"):
        count.add(what)

    assert (count.count("a"), count.count("b"), count.count("c")) == (2, 0, 1)


def test_a_use_that_came_to_nothing_is_not_counted() -> None:
    count = DayCount()

    count.undo("a")
    count.add("a")
    count.add("a")
    count.undo("a")

    assert count.count("a") == 1


# ---- the limit of a day -------------------------------------------------------------------------

CALLER = ToolContext(PHONE, "call-1")


async def test_an_action_is_counted_once_and_again_when_it_was_given_back() -> None:
    limit = DayLimit(JobSubmission(), "send_email", "e-mail", 1)

    for _ in range(2):
        await limit.acquire(CALLER, "k", address="a@example.com")
    assert limit.is_counted("k")
    with pytest.raises(ToolError, match=r"No further e-mail can be sent to them today\."):
        await limit.acquire(CALLER, "other", address="a@example.com")
    assert not limit.is_counted("other")

    limit.release("k")
    limit.release("k")
    await limit.acquire(CALLER, "other", address="a@example.com")
    assert not limit.is_counted("k")


async def test_the_limit_is_over_after_a_day() -> None:
    clock = Clock()
    limit = DayLimit(JobSubmission(), "send_email", "e-mail", 1, clock)

    await limit.acquire(CALLER, "1", address="a@example.com")
    clock.now = DAY_S
    await limit.acquire(CALLER, "2", address="a@example.com")
