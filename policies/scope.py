"""Which cases a principal may see at all, as a value a store can turn into SQL: for lists, searches, facets and counts.

`matches` is the meaning. A store's translation is right when it selects exactly the rows whose facts match; a law in the tests holds
`matches` equal to `decide` over every case. Nothing in a filter depends on what the caller asks for.
"""

from __future__ import annotations

from dataclasses import dataclass

from auth.principal import Principal
from policies.facts import CaseFacts, unit_codes
from policies.level import Level
from policies.matrix import Matrix


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeFilter:
    """A conjunction: fonds, AND any of the relations, AND the protection, AND not walled, AND not shut by a hold.

    Relations (OR): `own_handling` handler_id = person_id; `in_charge` leader_id = person_id; `cooperating_with` meets the case's
    cooperating units; `keeping_under` meets the case's unit path; `whole_fonds`.
    `normal_only`: protection = 'normal'. `not_anonymous`: the case is not anonymous.
    Wall: a case that is an accusation or has a wall is hidden when it has no wall value, when person_id is accused, when `member_of`
    meets the accused units (compare keyed tags of both), or when the wall is closed and person_id is not among the named.
    """

    fonds: str
    person_id: str
    own_handling: bool
    in_charge: bool
    cooperating_with: frozenset[str]
    keeping_under: frozenset[str]
    whole_fonds: bool
    normal_only: bool
    not_anonymous: bool
    member_of: frozenset[str]

    def matches(self, facts: CaseFacts) -> bool:
        """Whether the case is in scope and outside the wall."""
        return (
            facts.fonds == self.fonds
            and self._related(facts)
            and not (self.normal_only and facts.protection != "normal")
            and not (self.not_anonymous and facts.anonymous)
            and not self._walled(facts)
            and facts.hold_cap is not Level.WITHHELD
        )

    def _related(self, facts: CaseFacts) -> bool:
        return (
            self.whole_fonds
            or (self.own_handling and facts.handler_id == self.person_id)
            or (self.in_charge and facts.leader_id == self.person_id)
            or not self.cooperating_with.isdisjoint(facts.cooperating_units)
            or not self.keeping_under.isdisjoint(facts.unit_path)
        )

    def _walled(self, facts: CaseFacts) -> bool:
        if facts.wall is None:
            return facts.accusation
        accused = self.person_id in facts.wall.accused_person_ids or not self.member_of.isdisjoint(facts.wall.accused_unit_codes)
        return accused or not facts.wall.says_of(self.person_id) or (facts.wall.closed and self.person_id not in facts.wall.named_persons)


def filter_for(principal: Principal, action: str, matrix: Matrix) -> ScopeFilter | None:
    """The filter of this principal for a case action; None where the role has no such right. `decide` hands it out on a Permit."""
    right = matrix.right(principal.role, action)
    if right not in {"scope", "scope-normal"} or principal.person_id is None:
        return None
    usable = matrix.relations_of(principal.role)
    posts = principal.posts_of(principal.role)
    return ScopeFilter(
        fonds=principal.fonds,
        person_id=principal.person_id,
        own_handling="own-handling" in usable,
        in_charge="in-charge" in usable,
        cooperating_with=unit_codes(posts) if "cooperating" in usable else frozenset(),
        keeping_under=frozenset(post.unit_path[-1] for post in posts if post.unit_path) if "keeping-line" in usable else frozenset(),
        whole_fonds="fonds" in usable,
        normal_only=right == "scope-normal",
        not_anonymous=links_identity(action),
        member_of=unit_codes(principal.posts),
    )


def links_identity(action: str) -> bool:
    """Whether a hit of this action links a case to a person: no search may link an anonymous writer."""
    return action == "case.search_identity"
