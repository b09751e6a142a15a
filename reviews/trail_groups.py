"""What the rulebook's trail groups mean in the log: every kind of entry belongs to exactly one (a test holds it)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from audit.kinds import KINDS

# The log's own groups, where a whole one is meant; then kinds by their first word.
_BY_GROUP: Final[Mapping[str, str]] = {
    "deposit": "case",
    "reading": "case",
    "access": "access",
    "sessions": "identity",
    "people": "office",
    "clients": "office",
    "log": "log",
    "archive": "office",
}
_BY_WORD: Final[Mapping[str, str]] = {"request": "request", "requests": "request", "grant": "grant", "rulebook": "office", "key": "key"}


def group_of(kind: str) -> str:
    """The trail group of a kind of entry."""
    return _BY_GROUP.get(KINDS[kind].group) or _BY_WORD[kind.split(".", maxsplit=1)[0]]


def kinds_of(groups: frozenset[str]) -> tuple[str, ...]:
    """The kinds of entries in these groups, in the register's order."""
    return tuple(kind for kind in KINDS if group_of(kind) in groups)
