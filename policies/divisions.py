"""Administrative divisions: cutting an address at county level, and naming a GB/T 2260 code.

An address is parsed by known names, never by counting characters: hiding the last eight characters leaves the estate's name. What is
not recognised is not shown at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from policies.shape import opened

_GAP: Final = re.compile(r"[\s,，、·\-]*")
_COUNTRY: Final = re.compile(r"(?:中华人民共和国|中国)?[\s,，、·\-]*")
_HEADING: Final = re.compile(r"市辖区[\s,，、·\-]*")
# A county of an older list, right behind its prefecture. Estates end in 区 and streets contain 旗, so only 县 is read by its suffix.
_OLD_COUNTY: Final = re.compile(r"[一-龥]{1,3}县|[一-龥]{2,12}族自治县")
_NOT_COUNTY: Final = frozenset("省市区路街道镇乡村巷弄号组园苑")
_PEOPLES: Final = (
    "土家族",
    "柯尔克孜",
    "哈萨克",
    "蒙古族",
    "蒙古",
    "朝鲜族",
    "傈僳族",
    "布依族",
    "哈尼族",
    "景颇族",
    "土族",
    "撒拉族",
    "裕固族",
    "保安族",
    "东乡族",
    "苗族",
    "侗族",
    "瑶族",
    "彝族",
    "藏族",
    "羌族",
    "傣族",
    "白族",
    "壮族",
    "回族",
    "满族",
    "畲族",
    "黎族",
    "水族",
    "佤族",
    "拉祜族",
    "仡佬族",
    "各族",
    "达斡尔族",
    "鄂伦春",
    "鄂温克族",
)


class Names(dict[str, str]):
    """Name -> code, and by the first two characters of names the lengths they have, longest first. Not changed once made."""

    def __init__(self, names: Mapping[str, str]) -> None:
        super().__init__(names)
        lengths: dict[str, set[int]] = {}
        for name in names:
            lengths.setdefault(name[:2], set()).add(len(name))
        self._lengths = {start: tuple(sorted(found, reverse=True)) for start, found in lengths.items()}

    def longest(self, text: str, at: int) -> tuple[int, str]:
        """The longest name at a position of a text: its end and code, or (at, "")."""
        for length in self._lengths.get(text[at : at + 2], ()):
            code = self.get(text[at : at + length])
            if code:
                return at + length, code
        return at, ""


_NO_NAMES: Final = Names({})


@dataclass(frozen=True, slots=True)
class Divisions:
    """Names and codes of provinces (2 digits), prefectures (4) and counties (6)."""

    names: Mapping[str, str]
    provinces: Names
    short_provinces: Names
    prefectures: Names
    short_prefectures: Names
    counties: Mapping[str, Names]
    """Province or prefecture code -> county name -> code; the key "" holds every county name of three or more characters."""

    def name(self, code: str) -> str | None:
        """The full name of a code of 6 or more digits down to its county; None where the code is unknown."""
        parts = [self.names.get(code[:length]) for length in (2, 4, 6)]
        if parts[0] is None or (code[4:6] != "00" and parts[2] is None):
            return None
        return "".join(part for part in parts if part)

    def cut(self, address: str) -> str | None:
        """The address down to its county, as written; shallower where the county is not recognised; None where nothing is."""
        start = _end(_COUNTRY, address, 0)
        end, area = self._province(address, start)
        prefecture_end, prefecture = self._prefecture(address, end, area)
        if prefecture:
            end, area = prefecture_end, prefecture
        county = self._county(address, end, area)
        if county > end:
            return address[:county]
        return address[:end].rstrip(" ,，、·-　") if area else None

    def _province(self, address: str, at: int) -> tuple[int, str]:
        end, code = self.provinces.longest(address, at)
        if code:
            return _end(_HEADING, address, _end(_GAP, address, end)), code
        end, code = self.short_provinces.longest(address, at)
        if code and not self.prefectures.longest(address, at)[1]:
            after = _end(_GAP, address, end)
            # 北京路 is no Beijing: a short form counts only where a place of that province follows.
            if self._prefecture(address, after, code)[1] or self.counties.get(code, _NO_NAMES).longest(address, after)[1]:
                return after, code
        return at, ""

    def _prefecture(self, address: str, at: int, province: str) -> tuple[int, str]:
        end, code = self.prefectures.longest(address, at)
        if code and code.startswith(province[:2]):
            return _end(_GAP, address, end), code
        end, code = self.short_prefectures.longest(address, at)
        if code and code.startswith(province[:2]):
            after = _end(_GAP, address, end)
            if self.counties.get(code, _NO_NAMES).longest(address, after)[1]:
                return after, code
        return at, ""

    def _county(self, address: str, at: int, area: str) -> int:
        for key in (area, area[:2]) if area else ("",):
            end, code = self.counties.get(key, _NO_NAMES).longest(address, at)
            if code:
                return end
        if area:
            old = _OLD_COUNTY.match(address, at)
            if old and not _NOT_COUNTY & set(old[0]):
                return old.end()
        return at


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _without_people(name: str, suffix: str, short: str) -> str | None:
    """恩施土家族苗族自治州 -> 恩施州; None where the name is not of that form."""
    if not name.endswith(suffix):
        return None
    stem = name[: -len(suffix)]
    changed = True
    while changed:
        changed = False
        for people in _PEOPLES:
            if stem.endswith(people) and len(stem) > len(people) + 1:
                stem, changed = stem[: -len(people)], True
    return stem + short


def load(sources: Mapping[str, Any]) -> Divisions:
    """Read divisions.toml."""
    root = opened(sources, "divisions")
    root.number("version", least=1)
    names: dict[str, str] = {}
    provinces: dict[str, str] = {}
    short_provinces: dict[str, str] = {}
    table = root.table("province")
    for code in table:
        full, _, short = table.text(code).partition(" ")
        names[code] = full
        provinces[full], short_provinces[short or full] = code, code
    table.done()
    prefectures: dict[str, str] = {}
    short_prefectures: dict[str, str] = {}
    counties: dict[str, dict[str, str]] = {"": {}}
    table = root.table("prefecture")
    for code in table:
        if code[:2] not in names:
            table.refuse("belongs to no province", code)
        name, bar, rest = table.text(code).partition(" |")
        if not bar:
            table.refuse('must be "name | counties"', code)
        if name != "-":
            names[code] = name
            prefectures[name] = code
            plain = name.removesuffix("市").removesuffix("地区").removesuffix("盟")
            if plain != name and len(plain) >= 2:
                short_prefectures[plain] = code
            autonomous = _without_people(name, "自治州", "州")
            if autonomous:
                prefectures[autonomous] = code
        for item in rest.split():
            number, county = item[:2], item[2:]
            if not number.isdigit() or len(county) < 2:
                table.refuse("a county is two digits and a name", code)
            names[code + number] = county
            for spelling in {county, _without_people(county, "自治县", "县") or county}:
                counties.setdefault(code, {})[spelling] = counties.setdefault(code[:2], {})[spelling] = code + number
                if len(spelling) >= 3:
                    counties[""][spelling] = code + number
    table.done()
    root.done()
    return Divisions(
        MappingProxyType(names),
        Names(provinces),
        Names(short_provinces),
        Names(prefectures),
        Names(short_prefectures),
        MappingProxyType({key: Names(value) for key, value in counties.items()}),
    )
