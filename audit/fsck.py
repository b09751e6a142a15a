"""The check of the stored log against itself: everything that is derived is derived again, and the first thing wrong is named.

What it cannot see is a log rewritten as a whole, consistently: that is what signed checkpoints kept elsewhere are for, and the anchor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from sqlalchemy import Connection, func, select

from audit.columns import COLUMNS, columns_of, subjects_of
from audit.entry import Entry
from audit.errors import EntryRefused, LogDamaged
from audit.index_keys import read
from audit.index_recompute import Recomputation
from audit.index_segments import Head, Page, Segment
from audit.index_store import IndexRows
from audit.store import TileRows, head_of
from audit.tables import log_checkpoints, log_details, log_entries, log_signers, log_spans, log_subjects, log_tiles
from foundation.database import Database
from tlog.checkpoint import Checkpoint
from tlog.errors import TlogError
from tlog.merkle import HASH_SIZE, Frontier, leaf_hash, perfect_root
from tlog.note import VerifierKey, parse_note, verify_note
from tlog.tiles import TILE_WIDTH

BATCH: Final = 4096
Progress = Callable[[int, int], None]
"""(entries checked, entries in all)."""
Keys = Callable[[int], str]
"""epoch -> the vkey its checkpoints are signed with."""


@dataclass(frozen=True, slots=True)
class Sound:
    """What was found in order."""

    fonds: str
    entries: int
    tiles: int
    checkpoints: int
    commitments: int
    segments: int
    root: bytes


def fsck(db: Database, fonds: str, keys: Keys, progress: Progress = lambda _done, _all: None) -> Sound:
    """Check one fonds' stored log in one snapshot. LogDamaged names the first thing wrong, entries first, in their order."""
    with TemporaryDirectory() as folder, db.read() as conn:
        return _Check(conn, fonds, keys, progress, Path(folder)).run()


