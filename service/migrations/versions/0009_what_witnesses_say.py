"""What witnesses say: the cosignatures of published checkpoints, written once like all else of the log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from audit.append_only import WriteOnce, write_once
from service.migrations.run import APPLICATION_ROLE

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the schema one step on."""
    op.create_table(
        "log_cosignatures",
        sa.Column("fonds", sa.String(length=40), nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("witness", sa.String(length=200), nullable=False),
        sa.Column("line", sa.String(length=600), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("fonds", "size", "witness", name=op.f("pk_log_cosignatures")),
    )
    op.create_index("ix_log_cosignatures_witness", "log_cosignatures", ["fonds", "witness", "size"], unique=False)
    written_once = WriteOnce("log_cosignatures", (("fonds", "size", "witness"),))
    for statement in write_once(op.get_bind().dialect.name, [written_once], APPLICATION_ROLE):
        op.execute(statement)
