"""The client's own key and the assertions it signs: `private_key_jwt` (RFC 7523; OpenID Connect Core 1.0, section 9) with ES256 (RFC 7518).

The private key never leaves the case system: the archive is given the public half when the client is registered.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import NoReturn, Self
from uuid import uuid4

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS = 120  # the archive takes at most 300


class ClientKey:
    """A private key on P-256. It shows and pickles nothing but its `kid`, the thumbprint of its public half (RFC 7638)."""

    __slots__ = ("_private", "kid")

    def __init__(self, private: ec.EllipticCurvePrivateKey) -> None:
        """Take a private key; ValueError unless it lies on P-256."""
        if private.curve.name != "secp256r1":
            raise ValueError("密钥须在 P-256 曲线上 / the key must lie on P-256")
        self._private = private
        self.kid = _base64url(hashlib.sha256(_compact(self._members())).digest())

    @classmethod
    def generate(cls) -> Self:
        """Make a new key."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def load(cls, pem: bytes, passphrase: bytes | None = None) -> Self:
        """Read a key from PEM (PKCS #8 or SEC 1). ValueError for another kind of key or a wrong passphrase."""
        private: object = None
        try:
            private = load_pem_private_key(pem, passphrase)
        except (TypeError, ValueError, UnsupportedAlgorithm):
            private = None
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise ValueError("不是可用的 P-256 私钥 PEM，或口令不符 / no usable P-256 private key in PEM, or a wrong passphrase")  # noqa: TRY004  the text was wrong, not its type
        return cls(private)

    def pem(self, passphrase: bytes | None = None) -> bytes:
        """The private key as PKCS #8 PEM, encrypted where a passphrase is given: for a file that only the case system can read."""
        encryption: KeySerializationEncryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        return self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)

    def public_jwk(self) -> dict[str, str]:
        """The public half as a JSON Web Key: what the archive is given to register the client."""
        return {**self._members(), "alg": "ES256", "use": "sig", "kid": self.kid}

    def sign(self, data: bytes) -> bytes:
        """Sign as ES256 does: r and s, 32 bytes each (RFC 7518, section 3.4)."""
        r, s = decode_dss_signature(self._private.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def _members(self) -> dict[str, str]:
        numbers = self._private.public_key().public_numbers()
        x, y = (_base64url(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
        return {"crv": "P-256", "kty": "EC", "x": x, "y": y}

    def __repr__(self) -> str:
        return f"<ClientKey {self.kid}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("私钥不可序列化 / private keys are not pickled")


def client_assertion(key: ClientKey, client: str, audience: str, issued: int) -> str:
    """A signed statement that this client asks `audience` for a token: new, single-use, two minutes long. `issued`: POSIX seconds."""
    header = {"alg": "ES256", "kid": key.kid, "typ": "JWT"}
    claims: dict[str, str | int] = {
        "iss": client,
        "sub": client,
        "aud": audience,
        "jti": str(uuid4()),
        "iat": issued,
        "exp": issued + ASSERTION_SECONDS,
    }
    signed = f"{_base64url(_compact(header))}.{_base64url(_compact(claims))}"
    return f"{signed}.{_base64url(key.sign(signed.encode()))}"


def _compact(members: Mapping[str, str | int]) -> bytes:
    return json.dumps(members, sort_keys=True, separators=(",", ":")).encode()


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
