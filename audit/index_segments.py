"""The structure of the verifiable index: segments of entries, their sorted leaves, and the commitment over the cover of a size. Pure.

A segment holds 256 * 8**level entries, aligned. Its leaves, one for each subject in it, ascending by key, are hashed as RFC 6962 hashes a
log. Complete segments never change; eight of them give the next one by merging, so that no entry is read again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import islice
from typing import Final, NamedTuple

from audit.index_keys import key_of
from tlog.merkle import HASH_SIZE, Frontier, leaf_hash, perfect_root

BLOCK: Final = 256
FANOUT: Final = 8  # as the shift in `width` says
LEVELS: Final = 5
PARTIAL: Final = -1
_HASH: Final = hashlib.sha256()
PAGE: Final = 256
"""Leaves to a page: a perfect subtree of height 8, so that a page's root is a node of the tree above it."""


class Record(NamedTuple):
    """A subject in a segment: `indices` are its entries, uint64 each, ascending. Records compare by key, then by their first entry."""

    key: bytes
    name: bytes
    indices: bytes

    @property
    def numbers(self) -> list[int]:
        """The indices as numbers."""
        return numbers_of(self.indices)


class Segment(NamedTuple):
    """The n-th segment of a level, or the rest (level PARTIAL) behind the last complete one."""

    level: int
    start: int
    end: int

    @classmethod
    def at(cls, level: int, n: int) -> Segment:
        """A complete segment by its number within its level."""
        return cls(level, n * width(level), (n + 1) * width(level))

    @property
    def n(self) -> int:
        """The number within the level."""
        return self.start // width(self.level)


class Head(NamedTuple):
    """What is committed to of a segment: its entries [start, end), how many leaves it has, and their root."""

    start: int
    end: int
    leaves: int
    root: bytes

    def to_bytes(self) -> bytes:
        """uint64 start || uint64 end || uint64 leaves || root."""
        return b"".join(number.to_bytes(8, "big") for number in self[:3]) + self.root


def width(level: int) -> int:
    """How many entries a segment of a level holds."""
    return BLOCK << (3 * level)


def cover(size: int) -> Iterator[Segment]:
    """The segments whose heads a commitment to `size` is made of: from the left the largest complete one that fits, then the rest."""
    at = 0
    while size - at >= BLOCK:
        level = max(level for level in range(LEVELS) if at % width(level) == 0 and at + width(level) <= size)
        yield Segment(level, at, at + width(level))
        at += width(level)
    if at < size:
        yield Segment(PARTIAL, at, size)


def commitment(heads: Iterable[Head]) -> bytes:
    """The root over the heads of a cover, in order."""
    tree = Frontier()
    for head in heads:
        tree.append(leaf_hash(head.to_bytes()))
    return tree.root()


def records_of(start: int, names: Iterable[Iterable[bytes]]) -> list[Record]:
    """The records of consecutive entries from `start` on, given the names in each."""
    lists: dict[bytes, list[bytes]] = {}
    for index, found in enumerate(names, start):
        number = index.to_bytes(8, "big")
        for name in found:
            lists.setdefault(name, []).append(number)
    return sorted(Record(key_of(name), name, b"".join(numbers)) for name, numbers in lists.items())


def merged(parts: Sequence[Iterable[Record]]) -> Iterator[Record]:
    """The records of adjacent segments as those of one, a record at a time."""
    streams = merge(*parts)
    held = next(streams, None)
    if held is None:
        return
    pieces = [held.indices]
    for record in streams:
        if record.key == held.key:
            pieces.append(record.indices)
            continue
        yield held if len(pieces) == 1 else Record(held.key, held.name, b"".join(pieces))
        held, pieces = record, [record.indices]
    yield Record(held.key, held.name, b"".join(pieces))


def list_hash(name: bytes, indices: bytes) -> bytes:
    """SHA-256(name || indices): whoever does not know the subject cannot try lists against it."""
    state = _HASH.copy()  # which costs less than starting one, as tlog.merkle says
    state.update(name + indices)
    return state.digest()


def leaf_of(record: Record) -> bytes:
    """The hash of a record's leaf, whose data are its key and the hash of its list."""
    return leaf_hash(record.key + list_hash(record.name, record.indices))


def head_of_records(start: int, end: int, records: Iterable[Record]) -> Head:
    """The head of a segment that is held as a whole."""
    tree = Frontier()
    for record in records:
        tree.append(leaf_of(record))
    return Head(start, end, tree.size, tree.root())


class Page(NamedTuple):
    """A page of a segment as it is stored: the key of its first record, the root over its leaves, its records encoded."""

    first_key: bytes
    root: bytes
    data: bytes


class Builder:
    """Makes the pages of a segment from its records, and its head from them."""

    def __init__(self, start: int, end: int) -> None:
        """Begin the segment of entries [start, end)."""
        self._span = start, end
        self._tree = Frontier()
        self.roots: list[bytes] = []

    def pages(self, records: Iterable[Record]) -> Iterator[Page]:
        """The pages, one at a time."""
        left = iter(records)
        while page := list(islice(left, PAGE)):
            leaves = [leaf_of(record) for record in page]
            if len(page) == PAGE:
                root = perfect_root(b"".join(leaves))
                self._tree.append(root, height=8)
            else:
                root = Frontier().extended(leaves).root()
                self._tree = self._tree.extended(leaves)
            self.roots.append(root)
            yield Page(page[0].key, root, encode(page))

    @property
    def head(self) -> Head:
        """The head, once all pages were taken."""
        return Head(*self._span, self._tree.size, self._tree.root())


def encode(page: Iterable[Record]) -> bytes:
    """Write name || uint32 count || indices, for each record. The key is made from the name again."""
    return b"".join(b"".join((one.name, (len(one.indices) // 8).to_bytes(4, "big"), one.indices)) for one in page)


def decode(data: bytes) -> Iterator[Record]:
    """Inverse of `encode`."""
    at = 0
    while at < len(data):
        name, first = data[at : at + HASH_SIZE], at + HASH_SIZE + 4
        at = first + 8 * int.from_bytes(data[first - 4 : first], "big")
        yield Record(key_of(name), name, data[first:at])


def numbers_of(indices: bytes) -> list[int]:
    """uint64 each -> numbers."""
    return [int.from_bytes(indices[at : at + 8], "big") for at in range(0, len(indices), 8)]


def bytes_of(numbers: Iterable[int]) -> bytes:
    """Inverse of `numbers_of`."""
    return b"".join(number.to_bytes(8, "big") for number in numbers)
