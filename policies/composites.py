"""Readers of the two fields that hold an object of their own: `extra_collected` and `provenance`.

Their keys come from outside and are never repeated: a fault names the key by its number.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from policies.catalogue import Catalogue, Field
from policies.faults import WANTED
from policies.formats import FORMATS
from policies.readers import MISSING, Reader, Reading, string_reader
from policies.rulebook.load import Rulebook


def extra_reader(field: Field, catalogue: Catalogue) -> Reader:
    """Items beyond the record: each must be permitted by name, with its legal basis, in the fonds' rulebook."""
    wrong = {"label_zh": field.label_zh, "label_en": field.label_en, "want_zh": WANTED["object"][0], "want_en": WANTED["object"][1]}
    readers = {
        name: string_reader({"label_zh": one.label_zh, "label_en": one.label_en}, FORMATS["line"], one.max_length, name="scalar")
        for name, one in catalogue.extra_collected.items()
    }

    def read(value: object, path: str, reading: Reading, item: int | None) -> Any:
        if not isinstance(value, dict):
            reading.faults.add(path, "type", **wrong)
            return MISSING
        found: dict[str, Any] = {}
        for number, (key, member) in enumerate(value.items(), 1):
            reader = readers.get(key)
            if reader is None:
                reading.faults.add(f"{path}.#{number}", "extra-not-permitted", number=number)
            elif isinstance(member, bool | int) and -(2**53) < member < 2**53:
                found[key] = member
            elif member is not None:
                text = reader(member, f"{path}.{key}", reading, item)
                if text is not MISSING:
                    found[key] = text
            if reading.faults.full:
                break
        return found or MISSING

    return read


def provenance_reader(field: Field, rulebook: Rulebook) -> Reader:
    """Where values come from: field path, or a whole group (`stages[]`), to given, derived or unknown."""
    wrong = {"label_zh": field.label_zh, "label_en": field.label_en, "want_zh": WANTED["object"][0], "want_en": WANTED["object"][1]}
    paths = {one.path for one in rulebook.catalogue if not one.made_by_archive and one.name != field.name}
    paths |= {group.name for group in rulebook.catalogue.groups if group.repeated}
    spellings = rulebook.codes["provenance"].spellings

    def read(value: object, path: str, reading: Reading, _item: int | None) -> Any:
        if not isinstance(value, dict):
            reading.faults.add(path, "type", **wrong)
            return MISSING
        found: dict[str, str] = {}
        for number, (key, member) in enumerate(value.items(), 1):
            told = spellings.get(member) if isinstance(member, str) else None
            if key not in paths:
                near = get_close_matches(key, paths, n=1, cutoff=0.8) if isinstance(key, str) and len(key) <= 60 else []
                zh, en = (f"（是否指 {near[0]}？）", f" (did you mean {near[0]}?)") if near else ("", "")
                reading.faults.add(f"{path}.#{number}", "provenance-path", number=number, hint_zh=zh, hint_en=en)
            elif told is None:
                reading.faults.add(f"{path}.#{number}", "provenance-code", number=number)
            else:
                found[key] = told[0]
            if reading.faults.full:
                break
        return found or MISSING

    return read
