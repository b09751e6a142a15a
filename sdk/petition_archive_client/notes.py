"""Signed checkpoints and inclusion proofs, read and checked as strictly as the archive's own verifier does, with no help from it.

Sources: c2sp.org signed-note, tlog-checkpoint and tlog-proof; RFC 6962, section 2.1 and RFC 9162, section 2.1.3.2; RFC 8032.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from petition_archive_client.errors import ReceiptRefused

HEADER = "c2sp.org/tlog-proof@v1"
HASH_SIZE = 32
MAX_SIZE = 2**63 - 1
MAX_NOTE_BYTES, MAX_SIGNATURES = 1_000_000, 100
EMPTY_ROOT = hashlib.sha256().digest()
_ED25519 = b"\x01"
_DASH = "\N{EM DASH} "


@dataclass(frozen=True, slots=True)
class LogKey:
    """The public key of a log, `name+key id+base64`, as the caller has it from the archive's office and never from an answer."""

    name: str
    id: bytes
    public: bytes

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """Read a verifier key; ValueError, since the caller gave it: its form, or a key id that is not that of this name and key."""
        name, _, rest = vkey.strip().partition("+")
        hex_id, _, encoded = rest.partition("+")
        material = _base64(encoded) or b""
        made = hashlib.sha256(name.encode("utf-8", "replace") + b"\n" + material).digest()[:4]
        if not _is_name(name) or material[:1] != _ED25519 or len(material) != 33 or not re.fullmatch("[0-9a-f]{8}", hex_id):
            raise ValueError("日志公钥须形如 name+1a2b3c4d+AbCd…= / a log's public key looks like name+1a2b3c4d+AbCd…=")
        if hex_id != made.hex():
            raise ValueError(
                "日志公钥标识与名称不符，请核对是否抄错，或是另一日志的公钥"
                " / the log key's id does not belong to its name: was it copied wrongly, or is it another log's?"
            )
        return cls(name, made, material[1:])


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's signed state."""

    origin: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """A `.tlog-proof` taken apart, nothing of it believed: `extra` is carried by it and proved by nothing in it."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a proof. ReceiptRefused."""
        head, gap, checkpoint = data.partition(b"\n\n")
        first, *lines = head.decode("ascii", "replace").split("\n")
        extra: bytes | None = None
        if lines and lines[0].startswith("extra "):
            extra = _base64(lines.pop(0)[6:])
            if extra is None:
                raise ReceiptRefused("proof-malformed")
        index = _decimal(lines[0][6:]) if lines and lines[0].startswith("index ") else None
        path = [_base64(line) for line in lines[1:]]
        hashes = tuple(hash_ for hash_ in path if hash_ is not None and len(hash_) == HASH_SIZE)
        if first != HEADER or not gap or index is None or len(hashes) != len(path) or len(path) > 63:
            raise ReceiptRefused("proof-malformed")
        return cls(index, hashes, checkpoint, extra)


def open_checkpoint(note: bytes, key: LogKey) -> Checkpoint:
    """The checkpoint in a signed note, once the key's signature holds and its origin is the key's name. ReceiptRefused."""
    text = _signed_text(note, key)
    lines = text.split("\n")
    size = _decimal(lines[1]) if len(lines) == 4 and not lines[3] else None
    root = _base64(lines[2]) if size is not None else None
    if size is None or root is None or len(root) != HASH_SIZE or not _is_name(lines[0]) or (size == 0 and root != EMPTY_ROOT):
        raise ReceiptRefused("checkpoint-malformed")
    if lines[0] != key.name:
        raise ReceiptRefused("checkpoint-of-another-log")
    return Checkpoint(lines[0], size, root)


def require_inclusion(entry: bytes, index: int, path: Sequence[bytes], checkpoint: Checkpoint) -> None:
    """Check that the entry stands at `index` of the log under the checkpoint. ReceiptRefused."""
    if not 0 <= index < checkpoint.size:
        raise ReceiptRefused("index-beyond-checkpoint")
    # Up to `inner` the index bits tell the side; above, on the tree's right border, every sibling is a left one.
    inner = (index ^ (checkpoint.size - 1)).bit_length()
    if len(path) != inner + (index >> inner).bit_count():
        raise ReceiptRefused("not-included")
    found = hashlib.sha256(b"\x00" + entry).digest()
    for depth, sibling in enumerate(path):
        sibling_left = depth >= inner or index >> depth & 1
        found = hashlib.sha256(b"\x01" + (sibling + found if sibling_left else found + sibling)).digest()
    if found != checkpoint.root:
        raise ReceiptRefused("not-included")


def _signed_text(note: bytes, key: LogKey) -> str:
    whole = _note_text(note)
    head, gap, tail = whole.rpartition("\n\n")
    lines = tail.split("\n")[:-1]
    if not gap or not 1 <= len(lines) <= MAX_SIGNATURES:
        raise ReceiptRefused("note-malformed")
    text, ours = head + "\n", []
    for line in lines:
        name, _, encoded = line.removeprefix(_DASH).partition(" ")
        value = _base64(encoded)
        if not line.startswith(_DASH) or not _is_name(name) or value is None or len(value) < 5:
            raise ReceiptRefused("note-malformed")
        if (name, value[:4]) == (key.name, key.id):
            ours.append(value[4:])
    # One bad signature by the known key rejects the note, whatever else holds; other keys' lines are passed over.
    if not ours:
        raise ReceiptRefused("signed-by-another-key")
    try:
        for signature in ours:
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature, text.encode())
    except (InvalidSignature, ValueError):
        raise ReceiptRefused("signature-invalid") from None
    return text


def _note_text(note: bytes) -> str:
    try:
        whole = note.decode() if len(note) <= MAX_NOTE_BYTES else ""
    except UnicodeDecodeError:
        whole = ""
    if not whole.endswith("\n") or any(character < " " and character != "\n" for character in whole):
        raise ReceiptRefused("note-malformed")
    return whole


def _is_name(name: str) -> bool:
    return name != "" and name.isprintable() and not {" ", "+"} & set(name)


def _base64(text: str) -> bytes | None:
    """RFC 4648, section 4, in its one canonical spelling; None otherwise."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError:  # UnicodeEncodeError and binascii.Error are such
        return None
    return data if base64.b64encode(data).decode() == text else None


def _decimal(text: str) -> int | None:
    """ASCII decimal below 2**63 without sign or leading zeros; None otherwise."""
    return int(text) if re.fullmatch(r"0|[1-9][0-9]{0,18}", text) and int(text) <= MAX_SIZE else None
