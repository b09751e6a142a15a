"""Where a Chinese name's surname ends, and which characters are surnames at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from policies.shape import opened


@dataclass(frozen=True, slots=True)
class Surnames:
    compound: frozenset[str]
    single: frozenset[str]
    doubtful: frozenset[str]
    """Single surnames that are common words too: a cue alone (于主任) does not make them a name."""

    def split(self, name: str) -> tuple[str, str]:
        """Surname and given name. A compound surname counts where the name has three or more characters; `name` is not empty."""
        cut = 2 if len(name) >= 3 and name[:2] in self.compound else 1
        return name[:cut], name[cut:]


def load(sources: Mapping[str, Any]) -> Surnames:
    """Read surnames.toml."""
    root = opened(sources, "surnames")
    root.number("version", least=1)
    compound = root.words("compound", empty=False)
    if not all(len(name) == 2 for name in compound):
        root.refuse("a compound surname has two characters", "compound")
    single, doubtful = root.text("single"), root.text("doubtful")
    root.done()
    return Surnames(frozenset(compound), frozenset(single), frozenset(doubtful))
