"""Rows of cases and their versions. Every function runs inside its caller's transaction; none decides, opens or commits."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, and_, bindparam, delete, select, tuple_, update

from archive.preparing import Prepared
from archive.record_form import ItemIds
from archive.tables import (
    case_masks,
    case_named_persons,
    case_seals,
    case_tags,
    case_terms,
    case_units,
    case_versions,
    case_walls,
    cases,
)
from audit.tables import log_entries
from foundation.among import among
from vault.store import insert_wraps
from vault.tables import case_wraps
from vault.wraps import Purpose, WrapRow


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A version's row: facts and item ids parsed."""

    case_id: str
    version: int
    facts: dict[str, Any]
    item_ids: ItemIds


@dataclass(frozen=True, slots=True)
class KnownVersion:
    """What a receipt is made of."""

    case_id: str
    version: int
    source_system: str
    case_no: str
    digest: bytes
    made_ms: int
    entry_id: str
    log_index: int


def insert_cases(conn: Connection, prepared: Sequence[Prepared], entry_ids: Sequence[str]) -> None:
    """Store new cases with all their rows, a statement a table; IntegrityError where (source_system, case_no) is taken."""
    _insert(conn, cases, [one.head for one in prepared])
    _insert_version_rows(conn, prepared, entry_ids)


def insert_version(conn: Connection, fonds: str, prepared: Prepared, entry_id: str) -> None:
    """Store a later version: a new immutable row, and the head and its indexes moved to it."""
    own = {"fonds": fonds, "case_id": prepared.case_id}
    # How long a case is kept never changes behind a deposit: the term and its keys stay those of the first version.
    moved = {
        name: value
        for name, value in prepared.head.items()
        if name not in {"fonds", "case_id", "archived_ms", "retention_class", "destroy_year", "state", "disposition_state"}
    }
    conn.execute(update(cases).where(cases.c.fonds == fonds, cases.c.case_id == prepared.case_id).values(moved))
    for table in (case_tags, case_terms, case_units, case_walls, case_named_persons):
        conn.execute(delete(table).where(*(table.c[name] == value for name, value in own.items())))
    _insert_version_rows(conn, [prepared], [entry_id])


def _insert_version_rows(conn: Connection, prepared: Sequence[Prepared], entry_ids: Sequence[str]) -> None:
    rows = zip(prepared, entry_ids, strict=True)
    _insert(conn, case_versions, [{**one.version_row, "entry_id": entry_id} for one, entry_id in rows])
    _insert(conn, case_seals, [one.seal_row for one in prepared])
    _insert(conn, case_masks, [one.mask_row for one in prepared])
    insert_wraps(conn, [wrap for one in prepared for wrap in one.wraps])
    _insert_places(conn, case_tags, ("path", "generation", "tag"), [(one, one.tags) for one in prepared])
    _insert_places(conn, case_terms, ("path", "term"), [(one, one.terms) for one in prepared])
    for table, name in ((case_units, "units"), (case_walls, "walls"), (case_named_persons, "named")):
        _insert(conn, table, [row for one in prepared for row in getattr(one, name)])


