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
        sa.Column("severity", sa.String(100), nullable=False),
        sa.Column("owner", sa.String(100), nullable=False),
        sa.Column("queue", sa.String(100), nullable=False),
        sa.Column("issue_type", sa.String(100), nullable=False),
        sa.Column("issue_type_known", sa.Boolean, nullable=False),
        sa.Column("who", sa.String(100), nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("routing_id", sa.String(100)),
        sa.Column("model_version", sa.String(200)),
        sa.Column("wrong_severity", sa.String(100)),
        sa.Column("wrong_owner", sa.String(100)),
        sa.Column("wrong_queue", sa.String(100)),
        sa.Column("wrong_issue_type", sa.String(100)),
    )
    op.create_index("ix_corrections_digest", "corrections", ["digest", "created_at", "id"])
    op.create_index("ix_corrections_created_at", "corrections", ["created_at", "id"])
