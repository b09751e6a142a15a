"""Attacks on what others sign: clients' assertions, a provider's ID tokens, and the keys they bring."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric import rsa as rsa_keys
from cryptography.hazmat.primitives.hashes import SHA256

from auth.errors import BadKey, TokenRefused
from auth.keys import p256, rsa
from auth.tokens import Assertions, IdTokens
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


# ------------------------------------------------------------------------------------------------ a provider's ID tokens


class Provider:
    def __init__(self, clock: MovableClock) -> None:
        self.key = rsa_keys.generate_private_key(public_exponent=65537, key_size=2048)
        self.clock, self.now = clock, int(clock.now().timestamp())
        numbers = self.key.public_key().public_numbers()
        self.jwk = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "p1", "e": "AQAB", "n": b64(numbers.n.to_bytes(256, "big"))}
        self.reader = IdTokens(issuer="https://idp.example", client_id="archive", keys={"p1": rsa(self.jwk)}, longest=timedelta(hours=1))
        self.body: dict[str, Any] = {
            "iss": "https://idp.example", "aud": "archive", "sub": "u-1", "nonce": "n-1", "iat": self.now, "exp": self.now + 300,
            "auth_time": self.now - 10, "acr": "2", "amr": ["pwd", "otp"], "realm_access": {"roles": ["x"]},
        }  # fmt: skip

    def token(self, header: dict[str, Any] | None = None, without: str = "", **changed: Any) -> str:
        body = {name: value for name, value in {**self.body, **changed}.items() if name != without}
        head = ".".join(b64(_text(part)) for part in ({"alg": "RS256", "typ": "JWT", "kid": "p1", **(header or {})}, body))
        return f"{head}.{b64(self.key.sign(head.encode(), padding.PKCS1v15(), SHA256()))}"

    def read(self, token: str) -> Any:
        return self.reader.read(token, nonce="n-1", now=self.clock.now(), max_age=timedelta(minutes=5))


@pytest.fixture(scope="session")
def provider() -> Provider:
    return Provider(MovableClock(_NOON))


def test_a_providers_token_tells_who_when_and_how(provider: Provider) -> None:
    said = provider.read(provider.token())
    assert (said.subject, said.acr, said.amr) == ("u-1", "2", ("pwd", "otp"))
    assert said.authenticated_at == provider.clock.now() - timedelta(seconds=10)


ID_ATTACKS: dict[str, Callable[[Provider], str]] = {
    "ES256 under an RSA key": lambda p: p.token(header={"alg": "ES256"}),
    "HS256 under an RSA key": lambda p: p.token(header={"alg": "HS256"}),
    "RS512, which was not pinned": lambda p: p.token(header={"alg": "RS512"}),
    "alg none": lambda p: p.token(header={"alg": "none"}),
    "unknown kid": lambda p: p.token(header={"kid": "p2"}),
    "at+jwt": lambda p: p.token(header={"typ": "at+jwt"}),
    "another nonce": lambda p: p.token(nonce="n-2"),
    "no nonce": lambda p: p.token(without="nonce"),
    "another client": lambda p: p.token(aud="other"),
    "two audiences": lambda p: p.token(aud=["archive", "other"]),
    "another party authorised": lambda p: p.token(azp="other"),
    "another issuer": lambda p: p.token(iss="https://idp.example/"),
    "a sign-in too long ago": lambda p: p.token(auth_time=p.now - 331),
    "a sign-in in the future": lambda p: p.token(auth_time=p.now + 31),
    "no auth_time though a fresh sign-in was asked for": lambda p: p.token(without="auth_time"),
    "auth_time true": lambda p: p.token(auth_time=True),
    "a day-long token": lambda p: p.token(exp=p.now + 86_400),
    "expired": lambda p: p.token(iat=p.now - 600, exp=p.now - 30),
    "no subject": lambda p: p.token(without="sub"),
    "amr as text": lambda p: p.token(amr="pwd otp"),
    "acr as a number": lambda p: p.token(acr=2),
}


@pytest.mark.parametrize("attack", ID_ATTACKS)
def test_an_attack_on_a_providers_token_is_refused(provider: Provider, attack: str) -> None:
    with pytest.raises(TokenRefused):
        provider.read(ID_ATTACKS[attack](provider))


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


@pytest.mark.parametrize("change", [{"n": b64(b"\xff" * 128)}, {"e": "Aw"}, {"n": b64(b"\xff" * 1025)}, {"d": "AQAB"}, {"use": "enc"}])
def test_a_weak_or_private_provider_key_is_refused(provider: Provider, change: dict[str, str]) -> None:
    with pytest.raises(BadKey):
        rsa({**provider.jwk, **change})


def test_the_thumbprint_is_that_of_rfc_7638() -> None:
    """RFC 7638, 3.1: the example key and its thumbprint."""
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs"
        "tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpb"
        "ISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    key = rsa({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"})
    assert key.thumbprint == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
