"""Tiles and entry bundles (c2sp.org/tlog-tiles): where they lie, what is in them, and hashes read from them."""

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Self

from tlog.errors import FileDiffers, FileMissing, Malformed, RangeInvalid
from tlog.merkle import HASH_SIZE, LEAF_PREFIX, HashSource, perfect_root, range_root

TILE_WIDTH = 256
MAX_ENTRY = 0xFFFF
MAX_BUNDLE = TILE_WIDTH * (2 + MAX_ENTRY)
ENTRIES = -1  # the level of entry bundles: `tile/entries`, cut like the hash tiles of level 0

Read = Callable[[str], bytes]
"""A path within the log ("tile/0/000") -> its bytes; FileNotFoundError where there is none."""

# Opening a pipe waits for its writer, unless told not to. Not every system has these names.
_OPENED_AS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_PATH = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([0-9]{1,3}))?", re.ASCII)


class Tile(NamedTuple):
    """Coordinates: level (ENTRIES for a bundle), the n-th within the level, width (256 when full)."""

    level: int
    n: int
    width: int = TILE_WIDTH

    def path(self) -> str:
        """`tile/<L>/<N>[.p/<W>]`, with N in groups of three digits: 1234067 -> `x001/x234/067`."""
        *high, last = f"{self.n:,}".split(",")
        groups = "".join(f"x{group:0>3}/" for group in high) + f"{last:0>3}"
        partial = f".p/{self.width}" if self.width < TILE_WIDTH else ""
        return f"tile/{'entries' if self.level == ENTRIES else self.level}/{groups}{partial}"

    @classmethod
    def parse(cls, path: str) -> Self:
        """Inverse of `path`, for exactly the spellings it makes. Malformed."""
        if match := _PATH.fullmatch(path):
            level, groups, width = match.groups(default="256")
            tile = cls(ENTRIES if level == "entries" else int(level), int(groups.replace("/", "").replace("x", "")), int(width))
            if tile.path() == path and tile.level < 64 and tile.width > 0:
                return tile
        raise Malformed(what="tile path", rule=repr(path))


def width_at(level: int, n: int, size: int) -> int:
    """How many hashes or entries tile (level, n) holds in a tree of `size`: 0 to 256."""
    return min(TILE_WIDTH, max(0, (size >> (8 * max(level, 0))) - n * TILE_WIDTH))


def tiles_between(old_size: int, new_size: int) -> Iterator[Tile]:
    """Hash tiles to write when a published tree grows, those now full and the new partial ones. Bundles are cut like level 0."""
    level = 0
    while hashes := new_size >> (8 * level):
        before = old_size >> (8 * level)
        for n in range(before // TILE_WIDTH, -(-hashes // TILE_WIDTH)) if hashes != before else ():
            yield Tile(level, n, width_at(level, n, new_size))
        level += 1


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """uint16 big-endian length || entry, for at most 256 entries of at most 65,535 bytes. Malformed."""
    if len(entries) > TILE_WIDTH or any(len(entry) > MAX_ENTRY for entry in entries):
        raise Malformed(what="entry bundle", rule=f"at most {TILE_WIDTH} entries of at most {MAX_ENTRY} bytes")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def decode_bundle(data: bytes, width: int) -> list[bytes]:
    """The entries of a bundle. Malformed unless exactly `width` of them fill it."""
    entries, at = [], 0
    try:
        for _ in range(width):
            start = at + 2
            at = start + (data[at] << 8 | data[at + 1])
            entries.append(data[start:at])
    except IndexError:
        at = -1
    if at != len(data):
        raise Malformed(what="entry bundle", rule=f"not exactly {width} entries")
    return entries


def bundle_leaves(data: bytes, width: int) -> bytes:
    """The leaf hashes of a bundle, concatenated: its level 0 tile. Malformed. The verifier's inner loop."""
    leaves, copy = [], LEAF_PREFIX.copy
    for entry in decode_bundle(data, width):
        state = copy()
        state.update(entry)
        leaves.append(state.digest())
    return b"".join(leaves)


def read_regular(path: Path, limit: int = 1 << 62) -> bytes:
    """A file, or its first `limit` + 1 bytes. OSError also for pipes and devices, at which a reader could wait for ever."""
    with os.fdopen(os.open(path, _OPENED_AS), "rb") as file:
        found = os.fstat(file.fileno())  # of what was opened, which nobody can exchange any more
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        return file.read(min(found.st_size, limit) + 1)


def tile_source(read: Read, size: int) -> HashSource:
    """Hashes as the tiles of a tree of `size` give them; the root they lead to tells whether to trust them. FileMissing, FileDiffers."""

    @lru_cache(maxsize=64)
    def tile(level: int, n: int) -> bytes:
        # A log may drop a partial tile once the full one is there, which begins with it.
        for width in (width_at(level, n, size), TILE_WIDTH):
            with suppress(FileNotFoundError):
                data = read(Tile(level, n, width).path())
                if len(data) != width * HASH_SIZE:
                    raise FileDiffers(path=Tile(level, n, width).path(), reason=f"{len(data)} bytes")
                return data
        raise FileMissing(path=Tile(level, n, width_at(level, n, size)).path())

    def hash_at(height: int, index: int) -> bytes:
        if (index + 1) << height > size:
            raise RangeInvalid(index=(index + 1) << height, size=size)
        level, inner = divmod(height, 8)
        n, place = divmod(index << inner, TILE_WIDTH)
        return perfect_root(tile(level, n)[place * HASH_SIZE : (place + (1 << inner)) * HASH_SIZE])

    return hash_at


def root_from_tiles(size: int, read: Read) -> bytes:
    """The root of the tree of `size` as its tiles give it. FileMissing, FileDiffers."""
    return range_root(0, size, tile_source(read, size))
