"""Keeps this process known to its siblings, and takes over from those that died.

Theory of operation. A heartbeat every `BEAT_S` keeps the instance's row fresh. After each, others
are looked at. One whose process is gone from this machine is dead at once; any other when its
heartbeat is `LEASE_S` old by the database's clock and did not change while this process watched for
`WATCH_S` of its own monotonic time, or did not change for `LEASE_S` of that: neither a clock that
was set nor a machine that slept kills anybody. Nobody judges whose own contact with the database
failed within `LEASE_S`: after a restart of the database everybody looks dead. Whoever declares it
dead (one UPDATE, one winner) closes its calls and frees its jobs; each of these steps is an UPDATE
of its own with one winner, so a taker that dies in the middle is followed by the next one.

A process that finds itself declared dead (it was paused, or cut off) lets go of its calls, whose
records are others' now, and begins a new life under a new epoch.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

import structlog

from fwai.domain.instance import InstanceRecord, InstanceStatus, Owner, ProcessIdentity
from fwai.errors import StoreError
from fwai.store.crash_recovery import CrashRecovery
from fwai.store.database_watch import DatabaseWatch
from fwai.store.instances import LEASE_S, Instances
from fwai.store.jobs import Jobs
from fwai.store.process_identity import surely_gone

BEAT_S: Final = 3.0
WATCH_S: Final = 6.0
CONTACT_S: Final = 5.0  # for one heartbeat
LOOK_S: Final = 30.0  # for one look, with what is taken over
STOP_S: Final = 2.0
FIRST_EPOCH: Final = 1

_log = structlog.get_logger()


class Membership:
    """This process among those that share the database.

    Args:
        owner: Its identity; a new life changes the epoch.
        process: Where it runs.
        status: What it tells of itself; told when it was declared dead.
        single_host: All processes must run on one machine: the database is a file.
        watch: Hears of a database that does not answer, or None.

    Attributes:
        instances: All of them, as they are kept.
        siblings: Whether another instance lived at the last look.
    """

    def __init__(
        self,
        instances: Instances,
        recovery: CrashRecovery,
        jobs: Jobs,
        owner: Owner,
        process: ProcessIdentity,
        status: InstanceStatus,
        *,
        single_host: bool,
        watch: DatabaseWatch | None = None,
    ) -> None:
        self._watch = watch
        self.instances = instances
        self._recovery = recovery
        self._jobs = jobs
        self._owner = owner
        self._process = process
        self._status = status
        self._single_host = single_host
        self._loop = asyncio.get_running_loop()
        self._failed_at = -LEASE_S
        # By instance: its epoch and heartbeat, and since when they have not changed, by our clock.
        self._seen: dict[str, tuple[int, datetime, float]] = {}
        self._living: set[tuple[str, int]] = set()
        self._finished: dict[str, int] = {}  # by instance: the last life of it that is finished
        self._declared_dead = 0  # the last epoch that others declared dead
        self.siblings = False

    async def open(self) -> int:
        """Register, and take over at once from processes of this machine that are gone.

        Returns:
            How many calls were closed.

        Raises:
            StoreError: The database failed, or it is a file that another machine uses.
        """
        if self._single_host:
            await self._refuse_other_hosts()
        self._owner.epoch = await self.instances.register(self._owner.id, self._process)
        closed = await self._recovery.close_unowned()
        return closed + await self._look()

    async def run(self) -> None:
        """Beat and look until cancelled."""
        # A takeover may take long: the own heartbeat must not wait behind it.
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._repeat(self._beat, CONTACT_S), name="heartbeat")
            tasks.create_task(self._repeat(self._look_if_sure, LOOK_S), name="look_at_siblings")

    async def _repeat(self, step: Callable[[], Awaitable[object]], within_s: float) -> None:
        """Do a step every `BEAT_S`; that it failed or hung is noted, and ends nothing."""
        due = self._loop.time()
        while True:
            due = max(due + BEAT_S, self._loop.time())
            await asyncio.sleep(due - self._loop.time())
            try:
                async with asyncio.timeout(within_s):
                    await step()
            except (StoreError, TimeoutError) as exc:
                self._failed_at = self._loop.time()
                if self._watch is not None and isinstance(exc, TimeoutError):
                    self._watch.failed(exc)  # any other failure the database tells itself
                why = str(exc) or "no answer in time"
                _log.warning("database_contact_failed", error=why)
            except Exception as exc:  # noqa: BLE001 - a fault of ours must not end the calls
                _log.exception("membership_broken", error=type(exc).__name__)

    async def _look_if_sure(self) -> None:
        if self._loop.time() - self._failed_at > LEASE_S:
            await self._take_over(self._owner.id, self._owner.epoch - 1)
            await self._look()

    async def stop(self) -> None:
        """Say that nothing is left behind; what cannot be said the others find out."""
        epoch = self._owner.epoch or FIRST_EPOCH  # cut short while it registered
        try:
            async with asyncio.timeout(STOP_S):
                await self.instances.stop(self._owner.id, epoch)
        except (StoreError, TimeoutError) as exc:
            _log.warning("instance_stop_not_written", error=type(exc).__name__)

    def lives_elsewhere(self, instance_id: str, epoch: int | None) -> bool:
        """Whether a life of another instance went on at the last look."""
        return (instance_id, epoch or 0) in self._living

    # ---- inside ---------------------------------------------------------------------------------

    async def _refuse_other_hosts(self) -> None:
        for other in await self.instances.all():
            here = bool(self._process.boot_id) and other.process.boot_id == self._process.boot_id
            here |= other.process.host == self._process.host
            # A negative age: the clock was set back since, and says nothing.
            if other.lives and 0 <= other.age_s < LEASE_S and not here:
                raise StoreError(
                    f"database: a server on {other.process.host.split()[0]} uses this SQLite file; "
                    "stop it, or let several machines share PostgreSQL (DATABASE_URL)"
                )

    async def _beat(self) -> None:
        owner, status = self._owner, self._status
        if await self.instances.beat(owner.id, owner.epoch, status.state, status.calls):
            return
        _log.error("instance_declared_dead", epoch=owner.epoch, calls=status.calls)
        if self._declared_dead != owner.epoch:  # once, however often the rest fails
            self._declared_dead = owner.epoch
            status.declared_dead()
        # What is open of the past life the next look closes.
        owner.epoch = await self.instances.register(owner.id, self._process)

    async def _look(self) -> int:
        """Take over from whoever died; return how many calls were closed."""
        others = [one for one in await self.instances.all() if one.id != self._owner.id]
        self._remember(others)
        known = {one.id for one in others} | {self._owner.id}
        self._finished = {key: life for key, life in self._finished.items() if key in known}
        closed = 0
        for other in others:
            over = not other.lives
            if other.lives and self._died(other) and await self.instances.declare_dead(other):
                over = True
                _log.warning(
                    "instance_taken_over",
                    instance=other.id,
                    last_seen_s=round(other.age_s, 1),
                    calls=other.calls,
                )
            # Who declared it dead may have died in the middle: everybody looks once.
            if over:
                closed += await self._take_over(other.id, other.epoch, jobs_too=True)
            else:
                closed += await self._take_over(other.id, other.epoch - 1)
        if closed:
            self._jobs.notify()
        return closed

    def _remember(self, others: list[InstanceRecord]) -> None:
        now = self._loop.time()
        seen = {}
        for other in others:
            before = self._seen.get(other.id)
            same = before is not None and before[:2] == (other.epoch, other.seen_at)
            since = before[2] if same and before is not None else now
            seen[other.id] = (other.epoch, other.seen_at, since)
        self._seen = seen
        living = {(one.id, one.epoch) for one in others if one.lives}
        if self._living - living:
            self._jobs.notify()  # what a sibling left to be done is everybody's now
        self._living = living
        self.siblings = bool(living)

    def _died(self, other: InstanceRecord) -> bool:
        if surely_gone(other.process, self._process):
            return True
        unchanged_s = self._loop.time() - self._seen[other.id][2]
        return unchanged_s >= LEASE_S or (other.age_s > LEASE_S and unchanged_s >= WATCH_S)

    async def _take_over(self, instance_id: str, epoch: int, *, jobs_too: bool = False) -> int:
        """Finish the lives of an instance up to ``epoch``, once; of one that lives no jobs."""
        if epoch <= self._finished.get(instance_id, 0):
            return 0
        closed = await self._recovery.take_over(instance_id, epoch)
        if jobs_too:
            await self._jobs.release(instance_id)
        self._finished[instance_id] = epoch
        return closed
