"""Attacks on the whole token wrapper, with tokens made without it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric import rsa as rsa_keys
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from auth.errors import BadKey, TokenRefused
from auth.keys import p256, rsa
from auth.tokens import AccessTokens, Assertions, IdTokens
from auth_office import AUDIENCE, ISSUER, TOKEN_ENDPOINT, b64, jwk_of, sign_es256
from foundation.clock import MovableClock
from foundation.ids import new_id
from vault.signer import TokenKey, TokenKeys

_NOON = datetime(2026, 3, 18, 4, 0, tzinfo=UTC)


class Forge:
    """Makes tokens with our own signing key, or anybody's: what an attacker could at best do."""

    def __init__(self, keys: TokenKeys, clock: MovableClock) -> None:
        private = load_pem_private_key(keys.signing.private_pem.encode(), None)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        self.ours, self.kid, self.public_pem = private, keys.signing.kid, keys.signing.public_pem
        self.stranger = ec.generate_private_key(ec.SECP256R1())
        self.now = int(clock.now().timestamp())
        self.header: dict[str, Any] = {"alg": "ES256", "typ": "at+jwt", "kid": self.kid}
        self.body: dict[str, Any] = {
            "iss": ISSUER, "aud": AUDIENCE, "sub": new_id(), "client_id": "intranet", "jti": new_id(),
            "iat": self.now, "nbf": self.now, "exp": self.now + 600, "fonds": "F001", "sid": new_id(),
        }  # fmt: skip

    def token(self, *, header: dict[str, Any] | None = None, without: str = "", key: Any = None, **changed: Any) -> str:
        body = {name: value for name, value in {**self.body, **changed}.items() if name != without}
        return sign_es256(key or self.ours, {**self.header, **(header or {})}, body)

    def raw(self, header: bytes, body: bytes) -> str:
        return sign_es256(self.ours, header, body)


def _text(value: Any) -> bytes:
    return json.dumps(value).encode()


def _hmac_with_public_key(forge: Forge) -> str:
    head = f"{b64(_text({**forge.header, 'alg': 'HS256'}))}.{b64(_text(forge.body))}"
    return f"{head}.{b64(hmac.digest(forge.public_pem.encode(), head.encode(), hashlib.sha256))}"


def _with_signature(forge: Forge, change: Callable[[bytes], bytes]) -> str:
    head, body, signature = forge.token().split(".")
    return f"{head}.{body}.{b64(change(base64.urlsafe_b64decode(signature + '==')))}"


def _der_signature(forge: Forge) -> str:
    head = f"{b64(_text(forge.header))}.{b64(_text(forge.body))}"
    return f"{head}.{b64(forge.ours.sign(head.encode(), ec.ECDSA(SHA256())))}"


def _stray_bits(forge: Forge) -> str:
    """The same signature bytes in another spelling: the two last bits of its last character are not used."""
    token = forge.token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) | 1]


