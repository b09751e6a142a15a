"""The vault's table: wrapped case keys. It names no other table, so that it can be kept, backed up and shortened apart from the cases.

Deleting a case's rows here, and destroying the key-encryption keys its copies in backups are wrapped under, is what erases a case.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table

from foundation.tables import FONDS, ID, metadata

case_wraps = Table(
    "case_wraps",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("case_id", ID, primary_key=True),
    Column("seal_generation", Integer, primary_key=True),
    Column("purpose", String(8), primary_key=True),
    Column("kek_id", String(80), nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    # Rotation and destruction ask which wraps are under a key.
    Index("ix_case_wraps_kek_id", "fonds", "kek_id", "case_id"),
)
