"""What people corrected."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of corrections."""
    op.create_table(
        "corrections",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("issue_type", sa.Text, nullable=False),
        sa.Column("issue_type_known", sa.Boolean, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("routing_id", sa.Text),
        sa.Column("model_version", sa.Text),
        sa.Column("wrong_severity", sa.Text),
        sa.Column("wrong_owner", sa.Text),
        sa.Column("wrong_queue", sa.Text),
        sa.Column("wrong_issue_type", sa.Text),
    )
    op.create_index("ix_corrections_digest", "corrections", ["digest", "created_at", "id"])
    op.create_index("ix_corrections_created_at", "corrections", ["created_at", "id"])
