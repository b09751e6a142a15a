"""The only module that touches python-jose, and only its signature step; every other check is ours.

python-jose 3.5.0 by itself takes unknown `crit`, a missing `aud` though one is asked for, a missing `exp`, lax base64, 5 MB tokens
and, asked with `algorithms=None`, any algorithm. So a token is taken apart strictly (`auth.compact`), its key is found by us and pinned
to one algorithm, jose says whether the signature holds, and the claims are judged here. Two profiles, never taken for one another:

* our access tokens (RFC 9068): ES256, `typ` at+jwt, `kid` from our own set, every claim required and no other known;
* clients' assertions (RFC 7523, `private_key_jwt`): ES256 under the client's registered key, for our token endpoint, at most five minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from jose import jws
from jose.backends.cryptography_backend import CryptographyECKey

from auth import compact
from auth.errors import TokenRefused
from auth.keys import PublicKey
from foundation.canonical import canonical
from foundation.clock import EPOCH, from_ms
from foundation.ids import is_id, new_id
from vault.signer import TokenKeys

LEEWAY_SECONDS = 30
ASSERTION_SECONDS = 300
_ACCESS_CLAIMS = frozenset({"iss", "aud", "sub", "client_id", "jti", "iat", "nbf", "exp", "fonds", "sid"})


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What one of our access tokens says; it is worth what its session row is worth."""

    fonds: str
    account_id: str
    client_id: str
    session_id: str
    expires: datetime


@dataclass(frozen=True, slots=True)
class AssertionClaims:
    """What a client's assertion says: who it is (`<fonds>.<client_id>`), its single-use name, and when it ends."""

    client: str
    jti: str
    expires: datetime


class AccessTokens:
    """Issues and reads our own access tokens."""

    def __init__(self, *, issuer: str, audience: str, keys: Callable[[], TokenKeys], longest: timedelta, leeway: int = 5) -> None:
        """`keys` gives the present set, retired keys included while their tokens may live; `longest` bounds a token's life."""
        self._issuer, self._audience, self._keys, self._longest = issuer, audience, keys, longest
        self._leeway = _checked_leeway(leeway)

    def issue(self, *, fonds: str, account_id: str, client_id: str, session_id: str, now: datetime, lifetime: timedelta) -> str:
        """Sign a token bound to a session row; `lifetime` is cut to the longest allowed."""
        key = self._keys().signing
        issued = _seconds(now)
        body = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": account_id,
            "client_id": client_id,
            "jti": new_id(),
            "iat": issued,
            "nbf": issued,
            "exp": issued + min(lifetime, self._longest) // timedelta(seconds=1),
            "fonds": fonds,
            "sid": session_id,
        }
        signed: str = jws.sign(canonical(body), _own_key(key.private_pem), headers={"kid": key.kid, "typ": "at+jwt"}, algorithm="ES256")
        return signed

    def read(self, token: str, *, now: datetime) -> AccessClaims:
        """Check a token in every respect but its session; TokenRefused."""
        parts = compact.take_apart(token)
        if parts.header.get("typ") != "at+jwt":
            raise TokenRefused("typ")
        public_pem = self._keys().verifying.get(parts.header.get("kid", ""))
        if public_pem is None:
            raise TokenRefused("kid")
        _require_signature(parts, _own_key(public_pem), "ES256")
        body = compact.claims(parts.payload)
        if body.keys() != _ACCESS_CLAIMS:
            raise TokenRefused("claims")
        _require_texts(body, {"iss": self._issuer, "aud": self._audience}, "sub", "client_id", "jti", "fonds", "sid")
        expires = _require_times(body, now=now, leeway=self._leeway, longest=self._longest, required=("iat", "nbf", "exp"))
        if not all(is_id(body[name]) for name in ("sub", "jti", "sid")):
            raise TokenRefused("ids")
        return AccessClaims(body["fonds"], body["sub"], body["client_id"], body["sid"], expires)


