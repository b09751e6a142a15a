"""Exact shapes of rulebook files: a key that is missing, unknown or of another type is refused with its place.

A misspelt key that is silently ignored is how a rule disappears, so every reader ends with `done()`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any, NoReturn

from policies.errors import RulebookRefused


class Shape:
    """A cursor over one TOML table that remembers which keys were read."""

    def __init__(self, file: str, value: object, where: str = "") -> None:
        """`file` is the TOML file's stem, `where` the dotted path of this table in it."""
        self.file = file
        self.where = where
        if not isinstance(value, Mapping):
            self.refuse("must be a table")
        self._value: Mapping[str, Any] = value
        self._read: set[str] = set()

    def refuse(self, rule: str, key: str = "") -> NoReturn:
        """Refuse the file, naming the place and the rule broken."""
        raise RulebookRefused(file=self.file, where=".".join(part for part in (self.where, key) if part) or "(root)", rule=rule)

    def __iter__(self) -> Iterator[str]:
        """The keys, in the order of the file."""
        return iter(tuple(self._value))

    def keys(self) -> tuple[str, ...]:
        return tuple(self._value)

    def has(self, key: str) -> bool:
        return key in self._value

    def raw(self, key: str) -> Any:
        self._read.add(key)
        if key not in self._value:
            self.refuse("is missing", key)
        return self._value[key]

    def text(self, key: str) -> str:
        value = self.raw(key)
        if not isinstance(value, str) or not value.strip():
            self.refuse("must be a text that is not empty", key)
        return value

    def one_of(self, key: str, words: tuple[str, ...]) -> str:
        value = self.text(key)
        if value not in words:
            self.refuse(f"must be one of {', '.join(words)}", key)
        return value

    def flag(self, key: str) -> bool:
        value = self.raw(key)
        if not isinstance(value, bool):
            self.refuse("must be true or false", key)
        return value

    def number(self, key: str, *, least: int) -> int:
        value = self.raw(key)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            self.refuse(f"must be a whole number of at least {least}", key)
        return value

    def words(self, key: str, *, allowed: tuple[str, ...] | None = None, empty: bool = True) -> tuple[str, ...]:
        value = self.raw(key)
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            self.refuse("must be a list of texts", key)
        if len(set(value)) != len(value):
            self.refuse("names something twice", key)
        if not empty and not value:
            self.refuse("must not be empty", key)
        if allowed is not None and not set(value) <= set(allowed):
            self.refuse("names something unknown", key)
        return tuple(value)

    def days(self, key: str) -> tuple[date, ...]:
        value = self.raw(key)
        if not isinstance(value, list) or not all(isinstance(item, date) and not isinstance(item, datetime) for item in value):
            self.refuse("must be a list of dates", key)
        if len(set(value)) != len(value):
            self.refuse("names a day twice", key)
        return tuple(value)

    def table(self, key: str) -> Shape:
        return Shape(self.file, self.raw(key), ".".join(part for part in (self.where, key) if part))

    def tables(self, key: str) -> Iterator[tuple[str, Shape]]:
        """The sub-tables of `key` by name."""
        inner = self.table(key)
        for name in inner:
            yield name, inner.table(name)

    def rows(self, key: str) -> tuple[Shape, ...]:
        """The entries of an array of tables."""
        value = self.raw(key)
        if not isinstance(value, list):
            self.refuse("must be an array of tables", key)
        return tuple(Shape(self.file, item, f"{self.where}{'.' if self.where else ''}{key}[{index}]") for index, item in enumerate(value))

    def done(self) -> None:
        """Refuse whatever was not read."""
        unknown = sorted(set(self._value) - self._read)
        if unknown:
            self.refuse("is not a known key", unknown[0])


def opened(sources: Mapping[str, Any], file: str) -> Shape:
    """The root table of one file among the parsed sources."""
    if file not in sources:
        raise RulebookRefused(file=file, where="(root)", rule="the file is missing")
    return Shape(file, sources[file])
