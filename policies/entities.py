"""The known entities of a case: every name, unit, number and address in its own structured fields, in the forms texts write them."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from policies.divisions import Divisions
from policies.folding import fold, key
from policies.masks import UNIT_KINDS
from policies.rulebook.load import Rulebook
from policies.surnames import Surnames

_UNIT_TAIL: Final = re.compile(
    r"(?:有限责任公司|股份有限公司|集团有限公司|有限公司|股份公司|集团公司|集团|公司|事务所|合作社|总店|分店|商行)+$"
)
# 城关街道, 城厢镇, 园林街道: these endings end nothing where a street office or town follows within three characters.
_PART_END: Final = re.compile(
    r"(?:街道办事处|街道|社区|居委会|小区|花园|家园|新村|公寓|大厦|广场|大道|镇|乡|村|屯|庄|寨|路|街|巷|弄|胡同|号楼|号|栋|幢|座|单元|室|楼|层|组|队|"
    + "|".join(f"{ending}(?![一-龥]{{1,3}}(?:街道|镇|乡))" for ending in "苑园城府湾里")
    + r")(?:小区|社区|花园|公寓)?"
)
_NO_PART: Final = re.compile(r"[,，、()（）]")
_DOTTED: Final = re.compile(r"[\s·]")
_DOTS: Final = re.compile(r"[\s·]+")
_SPACES: Final = re.compile(r"\s+")
_SEVERAL: Final = re.compile(r"[,，、;；/]")
_MOST_TAILS: Final = 16
"""Of an address: with each of its parts all that follows is a form too, which must not grow with the square of its length."""
_WEAK: Final = re.compile(r"[0-9A-Z一二三四五六七八九十百]{0,5}(?:号楼|号|栋|幢|座|单元|室|楼|层|组|队|村|路|街|里|园|城|府|湾)")
_LATIN: Final = re.compile(r"[A-Z .'\-]+")


@dataclass(slots=True)
class Entities:
    """Known entities, by the folded form to look for. `people` maps a surname to the token of the one known person who bears it."""

    phrases: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """Folded phrase -> (type, identity, rule). Finds of one identity share one token."""
    numbers: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Compact number -> (type, identity)."""
    surnames: dict[str, str] = field(default_factory=dict)
    """Surname -> identity of the first known person who bears it."""

    def person(self, name: str, surnames: Surnames, *, identity: str | None = None) -> None:
        """A person's name with its forms: whole, given name alone, the parts of a · name."""
        whole = fold(name).text.strip()
        compact = _DOTTED.sub("", whole)
        if len(compact) < 2:
            return
        who = identity or compact
        self._phrase(compact, "姓名", who, "name")
        parts = [part for part in _DOTS.split(whole) if part]
        for part in parts if len(parts) > 1 else ():
            if len(part) >= (3 if _LATIN.fullmatch(part) else 2):
                self._phrase(part, "姓名", who, "name.part")
        if len(parts) == 1 and not _LATIN.fullmatch(compact) and len(compact) <= 5:
            surname, given = surnames.split(compact)
            if len(given) >= 2:
                self._phrase(given, "姓名", who, "name.given")
            if surname in surnames.compound or surname in surnames.single or len(compact) <= 3:
                self.surnames.setdefault(surname, who)

    def unit(self, name: str, divisions: Divisions) -> None:
        """A unit by its whole name and by its core: without the place in front and the legal form behind."""
        whole = _SPACES.sub("", fold(name).text)
        if len(whole) < 2:
            return
        self._phrase(whole, "单位", whole, "unit")
        place = divisions.cut(whole)
        core = _UNIT_TAIL.sub("", whole[len(place) if place else 0 :])
        for form in {core, _UNIT_TAIL.sub("", whole)}:
            if 3 <= len(form) < len(whole):
                self._phrase(form, "单位", whole, "unit.core")

    def number(self, value: str, kind: str) -> None:
        """A number or code in any spacing and width; of an 18-digit resident number its 15-digit form too, and the other way round."""
        compact = key(value)
        if len(compact) < 4:
            return
        self.numbers.setdefault(compact, (kind, compact))
        if kind == "电话":
            for prefix in ("0086", "+86", "86"):
                bare = compact.removeprefix(prefix)
                if bare != compact and len(bare) >= 7:
                    self.numbers.setdefault(bare, (kind, compact))
            if compact.startswith("0") and len(compact) in {11, 12} and compact.isdigit():
                self.numbers.setdefault(compact[-7:] if len(compact) == 11 and compact[1] not in "12" else compact[-8:], (kind, compact))
        elif len(compact) == 18 and compact[:17].isdigit():
            self.numbers.setdefault(compact[:6] + compact[8:17], (kind, compact))

    def email(self, value: str) -> None:
        """An address of the net, whole."""
        whole = _SPACES.sub("", fold(value).text)
        if len(whole) >= 3:
            self._phrase(whole, "邮箱", whole, "email.known")

    def address(self, value: str, divisions: Divisions) -> None:
        """An address whole, below its county, and in its telling parts."""
        whole = _SPACES.sub("", fold(value).text)
        if len(whole) < 3:
            return
        place = divisions.cut(whole)
        tail = whole[len(place) if place else 0 :]
        for form in (whole, tail):
            if len(form) >= 3:
                self._phrase(form, "地址", whole, "address")
        outside: list[str] = []
        breaks = [found.end() for found in _NO_PART.finditer(tail)]
        at = 0
        for number, found in enumerate(_PART_END.finditer(tail)):
            before = bisect_right(breaks, found.start())
            start = max(at, breaks[before - 1]) if before else at
            part, rest = tail[start : found.end()], tail[start:]
            if len(part) >= 3 and not _WEAK.fullmatch(part):
                self._phrase(part, "地址", whole, "address.part")
            if len(rest) >= 5 and number < _MOST_TAILS:
                self._phrase(rest, "地址", whole, "address.part")
            outside.append(tail[at:start])
            at = found.end()
        left = "".join((*outside, tail[at:]))
        if len(left) >= 3:
            self._phrase(left, "地址", whole, "address.part")

    def day(self, value: str) -> None:
        """A date of birth (`YYYY-MM-DD`) in the ways dates are written."""
        year, month, date = value.split("-")
        short = (str(int(month)), str(int(date)))
        for months, dates in {(month, date), short}:
            for form in ("{}年{}月{}日", "{}年{}月{}", "{}.{}.{}", "{}/{}/{}", "{}-{}-{}"):
                self._phrase(form.format(year, months, dates), "日期", value, "date")
        self._phrase(f"{year}{month}{date}", "日期", value, "date")

    def _phrase(self, form: str, kind: str, identity: str, rule: str) -> None:
        self.phrases.setdefault(form, (kind, identity, rule))


