"""A message goes out once, whatever happens in between."""

from datetime import timedelta

import pytest

from fwai.domain.job import Dead, Done, Job, JobOutcome, JobState, NewJob, Postpone, Retry, Unknown
from fwai.errors import ApiAuthError, ApiError, ApiUnknownError, BusyError
from fwai.jobs.message_sender import EVIDENCE_S, MessageSender
from unit.jobs.kit import T0, Begun, MemoryJobs, a_job
from unit.store.kit import Clock


class KilledError(BaseException):
    """The process is gone: nothing that would be done after this point is."""


class Provider:
    """Takes messages, or does something else."""

    def __init__(self, answer: BaseException | None = None) -> None:
        self.answer = answer
        self.taken: list[str] = []

    async def __call__(self, job: Job) -> str:
        if self.answer is not None:
            raise self.answer
        self.taken.append(job.id)
        return f"m-{len(self.taken)}"


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.now = T0
    return clock


async def test_a_message_is_marked_and_then_sent(clock: Clock) -> None:
    provider, mark = Provider(), Begun()

    assert await MessageSender(provider, clock=clock)(a_job(), mark) == Done(ref="m-1")

    assert mark.times == 1


@pytest.mark.parametrize(
    ("fault", "outcome", "of_mail"),
    [
        (ApiError("p", "full", retryable=True), Retry, Retry),
        (ApiError("p", "refused"), Dead, Dead),
        (ApiAuthError("p", "key"), Dead, Dead),
        (ApiUnknownError("p", "no answer"), Unknown, Retry),
        (ApiUnknownError("p", "no answer", retryable=True), Unknown, Retry),
        (ValueError("too long"), Dead, Dead),
        (BusyError("p: as many as it may"), Retry, Retry),
    ],
)
async def test_what_the_provider_says_decides(
    clock: Clock, fault: Exception, outcome: type[JobOutcome], of_mail: type[JobOutcome]
) -> None:
    provider = Provider(fault)

    assert isinstance(await MessageSender(provider, clock=clock)(a_job(), Begun()), outcome)
    mail = MessageSender(provider, repeatable=True, clock=clock)
    assert isinstance(await mail(a_job(), Begun()), of_mail)


async def test_after_a_crash_it_waits_for_the_providers_report(clock: Clock) -> None:
    provider, mark = Provider(), Begun()
    sending = MessageSender(provider, clock=clock)

    waits = await sending(a_job(begun_at=T0), mark)

    assert waits == Postpone(T0 + timedelta(seconds=EVIDENCE_S), waits.why, begun=True)  # type: ignore[union-attr]
    assert (provider.taken, mark.times) == ([], 0)
    clock.move(EVIDENCE_S)
    assert await sending(a_job(begun_at=T0), mark) == Done(ref="m-1")
    assert mark.times == 1


async def test_reports_that_came_while_the_server_was_down_get_their_time_again(
    clock: Clock,
) -> None:
    provider = Provider()
    clock.move(7200)
    restarted = MessageSender(provider, clock=clock)

    assert isinstance(await restarted(a_job(begun_at=T0), Begun()), Postpone)
    assert provider.taken == []


async def test_mail_is_sent_again_at_once_for_it_is_the_same_mail(clock: Clock) -> None:
    provider, mark = Provider(), Begun()

    outcome = await MessageSender(provider, repeatable=True, clock=clock)(a_job(begun_at=T0), mark)

    assert outcome == Done(ref="m-1")
    assert mark.times == 0


# ---- killed at each step ------------------------------------------------------------------------

STEPS = ["leased", "marked", "accepted", "reported", "settled"]


async def one_life(
    jobs: MemoryJobs, sending: MessageSender, provider: Provider, die_at: str
) -> None:
    """Work on what is due, and die at a step."""

    def here(step: str) -> None:
        if step == die_at:
            raise KilledError

    for job in await jobs.lease(1, ["sms"]):
        here("leased")

        async def mark(job: Job = job) -> None:
            assert await jobs.begin(job)
            here("marked")

        outcome = await sending(job, mark)
        if isinstance(outcome, Done):
            here("accepted")
            if die_at == "reported":  # the report is faster than our own note
                assert await jobs.proven(job.id, outcome.ref)
                here("reported")
        await jobs.settle(job, outcome)
        here("settled")


@pytest.mark.parametrize("die_at", STEPS)
@pytest.mark.parametrize("report_comes", [True, False])
async def test_killed_at_any_step_it_is_sent_once(
    clock: Clock, die_at: str, *, report_comes: bool
) -> None:
    """Without any report a message that went out cannot be told from one that did not."""
    provider, jobs = Provider(), MemoryJobs(clock)
    job = await jobs.enqueue(NewJob("sms", "sms:1"))
    with pytest.raises(KilledError):
        await one_life(jobs, MessageSender(provider, clock=clock), provider, die_at)

    clock.move(1)
    if jobs.rows[job.id].state is JobState.RUNNING:
        jobs.next[job.id] = clock.now  # as `release` does at a start
    sending = MessageSender(provider, clock=clock)
    await one_life(jobs, sending, provider, "")
    if report_comes and provider.taken:
        await jobs.proven(job.id, "m-1")
    clock.move(EVIDENCE_S)
    await one_life(jobs, sending, provider, "")

    assert jobs.rows[job.id].state is JobState.DONE
    certain = report_comes or die_at != "accepted"
    assert len(provider.taken) == (1 if certain else 2)
