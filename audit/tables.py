"""The log's tables. Every row but a head and a signer's mark is written once and never changed.

The order of columns matters on SQLite: what is read alone (hashes, query columns) stands before what is long (bodies, tiles).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table

from foundation.tables import FONDS, ID, metadata

# The tree's state: `frontier` is tlog.merkle.Frontier.to_bytes(). `epoch` is 1 in the log's first life; admitting a restored database
# begins another, numbered by the second of its admission (audit.restoring).
log_heads = Table(
    "log_heads",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("frontier", LargeBinary, nullable=False),
)

# `body` is the truth; the columns before it are copies of its members, to ask by. `case_id` is the case of an entry about one case.
log_entries = Table(
    "log_entries",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("idx", BigInteger, primary_key=True, autoincrement=False),
    Column("entry_id", ID, nullable=False),
    Column("leaf_hash", LargeBinary(32), nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("verdict", String(8), nullable=False),
    Column("actor_account", ID, nullable=True),
    Column("actor_person", ID, nullable=True),
    Column("unit", String(120), nullable=True),
    Column("case_id", ID, nullable=True),
    Column("grant_id", ID, nullable=True),
    Column("purpose", String(120), nullable=True),
    Column("request_ref", String(120), nullable=True),
    Column("body", LargeBinary, nullable=False),
    Index("uq_log_entries_entry_id", "fonds", "entry_id", unique=True),
    Index("ix_log_entries_time_ms", "fonds", "time_ms", "idx"),
    Index("ix_log_entries_kind", "fonds", "kind", "idx"),
)
# Columns that are often empty, or matter only in one value, are indexed only where they say something.
for _column in ("actor_account", "actor_person", "unit", "case_id", "grant_id", "purpose", "request_ref"):
    _present = log_entries.c[_column].is_not(None)
    Index(
        f"ix_log_entries_{_column}",
        log_entries.c.fonds,
        log_entries.c[_column],
        log_entries.c.idx,
        sqlite_where=_present,
        postgresql_where=_present,
    )
Index(
    "ix_log_entries_refused",
    log_entries.c.fonds,
    log_entries.c.idx,
    sqlite_where=log_entries.c.verdict == "refuse",
    postgresql_where=log_entries.c.verdict == "refuse",
)

# What else an entry concerns: each case of a list, the objects that are no cases, the people and grants its data name.
log_subjects = Table(
    "log_subjects",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("subject_kind", String(12), primary_key=True),
    Column("subject_id", String(120), primary_key=True),
    Column("idx", BigInteger, primary_key=True, autoincrement=False),
    Index("ix_log_subjects_idx", "fonds", "idx"),
    sqlite_with_rowid=False,
)

# Full tiles only (256 hashes); `root` is the tile's own hash, one hash of the tile above. Partial tiles are made when asked for.
log_tiles = Table(
    "log_tiles",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("hashes", LargeBinary, nullable=False),
)

# When the 256 entries of each full tile happened, earliest and latest: a question about a time looks at these parts of the log alone.
# Entries stand in the order of their commits, and clocks may jump: times are not in order, but nearly.
log_spans = Table(
    "log_spans",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("earliest_ms", BigInteger, nullable=False),
    Column("latest_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

log_checkpoints = Table(
    "log_checkpoints",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("note", LargeBinary, nullable=False),
    Column("signed_ms", BigInteger, nullable=False),
)

# What witnesses said of checkpoints (c2sp.org/tlog-cosignature): `witness` is the key's name and id, `line` its line of the note.
log_cosignatures = Table(
    "log_cosignatures",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("witness", String(200), primary_key=True),
    Column("line", String(600), nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Index("ix_log_cosignatures_witness", "fonds", "witness", "size"),
)

# The last size signed, moved by compare-and-set; on PostgreSQL its row lock elects the signer.
log_signers = Table(
    "log_signers",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("size", BigInteger, nullable=False),
)

# Texts beside the log: the entry holds their commitments. Erasing one empties `sealed` and sets `erased_ms`; nothing else may change.
log_details = Table(
    "log_details",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("entry_id", ID, primary_key=True),
    Column("name", String(40), primary_key=True),
    Column("commitment", LargeBinary(32), nullable=False),
    Column("key_ref", String(120), nullable=False),
    Column("erased_ms", BigInteger, nullable=True),
    Column("sealed", LargeBinary, nullable=True),
)

# The verifiable index (audit.index_segments): what `log.indexed` commits to, ready to be proven from. It is derived from the entries, so
# rows may be deleted: those of segments that were merged are, and what is not there is built again. No row here: no segment.
log_index_segments = Table(
    "log_index_segments",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("leaves", BigInteger, nullable=False),
    Column("root", LargeBinary(32), nullable=False),
)

# Up to 256 leaves each; `root` is over them, `first_key` the key of the first. Rows without a segment are what a crash left of a merge.
log_index_pages = Table(
    "log_index_pages",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("page", BigInteger, primary_key=True, autoincrement=False),
    Column("first_key", LargeBinary(32), nullable=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("data", LargeBinary, nullable=False),
)
