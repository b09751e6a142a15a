from __future__ import annotations

import pytest

from foundation.clock import MovableClock
from foundation.tables import SYSTEM_FONDS
from tlog.errors import SignatureInvalid
from tlog.note import VerifierKey, format_note, parse_note, verify_note
from vault.errors import KeyMissing
from vault.keyring import KeyRing
from vault.signer import LogSigner, TokenKeys, digest_matches, keyed_digest
from vault.suites import SM4
from vault.unlock import Credential

CHECKPOINT = "archive.example/F001\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"


def test_a_signed_checkpoint_verifies_with_the_public_key_alone(ring: KeyRing) -> None:
    signer = LogSigner.of(ring, "F001")
    assert signer.name == "archive.example/F001"
    key = VerifierKey.parse(signer.vkey)
    assert verify_note(parse_note(signer.note(CHECKPOINT)), [key]) == ((key, None),)
    assert signer.note(CHECKPOINT) == format_note(CHECKPOINT, [signer.sign(CHECKPOINT)])


def test_a_signature_holds_for_no_other_text_and_no_other_fonds_key(ring: KeyRing) -> None:
    ring.add_fonds("F002")
    signer, other = LogSigner.of(ring, "F001"), LogSigner.of(ring, "F002")
    line = signer.sign(CHECKPOINT)
    altered = parse_note(format_note(CHECKPOINT.replace("\n0\n", "\n1\n"), [line]))
    with pytest.raises(SignatureInvalid):
        verify_note(altered, [signer.verifier])
    assert signer.verifier.public_key != other.verifier.public_key


def test_a_signer_stays_the_same_after_a_restart(ring: KeyRing, credential: Credential) -> None:
    assert LogSigner.of(KeyRing.load(ring.path, credential), "F001").vkey == LogSigner.of(ring, "F001").vkey


def test_no_fonds_no_signer(ring: KeyRing) -> None:
    with pytest.raises(KeyMissing):
        LogSigner.of(ring, "F404")


def test_token_keys_sign_with_the_newest_and_verify_with_all_that_live(ring: KeyRing, clock: MovableClock) -> None:
    ring.add_fonds(SYSTEM_FONDS)
    first = TokenKeys.of(ring)
    assert first == TokenKeys.of(ring)
    assert list(first.verifying) == [first.signing.kid]
    assert first.signing.private_pem.startswith("-----BEGIN PRIVATE KEY-----")
    assert first.verifying[first.signing.kid].startswith("-----BEGIN PUBLIC KEY-----")
    ring.new_generation(SYSTEM_FONDS, "token", clock.now())
    second = TokenKeys.of(ring)
    assert second.signing.kid != first.signing.kid
    assert set(second.verifying) == {first.signing.kid, second.signing.kid}
    clock.advance(3600)
    ring.destroy_generation(SYSTEM_FONDS, "token/1", clock.now())
    assert set(TokenKeys.of(ring).verifying) == {second.signing.kid}


def test_keyed_digests_differ_by_fonds_purpose_and_data_and_need_the_ring(ring: KeyRing) -> None:
    ring.add_fonds("F002", SM4)
    digests = {
        keyed_digest(ring, fonds, purpose, data)
        for fonds in ("F001", "F002")
        for purpose in ("receipt", "list")
        for data in (b"", b"x", b"tx")
    }
    assert len(digests) == 12
    assert {len(digest) for digest in digests} == {32}
    assert keyed_digest(ring, "F001", "list", b"x") == keyed_digest(ring, "F001", "list", b"x")
    assert keyed_digest(ring, "F001", "lis", b"tx") != keyed_digest(ring, "F001", "list", b"x")


def test_a_digest_from_before_a_new_generation_still_matches(ring: KeyRing, clock: MovableClock) -> None:
    before = keyed_digest(ring, "F001", "idempotency", b"body")
    ring.new_generation("F001", "digest", clock.now())
    assert keyed_digest(ring, "F001", "idempotency", b"body") != before
    assert digest_matches(ring, "F001", "idempotency", b"body", before)
    assert not digest_matches(ring, "F001", "idempotency", b"other", before)
    assert not digest_matches(ring, "F001", "receipt", b"body", before)
