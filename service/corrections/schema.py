"""The tables of the corrections' database, as the newest migration leaves them."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Boolean, Column, DateTime, Dialect, Index, MetaData, String, Table, Text, TypeDecorator

REVISION = "0002"  # the newest migration
metadata = MetaData()


class UtcDateTime(TypeDecorator[datetime]):
    """An instant, kept in UTC to the microsecond in every database (SQLite has no time zones)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an aware instant into what the database takes."""
        if value is None:
            return None
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn what the database gives into an aware instant."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


corrections = Table(
    "corrections",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("text", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("issue_type", Text, nullable=False),
    Column("issue_type_known", Boolean, nullable=False),
    Column("who", Text, nullable=False),
    Column("note", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("routing_id", Text),
    Column("model_version", Text),
    Column("wrong_severity", Text),
    Column("wrong_owner", Text),
    Column("wrong_queue", Text),
    Column("wrong_issue_type", Text),
    Index("ix_corrections_digest", "digest", "created_at", "id"),
    Index("ix_corrections_created_at", "created_at", "id"),
)

routings = Table(
    "routings",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("text", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("issue_type", Text, nullable=False),
    Column("model_version", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_routings_created_at", "created_at"),
)
