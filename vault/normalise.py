"""One spelling for what people write in many: the normal forms that blind indexes compare. Pure, total and idempotent.

Two values that normalise alike count as the same person's name, number or phone; so a rule here is a rule about who is found.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final

# Between the parts of 买买提·吐尔逊 people type whatever dot their keyboard has. NFKC turns ． into . and ･ into ・ first.
_DOTS: Final = dict.fromkeys(map(ord, "·•‧∙⋅・●⸱⸳᛫ꞏ𐄁."), "·")
_MIDDLE_DOT: Final = "·"
_MOBILE: Final = re.compile(r"1[0-9]{10}")
_SERVICE: Final = re.compile(r"[48]00[0-9]{7}")
_OLD_ID: Final = re.compile(r"[0-9]{15}")
# Nearly every name and number is written like this: these, and mobile numbers, are their own normal forms.
_HAN: Final = re.compile("[一-\u9fff]+")
_RESIDENT: Final = re.compile(r"[0-9]{17}[0-9X]")
_VARIATION_SELECTOR: Final = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
# GB 11643-1999, annex A: ISO 7064 MOD 11-2.
_ID_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECK: Final = "10X98765432"
# NFKC after casefold can change a text once more (and stripped marks can let neighbours compose); it settles within few rounds.
_ROUNDS: Final = 8


def normalise_name(value: str) -> str:
    """A person's or unit's name: NFKC, one middle dot, no spaces or invisible characters, casefolded."""
    return value if _HAN.fullmatch(value) else _settle(_name_once, value)


def normalise_id_number(value: str) -> str:
    """An identity document's number: half width, upper case, no separators; the 15-digit form becomes the 18-digit one."""
    return value if _RESIDENT.fullmatch(value) else _settle(_id_once, value)


def normalise_phone(value: str) -> str:
    """A telephone number: digits only, without the prefix +86, 0086 or 86; a landline keeps the 0 of its area code.

    A number of another country becomes 00, country code, number.
    """
    return value if _MOBILE.fullmatch(value) else _settle(_phone_once, value)


def normalise_plain(value: str) -> str:
    """Any other text: NFKC, runs of space as one, casefolded."""
    return _settle(lambda text: " ".join(_plain(text).split()), value)


NORMALISERS: Final[Mapping[str, Callable[[str], str]]] = {
    "name": normalise_name,
    "id_number": normalise_id_number,
    "phone": normalise_phone,
    "plain": normalise_plain,
}


def eighteen_digits(fifteen: str) -> str:
    """Return the 18-digit form of a 15-digit resident ID number: century 19, check digit by GB 11643-1999.

    (The serials 996 to 999, for people born in the 1800s who had lived to be a hundred by 1985, are not told apart.)
    """
    body = fifteen[:6] + "19" + fifteen[6:]
    return body + _ID_CHECK[sum(int(digit) * weight for digit, weight in zip(body, _ID_WEIGHTS, strict=True)) % 11]


def _settle(once: Callable[[str], str], value: str) -> str:
    for _ in range(_ROUNDS):
        settled = once(value)
        if settled == value:
            break
        value = settled
    return value


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", _visible(text)).casefold())


def _visible(text: str) -> str:
    # Format and control characters and variation selectors change no name; lone surrogates cannot be encoded.
    if text.isprintable() and _VARIATION_SELECTOR.search(text) is None:
        return text  # none of them is printable, and of all spaces only U+0020 is
    return "".join(
        " " if char.isspace() else char
        for char in text
        if char.isspace() or not (unicodedata.category(char) in {"Cf", "Cc", "Cs"} or _VARIATION_SELECTOR.match(char))
    )


def _name_once(text: str) -> str:
    name = re.sub(r"\s+", "", _plain(text)).translate(_DOTS)
    return re.sub("·+", _MIDDLE_DOT, name)


def _id_once(text: str) -> str:
    folded = unicodedata.normalize("NFKC", _visible(text))
    number = _ascii_digits(folded).upper()
    if not (number.isascii() and number.isalnum()):
        number = "".join(char for char in number if char.isalnum() or unicodedata.category(char).startswith("L"))
    return eighteen_digits(number) if _OLD_ID.fullmatch(number) else number


def _phone_once(text: str) -> str:
    folded = _ascii_digits(unicodedata.normalize("NFKC", text))
    digits = re.sub(r"[^0-9]", "", folded)
    if folded.lstrip(" (").startswith("+"):
        international = digits
    elif digits.startswith("00"):
        international = digits[2:]
    elif digits.startswith("86") and len(digits) >= 12:
        # Domestic numbers of that length start with 0 or 1.
        international = digits
    else:
        return digits
    if not international.startswith("86"):
        return "00" + international if international else ""
    national = international[2:]
    if national.startswith("0") or len(national) < 10 or _MOBILE.fullmatch(national) or _SERVICE.fullmatch(national):
        return national
    return "0" + national


def _ascii_digits(text: str) -> str:
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in text)
