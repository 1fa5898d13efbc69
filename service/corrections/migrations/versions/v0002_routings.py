"""Routings that a correction can name, on whichever host they were answered."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of remembered routings."""
    op.create_table(
        "routings",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("issue_type", sa.Text, nullable=False),
        sa.Column("model_version", sa.Text),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_routings_created_at", "routings", ["created_at"])
