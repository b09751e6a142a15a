"""Personal data does not belong in the texts that are kept readable: what is certainly some person's there is refused.

Every text a source gives that is not sealed is held against the people and numbers of its own case and against the shapes of numbers that
lead to a person: titles of policies and shelf marks, and codes too, since 来信-张三 is a case number to a machine. Which texts those are is
read off the catalogue.

A code may well be all digits, and eighteen of them begin with an area and a date in many case systems. So a number of a stranger is held to
be a person's in a code only where it stands alone and all of its form fits (`person_number`); the case's own numbers are found anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Final

from foundation.errors import Fault
from policies.catalogue import FREE_TEXT_KINDS, Field
from policies.checked import Checked
from policies.entities import Entities
from policies.folding import PARTING, digits, fold
from policies.formats import FORMATS
from policies.recognisers import HIGH, checks, find
from policies.redaction import Redactor
from policies.rulebook.load import Rulebook

_KNOWN: Final = (
    "personal-data-in-the-open",
    "此栏公开可见，不得填写姓名、证件号码、电话等个人信息。",
    "Everybody sees this field: no names, ID numbers or telephone numbers here.",
)
_SHAPED: Final = (
    "person-number-in-the-open",
    "此栏公开可见，其中一段数字的形式（含校验位、日期）与居民身份证号、手机号或银行卡号相符，不得填写；确为编号的，请改用不致混同的编号。",
    "Everybody sees this field. Digits in it fit an ID number, mobile or bank card in form, date and check digit; a serial must not.",
)
_LEAST_NUMBER: Final = 7
"""Shorter numbers of a case (a room, an extension) are in other numbers by chance."""
_LEAST_LATIN: Final = 4
_YOUNGEST: Final = 14
"""Years. A date nearer than this to the day of closing is a case's, not a birth: children are not numbered in codes."""
_NO_LETTER: Final = re.compile(rf"[^\w\n{PARTING}]+|_+")
_DIGITS: Final = re.compile(r"(?<![0-9])[0-9]{11,19}(?![0-9])(?:X(?![0-9A-Z]))?")
_ID_PARTED: Final = re.compile(r"(?<![0-9])[0-9](?:[\-._/:|~*+() ·]?[0-9]){16}[\-._/:|~*+() ·]?[0-9X](?![0-9A-Z])")
# RFC 9562: random hexadecimal digits, eleven of which are decimal and like a mobile number once in some two thousand.
_UUID: Final = re.compile(r"(?<![0-9A-Z])[0-9A-F]{8}-?(?:[0-9A-F]{4}-?){3}[0-9A-F]{12}(?![0-9A-Z])")
_MOBILE_PARTED: Final = re.compile(r"(?<![0-9])(1[3-9][0-9])[\-._/ ]((?!19|20)[0-9]{4})[\-._/ ]([0-9]{4})(?![0-9])")


@dataclass(frozen=True, slots=True)
class Open:
    """A readable text field. `code`: no prose but a code, in which shapes prove little."""

    field: Field
    code: bool


Place = tuple[Open, int | None, int | None]
"""A field, the position of the item in its group, and of the part in a list."""
Why = tuple[str, str, str]
"""Rule, and its text in Chinese and English."""


@lru_cache(maxsize=256)
def open_texts(rulebook: Rulebook) -> tuple[tuple[str, bool, tuple[Open, ...]], ...]:
    """(key of the group, whether it repeats, its readable texts): all that a source words itself and the archive does not seal."""
    groups = []
    for group in rulebook.catalogue.groups:
        fields = rulebook.catalogue.by_group[group.name].values()
        found = tuple(
            Open(one, one.type in {"string", "strings"} and FORMATS[one.format].strictness == "code")
            for one in fields
            if one.type in FREE_TEXT_KINDS and one.code_list is None and not one.sealed and not one.made_by_archive
        )
        if found:
            groups.append((group.key, group.repeated, found))
    return tuple(groups)


def faults(checked: Checked, rulebook: Rulebook) -> list[Fault]:
    """A fault for each readable text that holds personal data, by path, never with the value."""
    lines: dict[str, list[Place]] = {}
    codes: dict[str, list[Place]] = {}
    for text, place in _texts(checked.record, rulebook):
        (codes if place[0].code else lines).setdefault(text, []).append(place)
    found = []
    # All at once, and one by one only where something was found: nearly always nothing is.
    if _in_code(PARTING.join(codes), checked) is not None:
        found += [(place, why) for text, places in codes.items() if (why := _in_code(text, checked)) for place in places]
    if lines:
        redactor = Redactor(checked.entities, rulebook.surnames)
        if _in_line(PARTING.join(lines), redactor, checked) is not None:
            found += [(place, why) for text, places in lines.items() if (why := _in_line(text, redactor, checked)) for place in places]
    return [Fault(_path(place), *why) for place, why in found]


