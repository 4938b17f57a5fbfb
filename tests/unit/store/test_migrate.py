import asyncio
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

import children
from fwai.errors import StoreError
from fwai.store import migrate
from fwai.store.database import Database
from fwai.store.job_tables import metadata
from unit.store.kit import sqlite_url


def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(migrate.SCRIPTS))
    return ScriptDirectory.from_config(config)


def test_the_constant_is_the_newest_step() -> None:
    assert scripts().get_current_head() == migrate.HEAD


def test_steps_are_numbered_so_that_newer_is_greater() -> None:
    for step in scripts().walk_revisions():
        assert re.fullmatch(r"\d{4}", step.revision)
        assert step.down_revision is None or step.down_revision < step.revision  # type: ignore[operator]


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
@pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression-based")
async def test_the_steps_build_the_tables_once_when_two_processes_start(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)

    await asyncio.gather(migrate.ensure_schema(url), migrate.ensure_schema(url))
    await migrate.ensure_schema(url)

    database = await Database.open(url)
    async with database.read() as connection:
        differences = await connection.run_sync(compare)
        indexes = await connection.execute(text("SELECT sql FROM sqlite_master WHERE type='index'"))
        written = [sql for (sql,) in indexes if sql and "uq_calls_provider_call" in sql]
    await database.close()
    assert differences == []
    assert len(written) == 1, "which is not compared: it is over an expression"
    assert "UNIQUE" in written[0]


@pytest.mark.parametrize(("revision", "current"), [("0000", False), ("9999", True)])
async def test_a_newer_schema_serves_older_code(
    database: Database, revision: str, current: bool
) -> None:
    assert not await migrate.is_current(database.engine)

    async with database.write() as connection:
        await connection.execute(text("CREATE TABLE alembic_version (version_num TEXT)"))
        await connection.execute(text("INSERT INTO alembic_version VALUES (:r)"), {"r": revision})

    assert await migrate.is_current(database.engine) is current


async def test_a_damaged_database_is_no_reason_to_migrate(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "fwai.db").write_bytes(b"no database at all" * 100)

    with pytest.raises(StoreError, match="restore a backup"):
        await migrate.is_current(database.engine)

    await database.close()


async def test_a_failed_migration_says_why(database: Database, tmp_path: Path) -> None:
    async with database.write() as connection:
        await connection.execute(text("CREATE TABLE alembic_version (version_num TEXT)"))
        await connection.execute(text("INSERT INTO alembic_version VALUES ('0000')"))

    with pytest.raises(StoreError, match="a newer version made this database"):
        await migrate.ensure_schema(sqlite_url(tmp_path))


def test_the_program_explains_itself(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["migrate"])
    assert migrate.main() == 2
    assert "usage" in capsys.readouterr().err

    monkeypatch.setattr(sys, "argv", ["migrate", "-"])
    monkeypatch.setattr(sys, "stdin", io.StringIO("mysql://h/d\n"))
    assert migrate.main() == 1
    assert "DATABASE_URL" in capsys.readouterr().err


def test_the_program_builds_a_database_in_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["migrate", sqlite_url(tmp_path)])

    assert migrate.main() == 0
    assert (tmp_path / "data" / "fwai.db").exists()


def test_the_server_never_loads_alembic() -> None:
    program = "import sys, fwai.store.open; sys.exit('alembic' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", program], env=children.environment(), check=False)
    assert done.returncode == 0


def compare(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, metadata))