def _insert(conn: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        columns = tuple(rows[0])
        _insert_rows(conn, table, columns, list(map(itemgetter(*columns), rows)))


def _insert_places(
    conn: Connection, table: Table, columns: tuple[str, ...], found: Sequence[tuple[Prepared, Sequence[tuple[Any, ...]]]]
) -> None:
    """Rows of which a case has dozens; `columns` are those behind fonds and case."""
    rows = [(one.head["fonds"], one.case_id, *row) for one, each in found for row in each]
    if rows:
        _insert_rows(conn, table, ("fonds", "case_id", *columns), rows)


def _insert_rows(conn: Connection, table: Table, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    # As the driver takes it: compiling once and binding by position halves the time of a batch. Every row has every column.
    conn.exec_driver_sql(_statement(table.name, columns, conn.dialect.name), rows)


@lru_cache(maxsize=64)
def _statement(table: str, columns: tuple[str, ...], dialect: str) -> str:
    marks = ", ".join(["%s" if dialect == "postgresql" else "?"] * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608  names of the schema only


def known_versions(conn: Connection, fonds: str, numbers: Collection[tuple[str, str]]) -> dict[tuple[str, str], list[KnownVersion]]:
    """All versions of the cases with these (source_system, case_no), oldest first."""
    if not numbers:
        return {}
    found: dict[tuple[str, str], list[KnownVersion]] = {}
    rows = conn.execute(
        _known(fonds).where(tuple_(cases.c.source_system, cases.c.case_no).in_(sorted(numbers))).order_by(case_versions.c.version)
    )
    for row in rows:
        known = KnownVersion(*row)
        found.setdefault((known.source_system, known.case_no), []).append(known)
    return found


def known_by_entry(conn: Connection, fonds: str, entry_id: str) -> KnownVersion | None:
    """The version whose making this log entry records."""
    row = conn.execute(_known(fonds).where(case_versions.c.entry_id == entry_id)).one_or_none()
    return KnownVersion(*row) if row is not None else None


def _known(fonds: str) -> Any:
    return (
        select(
            case_versions.c.case_id,
            case_versions.c.version,
            cases.c.source_system,
            cases.c.case_no,
            case_versions.c.digest,
            case_versions.c.made_ms,
            case_versions.c.entry_id,
            log_entries.c.idx,
        )
        .join(cases, (cases.c.fonds == case_versions.c.fonds) & (cases.c.case_id == case_versions.c.case_id))
        .join(log_entries, (log_entries.c.fonds == case_versions.c.fonds) & (log_entries.c.entry_id == case_versions.c.entry_id))
        .where(case_versions.c.fonds == fonds)
    )


def head(conn: Connection, fonds: str, case_id: str, *, lock: bool = False) -> Row[Any] | None:
    """The head row of a case, held until the transaction ends where `lock`; None where there is none."""
    return conn.execute(_HEAD_LOCKED if lock else _HEAD, {"of": fonds, "id": case_id}).one_or_none()


def heads(conn: Connection, fonds: str, case_ids: Collection[str]) -> Sequence[Row[Any]]:
    """The head rows of some cases."""
    return conn.execute(_HEADS, {"of": fonds, "ids": sorted(case_ids)}).all()


def versions_of(conn: Connection, fonds: str, wanted: Collection[tuple[str, int]]) -> dict[tuple[str, int], StoredVersion]:
    """The rows of facts of some (case id, version)."""
    if not wanted:
        return {}
    rows = conn.execute(_VERSIONS, _pairs(fonds, wanted)).all()
    return {(row.case_id, row.version): _stored(row) for row in rows if (row.case_id, row.version) in wanted}


def version_and_head(conn: Connection, fonds: str, case_id: str, version: int) -> tuple[StoredVersion, Row[Any]] | None:
    """One version's row of facts, and what the head row of its case adds to a view of it."""
    row = conn.execute(_WHOLE, {"of": fonds, "id": case_id, "number": version}).one_or_none()
    return None if row is None else (_stored(row), row)


def _stored(row: Row[Any]) -> StoredVersion:
    return StoredVersion(row.case_id, row.version, json.loads(row.facts), json.loads(row.item_ids))


@dataclass(frozen=True, slots=True)
class SealedBlob:
    """What lies sealed of one version, with what its associated data names of it, and the wrapped key it is sealed under."""

    seal_generation: int
    schema_version: str
    content: bytes
    wrap: WrapRow


def masks_of(conn: Connection, fonds: str, wanted: Collection[tuple[str, int]]) -> dict[tuple[str, int], SealedBlob]:
    """The sealed masks of some (case id, version) under their newest seal generation; without a key for them, none."""
    if not wanted:
        return {}
    rows = conn.execute(_MASKS, _pairs(fonds, wanted)).all()
    return {(row[0], version): _blob(fonds, "mask", *row) for *row, version in rows}


def seal_of(conn: Connection, fonds: str, case_id: str, version: int) -> SealedBlob | None:
    """The sealed container of one version under its newest seal generation; without a key for it, none."""
    row = conn.execute(_SEALED, {"of": fonds, "id": case_id, "number": version}).one_or_none()
    return _blob(fonds, "case", *row) if row is not None else None


def _blob(
    fonds: str, purpose: Purpose, case_id: str, generation: int, schema: str, content: bytes, kek_id: str, wrapped: bytes
) -> SealedBlob:
    return SealedBlob(generation, schema, bytes(content), WrapRow(fonds, case_id, generation, purpose, kek_id, bytes(wrapped)))


def _pairs(fonds: str, wanted: Collection[tuple[str, int]]) -> dict[str, Any]:
    return {"of": fonds, "ids": sorted({case_id for case_id, _ in wanted}), "numbers": sorted({version for _, version in wanted})}


def _among(table: Table) -> ColumnElement[bool]:
    # Two lists rather than one of pairs, which SQLite finds by no index: the few rows too many are left out by who asked.
    return and_(table.c.fonds == bindparam("of"), among(table.c.case_id, "ids"), among(table.c.version, "numbers"))


# Built once: putting a statement together costs SQLAlchemy more than running it costs the database.
_HEAD = select(cases).where(cases.c.fonds == bindparam("of"), cases.c.case_id == bindparam("id"))
_HEAD_LOCKED = _HEAD.with_for_update()
_HEADS = select(cases).where(cases.c.fonds == bindparam("of"), among(cases.c.case_id, "ids"))
_VERSION = (case_versions.c.case_id, case_versions.c.version, case_versions.c.facts, case_versions.c.item_ids)
_VERSIONS: Select[Any] = select(*_VERSION).where(_among(case_versions))
_WHOLE: Select[Any] = (
    select(*_VERSION, cases.c.fonds, cases.c.protection, cases.c.disposition_state, cases.c.archived_ms)
    .join(cases, and_(cases.c.fonds == case_versions.c.fonds, cases.c.case_id == case_versions.c.case_id))
    .where(
        case_versions.c.fonds == bindparam("of"), case_versions.c.case_id == bindparam("id"), case_versions.c.version == bindparam("number")
    )
)


def _with_wraps(table: Table, content: str, purpose: Purpose) -> Select[Any]:
    """The columns of `_blob` of what lies sealed in `table`."""
    mine = table.c.case_id, table.c.seal_generation
    joined = table.join(
        case_wraps,
        and_(
            case_wraps.c.fonds == table.c.fonds,
            case_wraps.c.case_id == table.c.case_id,
            case_wraps.c.seal_generation == table.c.seal_generation,
            case_wraps.c.purpose == purpose,
        ),
    )
    return select(*mine, table.c.schema_version, table.c[content], case_wraps.c.kek_id, case_wraps.c.wrapped).select_from(joined)


_MASKS = (
    _with_wraps(case_masks, "masks", "mask")
    .add_columns(case_masks.c.version)
    .where(_among(case_masks))
    .order_by(case_masks.c.seal_generation)
)
_SEALED = (
    _with_wraps(case_seals, "record", "case")
    .where(case_seals.c.fonds == bindparam("of"), case_seals.c.case_id == bindparam("id"), case_seals.c.version == bindparam("number"))
    .order_by(case_seals.c.seal_generation.desc())
    .limit(1)
)
