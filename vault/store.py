"""Wrapped case keys in the database. Every function runs inside its caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from operator import attrgetter

from sqlalchemy import Connection, bindparam, delete, func, select

from vault.tables import case_wraps
from vault.wraps import Purpose, WrapRow

# Built once: putting a statement together costs SQLAlchemy more than running it costs the database.
_WRAPS = select(case_wraps).where(
    case_wraps.c.fonds == bindparam("of"),
    case_wraps.c.case_id.in_(bindparam("ids", expanding=True)),
    case_wraps.c.purpose == bindparam("use"),
)
_COLUMNS = tuple(column.name for column in case_wraps.columns)
_VALUES = attrgetter(*_COLUMNS)
# By position, as the driver takes it: a batch has two rows for each of its cases.
_INSERT = {
    dialect: f"INSERT INTO {case_wraps.name} ({', '.join(_COLUMNS)}) VALUES ({', '.join([mark] * len(_COLUMNS))})"  # noqa: S608  names of the schema only
    for dialect, mark in (("sqlite", "?"), ("postgresql", "%s"))
}


def insert_wraps(conn: Connection, rows: Sequence[WrapRow]) -> None:
    """Store new wraps in one statement; a second wrap for the same case, generation and purpose is an IntegrityError."""
    if rows:
        conn.exec_driver_sql(_INSERT[conn.dialect.name], list(map(_VALUES, rows)))


def wraps_of(conn: Connection, fonds: str, case_ids: Collection[str], purpose: Purpose) -> dict[tuple[str, int], WrapRow]:
    """Return the wraps of some cases by (case id, seal generation); a case without one is absent: erased, or never there."""
    if not case_ids:
        return {}
    rows = conn.execute(_WRAPS, {"of": fonds, "ids": sorted(case_ids), "use": purpose})
    return {(row.case_id, row.seal_generation): row for row in map(_row, rows)}


def delete_wraps(conn: Connection, fonds: str, case_id: str) -> int:
    """Delete all wraps of one case and return how many there were: what its keys sealed opens no more."""
    return conn.execute(delete(case_wraps).where(case_wraps.c.fonds == fonds, case_wraps.c.case_id == case_id)).rowcount


def count_under(conn: Connection, fonds: str, kek_ids: Collection[str]) -> int:
    """Count the wraps under some KEKs; nought before any of them may be destroyed."""
    query = select(func.count()).select_from(case_wraps).where(case_wraps.c.fonds == fonds, case_wraps.c.kek_id.in_(sorted(kek_ids)))
    return int(conn.execute(query).scalar_one())


def wraps_under(conn: Connection, fonds: str, kek_ids: Collection[str], limit: int) -> list[WrapRow]:
    """Return up to `limit` wraps under some KEKs, in the order of KEK and case."""
    query = (
        select(case_wraps)
        .where(case_wraps.c.fonds == fonds, case_wraps.c.kek_id.in_(sorted(kek_ids)))
        .order_by(case_wraps.c.kek_id, case_wraps.c.case_id, case_wraps.c.seal_generation)
        .limit(limit)
    )
    return [_row(row) for row in conn.execute(query)]


def _row(row: Sequence[object]) -> WrapRow:
    return WrapRow(*row)  # type: ignore[arg-type]  # the columns are WrapRow's fields, in order; a test holds them together
