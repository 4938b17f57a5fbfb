"""What calls write into the archive: in order for each call, retried, never waited for too long.

Theory of operation. A database that is away or hangs must not silence the phone, and nothing may
be lost by it. So each change of a call is a *step* of that call's own queue; a task works the queue
off in order and tries a step again until it is done. Whoever wants a change waits for it only as
long as the call can: the phone rings, or a caller listens. What is still to be written goes on
behind the call. Reads have deadlines, too, and an answer for when they pass.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog

from fwai.calls.bounded_reads import BoundedReads
from fwai.domain.call import Call, CallEnding, CallId, CallState, Direction, EndReason
from fwai.domain.record import CallRecord
from fwai.errors import StoreError
from fwai.interfaces.store import CallArchive
from fwai.tasks import IsolatedTasks

ValueT = TypeVar("ValueT")

ANSWER_S: Final = 1.0  # together, before a carrier is told what to do with a call
GREETING_S: Final = 0.5  # more, before the caller is greeted
ENDING_S: Final = 3.0  # until a call counts as over here although its ending is not written
READ_S: Final = 5.0  # where nobody listens
STEP_S: Final = 30.0  # for one try; the database's own deadlines are shorter
PAUSES_S: Final = (0.2, 0.8, 2.0, 5.0, 10.0)  # between tries; the last one again and again
GIVE_UP_S: Final = 3600.0
MAX_STEPS: Final = 4_000
MAX_TASKS: Final = 4  # at once: the database has few connections
STOP_S: Final = 5.0

_log = structlog.get_logger()


@dataclass(eq=False, slots=True)
class _Step:
    """One change of a call.

    Attributes:
        what: Names it in logs.
        work: Does it; may be called again.
        done: Resolved when it is written, or given up.
        since: When it was asked for, by the loop's clock.
    """

    what: str
    work: Callable[[], Awaitable[object]]
    done: asyncio.Future[None]
    since: float
    failed: bool = field(default=False)


class CallRecords:
    """Writes down what happens to calls; no method raises ``StoreError``.

    Attributes:
        lost: Changes that were given up, since the start.
    """

    def __init__(self, archive: CallArchive) -> None:
        self.archive = archive
        self.lost = 0
        self._loop = asyncio.get_running_loop()
        self._steps: dict[CallId, deque[_Step]] = {}
        self._concurrency = asyncio.Semaphore(MAX_TASKS)
        self._isolated: IsolatedTasks | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._reads: BoundedReads | None = None
        self._stop = asyncio.Event()
        self._over = False

    @property
    def pending(self) -> int:
        """How many changes are not written yet."""
        return sum(map(len, self._steps.values()))

    async def run(self) -> None:
        """Write until `stop`; what is left then is given a few seconds."""
        async with asyncio.TaskGroup() as group, BoundedReads() as reads:
            self._isolated, self._reads = IsolatedTasks(group), reads
            for call_id in list(self._steps):
                self._begin(call_id)
            await self._stop.wait()
            self._over = True
            await self._finish()
            self._reads = None

    def stop(self) -> None:
        """Let `run` return."""
        self._stop.set()

    # ---- changes --------------------------------------------------------------------------------

    # When something happened is Unix time in seconds; None is now, by the wall clock.

    async def open(
        self, call: Call, within_s: float = GREETING_S, *, at: float | None = None
    ) -> None:
        """Keep a call that begins; one of ours is known since it was asked for."""
        at = time.time() if at is None else at

        async def work() -> None:
            ours = call.direction is Direction.OUTBOUND
            known = await self.archive.get(call.id) if ours else None
            if known is None:  # others dialled it: a provider's flow may
                await self.archive.open(call, CallState.RINGING, at)
            elif known.state is CallState.QUEUED:  # one that was put off meanwhile stays so
                await self.archive.set_state(call.id, CallState.DIALING, at)

        await self._write(call.id, "open", work, within_s)

    async def moved(
        self, call: Call, state: CallState, within_s: float = 0.0, *, at: float | None = None
    ) -> None:
        """Keep where a call stands."""
        at = time.time() if at is None else at
        await self._write(
            call.id, state.value, lambda: self.archive.set_state(call.id, state, at), within_s
        )

    async def named(self, call: Call, within_s: float = 0.0) -> None:
        """Keep the provider's id of a call."""
        await self._write(
            call.id,
            "provider_id",
            lambda: self.archive.set_provider_id(call.id, call.provider_call_id),
            within_s,
        )

    async def recorded(self, call: Call, path: Path) -> None:
        """Keep where the recording of a call is."""
        await self._write(
            call.id, "recording", lambda: self.archive.set_recording(call.id, path), 0.0
        )

    async def ended(self, call: Call, ending: CallEnding, *, at: float | None = None) -> None:
        """Keep how a call came out."""
        at = time.time() if at is None else at
        await self._write(call.id, "ending", lambda: self.archive.end(call, ending, at), ENDING_S)

    async def ended_elsewhere(self, call_id: CallId, state: CallState, cause: str) -> None:
        """Close a call of ours that nobody carries here: it was placed before a restart."""
        record = await self.record(call_id) if call_id else None
        if record is None or record.state.final:
            return
        state = CallState.NO_ANSWER if state is CallState.COMPLETED else state
        await self.ended(record.call, CallEnding(state, EndReason.NEVER_CONNECTED, cause=cause))

    async def missed(self, call: Call, ending: CallEnding) -> None:
        """Keep a call that was over before it began; one that is known stays as it is."""
        at = time.time()
        await self._write(
            call.id, "missed", lambda: self.archive.keep_missed(call, ending, at), 0.0
        )

    # ---- reads ----------------------------------------------------------------------------------

    async def record(self, call_id: CallId, within_s: float = READ_S) -> CallRecord | None:
        """Return what is kept of a call; None also when that cannot be found out in time."""
        return await self._read(self.archive.get(call_id), None, within_s)

    async def was_here(
        self, provider: str, provider_call_id: str, within_s: float = ANSWER_S
    ) -> bool:
        """Whether a call of this provider's id is known; False when nobody can say in time."""
        known = self.archive.state_of(provider, provider_call_id)
        return await self._read(known, None, within_s) is not None

    # ---- inside ---------------------------------------------------------------------------------

    async def _read(
        self, work: Coroutine[Any, Any, ValueT], otherwise: ValueT, within_s: float
    ) -> ValueT:
        try:
            if self._reads is not None:
                return await self._reads.within(work, within_s)
            async with asyncio.timeout(within_s):
                return await work
        except StoreError as exc:
            _log.error("call_not_read", error=str(exc))
        except TimeoutError:
            _log.error("call_not_read", error=f"the database gave no answer in {within_s:g} s")
        except Exception as exc:  # noqa: BLE001 - a call must not be lost for what it might know
            _log.exception("call_not_read", error=type(exc).__name__)
        return otherwise

    async def _write(
        self, call_id: CallId, what: str, work: Callable[[], Awaitable[object]], within_s: float
    ) -> None:
        """Add a step and wait for it, at most ``within_s``."""
        step = _Step(what, work, self._loop.create_future(), self._loop.time())
        if self._over and call_id not in self._steps:  # a dial that outlives the calls
            error = await self._once(step, ENDING_S)
            if error is not None:
                self._lose(call_id, step, error)
            return
        if self.pending >= MAX_STEPS:
            self._lose(call_id, step, "too many wait")
            return
        steps = self._steps.setdefault(call_id, deque())
        steps.append(step)
        if len(steps) == 1:
            self._begin(call_id)
        if within_s <= 0.0:
            await asyncio.sleep(0)  # it begins at once, and nobody waits for its end
            return
        _, late = await asyncio.wait({step.done}, timeout=within_s)
        if late:
            _log.error("call_record_late", call_id=call_id, change=what, waited_s=within_s)

    def _begin(self, call_id: CallId) -> None:
        if self._isolated is None:
            return  # `run` begins it
        task = self._isolated.start(self._work_off(call_id), f"records:{call_id}")
        if task is None:
            for step in self._steps.pop(call_id):
                self._lose(call_id, step, "too many wait")
            return
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work_off(self, call_id: CallId) -> None:
        """Write one call's steps in order, until there are none."""
        steps = self._steps[call_id]
        try:
            while steps:
                try:
                    await self._try(call_id, steps[0])
                except Exception as exc:  # noqa: BLE001 - the steps behind it must not wait for ever
                    _log.exception("call_record_broken", change=steps[0].what)
                    self._lose(call_id, steps[0], type(exc).__name__)
                steps.popleft()
        finally:
            if not steps:
                del self._steps[call_id]

    async def _try(self, call_id: CallId, step: _Step) -> None:
        """Write one step, however often that takes; it is given up after `GIVE_UP_S`."""
        pauses = iter(PAUSES_S)
        while True:
            error = await self._once(step)
            if error is None:
                break
            if not step.failed:
                step.failed = True
                _log.error("call_not_archived", call_id=call_id, change=step.what, error=error)
            if self._loop.time() - step.since > GIVE_UP_S:
                self._lose(call_id, step, error)
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(next(pauses, PAUSES_S[-1])):
                    await self._stop.wait()
            if self._stop.is_set():
                await asyncio.sleep(PAUSES_S[0])
        if step.failed:
            _log.info("call_archived_late", call_id=call_id, change=step.what)
        if not step.done.done():
            step.done.set_result(None)

    async def _once(self, step: _Step, within_s: float = STEP_S) -> str | None:
        """Try a step; return what went wrong."""
        try:
            async with self._concurrency, asyncio.timeout(within_s):
                await step.work()
        except StoreError as exc:
            return str(exc)
        except TimeoutError:
            return f"the database gave no answer in {within_s:g} s"
        except Exception as exc:  # noqa: BLE001 - one call's fault must not stop the others
            self.lost += 1
            _log.exception("call_record_broken", change=step.what, error=type(exc).__name__)
        return None

    def _lose(self, call_id: CallId, step: _Step, why: str) -> None:
        self.lost += 1
        # The transcript file has it; a row that stays open is closed once this process is over.
        _log.error("call_record_lost", call_id=call_id, change=step.what, reason=why)
        if not step.done.done():
            step.done.set_result(None)

    async def _finish(self) -> None:
        """Wait a little for what is left, then cancel it."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=STOP_S)
        for task in set(self._tasks):
            task.cancel()
        if late:
            self.lost += self.pending
            _log.error("call_records_lost", changes=self.pending)
