"""Project Wycheproof's JSON Web Signature vectors against the signature step alone (the payloads are no claims)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from auth.errors import BadKey, TokenRefused
from auth.keys import p256
from auth.tokens import signed_payload


def _taken(vectors: Path) -> tuple[set[int], set[int], int]:
    """(valid vectors taken, invalid vectors taken, all vectors) under the keys we take."""
    document = json.loads((vectors / "wycheproof_json_web_signature_test.json").read_text())
    valid, invalid, total = set[int](), set[int](), 0
    for group in document["testGroups"]:
        # Symmetric groups have no public key: their secret is offered in its place, as a confused verifier would.
        key: dict[str, Any] = group.get("public", group["private"])
        for vector in group["tests"]:
            total += 1
            token = vector["jws"] if isinstance(vector["jws"], str) else json.dumps(vector["jws"])
            try:
                signed_payload(token, p256(key))
            except (BadKey, TokenRefused):
                continue
            (valid if vector["result"] == "valid" else invalid).add(vector["tcId"])
    return valid, invalid, total


@pytest.fixture(scope="session")
def vectors(shared_data: Path) -> Path:
    return shared_data / "vectors"


def test_the_two_valid_es256_vectors_are_taken_and_no_invalid_one(shared_data: Path, vectors: Path) -> None:
    valid, invalid, total = _taken(vectors)
    assert (valid, invalid, total) == ({18, 378}, set(), 401)