ATTACKS: dict[str, Callable[[Forge], str]] = {
    "alg none without signature": lambda f: f"{b64(_text({**f.header, 'alg': 'none'}))}.{b64(_text(f.body))}.",
    "alg none with signature": lambda f: f.token(header={"alg": "none"}),
    "alg None in other case": lambda f: f.token(header={"alg": "nOnE"}),
    "HMAC keyed with our public key": _hmac_with_public_key,
    "alg HS256 over an ES256 signature": lambda f: f.token(header={"alg": "HS256"}),
    "alg ES384": lambda f: f.token(header={"alg": "ES384"}),
    "alg es256 in lower case": lambda f: f.token(header={"alg": "es256"}),
    "alg as a list": lambda f: f.token(header={"alg": ["ES256"]}),
    "no alg": lambda f: f.raw(_text({"typ": "at+jwt", "kid": f.kid}), _text(f.body)),
    "a stranger's key under our kid": lambda f: f.token(key=f.stranger),
    "a stranger's key brought along as jwk": lambda f: f.token(key=f.stranger, header={"jwk": jwk_of(f.stranger)}),
    "our key with a jwk in the header": lambda f: f.token(header={"jwk": jwk_of(f.ours)}),
    "jku": lambda f: f.token(header={"jku": "https://evil.example/keys"}),
    "x5u": lambda f: f.token(header={"x5u": "https://evil.example/cert"}),
    "x5c": lambda f: f.token(header={"x5c": ["MIIB"]}),
    "crit that we do not know": lambda f: f.token(header={"crit": ["exp"], "exp": 1}),
    "empty crit": lambda f: f.token(header={"crit": []}),
    "b64 false": lambda f: f.token(header={"b64": False}),
    "zip": lambda f: f.token(header={"zip": "DEF"}),
    "an unknown header member": lambda f: f.token(header={"cty": "JWT"}),
    "an unknown kid": lambda f: f.token(header={"kid": "other"}),
    "kid as a path": lambda f: f.token(header={"kid": "../../dev/null"}),
    "kid as a number": lambda f: f.token(header={"kid": 1}),
    "no kid": lambda f: f.raw(_text({"alg": "ES256", "typ": "at+jwt"}), _text(f.body)),
    "typ JWT: an assertion or ID token in place of an access token": lambda f: f.token(header={"typ": "JWT"}),
    "no typ": lambda f: f.raw(_text({"alg": "ES256", "kid": f.kid}), _text(f.body)),
    "a duplicate header member": lambda f: f.raw(b'{"alg":"none",' + _text(f.header)[1:], _text(f.body)),
    "a duplicate claim": lambda f: f.raw(_text(f.header), b'{"exp":99999999999,' + _text(f.body)[1:]),
    "a duplicate claim spelled with an escape": lambda f: f.raw(_text(f.header), b'{"\\u0065xp":99999999999,' + _text(f.body)[1:]),
    "NaN as expiry": lambda f: f.raw(_text(f.header), _text(f.body).replace(str(f.now + 600).encode(), b"NaN")),
    "claims that are a list": lambda f: f.raw(_text(f.header), _text([f.body])),
    "claims that are no JSON": lambda f: f.raw(_text(f.header), b"exp=1"),
    "claims nested too deep": lambda f: f.raw(_text(f.header), b"[" * 50 + b"]" * 50),
    "a header that is no object": lambda f: f.raw(b'"ES256"', _text(f.body)),
    "an 8 KiB and one byte token": lambda f: f.token(padding="x" * 8192),
    "a 5 MB token": lambda f: f.token(padding="x" * 5_000_000),
    "exp true": lambda f: f.token(exp=True),
    "exp as text": lambda f: f.token(exp=str(f.now + 600)),
    "exp as a fraction": lambda f: f.token(exp=f.now + 600.5),
    "exp null": lambda f: f.token(exp=None),
    "exp negative": lambda f: f.token(exp=-1),
    "exp just past": lambda f: f.token(iat=f.now - 600, nbf=f.now - 600, exp=f.now - 5),
    "exp before iat": lambda f: f.token(iat=f.now + 3, exp=f.now + 1),
    "a lifetime longer than we ever give": lambda f: f.token(exp=f.now + 3601),
    "a lifetime bought with an old iat": lambda f: f.token(iat=f.now - 10_000),
    "iat in the future": lambda f: f.token(iat=f.now + 6),
    "iat true": lambda f: f.token(iat=True),
    "nbf in the future": lambda f: f.token(nbf=f.now + 6),
    "nbf as text": lambda f: f.token(nbf="0"),
    "another audience": lambda f: f.token(aud="https://other.example"),
    "our audience in a list": lambda f: f.token(aud=[AUDIENCE]),
    "our audience and another": lambda f: f.token(aud=[AUDIENCE, "https://other.example"]),
    "audience with a slash more": lambda f: f.token(aud=AUDIENCE + "/"),
    "audience in other case": lambda f: f.token(aud=AUDIENCE.upper()),
    "the token endpoint as audience": lambda f: f.token(aud=TOKEN_ENDPOINT),
    "another issuer": lambda f: f.token(iss="https://evil.example"),
    "issuer null": lambda f: f.token(iss=None),
    "sub as a number": lambda f: f.token(sub=7),
    "sub that is no id": lambda f: f.token(sub="admin"),
    "sid that is no id": lambda f: f.token(sid="' OR 1=1"),
    "fonds with NUL": lambda f: f.token(fonds="F001\0"),
    "an empty fonds": lambda f: f.token(fonds=""),
    "a claim we do not know": lambda f: f.token(role="secadmin"),
    **{f"without {name}": partial(Forge.token, without=name) for name in
       ("iss", "aud", "sub", "client_id", "jti", "iat", "nbf", "exp", "fonds", "sid")},
    "padding on the signature": lambda f: f.token() + "==",
    "stray bits in the signature's last character": _stray_bits,
    "plain base64 instead of base64url": lambda f: f.token().replace(f.token().split(".")[1][:1], "+", 1),
    "a blank inside": lambda f: f.token().replace(".", " .", 1),
    "a line break at the end": lambda f: f.token() + "\n",
    "two parts": lambda f: f.token().rsplit(".", 1)[0],
    "four parts": lambda f: f.token() + ".AA",
    "five parts like an encrypted token": lambda f: f.token() + ".AA.AA",
    "an empty signature": lambda f: f.token().rsplit(".", 1)[0] + ".",
    "an empty payload": lambda f: ".".join([f.token().split(".")[0], "", f.token().split(".")[2]]),
    "JSON serialisation": lambda f: json.dumps({"payload": f.token().split(".")[1], "signatures": []}),
    "a signature of zeros": lambda f: _with_signature(f, lambda _raw: bytes(64)),
    "a signature one byte short": lambda f: _with_signature(f, lambda raw: raw[:-1]),
    "a signature one byte long": lambda f: _with_signature(f, lambda raw: raw + b"\0"),
    "a changed signature": lambda f: _with_signature(f, lambda raw: bytes([raw[0] ^ 1]) + raw[1:]),
    "a DER signature": _der_signature,
    "characters beyond ASCII": lambda f: f.token().replace(".", "．"),
    "a lone surrogate": lambda f: f.token() + "\ud800",
    "nothing": lambda _f: "",
    "dots": lambda _f: "..",
}  # fmt: skip


