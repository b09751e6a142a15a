"""Code lists: stable codes, and the names they had in each version of their list.

A record keeps the stable code and the version of the list under which it was given, so that 国土资源 of 2016 and 自然资源
of 2020 count as one category and each is still shown by the name of its day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Final

UNKNOWN: Final = "unknown"
"""The code of every list for what the source does not tell; never a guess."""


@dataclass(frozen=True, slots=True)
class ListVersion:
    version: str
    valid_from: date


@dataclass(frozen=True, slots=True)
class Code:
    """One stable code. `names` maps a list version to the Chinese name it has from that version on."""

    code: str
    names: Mapping[str, str]
    label_en: str
    also: tuple[str, ...]
    """Other spellings accepted on input."""

    def label_zh(self, version: str) -> str:
        """The name under a version; the latest one where the version does not name it."""
        return self.names.get(version) or tuple(self.names.values())[-1]


@dataclass(frozen=True, slots=True)
class CodeList:
    name: str
    label_zh: str
    label_en: str
    open: bool
    """True where a fonds' overlay may add codes."""
    versions: tuple[ListVersion, ...]
    codes: Mapping[str, Code]
    spellings: Mapping[str, tuple[str, str | None]] = field(init=False)
    """Accepted spelling -> (code, version), version None where the spelling does not tell it."""

    def __post_init__(self) -> None:
        spellings: dict[str, tuple[str, str | None]] = {}
        for code in self.codes.values():
            for version, name in code.names.items():
                single = sum(1 for other in code.names.values() if other == name) == 1 and len(code.names) > 1
                spellings.setdefault(name, (code.code, version if single else None))
            for other in code.also:
                spellings.setdefault(other, (code.code, None))
        for code_name in self.codes:
            spellings[code_name] = (code_name, None)
        object.__setattr__(self, "spellings", MappingProxyType(spellings))

    @property
    def admits_unknown(self) -> bool:
        return UNKNOWN in self.codes

    def version_on(self, day: date) -> str:
        """The version in force on a day; the first one for days before all of them."""
        chosen = self.versions[0]
        for version in self.versions:
            if version.valid_from <= day:
                chosen = version
        return chosen.version


@dataclass(frozen=True, slots=True)
class CodeLists:
    """All code lists by name."""

    lists: Mapping[str, CodeList]

    def __getitem__(self, name: str) -> CodeList:
        return self.lists[name]

    def __contains__(self, name: object) -> bool:
        return name in self.lists
