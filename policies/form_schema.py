"""The JSON Schema (2020-12) of the deposit form, derived from the catalogue; the API's description is made from it.

It says what a schema can say: members, types, lengths, code lists. What it cannot say (rules between fields, characters, markings,
provenance for what a source does not tell) validation adds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from policies.catalogue import ROOT, Catalogue, Field, Group
from policies.codes import CodeLists
from policies.formats import FORMATS
from policies.rulebook.load import Rulebook

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_DATETIME: Final = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?$"
Schema = dict[str, Any]


def json_schema(rulebook: Rulebook) -> Schema:
    """The schema of one record as a case system deposits it."""
    catalogue = rulebook.catalogue
    root = next(group for group in catalogue.groups if group.name == ROOT)
    schema = _object(root, rulebook)
    for group in catalogue.groups:
        if group.name == ROOT or group.made_by_archive:
            continue
        part = {**_object(group, rulebook), "title": f"{group.label_zh} {group.label_en}"}
        if group.repeated:
            part = {"type": ["array", "null"], "maxItems": group.max_items, "items": part, "title": part.pop("title")}
        else:
            part["type"] = ["object", "null"]
        schema["properties"][group.key] = part
    return {"$schema": DIALECT, "title": "信访案卷（报送） Petition case (deposit)", **schema}


def _object(group: Group, rulebook: Rulebook) -> Schema:
    given = [field for field in rulebook.catalogue.by_group[group.name].values() if not field.made_by_archive]
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {field.name: field_schema(field, rulebook) for field in given},
        "required": [field.name for field in given if field.required and not field.admits_unknown],
    }


def field_schema(field: Field, rulebook: Rulebook) -> Schema:
    """The schema of one field, with its labels and its treatment (`x-classification`, `x-sealed`, `x-mask`)."""
    body = _BODIES[field.type](field, rulebook.codes, rulebook.catalogue)
    if not field.required or field.admits_unknown:
        body = _or_null(body)
    note = f" {field.note_zh}；{field.note_en}" if field.note_zh else ""
    return {
        **body,
        "title": f"{field.label_zh} {field.label_en}",
        "description": f"{field.label_zh}。{field.label_en}.{note}",
        "x-classification": field.classification,
        "x-sealed": field.sealed,
        "x-mask": field.mask,
    }


def _or_null(body: Schema) -> Schema:
    nullable = {**body, "type": [body["type"], "null"]}
    if "enum" in body:
        nullable["enum"] = [*body["enum"], None]
    return nullable


def _string(field: Field, _codes: CodeLists, _catalogue: Catalogue) -> Schema:
    body: Schema = {"type": "string", "maxLength": field.max_length}
    form = FORMATS[field.format]
    if form.pattern is not None and not form.compatible:
        body["pattern"] = f"^(?:{form.pattern.pattern})$"
    return body


def _text(field: Field, _codes: CodeLists, _catalogue: Catalogue) -> Schema:
    return {"type": "string", "maxLength": field.max_length}


def _code(field: Field, codes: CodeLists, _catalogue: Catalogue) -> Schema:
    code_list = codes[field.code_list or ""]
    return {"type": "string", "enum": sorted(code_list.spellings), "x-codes": list(code_list.codes)}


def _integer(field: Field, _codes: CodeLists, _catalogue: Catalogue) -> Schema:
    return {"type": "integer", "minimum": field.minimum, "maximum": field.maximum}


def _strings(field: Field, codes: CodeLists, catalogue: Catalogue) -> Schema:
    item = _code(field, codes, catalogue) if field.code_list else _string(field, codes, catalogue)
    return {"type": "array", "maxItems": field.max_items, "uniqueItems": True, "items": item}


def _dated_texts(field: Field, _codes: CodeLists, _catalogue: Catalogue) -> Schema:
    item = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "date": {"type": "string", "format": "date"},
            "text": {"type": "string", "minLength": 1, "maxLength": field.max_length},
        },
        "required": ["date", "text"],
    }
    return {"type": "array", "maxItems": field.max_items, "items": item}


def _json(field: Field, codes: CodeLists, catalogue: Catalogue) -> Schema:
    if field.name == "provenance":
        paths = [one.path for one in catalogue if not one.made_by_archive and one.name != field.name]
        paths += [group.name for group in catalogue.groups if group.repeated]
        told = {"type": "string", "enum": sorted(codes["provenance"].spellings)}
        return {"type": "object", "propertyNames": {"enum": sorted(paths)}, "additionalProperties": told}
    items = {
        name: {"type": ["string", "integer", "boolean", "null"], "maxLength": one.max_length, "title": f"{one.label_zh} {one.label_en}"}
        for name, one in catalogue.extra_collected.items()
    }
    return {"type": "object", "additionalProperties": False, "properties": items}


_BODIES: Final[Mapping[str, Callable[[Field, CodeLists, Catalogue], Schema]]] = {
    "string": _string,
    "text": _text,
    "code": _code,
    "integer": _integer,
    "strings": _strings,
    "dated-texts": _dated_texts,
    "json": _json,
    "date": lambda _field, _codes, _catalogue: {"type": "string", "format": "date"},
    "datetime": lambda _field, _codes, _catalogue: {"type": "string", "pattern": _DATETIME},
    "bool": lambda _field, _codes, _catalogue: {"type": "boolean"},
    "sha256": lambda _field, _codes, _catalogue: {"type": "string", "pattern": "^[0-9a-f]{64}$"},
}
