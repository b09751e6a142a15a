"""The closed forms of every text in the log. There is no form for free text, so none can be written.

A code is made of ASCII letters, digits and `_.:/-[]`; it holds no space, no Chinese character and nothing shaped like a mobile number
or an identity number, which would be the one way left to name a person by a code.
"""

from __future__ import annotations

import re

from audit.errors import EntryRefused
from foundation.ids import is_id

_CODE = re.compile(r"[A-Za-z0-9_.:/\-\[\]]{1,120}", re.ASCII)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
# 11 digits of a Chinese mobile; 15 digits, or 17 and a check character, of an identity number (GB 11643). Never inside a longer word,
# so that ids and digests, which are hexadecimal, do not match by chance.
_PERSON_SHAPED = re.compile(r"(?<![0-9A-Za-z])(?:1[3-9][0-9]{9}|[0-9]{15}|[0-9]{17}[0-9Xx])(?![0-9A-Za-z])")
MAX_INTEGER = 9_999_999_999
"""Ten digits: no mobile and no identity number fits. Larger amounts are given in a larger unit, instants as text."""


def refuse(path: str, rule: str) -> EntryRefused:
    """Make the error; the value is not repeated, it may be the very thing that must not be written anywhere."""
    return EntryRefused(path=path, rule=rule)


def check_id(path: str, value: object) -> None:
    """Refuse anything but an id of `foundation.ids`."""
    if not is_id(value):
        raise refuse(path, "id")


def is_code(value: object) -> bool:
    """Tell whether a text can stand in the log as a code: for those who give codes, before anything carries one."""
    try:
        check_code("", value)
    except EntryRefused:
        return False
    return True


def check_code(path: str, value: object) -> None:
    """Refuse anything but a code."""
    if type(value) is not str or not _CODE.fullmatch(value):
        raise refuse(path, "code")
    if len(value) > 10 and not is_id(value) and _PERSON_SHAPED.search(value):
        raise refuse(path, "person-shaped")


def check_name(path: str, value: object) -> None:
    """Refuse anything but the name of a member: lower-case letters, digits, underscores."""
    if type(value) is not str or not _NAME.fullmatch(value):
        raise refuse(path, "name")


def check_integer(path: str, value: object, limit: int = MAX_INTEGER) -> None:
    """Refuse anything but an integer of at most ten digits (a bool is none)."""
    if type(value) is not int or not -limit <= value <= limit:
        raise refuse(path, "integer")


def is_instant(value: object) -> bool:
    """Tell whether `value` is written as `foundation.clock.iso` writes it."""
    return type(value) is str and _INSTANT.fullmatch(value) is not None


def check_value(path: str, value: object, depth: int = 3) -> None:
    """Refuse anything in `data` but codes, integers, booleans, and lists and objects of them, `depth` deep."""
    if type(value) is str:
        check_code(path, value)
    elif type(value) is bool:
        return
    elif type(value) is int:
        check_integer(path, value)
    elif depth and isinstance(value, list | tuple):
        for item in value:
            check_value(f"{path}[]", item, depth - 1)
    elif depth and isinstance(value, dict):
        for name, item in value.items():
            check_name(f"{path}.*", name)
            check_value(f"{path}.{name}", item, depth - 1)
    else:
        raise refuse(path, "type")
