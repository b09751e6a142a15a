"""Copying a published log over HTTP into the static form that `audit verify` checks: hash tiles and entry bundles, the checkpoint last."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from audit.anchor import write_durably
from tlog.checkpoint import Checkpoint
from tlog.note import parse_note
from tlog.tiles import ENTRIES, tiles_between

Fetch = Callable[[str], bytes]
"""A file of the log by its name in the static form: `checkpoint`, `tile/0/000`, `tile/entries/000.p/17`."""


def copy_log(fetch: Fetch, directory: Path, advance: Callable[[int, int], None] = lambda _done, _all: None) -> int:
    """Copy the log as it is published now; return its size. Nothing is believed here: checking the copy is `tlog.verify`'s work."""
    note = fetch("checkpoint")
    size = Checkpoint.parse(parse_note(note).text).size
    tiles = list(tiles_between(0, size))
    files = [*tiles, *(tile._replace(level=ENTRIES) for tile in tiles if tile.level == 0)]
    for done, tile in enumerate(files, start=1):
        path = directory / tile.path()
        if not path.exists():  # a tile once written never changes
            path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(path, fetch(tile.path()), "audit.copied-tile")
        advance(done, len(files))
    directory.mkdir(parents=True, exist_ok=True)
    write_durably(directory / "checkpoint", note, "audit.copied-checkpoint")
    return size
