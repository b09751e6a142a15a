"""Wrapping case keys under key-encryption keys (KEKs), bound to the case they are for.

    wrapped = format (1) | suite of the KEK (1) | suite of the case key (1) | wrapped key

The wrapping key is HKDF-Expand(KEK, binding), the binding naming fonds, case, seal generation, purpose and the case key's suite. RFC 3394
itself binds nothing; without this, whoever can write the database could plant one case's wrap in another case's row, and what
is sealed there later would be under a key that outlives the case or that he knows.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from vault.casekeys import CaseKeys, DataKey, MaskKey
from vault.errors import CannotOpen, UnknownSuite
from vault.sealed import FORMAT, prefixed
from vault.suites import SECRET_SIZE, Suite, suite_by_id

Purpose = Literal["case", "mask"]
PURPOSES: Final[tuple[Purpose, ...]] = ("case", "mask")


class Kek:
    """One key-encryption key, prepared for use; its id is `<purpose>/<retention class>/<year or permanent>/<generation>`."""

    __slots__ = ("_keyed", "id", "suite")

    def __init__(self, kek_id: str, suite: Suite, secret: bytes) -> None:
        if len(secret) != SECRET_SIZE:
            raise ValueError("a key-encryption key is 32 bytes")
        self.id = kek_id
        self.suite = suite
        self._keyed = suite.keyed(secret)

    def wrapping_key(self, binding: bytes) -> bytes:
        """Return the key that wraps the one case key `binding` describes."""
        return self.suite.expand(self._keyed, b"petition-archive/wrap/v1\0" + binding, self.suite.key_size)

    def __repr__(self) -> str:
        return f"<Kek {self.id} {self.suite.name}>"


class Keks(Protocol):
    """What finds a KEK by its id: the key ring."""

    def kek(self, fonds: str, kek_id: str) -> Kek:
        """Return it, or raise `KeyMissing` or `KeyDestroyed`."""
        ...


class KekIssuer(Keks, Protocol):
    """A key ring that can also make KEKs on demand."""

    def ensure_kek(self, fonds: str, purpose: Purpose, retention_class: str, year: int | None) -> str:
        """Return the id of the current KEK, making it durably first where there is none."""
        ...

    def suite(self, fonds: str) -> Suite:
        """Return the suite new values of a fonds are sealed with."""
        ...


@dataclass(frozen=True, slots=True)
class WrapRow:
    """A wrapped case key, as it is stored."""

    fonds: str
    case_id: str
    seal_generation: int
    purpose: str
    kek_id: str
    wrapped: bytes


def issue_case_keys(
    ring: KekIssuer, fonds: str, case_id: str, *, retention_class: str, year: int | None, generation: int = 1
) -> tuple[CaseKeys, tuple[WrapRow, WrapRow]]:
    """Make the keys of a case and their wraps under the KEKs of its retention class and year of destruction (None: permanent)."""
    keys = CaseKeys.make(ring.suite(fonds), generation)
    case_kek = ring.kek(fonds, ring.ensure_kek(fonds, "case", retention_class, year))
    mask_kek = ring.kek(fonds, ring.ensure_kek(fonds, "mask", retention_class, year))
    return keys, (wrap(case_kek, fonds, case_id, keys.data), wrap(mask_kek, fonds, case_id, keys.masks))


def wrap(kek: Kek, fonds: str, case_id: str, key: DataKey | MaskKey) -> WrapRow:
    """Wrap one case key; ValueError when the KEK is of the other purpose."""
    purpose: Purpose = "case" if isinstance(key, DataKey) else "mask"
    if not kek.id.startswith(purpose + "/"):
        raise ValueError("a key-encryption key of another purpose")
    return _wrapped(kek, fonds, case_id, key.generation, purpose, key.suite, key.reveal())


def unwrap_data_key(keks: Keks, row: WrapRow) -> DataKey:
    """Unwrap a data key; `CannotOpen` when the row was altered or moved or is no data key's, `KeyMissing` or `KeyDestroyed`."""
    return DataKey(*_unwrap(keks, row, "case"))


def unwrap_mask_key(keks: Keks, row: WrapRow) -> MaskKey:
    """Unwrap a mask key; errors as in `unwrap_data_key`."""
    return MaskKey(*_unwrap(keks, row, "mask"))


def rewrap(old: Kek, new: Kek, row: WrapRow) -> WrapRow:
    """Return the row wrapped under another KEK; the case key itself, and everything sealed under it, stay as they are."""
    secret, suite, generation = _unwrap_with(old, row)
    return _wrapped(new, row.fonds, row.case_id, generation, row.purpose, suite, secret)


def _wrapped(kek: Kek, fonds: str, case_id: str, generation: int, purpose: str, suite: Suite, secret: bytes) -> WrapRow:
    binding = _binding(fonds, case_id, generation, purpose, suite.id)
    head = bytes((FORMAT, kek.suite.id, suite.id))
    return WrapRow(fonds, case_id, generation, purpose, kek.id, head + kek.suite.wrap(kek.wrapping_key(binding), secret, head + binding))


def _unwrap(keks: Keks, row: WrapRow, purpose: Purpose) -> tuple[bytes, Suite, int]:
    if row.purpose != purpose or not row.kek_id.startswith(purpose + "/"):
        raise CannotOpen
    return _unwrap_with(keks.kek(row.fonds, row.kek_id), row)


def _unwrap_with(kek: Kek, row: WrapRow) -> tuple[bytes, Suite, int]:
    head = row.wrapped[:3]
    if len(head) < 3 or head[0] != FORMAT or head[1] != kek.suite.id:
        raise CannotOpen
    try:
        suite = suite_by_id(head[2])
    except UnknownSuite:
        raise CannotOpen from None
    binding = _binding(row.fonds, row.case_id, row.seal_generation, row.purpose, suite.id)
    secret = kek.suite.unwrap(kek.wrapping_key(binding), row.wrapped[3:], head + binding)
    if len(secret) != SECRET_SIZE:
        raise CannotOpen
    return secret, suite, row.seal_generation


def _binding(fonds: str, case_id: str, generation: int, purpose: str, suite_id: int) -> bytes:
    return struct.pack(">IB", generation, suite_id) + b"".join(prefixed(text.encode()) for text in (fonds, case_id, purpose))
