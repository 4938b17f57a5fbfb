"""Runs background jobs: leases what is due, calls the handler of its kind, keeps the outcome.

Theory of operation. The worker sleeps until the next job is due, or until somebody tells it of a
new one; it never asks in between (`poll_s` is for a database that other processes write to). It
waits by monotonic time and looks at the clock every minute: a clock that was set makes nothing
later than that. As many handlers run at once as `concurrency` allows; each is a task of `run`. A
handler whose work cannot be repeated without harm awaits ``begin`` right before it; a fault behind
that mark is not repeated but reported as unknown. What is cancelled in the middle keeps its lease
and its mark for the next start.

One worker is one lane: kinds that wait for the same thing have a worker of their own, so that a
slow one delays no other. Behind a gate jobs are looked at one after the other, the oldest first,
and only while it is open; what has begun goes on beside them.
"""

import asyncio
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import structlog

from fwai.domain.job import Dead, Job, JobHandler, JobOutcome, JobState, Retry, Unknown
from fwai.errors import FwaiError, StoreError
from fwai.interfaces.jobs import JobLeases
from fwai.jobs.signals import JobSignals
from fwai.tasks import IsolatedTasks

CONCURRENCY: Final = 8
JOB_S: Final = 90.0  # below the lease
STOP_S: Final = 10.0
LONGEST_SLEEP_S: Final = 60.0  # a clock that was set is noticed at the latest then
RETRY_S: Final = 2.0
RETRY_MAX_S: Final = 30.0
SETTLE_TRIES: Final = 5
MAX_LEASES: Final = 60  # more than any job needs: one that kills its process ends here

_log = structlog.get_logger()


class LeaseLostError(FwaiError):
    """Somebody else works on the job by now: do nothing more for it."""


