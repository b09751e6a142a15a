"""The stored index of one fonds' log, inside the caller's transaction: its segments, their pages, and the trees proofs are taken from."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Protocol

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from audit.errors import LogDamaged
from audit.index_keys import committed_by, read
from audit.index_segments import PAGE, PARTIAL, Head, Page, Record, Segment, cover, decode, leaf_of, records_of
from audit.store import TileRows
from audit.tables import log_entries, log_index_pages, log_index_segments
from tlog.merkle import Frontier, inclusion_path, perfect_root

# Pages read at once while a segment is gone through: some 100 KiB.
_AHEAD: Final = 8
Stored = dict[tuple[int, int], tuple[int, bytes]]
"""(level, n) -> (leaves, root)."""


@dataclass(frozen=True, slots=True)
class Commitment:
    """A `log.indexed` entry: its own index, the size it commits to, the root, and its bytes."""

    index: int
    size: int
    root: bytes
    body: bytes


class Tree(Protocol):
    """The leaves of one segment."""

    leaves: int

    def place(self, key: bytes) -> int:
        """How many leaves have a smaller key."""
        ...

    def record(self, leaf: int) -> Record:
        """The record of a leaf."""
        ...

    def path(self, leaf: int) -> list[bytes]:
        """The inclusion path of a leaf."""
        ...


class IndexRows:
    """Reads and writes the stored index of one fonds."""

    def __init__(self, conn: Connection, fonds: str) -> None:
        """Work through `conn`; what is read is one state only if its transaction is a snapshot."""
        self._conn = conn
        self._fonds = fonds

    def segments(self) -> Stored:
        """All stored segments."""
        row = log_index_segments.c
        query = select(row.level, row.n, row.leaves, row.root).where(row.fonds == self._fonds)
        return {(level, n): (leaves, bytes(root)) for level, n, leaves, root in self._conn.execute(query)}

    def heads(self, size: int) -> list[Head] | None:
        """The heads of the cover of `size`; None where a segment of it is not stored (any more, or yet)."""
        stored, heads = self.segments(), []
        for one in cover(size):
            if one.level == PARTIAL:
                rest = MemoryTree(self.rest(one))
                heads.append(Head(one.start, one.end, rest.leaves, rest.root))
            elif (held := stored.get((one.level, one.n))) is not None:
                heads.append(Head(one.start, one.end, *held))
            else:
                return None
        return heads

    def rest(self, segment: Segment) -> list[Record]:
        """The records of a segment's entries, from the entries themselves: for the rest behind the complete ones."""
        bodies = TileRows(self._conn, self._fonds).bodies(segment.start, segment.end - segment.start)
        return records_of(segment.start, (read(body).names for body in bodies))

    def tree(self, segment: Segment, leaves: int) -> Tree:
        """The leaves of a segment of the cover."""
        return MemoryTree(self.rest(segment)) if segment.level == PARTIAL else StoredTree(self, segment.level, segment.n, leaves)

    def pages(self, level: int, n: int, first: int, count: int) -> list[list[Record]]:
        """At most `count` pages of a segment from `first` on."""
        row = log_index_pages.c
        query = select(row.data).where(*self._of(level, n), row.page >= first, row.page < first + count).order_by(row.page)
        return [list(decode(bytes(data))) for data in self._conn.scalars(query)]

    def stored_pages(self, level: int, n: int) -> Iterator[tuple[int, Page]]:
        """All pages of a segment as they are stored, with their numbers."""
        row, last = log_index_pages.c, -1
        query = select(row.page, row.first_key, row.root, row.data).where(*self._of(level, n)).order_by(row.page).limit(_AHEAD)
        while found := self._conn.execute(query.where(row.page > last)).all():
            yield from ((number, Page(*map(bytes, page))) for number, *page in found)
            last = found[-1].page

    def records(self, level: int, n: int) -> Iterator[Record]:
        """All records of a segment, a few pages at a time."""
        first = 0
        while pages := self.pages(level, n, first, _AHEAD):
            for page in pages:
                yield from page
            first += len(pages)

    def page_of(self, level: int, n: int, key: bytes) -> int:
        """The page a key stands in, if it is there: the last that does not begin behind it."""
        row = log_index_pages.c
        return self._conn.scalar(select(func.max(row.page)).where(*self._of(level, n), row.first_key <= key)) or 0

    def page_roots(self, level: int, n: int) -> list[bytes]:
        """The roots of a segment's pages."""
        row = log_index_pages.c
        return [bytes(root) for root in self._conn.scalars(select(row.root).where(*self._of(level, n)).order_by(row.page))]

    def add_pages(self, level: int, n: int, first: int, pages: Sequence[Page]) -> None:
        """Write pages from number `first` on; those that are there stay, for a rival writes the same."""
        same = {"fonds": self._fonds, "level": level, "n": n}
        rows = [same | {"page": number, **page._asdict()} for number, page in enumerate(pages, first)]
        if rows:
            self._conn.execute(_new(self._conn, log_index_pages), rows)

    def add_segment(self, segment: Segment, head: Head, roots: Sequence[bytes]) -> bool:
        """Make a segment whose pages are written be there. False, its pages deleted, where they are not all as `roots` says: then an
        older, unfinished attempt left some that do not belong, and it is to be built again.
        """
        if self.page_roots(segment.level, segment.n) != list(roots):
            self._conn.execute(delete(log_index_pages).where(*self._of(segment.level, segment.n)))
            return False
        row = {"fonds": self._fonds, "level": segment.level, "n": segment.n, "leaves": head.leaves, "root": head.root}
        self._conn.execute(_new(self._conn, log_index_segments), [row])
        return True

    def remove(self, level: int, n: int) -> None:
        """Delete a segment."""
        row = log_index_segments.c
        self._conn.execute(delete(log_index_segments).where(row.fonds == self._fonds, row.level == level, row.n == n))
        self._conn.execute(delete(log_index_pages).where(*self._of(level, n)))

    def _of(self, level: int, n: int) -> tuple[Any, ...]:
        row = log_index_pages.c
        return row.fonds == self._fonds, row.level == level, row.n == n


