"""Shape recognisers: numbers and addresses of the net that tell who somebody is, found by form alone.

No checksum is a gate: correct ID numbers fail published checkers, and a mistyped number still leads to its bearer. A run of digits is
read through separators, invisible characters and Chinese numerals; what looks like a date, a range of years or an amount is left.
Every pattern is linear: its repeated parts cannot match the same character twice. Most begin with one class of few characters, what
may stand there being told behind it (`(?<=`): of such a pattern `re` passes quickly over all other characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from policies.folding import NUMERALS, digits

HIGH: Final = "high"
MEDIUM: Final = "medium"
LOW: Final = "low"


@dataclass(frozen=True, slots=True)
class Hit:
    """A find in the folded text. `value` is what equal finds have in common."""

    start: int
    end: int
    type: str
    rule: str
    confidence: str
    value: str


_SEPARATOR: Final = r"[ \t\u00a0\u3000\-‐-―._/·•*|~()+]"
"""Without comma and 、: 11、12、13 is a list of houses. A number the case knows is found through those too."""
_RUN: Final = re.compile(
    rf"[A-Z0-9](?:(?<=[0-9])|(?<=[A-Z])[A-Z]{{0,2}}(?={_SEPARATOR}?[0-9]{{5}})[0-9])"
    rf"(?:{_SEPARATOR}{{0,2}}+[0-9])*+(?:{_SEPARATOR}{{0,2}}+[X×]|[A-Z0-9]*+)",
    re.ASCII,
)
_WORDED: Final = "".join(NUMERALS)
_WORDED_RUN: Final = re.compile(rf"[{_WORDED}0-9](?:{_SEPARATOR}{{0,2}}+[{_WORDED}0-9]){{6,}}+")
_ANY_WORDED: Final = re.compile(
    rf"[{_WORDED}0-9](?:(?<=[0-9]){_SEPARATOR}{{0,2}}[{_WORDED}]|(?<![0-9])(?:{_SEPARATOR}{{0,2}}+[{_WORDED}0-9]){{2}})"
)
_DIGIT: Final = re.compile(r"[0-9]")
_YEAR: Final = r"(?:19|20)[0-9]{2}"
_DAY: Final = rf"{_YEAR}(?:[-./]\s?(?:1[0-2]|0?[1-9])(?:[-./]\s?(?:3[01]|[12][0-9]|0?[1-9]))?)?"
_DATES: Final = re.compile(
    rf"[12](?<![0-9\-./].)(?<![0-9] .)(?:(?<=1)9|(?<=2)0)[0-9]{{2}}"
    rf"(?:[-./](?:1[0-2]|0?[1-9])(?:[-./](?:3[01]|[12][0-9]|0?[1-9]))?|(?=[-—–~]{{1,2}}{_YEAR}))"
    rf"(?: ?[-—–~]{{1,2}} ?{_DAY})?(?:[T ][0-2]?[0-9]:[0-5][0-9](?::[0-5][0-9])?)?(?![0-9]|[\-./] ?[0-9]| [0-9])"
)
_AMOUNT: Final = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,4})?|[0-9]{1,3}(?:[,，][0-9]{3}){1,3}(?:\.[0-9]{1,4})?")
_AMOUNT_UNIT: Final = re.compile(r"\s?(?:余|多)?(?:元|万|亿|千元|吨|亩|公里|平方|平米|立方|米|㎡|户|人|度|倍|%|％)")
_MOBILE: Final = re.compile(r"(?:86|0086)?1[0-9]{10}")
_LANDLINE: Final = re.compile(r"0[0-9]{9,11}|[2-8][0-9]{6,7}|[48]00[0-9]{7}")
_RESIDENT: Final = re.compile(r"[1-9][0-9]{5}(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9X]")
_CREDIT: Final = re.compile(r"[0-9A-Z]{2}[0-9]{6}[0-9A-Z]{10}")
_EMAIL_LOCAL: Final = re.compile(r"[A-Z0-9._%+\-\u00c0-\u024f]{1,64}")
"""Matched from the @ backwards."""
_EMAIL_DOMAIN: Final = re.compile(r"[ ]?([A-Z0-9\-一-龥]{1,63}(?:\.[A-Z0-9\-]{1,63}){1,6}|[A-Z0-9\-]{1,63})")
_QQ: Final = re.compile(r"(?:Q\s?Q|扣扣|企鹅)(?:号码|号|群号|群)?[\s:：是为()]{0,4}+([1-9][0-9]{4,11})")
_WECHAT: Final = re.compile(
    r"(?:微信|薇信|威信|V信|VX|WX|WEIXIN|WECHAT)(?:号码|号|ID)?[\s:：是为()]{0,4}+([A-Z_][A-Z0-9_\-]{5,19}|[0-9]{5,20})"
)
_PLATE: Final = re.compile(
    r"[A-Z](?<=[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使领][A-Z])[\s·.\-]{0,2}+[A-Z0-9]{4,5}[A-Z0-9挂学警港澳]"
)
"""From its letter on: the province before it is in every text, a letter in few."""
_ROOM: Final = re.compile(
    r"[0-9A-Z](?:[0-9A-Z]{0,3}(?:栋|幢|号楼|座)(?:[0-9A-Z]{1,3}(?:单元|门|梯))?[0-9]{1,5}(?:室|号|户|房)?"
    r"|(?<=[0-9])[0-9]{0,2}单元[0-9]{2,5}(?:室|号|户|房)?|(?<=[0-9])[0-9]{0,4}号[0-9]{1,4}(?:室|房))"
)
_HAS_CUE: Final = re.compile(r"Q\s?Q|扣扣|企鹅|信|VX|WX|WE")


def find(text: str) -> Iterator[Hit]:
    """All finds by shape in a folded text; they may overlap. What is asked first holds wherever the pattern behind it finds anything."""
    if _DIGIT.search(text):
        yield from _runs(text)
        yield from (_hit(text, found.start(), found.end(), "地址", "address.room", LOW) for found in _ROOM.finditer(text))
    yield from (_hit(text, found.start() - 1, found.end(), "车牌", "plate", MEDIUM) for found in _PLATE.finditer(text))
    if _ANY_WORDED.search(text):
        yield from _worded(text)
    if "@" in text:
        yield from _emails(text)
    if _HAS_CUE.search(text):
        yield from (_cue(found, "QQ号", "qq") for found in _QQ.finditer(text))
        yield from (_cue(found, "微信号", "wechat") for found in _WECHAT.finditer(text))


def _hit(text: str, start: int, end: int, kind: str, rule: str, confidence: str) -> Hit:
    return Hit(start, end, kind, rule, confidence, re.sub(r"[\s·.\-]", "", text[start:end]))


def _cue(found: re.Match[str], kind: str, rule: str) -> Hit:
    return Hit(found.start(1), found.end(1), kind, rule, MEDIUM, found[1])


def _emails(text: str) -> Iterator[Hit]:
    """Around every @; addresses that run into each other (a@b@c) are one find, of the longest."""
    first, end, most, value = 0, -1, 0, ""
    at = text.find("@")
    while at >= 0:
        domain = _EMAIL_DOMAIN.match(text, at + 1)
        head = text[max(0, at - 65) : at].rstrip(" ") if domain else ""
        local = _EMAIL_LOCAL.match(head[::-1])
        if domain and local:
            start = max(0, at - 65) + len(head) - local.end()
            if start >= end:
                if value:
                    yield Hit(first, end, "邮箱", "email", MEDIUM, value)
                first, most = start, 0
            end = domain.end()
            if end - start > most:
                most, value = end - start, local[0][::-1] + "@" + domain[1]
        at = text.find("@", at + 1)
    if value:
        yield Hit(first, end, "邮箱", "email", MEDIUM, value)


def _without_dates(text: str) -> str:
    """Dates, times and ranges of years blanked by a character that ends a run; length kept."""
    return _DATES.sub(lambda found: "\x00" * len(found[0]), text)


def _runs(text: str) -> Iterator[Hit]:
    plain = _without_dates(text)
    for found in _RUN.finditer(plain):
        compact = "".join(character for character in found[0] if character.isalnum() or character == "×").replace("×", "X")
        count = sum(1 for character in compact if character.isdigit())
        if count < 7 or _is_amount(plain, found):
            continue
        kind, rule, confidence = classify(compact)
        yield Hit(found.start(), found.end(), kind, rule, confidence, compact)


def _is_amount(text: str, found: re.Match[str]) -> bool:
    return _AMOUNT.fullmatch(found[0]) is not None and _AMOUNT_UNIT.match(text, found.end()) is not None


def _worded(text: str) -> Iterator[Hit]:
    """Numbers read out in words, or in words and digits mixed: 一三八零零零零1234."""
    for found in _WORDED_RUN.finditer(_without_dates(text)):
        start, end = found.span()
        compact = "".join(character for character in digits(found[0]) if character.isdigit())
        if not any(character in NUMERALS for character in found[0]):
            continue
        # 13800000000一直 : one numeral at the edge of a whole mobile number belongs to the sentence.
        if len(compact) == 12 and found[0][-1] in NUMERALS and found[0][:-1].isdigit() and _MOBILE.fullmatch(compact[:11]):
            continue
        kind, rule, _ = classify(compact)
        yield Hit(start, end, kind, f"{rule}.worded", LOW, compact)


def classify(compact: str) -> tuple[str, str, str]:
    """Type, rule and confidence of a run of digits and letters without separators."""
    if _RESIDENT.fullmatch(compact):
        return "证件号", "id.resident", HIGH if checks(compact) else MEDIUM
    if _MOBILE.fullmatch(compact):
        return "电话", "phone.mobile", HIGH
    if len(compact) == 18 and _CREDIT.fullmatch(compact):
        return ("证件号", "id.18", MEDIUM) if compact[:17].isdigit() else ("信用代码", "credit-code", MEDIUM)
    if compact.isdigit():
        if len(compact) == 15:
            return "证件号", "id.15", MEDIUM
        if 16 <= len(compact) <= 19:
            return "卡号", "card", MEDIUM
        if _LANDLINE.fullmatch(compact):
            return "电话", "phone.landline", MEDIUM
    elif compact[:-1].isdigit() and compact[-1] == "X" and len(compact) in {16, 18}:
        return "证件号", "id.18", MEDIUM
    return "号码", "number", LOW


_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def checks(number: str) -> bool:
    """Whether the check character of an 18-character resident number fits (GB 11643): a label of confidence, never a gate."""
    total = sum(weight * int(character) for weight, character in zip(_WEIGHTS, number, strict=False))
    return "10X98765432"[total % 11] == number[-1]