class Worker:
    """Runs jobs.

    Args:
        handlers: By kind; jobs of other kinds are left alone.
        signals: Wakes it when jobs were written, and is told of those it settled.
        poll_s: Asked before each sleep how long it may last, where others write to the same
            database; None is as long as nothing is due.
        gate: For how long no further job may be begun, in seconds; 0 is now. None is no gate.
    """

    def __init__(
        self,
        store: JobLeases,
        handlers: Mapping[str, JobHandler],
        signals: JobSignals | None = None,
        *,
        concurrency: int = CONCURRENCY,
        poll_s: Callable[[], float | None] = lambda: None,
        gate: Callable[[], float] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._handlers = handlers
        self._signals = signals or JobSignals()
        self._concurrency = concurrency
        self._poll_s = poll_s
        self._gate = gate
        self._clock = clock
        self._wake_event = asyncio.Event()
        # When it looks for work by itself, by the loop's clock; never, while it is looking.
        self._until = math.inf
        self._stopping = False
        # By lease: a job whose lease ran out may be leased again while the first one still ends.
        self._running: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._at_the_gate: set[tuple[str, int]] = set()  # leased and not begun
        self._signals.subscribe(self.wake, self.stop, handlers.keys())

    @property
    def running(self) -> int:
        """How many jobs are being worked on."""
        return len(self._running)

    def wake(self, at: datetime | None = None) -> None:
        """There may be new work; if ``at`` is given, none before then."""
        if at is None or self._loop_time(at) < self._until:
            self._wake_event.set()

    def stop(self) -> None:
        """Begin nothing more; `run` returns when what runs is done, or after `STOP_S`."""
        self._stopping = True
        self._wake_event.set()

    async def run(self) -> None:
        """Work until `stop`."""
        retry_s = RETRY_S
        async with asyncio.TaskGroup() as group:
            tasks = IsolatedTasks(group)
            while not self._stopping:
                self._wake_event.clear()
                self._until = math.inf
                try:
                    await self._take(tasks)
                    pause = await self._pause()
                except Exception as exc:  # noqa: BLE001 - what ends here ends all calls with it
                    _log_unreadable(exc)
                    pause, retry_s = retry_s, min(retry_s * 2, RETRY_MAX_S)
                else:
                    retry_s = RETRY_S
                self._until = asyncio.get_running_loop().time() + pause
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._wake_event.wait()
            await self._finish()

    # ---- inside ---------------------------------------------------------------------------------

    def _loop_time(self, at: datetime) -> float:
        """Return when the wall clock will say ``at``, by the loop's clock."""
        return asyncio.get_running_loop().time() + (at - self._clock()).total_seconds()

    async def _take(self, tasks: IsolatedTasks) -> None:
        free = self._concurrency - len(self._running)
        if free <= 0 or not self._handlers:
            return
        if self._gate is not None:
            if self._at_the_gate or self._gate() > 0:
                return
            free = 1
        for job in await self._store.lease(free, self._handlers.keys()):
            task = tasks.start(self._do(job), f"job:{job.kind}")
            if task is None:
                continue  # its lease runs out
            self._running[job.id, job.attempts] = task
            self._at_the_gate.add((job.id, job.attempts))

    async def _pause(self) -> float:
        """Return how long nothing can be taken, in seconds."""
        longest = min(self._poll_s() or LONGEST_SLEEP_S, LONGEST_SLEEP_S)
        if len(self._running) >= self._concurrency or not self._handlers:
            return longest  # whoever finishes wakes us
        if self._gate is not None:
            if self._at_the_gate:
                return longest  # whoever begins wakes us, too
            if (closed_s := self._gate()) > 0:
                return min(closed_s, longest)
        due = await self._store.next_at(self._handlers.keys())
        if due is None:
            return longest
        return min(max((due - self._clock()).total_seconds(), 0.0), longest)

    def _through(self, job: Job) -> None:
        """Let the next one come to the gate."""
        self._at_the_gate.discard((job.id, job.attempts))
        if self._gate is not None:
            self._wake_event.set()

    async def _do(self, job: Job) -> None:
        with structlog.contextvars.bound_contextvars(job_id=job.id, **_of_call(job)):
            try:
                outcome = await self._outcome(job)
                if outcome is not None:
                    await self._settle(job, outcome)
            except Exception as exc:  # noqa: BLE001 - one broken job must not stop the others
                _log.error("job_crashed", kind=job.kind, error=type(exc).__name__, exc_info=True)
            finally:
                self._running.pop((job.id, job.attempts), None)
                self._through(job)
                self._wake_event.set()
                self._signals.settled(job.id)

    async def _outcome(self, job: Job) -> JobOutcome | None:
        begun = False
        if job.attempts > MAX_LEASES:
            return Dead(f"tried {MAX_LEASES} times without an end")

        async def begin() -> None:
            nonlocal begun
            if not await self._store.begin(job):
                raise LeaseLostError
            begun = True
            self._through(job)

        try:
            async with asyncio.timeout(JOB_S):
                return await self._handlers[job.kind](job, begin)
        except LeaseLostError:
            _log.warning("job_lease_lost", kind=job.kind)
            return None
        except StoreError as exc:
            _log.error("job_failed", kind=job.kind, error=str(exc))
            return Unknown("the database failed in the middle") if begun else Retry("database")
        except TimeoutError:
            why = f"took over {JOB_S:.0f} s"
            return Unknown(why) if begun else Retry(why)
        except Exception as exc:  # noqa: BLE001 - one broken job must not stop the others
            # The exception's text may hold personal data; its kind and place do not.
            _log.error("job_crashed", kind=job.kind, error=type(exc).__name__, exc_info=True)
            why = f"fault on our side: {type(exc).__name__}"
            return Unknown(why) if begun else Retry(why)

    async def _settle(self, job: Job, outcome: JobOutcome) -> None:
        for attempt in range(1, SETTLE_TRIES + 1):
            try:
                state = await self._store.settle(job, outcome)
            except StoreError as exc:
                _log.error("job_not_settled", kind=job.kind, error=str(exc), attempt=attempt)
                await asyncio.sleep(RETRY_S)
            else:
                break
        else:
            return  # the lease runs out, and the mark tells the next one
        if state is None:  # a provider's report has settled it meanwhile, or the lease was lost
            _log.info("job_settled_elsewhere", kind=job.kind)
            return
        _report(job, outcome, state)

    async def _finish(self) -> None:
        """Let what runs come to its end; what takes too long is cancelled."""
        tasks = list(self._running.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=STOP_S)
            for task in late:
                task.cancel()


def _log_unreadable(exc: Exception) -> None:
    if isinstance(exc, StoreError):
        _log.error("jobs_not_read", error=str(exc))
    else:  # its text may hold anything
        _log.error("jobs_not_read", error=type(exc).__name__, exc_info=True)


def _of_call(job: Job) -> Mapping[str, str]:
    return {"call_id": job.call_id} if job.call_id else {}


def _report(job: Job, outcome: JobOutcome, state: JobState) -> None:
    why = getattr(outcome, "why", "")
    if state in (JobState.DEAD, JobState.UNKNOWN):
        _log.error("job_given_up", kind=job.kind, state=state.value, reason=why)
    elif isinstance(outcome, Retry):
        _log.warning("job_put_off", kind=job.kind, attempt=job.attempts, reason=why)
    else:
        _log.info("job_settled", kind=job.kind, state=state.value)
