"""The accused wall (《信访工作条例》 art. 30): accusation material is withheld from the accused person, the accused unit and its members.

Closed by default: what is not known to be open is shut. It holds on every action, approving included, and it is never an oracle: a
walled case, a case of others and a case that does not exist are refused in the same words (see `permit`).
"""

from __future__ import annotations

from collections.abc import Iterable

from auth.principal import Principal
from policies.facts import CaseFacts, unit_codes


def walled(person_id: str | None, units: frozenset[str], facts: CaseFacts) -> bool:
    """Whether this case does not exist for this person. `units` are all codes on the paths of all posts held, of whatever role."""
    wall = facts.wall
    if wall is None:
        return facts.accusation
    if person_id is None or person_id in wall.accused_person_ids or units & wall.accused_unit_codes:
        return True
    # Facts that were asked for others say nothing of this person, and what is not known to be open is shut.
    return not wall.says_of(person_id) or (wall.closed and person_id not in wall.named_persons)


def accusing(facts: CaseFacts) -> bool:
    """Whether the case is an accusation or names any accused, resolved or not."""
    return facts.accusation or facts.wall is not None


def walled_from(principal: Principal, cases: Iterable[CaseFacts]) -> bool:
    """Whether any of these cases is walled from the principal; one walled case hides the whole form."""
    units = unit_codes(principal.posts)
    return any(walled(principal.person_id, units, facts) for facts in cases)
