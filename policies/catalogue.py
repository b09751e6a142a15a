"""The catalogue: what fields a case record has, from which every door derives what it does with a value.

Validation, sealing, blind indexes, masks, the JSON Schema and the field documentation are read off these values; none of
them knows a field by name. A new field is a new table in `rulebook/fields.toml` and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

Kind = Literal[
    "string", "text", "code", "date", "datetime", "bool", "integer", "json", "strings", "dated-texts", "holds", "sha256", "uuid7"
]
KINDS: Final[frozenset[str]] = frozenset(
    {"string", "text", "code", "date", "datetime", "bool", "integer", "json", "strings", "dated-texts", "holds", "sha256", "uuid7"}
)
FREE_TEXT_KINDS: Final[frozenset[str]] = frozenset({"string", "text", "strings", "dated-texts"})
CLASSIFICATIONS: Final = ("public", "internal", "work_secret", "business", "personal", "sensitive")
SEARCH_MODES: Final[frozenset[str]] = frozenset({"exact", "prefix", "range", "facet", "blind_index", "fts_redacted", "fts"})
PLAIN_SEARCH: Final[frozenset[str]] = frozenset({"exact", "prefix", "range", "facet", "fts"})
"""Modes that keep a value readable in an index: never for a sealed field."""
SEALED_SEARCH: Final[frozenset[str]] = frozenset({"blind_index", "fts_redacted"})
ENTITIES: Final = ("name", "unit", "number", "phone", "email", "address", "date")
"""What a value is to the first redaction of the case's own texts."""
ROOT: Final = "records"
"""The group whose fields stand at the root of the JSON form."""


@dataclass(frozen=True, slots=True)
class Group:
    """A part of the record: `records` (the root), an object (`decision`), or an array of items (`petitioners[]`)."""

    name: str
    label_zh: str
    label_en: str
    max_items: int
    made_by_archive: bool
    repeated: bool = field(init=False)
    key: str = field(init=False)
    """The member of the JSON form that holds the group; empty for the root."""

    def __post_init__(self) -> None:
        # Kept, not computed at each look: every record asks for them some eighty times.
        object.__setattr__(self, "repeated", self.name.endswith("[]"))
        object.__setattr__(self, "key", "" if self.name == ROOT else self.name.removesuffix("[]"))


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `path` is `title` at the root, `petitioners[].id_number` in an array, `decision.decision_outcome` in an object."""

    path: str
    group: str
    name: str
    label_zh: str
    label_en: str
    type: Kind
    required: bool
    admits_unknown: bool
    classification: str
    search: frozenset[str]
    mask: str
    sealed: bool
    tier: Literal["core", "extended"]
    made_by_archive: bool
    code_list: str | None
    format: str
    max_length: int
    max_items: int
    minimum: int
    maximum: int
    may_be_future: bool
    identity: bool
    entity: str | None
    unit_by: str | None
    field_class: str
    note_zh: str
    note_en: str

    @property
    def repeated(self) -> bool:
        """True where the field belongs to the items of an array."""
        return "[]." in self.path

    @property
    def blind(self) -> bool:
        """True where the archive keeps a keyed tag of the value for equality search."""
        return "blind_index" in self.search

    @property
    def plain(self) -> frozenset[str]:
        """The search modes served from plain terms."""
        return self.search & PLAIN_SEARCH


@dataclass(frozen=True, slots=True)
class ExtraPermission:
    """Leave to collect one item beyond the record, with the law that allows it; given by a fonds' overlay only."""

    name: str
    label_zh: str
    label_en: str
    legal_basis_zh: str
    legal_basis_en: str
    max_length: int


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All fields by path, and the groups in the order of the record."""

    groups: tuple[Group, ...]
    fields: Mapping[str, Field]
    refused_names: Mapping[str, tuple[str, str]]
    """Well-known items of over-collection (`ethnicity`, `民族`) and their labels, so that their refusal can say what it refuses."""
    extra_collected: Mapping[str, ExtraPermission]
    by_group: Mapping[str, Mapping[str, Field]] = field(init=False)
    sealed_of: Mapping[str, tuple[Field, ...]] = field(init=False)
    """Group -> its sealed fields."""
    unsealed_of: Mapping[str, frozenset[str]] = field(init=False)
    """Group -> the names of its other fields."""

    def __post_init__(self) -> None:
        by_group: dict[str, dict[str, Field]] = {group.name: {} for group in self.groups}
        for one in self.fields.values():
            by_group[one.group][one.name] = one
        sealed = {name: tuple(one for one in fields.values() if one.sealed) for name, fields in by_group.items()}
        unsealed = {name: frozenset(one.name for one in fields.values() if not one.sealed) for name, fields in by_group.items()}
        object.__setattr__(self, "by_group", MappingProxyType({name: MappingProxyType(fields) for name, fields in by_group.items()}))
        object.__setattr__(self, "sealed_of", MappingProxyType(sealed))
        object.__setattr__(self, "unsealed_of", MappingProxyType(unsealed))

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields.values())

    def __getitem__(self, path: str) -> Field:
        return self.fields[path]
