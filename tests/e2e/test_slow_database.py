"""A database that hangs, answers late or is away silences no phone and loses nothing.

The times are printed (``pytest -rP``).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Select, make_url, select, text

from e2e.acting_world import until
from e2e.process import free_port, ready, server, world
from fwai.demo.world import SimulatedWorld
from fwai.simulator.common.caller import CallReport, HangUp, Hear, Say, Step
from fwai.store.database import Database
from fwai.store.tables import calls, turns
from postgres import drop_database, fresh_database
from tcp_proxy import Proxy, proxy_to

pytestmark = pytest.mark.timeout(300)

Line = tuple[str, str]  # who spoke, and the words
TALK: list[Step] = [Hear("greeting"), Say("ask_ai"), Hear("ai_answer"), HangUp()]
ANSWER_MS = 1_000.0
GREETING_MS = 2_000.0
API_S = 14.0
LOCKED_S = 12.0
AWAY_S = 20.0
KEY = "key-of-an-operator-0123456789"
SLACK_MS = 700.0  # what the rest takes on a busy machine


@pytest.fixture
def url() -> Iterator[str]:
    made = fresh_database("slow")
    yield made
    drop_database(made)


@dataclass
class Scene:
    """A server on a database that the test holds up, and the same database directly."""

    world: SimulatedWorld
    proxy: Proxy
    database: Database
    api: httpx.AsyncClient

    async def call(self) -> CallReport:
        async with asyncio.timeout(60):
            return await self.world.phone().call(TALK)

    async def ask_api(self) -> tuple[float, int]:
        """Return how long a list of calls took, and its status."""
        started = time.monotonic()
        answer = await self.api.get("/api/calls")
        return time.monotonic() - started, answer.status_code

    async def rows(self, query: Select[str, str]) -> list[tuple[str, str]]:
        async with self.database.read() as connection:
            return [(one, other) for one, other in await connection.execute(query)]

    async def all_kept(
        self, count: int, within_s: float = 60.0
    ) -> dict[str, list[tuple[str, str]]]:
        """Wait until so many calls are closed; return what was said in each, in order."""

        async def closed() -> bool:
            query = select(calls.c.id, calls.c.state).where(calls.c.state == "completed")
            return len(await self.rows(query)) == count

        await until(closed, within_s)
        await asyncio.sleep(4)  # rows that waited for their call are tried again every 3 s
        said: dict[str, list[Line]] = {}
        async with self.database.read() as connection:
            query = select(turns.c.call_id, turns.c.role, turns.c.text).order_by(turns.c.seq)
            for call_id, role, words in await connection.execute(query):
                said.setdefault(call_id, []).append((role, words))
        return said

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Hold the calls' table for `LOCKED_S`, whatever the block does meanwhile."""

        async def hold() -> None:
            async with self.database.write() as connection:
                await connection.execute(text("LOCK TABLE calls IN ACCESS EXCLUSIVE MODE"))
                held.set()
                await asyncio.sleep(LOCKED_S)

        held = asyncio.Event()
        holding = asyncio.ensure_future(hold())
        await held.wait()
        yield
        await holding


@asynccontextmanager
async def scene(folder: Path, url: str) -> AsyncIterator[Scene]:
    there = make_url(url)
    port = free_port()
    async with (
        proxy_to(there.host or "127.0.0.1", there.port or 5432) as proxy,
        world(port) as (outside, values),
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers={"X-API-Key": KEY}, timeout=30
        ) as api,
    ):
        through = there.set(host="127.0.0.1", port=proxy.port)
        values["API_KEYS"] = KEY
        values["DATABASE_URL"] = through.render_as_string(hide_password=False)
        database = Database(url, command_s=60)
        try:
            with server(folder, port, **values):
                await ready(port, 60)
                yield Scene(outside, proxy, database, api)
        finally:
            await database.close()


def timed(what: str, report: CallReport, api: tuple[float, int]) -> tuple[float, float]:
    """Print and return how long the answer webhook and the greeting took, in ms."""
    answer_ms = next(one.elapsed_ms for one in report.deliveries if one.kind == "answer")
    greeting_ms = report.greeting_ms
    assert greeting_ms is not None, "the caller heard nothing"
    total = report.setup_ms + greeting_ms
    print(
        f"{what}: answer webhook {answer_ms:.0f} ms, stream open {report.setup_ms:.0f} ms,"
        f" greeting {greeting_ms:.0f} ms later; GET /api/calls {api[0]:.1f} s ({api[1]})"
    )
    return answer_ms, total


async def test_a_call_while_the_database_hangs_or_is_slow(tmp_path: Path, url: str) -> None:
    async with scene(tmp_path, url) as stage:
        usual = timed("usual", await stage.call(), await stage.ask_api())

        async with stage.locked():
            report, api = await asyncio.gather(stage.call(), stage.ask_api())
        found = {"calls locked": timed(f"calls locked for {LOCKED_S:.0f} s", report, api)}
        assert api[0] < API_S
        for delay in (0.2, 1.0):
            stage.proxy.delay_s = delay
            report, api = await asyncio.gather(stage.call(), stage.ask_api())
            found[f"{delay}"] = timed(f"each answer {delay:g} s late", report, api)
        said = await stage.all_kept(4, 150)

    for what, (answer_ms, greeting_ms) in found.items():
        assert answer_ms - usual[0] < ANSWER_MS + SLACK_MS, what
        assert greeting_ms - usual[1] < GREETING_MS + SLACK_MS, what
    words = {" ".join(text for _, text in lines) for lines in said.values()}
    assert len(said) == 4
    assert len(words) == 1, "in each call the same was said, and nothing is missing"


async def test_nothing_is_missing_after_the_database_was_away(tmp_path: Path, url: str) -> None:
    async with scene(tmp_path, url) as stage:
        running = asyncio.ensure_future(stage.call())
        await asyncio.sleep(2)
        stage.proxy.leave()
        left = time.monotonic()
        meanwhile, api = await asyncio.gather(stage.call(), stage.ask_api())
        first = await running
        await asyncio.sleep(max(0.0, AWAY_S - (time.monotonic() - left)))
        stage.proxy.come_back()

        said = await stage.all_kept(2)
        again = await stage.ask_api()

    for report in (first, meanwhile):
        assert report.answered
        assert [one.clip for one in report.heard][:2] == ["greeting", "ai_answer"]
    timed(f"away for {AWAY_S:.0f} s", meanwhile, api)
    print(f"turns kept of each call: {sorted(map(len, said.values()))}")
    assert api[1] == 503
    assert again[1] == 200
    one, other = (" ".join(words for _, words in lines) for lines in said.values())
    assert one == other
    assert {role for lines in said.values() for role, _ in lines} == {"agent", "caller"}
    with suppress(FileNotFoundError):
        log = (tmp_path / "server.log").read_text()
        assert "Traceback" not in log
