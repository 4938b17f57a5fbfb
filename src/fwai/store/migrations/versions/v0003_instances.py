"""Instances that share the database, whose calls are whose, one row per provider's call."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add to the schema; old and new code share the database for a while."""
    op.create_table(
        "instances",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("host", sa.String(128), nullable=False),
        sa.Column("boot_id", sa.String(64), nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("pid_started", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("calls", sa.Integer, nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_instances"),
    )
    op.add_column("calls", sa.Column("epoch", sa.Integer))
    _tell_doubles_apart()
    op.create_index(
        "uq_calls_provider_call",
        "calls",
        ["provider", sa.text("(nullif(provider_call_id, ''))")],
        unique=True,
    )
    op.create_index("ix_calls_instance_state", "calls", ["instance", "state"])


def downgrade() -> None:
    """Take it back."""
    op.drop_index("ix_calls_instance_state", "calls")
    op.drop_index("uq_calls_provider_call", "calls")
    op.drop_table("instances")
    with op.batch_alter_table("calls") as batch:
        batch.drop_column("epoch")


def _tell_doubles_apart() -> None:
    """Rename the provider's id of all but the newest of several rows of one call.

    Two processes beside each other could write them; a provider's ids hold no tilde.
    """
    op.execute(
        "UPDATE calls SET provider_call_id = substr(provider_call_id, 1, 190) || '~' || id "
        "WHERE provider_call_id <> '' AND EXISTS (SELECT 1 FROM calls AS newer "
        "WHERE newer.provider = calls.provider "
        "AND newer.provider_call_id = calls.provider_call_id "
        "AND (newer.created_at > calls.created_at "
        "OR (newer.created_at = calls.created_at AND newer.id > calls.id)))"
    )
