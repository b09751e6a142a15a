"""The static export: the published log as files any web server can serve and `python -m tlog verify` can check.

Hash tiles and entry bundles of the latest checkpoint come first, the checkpoint last, each file whole or not at all; so an export that
was cut short still verifies as the older one it was, or is one without a checkpoint, and running it again completes it. A tile once
written never changes: a file that is there is compared, and one that differs is an error, never overwritten.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection

from audit.errors import ExportDiffers, NoSuchTile
from audit.store import Published, TileRows, last_checkpoint
from audit.witnessing import Panel, newest_witnessed, with_lines
from foundation.database import Database
from foundation.durable import clear_unfinished, write_durably
from tlog.checkpoint import Checkpoint
from tlog.errors import TlogError
from tlog.merkle import consistency_path, verify_consistency
from tlog.note import MAX_NOTE_BYTES, parse_note
from tlog.tiles import ENTRIES, Tile, tiles_between

_NAMES = re.compile(r"checkpoint|[0-9]+")
Progress = Callable[[int, int], None]
"""(files done, files in all), called after each file."""


def export(
    db: Database, fonds: str, directory: Path, progress: Progress = lambda _done, _all: None, *, witnessed: Panel | None = None
) -> Published:
    """Write or complete the export of a fonds' log in `directory`; return the checkpoint it now stands at: the latest, or the newest
    that enough of the panel have cosigned. Its note carries the cosignatures it has.

    NoSuchTile before the first checkpoint. ExportDiffers where the directory holds another log, a larger one, or a changed file.
    """
    with db.read() as conn:
        latest = last_checkpoint(conn, fonds) if witnessed is None else newest_witnessed(conn, fonds, witnessed)
        latest = None if latest is None else with_lines(conn, fonds, latest)
    if latest is None:
        raise NoSuchTile
    directory.mkdir(parents=True, exist_ok=True)
    clear_copy(directory)
    with db.read() as conn:
        _must_continue(conn, fonds, directory, latest)
    tiles = list(tiles_between(0, latest.size))
    files = [*tiles, *(tile._replace(level=ENTRIES) for tile in tiles if tile.level == 0)]
    for done, tile in enumerate(files, start=1):
        # A transaction per file: a long export must not hold a snapshot open, and what it reads never changes.
        if not _is_written(db, fonds, directory, tile):
            raise ExportDiffers(path=tile.path())
        progress(done, len(files))
    write_durably(directory / "checkpoint", latest.note, "audit.export-checkpoint")
    return latest


def clear_copy(directory: Path) -> None:
    """Remove what an export that was killed left half-written in `directory`: a verifier takes no file it does not know for a tile."""
    for folder in (directory, *(path for path in (directory / "tile").rglob("*") if path.is_dir() and not path.is_symlink())):
        clear_unfinished(folder, _NAMES)


def _is_written(db: Database, fonds: str, directory: Path, tile: Tile) -> bool:
    """Write a tile, or compare the one that is there; tell whether it now is as the log has it."""
    with db.read() as conn:
        data = TileRows(conn, fonds)(tile.path())
    path = directory / tile.path()
    try:
        return path.read_bytes() == data
    except FileNotFoundError:
        pass
    except NotADirectoryError:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, data, "audit.export-tile")
    return True


def _must_continue(conn: Connection, fonds: str, directory: Path, latest: Published) -> None:
    """Refuse to export over a checkpoint that this log does not extend."""
    try:
        with (directory / "checkpoint").open("rb") as file:
            older = Checkpoint.parse(parse_note(file.read(MAX_NOTE_BYTES)).text)
    except FileNotFoundError:
        return
    except TlogError:
        raise ExportDiffers(path="checkpoint") from None
    try:
        path = consistency_path(older.size, latest.size, TileRows(conn, fonds).source(latest.size))
        verify_consistency(older.size, older.root, latest.size, latest.root, path)
    except TlogError:
        raise ExportDiffers(path="checkpoint") from None
