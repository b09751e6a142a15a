"""How a principal stands to a case. A role's relations come from the matrix; colleagues in the same unit have none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from auth.principal import PostHeld, Principal
from policies.facts import CaseFacts, unit_codes
from policies.matrix import RELATIONS, Matrix


def relations(principal: Principal, facts: CaseFacts, names: Iterable[str] = RELATIONS) -> Iterator[str]:
    """Those of `names` the principal has in the role acted in, in their order; none across fonds, none without a person."""
    if principal.fonds == facts.fonds and principal.person_id is not None:
        posts = principal.posts_of(principal.role)
        yield from (name for name in names if _HOLDS[name](principal.person_id, posts, facts))


def relation(principal: Principal, facts: CaseFacts, matrix: Matrix) -> str | None:
    """The nearest relation the role may use, or None: out of scope."""
    usable = matrix.relations_of(principal.role)
    return next(relations(principal, facts, [name for name in RELATIONS if name in usable]), None)


_HOLDS: Mapping[str, Callable[[str, tuple[PostHeld, ...], CaseFacts], bool]] = {
    "own-handling": lambda person_id, _, facts: facts.handler_id == person_id,
    "in-charge": lambda person_id, _, facts: facts.leader_id == person_id,
    "cooperating": lambda _, posts, facts: not unit_codes(posts).isdisjoint(facts.cooperating_units),
    "keeping-line": lambda _, posts, facts: any(post.unit_path[-1] in facts.unit_path for post in posts if post.unit_path),
    "fonds": lambda *_: True,
}
