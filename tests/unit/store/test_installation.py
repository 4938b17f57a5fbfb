import asyncio
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import select, text

from fwai.store import migrate
from fwai.store.database import Database
from fwai.store.installation import KEEPS_BY_DEFAULT, Installation
from fwai.store.job_tables import contacts
from unit.store.kit import Clock, at, sqlite_url


def steps_up_to(revision: str, url: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate.SCRIPTS))
    config.attributes["url"] = url
    command.upgrade(config, revision)


async def test_a_value_is_replaced_and_an_unknown_name_is_none(tmp_path: Path) -> None:
    await migrate.ensure_schema(sqlite_url(tmp_path))
    database = await Database.open(sqlite_url(tmp_path))
    clock = Clock()
    installation = Installation(database, clock)

    assert await installation.get("colour") is None
    await installation.put("colour", {"name": "blue"})
    clock.move(60)
    await installation.put("colour", "red")

    assert await installation.get("colour") == "red"
    assert await installation.written_at("colour") == at(60)
    assert await installation.written_at("shape") is None
    await database.close()


@pytest.mark.parametrize(("held_something", "keeps"), [(False, True), (True, None)])
async def test_only_a_new_installation_removes_what_is_old_by_itself(
    tmp_path: Path, held_something: bool, keeps: bool | None
) -> None:
    url = sqlite_url(tmp_path)
    await asyncio.to_thread(steps_up_to, "0003", url)
    if held_something:
        database = await Database.open(url)
        async with database.write() as connection:
            await connection.execute(
                text(
                    "INSERT INTO contacts (phone, memory, do_not_call, reason, written_at)"
                    " VALUES ('+919999900001', '[]', false, '', '2026-11-22 10:00:00')"
                )
            )
        await database.close()

    await migrate.ensure_schema(url)

    database = await Database.open(url)
    installation = Installation(database)
    assert await installation.get(KEEPS_BY_DEFAULT) is keeps
    assert (await installation.written_at(KEEPS_BY_DEFAULT) is not None) == bool(keeps)
    await database.close()


@pytest.mark.parametrize("demo", [False, True])
async def test_every_row_says_whether_a_demo_wrote_it(tmp_path: Path, demo: bool) -> None:
    url = sqlite_url(tmp_path)
    await migrate.ensure_schema(url)
    database = await Database.open(url, demo=demo)
    person = {"phone": "+919999900001", "memory": [], "do_not_call": False, "reason": ""}
    async with database.write() as connection:
        await connection.execute(database.insert(contacts).values(**person, written_at=at(0)))
    async with database.read() as connection:
        assert (await connection.execute(select(contacts.c.demo))).scalar_one() is demo
    await database.close()
