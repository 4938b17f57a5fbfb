"""Keeps waiting jobs right when the wall clock is set.

Theory of operation. ``next_at`` is wall-clock time. That is right for what is to happen at a time
of day; a retry in a minute, the end of a lease, or what was due at once would come early or late by
as much as the clock was set. So a step that is noticed moves those times along, before anything
more is leased. Each process moves what it wrote itself (``leased_by``) or what nobody who lives
did; what it wrote after the step was noticed is right as it is.
"""

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy import ColumnElement, and_, bindparam, or_, select, update

from fwai.domain.instance import LIVING, Owner
from fwai.domain.job import CALLBACK, DIAL, JobState
from fwai.domain.wall_clock import WallClock
from fwai.store.database import Database
from fwai.store.job_tables import instances, jobs

OPEN_STATES: Final = (JobState.WAITING.value, JobState.RUNNING.value)
_TIMED: Final = (DIAL, CALLBACK)  # kinds that people expect at a time of day
_LIVING: Final = sorted(LIVING)

_log = structlog.get_logger()


def lives(instance: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether the instance that a column names is one that runs."""
    here = (instances.c.id == instance) & instances.c.state.in_(_LIVING)
    return select(instances.c.id).where(here).exists()


def waits_a_while() -> ColumnElement[bool]:
    """Whether a job's ``next_at`` is so much time from when it was written, not a time of day."""
    tried_again = and_(jobs.c.kind == CALLBACK, jobs.c.key.not_like("callback:%:0"))
    return or_(
        jobs.c.kind.not_in(_TIMED),
        jobs.c.attempts > 0,
        jobs.c.next_at != jobs.c.run_at,  # put off
        jobs.c.run_at <= jobs.c.created_at,  # it was due at once
        tried_again,
    )


class ClockSteps:
    """Moves the times of jobs along with the wall clock.

    Args:
        owner: This process.
        wall: Notices that the clock was set.
    """

    def __init__(self, database: Database, owner: Owner, wall: WallClock) -> None:
        self._database = database
        self._owner = owner
        self._wall = wall
        self._followed_s = 0.0
        self._lock = asyncio.Lock()
        self._written_since: set[str] = set()

    def written(self, job_ids: Iterable[str]) -> None:
        """Note jobs whose times are just being written, with the clock of now."""
        if self._wall.look() != self._followed_s:
            self._written_since.update(job_ids)

    async def follow(self) -> None:
        """Move the times of waiting jobs if the clock was set since the last time.

        Raises:
            StoreError: The database failed; the next call tries again.
        """
        if self._wall.look() == self._followed_s:
            return
        async with self._lock:
            by_s = self._wall.look() - self._followed_s
            if not by_s:
                return
            moved = await self._move(timedelta(seconds=by_s))
            self._followed_s += by_s
            self._written_since.clear()
        _log.warning("wall_clock_set", by_s=round(by_s, 1), jobs=moved)

    async def _move(self, by: timedelta) -> int:
        timed = jobs.c.kind.in_(_TIMED) & (jobs.c.run_at <= jobs.c.created_at)
        timed |= (jobs.c.kind == DIAL) | jobs.c.key.like("callback:%:0")
        ours = (jobs.c.leased_by == self._owner.id) | ~lives(jobs.c.leased_by)
        here = jobs.c.state.in_(OPEN_STATES) & ours & waits_a_while()
        columns = (jobs.c.id, jobs.c.next_at, jobs.c.run_at, timed.label("timed"))
        moving = (
            update(jobs)
            .where(jobs.c.id == bindparam("job"), jobs.c.next_at == bindparam("before"))
            .values(next_at=bindparam("next"), run_at=bindparam("run"), leased_by=self._owner.id)
        )
        async with self._database.change() as connection:
            found = (await connection.execute(select(*columns).where(here))).all()
            moved = [
                {
                    "job": row.id,
                    "before": row.next_at,
                    "next": row.next_at + by,
                    "run": row.run_at if row.timed else row.run_at + by,
                }
                for row in found
                if row.id not in self._written_since and row.next_at is not None
            ]
            if moved:
                await connection.execute(moving, moved)
        return len(moved)
