"""Which jobs may be leased: those that are due and that nobody who lives works on."""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, false, select, true, update
from sqlalchemy.sql.dml import ReturningUpdate

from fwai.domain.job import JobState
from fwai.domain.wall_clock import WallClock
from fwai.store.clock_steps import lives
from fwai.store.job_tables import jobs

LEASE_S: Final = 120.0


class HeldJobs:
    """The jobs that this process works on, each for as long as a lease lasts.

    Args:
        clock: The time now, aware.
        wall: Tells how the clock was set, which ends no lease.
        demo: This process is a demo's: what a demo wrote is never done by a live server, however
            it came into its database, nor the other way round.
    """

    def __init__(
        self, clock: Callable[[], datetime], wall: WallClock, *, demo: bool = False
    ) -> None:
        self._on_our_side = jobs.c.demo.is_(true() if demo else false())
        self._clock = clock
        self._wall = wall
        self._since: dict[str, float] = {}

    def add(self, job_ids: Iterable[str]) -> None:
        """Hold jobs from now on."""
        self._since |= dict.fromkeys(job_ids, self._unmoved())

    def drop(self, job_id: str) -> None:
        """Let go of a job."""
        self._since.pop(job_id, None)

    def clear(self) -> None:
        """Let go of all."""
        self._since.clear()

    def ids(self) -> list[str]:
        """Return those that are held now."""
        over = self._unmoved() - LEASE_S
        self._since = {job_id: since for job_id, since in self._since.items() if since > over}
        return list(self._since)

    def free(
        self, owner: str, kinds: Collection[str] | None, where: ColumnElement[bool] | None
    ) -> ColumnElement[bool]:
        """Whether a job may be taken by ``owner`` once it is due."""
        others = (jobs.c.state == JobState.RUNNING.value) & (jobs.c.leased_by != owner)
        free = self._on_our_side & ~(others & lives(jobs.c.leased_by))
        if held := self.ids():
            free &= jobs.c.id.not_in(held) | (jobs.c.next_at > self._clock())
        if kinds is not None:
            free &= jobs.c.kind.in_(list(kinds))
        return free if where is None else free & where

    def _unmoved(self) -> float:
        """Return Unix time as it would be had nobody set the clock since the start."""
        return self._clock().timestamp() - self._wall.look()


def taking(
    free: ColumnElement[bool],
    now: datetime,
    owner: str,
    limit: int,
    *,
    oldest_first: bool,
    sqlite: bool,
) -> ReturningUpdate[Any]:
    """Return what leases up to ``limit`` free jobs that are due, and returns them."""
    order = (jobs.c.run_at, jobs.c.created_at) if oldest_first else (jobs.c.next_at,)
    due = select(jobs.c.id).where(jobs.c.next_at <= now, free).order_by(*order).limit(limit)
    if not sqlite:
        # Only WITH is evaluated once: a subquery may be for each row, and take as many again.
        due = select(due.with_for_update(skip_locked=True, of=jobs).cte("due").c.id)
    leased = {
        "state": JobState.RUNNING.value,
        "attempts": jobs.c.attempts + 1,
        "next_at": now + timedelta(seconds=LEASE_S),
        "leased_by": owner,
    }
    here = jobs.c.id.in_(due.scalar_subquery())
    return update(jobs).where(here).values(leased).returning(jobs)
