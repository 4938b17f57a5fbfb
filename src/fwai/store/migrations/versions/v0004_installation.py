"""What is known of the installation, whose rows are a demo's, how sent messages fare."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MARKED = ("calls", "jobs", "callbacks", "bookings", "contacts", "standings", "requests")


def upgrade() -> None:
    """Add to the schema; old and new code share the database for a while."""
    installation = op.create_table(
        "installation",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.JSON, nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_installation"),
    )
    op.create_table(
        "sent_messages",
        sa.Column("provider", sa.String(16), nullable=False),
        sa.Column("message_id", sa.String(255), nullable=False),
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("recipient", sa.String(128), nullable=False),
        sa.Column("status", sa.String(60), nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("error", sa.String(60)),
        sa.Column("fallback", sa.JSON),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("demo", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("provider", "message_id", name="pk_sent_messages"),
    )
    op.create_index("ix_sent_messages_written_at", "sent_messages", ["written_at"])
    op.create_index("ix_sent_messages_recipient", "sent_messages", ["recipient"])
    for table in MARKED:
        op.add_column(
            table, sa.Column("demo", sa.Boolean, nullable=False, server_default=sa.false())
        )
    op.add_column("bookings", sa.Column("invited_at", sa.DateTime(timezone=True)))
    # An installation that holds something already keeps all of it until its owner says otherwise.
    op.execute(
        sa.insert(installation).from_select(
            ["name", "value", "written_at"],
            sa.select(
                sa.literal("keeps_by_default"), sa.literal(True, sa.JSON), sa.func.now()
            ).where(
                *(
                    ~sa.exists(sa.select(sa.literal(1)).select_from(sa.table(table)))
                    for table in ("calls", "jobs", "contacts", "callbacks", "bookings")
                )
            ),
        )
    )


def downgrade() -> None:
    """Take it back."""
    with op.batch_alter_table("bookings") as batch:
        batch.drop_column("invited_at")
    for table in MARKED:
        with op.batch_alter_table(table) as batch:
            batch.drop_column("demo")
    op.drop_table("sent_messages")
    op.drop_table("installation")
