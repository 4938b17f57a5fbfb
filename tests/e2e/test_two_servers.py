"""Two server processes on one database: neither harms the other, and one follows a dead one.

Each test runs on a SQLite file and on PostgreSQL. What a takeover took is printed (``pytest -rP``).
"""

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Executable, select, text, update

from children import environment as python_environment
from e2e.acting_world import new_secret, until
from e2e.process import free_port, ready, server, world
from e2e.test_events import Receiver
from fwai.demo.world import SimulatedWorld
from fwai.simulator.common.caller import AwaitHangUp, Hear, Step
from fwai.simulator.common.fate import Fate, MessageFate
from fwai.simulator.common.rest import ApiFault
from fwai.store.database import Database
from fwai.store.job_tables import instances, jobs
from fwai.store.tables import calls
from postgres import drop_database, fresh_database

pytestmark = pytest.mark.timeout(180)

LEASE_S = 15.0
LOOK_S = 3.0
CALLBACKS = 200
MIGRATIONS = 12
STAYS: list[Step] = [Hear("greeting"), AwaitHangUp(60.0)]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'fwai.db'}"
        return
    made = fresh_database("servers")
    yield made
    drop_database(made)


@dataclass
class Pair:
    """One world and one database for servers that come and go."""

    world: SimulatedWorld
    values: dict[str, str]
    folder: Path
    database: Database
    hook: Receiver
    stack: AsyncExitStack
    ports: list[int] = field(default_factory=list)

    async def start(self) -> tuple[subprocess.Popen[bytes], httpx.AsyncClient]:
        """Start one more server; the first one is the one that callers reach."""
        port = self.world.settings.port if not self.ports else free_port()
        self.ports.append(port)
        folder = self.folder / f"server-{len(self.ports)}"
        folder.mkdir()
        values = self.values | {"PUBLIC_URL": f"http://127.0.0.1:{port}"}
        process = self.stack.enter_context(server(folder, port, **values))
        await ready(port, 60)
        headers = {"X-API-Key": self.values["API_KEYS"]}
        url = f"http://127.0.0.1:{port}"
        client = httpx.AsyncClient(base_url=url, headers=headers, timeout=20)
        return process, await self.stack.enter_async_context(client)

    async def rows(self, query: Executable) -> list[dict[str, Any]]:
        async with self.database.read() as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()]

    async def instance_of(self, process: subprocess.Popen[bytes]) -> str:
        (row,) = await self.rows(select(instances).where(instances.c.pid == process.pid))
        return str(row["id"])

    async def as_on_another_host(self, process: subprocess.Popen[bytes]) -> None:
        """Let a server seem to run on a machine that nobody can look into."""
        async with self.database.write() as connection:
            here = instances.c.pid == process.pid
            elsewhere = {"host": "elsewhere 1", "boot_id": "another boot"}
            await connection.execute(update(instances).where(here).values(elsewhere))

    async def states(self) -> list[str]:
        """Return how the calls stand."""
        return [row["state"] for row in await self.rows(select(calls.c.state))]

    async def call_row(self) -> dict[str, Any]:
        (row,) = await self.rows(select(calls))
        return row

    async def talking(self) -> "asyncio.Task[object]":
        """Have a caller on the line of the first server."""
        caller = asyncio.ensure_future(self.world.phone().call(STAYS))

        async def answered() -> bool:
            return await self.states() == ["in_progress"]

        await until(answered, 15)
        await asyncio.sleep(3)  # it has been greeted
        return caller

    async def until_closed(self, since: float) -> float:
        """Wait until the call is closed; return the seconds since ``since``."""

        async def closed() -> bool:
            return (await self.call_row())["ended_at"] is not None

        await until(closed, LEASE_S + 4 * LOOK_S)
        return time.monotonic() - since

    async def until_told(self) -> dict[str, Any]:
        await self.hook.until("call.ended", 1, 20)
        (post,) = self.hook.of("call.ended")
        told: dict[str, Any] = json.loads(post.body)["data"]
        return told


