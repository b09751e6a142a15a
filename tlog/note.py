"""Signed notes (c2sp.org/signed-note) and cosignatures (c2sp.org/tlog-cosignature): form and verification.

Signing is done elsewhere, over `note_text` or `cosignature_text`; `signature_line` and `format_note` then make the note.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tlog.errors import Malformed, NoKnownSignature, SignatureInvalid

ED25519, COSIGNATURE_V1 = 0x01, 0x04
MAX_NOTE_BYTES, MAX_SIGNATURES = 1_000_000, 100
_DASH = "\N{EM DASH} "


def strict_base64(text: str) -> bytes:
    """RFC 4648 section 4 with padding, in its one canonical spelling; ValueError otherwise."""
    data = base64.b64decode(text.encode("ascii"), validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("not canonical base64")
    return data


def is_key_name(name: str) -> bool:
    """Whether the name is non-empty, printable, and without spaces and `+`."""
    return name.isprintable() and name != "" and not {" ", "+"} & set(name)


def key_id(name: str, type_byte: int, public_key: bytes) -> bytes:
    """SHA-256(name || 0x0A || type || public key)[:4]."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([type_byte]) + public_key).digest()[:4]


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A named Ed25519 public key (32 bytes) that signs notes (0x01) or cosigns (0x04). Malformed."""

    name: str
    type_byte: int
    public_key: bytes

    def __post_init__(self) -> None:
        if not is_key_name(self.name):
            raise Malformed(what="vkey", rule="name: not empty, no spaces, no +")
        if self.type_byte not in {ED25519, COSIGNATURE_V1} or len(self.public_key) != 32:
            raise Malformed(what="vkey", rule="type 0x01 or 0x04 and 32 bytes of Ed25519 key")

    @property
    def id(self) -> bytes:
        return key_id(self.name, self.type_byte, self.public_key)

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """Read `name+hex8(key id)+base64(type || key)`, whose base64 may itself hold `+`. Malformed."""
        name, _, rest = vkey.partition("+")
        hex_id, _, encoded = rest.partition("+")
        try:
            material = strict_base64(encoded)
        except ValueError as error:
            raise Malformed(what="vkey", rule=f"name+key id+key: {error}") from error
        key = cls(name, material[0] if material else 0, material[1:])
        if hex_id != key.id.hex():
            raise Malformed(what="vkey", rule="the key id does not belong to this name and key")
        return key

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(bytes([self.type_byte]) + self.public_key).decode()}"

    def check(self, text: bytes, value: bytes) -> int | None:
        """Check a signature's bytes over a note's text; a cosignature's POSIX seconds, None for type 0x01. SignatureInvalid."""
        seconds = int.from_bytes(value[:8], "big") if self.type_byte == COSIGNATURE_V1 else None
        if seconds is not None:
            text, value = cosignature_text(text, seconds), value[8:]
        try:
            # RFC 8032 section 5.1.7 as OpenSSL does it: exactly 64 bytes, S below the order of the group. No time from 2**63 on.
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(value if (seconds or 0) < 2**63 else b"", text)
        except (InvalidSignature, ValueError) as error:
            raise SignatureInvalid(key=str(self)) from error
        return seconds


class Note(NamedTuple):
    text: str  # not to be believed before `verify_note` returned
    signatures: tuple[tuple[str, bytes, bytes], ...]  # key name, key id, signature


def note_text(text: str) -> bytes:
    """The bytes a key signs: UTF-8, ending in a newline, no other control characters. Malformed."""
    if not text.endswith("\n") or any((c < " " and c != "\n") or "\ud800" <= c <= "\udfff" for c in text):
        raise Malformed(what="note", rule="UTF-8 that ends in a newline and holds no other control characters")
    return text.encode()


def cosignature_text(text: bytes, seconds: int) -> bytes:
    """The bytes a cosigner signs over a checkpoint's text; the signature's value is then uint64 seconds || Ed25519 signature."""
    return b"cosignature/v1\ntime %d\n" % seconds + text


def signature_line(name: str, key_id: bytes, signature: bytes) -> str:
    """Em dash, key name, base64(4-byte key id || signature), newline. Malformed."""
    if not is_key_name(name) or len(key_id) != 4 or not signature:
        raise Malformed(what="note", rule="signature line: key name, 4-byte key id, signature")
    return f"{_DASH}{name} {base64.b64encode(key_id + signature).decode()}\n"


def format_note(text: str, lines: Iterable[str]) -> bytes:
    """Text, empty line, signature lines."""
    return note_text(text) + b"\n" + "".join(lines).encode()


def parse_note(data: bytes) -> Note:
    """Split a note at its last empty line. Malformed for anything the specification does not allow."""
    whole = data.decode(errors="surrogateescape") if len(data) <= MAX_NOTE_BYTES else ""
    note_text(whole)
    head, gap, tail = whole.rpartition("\n\n")
    lines = tail.split("\n")[:-1]
    if not gap or not 1 <= len(lines) <= MAX_SIGNATURES:
        raise Malformed(what="note", rule=f"text, empty line, 1 to {MAX_SIGNATURES} signature lines, {MAX_NOTE_BYTES} bytes at most")
    return Note(head + "\n", tuple(map(_parse_line, lines)))


def _parse_line(line: str) -> tuple[str, bytes, bytes]:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    try:
        value = strict_base64(encoded)
    except ValueError as error:
        raise Malformed(what="note", rule=f"signature line: {error}") from error
    if not line.startswith(_DASH) or not is_key_name(name) or len(value) < 5:
        raise Malformed(what="note", rule="signature line: em dash, key name, base64 of key id and signature")
    return name, value[:4], value[4:]


def verify_note(note: Note, keys: Sequence[VerifierKey]) -> tuple[tuple[VerifierKey, int | None], ...]:
    """The known keys whose signatures hold, with a cosignature's POSIX seconds; lines of an unknown (name, id) are ignored.

    SignatureInvalid for one bad signature by a known key, whatever else holds; NoKnownSignature where there is none.
    """
    known = {(key.name, key.id): key for key in keys}
    text, lines = note.text.encode(), [(known.get((name, id_)), value) for name, id_, value in note.signatures]
    found = tuple((key, key.check(text, value)) for key, value in lines if key)
    if not found:
        raise NoKnownSignature(keys=", ".join(map(str, keys)))
    return found
