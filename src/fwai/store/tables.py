"""The tables, portable between SQLite and PostgreSQL; ``migrations/`` builds the same by steps.

Hot writes are Core inserts into these tables; nothing here is an ORM entity.
"""

import math
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypedColumns,
    TypeDecorator,
    false,
    text,
)
from sqlalchemy.engine.interfaces import ExecutionContext
from sqlalchemy.types import TypeEngine

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
_LAST_INSTANT_S = 253_000_000_000.0  # just inside the year 9999

DEMO_OPTION = "fwai_demo"
"""Execution option of an engine whose rows are a demo's."""

metadata = MetaData(naming_convention=NAMES)


def instant(at: float) -> datetime:
    """Return Unix time ``at`` as a UTC datetime; what is no time at all becomes the epoch."""
    if not math.isfinite(at) or not 0 <= at < _LAST_INSTANT_S:
        at = 0.0
    return datetime.fromtimestamp(at, UTC)


class Instant(TypeDecorator[datetime]):
    """A moment, kept in UTC and read back with its zone, also where the database keeps none."""

    impl: TypeEngine[Any] | type[TypeEngine[Any]] = DateTime(timezone=True)
    cache_ok: bool | None = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive time, which could mean any zone."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored time needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give SQLite's naive value its zone back."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def written_by_demo(context: ExecutionContext) -> bool:
    """Return what a row's ``demo`` column says: whether a demo's engine writes it."""
    return bool(context.execution_options.get(DEMO_OPTION, False))


def demo_column() -> Column[bool]:
    """Build the column that marks what was simulated: a live server never acts on it."""
    return Column(Boolean, nullable=False, default=written_by_demo, server_default=false())


class CallColumns(TypedColumns):
    """One row per call.

    ``created_at`` is when the call became known, ``started_at`` when a line was first used for it
    (dialing, ringing or answered), ``written_at`` when the row last changed. ``transcript`` and
    ``recording`` are relative to their directories, so that a backup can be restored elsewhere.
    ``instance`` and ``epoch`` name the process that holds the call's sockets. ``cause`` is
    why it ended so, in our words or the provider's; ``summary`` and ``extracted`` come after the
    call, if ever.
    """

    id = Column(String(64), primary_key=True)
    provider = Column(String(16), nullable=False)
    provider_call_id = Column(String(255), nullable=False)
    direction = Column(String(8), nullable=False)
    caller = Column(String(64), nullable=False)
    line = Column(String(64), nullable=False)
    agent = Column(String(128), nullable=False)
    state = Column(String(16), nullable=False)
    end_reason = Column(String(32))
    context = Column(JSON, nullable=False)
    created_at = Column(Instant, nullable=False)
    started_at = Column(Instant)
    answered_at = Column(Instant)
    ended_at = Column(Instant)
    written_at = Column(Instant, nullable=False)
    usage = Column(JSON(none_as_null=True))
    latency_ms = Column(JSON(none_as_null=True))
    audio_in_s = Column(Float)
    audio_out_s = Column(Float)
    recording = Column(String(255))
    transcript = Column(String(255))
    instance = Column(String(64), nullable=False)
    epoch = Column(Integer)
    not_before = Column(Instant)
    callback_id = Column(String(40))
    webhook_url = Column(Text)
    cause = Column(String(120))
    summary = Column(Text)
    extracted = Column(JSON(none_as_null=True))
    demo = demo_column()


class TurnColumns(TypedColumns):
    """One row per piece of an utterance; pieces of one role and ``turn`` belong together.

    ``seq`` counts what was kept of a call, in the order it came, together with its tool calls.
    """

    call_id = Column(String(64), ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True)
    seq = Column(Integer, primary_key=True, autoincrement=False)
    role = Column(String(8), nullable=False)
    turn = Column(Integer, nullable=False)
    text = Column(Text, nullable=False)
    at = Column(Instant, nullable=False)
    interrupted = Column(Boolean, nullable=False)


class ToolCallColumns(TypedColumns):
    """One row per tool run; ``args`` and ``message`` are null when transcripts are disabled."""

    call_id = Column(String(64), ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True)
    seq = Column(Integer, primary_key=True, autoincrement=False)
    tool_call_id = Column(String(255), nullable=False)
    name = Column(String(128), nullable=False)
    args = Column(JSON(none_as_null=True))
    ok = Column(Boolean, nullable=False)
    message = Column(Text)
    elapsed_ms = Column(Float, nullable=False)
    at = Column(Instant, nullable=False)


calls = Table(
    "calls",
    metadata,
    CallColumns,
    Index(None, "provider_call_id"),
    Index(
        "uq_calls_provider_call",
        "provider",
        # Without an id none is like another. A partial index would load PostgreSQL's dialect: 4 MB.
        text("(nullif(provider_call_id, ''))"),
        unique=True,
    ),
    Index(None, "instance", "state"),
    Index(None, "created_at", "id"),
    Index(None, "state", "created_at"),
    Index(None, "provider", "created_at"),
    Index(None, "caller", "created_at"),
)
turns = Table("turns", metadata, TurnColumns)
tool_calls = Table("tool_calls", metadata, ToolCallColumns)