@asynccontextmanager
async def pair_on(folder: Path, url: str) -> AsyncIterator[Pair]:
    async with (
        AsyncExitStack() as last,
        Receiver() as hook,
        world(free_port()) as (outside, values),
        AsyncExitStack() as stack,
    ):
        settings = {
            "API_KEYS": secrets.token_hex(16),
            "API_CALLS_PER_MINUTE": "100000",
            "DATABASE_URL": url,
            "EVENTS_WEBHOOK_URL": f"{hook.url}/events",
            "EVENTS_WEBHOOK_SECRET": new_secret(),
            "OUTBOUND_CALLS_PER_SECOND": "50",
            "CALLING_HOURS": "00:00-24:00",
        }
        database = Database(url)
        last.push_async_callback(database.close)
        yield Pair(outside, values | settings, folder, database, hook, stack)


# ---- side by side --------------------------------------------------------------------------------


async def test_a_second_server_touches_nothing_of_the_first_one(tmp_path: Path, url: str) -> None:
    async with pair_on(tmp_path, url) as pair:
        first, _ = await pair.start()
        caller = await pair.talking()
        owner = await pair.instance_of(first)
        query = select(calls).where(calls.c.instance == owner)
        mine = select(jobs.c.id, jobs.c.state, jobs.c.attempts).where(jobs.c.leased_by == owner)
        before = (await pair.rows(query), await pair.rows(mine))

        second, _ = await pair.start()
        await asyncio.sleep(LEASE_S + 2 * LOOK_S)
        second.kill()
        second.wait()
        await pair.start()
        await asyncio.sleep(2 * LOOK_S)

        after = (await pair.rows(query), await pair.rows(mine))
        touched = sum(old != new for one, two in zip(before, after, strict=True)
                      for old, new in zip(one, two, strict=True))  # fmt: skip
        print(f"rows of the other that were touched: {touched} of {sum(map(len, before))}")
        assert touched == 0
        assert after[0][0]["state"] == "in_progress"
        assert not caller.done(), "the call goes on"
        caller.cancel()


async def test_due_callbacks_are_dialled_once_each(tmp_path: Path, url: str) -> None:
    numbers = [f"+9199999{n:05d}" for n in range(1, CALLBACKS + 1)]
    async with pair_on(tmp_path, url) as pair:
        pair.world.provider.on_call = lambda placed: Fate(outcome="busy")
        clients = [(await pair.start())[1] for _ in range(2)]
        when = (datetime.now(UTC) + timedelta(seconds=20)).isoformat()
        for place, number in enumerate(numbers):
            body = {"to": number, "when": when}
            answer = await clients[place % 2].post("/api/callbacks", json=body)
            assert answer.status_code in (200, 201, 202), answer.text

        async def all_dialled() -> bool:
            return len(pair.world.provider.calls) >= CALLBACKS

        await until(all_dialled, 120)
        await asyncio.sleep(2 * LOOK_S)

        dialled = Counter(f"+{placed.to_number}" for placed in pair.world.provider.calls)
        by = Counter(row["instance"] for row in await pair.rows(select(calls.c.instance)))
        once = sum(dialled[number] == 1 for number in numbers)
        print(f"dialled once: {once} of {CALLBACKS}; by each server: {sorted(by.values())}")
        assert dialled == Counter(numbers)
        assert len(by) == 2, "both of them dial"


def test_migrations_that_start_together_run_once(tmp_path: Path, url: str) -> None:
    code = "import asyncio, sys; from fwai.store.migrate import ensure_schema;"
    code += "asyncio.run(ensure_schema(sys.argv[1]))"
    racing = [
        subprocess.Popen(
            [sys.executable, "-c", code, url],
            cwd=tmp_path, env=python_environment(), stderr=subprocess.PIPE, text=True,
        )
        for _ in range(MIGRATIONS)
    ]  # fmt: skip

    said = [process.communicate(timeout=120)[1] for process in racing]

    good = sum(process.returncode == 0 for process in racing)
    print(f"migrations raced: {good} of {MIGRATIONS}")
    assert good == MIGRATIONS, next(filter(None, said))
    assert asyncio.run(versions(url)) == 1


