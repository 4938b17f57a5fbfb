"""Nonces of signed webhooks; when a WhatsApp user last granted or revoked a permission."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add to the schema; old and new code share the database for a while."""
    op.create_table(
        "nonces",
        sa.Column("nonce", sa.String(64), nullable=False),
        sa.Column("content", sa.String(64), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("nonce", name="pk_nonces"),
    )
    op.create_index("ix_nonces_seen_at", "nonces", ["seen_at"])
    op.add_column(
        "standings", sa.Column("replied_at", sa.Float, nullable=False, server_default="0")
    )


def downgrade() -> None:
    """Take it back."""
    with op.batch_alter_table("standings") as batch:
        batch.drop_column("replied_at")
    op.drop_table("nonces")