def _path(place: Place) -> str:
    one, number, part = place
    path = one.field.path if number is None else one.field.path.replace("[]", f"[{number}]", 1)
    return path if part is None else f"{path}[{part}]"


def _texts(record: Any, rulebook: Rulebook) -> Iterator[tuple[str, Place]]:
    for key, repeated, fields in open_texts(rulebook):
        items = enumerate(record.get(key, ())) if repeated else ((None, record.get(key, {}) if key else record),)
        for number, item in items:
            for one in fields:
                value = item.get(one.field.name)
                if type(value) is str:
                    yield value, (one, number, None)
                elif value:
                    for part, text in enumerate(value):
                        yield (text if type(text) is str else text["text"]), (one, number, part)


def _in_line(text: str, redactor: Redactor, checked: Checked) -> Why | None:
    # An ID number whose check digit is wrong still leads to its bearer.
    if any(span.confidence == HIGH or span.type in {"证件号", "邮箱"} for span in redactor.redact(text).spans):
        return _KNOWN
    return _in_code(text, checked)


def _in_code(text: str, checked: Checked) -> Why | None:
    folded = text.upper() if text.isascii() else fold(text).text
    if _names_own(folded, checked.entities):
        return _KNOWN
    worded = digits(folded)
    return _SHAPED if person_number(folded, checked) or (worded != folded and person_number(worded, checked)) else None


def _names_own(folded: str, entities: Entities) -> bool:
    """Whether a person or a number of the case is named in codes, through whatever signs part their characters."""
    letters = _NO_LETTER.sub("", folded)
    latin = letters.isascii()
    for phrase, (kind, _identity, rule) in entities.phrases.items():
        if latin and not phrase.isascii():
            continue
        # A given name alone, a part of an address and a unit are in the names of places and offices too: 建国镇, 幸福镇信访〔2024〕1号.
        if (kind == "姓名" and rule != "name.given") or kind == "邮箱":
            form = _NO_LETTER.sub("", phrase)
            if len(form) >= (_LEAST_LATIN if form.isascii() else 2) and form in letters:
                return True
    # Before signs are taken out: ○ is a sign, and a zero.
    numbers = _NO_LETTER.sub("", digits(folded))
    return any(len(number) >= _LEAST_NUMBER and number in numbers for number in entities.numbers)


def person_number(text: str, checked: Checked) -> bool:
    """Whether a folded text holds, by itself and in all of its form, an ID number, a mobile number, a bank card or an e-mail address."""
    if "@" in text and any(hit.rule == "email" for hit in find(text)):
        return True
    text = _UUID.sub(" ", text)
    closed, area = checked.facts["closed_at"][:10], checked.facts.get("locality_code", "")[:4]
    for found in _DIGITS.finditer(text):
        run = found[0]
        if _resident(run, closed) or (not (area and run.startswith(area)) and (_mobile(run, closed) or _card(run))):
            return True
    return any(_resident(re.sub(r"[^0-9X]", "", found[0]), closed) for found in _ID_PARTED.finditer(text)) or any(
        not (area and found[1].startswith(area[:3])) for found in _MOBILE_PARTED.finditer(text)
    )


def _resident(run: str, closed: str) -> bool:
    """GB 11643: eighteen characters, a birth that may have been one, the check character."""
    if len(run) != 18 or not checks(run):
        return False
    born = _day(run[6:10], run[10:12], run[12:14])
    return born is not None and "1900-01-01" <= born <= f"{int(closed[:4]) - _YOUNGEST:04d}{closed[4:]}"


def _mobile(run: str, closed: str) -> bool:
    """Eleven digits from 13 to 19, unless they begin with a short date (190528), or a year near the closing is in the third place."""
    if len(run) != 11 or run[0] != "1" or run[1] < "3" or _day("20" + run[:2], run[2:4], run[4:6]) is not None:
        return False
    return not int(closed[:4]) - _YOUNGEST <= int(run[2:6]) <= int(closed[:4])


def _card(run: str) -> bool:
    """UnionPay: 16 or 19 digits from 62, the check digit of ISO/IEC 7812; with a date in seventh place they are a serial of Gansu (62)."""
    if len(run) not in {16, 19} or not run.startswith("62") or not run.isdigit() or _day(run[6:10], run[10:12], run[12:14]) is not None:
        return False
    doubled = (int(one) * (1 + place % 2) for place, one in enumerate(reversed(run)))
    return sum(one // 10 + one % 10 for one in doubled) % 10 == 0


def _day(year: str, month: str, day: str) -> str | None:
    try:
        return date(int(year), int(month), int(day)).isoformat() if "1900" <= year < "2100" else None
    except ValueError:
        return None
