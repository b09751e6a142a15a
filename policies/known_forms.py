"""Looking for many known forms in a text at once, in time that grows with the text alone.

Few forms are looked for one after the other, which is faster for the ordinary case of some twenty; the hundreds of a petition of many
people by one automaton (Aho and Corasick, 1975), so that no case can make its own redaction slow.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

MANY: Final = 64
LONG: Final = 8000
"""Up to both (forms, characters) `str.find` is used, which an ill-chosen form makes slow too."""
Known = tuple[str, str, str]
"""(type, identity, rule) of what a form stands for."""
_LEAF: Final[dict[str, int]] = {}


@dataclass(slots=True)
class _Node:
    follow: dict[str, int]
    back: int
    found: tuple[tuple[int, Known], ...]
    """(length, what) of the longest form of each type that ends here."""


class KnownForms:
    """Forms and what they stand for. Finds may overlap, those of one form too; one that ends a longer of its type may be left out."""

    __slots__ = ("_forms", "_nodes")

    def __init__(self, forms: Mapping[str, Known]) -> None:
        """No form is empty. The mapping is not changed while this lives."""
        self._forms = tuple(forms.items())
        self._nodes: list[_Node] | None = None

    def find(self, text: str) -> Iterator[tuple[int, int, Known]]:
        """(start, end, what), in no order."""
        if self._forms and (len(self._forms) > MANY or len(text) > LONG):
            yield from self._walk(text)
            return
        for form, known in self._forms:
            at = text.find(form)
            while at >= 0:
                yield at, at + len(form), known
                at = text.find(form, at + 1)

    def _walk(self, text: str) -> Iterator[tuple[int, int, Known]]:
        if self._nodes is None:
            self._nodes = _automaton(self._forms)
        nodes = self._nodes
        root = node = nodes[0]
        for end, character in enumerate(text, 1):
            after = node.follow.get(character)
            while after is None and node is not root:
                node = nodes[node.back]
                after = node.follow.get(character)
            if after is None:
                continue
            node = nodes[after]
            for length, known in node.found:
                yield end - length, end, known


def _automaton(forms: tuple[tuple[str, Known], ...]) -> list[_Node]:
    nodes = [_Node({}, 0, ())]
    for form, known in forms:
        at = 0
        for character in form:
            follow = nodes[at].follow
            after = follow.get(character)
            if after is None:
                if follow is _LEAF:
                    follow = nodes[at].follow = {}
                after = follow[character] = len(nodes)
                nodes.append(_Node(_LEAF, 0, ()))
            at = after
        nodes[at].found = ((len(form), known),)
    waiting = deque(nodes[0].follow.values())
    while waiting:
        node = nodes[waiting.popleft()]
        for character, after in node.follow.items():
            back = node.back
            while character not in nodes[back].follow and back:
                back = nodes[back].back
            below = nodes[after]
            below.back = nodes[back].follow.get(character, 0)
            shorter = nodes[below.back].found
            if shorter:
                types = {known[0] for _length, known in below.found}
                below.found += tuple(one for one in shorter if one[1][0] not in types)
            waiting.append(after)
    return nodes
