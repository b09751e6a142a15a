"""A witness's own key: an Ed25519 seed in a file that is sealed as the archive's key ring is (docs/formats/key-ring.md), and what it signs.

The witness is another party than the archive, on another machine: this file never lies beside a key ring, and holds no other key.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tlog.note import COSIGNATURE_V1, VerifierKey, cosignature_text, note_text, signature_line
from vault.errors import KeyRingDamaged
from vault.ringfile import RingFile
from vault.suites import AES
from vault.unlock import Unlock

_SEED_SIZE = 32


class Cosigner:
    """Cosigns checkpoints (c2sp.org/tlog-cosignature, `cosignature/v1`) as `name`."""

    __slots__ = ("_private", "verifier")

    def __init__(self, name: str, seed: bytes) -> None:
        """Take the 32-byte private seed (RFC 8032). Malformed for what is no key name."""
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = VerifierKey(name, COSIGNATURE_V1, self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    @classmethod
    def make(cls, path: Path, name: str, unlock: Unlock) -> Self:
        """Draw a key and write it durably, mode 0600; `KeyRingExists` where there is a file, Malformed for a bad name."""
        seed = os.urandom(_SEED_SIZE)
        made = cls(name, seed)
        RingFile(path).create({"witness": name, "seed": seed.hex()}, unlock, AES)
        return made

    @classmethod
    def load(cls, path: Path, unlock: Unlock) -> Self:
        """Open the file; `KeyRingMissing`, `KeyRingExposed`, `KeyRingWrong`, or `KeyRingDamaged` where it is no witness's key."""
        file = RingFile(path)
        match file.read(file.unlock(unlock)):
            case {"witness": str(name), "seed": str(seed)}:
                return cls(name, bytes.fromhex(seed))
        raise KeyRingDamaged(file=str(path))

    def cosign(self, text: str, seconds: int) -> str:
        """Return the cosignature line, with its newline, over a checkpoint's text at a POSIX time (above 0, below 2**63)."""
        if not 0 < seconds < 2**63:
            raise ValueError("a cosignature has a time")
        signature = self._private.sign(cosignature_text(note_text(text), seconds))
        return signature_line(self.verifier.name, self.verifier.id, seconds.to_bytes(8, "big") + signature)

    def __repr__(self) -> str:
        return f"<Cosigner {self.verifier.name}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("keys are not pickled")
