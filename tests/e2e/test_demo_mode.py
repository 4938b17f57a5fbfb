"""A demo keeps its world to itself: what was simulated is never done, sent or shown for real."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from e2e.acting_world import ALWAYS, until
from e2e.process import environment, free_port, ready, server, world
from e2e.test_commands import run
from fwai.store.demo_guard import MARKED
from postgres import drop_database, fresh_database

PERSON = "+919999900003"
KEY = "key-of-an-operator-0123456789"
BY_KEY = {"X-API-Key": KEY}
OTHERS_LINE = "+912200000000"


@pytest.fixture
def postgresql() -> Iterator[str]:
    url = fresh_database("demo_mode")
    yield url
    drop_database(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql"))
    return f"sqlite+aiosqlite:///{tmp_path / 'fwai.db'}"


def copy_database(source: Path, target: Path) -> None:
    """Copy all of it, with what a server that was killed left in its log."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def unmarked(database: Path) -> dict[str, int]:
    """Return how many rows a demo's database has that do not say so, by table."""
    with closing(sqlite3.connect(database)) as rows:
        counts = {
            table.name: rows.execute(str(select(func.count()).where(~table.c.demo))).fetchone()[0]
            for table in MARKED
        }
    return {name: count for name, count in counts.items() if count}


def soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def get(port: int, path: str, **headers: str) -> Any:  # noqa: ANN401 - JSON
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api") as api:
        answer = await api.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def promise_in_the_demo(folder: Path, port: int, **values: str) -> datetime:
    """Have the demo place a call for later, promise a callback and put somebody on the list.

    Returns:
        When both are due; the demo is over before.
    """
    with server(folder, port, CALLING_HOURS=ALWAYS, **values):
        await ready(port)
        due = soon(4)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api") as api:
            later = due.isoformat()
            placed = await api.post("/calls", json={"to": PERSON, "not_before": later})
            promised = await api.post("/callbacks", json={"to": PERSON, "when": later})
            forbidden = await api.put("/contacts/+919999900004", json={"do_not_call": True})
    assert placed.status_code == 202, placed.text
    assert promised.status_code == 201, promised.text
    assert forbidden.is_success, forbidden.text
    return due


async def test_what_was_placed_in_the_demo_is_not_dialled_after_going_live(
    tmp_path: Path, database: str
) -> None:
    port = free_port()
    imported = tmp_path / "callbacks.json"
    imported.write_text(
        json.dumps([{"phone": "+919999900005", "when": soon(7200).isoformat(), "note": "real"}])
    )
    due = await promise_in_the_demo(tmp_path, port, DATABASE_URL=database)
    untouched = imported.exists()
    assert unmarked(tmp_path / "demo" / "fwai.db") == {}

    async with world(port) as (outside, values):
        values |= {"DATABASE_URL": database, "CALLING_HOURS": ALWAYS, "API_KEYS": KEY}
        with server(tmp_path, port, **values):
            await ready(port)
            marker = {"to": "+919999900006", "not_before": (due + timedelta(seconds=1)).isoformat()}
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}/api", headers=BY_KEY
            ) as api:
                assert (await api.post("/calls", json=marker)).status_code == 202

            async def dialled() -> bool:
                return bool(outside.provider.calls)

            await until(dialled, 20)  # what is due after the demo's call was dialled
            calls = await get(port, "/calls", **BY_KEY)
            callbacks = await get(port, "/callbacks", **BY_KEY)
            listed = await get(port, "/do-not-call", **BY_KEY)

    assert [one.to_number.lstrip("+") for one in outside.provider.calls] == ["919999900006"]
    assert [one["to"] for one in calls["calls"]] == ["+919999900006"]
    assert [one["to"] for one in callbacks["callbacks"]] == ["+919999900005"]
    assert untouched
    assert listed["contacts"] == []
    assert (tmp_path / "demo" / "fwai.db").exists()


async def test_a_real_server_refuses_the_demo_s_database_and_the_demo_a_real_one(
    tmp_path: Path,
) -> None:
    port = free_port()
    demo = tmp_path / "demo" / "fwai.db"
    await promise_in_the_demo(tmp_path, port)
    copy = tmp_path / "copied.db"
    copy_database(demo, copy)
    async with world(port) as (_, values):
        for file in (demo, copy):
            values |= {"DATABASE_URL": f"sqlite+aiosqlite:///{file}", "PORT": str(port)}
            told = await refused(tmp_path, values)
            assert f"database {file} holds what a demo simulated, rows in " in told
            assert "set DATABASE_URL to a database that no demo has used" in told
        real = values | {"DATABASE_URL": environment(tmp_path)["DATABASE_URL"]}
        del real["PORT"]
        with server(tmp_path, port, **real):
            await ready(port)
    told = await refused(tmp_path, {}, "demo", "--keep", str(tmp_path))
    assert f"database {tmp_path / 'fwai.db'} is the business's" in told


