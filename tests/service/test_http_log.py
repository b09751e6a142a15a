"""The trail and the log over HTTP: who may ask what, and proofs that hold without the archive."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable

import httpx

from audit.kinds import KINDS
from foundation.ids import new_id
from policies.matrix import TRAIL_GROUPS
from reviews.trail_groups import group_of, kinds_of
from small_archive import SmallArchive
from tlog.checkpoint import open_checkpoint
from tlog.merkle import verify_consistency, verify_inclusion
from tlog.note import VerifierKey


def _published(ask: Callable[[], httpx.Response]) -> httpx.Response:
    deadline = time.monotonic() + 20
    answer = ask()
    while answer.status_code in {404, 409} and time.monotonic() < deadline:
        time.sleep(0.1)
        answer = ask()
    assert answer.status_code == 200, answer.text
    return answer


def test_every_kind_of_entry_belongs_to_one_group_of_the_trail() -> None:
    assert {group_of(kind) for kind in KINDS} == set(TRAIL_GROUPS)
    assert sorted(kind for group in TRAIL_GROUPS for kind in kinds_of(frozenset({group}))) == sorted(KINDS)


def test_an_inclusion_and_a_consistency_proof_hold_by_the_mathematics_alone(archive: SmallArchive) -> None:
    key = VerifierKey.parse(archive.house.publishing.signers("F001", 1).vkey)
    with archive.as_("inspector") as inspector:
        before = open_checkpoint(_published(lambda: inspector.get("/log/F001/checkpoint")).content, key)
        entry_id = archive.deposited()
        assert entry_id
        index = before.size
        proof = _published(lambda: inspector.get("/v1/log/inclusion", params={"index": index})).json()
        after = open_checkpoint(proof["checkpoint"].encode(), key)
        path = [base64.b64decode(one) for one in proof["path"]]
        verify_inclusion(base64.b64decode(proof["leaf_hash"]), index, after.size, path, after.root)
        steps = _published(lambda: inspector.get("/v1/log/consistency", params={"old_size": before.size})).json()
        latest = open_checkpoint(steps["checkpoint"].encode(), key)
        verify_consistency(before.size, before.root, latest.size, latest.root, [base64.b64decode(one) for one in steps["path"]])
        future = inspector.get("/v1/log/inclusion", params={"index": 2**40})
        assert (future.status_code, future.json()["code"]) == (409, "not-yet-published")
        assert inspector.get("/v1/log/inclusion", params={"index": -1}).status_code == 422


def test_each_role_questions_what_the_rulebook_lets_it_and_no_more(archive: SmallArchive) -> None:
    case_id = archive.deposited()
    grant = archive.granted(case_id)
    archive.as_("handler").post(f"/v1/grants/{grant}/openings", json={"case_id": case_id})
    with archive.as_("secadmin") as secadmin, archive.as_("auditadmin") as auditadmin, archive.as_("inspector") as inspector:
        by_secadmin = secadmin.post("/v1/audit:query", json={"limit": 200}).json()["entries"]
        by_auditor = auditadmin.post("/v1/audit:query", json={"limit": 200}).json()["entries"]
        by_inspector = inspector.post("/v1/audit:query", json={"limit": 200}).json()["entries"]
        assert inspector.post("/v1/audit:query", json={"kinds": ["session.opened"]}).json()["entries"] == []
        assert inspector.post("/v1/audit:query", json={"case": case_id}).json()["entries"]
    assert {"request.filed", "access.intent", "session.opened"} <= {one["entry"]["kind"] for one in by_secadmin}
    assert not any(one["entry"]["kind"].startswith("case.") for one in by_secadmin)
    assert case_id not in str(by_secadmin)
    assert {one["entry"]["actor"]["role"] for one in by_auditor} <= {"sysadmin", "secadmin", "account-holder", "archive"}
    people = {archive.people[name].person_id for name in ("sysadmin", "secadmin")}
    assert {one["entry"]["actor"].get("person") for one in by_auditor if one["entry"]["actor"]["role"] == "account-holder"} <= people
    assert case_id in str(by_inspector)
    assert not any(one["entry"]["kind"].startswith(("session.", "account.", "post.")) for one in by_inspector)
    for name in ("handler", "leader", "principal", "archivist", "sysadmin", "external_supervisor"):
        assert archive.as_(name).post("/v1/audit:query", json={}).json()["code"] == "not-permitted", name


def test_a_question_is_itself_on_record_without_what_was_asked(archive: SmallArchive) -> None:
    case_id = archive.deposited()
    with archive.as_("inspector") as inspector:
        asked = inspector.post("/v1/audit:query", json={"case": case_id})
    entry = archive.entries("log.queried")[-1]
    assert asked.json()["log_index"] >= 0
    assert case_id not in str(entry.members)
    assert entry.actor.role == "inspector"


def test_pages_of_the_trail_meet_without_gap_or_overlap(archive: SmallArchive) -> None:
    for _ in range(3):
        archive.deposited()
    with archive.as_("inspector") as inspector:
        question = {"kinds": ["case.deposited"], "until": archive.clock.advance(1).isoformat()}
        whole = inspector.post("/v1/audit:query", json=question | {"limit": 21}).json()["entries"]
        pages: list[dict[str, object]] = []
        cursor = None
        while len(pages) < len(whole):
            page = inspector.post("/v1/audit:query", json=question | {"limit": 4} | ({} if cursor is None else {"cursor": cursor})).json()
            pages += page["entries"]
            cursor = page.get("cursor")
            if cursor is None:
                break
    assert len(whole) >= 3
    assert pages[: len(whole)] == whole


def test_a_malformed_question_is_named_and_an_entry_is_read_by_its_place(archive: SmallArchive) -> None:
    case_id = archive.deposited()
    with archive.as_("inspector") as inspector:
        for wrong in ({"case": "x"}, {"kinds": ["nothing.such"]}, {"since": "2026-01-01T00:00:00"}, {"about": {"kind": "x", "id": "y"}}):
            assert inspector.post("/v1/audit:query", json=wrong).status_code in {200, 422}, wrong
        assert inspector.post("/v1/audit:query", json={"account": "金丝雀"}).json()["code"] == "log-question-invalid"
        entry = inspector.post("/v1/audit:query", json={"case": case_id}).json()["entries"][0]
        read = inspector.get(f"/v1/audit/entries/{entry['index']}").json()
        assert read == entry
        assert inspector.get("/v1/audit/entries/999999999").status_code == 404
        opened = next(one for one in archive.entries("session.opened"))
        places = [one for one in range(400) if opened.id in inspector.get(f"/v1/audit/entries/{one}").text][:1]
        assert places == []


def test_attempts_on_nothing_look_alike_in_the_trail(archive: SmallArchive) -> None:
    with archive.as_("colleague") as colleague:
        colleague.get(f"/v1/cases/{new_id()}")
    with archive.as_("inspector") as inspector:
        found = inspector.post("/v1/audit:query", json={"kinds": ["access.refused"], "limit": 1}).json()["entries"][0]["entry"]
    assert "object" not in found
    assert found["data"] == {"action": "case.view"}
