"""One sealed value: its bytes, what they are bound to, and how its length is hidden. The format is in docs/formats/sealed-record.md.

    sealed value = format (1) | suite (1) | nonce (12) | ciphertext | tag (16)

The plaintext inside is a frame: length + 1 as a 4-byte integer (0: there is no value), the value, zeros up to the next size step.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Final

from vault.errors import CannotOpen
from vault.suites import NONCE_SIZE, TAG_SIZE, Cryptor, Suite

FORMAT: Final = 1
OVERHEAD: Final = 2 + NONCE_SIZE + TAG_SIZE
# No value of a record is near this; it keeps lengths far inside their 4-byte fields.
LARGEST: Final = 64 * 1024 * 1024
_STEP: Final = 32


class Kind(IntEnum):
    """What a sealed value is; part of what it is bound to, so that none can pass for another kind."""

    FIELD = 1
    MASKS = 2
    DETAIL = 3


@dataclass(frozen=True, slots=True)
class Context:
    """The place a value belongs to. Suite and generation come from the key, field path and item id from the call."""

    fonds: str
    case_id: str
    case_version: int
    schema_version: str


def prefixed(data: bytes) -> bytes:
    """Return `data` behind its length in two bytes, so that neighbours cannot trade characters; ValueError past 65,535."""
    if len(data) > 0xFFFF:
        raise ValueError("a name of more than 65,535 bytes")
    return len(data).to_bytes(2, "big") + data


@lru_cache(maxsize=1024)
def prefixed_name(name: str) -> bytes:
    """The same of a field's path, of which there are a few dozen, asked for with every case."""
    return prefixed(name.encode())


def associated_head(suite: Suite, kind: Kind, generation: int, context: Context, binding: bytes = b"") -> bytes:
    """Return the associated data up to field path and item id, the same for all values of one record.

    `binding` ties values to the container that holds them (its directory's digest), so none can be left out or exchanged unseen.
    """
    return (
        struct.pack(">BBBII", FORMAT, suite.id, kind, generation, context.case_version)
        + prefixed(context.schema_version.encode())
        + prefixed(context.fonds.encode())
        + prefixed(context.case_id.encode())
        + prefixed(binding)
    )


def associated_data(head: bytes, path: str, item_id: str) -> bytes:
    """Return the whole associated data of one value."""
    return head + prefixed(path.encode()) + prefixed(item_id.encode())


def framed_size(value: bytes | None) -> int:
    """Return the size of the frame: steps of 32 bytes up to 256, then eight steps to each doubling (at most 12.5 % more)."""
    size = 4 + (0 if value is None else len(value))
    if size <= 256:
        return -(-size // _STEP) * _STEP
    if size > LARGEST:
        raise ValueError("a value of more than 64 MiB")
    step = 1 << ((size - 1).bit_length() - 4)
    return -(-size // step) * step


_ABSENT: Final = bytes(framed_size(None))


def frame(value: bytes | None) -> bytes:
    """Return the padded plaintext of a value, or of its absence."""
    if value is None:
        return _ABSENT
    return ((len(value) + 1).to_bytes(4, "big") + value).ljust(framed_size(value), b"\0")


def unframe(plaintext: bytes) -> bytes | None:
    """Undo `frame`, once the tag has vouched for the bytes; `CannotOpen` when the length does not fit."""
    marker = int.from_bytes(plaintext[:4], "big")
    if marker == 0:
        return None
    if marker + 3 > len(plaintext):
        raise CannotOpen
    return plaintext[4 : marker + 3]


def seal_value(suite: Suite, key: bytes, value: bytes | None, associated: bytes, nonce: bytes | None = None) -> bytes:
    """Seal one value; a nonce is given only to reproduce the published vectors or where a batch drew its randomness at once."""
    nonce = os.urandom(NONCE_SIZE) if nonce is None else nonce
    return bytes((FORMAT, suite.id)) + nonce + suite.encrypt(key, nonce, frame(value), associated)


def open_value(suite: Suite, key: bytes, sealed: bytes, associated: bytes) -> bytes | None:
    """Open one sealed value (None: absence was sealed), or raise `CannotOpen`."""
    return open_value_with(suite, suite.decrypting(key), sealed, associated)


def open_value_with(suite: Suite, decrypt: Cryptor, sealed: bytes, associated: bytes) -> bytes | None:
    """The same with a key that was prepared by `suite.decrypting`, for many values under one key."""
    if len(sealed) < OVERHEAD or sealed[0] != FORMAT or sealed[1] != suite.id:
        raise CannotOpen
    return unframe(decrypt(sealed[2 : 2 + NONCE_SIZE], sealed[2 + NONCE_SIZE :], associated))
