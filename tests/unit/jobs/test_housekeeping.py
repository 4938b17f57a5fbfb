"""The job of the day tidies up and writes the next one."""

from datetime import datetime, timedelta

from fwai.domain.job import Done
from fwai.jobs.housekeeping import (
    FALLBACKS_KEPT,
    GIVEN_UP_KEPT,
    JOBS_KEPT,
    MESSAGES_KEPT,
    REQUESTS_KEPT,
    Housekeeping,
)
from unit.jobs.kit import T0, MemoryJobs, a_job, no_mark
from unit.store.kit import Clock


class Cupboard(MemoryJobs):
    def __init__(self, clock: Clock, rows: int) -> None:
        super().__init__(clock)
        self.old = rows
        self.purged_before: list[tuple[datetime, ...]] = []

    async def purge(self, *before: datetime) -> int:
        self.purged_before.append(before)
        return self.old

    forget_old = purge


async def test_the_old_is_forgotten_and_the_next_day_is_planned_once() -> None:
    clock = Clock()
    clock.now = T0
    jobs, requests, instances, messages = (Cupboard(clock, rows) for rows in (3, 2, 1, 4))
    housekeeping = Housekeeping(jobs, requests, instances, messages, clock)

    for _ in range(2):
        assert await housekeeping(a_job(), no_mark) == Done({"rows": 10})

    assert set(jobs.purged_before) == {(T0 - JOBS_KEPT, T0 - GIVEN_UP_KEPT)}
    assert set(requests.purged_before) == {(T0 - REQUESTS_KEPT,)}
    assert set(messages.purged_before) == {(T0 - MESSAGES_KEPT, T0 - FALLBACKS_KEPT)}
    (planned,) = jobs.rows.values()
    assert planned.run_at == T0 + timedelta(days=1)


def test_a_day_has_one_job_however_often_the_server_starts() -> None:
    morning, evening = T0, T0 + timedelta(hours=12)

    assert Housekeeping.next(morning).key == Housekeeping.next(evening).key
    assert Housekeeping.next(morning).key != Housekeeping.next(T0 + timedelta(days=1)).key
