"""Calls, their turns and the tools they used."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_INDEXES = (
    ("ix_calls_provider_call_id", ["provider_call_id"]),
    ("ix_calls_created_at_id", ["created_at", "id"]),
    ("ix_calls_state_created_at", ["state", "created_at"]),
    ("ix_calls_provider_created_at", ["provider", "created_at"]),
    ("ix_calls_caller_created_at", ["caller", "created_at"]),
)


def upgrade() -> None:
    """Add to the schema; old and new code share the database for a while."""
    _create_calls()
    _create_turns()
    _create_tool_calls()


def downgrade() -> None:
    """Take it back."""
    op.drop_table("tool_calls")
    op.drop_table("turns")
    op.drop_table("calls")


def _create_calls() -> None:
    op.create_table(
        "calls",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("provider", sa.String(16), nullable=False),
        sa.Column("provider_call_id", sa.String(255), nullable=False),
        sa.Column("direction", sa.String(8), nullable=False),
        sa.Column("caller", sa.String(64), nullable=False),
        sa.Column("line", sa.String(64), nullable=False),
        sa.Column("agent", sa.String(128), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("end_reason", sa.String(32)),
        sa.Column("context", sa.JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("answered_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("usage", sa.JSON),
        sa.Column("latency_ms", sa.JSON),
        sa.Column("audio_in_s", sa.Float),
        sa.Column("audio_out_s", sa.Float),
        sa.Column("recording", sa.String(255)),
        sa.Column("transcript", sa.String(255)),
        sa.Column("instance", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_calls"),
    )
    for name, columns in _INDEXES:
        op.create_index(name, "calls", columns)


def _create_turns() -> None:
    op.create_table(
        "turns",
        sa.Column("call_id", sa.String(64), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("role", sa.String(8), nullable=False),
        sa.Column("turn", sa.Integer, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("interrupted", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("call_id", "seq", name="pk_turns"),
        sa.ForeignKeyConstraint(
            ["call_id"], ["calls.id"], ondelete="CASCADE", name="fk_turns_call_id_calls"
        ),
    )


def _create_tool_calls() -> None:
    op.create_table(
        "tool_calls",
        sa.Column("call_id", sa.String(64), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("tool_call_id", sa.String(255), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("args", sa.JSON),
        sa.Column("ok", sa.Boolean, nullable=False),
        sa.Column("message", sa.Text),
        sa.Column("elapsed_ms", sa.Float, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("call_id", "seq", name="pk_tool_calls"),
        sa.ForeignKeyConstraint(
            ["call_id"], ["calls.id"], ondelete="CASCADE", name="fk_tool_calls_call_id_calls"
        ),
    )
