"""Reading fields.toml into the catalogue: exact shapes, every reference checked, nothing guessed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, cast

from policies.catalogue import (
    CLASSIFICATIONS,
    ENTITIES,
    FREE_TEXT_KINDS,
    KINDS,
    PLAIN_SEARCH,
    ROOT,
    SEALED_SEARCH,
    SEARCH_MODES,
    Catalogue,
    ExtraPermission,
    Field,
    Group,
    Kind,
)
from policies.codes import CodeLists
from policies.formats import FORMATS
from policies.masks import MASKS, NONE, REDACT, WITHHELD
from policies.shape import Shape, opened

ENTITY_OF_MASK: Final[Mapping[str, str]] = {
    "name_first_char": "name",
    "id_6_4": "number",
    "bank_card_4": "number",
    "credit_code_4": "number",
    "plate_2": "number",
    "phone_3_4": "phone",
    "email_first_char": "email",
    "address_county": "address",
}
LARGEST: Final = 2**53 - 1
"""The largest integer every JSON reader keeps exact (RFC 8259, section 6)."""
_HARD_LENGTH: Final = 200_000
_HARD_ITEMS: Final = 10_000
_NAME_START: Final = frozenset("abcdefghijklmnopqrstuvwxyz")
_NAME_REST: Final = _NAME_START | frozenset("0123456789_")


def read(sources: Mapping[str, Any], codes: CodeLists) -> Catalogue:
    """Compile the catalogue. Raises RulebookRefused with file, place and rule."""
    root = opened(sources, "fields")
    root.number("version", least=1)
    groups = tuple(_group(row) for row in root.rows("group"))
    by_name = {group.name: group for group in groups}
    if len(by_name) != len(groups):
        root.refuse("names a group twice", "group")
    fields: dict[str, Field] = {}
    for row in root.rows("field"):
        field = _field(row, by_name, codes)
        if field.path in fields:
            row.refuse("names a path twice", "path")
        fields[field.path] = field
    _check_siblings(root, fields)
    refused = _over_collection(root, fields)
    extra = _extra(root) if root.has("extra_collected") else {}
    root.done()
    return Catalogue(groups, MappingProxyType(fields), MappingProxyType(refused), MappingProxyType(extra))


def _group(row: Shape) -> Group:
    name = row.text("name")
    made = row.one_of("made_by", ("archive",)) == "archive" if row.has("made_by") else False
    items = row.number("max_items", least=1) if row.has("max_items") else 1
    if items > _HARD_ITEMS or (items > 1) != name.endswith("[]"):
        row.refuse(f"an array of items has between 2 and {_HARD_ITEMS}, anything else one", "max_items")
    group = Group(name, row.text("label_zh"), row.text("label_en"), items, made)
    row.done()
    return group


def _place(row: Shape, groups: Mapping[str, Group]) -> tuple[str, Group, str]:
    path = row.text("path")
    head, dot, name = path.rpartition(".")
    group = groups.get(head if dot else ROOT)
    # `records.title` would be a second field in the place of `title`, with rules of its own.
    if group is None or head == ROOT:
        row.refuse("belongs to no group", "path")
    taken = not dot and name in {other.key for other in groups.values()}
    if taken or not name or name[0] not in _NAME_START or not set(name) <= _NAME_REST or len(name) > 60:
        row.refuse("a field's name is lower-case letters, digits and underscores, and not a group's", "path")
    return path, group, name


def _field(row: Shape, groups: Mapping[str, Group], codes: CodeLists) -> Field:
    path, group, name = _place(row, groups)
    kind = cast("Kind", row.one_of("type", tuple(sorted(KINDS))))
    code_list = _code_list(row, kind, codes)
    required = row.flag("required")
    refused = row.has("unknown") and row.one_of("unknown", ("null", "refused")) == "refused"
    mask = row.one_of("mask", tuple(MASKS))
    entity = row.one_of("entity", ENTITIES) if row.has("entity") else ENTITY_OF_MASK.get(mask)
    written_archive = row.has("made_by") and row.one_of("made_by", ("archive",)) == "archive"
    length, items = _size(row, kind, code_list)
    minimum, maximum = _range(row, kind)
    field = Field(
        path=path,
        group=group.name,
        name=name,
        label_zh=row.text("label_zh"),
        label_en=row.text("label_en"),
        type=kind,
        required=required,
        admits_unknown=required and not refused,
        classification=row.one_of("classification", CLASSIFICATIONS),
        search=frozenset(row.words("search", allowed=tuple(sorted(SEARCH_MODES)))),
        mask=mask,
        sealed=row.flag("sealed"),
        tier=cast("Literal['core', 'extended']", row.one_of("tier", ("core", "extended"))),
        made_by_archive=group.made_by_archive or written_archive,
        code_list=code_list,
        format=_format(row, kind, code_list),
        max_length=length,
        max_items=items,
        minimum=minimum,
        maximum=maximum,
        may_be_future=row.flag("may_be_future") if row.has("may_be_future") else False,
        identity=row.flag("identity") if row.has("identity") else False,
        entity=entity,
        unit_by=row.text("unit_by") if row.has("unit_by") else None,
        field_class=row.text("class"),
        note_zh=row.text("note_zh") if row.has("note_zh") else "",
        note_en=row.text("note_en") if row.has("note_en") else "",
    )
    row.done()
    _check(row, field)
    return field


def _code_list(row: Shape, kind: str, codes: CodeLists) -> str | None:
    if kind == "code" or (kind == "strings" and row.has("codes")):
        name = row.text("codes")
        if name not in codes:
            row.refuse("names a code list that does not exist", "codes")
        return name
    return None


def _format(row: Shape, kind: str, code_list: str | None) -> str:
    if kind in {"string", "strings"} and code_list is None:
        return row.one_of("format", tuple(FORMATS)) if row.has("format") else "line"
    return "text" if kind in {"text", "dated-texts"} else ""


def _size(row: Shape, kind: str, code_list: str | None) -> tuple[int, int]:
    length = row.number("max_length", least=1) if kind in FREE_TEXT_KINDS and code_list is None else 0
    items = row.number("max_items", least=1) if kind in {"strings", "dated-texts", "holds"} else 0
    if length > _HARD_LENGTH or items > _HARD_ITEMS:
        row.refuse(f"at most {_HARD_LENGTH} characters and {_HARD_ITEMS} items", "max_length")
    return length, items


def _range(row: Shape, kind: str) -> tuple[int, int]:
    if kind != "integer":
        return 0, 0
    minimum, maximum = row.number("minimum", least=0), row.number("maximum", least=0)
    if not minimum <= maximum <= LARGEST:
        row.refuse("minimum <= maximum <= 2^53-1", "maximum")
    return minimum, maximum


def _check(row: Shape, field: Field) -> None:
    """What must hold between the properties of one field."""
    if field.sealed and field.search & PLAIN_SEARCH:
        row.refuse("a sealed field has no plain index", "search")
    if not field.sealed and field.search & SEALED_SEARCH:
        row.refuse("a keyed or redacted index is for sealed fields", "search")
    if not field.sealed and field.mask not in {NONE, WITHHELD}:
        row.refuse("a field that needs a mask is sealed", "sealed")
    if not field.sealed and field.classification in {"personal", "sensitive", "business", "work_secret"}:
        row.refuse("this classification is sealed", "sealed")
    if field.sealed and field.mask == NONE and field.classification in {"personal", "sensitive"}:
        row.refuse("personal data has a mask", "mask")
    if not field.made_by_archive and (
        field.type in {"holds", "uuid7"} or (field.type == "json" and field.name not in {"extra_collected", "provenance"})
    ):
        row.refuse("a value of this type is made by the archive", "type")
    if field.mask == REDACT and field.type not in FREE_TEXT_KINDS:
        row.refuse("only texts have a redacted copy", "mask")
    if field.type in {"text", "dated-texts"} and not field.sealed and field.classification != "public":
        row.refuse("free text is sealed", "sealed")
    if field.blind and field.type not in {"string", "strings"}:
        row.refuse("only strings have a blind index", "search")
    if field.identity and not field.sealed and field.type != "code":
        row.refuse("identity is sealed", "sealed")


def _check_siblings(root: Shape, fields: Mapping[str, Field]) -> None:
    for field in fields.values():
        if field.unit_by is None:
            continue
        sibling = fields.get(field.path[: -len(field.name)] + field.unit_by)
        if sibling is None or sibling.type != "code":
            root.refuse(f"{field.path}: unit_by names no code field beside it", "field")


def _over_collection(root: Shape, fields: Mapping[str, Field]) -> dict[str, tuple[str, str]]:
    names: dict[str, tuple[str, str]] = {}
    taken = {field.name for field in fields.values()}
    for row in root.rows("over_collection"):
        label = (row.text("label_zh"), row.text("label_en"))
        for name in (row.text("name"), *row.words("also")):
            if name in taken:
                row.refuse("is a field of the record", "name")
            names[name] = label
        row.done()
    return names


def _extra(root: Shape) -> dict[str, ExtraPermission]:
    extra: dict[str, ExtraPermission] = {}
    for row in root.rows("extra_collected"):
        name = row.text("name")
        if not set(name) <= _NAME_REST or name in extra:
            row.refuse("lower-case letters, digits and underscores, named once", "name")
        extra[name] = ExtraPermission(
            name,
            row.text("label_zh"),
            row.text("label_en"),
            row.text("legal_basis_zh"),
            row.text("legal_basis_en"),
            row.number("max_length", least=1),
        )
        row.done()
    return extra
