"""Attacks on what others sign: clients' assertions, and the keys they bring."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from auth.errors import BadKey, TokenRefused
from auth.keys import p256
from auth.tokens import Assertions
from auth_office import AUDIENCE, TOKEN_ENDPOINT, b64, jwk_of, sign_es256
from foundation.clock import MovableClock

_NOON = datetime(2026, 3, 18, 4, 0, tzinfo=UTC)


def _text(value: Any) -> bytes:
    return json.dumps(value).encode()


# ------------------------------------------------------------------------------------------------ clients' assertions


class ClientForge:
    def __init__(self, clock: MovableClock) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.now = int(clock.now().timestamp())
        self.body = {"iss": "F001.c", "sub": "F001.c", "aud": TOKEN_ENDPOINT, "jti": "j-1", "iat": self.now, "exp": self.now + 300}

    def token(self, header: dict[str, Any] | None = None, key: Any = None, without: str = "", **changed: Any) -> str:
        body = {name: value for name, value in {**self.body, **changed}.items() if name != without}
        return sign_es256(key or self.key, {"alg": "ES256", "kid": "k1", **(header or {})}, body)

    def read(self, token: str, clock: MovableClock) -> Any:
        key = p256(jwk_of(self.key))
        return Assertions(token_endpoint=TOKEN_ENDPOINT).read(token, client="F001.c", kid="k1", key=key, now=clock.now())


ASSERTION_ATTACKS: dict[str, Callable[[ClientForge], str]] = {
    "another client's key": lambda f: f.token(key=ec.generate_private_key(ec.SECP256R1())),
    "another kid": lambda f: f.token(header={"kid": "k2"}),
    "typ of our access tokens": lambda f: f.token(header={"typ": "at+jwt"}),
    "alg none": lambda f: f.token(header={"alg": "none"}),
    "alg RS256": lambda f: f.token(header={"alg": "RS256"}),
    "jwk in the header": lambda f: f.token(header={"jwk": jwk_of(f.key)}),
    "crit": lambda f: f.token(header={"crit": ["x"]}),
    "iss of another": lambda f: f.token(iss="F001.d"),
    "sub of another": lambda f: f.token(sub="F001.d"),
    "audience of the API": lambda f: f.token(aud=AUDIENCE),
    "audience in a list": lambda f: f.token(aud=[TOKEN_ENDPOINT]),
    "five minutes and a second": lambda f: f.token(exp=f.now + 301),
    "expired": lambda f: f.token(iat=f.now - 300, exp=f.now - 30),
    "from the future": lambda f: f.token(iat=f.now + 31, exp=f.now + 200),
    "not yet": lambda f: f.token(nbf=f.now + 31),
    "nbf true": lambda f: f.token(nbf=True),
    "jti as a number": lambda f: f.token(jti=1),
    "jti empty": lambda f: f.token(jti=""),
    "jti too long": lambda f: f.token(jti="j" * 256),
    **{f"without {name}": partial(ClientForge.token, without=name) for name in ("iss", "sub", "aud", "jti", "iat", "exp")},
}


@pytest.mark.parametrize("attack", ASSERTION_ATTACKS)
def test_an_attack_on_a_clients_assertion_is_refused(clock: MovableClock, attack: str) -> None:
    forge = ClientForge(clock)
    assert forge.read(forge.token(), clock).jti == "j-1"
    with pytest.raises(TokenRefused):
        forge.read(ASSERTION_ATTACKS[attack](forge), clock)


# ------------------------------------------------------------------------------------------------ keys of others


def _bad_keys() -> dict[str, Any]:
    good = jwk_of(ec.generate_private_key(ec.SECP256R1()))
    other = jwk_of(ec.generate_private_key(ec.SECP256R1()))
    p = 2**256 - 2**224 + 2**192 + 2**96 - 1
    return {
        "not on the curve": {**good, "y": other["y"]},
        "the point zero": {**good, "x": b64(bytes(32)), "y": b64(bytes(32))},
        "a coordinate not below p": {**good, "x": b64(p.to_bytes(32, "big"))},
        "a short coordinate": {**good, "x": b64(b"\1" * 31)},
        "a padded coordinate": {**good, "x": good["x"] + "="},
        "another curve": {**good, "crv": "P-384"},
        "a symmetric key": {"kty": "oct", "k": "AAAA"},
        "an RSA key": {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        "a private key": {**good, "d": good["x"]},
        "for encryption": {**good, "use": "enc"},
        "for deriving": {**good, "key_ops": ["deriveKey"]},
        "for another algorithm": {**good, "alg": "ES384"},
        "with a certificate": {**good, "x5c": ["MIIB"]},
        "coordinates as numbers": {**good, "x": 1, "y": 2},
        "no coordinates": {"kty": "EC", "crv": "P-256"},
        "no object": [good],
    }


@pytest.mark.parametrize("name", _bad_keys())
def test_a_key_we_do_not_take_is_refused_with_its_fault(name: str) -> None:
    with pytest.raises(BadKey) as caught:
        p256(_bad_keys()[name])
    assert caught.value.faults[0].path == "public_jwk"


def test_every_curve_point_the_library_makes_is_on_our_curve_too() -> None:
    for _ in range(20):
        assert p256(jwk_of(ec.generate_private_key(ec.SECP256R1()))).alg == "ES256"


def test_the_thumbprint_is_that_of_rfc_7638() -> None:
    """The P-256 example key of RFC 9449, section 4.2, and its thumbprint there (section 6.1)."""
    x, y = "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"
    key = p256({"kty": "EC", "crv": "P-256", "x": x, "y": y, "alg": "ES256", "kid": "an example"})
    assert key.thumbprint == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
