"""A whole log checked offline, from nothing but its files and a verifier key that the caller has from elsewhere.

`<dir>/checkpoint`, `<dir>/tile/<L>/<N>[.p/<W>]` and `<dir>/tile/entries/<N>[.p/<W>]` are recomputed from the entry bundles and compared
byte by byte. Memory stays below a few bundles (16 MiB each at most), however long the log.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tlog.checkpoint import Checkpoint, open_checkpoint
from tlog.errors import (
    BundleMalformed,
    ConsistencyFailed,
    FileBeyondCheckpoint,
    FileDiffers,
    FileMissing,
    FileStray,
    FileUnreadable,
    FileWidthWrong,
    RolledBack,
    RootMismatch,
)
from tlog.merkle import HASH_SIZE, Frontier, perfect_root, split
from tlog.note import MAX_NOTE_BYTES, VerifierKey
from tlog.report import Report
from tlog.tiles import ENTRIES, MAX_BUNDLE, TILE_WIDTH, Tile, bundle_leaves, decode_bundle, encode_bundle, width_at

Progress = Callable[[int, int], None]
"""(entries checked, entries in all), called after each bundle."""


class _Bundle(NamedTuple):
    """A checked bundle: the root of a full one, its leaf hashes where the caller still needs them, what was compared."""

    root: bytes
    leaves: bytes
    entry_bytes: int
    files: int


def verify_export(
    directory: Path,
    key: VerifierKey,
    *,
    origin: str | None = None,
    against: bytes | None = None,
    progress: Progress | None = None,
    processes: int = 1,
) -> Report:
    """Check everything in `directory` under `key`; `against` is an older checkpoint (a signed note of the same log and key).

    Returns what was checked and what stays unproven; raises the first TlogError found, files named by their path in the log.
    """
    checkpoint = open_checkpoint(_read(directory, "checkpoint", MAX_NOTE_BYTES), key, origin)
    old = None if against is None else open_checkpoint(against, key, checkpoint.origin)
    if old and old.size > checkpoint.size:
        raise RolledBack(old=old.size, new=checkpoint.size)
    for tile in _tiles_present(directory):
        if tile.width > width_at(tile.level, tile.n, checkpoint.size):
            raise FileBeyondCheckpoint(path=tile.path(), size=checkpoint.size)
    tree, upper, entry_bytes, files = Frontier(), _UpperTiles(directory, checkpoint.size), 0, 0
    old_root = tree.root()
    boundary = old.size // TILE_WIDTH if old else -1
    for n, bundle in enumerate(_bundles(directory, checkpoint.size, boundary, processes)):
        if old and n == boundary:
            old_root = _extended(tree, split(bundle.leaves)[: old.size % TILE_WIDTH]).root()
        if bundle.root:
            tree.append(bundle.root, height=8)
            upper.add(1, bundle.root)
        else:
            tree = _extended(tree, split(bundle.leaves))
        entry_bytes, files = entry_bytes + bundle.entry_bytes, files + bundle.files
        if progress:
            progress(tree.size, checkpoint.size)
    upper.finish()
    if tree.root() != checkpoint.root:
        raise RootMismatch(size=checkpoint.size, found=tree.root().hex(), signed=checkpoint.root.hex())
    if old and old.size == checkpoint.size:
        old_root = tree.root()
    if old and old_root != old.root:
        reason = f"the first {old.size} entries give {old_root.hex()}, signed was {old.root.hex()}"
        raise ConsistencyFailed(old=old.size, new=checkpoint.size, reason=reason)
    beside = tuple(sorted(set(os.listdir(directory)) - {"checkpoint", "tile"}))
    return Report(checkpoint, str(key), old, entry_bytes, files + upper.files, beside)


def _read(directory: Path, path: str, limit: int) -> bytes:
    try:
        with (directory / path).open("rb") as file:
            return file.read(limit + 1)
    except FileNotFoundError as error:
        raise FileMissing(path=path) from error
    except OSError as error:
        raise FileUnreadable(path=path, reason=error.strerror or type(error).__name__) from error


def _compare(directory: Path, tile: Tile, expected: bytes) -> None:
    path = tile.path()
    found = _read(directory, path, len(expected))
    if found != expected:
        if len(found) != len(expected):
            raise FileWidthWrong(path=path, reason=f"{len(found)} bytes instead of {len(expected)}")
        raise FileDiffers(path=path, byte=len(os.path.commonprefix([found, expected])))


def _compare_older(directory: Path, tile: Tile, first: Callable[[int], bytes]) -> int:
    """Partial tiles of earlier sizes may stay beside a tile: each is its first hashes or entries. How many were there."""
    folder = os.path.dirname(tile._replace(width=1).path())
    try:
        widths = {int(name) for name in os.listdir(directory / folder)} - {tile.width}
    except FileNotFoundError:
        return 0
    for width in sorted(widths):
        _compare(directory, tile._replace(width=width), first(width))
    return len(widths)


def _check_tile(directory: Path, tile: Tile, hashes: bytes) -> int:
    _compare(directory, tile, hashes)
    return 1 + _compare_older(directory, tile, lambda width: hashes[: width * HASH_SIZE])


def _check_bundle(directory: Path, size: int, keep: int, n: int) -> _Bundle:
    """Hash bundle n and compare the level 0 tile and everything older beside both; runs in worker processes too."""
    tile = Tile(ENTRIES, n, width_at(ENTRIES, n, size))
    data = _read(directory, tile.path(), MAX_BUNDLE)
    try:
        leaves = bundle_leaves(data, tile.width)
    except BundleMalformed as error:
        raise FileWidthWrong(path=tile.path(), reason=str(error.evidence["rule"])) from error
    files = 1 + _compare_older(directory, tile, lambda width: encode_bundle(decode_bundle(data, tile.width)[:width]))
    files += _check_tile(directory, tile._replace(level=0), leaves)
    full = tile.width == TILE_WIDTH
    return _Bundle(perfect_root(leaves) if full else b"", leaves if not full or n == keep else b"", len(data) - 2 * tile.width, files)


def _bundles(directory: Path, size: int, keep: int, processes: int) -> Iterator[_Bundle]:
    count, check = -(-size // TILE_WIDTH), partial(_check_bundle, directory, size, keep)
    with ExitStack() as stack:
        if processes > 1 and count > processes:
            pool = stack.enter_context(multiprocessing.get_context("spawn").Pool(processes))
            yield from pool.imap(check, range(count), chunksize=16)
        else:
            yield from map(check, range(count))


def _tiles_present(directory: Path) -> Iterator[Tile]:
    """Every file below `tile`, as coordinates. FileStray for a name no log gives to a file."""
    folders = ["tile"] if (directory / "tile").exists() else []
    while folders:
        folder = folders.pop()
        with os.scandir(directory / folder) as children:
            for child in children:
                if child.is_dir(follow_symlinks=False):
                    folders.append(f"{folder}/{child.name}")
                elif child.is_file():
                    yield Tile.parse(f"{folder}/{child.name}")
                else:
                    raise FileStray(path=f"{folder}/{child.name}")


def _extended(tree: Frontier, leaf_hashes: list[bytes]) -> Frontier:
    longer = tree.copy()
    longer.extend(leaf_hashes)
    return longer


class _UpperTiles:
    """Tiles of level 1 and above, compared as soon as the hashes below have filled them."""

    def __init__(self, directory: Path, size: int) -> None:
        self._directory, self._size, self.files = directory, size, 0
        self._open: dict[int, bytes] = {}
        self._closed: dict[int, int] = {}

    def add(self, level: int, hash_: bytes) -> None:
        self._open[level] = self._open.get(level, b"") + hash_
        if len(self._open[level]) == TILE_WIDTH * HASH_SIZE:
            self.add(level + 1, perfect_root(self._close(level)))

    def finish(self) -> None:
        for level in list(self._open):
            self._close(level)

    def _close(self, level: int) -> bytes:
        n, hashes = self._closed.get(level, 0), self._open.pop(level)
        self.files += _check_tile(self._directory, Tile(level, n, len(hashes) // HASH_SIZE), hashes)
        self._closed[level] = n + 1
        return hashes
