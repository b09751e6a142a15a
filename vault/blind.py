"""Blind indexes: find a person by exact name, ID number or phone without storing anything that shows them.

tag = first 16 bytes of HMAC(key of fonds, field class and generation, field path | normalised value). Equality only, and only
within one field: the tags do not tell that a petitioner here has the name of an accused there. The keys live in the key ring,
apart from the database, so a thief of the database cannot try ID numbers against the tags. While a new generation is being built
both answer: new tags are written with the newest, a search asks for all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from vault.normalise import NORMALISERS
from vault.sealed import prefixed
from vault.suites import Suite, suite_by_id

TAG_SIZE: Final = 16


@dataclass(frozen=True, slots=True, order=True)
class Tag:
    """What is stored and searched: the key generation and 16 bytes."""

    generation: int
    value: bytes


class BlindKey:
    """One generation of one field class's key, prepared for use."""

    __slots__ = ("_keyed", "generation")

    def __init__(self, generation: int, suite_id: int, secret: bytes) -> None:
        suite: Suite = suite_by_id(suite_id)
        self.generation = generation
        self._keyed = suite.keyed(secret)

    def tag(self, path: str, normalised: str) -> Tag:
        """Return the tag of a value of one field that is already in its normal form."""
        mac = self._keyed.copy()
        mac.update(prefixed(path.encode()) + normalised.encode())
        return Tag(self.generation, mac.finalize()[:TAG_SIZE])

    def __repr__(self) -> str:
        return f"<BlindKey generation {self.generation}>"


class BlindKeys(Protocol):
    """What gives the keys, newest first: the key ring."""

    def blind_keys(self, fonds: str, field_class: str) -> tuple[BlindKey, ...]:
        """Return all generations that still answer; at least one."""
        ...


class BlindIndex:
    """The blind indexes of one fonds. `field_class` is `name`, `id_number`, `phone` or `plain`; ValueError otherwise."""

    __slots__ = ("_fonds", "_keys")

    def __init__(self, keys: BlindKeys, fonds: str) -> None:
        self._keys = keys
        self._fonds = fonds

    def tag(self, field_class: str, path: str, value: str) -> Tag | None:
        """Return the tag to store for the field at `path`; None where nothing is left of the value once normalised."""
        normalised = _normal(field_class, value)
        return self._keys.blind_keys(self._fonds, field_class)[0].tag(path, normalised) if normalised else None

    def tags(self, wanted: Iterable[tuple[str, str, str]]) -> list[Tag | None]:
        """Return the tags of several (field class, path, value), the key of each class being asked for once."""
        newest: dict[str, BlindKey] = {}
        found: list[Tag | None] = []
        for field_class, path, value in wanted:
            normalised = _normal(field_class, value)
            if normalised and field_class not in newest:
                newest[field_class] = self._keys.blind_keys(self._fonds, field_class)[0]
            found.append(newest[field_class].tag(path, normalised) if normalised else None)
        return found

    def search_tags(self, field_class: str, path: str, value: str) -> tuple[Tag, ...]:
        """Return the tags to look for, one per generation that still answers; none where nothing is left of the value."""
        normalised = _normal(field_class, value)
        return tuple(key.tag(path, normalised) for key in self._keys.blind_keys(self._fonds, field_class)) if normalised else ()


def _normal(field_class: str, value: str) -> str:
    try:
        normaliser = NORMALISERS[field_class]
    except KeyError:
        raise ValueError("a field class without a normal form") from None
    return normaliser(value)
