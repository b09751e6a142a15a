"""The accused wall's tags (《信访工作条例》 art. 30): who stands outside a case, kept so that the table names nobody.

A tag is 16 bytes of an HMAC over a person's or unit's register id, under a key of the wall's own in generations: a new tag is written under
the newest, and all that were not destroyed answer, so that rotating a key opens nothing. The register's own people and units are
tagged to turn tags back into ids; a tag that cannot be turned back leaves the wall unresolved, which is its closed state.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import Connection, select

from archive.tables import case_named_persons, case_walls
from auth import tables as register
from policies.facts import WallFacts
from vault.blind import BlindKey
from vault.keyring import KeyRing

_SCOPE = "wall"


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
    tags = [tag for code in sorted(units) for tag in _tags(keys, fonds, "unit", code)]
    return (*tags, *(_tags(keys, fonds, "person", person_id) if person_id is not None else ()))


def wall_facts(conn: Connection, keys: KeyRing, fonds: str, resolved: dict[str, bool]) -> dict[str, WallFacts]:
    """The walls of some accusation cases; `resolved` maps each case id to what its head row says."""
    if not resolved:
        return {}
    tags: dict[str, set[bytes]] = {case_id: set() for case_id in resolved}
    rows = conn.execute(
        select(case_walls.c.case_id, case_walls.c.tag).where(case_walls.c.fonds == fonds, case_walls.c.case_id.in_(sorted(resolved)))
    )
    for row in rows:
        tags[row.case_id].add(bytes(row.tag))
    named = _named_persons(conn, fonds, resolved)
    persons, units = _register_tags(conn, keys, fonds) if any(tags.values()) else ({}, {})
    return {
        case_id: WallFacts(
            accused_person_ids=frozenset(persons[tag] for tag in found if tag in persons),
            accused_unit_codes=frozenset(units[tag] for tag in found if tag in units),
            resolved=resolved[case_id] and all(tag in persons or tag in units for tag in found),
            named_persons=frozenset(named.get(case_id, ())),
        )
        for case_id, found in tags.items()
    }


def _named_persons(conn: Connection, fonds: str, case_ids: Collection[str]) -> dict[str, set[str]]:
    named: dict[str, set[str]] = {}
    for row in conn.execute(
        select(case_named_persons.c.case_id, case_named_persons.c.person_id).where(
            case_named_persons.c.fonds == fonds, case_named_persons.c.case_id.in_(sorted(case_ids))
        )
    ):
        named.setdefault(row.case_id, set()).add(row.person_id)
    return named


def _register_tags(conn: Connection, keys: KeyRing, fonds: str) -> tuple[dict[bytes, str], dict[bytes, str]]:
    persons = conn.execute(select(register.persons.c.person_id).where(register.persons.c.fonds == fonds)).scalars()
    codes = conn.execute(select(register.units.c.code).where(register.units.c.fonds == fonds)).scalars()
    blind = keys.blind_keys(fonds, _SCOPE)
    return _tagged(blind, "person", persons), _tagged(blind, "unit", codes)


def _tagged(blind: Sequence[BlindKey], kind: str, names: Iterable[str]) -> dict[bytes, str]:
    return {key.tag(kind, name).value: name for name in names for key in blind}


def _tags(keys: KeyRing, fonds: str, kind: str, name: str) -> tuple[bytes, ...]:
    return tuple(key.tag(kind, name).value for key in keys.blind_keys(fonds, _SCOPE))
