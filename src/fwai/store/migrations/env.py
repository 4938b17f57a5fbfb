"""Runs the steps on one connection, one process at a time."""

import asyncio

from alembic import context
from sqlalchemy import Connection, text

from fwai.store.database import Database
from fwai.store.job_tables import metadata

COMMAND_S = 50  # within the deadline of `fwai.store.migrate`
LOCK_ID = 0x66776169  # "fwai": whoever migrates a PostgreSQL database holds this advisory lock


def _run(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": LOCK_ID})
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()


async def _migrate(url: str) -> None:
    # A sibling that migrates at the same time is waited for.
    database = await Database.open(url, command_s=COMMAND_S)
    try:
        async with database.read() as connection:
            await connection.run_sync(_run)
    finally:
        await database.close()


asyncio.run(_migrate(context.config.attributes["url"]))
