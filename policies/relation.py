"""How a principal stands to a case. A role's relations come from the matrix; colleagues in the same unit have none."""

from __future__ import annotations

from auth.principal import Principal
from policies.facts import CaseFacts, unit_codes
from policies.matrix import RELATIONS, Matrix


def relations(principal: Principal, facts: CaseFacts) -> frozenset[str]:
    """Every relation the principal has in the role acted in; none across fonds, none without a person."""
    if principal.fonds != facts.fonds or principal.person_id is None:
        return frozenset()
    posts = principal.posts_of(principal.role)
    own_units = {post.unit_path[-1] for post in posts if post.unit_path}
    found = {
        "own-handling": facts.handler_id == principal.person_id,
        "in-charge": facts.leader_id == principal.person_id,
        "cooperating": bool(unit_codes(posts) & facts.cooperating_units),
        "keeping-line": bool(own_units & set(facts.unit_path)),
        "fonds": True,
    }
    return frozenset(name for name, holds in found.items() if holds)


def relation(principal: Principal, facts: CaseFacts, matrix: Matrix) -> str | None:
    """The nearest relation the role may use, or None: out of scope."""
    usable = relations(principal, facts) & matrix.relations_of(principal.role)
    return next((name for name in RELATIONS if name in usable), None)