@dataclass(frozen=True, slots=True)
class Source:
    """A field whose value is an entity: read off the catalogue once per rulebook."""

    name: str
    entity: str
    unit_by: str | None


@lru_cache(maxsize=256)
def _sources_of(rulebook: Rulebook) -> tuple[tuple[str, bool, tuple[Source, ...]], ...]:
    """(key of the group, whether it repeats, its sources), of the groups that have any."""
    plans = []
    for group in rulebook.catalogue.groups:
        fields = rulebook.catalogue.by_group[group.name].values()
        sources = tuple(Source(one.name, one.entity, one.unit_by) for one in fields if one.entity)
        if sources:
            plans.append((group.key, group.repeated, sources))
    return tuple(plans)


def entities_of(record: Mapping[str, Any], rulebook: Rulebook) -> Entities:
    """The entities of a normalised record."""
    found = Entities()
    for group, repeated, sources in _sources_of(rulebook):
        for item in record.get(group, ()) if repeated else ((record.get(group, {}) if group else record),):
            for source in sources:
                value = item.get(source.name)
                for one in value if type(value) is list else (value,):
                    if type(one) is str:
                        _add(found, source, one, item, UNIT_KINDS, rulebook.surnames, rulebook.divisions)
    return found


def _add(
    found: Entities,
    source: Source,
    value: str,
    item: Mapping[str, Any],
    unit_kinds: frozenset[str],
    surnames: Surnames,
    divisions: Divisions,
) -> None:
    match source.entity:
        case "name" if source.unit_by and item.get(source.unit_by) in unit_kinds:
            found.unit(value, divisions)
        case "name":
            whole = item.get("name") if source.unit_by is None else None
            found.person(value, surnames, identity=_DOTTED.sub("", fold(whole).text) if isinstance(whole, str) else None)
        case "unit":
            found.unit(value, divisions)
        case "number":
            found.number(value, "证件号")
        case "phone":
            for part in _SEVERAL.split(value):
                found.number(part, "电话")
        case "email":
            found.email(value)
        case "address":
            found.address(value, divisions)
        case "date":
            found.day(value)
