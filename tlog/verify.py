"""A whole log checked offline: recomputed from its entries with a key from elsewhere, in the memory of a few bundles (16 MiB at most)."""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tlog import errors
from tlog.checkpoint import Checkpoint, open_checkpoint
from tlog.merkle import EMPTY_ROOT, HASH_SIZE, Frontier, perfect_root, split
from tlog.note import MAX_NOTE_BYTES, VerifierKey
from tlog.tiles import ENTRIES, MAX_BUNDLE, TILE_WIDTH, Tile, bundle_leaves, decode_bundle, encode_bundle, read_regular, width_at

Progress = Callable[[int, int], None]
"""(entries checked, entries in all), called after each bundle."""


@dataclass(frozen=True, slots=True)
class Report:
    """A verification that found nothing wrong: `files` tiles and bundles were compared, the names `beside` were not looked at."""

    checkpoint: Checkpoint
    key: str
    against: Checkpoint | None
    entry_bytes: int
    files: int
    beside: tuple[str, ...]

    def proven(self) -> list[str]:
        log, size, old = self.checkpoint.origin, self.checkpoint.size, self.against.size if self.against else 0
        return [
            f"日志 {log} 的检查点由所给公钥签名 / the checkpoint of log {log} is signed by the key given",
            f"由全部 {size} 条（{self.entry_bytes} 字节）重算出所签树根 / all {size} entries give the signed root",
            f"树根 / root: {self.checkpoint.root.hex()}",
            f"{self.files} 个瓦片与条目包逐字节相符 / {self.files} tiles and bundles agree byte by byte",
            f"前 {old} 条与先前检查点一致，此后只有追加 / the first {old} entries are as at the earlier checkpoint, the rest was appended",
        ][: 5 if self.against else 4]

    def unproven(self) -> list[str]:
        rewritten = "not compared with an earlier checkpoint (--against): the key's holder could have rewritten history and re-signed it"
        lines = [
            f"未与先前检查点（--against）比对，密钥持有者可能已改写历史并重签 / {rewritten}",
            "所记是否属实、应记是否都已记入 / whether what is recorded is true, and whether all that happened was recorded",
            "他人是否见过另一份检查点，须比对 / whether others were shown another checkpoint: compare theirs, or a witness's",
            f"这 {self.checkpoint.size} 条之后的记录 / anything after these {self.checkpoint.size} entries",
            f"目录中未检查的其他文件 / other files there, not looked at: {', '.join(map(repr, self.beside[:10]))}",
        ]
        return lines[1 if self.against else 0 : None if self.beside else -1]

    def __str__(self) -> str:
        proven, unproven = ("".join(f"  - {line}\n" for line in lines) for lines in (self.proven(), self.unproven()))
        return f"校验通过 / verified\n公钥 / key: {self.key}\n已证明 / proven:\n{proven}未能证明 / not proven:\n{unproven}"


