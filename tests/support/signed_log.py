"""Logs written for tests, by the definitions of RFC 6962 section 2.1 and c2sp.org/tlog-tiles and with no help from the room `tlog`."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def leaf(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def mth(leaves: Sequence[bytes]) -> bytes:
    """MTH of leaf hashes, word for word after the RFC."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path_name(kind: str, n: int, width: int) -> str:
    digits = f"{n:03}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return f"tile/{kind}/" + "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:]) + (f".p/{width}" if width < 256 else "")


@dataclass(frozen=True)
class SigningKey:
    """A key that signs notes as (name, 0x01), or cosigns as (name, 0x04)."""

    name: str
    private: Ed25519PrivateKey

    @classmethod
    def from_seed(cls, name: str, seed: int) -> SigningKey:
        return cls(name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))

    def material(self, kind: int = 1) -> bytes:
        return bytes([kind]) + self.private.public_key().public_bytes_raw()

    def key_id(self, kind: int = 1) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + self.material(kind)).digest()[:4]

    def vkey(self, kind: int = 1) -> str:
        return f"{self.name}+{self.key_id(kind).hex()}+{b64encode(self.material(kind)).decode()}"

    def line(self, text: str) -> str:
        return f"— {self.name} {b64encode(self.key_id() + self.private.sign(text.encode())).decode()}\n"

    def cosignature_line(self, text: str, seconds: int) -> str:
        value = seconds.to_bytes(8, "big") + self.private.sign(f"cosignature/v1\ntime {seconds}\n{text}".encode())
        return f"— {self.name} {b64encode(self.key_id(4) + value).decode()}\n"

    def note(self, text: str) -> bytes:
        return f"{text}\n{self.line(text)}".encode()

    def checkpoint(self, leaves: Sequence[bytes], *, origin: str | None = None, size: int | None = None) -> bytes:
        root = b64encode(mth(leaves)).decode()
        return self.note(f"{origin or self.name}\n{len(leaves) if size is None else size}\n{root}\n")


def write_log(directory: Path, entries: Sequence[bytes], key: SigningKey, older: Iterable[int] = ()) -> list[bytes]:
    """Write a whole log, with the partial tiles that the `older` sizes left behind; its leaf hashes."""
    leaves = [leaf(entry) for entry in entries]
    for size in {*older, len(entries)}:
        _write_files(directory, entries[:size], leaves[:size])
    (directory / "checkpoint").write_bytes(key.checkpoint(leaves))
    return leaves


def _write_files(directory: Path, entries: Sequence[bytes], leaves: Sequence[bytes]) -> None:
    def put(kind: str, at: int, items: Sequence[bytes]) -> None:
        file = directory / path_name(kind, at // 256, len(items))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"".join(items))

    level, hashes = 0, list(leaves)
    while hashes:
        for at in range(0, len(hashes), 256):
            put(str(level), at, hashes[at : at + 256])
            if level == 0:
                put("entries", at, [len(entry).to_bytes(2, "big") + entry for entry in entries[at : at + 256]])
        hashes = [mth(hashes[at : at + 256]) for at in range(0, len(hashes) - 255, 256)]
        level += 1


def directory_reader(directory: Path) -> Callable[[str], bytes]:
    """Read a log's files by their paths within it."""
    return lambda path: (directory / path).read_bytes()
