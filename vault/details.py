"""Free text beside the log: an audit entry carries a salted commitment, the text itself is sealed under a key that can be destroyed.

commitment = SHA-256(salt | text) with 32 random bytes of salt, so that a text cannot be found by trying; the sealed value holds
salt and text. Once the key is destroyed the text is gone and every proof of the log stays valid.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from vault.casekeys import CaseKey, DataKey
from vault.errors import CannotOpen
from vault.sealed import Context, Kind, associated_data, associated_head, open_value, seal_value

SALT_SIZE: Final = 32


class FondsDetailKey(CaseKey):
    """A fonds' key for details that belong to no case: reasons of refused sign-ins, comments on posts."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Detail:
    """A sealed text and the commitment that stands for it in the log; `key_ref` names the key that opens it."""

    commitment: bytes
    sealed: bytes
    key_ref: str


def case_detail_ref(case_id: str, generation: int) -> str:
    """Name a case's data key as a detail's `key_ref`: `case:<case id>:<seal generation>`."""
    return f"case:{case_id}:{generation}"


def fonds_detail_ref(generation: int) -> str:
    """Name a fonds' detail key as a detail's `key_ref`: `detail/<generation>`, its id in the key ring."""
    return f"detail/{generation}"


def read_detail_ref(key_ref: str) -> tuple[str | None, int]:
    """Return (case id or None, generation) of a `key_ref`; ValueError when it is neither form."""
    kind, _, rest = key_ref.partition("/")
    if kind == "detail" and rest.isascii() and rest.isdigit():
        return None, int(rest)
    match key_ref.split(":"):
        case ["case", case_id, generation] if case_id and generation.isascii() and generation.isdigit():
            return case_id, int(generation)
    raise ValueError("no reference to a detail key")


def seal_detail(key: DataKey | FondsDetailKey, fonds: str, name: str, text: str, *, case_id: str = "") -> Detail:
    """Seal one text named `name` (such as `reason`) under the case's data key, or the fonds' detail key where it has no case."""
    key_ref = _reference(key, case_id)
    content = os.urandom(SALT_SIZE) + text.encode()
    associated = _associated(key, fonds, case_id, name)
    return Detail(sha256(content).digest(), seal_value(key.suite, key.derive(b"detail", name), content, associated), key_ref)


def open_detail(key: DataKey | FondsDetailKey, fonds: str, name: str, detail: Detail, *, case_id: str = "") -> str:
    """Open a detail and check it against the commitment in the log; `CannotOpen` when either fails."""
    if _reference(key, case_id) != detail.key_ref:
        raise CannotOpen
    content = open_value(key.suite, key.derive(b"detail", name), detail.sealed, _associated(key, fonds, case_id, name))
    if content is None or len(content) < SALT_SIZE or not compare_digest(sha256(content).digest(), detail.commitment):
        raise CannotOpen
    return content[SALT_SIZE:].decode()


def _reference(key: DataKey | FondsDetailKey, case_id: str) -> str:
    if isinstance(key, DataKey) != bool(case_id):
        raise ValueError("a data key seals details of its case, a fonds' detail key those of no case")
    return case_detail_ref(case_id, key.generation) if case_id else fonds_detail_ref(key.generation)


def _associated(key: CaseKey, fonds: str, case_id: str, name: str) -> bytes:
    # A detail belongs to the case, not to one of its versions: version 0, no schema.
    head = associated_head(key.suite, Kind.DETAIL, key.generation, Context(fonds, case_id, 0, ""))
    return associated_data(head, name, "")
