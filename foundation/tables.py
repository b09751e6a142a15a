"""The one metadata, and the tables that belong to no other room.

Every primary key, unique constraint and foreign key begins with `fonds` (全宗), the tenant: this keeps tenants apart by construction
and lets the archive be distributed by that column. Instants are BigInteger milliseconds (`*_ms`), ids are 36-character text.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMING)

FONDS = String(40)
ID = String(36)
# The reserved fonds of the installation itself: its own accounts, token keys and sign-ins nobody could be matched to.
SYSTEM_FONDS = "system"

archive_meta = Table(
    "archive_meta",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("name", String(60), primary_key=True),
    Column("value", Text, nullable=False),
)

fonds = Table(
    "fonds",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("title_zh", String(200), nullable=False),
    Column("title_en", String(200), nullable=False),
    Column("superior", FONDS, nullable=True),
    Column("training", Integer, nullable=False, default=0),
    Column("created_ms", BigInteger, nullable=False),
)

# An act done under a caller's Idempotency-Key: whose key, a keyed digest of what was asked, and the entry that records it; never a body.
idempotency = Table(
    "idempotency",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("account_id", ID, primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("fingerprint", LargeBinary(32), nullable=False),
    Column("resource_id", String(80), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Index("ix_idempotency_created_ms", "fonds", "created_ms"),
)

# Counters of rate limits: rows, not process memory, so that several processes share them and a restart forgets nothing.
rate_limits = Table(
    "rate_limits",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("subject", String(80), primary_key=True),
    Column("limit_name", String(60), primary_key=True),
    Column("window_start_ms", BigInteger, nullable=False),
    Column("used", Integer, nullable=False),
)