class MemoryTree:
    """The leaves of a segment that is held as a whole."""

    def __init__(self, records: Sequence[Record]) -> None:
        """Hash every record."""
        self._records = records
        self._hashes = [leaf_of(record) for record in records]
        self.leaves = len(records)
        self.root = Frontier().extended(self._hashes).root()

    def place(self, key: bytes) -> int:
        return bisect_left(self._records, key, key=lambda one: one.key)

    def record(self, leaf: int) -> Record:
        return self._records[leaf]

    def path(self, leaf: int) -> list[bytes]:
        return inclusion_path(leaf, self.leaves, lambda height, i: perfect_root(b"".join(self._hashes[i << height : (i + 1) << height])))


class StoredTree:
    """The leaves of a stored segment: the pages that are needed, and the roots of the others."""

    def __init__(self, rows: IndexRows, level: int, n: int, leaves: int) -> None:
        """Read nothing yet."""
        self._rows, self._level, self._n = rows, level, n
        self.leaves = leaves
        self._page = lru_cache(maxsize=4)(lambda page: rows.pages(level, n, page, 1)[0])
        self._roots = lru_cache(maxsize=1)(lambda: rows.page_roots(level, n))

    def place(self, key: bytes) -> int:
        if self.leaves == 0:
            return 0
        page = self._rows.page_of(self._level, self._n, key)
        return page * PAGE + bisect_left(self._page(page), key, key=lambda one: one.key)

    def record(self, leaf: int) -> Record:
        return self._page(leaf // PAGE)[leaf % PAGE]

    def path(self, leaf: int) -> list[bytes]:
        return inclusion_path(leaf, self.leaves, self._hash)

    def _hash(self, height: int, i: int) -> bytes:
        if height >= 8:
            return perfect_root(b"".join(self._roots()[i << height - 8 : (i + 1) << height - 8]))
        first = (i << height) % PAGE
        page = self._page((i << height) // PAGE)
        return perfect_root(b"".join(leaf_of(record) for record in page[first : first + (1 << height)]))


def newest_commitment(conn: Connection, fonds: str, below: int | None = None) -> Commitment | None:
    """The last `log.indexed` entry (with an index below `below`), None where there is none."""
    row = log_entries.c
    query = select(row.idx, row.body).where(row.fonds == fonds, row.kind == "log.indexed")
    if below is not None:
        query = query.where(row.idx < below)
    found = conn.execute(query.order_by(row.idx.desc()).limit(1)).one_or_none()
    if found is None:
        return None
    body = bytes(found.body)
    made = committed_by(read(body).members, found.idx)
    if made is None:
        raise LogDamaged(fonds=fonds, where=f"entry {found.idx}", what="commitment")
    return Commitment(found.idx, *made, body)


def missing_from(stored: Iterable[tuple[int, int]]) -> int:
    """Up to which entry stored segments cover a log without a gap."""
    ends: dict[int, int] = {}
    for level, n in stored:
        one = Segment.at(level, n)
        ends[one.start] = max(one.end, ends.get(one.start, 0))
    at = 0
    while at in ends:
        at = ends[at]
    return at


def _new(conn: Connection, table: Any) -> Any:
    dialect = sqlite if conn.dialect.name == "sqlite" else postgresql
    return dialect.insert(table).on_conflict_do_nothing()
