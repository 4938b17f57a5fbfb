"""Daily limits: what of them is used, who was written to; the words that confirmed a recipient."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add to the schema; old and new code share the database for a while."""
    op.create_table(
        "daily_counts",
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("used", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("day", "name", name="pk_daily_counts"),
    )
    op.create_table(
        "recipients",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("asked_by", sa.String(64), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_recipients"),
    )
    op.create_index("ix_recipients_asked_by", "recipients", ["asked_by"])
    op.create_index("ix_recipients_first_at", "recipients", ["first_at"])
    op.add_column("jobs", sa.Column("confirmation", sa.JSON))


def downgrade() -> None:
    """Take it back."""
    with op.batch_alter_table("jobs") as batch:
        batch.drop_column("confirmation")
    op.drop_table("recipients")
    op.drop_table("daily_counts")
