"""Personal data does not belong in the fields that are kept readable: what the redactor would hide there for certain is refused.

Titles of policies, classification paths and shelf marks are short lines that everybody sees; a name or number of the case's own people, or
anything shaped like an ID number, telephone or card, has slipped into them by mistake.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from foundation.errors import Fault
from policies.catalogue import Field
from policies.checked import Checked
from policies.masked_copy import redactor_for
from policies.recognisers import HIGH
from policies.rulebook.load import Rulebook

_ZH = "此栏公开可见，不得填写姓名、证件号码、电话等个人信息。"
_EN = "Everybody sees this field: no names, ID numbers or telephone numbers here."


@lru_cache(maxsize=256)
def _open_lines(rulebook: Rulebook) -> tuple[tuple[str, bool, tuple[Field, ...]], ...]:
    groups = []
    for group in rulebook.catalogue.groups:
        fields = rulebook.catalogue.by_group[group.name].values()
        lines = tuple(one for one in fields if one.type == "string" and one.format == "line" and not one.sealed and not one.made_by_archive)
        if lines:
            groups.append((group.key, group.repeated, lines))
    return tuple(groups)


def faults(checked: Checked, rulebook: Rulebook) -> list[Fault]:
    """A fault for each readable line that holds personal data, by path, never with the value."""
    texts = list(_texts(checked, rulebook))
    if not texts:
        return []
    redactor = redactor_for(checked.record, rulebook)
    return [
        Fault(path, "personal-data-in-the-open", _ZH, _EN)
        for path, text in texts
        # An ID number whose check digit is wrong still leads to its bearer.
        if any(span.confidence == HIGH or span.type == "证件号" for span in redactor.redact(text).spans)
    ]


def _texts(checked: Checked, rulebook: Rulebook) -> Iterator[tuple[str, str]]:
    record: Any = checked.record
    for key, repeated, fields in _open_lines(rulebook):
        items = enumerate(record.get(key, ())) if repeated else ((None, record.get(key, {}) if key else record),)
        for number, item in items:
            for field in fields:
                text = item.get(field.name)
                if text:
                    yield (field.path if number is None else field.path.replace("[]", f"[{number}]", 1)), text
