"""The rule of the verifiable index, version 1: which subjects an entry concerns, and by what they are looked up.

A subject is a (kind, id). Its *name* is a hash that only those can make who know the id, which is random; its *key* is the hash of its
name. What a proof shows of a neighbour is its key, and a hash over its name and entries: neither leads to the subject, nor can be tried.
`docs/formats/log-index.md` pins the rule; one that finds other subjects is another version.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from audit.columns import COLUMNS, columns_of, subjects_of
from audit.forms import refuse

VERSION: Final = 1
KINDS: Final = ("account", "case", "grant", "person")
# Commitments and heartbeats concern nobody: a log that holds nothing else anew needs no further commitment.
OF_NOBODY: Final = ("log.heartbeat", "log.indexed")
_PREFIX: Final = b"petition-archive/log-index/v1\n"
_HELD: Final = {"actor_account": "account", "actor_person": "person", "case_id": "case", "grant_id": "grant"}
_ROOT = re.compile(r"[0-9a-f]{64}")
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode
_HASH = hashlib.sha256()


class Read(NamedTuple):
    """An entry as the index reads it: its members, and the names of all its subjects."""

    members: dict[str, Any]
    names: tuple[bytes, ...]


def subjects(members: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """All (kind, id) that an entry concerns, of the kinds in `KINDS`."""
    columns = zip(COLUMNS, columns_of(members), strict=True)
    held = {(_HELD[column], value) for column, value in columns if column in _HELD and value is not None}
    return frozenset(held.union(pair for pair in subjects_of(members) if pair[0] in KINDS))


@lru_cache(maxsize=8192)
def name_of(kind: str, subject: str) -> bytes:
    """The name of a subject, 32 bytes."""
    return hashlib.sha256(_PREFIX + f"{kind}:{subject}".encode()).digest()


def key_of(name: bytes) -> bytes:
    """The key of a name, 32 bytes: the index is sorted by it."""
    state = _HASH.copy()  # which costs less than starting one, as tlog.merkle says
    state.update(name)
    return state.digest()


def committed_by(members: Mapping[str, Any], index: int) -> tuple[int, bytes] | None:
    """The size and the root that an entry at `index` commits to; None where it is no commitment by this rule."""
    data = members.get("data", {})
    size, root, version = (data.get(name) for name in ("size", "root", "version"))
    numbers = type(size) is int and type(version) is int and type(root) is str
    if members["kind"] != "log.indexed" or not numbers or version != VERSION or not 0 < size <= index or not _ROOT.fullmatch(root):
        return None
    return size, bytes.fromhex(root)


def read(body: bytes) -> Read:
    """Read an entry as stored or exported. EntryRefused where its bytes are not their one canonical form, or its shape has no subjects: a
    body that two readers could read in two ways has no place in an index.
    """
    try:
        members = json.loads(body)
        if not isinstance(members, dict) or _encode(members).encode("ascii") != body:
            raise refuse("entry", "not-canonical")
        return Read(members, tuple(name_of(*subject) for subject in subjects(members)))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise refuse("entry", "not-an-entry") from None