class Assertions:
    """Reads clients' assertions for our token endpoint. That each is used once is held by the replay store (`auth.clients`)."""

    def __init__(self, *, token_endpoint: str, leeway: int = LEEWAY_SECONDS) -> None:
        """`token_endpoint`: the one audience, compared as exact text."""
        self._audience = token_endpoint
        self._leeway = _checked_leeway(leeway)

    def claimed_client(self, token: str) -> str:
        """Who the assertion says it is from, unverified: good for finding the key to check it with, and for nothing else."""
        body = compact.claims(compact.take_apart(token).payload)
        _require_texts(body, {}, "iss")
        return str(body["iss"])

    def read(self, token: str, *, client: str, kid: str, key: PublicKey, now: datetime) -> AssertionClaims:
        """Check an assertion under the client's registered key; TokenRefused."""
        parts = compact.take_apart(token)
        if parts.header.get("typ", "JWT") not in ("JWT", "client-authentication+jwt"):
            raise TokenRefused("typ")
        if parts.header.get("kid", kid) != kid:
            raise TokenRefused("kid")
        _require_signature(parts, _their_key(key), key.alg)
        body = compact.claims(parts.payload)
        _require_texts(body, {"iss": client, "sub": client, "aud": self._audience}, "jti")
        longest = timedelta(seconds=ASSERTION_SECONDS)
        expires = _require_times(body, now=now, leeway=self._leeway, longest=longest, required=("iat", "exp"))
        return AssertionClaims(client, body["jti"], expires + timedelta(seconds=self._leeway))


def signed_payload(token: str, key: PublicKey) -> bytes:
    """The signature step alone: the payload of a token whose signature holds under `key` and its pinned algorithm; TokenRefused."""
    parts = compact.take_apart(token)
    _require_signature(parts, _their_key(key), key.alg)
    return parts.payload


def _require_signature(parts: compact.Compact, key: Any, alg: str) -> None:
    if parts.header["alg"] != alg:
        raise TokenRefused("alg")
    if key.verify(parts.signed, parts.signature) is not True:
        raise TokenRefused("signature")


def _require_texts(body: Mapping[str, Any], exact: Mapping[str, str], *names: str) -> None:
    for name in (*exact, *names):
        value = body.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= 255 or not value.isprintable():
            raise TokenRefused(name)
        if name in exact and value != exact[name]:
            raise TokenRefused(name)


def _require_times(body: Mapping[str, Any], *, now: datetime, leeway: int, longest: timedelta, required: Sequence[str]) -> datetime:
    """Check `iat`, `nbf` (where there) and `exp` against the clock and each other; return the expiry."""
    present = _seconds(now)
    times = {name: _numeric_date(body, name) for name in ("iat", "nbf", "exp") if name in body or name in required}
    if times["iat"] > present + leeway:
        raise TokenRefused("iat")
    if times.get("nbf", 0) > present + leeway:
        raise TokenRefused("nbf")
    if times["exp"] <= present - leeway:
        raise TokenRefused("exp")
    if not 0 < times["exp"] - times["iat"] <= longest // timedelta(seconds=1):
        raise TokenRefused("lifetime")
    return from_ms(times["exp"] * 1000)


def _numeric_date(body: Mapping[str, Any], name: str) -> int:
    # `True == 1` in Python and true is no number in JSON: the type is asked for exactly. Whole seconds, up to the year 9999.
    value = body.get(name)
    if type(value) is not int or not 0 <= value <= 253_402_300_799:
        raise TokenRefused(name)
    return value


def _seconds(now: datetime) -> int:
    return (now - EPOCH) // timedelta(seconds=1)


def _checked_leeway(seconds: int) -> int:
    if not 0 <= seconds <= LEEWAY_SECONDS:
        raise ValueError("leeway is at most 30 seconds")
    return seconds


@lru_cache(maxsize=32)
def _own_key(pem: str) -> Any:
    key = CryptographyECKey(pem, "ES256")
    if key.prepared_key.curve.name != "secp256r1":
        raise ValueError("a token key lies on P-256")
    return key


@lru_cache(maxsize=256)
def _their_key(key: PublicKey) -> Any:
    return CryptographyECKey(key.members, key.alg)
