"""Jobs, callbacks, bookings, contacts, WhatsApp standings, requests; more of each call."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_INDEXES = (
    ("ix_jobs_next_at", "jobs", ["next_at"]),
    ("ix_jobs_state_created_at", "jobs", ["state", "created_at"]),
    ("ix_jobs_ref", "jobs", ["ref"]),
    ("ix_jobs_phone", "jobs", ["phone"]),
    ("ix_jobs_call_id", "jobs", ["call_id"]),
    ("ix_callbacks_state_due_at", "callbacks", ["state", "due_at"]),
    ("ix_callbacks_phone", "callbacks", ["phone"]),
    ("ix_bookings_starts_at", "bookings", ["starts_at"]),
    ("ix_requests_claimed_at", "requests", ["claimed_at"]),
)
_OF_CALLS = (
    ("not_before", _MOMENT),
    ("callback_id", sa.String(40)),
    ("webhook_url", sa.Text),
    ("cause", sa.String(120)),
    ("summary", sa.Text),
    ("extracted", sa.JSON),
)


def upgrade() -> None:
    """Add to the schema; old and new code share the database for a while."""
    for name, kind in _OF_CALLS:
        op.add_column("calls", sa.Column(name, kind))
    _create_jobs()
    _create_callbacks()
    _create_bookings()
    _create_people()
    _create_requests()
    for name, table, columns in _INDEXES:
        op.create_index(name, table, columns)


def downgrade() -> None:
    """Take it back."""
    for table in ("requests", "standings", "contacts", "bookings", "callbacks", "jobs"):
        op.drop_table(table)
    with op.batch_alter_table("calls") as batch:
        for name, _ in _OF_CALLS:
            batch.drop_column(name)


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("key", sa.String(160), nullable=False),
        sa.Column("payload", sa.JSON, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("run_at", _MOMENT, nullable=False),
        sa.Column("next_at", _MOMENT),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("begun_at", _MOMENT),
        sa.Column("leased_by", sa.String(64), nullable=False),
        sa.Column("call_id", sa.String(64), nullable=False),
        sa.Column("phone", sa.String(64), nullable=False),
        sa.Column("ref", sa.String(255), nullable=False),
        sa.Column("result", sa.JSON),
        sa.Column("error", sa.Text),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("finished_at", _MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("key", name="uq_jobs_key"),
    )


def _create_callbacks() -> None:
    op.create_table(
        "callbacks",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("key", sa.String(160), nullable=False),
        sa.Column("phone", sa.String(64), nullable=False),
        sa.Column("provider", sa.String(16), nullable=False),
        sa.Column("agent", sa.String(128), nullable=False),
        sa.Column("due_at", _MOMENT, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("source_call_id", sa.String(64), nullable=False),
        sa.Column("last_call_id", sa.String(64), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("written_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_callbacks"),
        sa.UniqueConstraint("key", name="uq_callbacks_key"),
    )


def _create_bookings() -> None:
    op.create_table(
        "bookings",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("key", sa.String(160), nullable=False),
        sa.Column("phone", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("interest", sa.Text, nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("starts_at", _MOMENT, nullable=False),
        sa.Column("minutes", sa.Integer, nullable=False),
        sa.Column("call_id", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bookings"),
        sa.UniqueConstraint("key", name="uq_bookings_key"),
    )


def _create_people() -> None:
    op.create_table(
        "contacts",
        sa.Column("phone", sa.String(64), nullable=False),
        sa.Column("memory", sa.JSON, nullable=False),
        sa.Column("do_not_call", sa.Boolean, nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("written_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("phone", name="pk_contacts"),
    )
    op.create_table(
        "standings",
        sa.Column("user", sa.String(128), nullable=False),
        sa.Column("grant", sa.String(16), nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.Column("asked_at", sa.JSON, nullable=False),
        sa.Column("unanswered", sa.Integer, nullable=False),
        sa.Column("user_at", sa.Float, nullable=False),
        sa.Column("checked_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("user", name="pk_standings"),
    )


def _create_requests() -> None:
    op.create_table(
        "requests",
        sa.Column("scope", sa.String(64), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("generation", sa.String(40), nullable=False),
        sa.Column("claimed_at", _MOMENT, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("body", sa.JSON),
        sa.PrimaryKeyConstraint("scope", "key", name="pk_requests"),
    )
