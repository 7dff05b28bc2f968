"""The first projection: offsets, decisions, modes, audit entries."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "offsets",
        sa.Column("topic", sa.String(200), primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "decisions",
        sa.Column("proposal", sa.String(64), primary_key=True),
        sa.Column("suite", sa.String(100), nullable=False, index=True),
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("verdict", sa.String(20), nullable=False),
        sa.Column("decided_by", sa.String(200), nullable=False),
        sa.Column("alternative", sa.String(64)),
        sa.Column("reason_code", sa.String(64)),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("based_on", sa.BigInteger, nullable=False),
        sa.Column("at", _TIME, nullable=False, index=True),
        sa.Column("voided", sa.Text, nullable=False),
        sa.Column("changes", sa.Text, nullable=False),
    )
    op.create_table(
        "modes",
        sa.Column("event", sa.String(64), primary_key=True),
        sa.Column("suite", sa.String(100), nullable=False, index=True),
        sa.Column("mode", sa.String(20), nullable=False),
        sa.Column("decided_by", sa.String(200), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", _TIME, nullable=False),
    )
    op.create_table(
        "audit_entries",
        sa.Column("suite", sa.String(100), primary_key=True),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        sa.Column("as_of", sa.BigInteger, nullable=False),
        sa.Column("at", _TIME, nullable=False, index=True),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("what", sa.String(64), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )


def downgrade() -> None:
    for table in ("audit_entries", "modes", "decisions", "offsets"):
        op.drop_table(table)
