"""The Merkle tree of RFC 6962 section 2.1 (the same tree in RFC 9162 section 2.1).

Hashes are 32 `bytes`; MTH(D[n]) is the root over n leaves. Every check raises a named error; none returns a bool.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from typing import Self

from tlog.errors import ConsistencyFailed, InclusionFailed, Malformed, RangeInvalid, RolledBack

HASH_SIZE = 32
MAX_SIZE = 2**63 - 1  # sizes are int64 in other implementations of the format
EMPTY_ROOT = hashlib.sha256().digest()

HashSource = Callable[[int, int], bytes]
"""(height, i) -> MTH(D[i * 2**height : (i + 1) * 2**height]); only ever asked for perfect subtrees."""

# Copying a started hash costs less than starting one, for which OpenSSL 3 looks the algorithm up each time.
LEAF_PREFIX = hashlib.sha256(b"\x00")
NODE_PREFIX = hashlib.sha256(b"\x01")


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 || entry)."""
    state = LEAF_PREFIX.copy()
    state.update(entry)
    return state.digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    state = NODE_PREFIX.copy()
    state.update(left + right)
    return state.digest()


def perfect_root(hashes: bytes) -> bytes:
    """The root over 2**k concatenated hashes, k >= 0."""
    copy = NODE_PREFIX.copy
    while len(hashes) > HASH_SIZE:
        above = []
        for at in range(0, len(hashes), 2 * HASH_SIZE):
            state = copy()
            state.update(hashes[at : at + 2 * HASH_SIZE])
            above.append(state.digest())
        hashes = b"".join(above)
    return hashes


def split(hashes: bytes) -> list[bytes]:
    return [hashes[at : at + HASH_SIZE] for at in range(0, len(hashes), HASH_SIZE)]


class Frontier:
    """A tree as one hash per set bit of its size, the largest perfect subtree first. Appends in place; copies are cheap."""

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size, self._peaks = size, list(peaks)

    def append(self, hash_: bytes, height: int = 0) -> None:
        """Append a leaf hash, or the root of a perfect subtree of 2**height leaves. RangeInvalid unless that divides the size."""
        if self.size & ((1 << height) - 1):
            raise RangeInvalid(index=self.size, size=1 << height)
        carries = self.size >> height
        while carries & 1:
            hash_ = node_hash(self._peaks.pop(), hash_)
            carries >>= 1
        self._peaks.append(hash_)
        self.size += 1 << height

    def extended(self, leaf_hashes: Iterable[bytes]) -> "Frontier":
        """A copy with leaf hashes appended."""
        twin = Frontier(self.size, self._peaks)
        for hash_ in leaf_hashes:
            twin.append(hash_)
        return twin

    def root(self) -> bytes:
        """MTH over everything appended; EMPTY_ROOT for nothing."""
        return _fold(self._peaks)

    def to_bytes(self) -> bytes:
        """uint64 big-endian size, then the hashes, the largest subtree first."""
        return self.size.to_bytes(8, "big") + b"".join(self._peaks)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Inverse of `to_bytes`. Malformed where the length does not fit the size."""
        size = int.from_bytes(data[:8], "big")
        if size > MAX_SIZE or len(data) != 8 + HASH_SIZE * size.bit_count():
            raise Malformed(what="frontier", rule="8 bytes of size, then 32 bytes for each of its set bits")
        return cls(size, split(data[8:]))


def _fold(peaks: Sequence[bytes]) -> bytes:
    return reduce(lambda root, peak: node_hash(peak, root), reversed(peaks)) if peaks else EMPTY_ROOT


def range_root(start: int, end: int, source: HashSource) -> bytes:
    """MTH(D[start:end]) where start is a multiple of the least power of two >= end - start, as it is wherever trees split."""
    peaks = []
    while start < end:
        height = (end - start).bit_length() - 1
        peaks.append(source(height, start >> height))
        start += 1 << height
    return _fold(peaks)


def _descend(index: int, size: int) -> Iterator[tuple[int, int, int, int]]:
    """From the root towards a leaf: the range (start, end) gone into and the sibling range left aside at each split."""
    start, end = 0, size
    while end - start > 1:
        middle = start + (1 << ((end - start - 1).bit_length() - 1))
        aside = (middle, end) if index < middle else (start, middle)
        start, end = (start, middle) if index < middle else (middle, end)
        yield start, end, *aside


def inclusion_path(index: int, size: int, source: HashSource) -> list[bytes]:
    """PATH(index, D[size]) of RFC 6962 section 2.1.1, the leaf's sibling first. RangeInvalid outside the tree."""
    if not 0 <= index < size <= MAX_SIZE:
        raise RangeInvalid(index=index, size=size)
    return [range_root(left, right, source) for _, _, left, right in _descend(index, size)][::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf hash stands at `index` of the tree (RFC 9162 section 2.1.3.2). RangeInvalid, InclusionFailed."""
    if not 0 <= index < size <= MAX_SIZE:
        raise RangeInvalid(index=index, size=size)
    # Up to `inner` the index bits tell the side; above, on the tree's right border, every sibling is a left one.
    inner = (index ^ (size - 1)).bit_length()
    if len(path) != inner + (index >> inner).bit_count():
        raise InclusionFailed(index=index, size=size, reason=f"path of {len(path)} hashes")
    found = leaf
    for depth, sibling in enumerate(path):
        found = node_hash(sibling, found) if depth >= inner or index >> depth & 1 else node_hash(found, sibling)
    if found != root:
        raise InclusionFailed(index=index, size=size, reason=f"{found.hex()} is not the root {root.hex()}")


def consistency_path(old_size: int, new_size: int, source: HashSource) -> list[bytes]:
    """PROOF(old_size, D[new_size]) of RFC 6962 section 2.1.2; empty where the old tree is empty or the same. RangeInvalid."""
    if not 0 <= old_size <= new_size <= MAX_SIZE:
        raise RangeInvalid(index=old_size, size=new_size)
    path: list[bytes] = []
    for start, end, left, right in _descend(old_size - 1, new_size) if old_size not in {0, new_size} else ():
        path.append(range_root(left, right, source))
        if end == old_size:
            if start:  # otherwise the old tree is itself a node of the new one, and the verifier has its root
                path.append(range_root(start, end, source))
            break
    return path[::-1]


def verify_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: Sequence[bytes]) -> None:
    """Check that the new tree begins with all of the old one (RFC 9162 section 2.1.4.2). RolledBack, ConsistencyFailed."""
    if old_size > new_size:
        raise RolledBack(old=old_size, new=new_size)
    failed = ConsistencyFailed(old=old_size, new=new_size, reason=f"{len(path)} hashes: {old_root.hex()} -> {new_root.hex()}")
    if old_size in {0, new_size}:
        if path or old_root != (new_root if old_size else EMPTY_ROOT) or (new_size == 0 and new_root != EMPTY_ROOT):
            raise failed
        return
    node, last = old_size - 1, new_size - 1
    while node & 1:  # up to the old tree's last perfect subtree, where both computations start
        node, last = node >> 1, last >> 1
    hashes = list(path) if node else [old_root, *path]  # node 0: that is all of the old tree, and the proof leaves its root out
    old = new = hashes[0] if hashes else b""
    for sibling in hashes[1:]:
        if last == 0:
            raise failed
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    if last or old != old_root or new != new_root:
        raise failed
