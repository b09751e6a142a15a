"""How much of a field a view shows: a chain of three, `withheld` below `masked` below `clear`.

Visibility is computed by joins (a grant raises) followed by meets (walls, holds and caps lower). Both are commutative, associative and
idempotent on a chain, which is why the order of rules can never matter.
"""

from __future__ import annotations

from enum import IntEnum


class Level(IntEnum):
    """One field's visibility; the integers order it."""

    WITHHELD = 0
    MASKED = 1
    CLEAR = 2

    @property
    def word(self) -> str:
        """The word of the rulebook and of the API: `withheld`, `masked`, `clear`."""
        return _WORDS[self]


_WORDS = {Level.WITHHELD: "withheld", Level.MASKED: "masked", Level.CLEAR: "clear"}
_LEVELS = {word: level for level, word in _WORDS.items()}


def level_of(word: object) -> Level | None:
    """Read a word; anything that is not exactly one of the three gives None, so that the caller must refuse it."""
    return _LEVELS.get(word) if isinstance(word, str) else None
