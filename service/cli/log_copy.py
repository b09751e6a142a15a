"""Copying a published log over HTTP into the static form that `audit verify` checks: hash tiles and entry bundles, the checkpoint last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from audit.errors import ExportDiffers
from audit.export import clear_copy
from foundation.durable import write_durably
from service.cli.terminal import CommandFailed
from tlog.checkpoint import Checkpoint, open_checkpoint
from tlog.errors import TlogError
from tlog.note import VerifierKey, parse_note
from tlog.tiles import ENTRIES, TILE_WIDTH, Tile, read_regular, tiles_between, width_at

Fetch = Callable[[str], bytes]
"""A file of the log by its name in the static form: `checkpoint`, `tile/0/000`, `tile/entries/000.p/17`."""


def copy_log(
    fetch: Fetch, directory: Path, advance: Callable[[int, int], None] = lambda _done, _all: None, key: VerifierKey | None = None
) -> int:
    """Copy the log as it is published now; return its size. TlogError where `key` is given and did not sign the checkpoint.

    CommandFailed where the directory holds an export of another log; ExportDiffers where it holds a larger one.
    Nothing else is believed here: checking the copy is `tlog.verify`'s work. One file at a time is held, whatever the size claimed.
    """
    note = fetch("checkpoint")
    published = Checkpoint.parse(parse_note(note).text) if key is None else open_checkpoint(note, key)
    size = published.size
    older = must_be_of(directory, published.origin)
    if older is not None and older.size > size:
        raise ExportDiffers(path="checkpoint")
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


def must_be_of(directory: Path, origin: str) -> Checkpoint | None:
    """The checkpoint of an export that is in `directory`, or None. CommandFailed where that is of another log than `origin`."""
    try:
        held = Checkpoint.parse(parse_note(read_regular(directory / "checkpoint")).text)
    except FileNotFoundError:
        return None
    except TlogError:
        raise ExportDiffers(path="checkpoint") from None
    if held.origin != origin:
        raise CommandFailed(
            f"{directory} 中是日志 {held.origin} 的导出，不是 {origin} 的；未作任何改动，请另选一个空目录。",
            f"{directory} holds an export of the log {held.origin}, not of {origin}; it was left alone. Give an empty directory.",
        )
    return held


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
