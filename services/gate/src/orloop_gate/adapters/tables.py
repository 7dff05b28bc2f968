"""The tables of the projection; made by the migrations."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa


class UtcTime(sa.types.TypeDecorator[datetime]):
    """Aware UTC times in every database, SQLite too."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


METADATA = sa.MetaData()

OFFSETS = sa.Table(
    "offsets",
    METADATA,
    sa.Column("topic", sa.String(200), primary_key=True),
    sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("next_offset", sa.BigInteger, nullable=False),
)
DECISIONS = sa.Table(
    "decisions",
    METADATA,
    sa.Column("proposal", sa.String(64), primary_key=True),
    sa.Column("suite", sa.String(100), nullable=False, index=True),
    sa.Column("event", sa.String(64), nullable=False),
    sa.Column("verdict", sa.String(20), nullable=False),
    sa.Column("decided_by", sa.String(200), nullable=False),
    sa.Column("alternative", sa.String(64)),
    sa.Column("reason_code", sa.String(64)),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("based_on", sa.BigInteger, nullable=False),
    sa.Column("at", UtcTime, nullable=False, index=True),
    sa.Column("voided", sa.Text, nullable=False),
    sa.Column("changes", sa.Text, nullable=False),
)
MODES = sa.Table(
    "modes",
    METADATA,
    sa.Column("event", sa.String(64), primary_key=True),
    sa.Column("suite", sa.String(100), nullable=False, index=True),
    sa.Column("mode", sa.String(20), nullable=False),
    sa.Column("decided_by", sa.String(200), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
)
AUDIT = sa.Table(
    "audit_entries",
    METADATA,
    sa.Column("suite", sa.String(100), primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("id", sa.String(64), nullable=False, unique=True),
    sa.Column("as_of", sa.BigInteger, nullable=False),
    sa.Column("at", UtcTime, nullable=False, index=True),
    sa.Column("who", sa.String(200), nullable=False),
    sa.Column("what", sa.String(64), nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)
