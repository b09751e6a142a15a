"""How far each stream has come."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, String, Table

from foundation.tables import FONDS, metadata

# `position`: entries the receiver has taken, so the index of the next to be sent. `destination`: a digest of where to and in which form;
# another one is another receiver, and goes on record. On PostgreSQL the lock on a row elects the process that sends.
log_streams = Table(
    "log_streams",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("stream", String(40), primary_key=True),
    Column("destination", String(64), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("begun_ms", BigInteger, nullable=False),
    Column("moved_ms", BigInteger, nullable=True),
    Column("ended_ms", BigInteger, nullable=True),
)
