"""The tables of who may enter: units, persons, posts and holdings by date; accounts, secrets, factors, sessions and clients.

Every key begins with `fonds`. Rows of what was once true are closed by date, never deleted; the exceptions are rows that are
worthless once past (replay store, counters of failed sign-ins) and secrets, which are better gone than kept. Nothing of a
petitioner is ever stored here: the names are those of staff, shown to authorised colleagues.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKeyConstraint, Index, Integer, LargeBinary, String, Table, Text

from foundation.tables import FONDS, ID, metadata

# A unit (机构) as it is now. A code is never given twice in a fonds: old cases name their keeping unit by it.
units = Table(
    "units",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("unit_id", ID, primary_key=True),
    Column("code", String(60), nullable=False),
    Column("title", String(200), nullable=False),
    Column("parent_id", ID, nullable=True),
    Column("valid_from_ms", BigInteger, nullable=False),
    Column("valid_to_ms", BigInteger, nullable=True),
    Column("successor_id", ID, nullable=True),
    ForeignKeyConstraint(["fonds", "parent_id"], ["units.fonds", "units.unit_id"], name="fk_units_parent"),
    ForeignKeyConstraint(["fonds", "successor_id"], ["units.fonds", "units.unit_id"], name="fk_units_successor"),
    CheckConstraint("parent_id <> unit_id", name="not_its_own_parent"),
    Index("uq_units_code", "fonds", "code", unique=True),
    Index("ix_units_parent", "fonds", "parent_id"),
)

# What a unit was called and where it stood before it was renamed or moved: one row per change, the state that ended then.
unit_history = Table(
    "unit_history",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("unit_id", ID, primary_key=True),
    Column("to_ms", BigInteger, primary_key=True),
    Column("from_ms", BigInteger, nullable=False),
    Column("title", String(200), nullable=False),
    Column("parent_id", ID, nullable=True),
    ForeignKeyConstraint(["fonds", "unit_id"], ["units.fonds", "units.unit_id"], name="fk_unit_history_unit"),
)

persons = Table(
    "persons",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("person_id", ID, primary_key=True),
    Column("staff_no", String(60), nullable=False),
    Column("display_name", String(120), nullable=False),
    Column("registered_ms", BigInteger, nullable=False),
    Column("left_ms", BigInteger, nullable=True),
    Index("uq_persons_staff_no", "fonds", "staff_no", unique=True),
)

# A post (岗位) carries the role; persons only hold it for a time.
posts = Table(
    "posts",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("post_id", ID, primary_key=True),
    Column("unit_id", ID, nullable=False),
    Column("role", String(40), nullable=False),
    Column("title", String(120), nullable=False),
    Column("valid_from_ms", BigInteger, nullable=False),
    Column("valid_to_ms", BigInteger, nullable=True),
    ForeignKeyConstraint(["fonds", "unit_id"], ["units.fonds", "units.unit_id"], name="fk_posts_unit"),
    Index("ix_posts_unit_role", "fonds", "unit_id", "role"),
)

# Who held which post from when to when (half-open, `to_ms` excluded), with the names as they were on the day it began.
post_holdings = Table(
    "post_holdings",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("holding_id", ID, primary_key=True),
    Column("post_id", ID, nullable=False),
    Column("person_id", ID, nullable=False),
    Column("from_ms", BigInteger, nullable=False),
    Column("to_ms", BigInteger, nullable=True),
    Column("acting", Integer, nullable=False, default=0),
    Column("person_name", String(120), nullable=False),
    Column("post_title", String(120), nullable=False),
    Column("unit_title", String(200), nullable=False),
    ForeignKeyConstraint(["fonds", "post_id"], ["posts.fonds", "posts.post_id"], name="fk_post_holdings_post"),
    ForeignKeyConstraint(["fonds", "person_id"], ["persons.fonds", "persons.person_id"], name="fk_post_holdings_person"),
    CheckConstraint("to_ms IS NULL OR to_ms >= from_ms", name="ends_after_it_begins"),
    Index("ix_post_holdings_person", "fonds", "person_id"),
    Index("ix_post_holdings_post", "fonds", "post_id"),
)

# kind: person | service. state: active | blocked | closed. A service account has no secret: its client's key is its proof.
accounts = Table(
    "accounts",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("account_id", ID, primary_key=True),
    Column("login", String(64), nullable=False),
    Column("person_id", ID, nullable=True),
    Column("kind", String(10), nullable=False),
    Column("state", String(10), nullable=False),
    Column("secret_hash", String(200), nullable=True),
    Column("secret_set_ms", BigInteger, nullable=True),
    Column("must_change", Integer, nullable=False, default=0),
    Column("created_ms", BigInteger, nullable=False),
    Column("closed_ms", BigInteger, nullable=True),
    ForeignKeyConstraint(["fonds", "person_id"], ["persons.fonds", "persons.person_id"], name="fk_accounts_person"),
    CheckConstraint("(kind = 'person') = (person_id IS NOT NULL)", name="person_accounts_have_a_person"),
    CheckConstraint("kind = 'person' OR secret_hash IS NULL", name="service_accounts_have_no_secret"),
    CheckConstraint("state IN ('active', 'blocked', 'closed')", name="known_state"),
    Index("uq_accounts_login", "fonds", "login", unique=True),
    Index(
        "uq_accounts_live_person",
        "fonds",
        "person_id",
        unique=True,
        sqlite_where=Column("state", String(10)) != "closed",
        postgresql_where=Column("state", String(10)) != "closed",
    ),
)

# Earlier secrets of an account (Argon2id), so that the last few cannot come back; older ones are deleted.
password_history = Table(
    "password_history",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("account_id", ID, primary_key=True),
    Column("history_id", ID, primary_key=True),
    Column("secret_hash", String(200), nullable=False),
    Column("set_ms", BigInteger, nullable=False),
    ForeignKeyConstraint(["fonds", "account_id"], ["accounts.fonds", "accounts.account_id"], name="fk_password_history_account"),
)

# Counters of failed sign-ins, apart from the account so that nobody's failures write to its row. `source_digest` is keyed.
# `account_id` may be the reserved name for logins that do not exist, so it points nowhere.
sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("account_id", ID, primary_key=True),
    Column("source_digest", LargeBinary(32), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("locked_until_ms", BigInteger, nullable=False, default=0),
    Index("ix_sign_in_failures_last_ms", "fonds", "last_ms"),
)

# The one row behind a browser's cookie and a program's bearer token alike: what ends it ends both, at the next read.
sessions = Table(
    "sessions",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("session_id", ID, primary_key=True),
    Column("account_id", ID, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("last_seen_ms", BigInteger, nullable=False),
    Column("revoked_ms", BigInteger, nullable=True),
    Column("assurance", Integer, nullable=False),
    Column("factor_ms", BigInteger, nullable=True),
    Column("client", String(20), nullable=False),
    Column("client_id", ID, nullable=True),
    Column("token_digest", LargeBinary(32), nullable=True),
    ForeignKeyConstraint(["fonds", "account_id"], ["accounts.fonds", "accounts.account_id"], name="fk_sessions_account"),
    ForeignKeyConstraint(["fonds", "client_id"], ["service_clients.fonds", "service_clients.client_id"], name="fk_sessions_client"),
    CheckConstraint("assurance IN (1, 2)", name="known_assurance"),
    Index("ix_sessions_account", "fonds", "account_id"),
)

# A time-based one-time-password factor: provisional until a code has confirmed it. `last_counter` is the last step whose code was taken.
totp_factors = Table(
    "totp_factors",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("account_id", ID, primary_key=True),
    Column("secret_sealed", LargeBinary, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("confirmed_ms", BigInteger, nullable=True),
    Column("last_counter", BigInteger, nullable=False, default=-1),
    ForeignKeyConstraint(["fonds", "account_id"], ["accounts.fonds", "accounts.account_id"], name="fk_totp_factors_account"),
)

# A depositing system and its one public key; a new key is a new client of the same source system.
service_clients = Table(
    "service_clients",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("client_id", ID, primary_key=True),
    Column("account_id", ID, nullable=False),
    Column("source_system", String(60), nullable=False),
    Column("title", String(120), nullable=False),
    Column("kid", String(64), nullable=False),
    Column("public_jwk", Text, nullable=False),
    Column("registered_ms", BigInteger, nullable=False),
    Column("revoked_ms", BigInteger, nullable=True),
    ForeignKeyConstraint(["fonds", "account_id"], ["accounts.fonds", "accounts.account_id"], name="fk_service_clients_account"),
    Index("uq_service_clients_account", "fonds", "account_id", unique=True),
    Index("uq_service_clients_kid", "fonds", "kid", unique=True),
    Index("ix_service_clients_source_system", "fonds", "source_system"),
)

# Assertions already used, by the digest of their `jti`, until they would be refused as expired anyway.
assertion_jtis = Table(
    "assertion_jtis",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("client_id", ID, primary_key=True),
    Column("jti_digest", LargeBinary(32), primary_key=True),
    Column("expires_ms", BigInteger, nullable=False),
    ForeignKeyConstraint(["fonds", "client_id"], ["service_clients.fonds", "service_clients.client_id"], name="fk_assertion_jtis_client"),
    Index("ix_assertion_jtis_expires_ms", "fonds", "expires_ms"),
)
