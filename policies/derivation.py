"""Taking a valid record apart by how the archive keeps each value, all of it read off the catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from policies.catalogue import Field
from policies.checked import AccusedFacts, Checked, Place, Scalar
from policies.codes import CodeList
from policies.entities import entities_of
from policies.invariants import is_accusation, office_day
from policies.rulebook.load import Rulebook


@dataclass(frozen=True, slots=True)
class Keeping:
    """How one field is kept: read off the catalogue once per rulebook."""

    field: Field
    path: str
    name: str
    sealed: bool
    blind: bool
    terms: bool
    versioned: CodeList | None


@lru_cache(maxsize=256)
def keeping_of(rulebook: Rulebook) -> tuple[tuple[str, bool, Mapping[str, Keeping]], ...]:
    """(key of the group, whether it repeats, its fields by name)."""
    plans = []
    for group in rulebook.catalogue.groups:
        fields = {}
        for field in rulebook.catalogue.by_group[group.name].values():
            codes = rulebook.codes[field.code_list] if field.code_list and not field.sealed else None
            versioned = codes if codes and len(codes.versions) > 1 else None
            fields[field.name] = Keeping(field, field.path, field.name, field.sealed, field.blind, bool(field.plain), versioned)
        plans.append((group.key, group.repeated, fields))
    return tuple(plans)


def derive(record: Mapping[str, Any], rulebook: Rulebook, told_versions: Mapping[str, Mapping[int | None, str]]) -> Checked:
    """The parts of a normalised record. `told_versions` are code-list versions the spelling itself told."""
    facts: dict[str, Any] = {}
    sealed: dict[Place, Any] = {}
    terms: dict[str, dict[Scalar, None]] = {}
    blind: dict[str, dict[str, None]] = {}
    versions: dict[str, Any] = {}
    day = _day_of(record)
    for key, repeated, fields in keeping_of(rulebook):
        items = record.get(key, ()) if repeated else ((record.get(key, {}) if key else record),)
        for number, item in enumerate(items):
            index = number if repeated else None
            for name, value in item.items():
                keeping = fields.get(name)
                if keeping is None:
                    continue
                path = keeping.path
                several = type(value) is list
                if keeping.sealed:
                    sealed[path, index] = value
                    if keeping.blind:
                        _collect(blind, path, value, several=several)
                    continue
                stored = tuple(value) if several else value
                if index is None:
                    facts[path] = stored
                else:
                    _put(facts, path, stored, index, len(items))
                if keeping.terms:
                    if path not in terms and not several:
                        terms[path] = {value: None}
                    else:
                        _collect(terms, path, value, several=several)
                if keeping.versioned:
                    version = told_versions.get(path, {}).get(index) or keeping.versioned.version_on(day)
                    _put(versions, path, version, index, len(items))
    reasons = tuple(_reasons(record, rulebook))
    return Checked(
        record=MappingProxyType(dict(record)),
        facts=_frozen(facts),
        sealed=MappingProxyType(sealed),
        search_terms=MappingProxyType({path: tuple(values) for path, values in terms.items()}),
        blind=MappingProxyType({path: tuple(values) for path, values in blind.items()}),
        code_versions=_frozen(versions),
        protection_level="high" if reasons else "normal",
        protection_reasons=reasons,
        wall=accused(record),
        anonymous=record.get("is_anonymous") is True,
        entities=entities_of(record, rulebook),
    )


def _put(found: dict[str, Any], path: str, value: Any, index: int | None, count: int) -> None:
    """Keep the value of a path: alone, or in its place among those of `count` items."""
    if index is None:
        found[path] = value
        return
    column = found.get(path)
    if column is None:
        column = found[path] = [None] * count
    column[index] = value


def _collect(found: dict[str, dict[Any, None]], path: str, value: Any, *, several: bool) -> None:
    """Keep each distinct value of a path, in the order of their first coming."""
    distinct = found.get(path)
    if distinct is None:
        distinct = found[path] = {}
    if several:
        distinct.update(dict.fromkeys(value))
    else:
        distinct[value] = None


def _frozen(values: dict[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType({path: tuple(value) if isinstance(value, list) else value for path, value in values.items()})


def _day_of(record: Mapping[str, Any]) -> date:
    """The day whose code lists the record was written under: that of the petition, else that of closing."""
    if "petition_date" in record:
        return date.fromisoformat(record["petition_date"])
    return office_day(record["closed_at"])


def accused(record: Mapping[str, Any]) -> AccusedFacts:
    """Who is accused, and whether everyone accused is named by the register's ids: a person by persons, a unit by its code."""
    parties = [party for party in record["involved_parties"] if party.get("party_role") == "accused"]
    persons: dict[str, None] = {}
    units: dict[str, None] = {}
    resolved = bool(parties)
    for party in parties:
        persons.update(dict.fromkeys(party.get("party_user_ids", ())))
        if "party_unit_code" in party:
            units[party["party_unit_code"]] = None
        resolved = resolved and bool(party.get("party_unit_code") if party.get("party_kind") == "unit" else party.get("party_user_ids"))
    accusation = is_accusation(record)
    return AccusedFacts(accusation, tuple(persons), tuple(units), resolved or not accusation)


def _reasons(record: Mapping[str, Any], rulebook: Rulebook) -> Iterator[str]:
    """Why the protection is high; codes only."""
    if is_accusation(record):
        yield "accusation"
        if not accused(record).resolved:
            yield "accused-unresolved"
    if any(one.get("confidentiality_requested") for one in record["petitioners"]):
        yield "secrecy-requested"
    if any(_guarded(one, _day_of(record), rulebook.invariants.limits["guarded_age"]) for one in record["petitioners"]):
        yield "under-age"


def _guarded(petitioner: Mapping[str, Any], day: date, age: int) -> bool:
    """Whether the petitioner was under the age of PIPL art. 28, by birth date or by a resident ID number of 18 digits."""
    born = petitioner.get("birth_date")
    number = petitioner.get("id_number", "")
    if born is None and len(number) == 18 and number[:17].isdigit() and number.isascii():
        born = f"{number[6:10]}-{number[10:12]}-{number[12:14]}"
    if born is None or not "1850" <= born <= day.isoformat():
        return False
    return bool(f"{day.year - age:04d}-{day.month:02d}-{day.day:02d}" < born)
