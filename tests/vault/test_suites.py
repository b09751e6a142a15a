from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import CannotOpen, UnknownSuite
from vault.suites import AES, NONCE_SIZE, SM4, Suite, calls, suite_by_id, suite_named

SUITES = st.sampled_from([AES, SM4])


@given(SUITES, st.binary(max_size=300), st.binary(max_size=60))
def test_what_is_sealed_opens_again(suite: Suite, plaintext: bytes, associated: bytes) -> None:
    key, nonce = os.urandom(suite.key_size), os.urandom(NONCE_SIZE)
    assert suite.decrypt(key, nonce, suite.encrypt(key, nonce, plaintext, associated), associated) == plaintext


@given(SUITES, st.binary(max_size=100), st.data())
def test_any_flipped_bit_of_ciphertext_tag_nonce_or_associated_data_never_opens(
    suite: Suite, plaintext: bytes, data: st.DataObject
) -> None:
    key, nonce, associated = os.urandom(suite.key_size), os.urandom(NONCE_SIZE), b"associated"
    parts = [nonce, suite.encrypt(key, nonce, plaintext, associated), associated]
    which = data.draw(st.integers(0, 2))
    bit = data.draw(st.integers(0, len(parts[which]) * 8 - 1))
    parts[which] = (int.from_bytes(parts[which], "big") ^ 1 << bit).to_bytes(len(parts[which]), "big")
    with pytest.raises(CannotOpen):
        suite.decrypt(key, *parts)


@given(SUITES, st.binary(max_size=40))
def test_bytes_that_were_never_sealed_do_not_open(suite: Suite, junk: bytes) -> None:
    with pytest.raises(CannotOpen):
        suite.decrypt(bytes(suite.key_size), bytes(NONCE_SIZE), junk, b"")
    with pytest.raises(CannotOpen):
        suite.unwrap(bytes(suite.key_size), junk, b"")


@given(SUITES)
def test_a_wrapped_key_unwraps_and_no_flipped_bit_does(suite: Suite) -> None:
    key, secret = os.urandom(suite.key_size), os.urandom(32)
    wrapped = suite.wrap(key, secret, b"binding")
    assert suite.unwrap(key, wrapped, b"binding") == secret
    for position in range(len(wrapped)):
        altered = bytearray(wrapped)
        altered[position] ^= 0x10
        with pytest.raises(CannotOpen):
            suite.unwrap(key, bytes(altered), b"binding")


def test_the_one_error_of_opening_says_nothing_and_hides_its_cause() -> None:
    for suite in (AES, SM4):
        with pytest.raises(CannotOpen) as caught:
            suite.decrypt(bytes(suite.key_size), bytes(12), bytes(40), b"")
        assert caught.value.params == {}
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


def test_suites_are_found_by_name_and_number_and_others_are_refused() -> None:
    assert suite_named("aes-256-gcm") is suite_by_id(1) is AES
    assert suite_named("sm4-gcm") is suite_by_id(2) is SM4
    for name in ("", "aes-128-gcm", "null"):
        with pytest.raises(UnknownSuite):
            suite_named(name)
    with pytest.raises(UnknownSuite):
        suite_by_id(0)


@pytest.mark.parametrize("suite", [AES, SM4])
def test_every_call_of_a_cipher_is_counted_once(suite: Suite) -> None:
    key, nonce = bytes(suite.key_size), bytes(12)
    calls.reset()
    sealed = suite.encrypt(key, nonce, b"text", b"")
    suite.decrypt(key, nonce, sealed, b"")
    suite.decrypt(key, nonce, sealed, b"")
    suite.unwrap(key, suite.wrap(key, bytes(32), b""), b"")
    assert calls.counts() == {"sealed": 1, "opened": 2, "wrapped": 1, "unwrapped": 1}
