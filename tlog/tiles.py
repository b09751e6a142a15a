"""Tiles and entry bundles (c2sp.org/tlog-tiles): where they lie, what is in them, and hashes read from them."""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Self

from tlog.errors import BundleMalformed, FileMissing, FileStray, FileWidthWrong, RangeInvalid
from tlog.merkle import HASH_SIZE, LEAF_PREFIX, perfect_root, range_root

TILE_WIDTH = 256
MAX_ENTRY = 0xFFFF
MAX_BUNDLE = TILE_WIDTH * (2 + MAX_ENTRY)
ENTRIES = -1  # the level of entry bundles: `tile/entries`, cut like the hash tiles of level 0

Read = Callable[[str], bytes]
"""A path within the log ("tile/0/000") -> its bytes; FileNotFoundError where there is none."""

_PATH = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([0-9]{1,3}))?", re.ASCII)
_KEPT_TILES = 64


class Tile(NamedTuple):
    """Coordinates: level (ENTRIES for a bundle), the n-th within the level, width (256 when full)."""

    level: int
    n: int
    width: int = TILE_WIDTH

    def path(self) -> str:
        """`tile/<L>/<N>[.p/<W>]`, with N in groups of three digits: 1234067 -> `x001/x234/067`."""
        rest, last = divmod(self.n, 1000)
        groups = f"{last:03}"
        while rest:
            rest, group = divmod(rest, 1000)
            groups = f"x{group:03}/{groups}"
        partial = f".p/{self.width}" if self.width < TILE_WIDTH else ""
        return f"tile/{'entries' if self.level == ENTRIES else self.level}/{groups}{partial}"

    @classmethod
    def parse(cls, path: str) -> Self:
        """Inverse of `path`, for exactly the spellings it makes. FileStray."""
        if match := _PATH.fullmatch(path):
            level, groups, width = match.groups(default="256")
            tile = cls(ENTRIES if level == "entries" else int(level), int(groups.replace("/", "").replace("x", "")), int(width))
            if tile.path() == path and tile.level < 64 and tile.width > 0:
                return tile
        raise FileStray(path=path)


def width_at(level: int, n: int, size: int) -> int:
    """How many hashes or entries tile (level, n) holds in a tree of `size`: 0 to 256."""
    return min(TILE_WIDTH, max(0, (size >> (8 * max(level, 0))) - n * TILE_WIDTH))


def tiles_between(old_size: int, new_size: int) -> Iterator[Tile]:
    """Hash tiles to write when a published tree grows: those that became full, and the new partial ones; from size 0 all of them."""
    level = 0
    while hashes := new_size >> (8 * level):
        before = old_size >> (8 * level)
        for n in range(before // TILE_WIDTH, -(-hashes // TILE_WIDTH)):
            if hashes != before:
                yield Tile(level, n, width_at(level, n, new_size))
        level += 1


def bundles_between(old_size: int, new_size: int) -> Iterator[Tile]:
    """Entry bundles to write when a published tree grows."""
    return (Tile(ENTRIES, n, width) for level, n, width in tiles_between(old_size, new_size) if level == 0)


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """uint16 big-endian length || entry, for at most 256 entries of at most 65,535 bytes. BundleMalformed."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY or len(parts) == 2 * TILE_WIDTH:
            raise BundleMalformed(rule=f"at most {TILE_WIDTH} entries of at most {MAX_ENTRY} bytes")
        parts += len(entry).to_bytes(2, "big"), entry
    return b"".join(parts)


def decode_bundle(data: bytes, width: int) -> list[bytes]:
    """The entries of a bundle. BundleMalformed unless exactly `width` of them fill it."""
    entries, at = [], 0
    try:
        for _ in range(width):
            start = at + 2
            at = start + (data[at] << 8 | data[at + 1])
            entries.append(data[start:at])
    except IndexError:
        at = -1
    if at != len(data):
        raise BundleMalformed(rule=f"not exactly {width} entries")
    return entries


def bundle_leaves(data: bytes, width: int) -> bytes:
    """The leaf hashes of a bundle, concatenated: its level 0 tile. BundleMalformed. The verifier's inner loop."""
    leaves, copy = [], LEAF_PREFIX.copy
    for entry in decode_bundle(data, width):
        state = copy()
        state.update(entry)
        leaves.append(state.digest())
    return b"".join(leaves)


def directory_reader(directory: Path) -> Read:
    """Read from a directory laid out like the log's URLs."""
    return lambda path: (directory / path).read_bytes()


class TileSource:
    """A `HashSource` over the tiles of a tree of `size`; keeps the last 64 tiles (at most 512 KiB).

    It returns what the tiles say: who does not trust them checks the root they lead to.
    FileMissing, FileWidthWrong; RangeInvalid beyond the size.
    """

    def __init__(self, read: Read, size: int) -> None:
        self._read, self._size = read, size
        self._kept: OrderedDict[Tile, bytes] = OrderedDict()

    def __call__(self, height: int, index: int) -> bytes:
        if (index + 1) << height > self._size:
            raise RangeInvalid(index=(index + 1) << height, size=self._size)
        level, inner = divmod(height, 8)
        n, place = divmod(index << inner, TILE_WIDTH)
        tile = Tile(level, n, width_at(level, n, self._size))
        data = self._kept[tile] = self._kept.pop(tile, b"") or self._fetch(tile)
        if len(self._kept) > _KEPT_TILES:
            self._kept.popitem(last=False)
        return perfect_root(data[place * HASH_SIZE : (place + (1 << inner)) * HASH_SIZE])

    def _fetch(self, tile: Tile) -> bytes:
        # A log may drop a partial tile once the full one is there, which begins with it.
        for candidate in (tile, tile._replace(width=TILE_WIDTH)):
            try:
                data = self._read(candidate.path())
            except FileNotFoundError:
                continue
            if len(data) != candidate.width * HASH_SIZE:
                raise FileWidthWrong(path=candidate.path(), reason=f"{len(data)} bytes")
            return data
        raise FileMissing(path=tile.path())


def root_from_tiles(size: int, read: Read) -> bytes:
    """The root of the tree of `size` as its tiles give it. FileMissing, FileWidthWrong."""
    return range_root(0, size, TileSource(read, size))
