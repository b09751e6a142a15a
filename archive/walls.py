"""The accused wall's tags (《信访工作条例》 art. 30): who stands outside a case, kept so that the table names nobody.

A tag is 16 bytes of an HMAC over a person's or unit's register id, under a key of the wall's own in generations: a new tag is written under
the newest, and all that were not destroyed answer, so that rotating a key opens nothing. A wall is asked of persons, never turned back
into them: their own tags are made and compared. That is the same work for a walled case, a case of others and one that does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from auth.principal import Principal
from policies.facts import OfficeFacts, WallFacts, unit_codes
from vault.keyring import KeyRing

_SCOPE = "wall"


@dataclass(frozen=True, slots=True)
class Whom:
    """Those of whom a wall is asked: the register ids of persons, and the codes of all units any of them is a member of."""

    persons: frozenset[str]
    units: frozenset[str]

    @classmethod
    def of(cls, principal: Principal) -> Whom:
        """The principal alone; a case system is nobody, and stands outside no wall."""
        return cls(frozenset({principal.person_id} if principal.person_id is not None else ()), unit_codes(principal.posts))

    @classmethod
    def of_office(cls, office: OfficeFacts, principal: Principal) -> Whom:
        """Everybody who could be an approver, and the principal."""
        one = cls.of(principal)
        persons = {person.person_id for person in office.people if person.person_id is not None}
        return cls(one.persons | persons, one.units.union(*(unit_codes(person.posts) for person in office.people)))


def person_tag(keys: KeyRing, fonds: str, person_id: str) -> bytes:
    """The tag to store for a person of the register."""
    return _tags(keys, fonds, "person", person_id)[0]


def unit_tag(keys: KeyRing, fonds: str, code: str) -> bytes:
    """The tag to store for a unit of the register."""
    return _tags(keys, fonds, "unit", code)[0]


def outsider_tag(keys: KeyRing, fonds: str, text: str) -> bytes:
    """The tag to store for an accused whom the register does not know; it can never be turned back."""
    return _tags(keys, fonds, "outside", text)[0]


def tags_of(keys: KeyRing, fonds: str, person_id: str | None, units: Iterable[str]) -> tuple[bytes, ...]:
    """Every tag that would put a person of these units outside a case: their own and the units', under every generation."""
    names = [("unit", code) for code in sorted(units)] + ([("person", person_id)] if person_id is not None else [])
    blind = keys.blind_keys(fonds, _SCOPE)
    return tuple(key.tag(kind, name).value for kind, name in names for key in blind)


class WallReader:
    """Compares the tags of walls with those of the persons asked about, which are made at once, whether there is a wall or none."""

    def __init__(self, keys: KeyRing, fonds: str, whom: Whom) -> None:
        """Make the tags of `whom` under every generation."""
        blind = keys.blind_keys(fonds, _SCOPE)
        self._whom = whom
        self._persons = {key.tag("person", name).value: name for name in sorted(whom.persons) for key in blind}
        self._units = {key.tag("unit", code).value: code for code in sorted(whom.units) for key in blind}

    def facts(self, tags: Iterable[bytes], named: Iterable[str], *, resolved: bool) -> WallFacts:
        """One wall by its rows; `resolved` is what the head row says. Without its rows a wall is closed, whatever the head says."""
        found = frozenset(tags)
        return WallFacts(
            accused_person_ids=frozenset(self._persons[tag] for tag in found if tag in self._persons),
            accused_unit_codes=frozenset(self._units[tag] for tag in found if tag in self._units),
            resolved=resolved and bool(found),
            named_persons=frozenset(named),
            known_of=self._whom.persons,
        )


def _tags(keys: KeyRing, fonds: str, kind: str, name: str) -> tuple[bytes, ...]:
    return tuple(key.tag(kind, name).value for key in keys.blind_keys(fonds, _SCOPE))