class _Check:
    def __init__(self, conn: Connection, fonds: str, keys: Keys, progress: Progress, folder: Path) -> None:
        self._conn = conn
        self._fonds = fonds
        self._keys = keys
        self._progress = progress
        self._frontier = Frontier()
        self._pending: list[list[bytes]] = [[] for _ in range(8)]
        self._times: list[int] = []
        self._tiles = 0
        self._checkpoints = self._load_checkpoints()
        self._passed = 0
        self._rows = IndexRows(conn, fonds)
        self._segments = self._rows.segments()
        self._derived = 0
        self._index = Recomputation(folder, self._names, self._compare)

    def run(self) -> Sound:
        head = head_of(self._conn, self._fonds)
        size = 0 if head is None else head.size
        self._pass_checkpoints()
        for row, entry, subjects in self._entries():
            self._take(row, entry, subjects)
            if self._frontier.size % BATCH == 0:
                self._progress(self._frontier.size, size)
        self._progress(self._frontier.size, size)
        if self._frontier.size != size:
            raise self._damaged("head", "size")
        if head is not None and head.frontier != self._frontier.to_bytes():
            raise self._damaged("head", "frontier")
        root = self._frontier.root()
        if head is not None and head.root != root:
            raise self._damaged("head", "root")
        self._count_tiles()
        if self._passed != len(self._checkpoints):
            raise self._damaged(f"checkpoint {self._checkpoints[self._passed].size}", "beyond the log")
        self._signers_mark()
        self._strays(size)
        if self._derived != len(self._segments):
            raise self._damaged("index", "more segments than the entries fill")
        return Sound(self._fonds, size, self._tiles, self._passed, self._index.commitments, self._derived, root)

    def _entries(self) -> Iterator[tuple[Any, Entry, list[tuple[str, str]]]]:
        """Yield every entry in order with its parsed body and its stored subjects."""
        row, about = log_entries.c, log_subjects.c
        start = 0
        while True:
            rows = self._conn.execute(
                select(log_entries).where(row.fonds == self._fonds, row.idx >= start).order_by(row.idx).limit(BATCH)
            ).all()
            if not rows:
                return
            found = self._conn.execute(
                select(about.idx, about.subject_kind, about.subject_id)
                .where(about.fonds == self._fonds, about.idx >= start, about.idx <= rows[-1].idx)
                .order_by(about.idx)
            )
            by_index = groupby(found, lambda item: item[0])
            subjects = {index: sorted((kind, subject) for _, kind, subject in group) for index, group in by_index}
            details = self._details([item.entry_id for item in rows])
            for item in rows:
                where = f"entry {self._frontier.size}"
                if item.idx != self._frontier.size:
                    raise self._damaged(where, "missing")
                try:
                    # SQLite keeps whatever type it is given: text where bytes belong is damage too.
                    entry = Entry.parse(bytes(item.body))
                except (EntryRefused, TypeError):
                    raise self._damaged(where, "body") from None
                if details.get(item.entry_id, {}) != entry.details:
                    raise self._damaged(where, "details")
                yield item, entry, subjects.get(item.idx, [])
            start = rows[-1].idx + 1

    def _take(self, row: Any, entry: Entry, subjects: list[tuple[str, str]]) -> None:
        where = f"entry {row.idx}"
        leaf = leaf_hash(entry.body)
        if bytes(row.leaf_hash) != leaf:
            raise self._damaged(where, "leaf_hash")
        if (entry.fonds, entry.id) != (row.fonds, row.entry_id):
            raise self._damaged(where, "fonds or id")
        for column, value in zip(COLUMNS, columns_of(entry.members), strict=True):
            if getattr(row, column) != value:
                raise self._damaged(where, column)
        if subjects != subjects_of(entry.members):
            raise self._damaged(where, "subjects")
        try:
            self._index.take(entry.body)
        except TlogError:
            raise self._damaged(where, "index root") from None
        self._frontier.append(leaf)
        self._times.append(row.time_ms)
        self._fill(0, leaf)
        if len(self._times) == TILE_WIDTH:
            self._span(self._frontier.size // TILE_WIDTH - 1)
        self._pass_checkpoints()

    def _details(self, ids: list[str]) -> dict[str, dict[str, bytes]]:
        """Return the stored commitments by entry id and name, for the given entries."""
        beside = log_details.c
        found: dict[str, dict[str, bytes]] = {}
        for at in range(0, len(ids), 500):
            query = select(beside.entry_id, beside.name, beside.commitment, beside.sealed, beside.erased_ms).where(
                beside.fonds == self._fonds, beside.entry_id.in_(ids[at : at + 500])
            )
            for item in self._conn.execute(query):
                if (item.sealed is None) != (item.erased_ms is not None):
                    raise self._damaged(f"detail {item.name} of entry {item.entry_id}", "neither sealed nor erased")
                found.setdefault(item.entry_id, {})[item.name] = bytes(item.commitment)
        return found

    def _fill(self, level: int, hash_: bytes) -> None:
        """Add a hash to its level's tile; compare and pass on the tile's root when it is full."""
        pending = self._pending[level]
        pending.append(hash_)
        if len(pending) < TILE_WIDTH:
            return
        n = (self._frontier.size >> (8 * (level + 1))) - 1
        hashes = b"".join(pending)
        pending.clear()
        tile = log_tiles.c
        row = self._conn.execute(
            select(tile.root, tile.hashes).where(tile.fonds == self._fonds, tile.level == level, tile.n == n)
        ).one_or_none()
        where = f"tile {level}/{n}"
        if row is None:
            raise self._damaged(where, "missing")
        if bytes(row.hashes) != hashes or len(hashes) != TILE_WIDTH * HASH_SIZE:
            raise self._damaged(where, "hashes")
        root = perfect_root(hashes)
        if bytes(row.root) != root:
            raise self._damaged(where, "root")
        self._tiles += 1
        self._fill(level + 1, root)

    def _span(self, n: int) -> None:
        """Compare when the entries of a full tile happened with its row."""
        span = log_spans.c
        stored = select(span.earliest_ms, span.latest_ms).where(span.fonds == self._fonds, span.n == n)
        row = self._conn.execute(stored).one_or_none()
        if row is None or tuple(row) != (min(self._times), max(self._times)):
            raise self._damaged(f"span {n}", "times")
        self._times.clear()

    def _load_checkpoints(self) -> list[Any]:
        item = log_checkpoints.c
        return list(self._conn.execute(select(log_checkpoints).where(item.fonds == self._fonds).order_by(item.size)).all())

    def _pass_checkpoints(self) -> None:
        """Check the checkpoints of the size just reached: its root, its note and its signature."""
        while self._passed < len(self._checkpoints) and self._checkpoints[self._passed].size == self._frontier.size:
            row = self._checkpoints[self._passed]
            where = f"checkpoint {row.size}"
            try:
                key = VerifierKey.parse(self._keys(row.epoch))
                note = parse_note(bytes(row.note))
                verify_note(note, [key])
                signed = Checkpoint.parse(note.text)
            except TlogError:
                raise self._damaged(where, "note") from None
            root = self._frontier.root()
            if signed != Checkpoint(key.name, row.size, root) or bytes(row.root) != root:
                raise self._damaged(where, "root")
            self._passed += 1

    def _count_tiles(self) -> None:
        tile = log_tiles.c
        if self._conn.scalar(select(func.count()).select_from(log_tiles).where(tile.fonds == self._fonds)) != self._tiles:
            raise self._damaged("tiles", "more than the entries fill")
        span, full = log_spans.c, self._frontier.size // TILE_WIDTH
        if self._conn.scalar(select(func.count()).select_from(log_spans).where(span.fonds == self._fonds)) != full:
            raise self._damaged("spans", "more than the entries fill")

    def _signers_mark(self) -> None:
        mark = self._conn.scalar(select(log_signers.c.size).where(log_signers.c.fonds == self._fonds)) or 0
        if mark != (self._checkpoints[-1].size if self._checkpoints else 0):
            raise self._damaged("signer", "size")

    def _strays(self, size: int) -> None:
        """Refuse subjects and details that belong to no entry."""
        about, beside, row = log_subjects.c, log_details.c, log_entries.c
        beyond = select(about.idx).where(about.fonds == self._fonds, (about.idx < 0) | (about.idx >= size)).limit(1)
        if self._conn.execute(beyond).first() is not None:
            raise self._damaged("subjects", "of no entry")
        known = select(row.entry_id).where(row.fonds == self._fonds, row.entry_id == beside.entry_id).exists()
        if self._conn.execute(select(beside.name).where(beside.fonds == self._fonds, ~known).limit(1)).first() is not None:
            raise self._damaged("details", "of no entry")

    def _names(self, block: int) -> list[tuple[bytes, ...]]:
        bodies = TileRows(self._conn, self._fonds).bodies(block * TILE_WIDTH, TILE_WIDTH)
        return [read(body).names for body in bodies]

    def _compare(self, segment: Segment, head: Head, pages: Iterable[Page]) -> None:
        """Compare a stored segment of the index with what the entries give; those that were merged may be gone."""
        kept = self._segments.get((segment.level, segment.n))
        if kept is None:
            return
        where = f"index segment {segment.level}/{segment.n}"
        if kept != (head.leaves, head.root):
            raise self._damaged(where, "root")
        stored = self._rows.stored_pages(segment.level, segment.n)
        if any(one != other for one, other in zip_longest(stored, enumerate(pages))):
            raise self._damaged(where, "pages")
        self._derived += 1

    def _damaged(self, where: str, what: str) -> LogDamaged:
        return LogDamaged(fonds=self._fonds, where=where, what=what)
