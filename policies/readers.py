"""Readers: one compiled function per field, from a JSON value to its stored form or to faults.

A reader never raises and never puts the value into a fault. What it returns is `MISSING` (nothing usable) or the stored form:
strings tidied, codes as stable codes, dates as `YYYY-MM-DD`, times as UTC `YYYY-MM-DDTHH:MM:SS.mmmZ`, so that text order is time order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, Final

from policies.catalogue import Field
from policies.characters import ORDINARY, marked_secret, refused, tidy
from policies.codes import CodeList
from policies.faults import WANTED, Faults
from policies.formats import FORMATS, Format

MISSING: Final = object()
OFFICE_ZONE: Final = timezone(timedelta(hours=8))
"""Asia/Shanghai since 1992; a time without a zone is meant in it."""
EARLIEST: Final = "1850-01-01"
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATETIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:Z|[+\-][0-9]{2}:[0-9]{2})?", re.ASCII
)
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(slots=True)
class Reading:
    """One record being read. `tomorrow` is the first instant that counts as future, in both stored forms."""

    today: str
    tomorrow_utc: str
    faults: Faults
    versions: dict[str, dict[int | None, str]] = field(default_factory=dict)
    """Code-list versions told by the spelling: path -> item index -> version."""


Reader = Callable[[object, str, "Reading", "int | None"], Any]
"""(value, path of the instance, reading, item index) -> stored form or MISSING."""


def reader_for(one: Field, code_list: CodeList | None) -> Reader:
    """Compile the reader of a field the depositor may give (extra_collected and provenance have readers of their own)."""
    return _MAKERS[one.type](one, code_list)


def _labels(one: Field) -> dict[str, str]:
    return {"label_zh": one.label_zh, "label_en": one.label_en}


def _wrong_type(one: Field, want: str) -> dict[str, str]:
    return {**_labels(one), "want_zh": WANTED[want][0], "want_en": WANTED[want][1]}


def string_reader(labels: Mapping[str, str], form: Format, limit: int, *, name: str = "string") -> Reader:
    """A reader of one string of a form; also used for the parts of composite values."""
    wrong = {**labels, "want_zh": WANTED[name][0], "want_en": WANTED[name][1]}
    misfit = {**labels, "want_zh": form.want_zh, "want_en": form.want_en}
    strictness = form.strictness
    plain = form.pattern is None
    ordinary = ORDINARY.fullmatch

    def read(value: object, path: str, reading: Reading, _item: int | None) -> Any:
        if not isinstance(value, str):
            reading.faults.add(path, "type", **wrong)
            return MISSING
        # Far too long is refused before any pattern sees it; a little padding may still be trimmed away.
        if len(value) > limit + 1000:
            reading.faults.add(path, "too-long", **labels, limit=limit)
            return MISSING
        if value and ordinary(value):
            text = value
        else:
            text = tidy(value)
            rules = refused(text, strictness)
            for rule in rules:
                reading.faults.add(path, rule, **labels)
            if rules or not text:
                return MISSING
        if len(text) > limit:
            reading.faults.add(path, "too-long", **labels, limit=limit)
            return MISSING
        if "密" in text and marked_secret(text):
            reading.faults.add(path, "state-secret", **labels)
            return MISSING
        if not plain and not form.fits(text):
            reading.faults.add(path, "format", **misfit)
            return MISSING
        return text

    return read


_TEXT: Final = Format("text", "文字", "text")


def _string(one: Field, _codes: CodeList | None) -> Reader:
    return string_reader(_labels(one), FORMATS[one.format], one.max_length)


def _text(one: Field, _codes: CodeList | None) -> Reader:
    return string_reader(_labels(one), _TEXT, one.max_length)


def _code(one: Field, codes: CodeList | None) -> Reader:
    if codes is None:
        raise ValueError(one.path)
    wrong = _wrong_type(one, "string")
    outside = {**_labels(one), "list_zh": codes.label_zh, "list_en": codes.label_en}
    spellings = codes.spellings
    path_of_field = one.path

    def read(value: object, path: str, reading: Reading, item: int | None) -> Any:
        if not isinstance(value, str):
            reading.faults.add(path, "type", **wrong)
            return MISSING
        found = spellings.get(value)
        if found is None:
            reading.faults.add(path, "code", **outside)
            return MISSING
        if found[1] is not None:
            reading.versions.setdefault(path_of_field, {})[item] = found[1]
        return found[0]

    return read


def _date(one: Field, _codes: CodeList | None) -> Reader:
    return date_reader(_labels(one), may_be_future=one.may_be_future)


def date_reader(labels: Mapping[str, str], *, may_be_future: bool) -> Reader:
    """A reader of a day."""
    wrong = {**labels, "want_zh": WANTED["date"][0], "want_en": WANTED["date"][1]}

    def read(value: object, path: str, reading: Reading, _item: int | None) -> Any:
        if not isinstance(value, str) or not _DATE.fullmatch(value) or not _is_day(value) or value < EARLIEST:
            reading.faults.add(path, "type", **wrong)
            return MISSING
        if not may_be_future and value > reading.today:
            reading.faults.add(path, "future", **labels)
            return MISSING
        return value

    return read


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _datetime(one: Field, _codes: CodeList | None) -> Reader:
    labels, wrong = _labels(one), _wrong_type(one, "datetime")
    may_be_future = one.may_be_future

    def read(value: object, path: str, reading: Reading, _item: int | None) -> Any:
        stored = utc(value) if isinstance(value, str) else None
        if stored is None or stored < EARLIEST:
            reading.faults.add(path, "type", **wrong)
            return MISSING
        if not may_be_future and stored >= reading.tomorrow_utc:
            reading.faults.add(path, "future", **labels)
            return MISSING
        return stored

    return read


def utc(text: str) -> str | None:
    """The stored form of a time, or None: RFC 3339, a space for the T allowed, Asia/Shanghai where no zone is given."""
    try:
        if text[10:11] == "T" and text[13:14] == text[16:17] == ":" and text[4:5] == text[7:8] == "-" and text[19:] == "+08:00":
            # As most systems of the office write it. From eight o'clock on the day is the same in UTC: only the hour moves.
            hour = datetime.fromisoformat(text).hour
            if hour >= 8:
                return f"{text[:11]}{hour - 8:02d}{text[13:19]}.000Z"
        if not _DATETIME.fullmatch(text):
            return None
        moment = datetime.fromisoformat(_six_digits(text))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=OFFICE_ZONE)
        return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
    except (ValueError, OverflowError):
        return None


def _six_digits(text: str) -> str:
    """Fractions of a second cut to microseconds, the most a datetime holds."""
    return re.sub(r"(\.[0-9]{6})[0-9]+", r"\1", text) if "." in text else text


def _bool(one: Field, _codes: CodeList | None) -> Reader:
    wrong = _wrong_type(one, "bool")

    def read(value: object, path: str, reading: Reading, _item: int | None) -> Any:
        if value is True or value is False:
            return value
        reading.faults.add(path, "type", **wrong)
        return MISSING

    return read


def _integer(one: Field, _codes: CodeList | None) -> Reader:
    wrong, labels = _wrong_type(one, "integer"), _labels(one)
    minimum, maximum = one.minimum, one.maximum

    def read(value: object, path: str, reading: Reading, _item: int | None) -> Any:
        if not isinstance(value, int) or isinstance(value, bool):
            reading.faults.add(path, "type", **wrong)
            return MISSING
        if not minimum <= value <= maximum:
            reading.faults.add(path, "range", **labels, minimum=minimum, maximum=maximum)
            return MISSING
        return value

    return read


def _strings(one: Field, codes: CodeList | None) -> Reader:
    item = _code(one, codes) if codes else string_reader(_labels(one), FORMATS[one.format], one.max_length)
    return _list_of(one, item, "strings", unique=True)


def _list_of(one: Field, item: Reader, want: str, *, unique: bool) -> Reader:
    wrong, labels, limit = _wrong_type(one, want), _labels(one), one.max_items

    def read(value: object, path: str, reading: Reading, index: int | None) -> Any:
        if not isinstance(value, list):
            reading.faults.add(path, "type", **wrong)
            return MISSING
        if len(value) > limit:
            reading.faults.add(path, "too-many-items", **labels, limit=limit)
            return MISSING
        items = [item(part, f"{path}[{number}]", reading, index) for number, part in enumerate(value)]
        kept = [part for part in items if part is not MISSING]
        if unique and len(set(kept)) != len(kept):
            reading.faults.add(path, "duplicate-item", **labels)
        return kept or MISSING

    return read


def _dated_texts(one: Field, _codes: CodeList | None) -> Reader:
    labels = _labels(one)
    wrong = _wrong_type(one, "dated-texts")
    day = date_reader(labels, may_be_future=True)
    text = string_reader(labels, _TEXT, one.max_length)

    def read(value: object, path: str, reading: Reading, item: int | None) -> Any:
        if not isinstance(value, dict) or value.keys() != {"date", "text"}:
            reading.faults.add(path, "type", **wrong)
            return MISSING
        parts = {"date": day(value["date"], f"{path}.date", reading, item), "text": text(value["text"], f"{path}.text", reading, item)}
        for key, part in parts.items():
            if part is MISSING and not value[key]:
                reading.faults.add(f"{path}.{key}", "type", **wrong)
        return MISSING if MISSING in parts.values() else parts

    return _list_of(one, read, "dated-texts", unique=False)


def _sha256(one: Field, _codes: CodeList | None) -> Reader:
    return string_reader(_labels(one), Format("code", *WANTED["sha256"], pattern=_SHA256), 64, name="sha256")


def _never(one: Field, _codes: CodeList | None) -> Reader:
    """Kinds that only the archive makes; a rulebook that lets a depositor give one is refused when it is compiled."""
    raise ValueError(one.path)


_MAKERS: Final[Mapping[str, Callable[[Field, CodeList | None], Reader]]] = {
    "string": _string,
    "text": _text,
    "code": _code,
    "date": _date,
    "datetime": _datetime,
    "bool": _bool,
    "integer": _integer,
    "strings": _strings,
    "dated-texts": _dated_texts,
    "sha256": _sha256,
    "holds": _never,
    "uuid7": _never,
    "json": _never,
}