async def refused(folder: Path, values: dict[str, str], *words: str) -> str:
    """Run a command that must not start; return what it said."""
    told: list[str] = []
    await run(folder, *words, expect=1, values=values, told=told)
    return told[0]


async def test_what_an_older_demo_left_in_the_real_database_is_not_dialled(tmp_path: Path) -> None:
    """It marked nothing, and its calls stand among the business's own."""
    port = free_port()
    due = await promise_in_the_demo(tmp_path, port)
    database = tmp_path / "fwai.db"
    copy_database(tmp_path / "demo" / "fwai.db", database)
    with closing(sqlite3.connect(database)) as rows:
        rows.executescript(
            "UPDATE calls SET demo = 0; UPDATE jobs SET demo = 0; UPDATE contacts SET demo = 0;"
            "UPDATE callbacks SET demo = 0, source_call_id = (SELECT id FROM calls LIMIT 1);"
            "DELETE FROM installation;"
        )

    async with world(port) as (outside, values):
        values |= {
            "CALLING_HOURS": ALWAYS,
            "PLIVO_PHONE_NUMBER": OTHERS_LINE,
            "API_KEYS": KEY,
        }
        with server(tmp_path, port, **values):
            await ready(port)
            (call,) = (await get(port, "/calls", **BY_KEY))["calls"]
            (callback,) = (await get(port, "/callbacks", **BY_KEY))["callbacks"]
            later = {"to": "+919999900006", "not_before": (due + timedelta(seconds=1)).isoformat()}
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}/api", headers=BY_KEY
            ) as api:
                assert (await api.post("/calls", json=later)).status_code == 202

            async def dialled() -> bool:
                return bool(outside.provider.calls)

            await until(dialled, 20)

    assert (call["status"], call["cause"]) == ("canceled", "placed in demo mode")
    assert callback["status"] == "canceled"
    assert [one.to_number.lstrip("+") for one in outside.provider.calls] == ["919999900006"]
    log = (tmp_path / "server.log").read_text("utf-8")
    assert '"event": "older_demo_given_up"' in log


async def test_every_row_of_a_whole_simulated_call_is_marked(tmp_path: Path) -> None:
    told = json.loads(await run(tmp_path, "demo", "--json", "--keep", str(tmp_path / "kept")))

    with closing(sqlite3.connect(told["database"])) as rows:
        (calls,) = rows.execute("SELECT count(*) FROM calls").fetchone()
        (jobs,) = rows.execute("SELECT count(*) FROM jobs").fetchone()
    assert (calls, jobs > 1) == (1, True)
    assert unmarked(Path(told["database"])) == {}


async def test_the_demo_says_that_it_is_scripted_and_where_it_keeps_what_happens(
    tmp_path: Path,
) -> None:
    port = free_port()
    mail = {"SMTP_HOST": "mail.example.com", "SMTP_SENDER": "desk@example.com"}
    with server(tmp_path, port, RECORD_CALLS="true", **mail):
        await ready(port)
        page = f"http://127.0.0.1:{port}/console/talk"
        async with httpx.AsyncClient() as browser:
            choice = (await browser.get(f"{page}/agents")).json()
            mailing = await browser.post(
                f"http://127.0.0.1:{port}/api/tools/send_email",
                json={"arguments": {"subject": "a", "body": "b"}, "to": PERSON},
            )
    log = (tmp_path / "server.log").read_text("utf-8")

    assert choice["scripted"] is True
    assert choice["agents"][0]["id"] == "FWAI_Core"
    assert "does not speak your prompt, nor understand you" in log
    assert f"kept in {tmp_path / 'demo'} and nowhere else" in log
    assert "Nothing leaves this machine: SMTP_HOST has no effect" in log
    assert (mailing.status_code, mailing.json()["type"].rpartition(":")[2]) == (
        409, "tool-not-configured",
    )  # fmt: skip
    assert not (tmp_path / "fwai.db").exists()
