"""Who may write what: append-only rows by trigger and privilege, and the application role's rights on everything else."""

from __future__ import annotations

from alembic import op

from audit.append_only import WriteOnce, log_statements, write_once
from service.migrations.run import APPLICATION_ROLE

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

WRITTEN_ONCE = (
    WriteOnce("case_versions", (("fonds", "case_id", "version"), ("fonds", "entry_id"))),
    WriteOnce("request_decisions", (("fonds", "request_id", "approver_person"),)),
)
# Everything else the running archive inserts into and updates; where it also deletes, the row says so.
UPDATED = (
    "archive_meta",
    "fonds",
    "units",
    "unit_history",
    "persons",
    "posts",
    "post_holdings",
    "accounts",
    "sessions",
    "service_clients",
    "cases",
    "case_seals",
    "case_masks",
    "access_requests",
    "request_cases",
    "grants",
    "grant_cases",
    "openings",
)
DELETED_TOO = (
    "idempotency",
    "rate_limits",
    "password_history",
    "sign_in_failures",
    "totp_factors",
    "assertion_jtis",
    "case_wraps",
    "case_tags",
    "case_terms",
    "case_units",
    "case_walls",
    "case_named_persons",
)


def upgrade() -> None:
    """Take the schema one step on."""
    dialect = op.get_bind().dialect.name
    statements = [*log_statements(dialect, APPLICATION_ROLE), *write_once(dialect, WRITTEN_ONCE, APPLICATION_ROLE)]
    if dialect == "postgresql":
        statements += [f"GRANT SELECT, INSERT, UPDATE ON {name} TO {APPLICATION_ROLE}" for name in UPDATED]
        statements += [f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO {APPLICATION_ROLE}" for name in DELETED_TOO]
        statements.append(f"GRANT SELECT ON alembic_version TO {APPLICATION_ROLE}")
    for statement in statements:
        op.execute(statement)
