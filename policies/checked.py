"""What validation hands on: the normalised record, taken apart by how the archive keeps each value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from policies.entities import Entities

Scalar = str | int | bool
Place = tuple[str, int | None]
"""A field's path and, inside an array, the position of the item; the archive gives items their ids later."""


@dataclass(frozen=True, slots=True)
class AccusedFacts:
    """What the record itself tells of the accused (《信访工作条例》 art. 30).

    `resolved` says that every accused party names persons (a person) or a unit (a unit). Whether the register knows them is for the
    archive to check; if it does not, the accusation is unresolved and open to named persons only.
    """

    accusation: bool
    person_ids: tuple[str, ...]
    unit_codes: tuple[str, ...]
    resolved: bool


@dataclass(frozen=True, slots=True)
class Checked:
    """A record that keeps every rule.

    `record`        the normalised record: arrays always present, null and empty members gone, `provenance` completed
    `facts`         values of unsealed fields by path; inside arrays a tuple aligned with the items, None where absent
    `sealed`        values of sealed fields by place
    `search_terms`  distinct plain terms per searchable unsealed path
    `blind`         values to tag per path with a blind index, lists taken apart
    `entities`      whom and what its structured fields name, for redaction
    `code_versions` version of the code list under which a code was given, for lists of several versions; arrays aligned like `facts`
    """

    record: Mapping[str, Any]
    facts: Mapping[str, Any]
    sealed: Mapping[Place, Any]
    search_terms: Mapping[str, tuple[Scalar, ...]]
    blind: Mapping[str, tuple[str, ...]]
    code_versions: Mapping[str, Any]
    protection_level: Literal["normal", "high"]
    protection_reasons: tuple[str, ...]
    wall: AccusedFacts
    anonymous: bool
    entities: Entities = field(repr=False)
