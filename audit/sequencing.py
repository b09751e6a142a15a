"""The sequencer: gives the entries of a unit of work their places, as the last step of its transaction.

Contiguity comes from the row lock on the fonds' head (PostgreSQL `FOR UPDATE`; on SQLite the transaction already holds the one write
lock), never from a database sequence, which leaves gaps and does not follow the order of commits. The head is read in every
transaction, so any number of processes may append. Nothing is kept in memory: a rolled-back transaction leaves no trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Table, func, select

from audit.columns import COLUMNS, columns_of, subjects_of
from audit.entry import encode
from audit.events import Event
from audit.tables import log_details, log_entries, log_heads, log_spans, log_subjects, log_tiles
from foundation.inserting import insert_new
from foundation.steps import reach
from foundation.uow import Ticket
from tlog.merkle import EMPTY_ROOT, HASH_SIZE, Frontier, leaf_hash, perfect_root
from tlog.tiles import TILE_WIDTH

_TILE_BYTES: Final = TILE_WIDTH * HASH_SIZE

# Every commit runs these two. As text, for the same reason as the inserts.
_HEADS: Final = {
    "sqlite": "SELECT size, frontier FROM log_heads WHERE fonds = ?",
    "postgresql": "SELECT size, frontier FROM log_heads WHERE fonds = %s FOR UPDATE",
}
_MOVES: Final = {
    dialect: f"UPDATE log_heads SET size = {mark}, root = {mark}, frontier = {mark} WHERE fonds = {mark} AND size = {mark}"  # noqa: S608  constants only
    for dialect, mark in (("sqlite", "?"), ("postgresql", "%s"))
}
_ENTRY_COLUMNS: Final = ("fonds", "idx", "entry_id", "leaf_hash", *COLUMNS, "body")
_TIME: Final = _ENTRY_COLUMNS.index("time_ms")
_SUBJECT_COLUMNS: Final = ("fonds", "subject_kind", "subject_id", "idx")
_DETAIL_COLUMNS: Final = ("fonds", "entry_id", "name", "commitment", "key_ref", "sealed")
_SPAN_COLUMNS: Final = ("fonds", "n", "earliest_ms", "latest_ms")
_TILE_COLUMNS: Final = ("fonds", "level", "n", "root", "hashes")


def _insert(table: Table, columns: Sequence[str], mark: str) -> str:
    # Built once: with hundreds of rows in a commit, compiling and binding by name would cost more than the hashing.
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({', '.join([mark] * len(columns))})"  # noqa: S608  constants only


_INSERTS: Final = {
    dialect: {
        table.name: _insert(table, columns, mark)
        for table, columns in (
            (log_entries, _ENTRY_COLUMNS),
            (log_subjects, _SUBJECT_COLUMNS),
            (log_details, _DETAIL_COLUMNS),
            (log_tiles, _TILE_COLUMNS),
            (log_spans, _SPAN_COLUMNS),
        )
    }
    for dialect, mark in (("sqlite", "?"), ("postgresql", "%s"))
}


class Sequencer:
    """Implements `foundation.uow.Sequencer` over the log's tables. Stateless: one serves every thread and fonds."""

    def __call__(self, conn: Connection, fonds: str, tickets: Sequence[Ticket]) -> None:
        """Lock the head, place every ticket, write entries, subjects, details, the tiles they fill and when these were, move the head.

        EntryRefused when an entry cannot be written; the caller's transaction must then be rolled back.
        """
        inserts = _INSERTS[conn.dialect.name]
        frontier = locked_head(conn, fonds)
        start = frontier.size
        entries: list[tuple[Any, ...]] = []
        subjects: list[tuple[Any, ...]] = []
        details: list[tuple[Any, ...]] = []
        leaves: list[bytes] = []
        for index, ticket in enumerate(tickets, start):
            event: Event = ticket.event
            body = encode(event, ticket.entry_id, fonds)
            leaf = leaf_hash(body)
            leaves.append(leaf)
            entries.append((fonds, index, ticket.entry_id, leaf, *columns_of(event.members), body))
            subjects.extend((fonds, kind, subject, index) for kind, subject in subjects_of(event.members))
            details.extend((fonds, ticket.entry_id, d.name, d.commitment, d.key_ref, d.sealed) for d in event.details)
            ticket.place(index)
        conn.exec_driver_sql(inserts["log_entries"], entries)
        if subjects:
            conn.exec_driver_sql(inserts["log_subjects"], subjects)
        if details:
            conn.exec_driver_sql(inserts["log_details"], details)
        reach("audit.entries-written")
        if frontier.size // TILE_WIDTH < (start + len(leaves)) // TILE_WIDTH:
            _write_tiles(conn, fonds, start, leaves)
            _write_spans(conn, fonds, start, [entry[_TIME] for entry in entries])
        for leaf in leaves:
            frontier.append(leaf)
        _move_head(conn, fonds, start, frontier)
        reach("audit.head-moved")


