"""The keys of one case: a data key for what is sealed in clear, a mask key for what masked views show. They are never derived from
each other, so a process that holds mask keys alone can open no clear text.

Objects here hold key bytes in memory for as long as an act needs them. None of them shows those bytes in its repr, can be pickled,
or compares by content.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NoReturn

from vault.suites import AES, SECRET_SIZE, Suite

FIELD: Final = b"field"
"""The use of a data key's derived keys that seal fields."""


@lru_cache(maxsize=1024)
def _info(label: bytes, suite_id: int, name: str) -> bytes:
    # Names of uses and fields, nothing secret: a few dozen, asked for again with every case.
    return b"petition-archive/" + label + b"/v1\0" + bytes((suite_id,)) + name.encode()


class CaseKey:
    """32 uniformly random bytes with the suite and seal generation they are used under."""

    __slots__ = ("_keyed", "_secret", "generation", "suite")

    def __init__(self, secret: bytes, suite: Suite = AES, generation: int = 1) -> None:
        """Take the secret; ValueError when it is not 32 bytes or the generation is not 1..2**32-1."""
        if len(secret) != SECRET_SIZE or not 0 < generation < 1 << 32:
            raise ValueError("a case key is 32 bytes, its generation starts at 1")
        self._secret = secret
        self._keyed = suite.keyed(secret)
        self.suite = suite
        self.generation = generation

    def derive(self, label: bytes, name: str) -> bytes:
        """Return the suite-sized key for one use and name: HKDF-Expand(secret, info = label, suite number, name)."""
        return self.suite.expand(self._keyed, _info(label, self.suite.id, name), self.suite.key_size)

    def reveal(self) -> bytes:
        """Return the key bytes, to be wrapped at once and kept nowhere else."""
        return self._secret

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.suite.name} generation {self.generation}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("keys are not pickled")


class DataKey(CaseKey):
    """Opens what is sealed in clear: the fields of the record and the case's own audit details."""

    __slots__ = ()

    def field_key(self, path: str) -> FieldKey:
        """Return the key of one field, for all its items and versions: it can be handed out without the others."""
        return FieldKey(self.derive(FIELD, path), self.suite, self.generation)


class MaskKey(CaseKey):
    """Opens masked values and redacted copies, and nothing else."""

    __slots__ = ()


class FieldKey:
    """The key of one field path of one case."""

    __slots__ = ("_secret", "generation", "suite")

    def __init__(self, secret: bytes, suite: Suite = AES, generation: int = 1) -> None:
        """Take a derived key; ValueError when it is not of the suite's size."""
        if len(secret) != suite.key_size:
            raise ValueError("a field key has the suite's key size")
        self._secret = secret
        self.suite = suite
        self.generation = generation

    def reveal(self) -> bytes:
        """Return the key bytes, to seal or open one value."""
        return self._secret

    def __repr__(self) -> str:
        return f"<FieldKey {self.suite.name} generation {self.generation}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("keys are not pickled")


@dataclass(frozen=True, slots=True, eq=False)
class CaseKeys:
    """Both keys of a case under one seal generation."""

    data: DataKey
    masks: MaskKey

    @classmethod
    def make(cls, suite: Suite = AES, generation: int = 1) -> CaseKeys:
        """Draw two independent keys from the system's random source."""
        random = os.urandom(2 * SECRET_SIZE)
        return cls(DataKey(random[:SECRET_SIZE], suite, generation), MaskKey(random[SECRET_SIZE:], suite, generation))
