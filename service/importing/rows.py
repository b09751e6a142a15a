"""From a row to a record in the form of a deposit, by a mapping: values, their provenance, and the raw cells kept beside them."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import blake2b
from typing import Any, Final

from foundation.errors import Fault
from policies.codes import UNKNOWN
from service.importing import cells
from service.importing.cells import Cell, fault
from service.importing.cleaning import TEXT, clean
from service.importing.mapping import RAW_FIELD, Feed, Mapping
from service.importing.readers import Row

_SENTENCE_END: Final = re.compile(r"[。！？；!?;\n]")
# Characters that neither normalisation nor a rule of the archive touches; every other one is escaped, so a raw cell comes back exactly.
_UNSAFE: Final = re.compile("[^\x20-\x7e\u2010-\u2027\u3001-\u303f\u4e00-\u9fff\uff01-\uff9f]")
_OFFSET: Final = "+08:00"
_RANK: Final = {"given": 0, "derived": 1, UNKNOWN: 2}


@dataclass(slots=True)
class Mapped:
    """A mapped row: the record, or the faults that refuse it; `case_no` for reports where it could be read."""

    number: int
    record: dict[str, Any]
    case_no: str
    faults: list[Fault] = field(default_factory=list)
    cleaned: dict[str, list[str]] = field(default_factory=dict)
    """Column -> the cleaning rules that changed its cell."""
    derived: dict[str, str] = field(default_factory=dict)
    """Path -> the rule a value was derived by."""


class Repeats:
    """Which rows of a file repeat another one, told by keyed digests of their texts; the earliest by time, then by row, is the original.

    A row with the original's own case number is that case once more, and no repeat.
    """

    def __init__(self, mapping: Mapping) -> None:
        """Begin with nothing seen; the mapping feeds `is_repeat` or `repeat_of_case_no` by `repeat-in-file`."""
        self._key = secrets.token_bytes(32)
        self._feed = next(one for one in mapping.feeds if one.derive == "repeat-in-file")
        self._number = next(one for one in mapping.feeds if one.path == "case_no")
        self._first: dict[bytes, tuple[str, int, str]] = {}

    def learn(self, rows: Iterable[Row]) -> None:
        """Read the file once, before its rows are mapped."""
        for row in rows:
            if row.fault is None:
                moment = cells.as_moment(row.cells.get(self._feed.order), serial=False) if self._feed.order else None
                candidate = (moment.at.isoformat() if moment else "9999", row.number, self._case_no(row))
                key = self._digest(row, self._feed)
                self._first[key] = min(self._first.get(key, candidate), candidate)

    def original(self, row: Row, feed: Feed) -> str | None:
        """The case number of the earliest row with the same texts; None where that is this case itself."""
        first = self._first.get(self._digest(row, feed))
        return first[2] if first and first[2] != self._case_no(row) else None

    def _case_no(self, row: Row) -> str:
        return clean(cells.as_text(row.cells.get(self._number.columns[0])) or "", self._number.clean)[0]

    def _digest(self, row: Row, feed: Feed) -> bytes:
        texts = [clean(cells.as_text(row.cells.get(column)) or "", TEXT)[0] for column in feed.columns]
        return blake2b(json.dumps(texts).encode("utf-8", "surrogatepass"), key=self._key, digest_size=16).digest()


class RowMapper:
    """Applies one mapping to rows."""

    def __init__(self, mapping: Mapping, repeats: Repeats | None = None) -> None:
        """Map by `mapping`; `repeats` must have learnt the file where the mapping asks for it."""
        self._mapping = mapping
        self._repeats = repeats

    def map(self, row: Row) -> Mapped:
        """Map a row; never raises for what stands in it."""
        source = self._mapping.source
        mapped = Mapped(row.number, {"source_system": source.system}, "")
        if row.fault is not None:
            mapped.faults.append(row.fault)
            return mapped
        told: dict[str, str] = {"source_system": "given"}
        items: dict[str, dict[int, dict[str, Any]]] = {}
        for feed in self._mapping.feeds:
            value, provenance = self._value(feed, row, mapped)
            if feed.path == "case_no" and isinstance(value, str):
                mapped.case_no = value
            if value is None and not feed.field.required:
                continue
            holder = mapped.record
            if feed.item is not None:
                holder = items.setdefault(feed.field.group.removesuffix("[]"), {}).setdefault(feed.item, {})
            elif feed.field.group != "records":
                holder = mapped.record.setdefault(feed.field.group, {})
            holder[feed.field.name] = value
            if _RANK[provenance] >= _RANK[told.get(feed.field.path, "given")]:
                told[feed.field.path] = provenance
        self._place_items(items, mapped.record, told)
        told |= {path: UNKNOWN for path in self._mapping.unknown if "[]." not in path or path.split("[]")[0] in mapped.record}
        mapped.record["provenance"] = dict(sorted(told.items()))
        if self._mapping.keep_raw:
            mapped.record[RAW_FIELD] = self._raw(row, mapped)
        return mapped

    def _place_items(self, items: dict[str, dict[int, dict[str, Any]]], record: dict[str, Any], told: dict[str, str]) -> None:
        """An item exists only where some cell told something of it."""
        for group, numbered in items.items():
            kept = [numbered[index] for index in sorted(numbered) if any(value is not None for value in numbered[index].values())]
            if kept:
                record[group] = [{name: value for name, value in item.items() if value is not None} for item in kept]
            else:
                for path in [path for path in told if path.startswith(f"{group}[]")]:
                    del told[path]

    def _value(self, feed: Feed, row: Row, mapped: Mapped) -> tuple[Any, str]:
        if feed.derive == "repeat-in-file":
            original = self._repeats.original(row, feed) if self._repeats else None
            if original is None:
                return None, UNKNOWN
            mapped.derived[feed.path] = feed.derive
            return (True if feed.field.type == "bool" else original), "derived"
        texts = []
        for column in feed.columns:
            text = self._text(row.cells.get(column), column, feed, mapped)
            if text is None:
                return None, UNKNOWN
            texts.append(text)
        if not any(texts):
            return None, UNKNOWN
        if not feed.derive:
            return self._converted(feed, row.cells.get(feed.columns[0]), texts[0], mapped, "given")
        mapped.derived[feed.path] = f"{feed.derive}({'，'.join(feed.columns)})"
        if feed.derive == "present":
            return True, "derived"
        if feed.derive == "heading" and feed.codes is not None:
            return feed.codes.codes[feed.columns[0]], "derived"
        if feed.derive == "opening":
            return opening(texts[0], feed.length), "derived"
        if feed.derive == "join":
            return feed.separator.join(text for text in texts if text), "derived"
        return self._converted(feed, row.cells.get(feed.columns[0]), texts[0], mapped, "derived")

    def _text(self, cell: Cell, column: str, feed: Feed, mapped: Mapped) -> str | None:
        text = cells.as_text(cell)
        if text is None:
            mapped.faults.append(fault(feed.path, "number-lost-digits"))
            return None
        text, changed = clean(text, [rule for rule in feed.clean if rule != "excel-serial"])
        self._note(mapped, column, changed)
        if text in self._mapping.source.empty:
            self._note(mapped, column, ("empty-mark",) if text else ())
            return ""
        return text

    @staticmethod
    def _note(mapped: Mapped, column: str, rules: Iterable[str]) -> None:
        for rule in rules:
            if rule not in (noted := mapped.cleaned.setdefault(column, [])):
                noted.append(rule)

    def _converted(self, feed: Feed, cell: Cell, text: str, mapped: Mapped, provenance: str) -> tuple[Any, str]:
        """The text as a value of the field's type. The archive's own rules (lengths, forms, codes) are not anticipated here."""
        kind = feed.field.type
        if kind in ("date", "datetime"):
            return self._moment(feed, cell, text, mapped), provenance
        if feed.codes is not None and kind == "code":
            code = feed.codes.codes.get(text)
            if code is None and not feed.codes.lenient:
                mapped.faults.append(fault(feed.path, "code-not-mapped"))
            mapped.derived[feed.path] = f"codes({feed.codes.name}@{feed.codes.version})"
            return (code, provenance) if code is not None else (None, UNKNOWN)
        if kind == "strings":
            return [part.strip() for part in re.split(f"[{re.escape(feed.split)}]", text) if part.strip()] or None, provenance
        if kind == "integer":
            return self._or_fault(cells.as_count(text), feed, "whole-number-not-readable", mapped), provenance
        if kind == "bool":
            return self._or_fault(cells.as_flag(text), feed, "yes-or-no-not-readable", mapped), provenance
        return text, provenance

    @staticmethod
    def _or_fault(value: Any, feed: Feed, rule: str, mapped: Mapped) -> Any:
        if value is None:
            mapped.faults.append(fault(feed.path, rule))
        return value

    def _moment(self, feed: Feed, cell: Cell, text: str, mapped: Mapped) -> str | None:
        moment = cells.as_moment(text if isinstance(cell, str) else cell, serial="excel-serial" in feed.clean)
        if moment is None:
            mapped.faults.append(fault(feed.path, "date-not-readable"))
            return None
        column = feed.columns[0]
        if moment.form != self._mapping.source.date_form:
            self._note(mapped, column, (f"date-form-{moment.form}",))
        if feed.field.type == "date":
            return moment.at.date().isoformat()
        if not moment.has_time:
            self._note(mapped, column, ("date-only",))
        # Tables are written in the office's time; what they round away below a second is not made up.
        return (moment.at + timedelta(microseconds=-moment.at.microsecond)).isoformat() + _OFFSET

    def _raw(self, row: Row, mapped: Mapped) -> str:
        """The raw cells as JSON text, with what was done to them; only of columns the mapping reads, for nothing else was collected."""
        kept = {
            "mapping": f"{self._mapping.name}@{self._mapping.version}",
            "cells": {column: cells.raw(cell) for column, cell in row.cells.items() if column in self._mapping.columns},
            "cleaned": mapped.cleaned,
            "derived": mapped.derived,
        }
        return exact_json({key: value for key, value in kept.items() if value})


def opening(text: str, length: int) -> str:
    """The first whole sentences of a text that fit into `length` characters; a first sentence longer than that is cut, with an ellipsis."""
    flat = clean(text, ("one-line", "edges"))[0]
    if len(flat) <= length:
        return flat
    ends = [hit.end() for hit in _SENTENCE_END.finditer(flat, 0, length)]
    return flat[: ends[-1]].strip() if ends and ends[-1] >= length // 4 else flat[: length - 1].rstrip() + "…"


def exact_json(value: Any) -> str:
    """JSON text from which `json.loads` gives back every character, whatever is normalised or refused on the way in between."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return _UNSAFE.sub(_escape, text)


def _escape(hit: re.Match[str]) -> str:
    units = hit[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[index]:02x}{units[index + 1]:02x}" for index in range(0, len(units), 2))
