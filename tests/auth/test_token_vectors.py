"""Project Wycheproof's JSON Web Signature vectors against the signature step alone (the payloads are no claims)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from auth.errors import BadKey, TokenRefused
from auth.keys import PublicKey, p256, rsa
from auth.tokens import signed_payload


def _taken(vectors: Path, check: Callable[[object], PublicKey]) -> tuple[set[int], set[int], int]:
    """(valid vectors taken, invalid vectors taken, all vectors) under keys that `check` lets through."""
    document = json.loads((vectors / "wycheproof_json_web_signature_test.json").read_text())
    valid, invalid, total = set[int](), set[int](), 0
    for group in document["testGroups"]:
        # Symmetric groups have no public key: their secret is offered in its place, as a confused verifier would.
        key: dict[str, Any] = group.get("public", group["private"])
        for vector in group["tests"]:
            total += 1
            token = vector["jws"] if isinstance(vector["jws"], str) else json.dumps(vector["jws"])
            try:
                signed_payload(token, check(key))
            except (BadKey, TokenRefused):
                continue
            (valid if vector["result"] == "valid" else invalid).add(vector["tcId"])
    return valid, invalid, total


@pytest.fixture(scope="session")
def vectors(shared_data: Path) -> Path:
    return shared_data / "vectors"


def test_the_two_valid_es256_vectors_are_taken_and_no_invalid_one(shared_data: Path, vectors: Path) -> None:
    valid, invalid, total = _taken(vectors, p256)
    assert (valid, invalid, total) == ({18, 378}, set(), 401)


def test_no_invalid_vector_is_taken_under_a_providers_rs256_key_either(shared_data: Path, vectors: Path) -> None:
    valid, invalid, _ = _taken(vectors, rsa)
    assert invalid == set()
    assert 33 in valid
