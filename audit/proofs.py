"""Proofs, receipts and tiles from the stored log, always against a published checkpoint."""

from __future__ import annotations

from sqlalchemy import Connection, select

from audit.errors import NoSuchEntry, NoSuchTile, NotYetPublished
from audit.store import Published, TileRows, holds, last_checkpoint
from audit.tables import log_entries
from audit.witnessing import Panel, newest_witnessed, with_lines
from foundation.database import Database
from tlog.errors import RangeInvalid
from tlog.merkle import consistency_path, inclusion_path
from tlog.proof import LogProof
from tlog.tiles import ENTRIES, TILE_WIDTH, Tile


class Proofs:
    """Reads of the published log of any fonds; each call is one snapshot. What no checkpoint covers does not exist here.

    Checkpoints carry in their notes the cosignatures they have so far.
    """

    def __init__(self, db: Database, panel: Panel | None = None) -> None:
        """Bind the database, and the witnesses whose word makes a checkpoint `witnessed` (by default nobody's)."""
        self._db = db
        self._panel = panel or Panel()

    def checkpoint(self, fonds: str) -> Published:
        """Return the latest published checkpoint; NoSuchTile before the first."""
        with self._db.read() as conn:
            return _published(conn, fonds)

    def witnessed(self, fonds: str) -> Published:
        """Return the newest checkpoint that enough witnesses have cosigned; NoSuchTile before the first."""
        with self._db.read() as conn:
            found = newest_witnessed(conn, fonds, self._panel)
            if found is None:
                raise NoSuchTile
            return with_lines(conn, fonds, found)

    def tile(self, fonds: str, level: int, index: int, width: int = TILE_WIDTH) -> bytes:
        """Return a hash tile, `width` times 32 bytes. NoSuchTile where the published log does not have it."""
        return self._tile(fonds, Tile(level, index, width))

    def bundle(self, fonds: str, index: int, width: int = TILE_WIDTH) -> bytes:
        """Return an entry bundle. NoSuchTile as `tile`; the caller must hold the right to read the log."""
        return self._tile(fonds, Tile(ENTRIES, index, width))

    def inclusion(self, fonds: str, index: int) -> tuple[list[bytes], Published]:
        """Return the inclusion path of entry `index` and the checkpoint it leads to; NotYetPublished past its size."""
        with self._db.read() as conn:
            return _inclusion(conn, fonds, index)

    def consistency(self, fonds: str, old_size: int) -> tuple[list[bytes], Published]:
        """Return the proof that the latest checkpoint extends the first `old_size` entries; NotYetPublished past its size."""
        with self._db.read() as conn:
            latest = _published(conn, fonds)
            try:
                return consistency_path(old_size, latest.size, TileRows(conn, fonds).source(latest.size)), latest
            except RangeInvalid:
                raise NotYetPublished from None

    def receipt(self, fonds: str, entry_id: str) -> bytes:
        """Return the `.tlog-proof` of an entry: under the newest checkpoint that enough witnesses have cosigned, where one covers it,
        otherwise under the latest. NoSuchEntry; NotYetPublished for about a second.
        """
        with self._db.read() as conn:
            row = log_entries.c
            index = conn.scalar(select(row.idx).where(row.fonds == fonds, row.entry_id == entry_id))
            if index is None:
                raise NoSuchEntry
            path, covering = _inclusion(conn, fonds, index, newest_witnessed(conn, fonds, self._panel, above=index))
            return LogProof(index, tuple(path), covering.note).format()

    def _tile(self, fonds: str, tile: Tile) -> bytes:
        with self._db.read() as conn:
            size = _published(conn, fonds).size
            if not holds(tile, size):
                raise NoSuchTile
            try:
                return TileRows(conn, fonds)(tile.path())
            except FileNotFoundError:
                raise NoSuchTile from None


def _published(conn: Connection, fonds: str) -> Published:
    latest = last_checkpoint(conn, fonds)
    if latest is None:
        raise NoSuchTile
    return with_lines(conn, fonds, latest)


def _inclusion(conn: Connection, fonds: str, index: int, under: Published | None = None) -> tuple[list[bytes], Published]:
    latest = under or last_checkpoint(conn, fonds)
    if latest is None or index >= latest.size:
        raise NotYetPublished
    path = inclusion_path(index, latest.size, TileRows(conn, fonds).source(latest.size))
    return path, with_lines(conn, fonds, latest)
