"""Masks: what a value shows to a role that may not see it. All are total: what a mask does not understand is hidden whole.

Stars are of fixed number, so that their count tells nothing of the length. Masking is de-identification (去标识化), not anonymity: an
ID number masked 6 + 4 hides just the birth date, and its check digit narrows the dates, so nothing that tells the birth date or the age
may stand beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from unicodedata import category, normalize

from policies.characters import ZERO_WIDTH
from policies.divisions import Divisions
from policies.surnames import Surnames

NONE: Final = "none"
REDACT: Final = "redact_pii"
WITHHELD: Final = "withheld"
STARS: Final = "****"
HIDDEN_NAME: Final = "**"

UNIT_KINDS: Final = frozenset({"unit", "legal_person", "organisation", "association"})
"""Codes of the kind lists that say a name is a unit's."""

_INVISIBLE: Final = re.compile(f"[{ZERO_WIDTH}\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_SPACERS: Final = re.compile(r"[\s\-‐-―－_]+")
_DOTS: Final = frozenset("·•・‧∙⋅．･᛫")
_RESIDENT: Final = re.compile(r"[0-9]{17}[0-9X]", re.ASCII)
_RESIDENT_OLD: Final = re.compile(r"[0-9]{15}", re.ASCII)
_RESIDENT_MASKED: Final = re.compile(r"[0-9]{6}\*{8}[0-9]{3}[0-9X]|[0-9]{6}\*{6}[0-9]{3}", re.ASCII)
_DOCUMENT: Final = re.compile(r"[0-9A-Z]{8,40}", re.ASCII)
_SHORT_MASKED: Final = re.compile(r"[0-9A-Z]{2}\*{4}[0-9A-Z]{2}|\*{4}[0-9A-Z]{4}|[0-9]{3}\*{4}[0-9]{4}|0[0-9]{2,3}-\*{4}", re.ASCII)
_MOBILE: Final = re.compile(r"(?:\+?86|0086)?(1[0-9]{10})", re.ASCII)
_LANDLINE: Final = re.compile(r"(?:\+?86|0086)?(0(?:10|2[0-9]|[3-9][0-9]{2}))[0-9]{7,8}(?:(?:转|分机|EXT\.?|#|\*)[0-9]{1,6})?", re.ASCII)
_CARD: Final = re.compile(r"[0-9]{12,19}", re.ASCII)
_CREDIT_CODE: Final = re.compile(r"[0-9A-Z]{18}", re.ASCII)
_PLATE: Final = re.compile(r"([京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼])[A-Z][0-9A-Z]{3,5}[0-9A-Z]{2}")
_PLATE_MASKED: Final = re.compile(r"[一-龥]\*{4}[0-9A-Z]{2}")
_EMAIL: Final = re.compile(r"([^\s@*])[^\s@]{0,63}@([^\s@]{1,255})")


@dataclass(frozen=True, slots=True)
class Context:
    """What a mask may need besides the value: the tables of the rulebook, and what its siblings say of it."""

    surnames: Surnames
    divisions: Divisions
    redact: Callable[[str], str] | None = None
    """The redactor of the case; without one a text is hidden whole."""
    unit: bool = False
    accused: bool = False
    id_type: str | None = None


def apply(mask: str, value: Any, context: Context) -> str:
    """The masked form of a value. Never raises; an unknown mask, or a value the mask does not understand, gives stars alone."""
    function = MASKS.get(mask)
    if function is None:
        return STARS
    if isinstance(value, list):
        return "、".join(apply(mask, one, context) for one in value) or STARS
    return function(value, context)


def _compact(value: str) -> str:
    """Width, case, spaces, hyphens and invisible characters taken out."""
    return _SPACERS.sub("", _INVISIBLE.sub("", normalize("NFKC", value))).upper()


def none(value: Any, _context: Context) -> str:
    """Shown as is."""
    return value if isinstance(value, str) else str(value)


def withheld(_value: Any, _context: Context) -> str:
    """A view names the field among those withheld and shows nothing; the stars are for a caller that prints anyway."""
    return STARS


def name(value: Any, context: Context) -> str:
    """Surname and `**`; a unit that is not accused by its full name."""
    if not isinstance(value, str):
        return HIDDEN_NAME
    text = _INVISIBLE.sub("", value).strip()
    if context.unit:
        return HIDDEN_NAME if context.accused or not text else text
    if len(text) < 2 or not _begins_a_name(text[0]):
        return HIDDEN_NAME
    if _DOTS & set(text) or not _is_han(text[0]):
        return text[0] + HIDDEN_NAME
    return context.surnames.split(text)[0] + HIDDEN_NAME


def _begins_a_name(character: str) -> bool:
    """A letter, or a private-use character: rare surnames live there."""
    return category(character)[0] == "L" or category(character) == "Co"


def _is_han(character: str) -> bool:
    return "\u3400" <= character <= "\u9fff" or "\uf900" <= character <= "\ufaff" or character >= "\U00020000"


def id_number(value: Any, context: Context) -> str:
    """First 6 and last 4 of a resident number, 6 and 3 of the old form, 2 and 2 of another document of 8 or more; else nothing."""
    if not isinstance(value, str):
        return STARS
    if context.id_type == "credit_code":
        return credit_code(value, context)
    text = _compact(value)
    if _RESIDENT_MASKED.fullmatch(text) or _SHORT_MASKED.fullmatch(text):
        return text
    if _RESIDENT.fullmatch(text):
        return f"{text[:6]}********{text[-4:]}"
    if _RESIDENT_OLD.fullmatch(text):
        return f"{text[:6]}******{text[-3:]}"
    return f"{text[:2]}{STARS}{text[-2:]}" if _DOCUMENT.fullmatch(text) else STARS


def phone(value: Any, _context: Context) -> str:
    """First 3 and last 4 of a mobile number; of a landline its area code; else nothing."""
    if not isinstance(value, str):
        return STARS
    folded = normalize("NFKC", value).strip()
    if _SHORT_MASKED.fullmatch(folded):
        return folded
    text = re.sub(r"[().]", "", _compact(value))
    mobile = _MOBILE.fullmatch(text)
    if mobile:
        return f"{mobile[1][:3]}{STARS}{mobile[1][-4:]}"
    landline = _LANDLINE.fullmatch(text)
    return f"{landline[1]}-{STARS}" if landline else STARS


def email(value: Any, _context: Context) -> str:
    """First character, `***@`, domain; the local part is hidden whole where it is one character."""
    if not isinstance(value, str):
        return STARS
    found = _EMAIL.fullmatch(_INVISIBLE.sub("", normalize("NFKC", value)).strip())
    if found is None:
        masked = re.fullmatch(r"(?:[^\s@*])?\*{3}@[^\s@]{1,255}", value)
        return value if masked else STARS
    alone = found.start(2) == 2
    return f"{'' if alone else found[1]}***@{found[2]}"


def address(value: Any, context: Context) -> str:
    """Down to the county by known divisions, then `***`; nothing where no division is recognised."""
    if not isinstance(value, str):
        return "***"
    known = context.divisions.cut(_INVISIBLE.sub("", value).strip())
    return f"{known or ''}***"


def bank_card(value: Any, _context: Context) -> str:
    """Last 4."""
    return _last_four(value, _CARD)


def credit_code(value: Any, _context: Context) -> str:
    """Last 4 of a unified social credit code (GB 32100)."""
    return _last_four(value, _CREDIT_CODE)


def _last_four(value: Any, form: re.Pattern[str]) -> str:
    if not isinstance(value, str):
        return STARS
    text = _compact(value)
    if _SHORT_MASKED.fullmatch(text):
        return text
    return STARS + text[-4:] if form.fullmatch(text) else STARS


def plate(value: Any, _context: Context) -> str:
    """Province and last 2."""
    if not isinstance(value, str):
        return STARS
    text = re.sub(f"[{''.join(_DOTS)}]", "", _compact(value))
    if _PLATE_MASKED.fullmatch(text):
        return text
    found = _PLATE.fullmatch(text)
    return f"{found[1]}{STARS}{text[-2:]}" if found else STARS


def redacted(value: Any, context: Context) -> str:
    """The redacted copy of a text; of dated texts each with its date."""
    if context.redact is None:
        return STARS
    if isinstance(value, dict) and isinstance(value.get("date"), str) and isinstance(value.get("text"), str):
        return f"{value['date']} {context.redact(value['text'])}"
    return context.redact(value) if isinstance(value, str) else STARS


Mask = Callable[[Any, Context], str]
MASKS: Final[Mapping[str, Mask]] = MappingProxyType(
    {
        NONE: none,
        "id_6_4": id_number,
        "name_first_char": name,
        "phone_3_4": phone,
        "email_first_char": email,
        "address_county": address,
        REDACT: redacted,
        WITHHELD: withheld,
        "bank_card_4": bank_card,
        "credit_code_4": credit_code,
        "plate_2": plate,
    }
)
