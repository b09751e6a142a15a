"""The vector of the format's documentation is computed, not copied."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import naive_index
from audit.index_check import check_answer
from audit.index_keys import committed_by, key_of, name_of, read
from audit.index_recompute import Recomputation
from audit.index_segments import Record, bytes_of, head_of_records, leaf_of, list_hash, records_of
from signed_log import leaf, mth
from tlog.note import VerifierKey

CASE = "019d0000-0000-7000-8000-000000000005"


@pytest.fixture(scope="module")
def page() -> str:
    return (Path(__file__).resolve().parents[2] / "docs/formats/log-index.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def blocks(page: str) -> list[str]:
    return re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def bodies(blocks: list[str]) -> list[bytes]:
    return [line.encode() for line in blocks[0].splitlines()]


def test_the_hashes_of_the_index_page_are_those_of_its_entries(page: str, bodies: list[bytes]) -> None:
    records = records_of(0, (read(body).names for body in bodies[:3]))
    name = name_of("case", CASE)
    place, record = next((at, one) for at, one in enumerate(records) if one.name == name)
    assert record == Record(key_of(name), name, bytes_of([0, 1]))
    head = head_of_records(0, 3, records)
    root = committed_by(read(bodies[3]).members, 3)
    assert root is not None
    wanted = {
        "name": name,
        "key": record.key,
        "hash of its list, entries 0 and 1": list_hash(name, record.indices),
        f"its leaf, number {place} of {len(records)}": leaf_of(record),
        "root of the segment [0, 3)": head.root,
        "its head": head.to_bytes(),
        "the commitment": root[1],
    }
    for what, value in wanted.items():
        assert f"| {what} | `{value.hex()}` |" in page
    assert root == (3, naive_index.root([naive_index.subjects(json.loads(body)) for body in bodies], 3))
    assert root[1] == mth([leaf(head.to_bytes())])


def test_the_commitment_of_the_index_page_is_derived_from_its_entries(bodies: list[bytes], tmp_path: Path) -> None:
    work = Recomputation(tmp_path, lambda _: [])
    for body in bodies:
        work.take(body)
    assert (work.commitments, work.committed) == (1, 3)


def test_the_answer_of_the_index_page_holds_under_the_key_of_the_page(page: str, blocks: list[str], bodies: list[bytes]) -> None:
    [vkey] = re.findall(r"with the key `([^`]+)`", page)
    proven = check_answer(blocks[1].encode(), VerifierKey.parse(vkey))
    assert [(one.index, one.members is not None) for one in proven.entries] == [(0, True), (1, False)]
    assert proven.entries[0].members == json.loads(bodies[0])
    assert (proven.kind, proven.subject, proven.size) == ("case", CASE, 3)
