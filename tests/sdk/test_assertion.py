from __future__ import annotations

import base64
import json
import pickle
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from auth.errors import TokenRefused
from auth.keys import p256
from auth.tokens import Assertions
from petition_archive_client.assertion import ClientKey, client_assertion

ENDPOINT = "https://archive.example/v1/token"
CLIENT = "F001.01890000-0000-7000-8000-000000000001"
KEY = ClientKey.generate()
NOW = 1_773_800_000


def _read(assertion: str, *, client: str = CLIENT, key: ClientKey = KEY, endpoint: str = ENDPOINT, at: int = NOW) -> str:
    claims = Assertions(token_endpoint=endpoint).read(
        assertion, client=client, kid=key.kid, key=p256(key.public_jwk()), now=datetime.fromtimestamp(at, UTC)
    )
    return claims.jti


@given(st.integers(min_value=0, max_value=2**32))
def test_the_archive_takes_every_assertion_the_client_signs(issued: int) -> None:
    assertion = client_assertion(KEY, CLIENT, ENDPOINT, issued)
    assert Assertions(token_endpoint=ENDPOINT).claimed_client(assertion) == CLIENT
    assert _read(assertion, at=issued)


def test_no_two_assertions_share_their_single_use_name() -> None:
    assert len({_read(client_assertion(KEY, CLIENT, ENDPOINT, NOW)) for _ in range(50)}) == 50


def test_an_assertion_for_one_archive_is_worth_nothing_at_another() -> None:
    assertion = client_assertion(KEY, CLIENT, "https://elsewhere.example/v1/token", NOW)
    with pytest.raises(TokenRefused):
        _read(assertion)


def test_an_assertion_is_of_one_client_and_one_key_and_short_lived() -> None:
    assertion = client_assertion(KEY, CLIENT, ENDPOINT, NOW)
    for wrong in ({"client": "F001.other"}, {"key": ClientKey.generate()}, {"at": NOW + 200}, {"at": NOW - 60}):
        with pytest.raises(TokenRefused):
            _read(assertion, **wrong)


def test_the_key_is_named_by_its_thumbprint_as_the_archive_names_it() -> None:
    assert KEY.kid == p256(KEY.public_jwk()).thumbprint
    header = json.loads(base64.urlsafe_b64decode(client_assertion(KEY, CLIENT, ENDPOINT, NOW).split(".")[0] + "=="))
    assert header == {"alg": "ES256", "kid": KEY.kid, "typ": "JWT"}


@pytest.mark.parametrize("passphrase", [None, b"a long passphrase of the case system"])
def test_a_key_written_to_a_file_is_read_back(passphrase: bytes | None) -> None:
    pem = KEY.pem(passphrase)
    again = ClientKey.load(pem, passphrase)
    assert again.public_jwk() == KEY.public_jwk()
    assert (b"ENCRYPTED" in pem) is (passphrase is not None)


def test_a_key_in_the_older_form_of_openssl_is_read_too() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    assert ClientKey.load(pem).public_jwk()["crv"] == "P-256"


@pytest.mark.parametrize(
    "private",
    [
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP256K1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65537, 2048),
    ],
)
def test_any_other_kind_of_key_is_refused(private: ec.EllipticCurvePrivateKey) -> None:
    with pytest.raises(ValueError):
        ClientKey.load(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def test_a_wrong_passphrase_or_no_key_at_all_is_one_plain_error() -> None:
    for pem, passphrase in ((KEY.pem(b"right"), b"wrong"), (KEY.pem(b"right"), None), (KEY.pem(), b"needless"), (b"", None), (b"x", None)):
        with pytest.raises(ValueError, match="P-256") as caught:
            ClientKey.load(pem, passphrase)
        assert caught.value.__context__ is None


def test_the_private_half_is_shown_and_pickled_nowhere() -> None:
    jwk = KEY.public_jwk()
    assert set(jwk) == {"kty", "crv", "x", "y", "alg", "use", "kid"}
    assert repr(KEY) == f"<ClientKey {KEY.kid}>"
    with pytest.raises(TypeError):
        pickle.dumps(KEY)
