"""Vectors that others wrote, through the archive's own functions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SM3
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vault.errors import CannotOpen
from vault.suites import AES, SM4, Suite


def cases(shared_data: Path, name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    document = json.loads((shared_data / "vectors" / f"wycheproof_{name}_test.json").read_bytes())
    for group in document["testGroups"]:
        for test in group["tests"]:
            yield group, {key: bytes.fromhex(value) if key in HEXADECIMAL else value for key, value in test.items()}


HEXADECIMAL = {"key", "iv", "aad", "msg", "ct", "tag", "ikm", "salt", "info", "okm"}


@pytest.mark.parametrize(("suite", "name"), [(AES, "aes_gcm"), (SM4, "sm4_gcm")])
def test_wycheproof_aead_vectors_hold_and_other_key_and_nonce_sizes_are_refused(shared_data: Path, suite: Suite, name: str) -> None:
    seen: Counter[str] = Counter()
    for group, test in cases(shared_data, name):
        sealed = test["ct"] + test["tag"]
        if group["keySize"] != suite.key_size * 8 or group["ivSize"] != 96 or group["tagSize"] != 128:
            with pytest.raises(ValueError):
                suite.decrypt(test["key"], test["iv"], sealed, test["aad"])
            with pytest.raises(ValueError):
                suite.encrypt(test["key"], test["iv"], test["msg"], test["aad"])
            seen["refused"] += 1
        elif test["result"] == "valid":
            assert suite.decrypt(test["key"], test["iv"], sealed, test["aad"]) == test["msg"], test["tcId"]
            assert suite.encrypt(test["key"], test["iv"], test["msg"], test["aad"]) == sealed, test["tcId"]
            seen["valid"] += 1
        else:
            with pytest.raises(CannotOpen):
                suite.decrypt(test["key"], test["iv"], sealed, test["aad"])
            seen["invalid"] += 1
    assert min(seen["valid"], seen["invalid"], seen["refused"]) >= 10, seen


@pytest.mark.parametrize(("suite", "name"), [(AES, "hmac_sha256"), (SM4, "hmac_sm3")])
def test_wycheproof_hmac_vectors_hold(shared_data: Path, suite: Suite, name: str) -> None:
    seen: Counter[str] = Counter()
    for group, test in cases(shared_data, name):
        mac = suite.mac(test["key"], test["msg"])[: group["tagSize"] // 8]
        assert (mac == test["tag"]) == (test["result"] == "valid"), test["tcId"]
        seen[test["result"]] += 1
    assert min(seen["valid"], seen["invalid"]) >= 10, seen


def test_wycheproof_hkdf_vectors_hold_and_too_long_outputs_are_refused(shared_data: Path) -> None:
    seen: Counter[str] = Counter()
    for _, test in cases(shared_data, "hkdf_sha256"):
        if test["result"] == "valid":
            assert AES.hkdf(test["ikm"], test["salt"], test["info"], test["size"]) == test["okm"], test["tcId"]
        else:
            with pytest.raises(ValueError):
                AES.hkdf(test["ikm"], test["salt"], test["info"], test["size"])
        seen[test["result"]] += 1
    assert seen["valid"] >= 50
    assert seen["invalid"] >= 1


def test_wycheproof_key_wrap_vectors_hold_and_shorter_kek_sizes_are_refused(shared_data: Path) -> None:
    seen: Counter[str] = Counter()
    for group, test in cases(shared_data, "aes_wrap"):
        if group["keySize"] != 256:
            with pytest.raises(ValueError):
                AES.unwrap(test["key"], test["ct"], b"")
            seen["refused"] += 1
        elif test["result"] != "valid":
            # "acceptable" here: keys of 8 bytes, which RFC 3394 leaves open and the archive never wraps.
            with pytest.raises(CannotOpen):
                AES.unwrap(test["key"], test["ct"], b"")
            seen["invalid"] += 1
        else:
            assert AES.unwrap(test["key"], test["ct"], b"") == test["msg"], test["tcId"]
            assert AES.wrap(test["key"], test["msg"], b"") == test["ct"], test["tcId"]
            seen["valid"] += 1
    assert min(seen["valid"], seen["invalid"], seen["refused"]) >= 10, seen


def test_the_sm4_gcm_vector_of_rfc_8998_holds() -> None:
    # RFC 8998, appendix A.1.
    key = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
    nonce = bytes.fromhex("00001234567800000000ABCD")
    associated = bytes.fromhex("FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2")
    plaintext = bytes.fromhex(
        "AAAAAAAAAAAAAAAABBBBBBBBBBBBBBBBCCCCCCCCCCCCCCCCDDDDDDDDDDDDDDDDEEEEEEEEEEEEEEEEFFFFFFFFFFFFFFFFEEEEEEEEEEEEEEEEAAAAAAAAAAAAAAAA"
    )
    sealed = bytes.fromhex(
        "17F399F08C67D5EE19D0DC9969C4BB7D5FD46FD3756489069157B282BB200735"
        "D82710CA5C22F0CCFA7CBF93D496AC15A56834CBCF98C397B4024A2691233B8D"
        "83DE3541E4C2B58177E065A9BF7B62EC"
    )
    assert SM4.encrypt(key, nonce, plaintext, associated) == sealed
    assert SM4.decrypt(key, nonce, sealed, associated) == plaintext


@pytest.mark.parametrize("size", [1, 16, 32, 33, 100, 255 * 32])
def test_hkdf_sm3_agrees_with_the_library_s_own(size: int) -> None:
    for salt in (b"", b"salt"):
        expected = HKDF(SM3(), size, salt or None, b"info").derive(b"input keying material")
        assert SM4.hkdf(b"input keying material", salt, b"info", size) == expected
