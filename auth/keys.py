"""Public keys of others, as JSON Web Keys (RFC 7517, 7518), checked before use: kind, curve, point, purpose, and no private part."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from auth.compact import decode, encode
from auth.errors import BadKey, TokenRefused
from foundation.canonical import canonical
from foundation.errors import Fault

# NIST P-256 (FIPS 186-4, D.1.2.3): y^2 = x^3 - 3x + b over the integers modulo p.
_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_DESCRIPTIVE = frozenset({"kid", "use", "alg", "key_ops"})

_FAULTS = {
    "kind": ("须为 P-256 椭圆曲线公钥（kty=EC, crv=P-256）。", "It must be an elliptic-curve public key on P-256 (kty=EC, crv=P-256)."),
    "private": ("不得提交私钥或多余成员。", "It may hold neither private nor unknown members."),
    "coordinate": ("坐标须为 32 字节的 base64url。", "Each coordinate is 32 bytes in base64url."),
    "not-on-curve": ("该点不在 P-256 曲线上。", "The point does not lie on P-256."),
    "use": ("use/key_ops/alg 与验签不符。", "`use`, `key_ops` or `alg` do not fit the checking of signatures."),
}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A checked public key: the bare JWK (required members alone), the one algorithm it is pinned to, and its thumbprint (RFC 7638)."""

    jwk: tuple[tuple[str, str], ...]
    alg: str

    @property
    def members(self) -> dict[str, str]:
        """The JWK's required members."""
        return dict(self.jwk)

    @property
    def thumbprint(self) -> str:
        """SHA-256 over the required members in canonical form, base64url: the same key always has the same."""
        return encode(hashlib.sha256(canonical(self.members)).digest())


def p256(jwk: object) -> PublicKey:
    """Check a P-256 public key, pinned to ES256; BadKey names what is wrong with it."""
    members = _members(jwk, "EC", {"kty", "crv", "x", "y"}, "ES256")
    if members["crv"] != "P-256":
        raise _bad("kind")
    x, y = (_integer(members[name], 32) for name in ("x", "y"))
    if not (x < _P and y < _P and (y * y - (x * x * x - 3 * x + _B)) % _P == 0):
        raise _bad("not-on-curve")
    return PublicKey(tuple(sorted(members.items())), "ES256")


def _members(jwk: object, kind: str, required: set[str], alg: str) -> dict[str, str]:
    if not isinstance(jwk, Mapping) or jwk.get("kty") != kind:
        raise _bad("kind")
    if not required <= jwk.keys() or not jwk.keys() <= required | _DESCRIPTIVE:
        raise _bad("private")
    if jwk.get("use", "sig") != "sig" or jwk.get("alg", alg) != alg or jwk.get("key_ops", ["verify"]) != ["verify"]:
        raise _bad("use")
    members: dict[str, Any] = {name: jwk[name] for name in required}
    if not all(isinstance(value, str) for value in members.values()):
        raise _bad("coordinate")
    return members


def _integer(text: str, size: int | None) -> int:
    try:
        raw = decode(text)
    except TokenRefused:
        raise _bad("coordinate") from None
    if size is not None and len(raw) != size:
        raise _bad("coordinate")
    return int.from_bytes(raw, "big")


def _bad(rule: str) -> BadKey:
    return BadKey([Fault("public_jwk", rule, *_FAULTS[rule])])
