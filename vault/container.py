"""The container of one case version: a directory in front, then the sealed values, so that one field opens without the others.

The directory tells which fields the record has, the ids of their items and the padded length of each value, and nothing else. Its
SHA-256 is part of every value's associated data: a container that lost, gained or exchanged a value opens nowhere.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import accumulate, chain
from typing import Final

from vault.errors import CannotOpen
from vault.sealed import FORMAT, OVERHEAD

Place = tuple[str, str]
"""A field path and an item id; the item id is empty for fields of the record itself."""

_HEAD: Final = struct.Struct(">BBHI")
_ENTRY: Final = struct.Struct(">HHI")


def write_directory(suite_id: int, places: Sequence[Place], sizes: Iterable[int]) -> bytes:
    """Return the directory of values of the given sizes; places are sorted and distinct. ValueError on a name with a line feed
    and past 65,535 values.
    """
    names = sorted({*chain.from_iterable(places)})
    joined = "\n".join(names)
    if joined.count("\n") >= max(len(names), 1):
        raise ValueError("a field path or item id with a line feed")
    if len(places) > 0xFFFF or len(names) > 0xFFFF:
        raise ValueError("a record of more than 65,535 values")
    number = {name: index for index, name in enumerate(names)}
    table = joined.encode()
    entries = b"".join([_ENTRY.pack(number[path], number[item], size) for (path, item), size in zip(places, sizes, strict=True)])
    return _HEAD.pack(FORMAT, suite_id, len(places), len(table)) + table + entries


class Container:
    """A container that was read, not opened: where each sealed value lies. `CannotOpen` on bytes that are no container."""

    __slots__ = ("_blob", "_spans", "digest", "suite_id")

    def __init__(self, blob: bytes) -> None:
        self._blob = blob
        try:
            version, self.suite_id, count, names_size = _HEAD.unpack_from(blob)
            entries_at = _HEAD.size + names_size
            values_at = entries_at + count * _ENTRY.size
            if version != FORMAT or values_at > len(blob):
                raise CannotOpen
            names = blob[_HEAD.size : entries_at].decode().split("\n")
            entries = list(_ENTRY.iter_unpack(blob[entries_at:values_at]))
            ends = list(accumulate((size for _, _, size in entries), initial=values_at))
            self._spans: dict[Place, tuple[int, int]] = {
                (names[path], names[item]): (ends[index], ends[index + 1]) for index, (path, item, _) in enumerate(entries)
            }
        except (struct.error, UnicodeDecodeError, IndexError):
            raise CannotOpen from None
        if ends[-1] != len(blob) or len(self._spans) != count or any(size < OVERHEAD for _, _, size in entries):
            raise CannotOpen
        self.digest = sha256(blob[:values_at]).digest()

    @property
    def places(self) -> tuple[Place, ...]:
        """Every field path and item id the container has a value for, sorted."""
        return tuple(self._spans)

    def items(self, path: str) -> tuple[str, ...]:
        """The item ids of one field."""
        return tuple(item for place, item in self._spans if place == path)

    def value(self, path: str, item_id: str) -> bytes:
        """Return the sealed value of one place; `CannotOpen` where there is none."""
        try:
            start, end = self._spans[path, item_id]
        except KeyError:
            raise CannotOpen from None
        return self._blob[start:end]
