"""What unlocks a key ring: a passphrase (through Argon2id) or a credential file (32 random bytes, as systemd hands them to a service)."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from foundation.durable import clear_unfinished, write_durably
from vault.errors import CredentialUnusable, KeyRingExposed
from vault.suites import AES, SECRET_SIZE

SALT_SIZE: Final = 16
CREDENTIAL_SIZE: Final = 32
SHORTEST_PASSPHRASE: Final = 12
# A stored cost beyond these is a damaged or hostile file, not a choice.
_MOST_MEMORY_KIB: Final = 1024 * 1024
_MOST_ITERATIONS: Final = 32
_MOST_LANES: Final = 16


class Unlock(Protocol):
    """A secret that opens a key ring file."""

    def terms(self) -> dict[str, Any]:
        """Return what to store beside the sealed ring so that the secret can be used again; draws a fresh salt."""
        ...

    def root(self, terms: dict[str, Any]) -> bytes:
        """Return the 32-byte root key under stored terms; ValueError when the terms are not of this secret's kind."""
        ...


@dataclass(frozen=True, slots=True)
class Argon2Cost:
    """Argon2id's cost (RFC 9106); the default takes 64 MiB and some tenths of a second, once per start."""

    memory_kib: int = 65536
    iterations: int = 3
    lanes: int = 4


@dataclass(frozen=True, slots=True, eq=False)
class Passphrase:
    """A passphrase a person types or an environment holds."""

    text: str = field(repr=False)
    cost: Argon2Cost = Argon2Cost()

    def terms(self) -> dict[str, Any]:
        """Return fresh terms; `CredentialUnusable` for a passphrase of fewer than 12 characters."""
        if len(self.text) < SHORTEST_PASSPHRASE:
            raise CredentialUnusable(
                why_zh=f"新口令须至少 {SHORTEST_PASSPHRASE} 个字符",
                why_en=f"a new passphrase has at least {SHORTEST_PASSPHRASE} characters",
            )
        cost = self.cost
        return {
            "kind": "passphrase",
            "kdf": "argon2id",
            "salt": os.urandom(SALT_SIZE).hex(),
            "memory_kib": cost.memory_kib,
            "iterations": cost.iterations,
            "lanes": cost.lanes,
        }

    def root(self, terms: dict[str, Any]) -> bytes:
        """Derive the root key with the stored cost, so that raising the default locks nobody out."""
        if terms.get("kind") != "passphrase" or terms.get("kdf") != "argon2id":
            raise ValueError("not locked with a passphrase")
        lanes = _bounded(terms, "lanes", 1, _MOST_LANES)
        deriver = Argon2id(
            salt=bytes.fromhex(terms["salt"]),
            length=SECRET_SIZE,
            iterations=_bounded(terms, "iterations", 1, _MOST_ITERATIONS),
            lanes=lanes,
            memory_cost=_bounded(terms, "memory_kib", 8 * lanes, _MOST_MEMORY_KIB),
        )
        # The same passphrase typed on another keyboard or system may come in another composition.
        return deriver.derive(unicodedata.normalize("NFKC", self.text).encode())


@dataclass(frozen=True, slots=True)
class Credential:
    """The path of a file with exactly 32 random bytes, readable by the service alone."""

    path: Path

    @classmethod
    def make(cls, path: Path) -> Credential:
        """Write a new credential with mode 0600; FileExistsError where there is one."""
        clear_unfinished(path.parent, re.compile(re.escape(path.name)))
        write_durably(path, os.urandom(CREDENTIAL_SIZE), "credential", mode=0o600, replace=False)
        return cls(path)

    def terms(self) -> dict[str, Any]:
        """Return fresh terms."""
        return {"kind": "credential", "kdf": "hkdf-sha-256", "salt": os.urandom(SALT_SIZE).hex()}

    def root(self, terms: dict[str, Any]) -> bytes:
        """Read the file and derive the root key."""
        if terms.get("kind") != "credential" or terms.get("kdf") != "hkdf-sha-256":
            raise ValueError("not locked with a credential")
        return AES.hkdf(self._read(), bytes.fromhex(terms["salt"]), b"petition-archive/key-ring/v1", SECRET_SIZE)

    def _read(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                secret = file.read(CREDENTIAL_SIZE + 1)
        except OSError:
            raise CredentialUnusable(
                why_zh=f"凭据文件 {self.path} 不存在，或当前用户无权读取",
                why_en=f"the file {self.path} is not there, or this user may not read it",
            ) from None
        # systemd gives credentials of other users as root's with an access list, which shows as group-readable (0440).
        allowed = 0o640 if status.st_uid == 0 != os.geteuid() else 0o600
        if stat.S_IMODE(status.st_mode) & ~allowed:
            raise KeyRingExposed(file=str(self.path), mode=f"{stat.S_IMODE(status.st_mode):04o}")
        if len(secret) != CREDENTIAL_SIZE:
            raise CredentialUnusable(
                why_zh=f"凭据文件 {self.path} 不是 {CREDENTIAL_SIZE} 字节",
                why_en=f"the file {self.path} does not hold {CREDENTIAL_SIZE} bytes",
            )
        return secret


def _bounded(terms: dict[str, Any], name: str, least: int, most: int) -> int:
    value = terms.get(name)
    if type(value) is not int or not least <= value <= most:
        raise ValueError("a cost out of bounds")
    return value
