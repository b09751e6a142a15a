"""When it was: earliest and latest time of the entries of each full tile of the log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from audit.append_only import WriteOnce, write_once
from service.migrations.run import APPLICATION_ROLE

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the schema one step on, and write the times of the tiles that are there."""
    op.create_table(
        "log_spans",
        sa.Column("fonds", sa.String(length=40), nullable=False),
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("earliest_ms", sa.BigInteger(), nullable=False),
        sa.Column("latest_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("fonds", "n", name=op.f("pk_log_spans")),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO log_spans (fonds, n, earliest_ms, latest_ms) SELECT fonds, idx / 256, min(time_ms), max(time_ms) "
        "FROM log_entries GROUP BY fonds, idx / 256 HAVING count(*) = 256"
    )
    for statement in write_once(op.get_bind().dialect.name, [WriteOnce("log_spans", (("fonds", "n"),))], APPLICATION_ROLE):
        op.execute(statement)