async def versions(url: str) -> int:
    database = Database(url)
    try:
        async with database.read() as connection:
            return len((await connection.execute(text("SELECT * FROM alembic_version"))).all())
    finally:
        await database.close()


# ---- one dies ------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["same", "other"])
async def test_what_a_killed_server_leaves_the_other_one_finishes(
    tmp_path: Path, url: str, host: str
) -> None:
    async with pair_on(tmp_path, url) as pair:
        provider = pair.world.provider
        first, api = await pair.start()
        await pair.start()
        caller = await pair.talking()
        provider_call_id = (await pair.call_row())["provider_call_id"]
        person = "+919999900077"
        provider.message_fate(person, MessageFate())
        provider.faults.append(ApiFault(path="Message/", hang_s=30, carried_out=False))
        sms = {"arguments": {"text": "Fees: 4000 a month."}, "to": person}
        ordering = asyncio.ensure_future(api.post("/api/tools/send_sms", json=sms))
        running = select(jobs).where(jobs.c.kind == "send_sms", jobs.c.state == "running")

        async def is_running() -> bool:
            return bool(await pair.rows(running))

        await until(is_running, 10)
        if host == "other":
            await pair.as_on_another_host(first)

        first.kill()
        killed = time.monotonic()
        closed_s = await pair.until_closed(killed)
        told = await pair.until_told()

        async def is_taken() -> bool:
            return not await pair.rows(running)

        async def is_hung_up() -> bool:
            return provider_call_id in hung_up(pair)

        await until(is_taken, 20)
        taken_s = time.monotonic() - killed
        await until(is_hung_up, 20)
        hung_up_s = time.monotonic() - killed

        print(
            f"{host} host: call closed after {closed_s:.1f} s, hung up after {hung_up_s:.1f} s,"
            f" job taken after {taken_s:.1f} s"
        )
        assert closed_s < (LOOK_S + 2 if host == "same" else LEASE_S + 2 * LOOK_S + 2)
        assert (told["status"], told["end_reason"]) == ("failed", "server_crashed")
        row = await pair.call_row()
        assert (row["state"], row["end_reason"]) == ("failed", "server_crashed")
        for task in (caller, ordering):
            task.cancel()


def hung_up(pair: Pair) -> list[str]:
    """Return the calls that the provider was asked to end."""
    deleted = [one for one in pair.world.provider.requests if one.method == "DELETE"]
    return [request.path.strip("/").rpartition("/")[2] for request in deleted]


async def test_one_that_was_paused_comes_back_and_overwrites_nothing(
    tmp_path: Path, url: str
) -> None:
    async with pair_on(tmp_path, url) as pair:
        first, api = await pair.start()
        owner = await pair.instance_of(first)
        await pair.start()
        caller = await pair.talking()

        os.kill(first.pid, signal.SIGSTOP)
        try:
            await pair.until_closed(time.monotonic())
            closed = await pair.call_row()
        finally:
            os.kill(first.pid, signal.SIGCONT)

        async def lives_again() -> bool:
            query = select(instances.c.epoch).where(instances.c.id == owner)
            return await pair.rows(query) == [{"epoch": 2}]

        await until(lives_again, 20)
        await asyncio.sleep(2 * LOOK_S)

        assert (closed["state"], closed["end_reason"]) == ("failed", "server_crashed")
        assert await pair.call_row() == closed, "nothing was overwritten"
        assert (await api.get("/readyz")).json()["calls"] == 0, "what was lost is let go"
        report = await asyncio.wait_for(caller, 10)
        assert report is not None
        again = asyncio.ensure_future(pair.world.phone().call(STAYS))

        async def takes_calls() -> bool:
            return "in_progress" in await pair.states()

        await until(takes_calls, 15)
        again.cancel()


async def test_a_server_that_stops_says_so(tmp_path: Path, url: str) -> None:
    async with pair_on(tmp_path, url) as pair:
        first, _ = await pair.start()
        await pair.start()

        first.terminate()
        first.wait(20)
        stopped = await pair.rows(select(instances).where(instances.c.pid == first.pid))

        assert [row["state"] for row in stopped] == ["stopped"]
