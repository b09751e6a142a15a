"""The verifiable index word for word after docs/formats/log-index.md, with no help from the room `audit`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from signed_log import mth

PERSONS = ("person", "applicant", "approver", "deputy", "holder")
NAMED = {f"{name}{ending}": "person" for name in PERSONS for ending in ("", "_id")} | {
    f"{kind}{ending}": kind for kind in ("account", "case", "grant") for ending in ("", "_id")
}


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def subjects(members: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Every (kind, id) an entry concerns."""
    found = {(kind, members["actor"][kind]) for kind in ("account", "person") if kind in members["actor"]}
    found |= {("case", one) for one in members.get("cases", ())}
    if "grant" in members:
        found.add(("grant", members["grant"]))
    about = members.get("object")
    if about and about["kind"] in {"account", "case", "grant", "person"}:
        found.add((about["kind"], about["id"]))
    for name, value in members.get("data", {}).items():
        if name in NAMED:
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, str) and len(one) == 36 and one[14] == "7":
                    found.add((NAMED[name], one))
    return found


def name(kind: str, subject: str) -> bytes:
    return sha(b"petition-archive/log-index/v1\n" + f"{kind}:{subject}".encode())


def ranges(size: int) -> list[tuple[int, int]]:
    """The cover of a size."""
    found = []
    at = 0
    while at < size:
        fitting = [256 * 8**level for level in range(5) if at % (256 * 8**level) == 0 and at + 256 * 8**level <= size]
        end = at + max(fitting) if fitting else size
        found.append((at, end))
        at = end
    return found


def leaves(every: Sequence[set[tuple[str, str]]], start: int, end: int) -> dict[bytes, bytes]:
    """key -> leaf data of a segment, ascending."""
    lists: dict[bytes, bytes] = {}
    for index in range(start, end):
        for subject in every[index]:
            lists[name(*subject)] = lists.get(name(*subject), b"") + index.to_bytes(8, "big")
    return dict(sorted((sha(one), sha(one) + sha(one + indices)) for one, indices in lists.items()))


def head(every: Sequence[set[tuple[str, str]]], start: int, end: int) -> bytes:
    data = leaves(every, start, end).values()
    root = mth([sha(b"\x00" + one) for one in data])
    return b"".join(number.to_bytes(8, "big") for number in (start, end, len(data))) + root


def root(every: Sequence[set[tuple[str, str]]], size: int) -> bytes:
    """What a commitment to the first `size` entries commits to."""
    return mth([sha(b"\x00" + head(every, start, end)) for start, end in ranges(size)])
