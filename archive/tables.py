"""The cases' tables.

`case_versions` are immutable rows of facts (denied UPDATE and DELETE by trigger and privilege); sealed values and masks stand beside
them by seal generation, so that re-sealing never rewrites a version. `cases` is the head: what is true of the current version, in
columns that lists are filtered by. Facts of items (stages, replies, ...) and of fields a fonds has added are searched through
`case_terms`, so that a new field of the rulebook needs no new column.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Index, Integer, LargeBinary, String, Table, Text, UniqueConstraint

from foundation.tables import FONDS, ID, metadata

CODE = String(120)
DAY = String(10)  # an office day, YYYY-MM-DD


def _case_key(table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["fonds", "case_id"], ["cases.fonds", "cases.case_id"], name=f"fk_{table}_cases")


cases = Table(
    "cases",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("case_id", ID, primary_key=True),
    Column("source_system", CODE, nullable=False),
    Column("case_no", CODE, nullable=False),
    Column("version", Integer, nullable=False),
    Column("seal_generation", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    # What decides who may see the case: see policies.facts.CaseFacts.
    Column("handler_id", ID, nullable=True),
    Column("leader_id", ID, nullable=True),
    Column("keeping_unit", CODE, nullable=False),
    Column("accusation", Integer, nullable=False),
    Column("wall_resolved", Integer, nullable=False),
    Column("protection", String(10), nullable=False),
    Column("anonymous", Integer, nullable=False),
    Column("retention_class", String(20), nullable=False),
    Column("destroy_year", Integer, nullable=True),
    Column("disposition_state", String(30), nullable=False),
    # The columns lists are filtered, sorted and counted by; null where a source did not tell.
    Column("petition_form", String(40), nullable=False),
    Column("petition_purpose", String(40), nullable=False),
    Column("statutory_class", String(40), nullable=False),
    Column("content_category_l1", String(80), nullable=False),
    Column("content_category_code", CODE, nullable=True),
    Column("locality_code", CODE, nullable=True),
    Column("petition_date", DAY, nullable=True),
    Column("registered_ms", BigInteger, nullable=True),
    Column("registering_unit_code", CODE, nullable=True),
    Column("is_repeat", Integer, nullable=True),
    Column("petitioner_count", Integer, nullable=True),
    Column("is_group_visit", Integer, nullable=True),
    Column("grade", String(40), nullable=False),
    Column("sensitivity_level", String(40), nullable=False),
    Column("closed_ms", BigInteger, nullable=False),
    Column("closure_type", String(40), nullable=False),
    Column("archived_ms", BigInteger, nullable=False),
    UniqueConstraint("fonds", "source_system", "case_no", name="uq_cases_source_system_case_no"),
    Index("ix_cases_closed", "fonds", "closed_ms", "case_id"),
    Index("ix_cases_handler", "fonds", "handler_id", "closed_ms", "case_id"),
    Index("ix_cases_leader", "fonds", "leader_id", "closed_ms", "case_id"),
)

case_versions = Table(
    "case_versions",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("case_id", ID, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("act", String(20), nullable=False),  # deposit, supplement, correction
    Column("facts", Text, nullable=False),  # JSON: the record without its sealed fields, with code_versions and retention
    Column("item_ids", Text, nullable=False),  # JSON: group -> ids of its items, in order
    Column("digest", LargeBinary(32), nullable=False),  # keyed, over the canonical JSON of the whole record
    Column("made_ms", BigInteger, nullable=False),
    Column("entry_id", ID, nullable=False),
    _case_key("case_versions"),
    UniqueConstraint("fonds", "entry_id", name="uq_case_versions_entry_id"),
)

# Sealed values of a version: a container whose fields open one by one (docs/formats/sealed-record.md).
case_seals = Table(
    "case_seals",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("case_id", ID, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("seal_generation", Integer, primary_key=True),
    Column("schema_version", String(20), nullable=False),  # of the values sealed here: their associated data names it
    Column("record", LargeBinary, nullable=False),
    _case_key("case_seals"),
)

# The masked values and first redacted copies of a version, sealed as one under the case's mask key.
case_masks = Table(
    "case_masks",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("case_id", ID, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("seal_generation", Integer, primary_key=True),
    Column("schema_version", String(20), nullable=False),  # of the values sealed here: their associated data names it
    Column("masks", LargeBinary, nullable=False),
    _case_key("case_masks"),
)

# Blind-index tags of the current version (equality only); deleted with the case.
case_tags = Table(
    "case_tags",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("path", String(120), primary_key=True),
    Column("generation", Integer, primary_key=True),
    Column("tag", LargeBinary(16), primary_key=True),
    Column("case_id", ID, primary_key=True),
    _case_key("case_tags"),
    Index("ix_case_tags_case_id", "fonds", "case_id"),
)

# Plain terms of the current version: facts of items and of fields without a column of their own.
case_terms = Table(
    "case_terms",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("path", String(120), primary_key=True),
    Column("term", String(200), primary_key=True),
    Column("case_id", ID, primary_key=True),
    _case_key("case_terms"),
    Index("ix_case_terms_case_id", "fonds", "case_id"),
)

case_units = Table(
    "case_units",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("case_id", ID, primary_key=True),
    Column("unit_code", CODE, primary_key=True),
    _case_key("case_units"),
    Index("ix_case_units_unit_code", "fonds", "unit_code", "case_id"),
)

# The accused wall (art. 30): keyed digests of accused persons and units, so that the table names nobody.
case_walls = Table(
    "case_walls",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("case_id", ID, primary_key=True),
    Column("tag", LargeBinary(16), primary_key=True),
    _case_key("case_walls"),
)

# The persons to whom an accusation is open while its accused are not resolved.
case_named_persons = Table(
    "case_named_persons",
    metadata,
    Column("fonds", FONDS, primary_key=True),
    Column("case_id", ID, primary_key=True),
    Column("person_id", ID, primary_key=True),
    _case_key("case_named_persons"),
)
