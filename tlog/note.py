"""Signed notes (c2sp.org/signed-note), verifier keys, and cosignatures (c2sp.org/tlog-cosignature), of which only verification lives here.

Who signs builds the bytes with `note_text` or `cosignature_text` and the note with `signature_line` and `format_note`.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tlog.errors import KeyMalformed, NoKnownSignature, NoteMalformed, SignatureInvalid

ED25519 = 0x01
COSIGNATURE_V1 = 0x04
MAX_NOTE_BYTES = 1_000_000
MAX_SIGNATURES = 100
_DASH = "\N{EM DASH} "


def strict_base64(text: str) -> bytes:
    """RFC 4648 section 4 with padding, in its one canonical spelling; ValueError otherwise."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise ValueError("not base64") from error
    if base64.b64encode(data).decode() != text:
        raise ValueError("not canonical base64")
    return data


def is_key_name(name: str) -> bool:
    """Whether the name is non-empty and without Unicode spaces, control characters and `+`."""
    return bool(name) and not any(c == "+" or c.isspace() or c < " " for c in name)


def key_id(name: str, type_byte: int, public_key: bytes) -> bytes:
    """SHA-256(name || 0x0A || type || public key)[:4]."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([type_byte]) + public_key).digest()[:4]


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A named Ed25519 public key (32 bytes) that signs notes (0x01) or cosigns (0x04). KeyMalformed."""

    name: str
    type_byte: int
    public_key: bytes

    def __post_init__(self) -> None:
        if not is_key_name(self.name):
            raise KeyMalformed(rule="name: not empty, no spaces, no +")
        if self.type_byte not in {ED25519, COSIGNATURE_V1} or len(self.public_key) != 32:
            raise KeyMalformed(rule="type 0x01 or 0x04 and 32 bytes of Ed25519 key")

    @property
    def id(self) -> bytes:
        return key_id(self.name, self.type_byte, self.public_key)

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """Read `name+hex8(key id)+base64(type || key)`, whose base64 may itself hold `+`. KeyMalformed."""
        name, _, rest = vkey.partition("+")
        hex_id, _, encoded = rest.partition("+")
        try:
            material = strict_base64(encoded)
        except ValueError as error:
            raise KeyMalformed(rule=f"name+key id+key: {error}") from error
        key = cls(name, material[0] if material else 0, material[1:])
        if hex_id != key.id.hex():
            raise KeyMalformed(rule="the key id does not belong to this name and key")
        return key

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(bytes([self.type_byte]) + self.public_key).decode()}"

    def check(self, text: bytes, value: bytes) -> int | None:
        """Check a signature's bytes over a note's text; a cosignature's POSIX seconds, None for type 0x01. SignatureInvalid."""
        seconds = None
        if self.type_byte == COSIGNATURE_V1:
            seconds, value = int.from_bytes(value[:8], "big"), value[8:]
            text = cosignature_text(text, seconds)
        try:
            # RFC 8032 section 5.1.7 as OpenSSL does it: exactly 64 bytes, S below the order of the group.
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(value, text)
        except (InvalidSignature, ValueError) as error:
            raise SignatureInvalid(key=str(self)) from error
        if seconds is not None and seconds >= 2**63:
            raise SignatureInvalid(key=str(self))
        return seconds


class Signature(NamedTuple):
    name: str
    key_id: bytes
    value: bytes


class Note(NamedTuple):
    """A parsed note, whose text is not to be believed before `verify_note` returned."""

    text: str
    signatures: tuple[Signature, ...]


class Verified(NamedTuple):
    """A signature that holds; `seconds` since 1970 where it is a cosignature."""

    key: VerifierKey
    seconds: int | None


def note_text(text: str) -> bytes:
    """The bytes a key signs: UTF-8, ending in a newline, no other control characters. NoteMalformed."""
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise NoteMalformed(rule="UTF-8") from error
    if not text.endswith("\n") or any(c < " " and c != "\n" for c in text):
        raise NoteMalformed(rule="the text ends in a newline and holds no other control characters")
    return data


def cosignature_text(text: bytes, seconds: int) -> bytes:
    """The bytes a cosigner signs over a checkpoint's text; the signature's value is then uint64 seconds || Ed25519 signature."""
    return b"cosignature/v1\ntime %d\n" % seconds + text


def signature_line(name: str, key_id: bytes, signature: bytes) -> str:
    """Em dash, key name, base64(4-byte key id || signature), newline. NoteMalformed."""
    if not is_key_name(name) or len(key_id) != 4 or not signature:
        raise NoteMalformed(rule="signature line: key name, 4-byte key id, signature")
    return f"{_DASH}{name} {base64.b64encode(key_id + signature).decode()}\n"


def format_note(text: str, lines: Iterable[str]) -> bytes:
    """Text, empty line, signature lines."""
    return note_text(text) + b"\n" + "".join(lines).encode()


def parse_note(data: bytes) -> Note:
    """Split a note at its last empty line. NoteMalformed for anything the specification does not allow."""
    try:
        whole = data.decode() if len(data) <= MAX_NOTE_BYTES else ""
    except UnicodeDecodeError as error:
        raise NoteMalformed(rule="UTF-8") from error
    note_text(whole)
    head, gap, tail = whole.rpartition("\n\n")
    lines = tail.split("\n")[:-1]
    if not gap or not 1 <= len(lines) <= MAX_SIGNATURES:
        raise NoteMalformed(rule=f"text, empty line, 1 to {MAX_SIGNATURES} signature lines, {MAX_NOTE_BYTES} bytes at most")
    return Note(head + "\n", tuple(map(_parse_line, lines)))


def _parse_line(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    try:
        value = strict_base64(encoded)
    except ValueError as error:
        raise NoteMalformed(rule=f"signature line: {error}") from error
    if not line.startswith(_DASH) or not is_key_name(name) or len(value) < 5:
        raise NoteMalformed(rule="signature line: em dash, key name, base64 of key id and signature")
    return Signature(name, value[:4], value[4:])


def verify_note(note: Note, keys: Sequence[VerifierKey]) -> tuple[Verified, ...]:
    """Check every signature by a known key; lines of an unknown (name, id) are ignored.

    SignatureInvalid for any bad one by a known key, whatever else holds; NoKnownSignature where there is none.
    """
    known = {(key.name, key.id): key for key in keys}
    text, lines = note.text.encode(), [(known.get((line.name, line.key_id)), line.value) for line in note.signatures]
    found = tuple(Verified(key, key.check(text, value)) for key, value in lines if key)
    if not found:
        raise NoKnownSignature(keys=", ".join(map(str, keys)))
    return found
