"""Who was erased: keyed digests, so that a restored backup does not bring them back."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add to the schema; old and new code share the database for a while."""
    op.create_table(
        "erasures",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_erasures"),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("erasures")
