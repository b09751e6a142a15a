"""Forgeries by whoever holds the signing key: what an answer shows must hang together even where nobody has the log."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest

import naive_index
from audit.answer_form import AnswerRejected
from audit.entry import encode
from audit.events import Actor, Event
from audit.index_check import check_answer
from foundation.clock import parse_iso
from foundation.ids import new_id
from signed_log import SigningKey, leaf, mth
from tlog.errors import TlogError
from tlog.note import VerifierKey

CASE, OTHER = new_id(), new_id()


def b64(data: bytes) -> str:
    return b64encode(data).decode()


def entry(case: str, **more: Any) -> bytes:
    actor = Actor(account=new_id(), person=new_id(), role="handler", client="intranet")
    event = Event("case.viewed", actor, parse_iso("2026-03-18T04:00:00.123Z"), object={"kind": "case", "id": case}, **more)
    return encode(event, new_id(), "f-9")


def forged(every, bodies, key, **changes: Any) -> dict[str, Any]:
    """An answer put together by whoever holds the signing key, true or not: `every` are the subjects it is made from."""
    size = len(every)
    data = {"root": naive_index.root(every, size).hex(), "size": size, "version": 1} | changes.pop("data", {})
    commitment = encode(
        Event("log.indexed", Actor(), parse_iso("2026-03-18T05:00:00Z"), object={"kind": "log", "id": "f-9"}, data=data), new_id(), "f-9"
    )
    hashes = [leaf(body) for body in [*bodies, commitment]]
    found = naive_index.leaves(every, 0, size)
    name = naive_index.name("case", CASE)
    place = list(found).index(naive_index.sha(name))
    indices = [at for at, one in enumerate(every) if ("case", CASE) in one]
    leaves = [leaf(one) for one in found.values()]
    return {
        "v": 1,
        "log": key.name,
        "kind": "case",
        "id": CASE,
        "size": size,
        "checkpoint": key.checkpoint(hashes).decode(),
        "commitment": {"index": size, "entry": b64(commitment), "path": path(hashes, size)},
        "cover": [
            {
                "from": 0,
                "to": size,
                "leaves": len(leaves),
                "root": b64(mth(leaves)),
                "found": {"leaf": place, "path": path(leaves, place), "entries": indices},
            }
        ],
        "entries": [{"index": at, "leaf": b64(hashes[at]), "path": path(hashes, at), "body": b64(bodies[at])} for at in indices],
    } | changes


def path(hashes, index):
    """PATH of RFC 6962, word for word."""
    if len(hashes) == 1:
        return []
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    if index < k:
        return [*path(hashes[:k], index), b64(mth(hashes[k:]))]
    return [*path(hashes[k:], index - k), b64(mth(hashes[:k]))]


def test_an_answer_made_by_the_document_alone_holds_and_one_about_another_case_does_not():
    key = SigningKey.from_seed("archive.invalid/f-9", 5)
    verifier = VerifierKey.parse(key.vkey())
    bodies = [entry(CASE), entry(OTHER), entry(CASE)]
    every = [naive_index.subjects(json.loads(body)) for body in bodies]
    proven = check_answer(json.dumps(forged(every, bodies, key)).encode(), verifier)
    assert [one.index for one in proven.entries] == [0, 2]
    # The key's holder indexes an entry of another case under this one: its text tells.
    every[1].add(("case", CASE))
    with pytest.raises(AnswerRejected) as rejected:
        check_answer(json.dumps(forged(every, bodies, key)).encode(), verifier)
    assert rejected.value.evidence["why"] == "concerns-another"


def test_a_cover_with_a_gap_is_rejected_even_where_its_root_is_the_committed_one():
    """The key's holder leaves the first entry out of every segment and commits to that."""
    key = SigningKey.from_seed("archive.invalid/f-9", 5)
    bodies = [entry(CASE), entry(OTHER), entry(CASE)]
    every = [naive_index.subjects(json.loads(body)) for body in bodies]
    data = list(naive_index.leaves(every, 1, 3).values())
    head = naive_index.head(every, 1, 3)
    given = forged(every, bodies, key, data={"root": mth([leaf(head)]).hex()})
    place = list(naive_index.leaves(every, 1, 3)).index(naive_index.sha(naive_index.name("case", CASE)))
    hashes = [leaf(one) for one in data]
    given["cover"] = [
        {"from": 1, "to": 3, "leaves": len(data), "root": b64(mth(hashes))}
        | {"found": {"leaf": place, "path": path(hashes, place), "entries": [2]}}
    ]
    given["entries"] = given["entries"][1:]
    with pytest.raises(AnswerRejected) as rejected:
        check_answer(json.dumps(given).encode(), VerifierKey.parse(key.vkey()))
    assert rejected.value.evidence["why"] == "other-segments"


@pytest.mark.parametrize("data", [{"size": True}, {"size": 4}, {"root": "00"}, {"version": 2}, {"version": True}, {"root": 7}])
def test_a_commitment_that_is_none_by_the_rule_commits_to_nothing(data):
    key = SigningKey.from_seed("archive.invalid/f-9", 5)
    bodies = [entry(CASE)]
    every = [naive_index.subjects(json.loads(body)) for body in bodies]
    with pytest.raises(AnswerRejected):
        check_answer(json.dumps(forged(every, bodies, key, data=data)).encode(), VerifierKey.parse(key.vkey()))


def test_a_size_that_nobody_could_have_is_rejected_without_work():
    """A key holder signs any size: nothing is planned for more segments than the answer has."""
    bodies = [entry(CASE)]
    given = forged([naive_index.subjects(json.loads(body)) for body in bodies], bodies, SigningKey.from_seed("archive.invalid/f-9", 5))
    key = SigningKey.from_seed("archive.invalid/huge", 7)
    members = {"actor": {}, "data": {"root": "00" * 32, "size": 2**52, "version": 1}, "kind": "log.indexed", "time": "2026-03-18T04:00:00Z"}
    body = json.dumps(members | {"verdict": "fact"}, sort_keys=True, separators=(",", ":")).encode()
    given |= {"log": key.name, "size": 2**52, "checkpoint": key.note(f"{key.name}\n{2**53 - 1}\n{b64(leaf(body))}\n").decode()}
    given["commitment"] = {"index": 2**53 - 2, "entry": b64(body), "path": []}
    with pytest.raises(TlogError):
        check_answer(json.dumps(given).encode(), VerifierKey.parse(key.vkey()))
