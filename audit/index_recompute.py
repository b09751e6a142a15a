"""The index derived again from the entries alone, one after the other, in little memory: for whoever holds them all, and for `fsck`.

Segments lie as files of records in a folder of one's own, and are merged from there; what stays in memory is the block being read, one
subject's entries while it is merged, and 40 bytes for each segment there ever was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audit.errors import EntryRefused
from audit.index_keys import committed_by, read
from audit.index_segments import (
    BLOCK,
    FANOUT,
    LEVELS,
    PARTIAL,
    Builder,
    Head,
    Page,
    Record,
    Segment,
    commitment,
    cover,
    decode,
    head_of_records,
    merged,
    records_of,
)
from tlog.checkpoint import Checkpoint
from tlog.errors import FileDiffers, Malformed, RootMismatch, TlogError
from tlog.merkle import HASH_SIZE, Frontier, leaf_hash, perfect_root
from tlog.tiles import ENTRIES, MAX_BUNDLE, TILE_WIDTH, Tile, decode_bundle, read_regular, width_at

Names = tuple[bytes, ...]
Block = Callable[[int], list[Names]]
"""n -> the names in each entry of block n, which was read before: for commitments that lie further back than the present block."""
Segments = Callable[[Segment, Head, Iterable[Page]], None]
"""Told of each complete segment; its pages are there during the call alone."""
_HEAD: Final = 8 + HASH_SIZE


class IndexDiffers(TlogError):
    text = (
        "索引与条目不符：序号 {index} 的条目所承诺的前 {size} 条的索引根，不是由这些条目重算的根"
        " / the index is not true to the entries: the root that the entry at index {index} commits to for the first {size} entries"
        " is not the one they give"
    )


class CommitmentMalformed(TlogError):
    text = "序号 {index} 的条目不是合规的索引承诺 / the entry at index {index} is no commitment by the rule of the index"


class EntryUnreadable(TlogError):
    text = "序号 {index} 的条目不是规范的审计条目 / the entry at index {index} is no audit entry in its canonical form"


@dataclass(frozen=True, slots=True)
class Derived:
    """What held: how many commitments, of which the last is to the first `size` entries (0: none)."""

    commitments: int
    size: int

    def __str__(self) -> str:
        if not self.commitments:
            return "日志中没有索引承诺 / no index is committed to in this log"
        return (
            f"{self.commitments} 个索引承诺均与由条目重算的一致，最后一个涵盖前 {self.size} 条"
            f" / {self.commitments} commitments to the index are those the entries give; the last covers the first {self.size} entries"
        )


class Recomputation:
    """Takes the entries of a log in order and knows the root of the index at every size up to there."""

    def __init__(self, folder: Path, block: Block, segments: Segments | None = None) -> None:
        """Work in `folder`, which is one's own; `segments` is called for each segment when it is complete."""
        self._folder = folder
        self._block = block
        self._segments = segments
        self._tree = Frontier()
        self._leaves: list[bytes] = []
        self._names: list[Names] = []
        self._heads = [bytearray() for _ in range(LEVELS)]
        self.size = 0
        self.commitments = 0
        self.committed = 0

    def take(self, body: bytes) -> None:
        """Take the next entry. EntryUnreadable; for a commitment also CommitmentMalformed, IndexDiffers."""
        try:
            members, names = read(body)
        except EntryRefused:
            raise EntryUnreadable(index=self.size) from None
        if members["kind"] == "log.indexed":
            made = committed_by(members, self.size)
            if made is None:
                raise CommitmentMalformed(index=self.size)
            if self.root(made[0]) != made[1]:
                raise IndexDiffers(index=self.size, size=made[0])
            self.commitments, self.committed = self.commitments + 1, max(self.committed, made[0])
        self._leaves.append(leaf_hash(body))
        self._names.append(names)
        self.size += 1
        if len(self._names) == BLOCK:
            records = records_of(self.size - BLOCK, self._names)
            self._tree.append(perfect_root(b"".join(self._leaves)), height=8)
            self._leaves, self._names = [], []
            self._complete(Segment(0, self.size - BLOCK, self.size), records)

    def log_root(self) -> bytes:
        """The root of the log itself over all entries that were taken."""
        return self._tree.extended(self._leaves).root()

    def root(self, size: int) -> bytes:
        """The root of the index of the first `size` entries, all of which were taken."""
        return commitment(map(self._head, cover(size)))

    def derived(self) -> Derived:
        """What held so far."""
        return Derived(self.commitments, self.committed)

    def _head(self, segment: Segment) -> Head:
        if segment.level != PARTIAL:
            at = segment.n * _HEAD
            kept = self._heads[segment.level][at : at + _HEAD]
            return Head(segment.start, segment.end, int.from_bytes(kept[:8], "big"), bytes(kept[8:]))
        here = segment.start // BLOCK == self.size // BLOCK
        names = self._names if here else self._block(segment.start // BLOCK)
        records = records_of(segment.start, names[: segment.end - segment.start])
        return head_of_records(segment.start, segment.end, records)

    def _complete(self, segment: Segment, records: Iterable[Record]) -> None:
        builder = Builder(segment.start, segment.end)
        file = self._file(segment)
        with file.open("wb") as kept:
            for page in builder.pages(records):
                kept.write(len(page.data).to_bytes(8, "big") + page.data)
        head = builder.head
        self._heads[segment.level] += head.leaves.to_bytes(8, "big") + head.root
        if self._segments is not None:
            self._segments(segment, head, Builder(segment.start, segment.end).pages(self._records(segment)))
        level, n = segment.level + 1, segment.n
        if level == LEVELS:
            file.unlink()
        elif n % FANOUT == FANOUT - 1:
            parts = [Segment.at(segment.level, one) for one in range(n - FANOUT + 1, n + 1)]
            self._complete(Segment.at(level, n // FANOUT), merged([self._records(part) for part in parts]))
            for part in parts:
                self._file(part).unlink()

    def _records(self, segment: Segment) -> Iterator[Record]:
        with self._file(segment).open("rb") as kept:
            while length := kept.read(8):
                yield from decode(kept.read(int.from_bytes(length, "big")))

    def _file(self, segment: Segment) -> Path:
        return self._folder / f"{segment.level}-{segment.n}"


def verify_index(
    directory: Path, checkpoint: Checkpoint, folder: Path, progress: Callable[[int, int], None] = lambda _n, _size: None
) -> Derived:
    """Derive the index of an exported log, whose export was verified to be that of the checkpoint, and compare every commitment in it.

    `folder` is for what does not fit into memory. Raises the first TlogError found.
    """
    size = checkpoint.size
    work = Recomputation(folder, lambda n: [read(body).names for body in _bundle(directory, n, size)])
    for n in range(-(-size // TILE_WIDTH)):
        for body in _bundle(directory, n, size):
            work.take(body)
        progress(work.size, size)
    if work.log_root() != checkpoint.root:
        raise RootMismatch(size=size, found=work.log_root().hex(), signed=checkpoint.root.hex())
    return work.derived()


def _bundle(directory: Path, n: int, size: int) -> list[bytes]:
    tile = Tile(ENTRIES, n, width_at(ENTRIES, n, size))
    try:
        return decode_bundle(read_regular(directory / tile.path(), MAX_BUNDLE), tile.width)
    except (OSError, Malformed):
        raise FileDiffers(path=tile.path(), reason="changed while it was checked") from None
