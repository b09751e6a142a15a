"""Tables of access requests, decisions, grants and openings. Every transition of a row has one audit entry in its transaction."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Index, Integer, String, Table, Text, UniqueConstraint

from foundation.tables import FONDS, ID, metadata

access_requests = Table(
    "access_requests",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("request_id", ID, primary_key=True),
    Column("version", Integer, nullable=False),  # for If-Match; grows with every transition
    Column("status", String(20), nullable=False),  # policies.facts.Status
    Column("stage", Integer, nullable=False),
    Column("applicant_person", ID, nullable=False),
    Column("applicant_role", String(40), nullable=False),
    Column("applicant_units", Text, nullable=False),  # canonical JSON: all codes on the paths of the posts filed from
    Column("purpose", String(60), nullable=False),
    Column("usage", String(40), nullable=False),
    Column("asked", Text, nullable=False),  # canonical JSON of policies.facts.Asked as filed
    Column("current", Text, nullable=False),  # the same after the trimming so far
    Column("chain", String(60), nullable=False),
    Column("filed_ms", BigInteger, nullable=False),
    Column("lapses_ms", BigInteger, nullable=False),
    Column("filed_entry", ID, nullable=False),
    Index("ix_access_requests_applicant", "fonds", "applicant_person", "request_id"),
    Index("ix_access_requests_status", "fonds", "status", "request_id"),
)


def _request_key(table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["fonds", "request_id"], ["access_requests.fonds", "access_requests.request_id"], name=f"fk_{table}_access_requests"
    )


request_cases = Table(
    "request_cases",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("request_id", ID, primary_key=True),
    Column("case_id", ID, primary_key=True),
    Column("case_version", Integer, nullable=False),
    Column("relation", String(20), nullable=True),  # the applicant's nearest to this case when filing; null on forms older than this column
    _request_key("request_cases"),
)

request_decisions = Table(
    "request_decisions",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("request_id", ID, primary_key=True),
    Column("approver_person", ID, primary_key=True),  # one person counts once over all stages
    Column("stage", Integer, nullable=False),
    Column("approver_account", ID, nullable=False),
    Column("approver_post", ID, nullable=False),
    Column("verdict", String(10), nullable=False),
    Column("approved", Text, nullable=True),  # canonical JSON of what this approver left; null when refusing
    Column("standing_for", ID, nullable=True),  # the person a deputy stands for
    Column("request_version", Integer, nullable=False),
    Column("decided_ms", BigInteger, nullable=False),
    Column("entry_id", ID, nullable=False),
    _request_key("request_decisions"),
)

grants = Table(
    "grants",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("grant_id", ID, primary_key=True),
    Column("request_id", ID, nullable=False),
    Column("holder_person", ID, nullable=False),
    Column("holder_role", String(40), nullable=False),
    Column("purpose", String(60), nullable=False),
    Column("granted", Text, nullable=False),  # canonical JSON of policies.facts.Asked as granted
    Column("max_uses", Integer, nullable=False),
    Column("uses", Integer, nullable=False),
    Column("not_before_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("returned_ms", BigInteger, nullable=True),
    Column("revoked_ms", BigInteger, nullable=True),
    Column("entry_id", ID, nullable=False),
    _request_key("grants"),
    UniqueConstraint("fonds", "request_id", name="uq_grants_request_id"),  # two approvals at once cannot make two grants
    Index("ix_grants_holder", "fonds", "holder_person", "expires_ms"),
)

openings = Table(
    "openings",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("opening_id", ID, primary_key=True),
    Column("grant_id", ID, nullable=False),
    Column("case_id", ID, nullable=False),
    Column("case_version", Integer, nullable=False),
    Column("person_id", ID, nullable=False),
    Column("session_id", ID, nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("ends_ms", BigInteger, nullable=False),
    Column("entry_id", ID, nullable=False),
    ForeignKeyConstraint(["fonds", "grant_id"], ["grants.fonds", "grants.grant_id"], name="fk_openings_grants"),
    Index("ix_openings_grant_id", "fonds", "grant_id", "started_ms"),
)
