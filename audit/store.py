"""Reading the stored log: heads, checkpoints, hashes and entries of one fonds, inside the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from audit.tables import log_checkpoints, log_entries, log_heads, log_tiles
from tlog.merkle import HASH_SIZE, HashSource
from tlog.tiles import ENTRIES, TILE_WIDTH, Tile, encode_bundle, root_from_tiles, tile_source, width_at


@dataclass(frozen=True, slots=True)
class Head:
    """The tree as it stands: `size` entries under `root`; `frontier` as tlog.merkle.Frontier writes it."""

    size: int
    epoch: int
    root: bytes
    frontier: bytes


@dataclass(frozen=True, slots=True)
class Published:
    """A signed checkpoint: `note` is the whole note."""

    size: int
    epoch: int
    root: bytes
    note: bytes
    signed_ms: int


def head_of(conn: Connection, fonds: str) -> Head | None:
    """Return the head of a fonds' log, None where nothing was ever appended."""
    row = conn.execute(select(log_heads).where(log_heads.c.fonds == fonds)).one_or_none()
    return None if row is None else Head(row.size, row.epoch, bytes(row.root), bytes(row.frontier))


def last_checkpoint(conn: Connection, fonds: str) -> Published | None:
    """Return the largest published checkpoint, None before the first."""
    query = select(log_checkpoints).where(log_checkpoints.c.fonds == fonds).order_by(log_checkpoints.c.size.desc()).limit(1)
    row = conn.execute(query).one_or_none()
    return None if row is None else Published(row.size, row.epoch, bytes(row.root), bytes(row.note), row.signed_ms)


class TileRows:
    """A `tlog.tiles.Read` over the database: full tiles as stored, partial ones and entry bundles made from rows."""

    __slots__ = ("_conn", "_fonds")

    def __init__(self, conn: Connection, fonds: str) -> None:
        """Read through `conn`; what is read is one state only if its transaction is a snapshot."""
        self._conn = conn
        self._fonds = fonds

    def __call__(self, path: str) -> bytes:
        """Return the bytes at `path` (`tile/0/000`); FileNotFoundError where the log does not have that many entries."""
        tile = Tile.parse(path)
        data = self.bundle(tile) if tile.level == ENTRIES else self.hashes(tile)
        if data is None:
            raise FileNotFoundError(path)
        return data

    def source(self, size: int) -> HashSource:
        """Return a hash source over the tree of `size`."""
        return tile_source(self, size)

    def root(self, size: int) -> bytes:
        """Recompute the root of the first `size` entries from the stored hashes; TlogError where some are missing."""
        return root_from_tiles(size, self)

    def hashes(self, tile: Tile) -> bytes | None:
        """Return the first `width` hashes of a tile, None where they are not there."""
        rows = log_tiles.c
        full = select(rows.hashes).where(rows.fonds == self._fonds, rows.level == tile.level, rows.n == tile.n)
        found = self._conn.scalar(full)
        if found is not None:
            return bytes(found)[: tile.width * HASH_SIZE]
        if tile.width == TILE_WIDTH:
            return None
        first = tile.n * TILE_WIDTH
        if tile.level == 0:
            leaf = log_entries.c
            query = select(leaf.leaf_hash).where(leaf.fonds == self._fonds, leaf.idx >= first, leaf.idx < first + tile.width)
            query = query.order_by(leaf.idx)
        else:
            query = select(rows.root).where(
                rows.fonds == self._fonds, rows.level == tile.level - 1, rows.n >= first, rows.n < first + tile.width
            )
            query = query.order_by(rows.n)
        parts = [bytes(part) for part in self._conn.scalars(query)]
        return b"".join(parts) if len(parts) == tile.width else None

    def bundle(self, tile: Tile) -> bytes | None:
        """Return a bundle of `width` entries, None where they are not there."""
        bodies = self.bodies(tile.n * TILE_WIDTH, tile.width)
        return encode_bundle(bodies) if len(bodies) == tile.width else None

    def bodies(self, first: int, count: int) -> list[bytes]:
        """Return the entries from `first` on, at most `count`, in order."""
        entries = log_entries.c
        query = select(entries.body).where(entries.fonds == self._fonds, entries.idx >= first, entries.idx < first + count)
        return [bytes(body) for body in self._conn.scalars(query.order_by(entries.idx))]


def holds(tile: Tile, size: int) -> bool:
    """Tell whether a published tree of `size` has this very tile: full, or partial with a width it has reached."""
    return ENTRIES <= tile.level < 8 and tile.n >= 0 and 1 <= tile.width <= min(TILE_WIDTH, width_at(tile.level, tile.n, size))
