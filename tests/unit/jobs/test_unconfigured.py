"""Jobs whose settings were taken away do not wait for ever, unseen."""

import asyncio

import virtual_time
from fwai.domain.job import Dead, JobState, NewJob
from fwai.jobs.signals import JobSignals
from fwai.jobs.unconfigured import Unconfigured
from fwai.jobs.worker import Worker
from unit.jobs.kit import Begun, MemoryJobs, a_job, loop_clock


async def test_it_is_given_up_with_what_is_missing() -> None:
    mark = Begun()

    outcome = await Unconfigured("SMTP_HOST and SMTP_SENDER")(a_job("send_email"), mark)

    needs = "it needs SMTP_HOST and SMTP_SENDER"
    assert outcome == Dead(f"send_email is not configured any more; {needs}")
    assert mark.times == 0


def test_a_worker_settles_it_at_once() -> None:
    async def main() -> None:
        clock = loop_clock()
        jobs = MemoryJobs(clock)
        signals = JobSignals()
        handlers = {"send_email": Unconfigured("SMTP_HOST")}
        worker = Worker(jobs, handlers, signals, clock=clock)
        job = await jobs.enqueue(NewJob("send_email", "e"))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(worker.run())
            assert (await signals.wait(jobs, job, 5.0)).state is JobState.DEAD
            worker.stop()

    virtual_time.run(main())
