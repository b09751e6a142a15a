"""Copying a published log over HTTP into the static form that `audit verify` checks: hash tiles and entry bundles, the checkpoint last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from audit.export import clear_copy
from foundation.durable import write_durably
from tlog.checkpoint import Checkpoint, open_checkpoint
from tlog.note import VerifierKey, parse_note
from tlog.tiles import ENTRIES, TILE_WIDTH, Tile, tiles_between, width_at

Fetch = Callable[[str], bytes]
"""A file of the log by its name in the static form: `checkpoint`, `tile/0/000`, `tile/entries/000.p/17`."""


def copy_log(
    fetch: Fetch, directory: Path, advance: Callable[[int, int], None] = lambda _done, _all: None, key: VerifierKey | None = None
) -> int:
    """Copy the log as it is published now; return its size. TlogError where `key` is given and did not sign the checkpoint.

    Nothing else is believed here: checking the copy is `tlog.verify`'s work. One file at a time is held, whatever the size claimed.
    """
    note = fetch("checkpoint")
    size = (Checkpoint.parse(parse_note(note).text) if key is None else open_checkpoint(note, key)).size
    clear_copy(directory)
    hashes = [size >> 8 * level for level in range(8)]
    total = sum(-(-count // TILE_WIDTH) for count in (size, *hashes))
    for done, tile in enumerate(_files(size), start=1):
        path = directory / tile.path()
        if not path.exists():  # a tile once written never changes
            data = fetch(tile.path())
            path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(path, data, "audit.copied-tile")
        advance(done, total)
    directory.mkdir(parents=True, exist_ok=True)
    write_durably(directory / "checkpoint", note, "audit.copied-checkpoint")
    return size


def _files(size: int) -> Iterator[Tile]:
    """All tiles and bundles of a log, its last bundle first: who cannot show that has no log of this size."""
    if not size:
        return
    end = (size - 1) // TILE_WIDTH
    last = Tile(ENTRIES, end, width_at(ENTRIES, end, size))
    yield last
    for tile in tiles_between(0, size):
        yield tile
        if tile.level == 0 and tile.n != end:
            yield tile._replace(level=ENTRIES)
