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
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from auth.errors import TokenRefused
from auth.tokens import AccessTokens, Assertions
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
    "a token blown up by blanks that mean nothing": lambda f: f.raw(_text(f.header), _text(f.body) + b" " * 7000),
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
