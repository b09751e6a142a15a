"""What the key ring signs and keys: checkpoints of a fonds' log, tokens, and digests that nobody can find by trying."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from typing import NoReturn

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_der_private_key

from foundation.canonical import canonical
from foundation.tables import SYSTEM_FONDS
from tlog.note import ED25519, VerifierKey, format_note, note_text, signature_line
from vault.keyring import KeyRing
from vault.ringstate import RingKey
from vault.sealed import prefixed
from vault.suites import suite_named


class LogSigner:
    """Signs the checkpoints of one fonds' log with Ed25519. The key's name, and so the log's origin, is `<archive>/<fonds>`."""

    __slots__ = ("_private", "verifier")

    def __init__(self, name: str, seed: bytes) -> None:
        """Take the 32-byte private seed (RFC 8032)."""
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        public = self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.verifier = VerifierKey(name, ED25519, public)

    @classmethod
    def of(cls, ring: KeyRing, fonds: str, epoch: int = 1) -> LogSigner:
        """Return the current signer of a fonds' log; `KeyMissing` for a fonds the ring does not know.

        A log that was restored and admitted begins another life, `epoch` 2 and up, under an origin of its own.
        """
        name = f"{ring.archive_name}/{fonds}" if epoch == 1 else f"{ring.archive_name}/{fonds}/{epoch}"
        return cls(name, ring.ensure(fonds, "log").reveal())

    @property
    def name(self) -> str:
        """The key's name and the log's origin."""
        return self.verifier.name

    @property
    def vkey(self) -> str:
        """The public key as verifiers take it: `name+key id+base64`."""
        return str(self.verifier)

    def sign(self, text: str) -> str:
        """Return the signature line (with its newline) over a note's text, which ends in a newline."""
        return signature_line(self.name, self.verifier.id, self._private.sign(note_text(text)))

    def note(self, text: str) -> bytes:
        """Return the whole signed note."""
        return format_note(text, [self.sign(text)])

    def __repr__(self) -> str:
        return f"<LogSigner {self.name}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("keys are not pickled")


@dataclass(frozen=True, slots=True)
class TokenKey:
    """One ES256 key: `kid` is its RFC 7638 thumbprint, the PEMs are PKCS8 and SubjectPublicKeyInfo."""

    kid: str
    private_pem: str = field(repr=False)
    public_pem: str


@dataclass(frozen=True, slots=True)
class TokenKeys:
    """The installation's token keys: one signs, all live ones verify."""

    signing: TokenKey
    verifying: dict[str, str]

    @classmethod
    def of(cls, ring: KeyRing) -> TokenKeys:
        """Read them from the system fonds, making the first where there is none; read again after a rotation."""
        current = ring.ensure(SYSTEM_FONDS, "token")
        live = [info for info in ring.keys(SYSTEM_FONDS) if info.scope == "token" and info.state != "destroyed"]
        keys = [_token_key(ring.key(SYSTEM_FONDS, info.id)) for info in live]
        return cls(_token_key(current), {key.kid: key.public_pem for key in keys})


def keyed_digest(ring: KeyRing, fonds: str, purpose: str, data: bytes) -> bytes:
    """Return a 32-byte HMAC of `data` under the fonds' current digest key, apart for each purpose (`receipt`, `idempotency`, `list`)."""
    return _digest(ring.ensure(fonds, "digest"), purpose, data)


def digest_matches(ring: KeyRing, fonds: str, purpose: str, data: bytes, digest: bytes) -> bool:
    """Tell whether `digest` is of `data` under any digest key of the fonds that was not destroyed."""
    return any(compare_digest(one, digest) for one in live_digests(ring, fonds, purpose, data))


def live_digests(ring: KeyRing, fonds: str, purpose: str, data: bytes) -> list[bytes]:
    """Return the digests of `data` under all digest keys of the fonds that were not destroyed: what a row may be named by."""
    ring.refresh()
    live = [info for info in ring.keys(fonds) if info.scope == "digest" and info.state != "destroyed"]
    return [_digest(ring.key(fonds, info.id), purpose, data) for info in live]


def _digest(key: RingKey, purpose: str, data: bytes) -> bytes:
    return suite_named(key.info.suite).mac(key.reveal(), b"petition-archive/digest/v1\0" + prefixed(purpose.encode()) + data)


def _token_key(key: RingKey) -> TokenKey:
    private = load_der_private_key(key.reveal(), None)
    if not isinstance(private, EllipticCurvePrivateKey):
        raise TypeError("a token key is an elliptic-curve key")
    numbers = private.public_key().public_numbers()
    jwk = {"crv": "P-256", "kty": "EC", "x": _base64url(numbers.x.to_bytes(32, "big")), "y": _base64url(numbers.y.to_bytes(32, "big"))}
    return TokenKey(
        kid=_base64url(sha256(canonical(jwk)).digest()),
        private_pem=private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        public_pem=private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
    )


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