@pytest.fixture
def forge(token_keys: TokenKeys, clock: MovableClock) -> Forge:
    return Forge(token_keys, clock)


def test_the_forges_untouched_token_is_taken_so_the_attacks_fail_for_their_own_reason(
    access_tokens: AccessTokens, clock: MovableClock, forge: Forge
) -> None:
    said = access_tokens.read(forge.token(), now=clock.now())
    assert (said.account_id, said.session_id, said.fonds) == (forge.body["sub"], forge.body["sid"], "F001")


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_on_our_access_tokens_is_refused(access_tokens: AccessTokens, clock: MovableClock, forge: Forge, attack: str) -> None:
    with pytest.raises(TokenRefused) as caught:
        access_tokens.read(ATTACKS[attack](forge), now=clock.now())
    assert caught.value.params == {}


def test_our_own_tokens_are_read_back_until_they_expire(access_tokens: AccessTokens, clock: MovableClock) -> None:
    account_id, session_id = new_id(), new_id()
    token = access_tokens.issue(
        fonds="F001", account_id=account_id, client_id="cli", session_id=session_id, now=clock.now(), lifetime=timedelta(minutes=10)
    )
    assert len(token) < 1200
    clock.advance(600 + 4)
    assert access_tokens.read(token, now=clock.now()).session_id == session_id
    clock.advance(1)
    with pytest.raises(TokenRefused):
        access_tokens.read(token, now=clock.now())


def test_a_token_never_lives_longer_than_the_longest_allowed(access_tokens: AccessTokens, clock: MovableClock) -> None:
    token = access_tokens.issue(
        fonds="F001", account_id=new_id(), client_id="cli", session_id=new_id(), now=clock.now(), lifetime=timedelta(days=9)
    )
    assert access_tokens.read(token, now=clock.now()).expires == clock.now() + timedelta(hours=1)


def test_a_retired_key_still_reads_and_a_destroyed_one_no_longer(token_keys: TokenKeys, clock: MovableClock) -> None:
    fresh = ec.generate_private_key(ec.SECP256R1())
    new = TokenKey(
        "second",
        fresh.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        fresh.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
    )
    present = [token_keys]
    tokens = AccessTokens(issuer=ISSUER, audience=AUDIENCE, keys=lambda: present[0], longest=timedelta(hours=1))
    given = {"fonds": "F001", "account_id": new_id(), "client_id": "cli", "session_id": new_id()}
    old = tokens.issue(**given, now=clock.now(), lifetime=timedelta(minutes=5))
    present[0] = TokenKeys(new, {**token_keys.verifying, "second": new.public_pem})
    tokens.read(old, now=clock.now())
    tokens.read(tokens.issue(**given, now=clock.now(), lifetime=timedelta(minutes=5)), now=clock.now())
    present[0] = TokenKeys(new, {"second": new.public_pem})
    with pytest.raises(TokenRefused):
        tokens.read(old, now=clock.now())


@given(st.text(max_size=300) | st.from_regex(r"[A-Za-z0-9_-]{0,40}(\.[A-Za-z0-9_-]{0,40}){0,4}", fullmatch=True))
def test_reading_is_total_whatever_arrives(text: str) -> None:
    tokens = AccessTokens(issuer=ISSUER, audience=AUDIENCE, keys=lambda: TokenKeys(TokenKey("k", "", ""), {}), longest=timedelta(hours=1))
    with pytest.raises(TokenRefused):
        tokens.read(text, now=MovableClock(_NOON).now())


def test_leeway_is_never_more_than_thirty_seconds() -> None:
    with pytest.raises(ValueError):
        Assertions(token_endpoint=TOKEN_ENDPOINT, leeway=31)


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
