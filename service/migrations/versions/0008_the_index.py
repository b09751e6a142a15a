"""The verifiable index of the log: segments and their pages. Derived from the entries, so rows may be deleted, and are never changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from service.migrations.run import APPLICATION_ROLE

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the schema one step on."""
    op.create_table(
        "log_index_segments",
        sa.Column("fonds", sa.String(length=40), nullable=False),
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("leaves", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("fonds", "level", "n", name=op.f("pk_log_index_segments")),
    )
    op.create_table(
        "log_index_pages",
        sa.Column("fonds", sa.String(length=40), nullable=False),
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("page", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("fonds", "level", "n", "page", name=op.f("pk_log_index_pages")),
    )
    if op.get_bind().dialect.name == "postgresql":
        for name in ("log_index_segments", "log_index_pages"):
            op.execute(f"GRANT SELECT, INSERT, DELETE ON {name} TO {APPLICATION_ROLE}")
