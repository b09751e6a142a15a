"""What nobody reads is gone: columns that repeated the log's entries, and the cases of a grant, which the grant itself names."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the schema one step on."""
    # Who made a version, and under which rules, is in the entry it names.
    op.drop_column("case_versions", "made_by")
    op.drop_column("case_versions", "rulebook_version")
    # So are the rules a form was filed under or a grant made by, and each change of a form with its time.
    op.drop_column("access_requests", "policy_version")
    op.drop_column("access_requests", "updated_ms")
    op.drop_column("grants", "policy_version")
    op.drop_table("grant_cases")
