"""Who takes over from whom, on a clock that jumps; the database is a dictionary here."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

import virtual_time
from fakes import SeenFailures
from fwai.domain.instance import (
    DEAD,
    STOPPED,
    UP,
    InstanceRecord,
    InstanceStatus,
    Owner,
    ProcessIdentity,
)
from fwai.errors import StoreError
from fwai.store.database_watch import DatabaseWatch
from fwai.store.instances import LEASE_S
from fwai.store.membership import BEAT_S, WATCH_S, Membership

HERE = ProcessIdentity("host-1", "", 1, 0)
T0 = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)


class Table:
    """Rows of instances on the database's own clock, which tests may set.

    Attributes:
        away: It refuses every request.
        hangs: It answers no request.
        declared_too_late: Whoever is declared dead has beaten a moment ago.
    """

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.began = self.loop.time()
        self.set_s = 0.0
        self.away = self.hangs = self.declared_too_late = False
        self.rows: dict[str, InstanceRecord] = {}

    @property
    def now(self) -> datetime:
        return T0 + timedelta(seconds=self.loop.time() - self.began + self.set_s)

    async def _ask(self) -> None:
        if self.away:
            raise StoreError("database: connection refused")
        if self.hangs:
            await asyncio.sleep(1e6)

    async def register(self, instance_id: str, process: ProcessIdentity, url: str = "") -> int:
        await self._ask()
        old = self.rows.get(instance_id)
        epoch = old.epoch + 1 if old else 1
        row = InstanceRecord(instance_id, epoch, url, process, UP, 0, self.now, 0.0)
        self.rows[instance_id] = row
        return epoch

    async def beat(self, instance_id: str, epoch: int, state: str, calls: int) -> bool:
        await self._ask()
        row = self.rows[instance_id]
        if row.epoch != epoch or not row.lives:
            return False
        self.rows[instance_id] = replace(row, state=state, calls=calls, seen_at=self.now)
        return True

    async def stop(self, instance_id: str, epoch: int) -> bool:
        await self._ask()
        self.rows[instance_id] = replace(self.rows[instance_id], state=STOPPED)
        return True

    async def declare_dead(self, other: InstanceRecord) -> bool:
        row = self.rows[other.id]
        if self.declared_too_late:
            return False
        if (row.epoch, row.seen_at) != (other.epoch, other.seen_at) or not row.lives:
            return False
        self.rows[other.id] = replace(row, state=DEAD)
        return True

    async def all(self) -> list[InstanceRecord]:
        await self._ask()
        return [
            replace(row, age_s=(self.now - row.seen_at).total_seconds())
            for row in self.rows.values()
        ]


class Node:
    """One process: what it took over, and whether it lost its own calls."""

    def __init__(self, table: Table, name: str, process: ProcessIdentity = HERE) -> None:
        self.name = name
        self.taken: list[tuple[str, int | None]] = []
        self.steps: list[str] = []
        self.failing = 0
        self.released: list[str] = []
        self.notified = 0
        self.lost = 0
        self.owner = Owner(name)
        self.status = InstanceStatus()
        self.status.subscribe(self._disown)
        self.membership = Membership(
            table,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            self.owner,
            process,
            self.status,
            single_host=False,
        )

    def _disown(self) -> None:
        self.lost += 1

    async def take_over(self, instance: str, epoch: int | None) -> int:
        if self.failing:
            self.failing -= 1
            raise StoreError("database: connection refused")
        self.taken.append((instance, epoch))
        self.steps.append("calls")
        return 1

    async def close_unowned(self) -> int:
        return 0

    async def release(self, instance: str) -> int:
        self.released.append(instance)
        self.steps.append("jobs")
        return 0

    def notify(self) -> None:
        self.notified += 1

    async def open(self, tasks: asyncio.TaskGroup) -> asyncio.Task[None]:
        await self.membership.open()
        return tasks.create_task(self.membership.run())


def run(act: Callable[[Table, asyncio.TaskGroup], Awaitable[None]]) -> None:
    async def main() -> None:
        table = Table()
        async with asyncio.TaskGroup() as tasks:
            done = tasks.create_task(_ended(act(table, tasks)))
            await done
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

    virtual_time.run(main())


async def _ended(work: Awaitable[None]) -> None:
    await work


def test_siblings_that_live_are_left_alone_for_hours() -> None:
    async def act(table: Table, tasks: asyncio.TaskGroup) -> None:
        nodes = [Node(table, name) for name in "abc"]
        for node in nodes:
            await node.open(tasks)
        await asyncio.sleep(3 * 3600)
        assert [node.taken for node in nodes] == [[], [], []]
        assert all(node.membership.siblings for node in nodes)
        assert nodes[0].membership.lives_elsewhere("b", 1)
        assert not nodes[0].membership.lives_elsewhere("b", 2)

    run(act)


def test_one_that_dies_elsewhere_is_taken_over_within_twenty_seconds_by_one() -> None:
    async def act(table: Table, tasks: asyncio.TaskGroup) -> None:
        a, b, c = (Node(table, name) for name in "abc")
        running = await a.open(tasks)
        await b.open(tasks)
        await c.open(tasks)
        await asyncio.sleep(60)
        running.cancel()  # as kill -9
        await asyncio.sleep(LEASE_S - BEAT_S)
        assert (b.taken, c.taken) == ([], [])
        await asyncio.sleep(20 - LEASE_S + BEAT_S)
        assert b.taken == c.taken == [("a", 1)], "each looks once; every step has one winner"
        assert table.rows["a"].state == DEAD
        await asyncio.sleep(600)
        assert b.taken == [("a", 1)]
        assert not b.membership.lives_elsewhere("a", 1)

    run(act)


def test_a_process_of_this_machine_that_is_gone_is_taken_over_at_the_start() -> None:
    async def act(table: Table, tasks: asyncio.TaskGroup) -> None:
        from fwai.store.process_identity import this_process

        here = this_process()
        await Node(table, "a", replace(here, pid=2**22 + 1)).membership.open()
        b = Node(table, "b", here)
        await b.membership.open()
        assert b.taken == [("a", 1)]
        assert b.released == ["a"]

    run(act)


def test_a_paused_process_notices_lets_go_and_lives_again() -> None:
    async def act(table: Table, tasks: asyncio.TaskGroup) -> None:
        a, b = Node(table, "a"), Node(table, "b")
        running = await a.open(tasks)
        await b.open(tasks)
        await asyncio.sleep(30)
        running.cancel()  # as SIGSTOP
        await asyncio.sleep(40)
        assert b.taken == [("a", 1)]
        tasks.create_task(a.membership.run())  # as SIGCONT
        await asyncio.sleep(2 * BEAT_S)
        assert a.lost == 1
        assert a.owner.epoch == 2
        assert table.rows["a"].lives
        await asyncio.sleep(600)
        assert (a.lost, b.lost) == (1, 0)
        assert b.released == ["a"], "the jobs of its new life are its own"

    run(act)


@pytest.mark.parametrize("step_s", [3600.0, -3600.0])
def test_a_clock_that_is_set_kills_nobody(step_s: float) -> None:
    async def act(table: Table, tasks: asyncio.TaskGroup) -> None:
        a, b = Node(table, "a"), Node(table, "b")
        await a.open(tasks)
        await asyncio.sleep(1.4)
        await b.open(tasks)
        await asyncio.sleep(61)
        for _ in range(5):
            table.set_s += step_s
            await asyncio.sleep(0.7)
            await asyncio.sleep(120)
        assert a.taken == b.taken == []

    run(act)


def test_nobody_judges_after_the_database_was_away() -> None:
    async def act(table: Table, tasks: asyncio.TaskGroup) -> None:
        a, b = Node(table, "a"), Node(table, "b")
        await a.open(tasks)
        await b.open(tasks)
        await asyncio.sleep(60)
        table.away = True
        await asyncio.sleep(120)
        table.away = False
        await asyncio.sleep(600)
        assert a.taken == b.taken == []
        assert (a.lost, b.lost) == (0, 0)

    run(act)


@pytest.mark.parametrize("how", ["away", "hangs"])
@pytest.mark.parametrize(("from_s", "to_s"), [(59.0, 181.0), (60.5, 179.5), (61.0, 184.0)])
def test_whoever_is_first_to_reach_the_database_again_judges_nobody(
    how: str, from_s: float, to_s: float
) -> None:
    async def act(table: Table, tasks: asyncio.TaskGroup) -> None:
        a, b = Node(table, "a"), Node(table, "b")
        await a.open(tasks)
        await asyncio.sleep(1.4)
        await b.open(tasks)
        await asyncio.sleep(from_s - 1.4)
        setattr(table, how, True)
        await asyncio.sleep(to_s - from_s)
        setattr(table, how, False)
        await asyncio.sleep(600)
        assert a.taken == b.taken == []
        assert (a.lost, b.lost) == (0, 0)

    run(act)


def test_a_database_that_does_not_answer_a_heartbeat_is_told() -> None:
    async def act(table: Table, tasks: asyncio.TaskGroup) -> None:
        failures = SeenFailures()
        node = Node(table, "a")
        node.membership._watch = DatabaseWatch(failures)
        await node.open(tasks)
        await asyncio.sleep(10)
        assert failures.names == []
        table.hangs = True
        await asyncio.sleep(10)
        assert failures.names == ["database"]

    run(act)


def test_one_request_that_hangs_does_not_end_the_heartbeats() -> None:
    async def act(table: Table, tasks: asyncio.TaskGroup) -> None:
        a, b = Node(table, "a"), Node(table, "b")
        await a.open(tasks)
        await asyncio.sleep(1.4)
        await b.open(tasks)
        await asyncio.sleep(61.5 - 1.4)
        table.hangs = True
        await asyncio.sleep(2)  # one heartbeat of one of them
        table.hangs = False
        await asyncio.sleep(600)
        assert a.taken == b.taken == []
        assert (a.lost, b.lost) == (0, 0)

    run(act)


def test_one_that_beats_in_the_last_moment_is_not_taken_over() -> None:
    async def act(table: Table, tasks: asyncio.TaskGroup) -> None:
        a, b = Node(table, "a"), Node(table, "b")
        running = await a.open(tasks)
        await b.open(tasks)
        await asyncio.sleep(30)
        running.cancel()
        table.declared_too_late = True
        await asyncio.sleep(60)
        assert (b.taken, b.released) == ([], [])

    run(act)


def test_a_takeover_that_the_database_cut_off_is_taken_up_again() -> None:
    async def act(table: Table, tasks: asyncio.TaskGroup) -> None:
        a, b = Node(table, "a"), Node(table, "b")
        running = await a.open(tasks)
        await b.open(tasks)
        await asyncio.sleep(30)
        running.cancel()
        b.failing = 1
        await asyncio.sleep(120)
        assert b.taken == [("a", 1)]
        assert b.steps == ["calls", "jobs"], "whoever dials again must find the call closed"

    run(act)


def test_a_newcomer_closes_an_earlier_life_and_leaves_the_jobs_of_the_present_one() -> None:
    async def act(table: Table, tasks: asyncio.TaskGroup) -> None:
        a = Node(table, "a")
        await a.open(tasks)
        a.owner.epoch = await table.register("a", HERE)
        c = Node(table, "c")
        await c.open(tasks)
        await asyncio.sleep(60)
        assert c.taken == [("a", 1)]
        assert c.released == []

    run(act)


def test_a_sibling_that_stops_leaves_its_work_to_the_others_at_once() -> None:
    async def act(table: Table, tasks: asyncio.TaskGroup) -> None:
        a, b = Node(table, "a"), Node(table, "b")
        running = await a.open(tasks)
        await b.open(tasks)
        await asyncio.sleep(30)
        running.cancel()
        await asyncio.wait({running})
        await a.membership.stop()
        await asyncio.sleep(BEAT_S + 0.1)
        assert not b.membership.siblings
        assert b.notified >= 1
        assert b.taken == [("a", 1)], "a stop that left something behind is tidied up, too"

    run(act)


def test_a_file_that_another_machine_uses_is_refused() -> None:
    async def act(table: Table, tasks: asyncio.TaskGroup) -> None:
        await Node(table, "a", replace(HERE, host="host-2 pid:[1]")).membership.open()
        b = Node(table, "b")
        b.membership._single_host = True
        with pytest.raises(StoreError, match="a server on host-2 uses this SQLite file"):
            await b.membership.open()
        await asyncio.sleep(LEASE_S + WATCH_S)
        await b.membership.open()

    run(act)


def test_a_long_takeover_does_not_hold_the_own_heartbeat_up() -> None:
    async def act(table: Table, tasks: asyncio.TaskGroup) -> None:
        a, b = Node(table, "a"), Node(table, "b", replace(HERE, pid=2))

        async def take_long(instance_id: str, epoch: int | None) -> int:
            await asyncio.sleep(25)
            return 0

        await a.open(tasks)
        await b.membership.open()  # and dies at once
        a.take_over = take_long  # type: ignore[method-assign, assignment]
        await asyncio.sleep(2 * LEASE_S)
        assert table.rows["b"].state == DEAD
        assert table.now - table.rows["a"].seen_at <= timedelta(seconds=BEAT_S)

    run(act)


def test_a_heartbeat_that_does_not_change_is_enough_whatever_the_clock_says() -> None:
    async def act(table: Table, tasks: asyncio.TaskGroup) -> None:
        other = Node(table, "b", replace(HERE, host="host-2"))
        await other.membership.open()
        table.set_s -= 7200
        a = Node(table, "a")
        await a.open(tasks)
        await asyncio.sleep(LEASE_S + 2 * BEAT_S)
        assert table.rows["b"].state == DEAD

    run(act)


def test_a_file_is_not_refused_to_a_new_container_of_the_same_machine() -> None:
    async def act(table: Table, tasks: asyncio.TaskGroup) -> None:
        here = replace(HERE, boot_id="one boot")
        await Node(table, "a", replace(here, host="gone pid:[1]")).membership.open()
        b = Node(table, "b", replace(here, host="new pid:[2]"))
        b.membership._single_host = True
        await b.membership.open()

    run(act)