def verify_export(
    directory: Path, key: VerifierKey, *, against: bytes | None = None, progress: Progress = lambda _n, _size: None, processes: int = 1
) -> Report:
    """Check `checkpoint`, `tile/<L>/<N>[.p/<W>]` and `tile/entries/<N>[.p/<W>]` in `directory` under the key of the log.

    `against` is an older checkpoint, a note of the same log and key. Raises the first TlogError found, files named as above.
    """
    checkpoint = open_checkpoint(_read(directory, "checkpoint", MAX_NOTE_BYTES), key)
    size, old = checkpoint.size, None if against is None else open_checkpoint(against, key)
    if old and old.size > size:
        raise errors.RolledBack(old=old.size, new=size)
    _survey(directory, size)
    tree, upper, bytes_read, files, old_root = Frontier(), [b""] * 8, 0, 0, EMPTY_ROOT
    boundary, rest = divmod(old.size, TILE_WIDTH) if old else (-1, 0)
    for n, (leaves, root, bundle_bytes, bundle_files) in enumerate(_bundles(directory, size, processes)):
        if n == boundary:
            old_root = tree.extended(split(leaves)[:rest]).root()
        if root:
            tree.append(root, height=8)
            files += _raise_tiles(directory, upper, 1, n, root)
        else:
            tree = tree.extended(split(leaves))
        bytes_read, files = bytes_read + bundle_bytes, files + bundle_files
        progress(tree.size, size)
    for level, hashes in enumerate(upper):
        if hashes:
            files += _compare(directory, Tile(level, size >> 8 * (level + 1), len(hashes) // HASH_SIZE), hashes)
    if tree.root() != checkpoint.root:
        raise errors.RootMismatch(size=size, found=tree.root().hex(), signed=checkpoint.root.hex())
    if old and old.root != (tree.root() if old.size == size else old_root):
        raise errors.ConsistencyFailed(old=old.size, new=size, reason=f"root signed then: {old.root.hex()}")
    with _reading("."):
        beside = {path.name for path in directory.iterdir()} - {"checkpoint", "tile"}
    return Report(checkpoint, str(key), old, bytes_read, files, tuple(sorted(beside)))


def _read(directory: Path, path: str, limit: int) -> bytes:
    with _reading(path):
        return read_regular(directory / path, limit)


@contextmanager
def _reading(path: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise errors.FileMissing(path=path) from error
    except OSError as error:
        raise errors.FileUnreadable(path=path, reason=str(error.strerror)) from error


def _survey(directory: Path, size: int) -> None:
    """Look at every name below `tile`: only what a log of `size` holds may lie there. Malformed, FileBeyondCheckpoint, FileUnreadable."""
    folders = ["tile"] if (directory / "tile").exists() else []
    for folder in folders:  # which grows meanwhile
        with _reading(folder), os.scandir(directory / folder) as found:
            for item in found:
                if item.is_dir(follow_symlinks=False):
                    folders.append(f"{folder}/{item.name}")
                elif (tile := Tile.parse(f"{folder}/{item.name}")).width > width_at(tile.level, tile.n, size):
                    raise errors.FileBeyondCheckpoint(path=tile.path(), size=size)


def _compare(directory: Path, tile: Tile, data: bytes) -> int:
    """Compare a tile or bundle, and older partial ones left beside it, which are its first part. How many files they were."""
    widths, partials = {tile.width}, tile._replace(width=1).path().removesuffix("/1")  # folders in it are empty: `_survey` saw to that
    with suppress(errors.FileMissing), _reading(partials), os.scandir(directory / partials) as beside:
        widths |= {int(item.name) for item in beside if not item.is_dir(follow_symlinks=False)}
    bundled = tile.level == ENTRIES  # whose own file is where the data came from
    for width in sorted(widths - {tile.width} if bundled else widths, reverse=True):
        path = tile._replace(width=width).path()
        expected = encode_bundle(decode_bundle(data, tile.width)[:width]) if bundled else data[: width * HASH_SIZE]
        found = _read(directory, path, len(expected))
        if found != expected:
            at = next((at for at, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), len(found))
            raise errors.FileDiffers(path=path, reason=f"byte {at}; {len(found)}/{len(expected)} bytes")
    return len(widths)


def _raise_tiles(directory: Path, upper: list[bytes], level: int, n: int, hash_: bytes) -> int:
    """Take the n-th hash of a level; compare the tile it fills, whose root goes one level up. How many files were compared."""
    upper[level] += hash_
    if n % TILE_WIDTH != TILE_WIDTH - 1:
        return 0
    hashes, upper[level] = upper[level], b""
    files = _compare(directory, Tile(level, n // TILE_WIDTH), hashes)
    return files + _raise_tiles(directory, upper, level + 1, n // TILE_WIDTH, perfect_root(hashes))


def _bundles(directory: Path, size: int, processes: int) -> Iterator[tuple[bytes, bytes, int, int]]:
    check, numbers = partial(_check_bundle, directory, size), range(-(-size // TILE_WIDTH))
    if processes < 2 or len(numbers) < processes:
        yield from map(check, numbers)
        return
    # Not multiprocessing.Pool: ending one while tasks are still handed out can wait for ever.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        # `map` hands out all it is given before the first result, and how many files there really are nobody knows yet.
        for start in range(0, len(numbers), 512 * processes):
            yield from pool.map(check, numbers[start : start + 512 * processes], chunksize=16)


def _check_bundle(directory: Path, size: int, n: int) -> tuple[bytes, bytes, int, int]:
    """Hash bundle n and compare its level 0 tile; its leaf hashes, its root if full, the bytes of its entries, files compared."""
    tile = Tile(ENTRIES, n, width_at(ENTRIES, n, size))
    data = _read(directory, tile.path(), MAX_BUNDLE)
    try:
        leaves = bundle_leaves(data, tile.width)
    except errors.Malformed as error:
        raise errors.FileDiffers(path=tile.path(), reason=str(error.evidence["rule"])) from error
    files = _compare(directory, tile._replace(level=0), leaves) + _compare(directory, tile, data)
    return leaves, perfect_root(leaves) if tile.width == TILE_WIDTH else b"", len(data) - 2 * tile.width, files
