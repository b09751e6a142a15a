"""The vectors of the format's documentation are computed, not copied."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tlog.merkle import Frontier, leaf_hash
from tlog.note import VerifierKey, parse_note, verify_note
from tlog.proof import LogProof
from tlog.tiles import encode_bundle

ENTRIES = [b"one", b"two", b"three"]


@pytest.fixture(scope="module")
def page() -> str:
    return (Path(__file__).resolve().parents[2] / "docs/formats/log.md").read_text()


def test_the_hashes_of_the_page_are_those_of_its_entries(page: str) -> None:
    leaves = [leaf_hash(entry) for entry in ENTRIES]
    for entry, leaf in zip(ENTRIES, leaves, strict=True):
        assert f"| `{entry.decode()}` | `{leaf.hex()}` |" in page
    frontier = Frontier().extended(leaves)
    assert f"`{frontier.root().hex()}`" in page
    size, node, last = (part.hex() for part in (frontier.to_bytes()[:8], frontier.to_bytes()[8:40], frontier.to_bytes()[40:]))
    assert f"`{size}`, the node above, the leaf hash of `three`" in page
    assert f"the node `{node}`" in page
    assert last == leaves[2].hex()


def test_the_bundle_of_the_page_is_that_of_its_entries(page: str) -> None:
    assert " ".join(f"`{encode_bundle([entry]).hex()}`" for entry in ENTRIES) in page


def test_the_receipt_of_the_page_verifies_under_the_keys_of_the_page(page: str) -> None:
    log, witness = (VerifierKey.parse(vkey) for vkey in re.findall(r"^\S+\.example/\S+\+[0-9a-f]{8}\+\S+$", page, re.MULTILINE))
    [receipt] = re.findall(r"^```\n(c2sp\.org/tlog-proof@v1\n.*?)^```$", page, re.MULTILINE | re.DOTALL)
    proof = LogProof.parse(receipt.encode())
    assert proof.verify(b"three", log).size == 3
    assert verify_note(parse_note(proof.checkpoint), [log, witness]) == ((log, None), (witness, 1_700_000_000))