def locked_head(conn: Connection, fonds: str) -> Frontier:
    """Lock the head of a fonds' log until the transaction ends, beginning the log where there is none, and return its frontier."""
    query = _HEADS[conn.dialect.name]
    row = conn.exec_driver_sql(query, (fonds,)).one_or_none()
    if row is None:
        empty = {"fonds": fonds, "size": 0, "epoch": 1, "root": EMPTY_ROOT, "frontier": Frontier().to_bytes()}
        insert_new(conn, log_heads, **empty)
        row = conn.exec_driver_sql(query, (fonds,)).one()
    frontier = Frontier.from_bytes(bytes(row.frontier))
    if frontier.size != row.size:
        raise RuntimeError("the log head's size and frontier differ")
    return frontier


def _move_head(conn: Connection, fonds: str, start: int, frontier: Frontier) -> None:
    values = (frontier.size, frontier.root(), frontier.to_bytes(), fonds, start)
    moved = conn.exec_driver_sql(_MOVES[conn.dialect.name], values)
    if moved.rowcount != 1:
        raise RuntimeError("the log head moved under its lock")


def _write_tiles(conn: Connection, fonds: str, start: int, leaves: Sequence[bytes]) -> None:
    """Write each tile the new leaves complete, and each tile above that these complete."""
    end = start + len(leaves)
    rows: list[tuple[Any, ...]] = []
    new, first = leaves, start
    level = 0
    while end // TILE_WIDTH > first // TILE_WIDTH:
        base = first // TILE_WIDTH * TILE_WIDTH
        known = _stored_hashes(conn, fonds, level, base, first) if first > base else []
        joined = b"".join([*known, *new])
        roots = []
        for at in range(0, len(joined) - _TILE_BYTES + 1, _TILE_BYTES):
            hashes = joined[at : at + _TILE_BYTES]
            roots.append(perfect_root(hashes))
            rows.append((fonds, level, base // TILE_WIDTH + at // _TILE_BYTES, roots[-1], hashes))
        new, first, end, level = roots, base // TILE_WIDTH, end // TILE_WIDTH, level + 1
    if rows:
        conn.exec_driver_sql(_INSERTS[conn.dialect.name]["log_tiles"], rows)


def _write_spans(conn: Connection, fonds: str, start: int, times: Sequence[int]) -> None:
    """Write earliest and latest time of each tile of level 0 that the new entries complete."""
    first, end = start // TILE_WIDTH, (start + len(times)) // TILE_WIDTH
    row = log_entries.c
    known: list[int] = []
    if start > first * TILE_WIDTH:
        stored = select(func.min(row.time_ms), func.max(row.time_ms))
        known = list(conn.execute(stored.where(row.fonds == fonds, row.idx >= first * TILE_WIDTH, row.idx < start)).one())
    rows: list[tuple[Any, ...]] = []
    for n in range(first, end):
        of_tile = [*known, *times[max(0, n * TILE_WIDTH - start) : (n + 1) * TILE_WIDTH - start]]
        rows.append((fonds, n, min(of_tile), max(of_tile)))
        known = []
    conn.exec_driver_sql(_INSERTS[conn.dialect.name]["log_spans"], rows)


def _stored_hashes(conn: Connection, fonds: str, level: int, first: int, end: int) -> list[bytes]:
    """Return hashes `first` to `end` (exclusive) of a level as the database has them: leaves, or the roots of the tiles below."""
    if level == 0:
        query = select(log_entries.c.leaf_hash).where(log_entries.c.fonds == fonds, log_entries.c.idx >= first, log_entries.c.idx < end)
        found = conn.scalars(query.order_by(log_entries.c.idx)).all()
    else:
        tiles = log_tiles.c
        query = select(tiles.root).where(tiles.fonds == fonds, tiles.level == level - 1, tiles.n >= first, tiles.n < end)
        found = conn.scalars(query.order_by(tiles.n)).all()
    if len(found) != end - first:
        raise RuntimeError("the stored log has a gap")
    return [bytes(item) for item in found]
