"""What forms keep: the applicant's relation to each case; columns that repeated the log, or that nothing read, are gone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the schema one step on."""
    op.add_column("request_cases", sa.Column("relation", sa.String(length=20), nullable=True))
    # It held the role, which has its own column. Account and post of the applicant are in the entry `request.filed`.
    op.drop_column("access_requests", "relation")
    op.drop_column("access_requests", "applicant_account")
    op.drop_column("access_requests", "applicant_post")
    # A repeated act is answered anew from its entry; the status of the first answer was never asked for.
    op.drop_column("idempotency", "status")
