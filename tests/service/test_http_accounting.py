"""Accounting for a subject over HTTP: only whoever may hold the whole log is told that nothing is missing, and never off the record."""

from __future__ import annotations

import time
from base64 import b64decode
from pathlib import Path
from typing import Any

import httpx
import pytest

from audit.index_answers import Asked, answer
from audit.index_check import check_answer
from audit.index_keys import subjects
from audit.index_store import newest_commitment
from audit.proven import Proven
from audit.store import last_checkpoint
from foundation.errors import StorageUnavailable
from foundation.ids import new_id
from fresh_databases import FreshDatabases
from petition_records import accusation
from policies.matrix import TRAIL_GROUPS
from small_archive import PEOPLE, SmallArchive, small_archive
from stored_entries import stored_entries
from tlog.note import VerifierKey

ASK = "/v1/audit:account-for"


def key_of(archive: SmallArchive) -> VerifierKey:
    return VerifierKey.parse(archive.house.publishing.signers("F001", 1).vkey)


def account(archive: SmallArchive, kind: str, subject: str, **more: Any) -> Proven:
    """The auditor's answer, checked with nothing but itself and the key; as of now."""
    archive.clock.advance(30)
    with archive.as_("auditadmin") as auditor:
        answer = auditor.post(ASK, json={"kind": kind, "id": subject} | more)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    return check_answer(answer.content, key_of(archive))


def scanned(archive: SmallArchive, kind: str, subject: str, size: int) -> list[int]:
    every = stored_entries(archive.house.desk.db, "F001", ())
    return [index for index, entry in enumerate(every[:size]) if (kind, subject) in subjects(entry.members)]


@pytest.fixture(scope="module")
def busy_case(archive: SmallArchive) -> tuple[str, str]:
    """A case that was seen, listed, opened under a grant and asked for by somebody who may not; and the grant."""
    case_id = archive.deposited()
    grant = archive.granted(case_id)
    with archive.as_("handler") as handler, archive.as_("colleague") as colleague, archive.as_("inspector") as inspector:
        assert handler.get(f"/v1/cases/{case_id}").status_code == 200
        assert handler.post(f"/v1/grants/{grant}/openings", json={"case_id": case_id}).status_code == 201
        assert colleague.get(f"/v1/cases/{case_id}").status_code == 404
        assert inspector.post("/v1/cases:find", json={}).status_code == 200
    return case_id, grant


def test_an_auditor_gets_every_entry_about_a_subject_with_proofs_that_hold_offline(
    archive: SmallArchive, busy_case: tuple[str, str]
) -> None:
    case_id, grant = busy_case
    proven = account(archive, "case", case_id, bodies="all")
    kinds = {one.members["kind"] for one in proven.entries if one.members is not None}
    assert {"case.deposited", "request.filed", "grant.made", "access.intent", "access.outcome", "case.viewed", "access.refused"} <= kinds
    assert "case.listed" in kinds
    for kind, subject in (("case", case_id), ("grant", grant), ("person", archive.people["handler"].person_id)):
        found = account(archive, kind, subject)
        assert [one.index for one in found.entries] == scanned(archive, kind, subject, found.size)
        assert found.entries


def test_nobody_but_who_may_export_the_log_is_given_any_answer(archive: SmallArchive, busy_case: tuple[str, str]) -> None:
    """The same words for a case one knows, one that is hidden, and one that never was."""
    hidden = archive.deposited(accusation() | {"case_no": new_id()})
    for name in [*(one for one in PEOPLE if one != "auditadmin"), "other_inspector"]:
        with archive.as_(name) as client:
            answers = [client.post(ASK, json={"kind": "case", "id": one}) for one in (busy_case[0], hidden, new_id())]
        assert {(one.status_code, one.json()["code"]) for one in answers} == {(403, "not-permitted")}, name
        assert len({_bare(one) for one in answers}) == 1
        if not name.startswith("other_"):
            refused = archive.entries("access.refused")[-1]
            assert refused.members["data"]["action"] == "audit.export"
            assert not any(one in str(refused.members) for one in (busy_case[0], hidden))
    with archive.as_system() as system:
        assert system.post(ASK, json={"kind": "case", "id": busy_case[0]}).json()["code"] == "not-permitted"


def _bare(answer: httpx.Response) -> str:
    body = answer.json()
    del body["request_id"]
    return str(body)


def test_what_completeness_tells_is_what_an_inspector_may_not_know(archive: SmallArchive) -> None:
    """Why an inspector is given no such answer: of a case they know it has entries that the trail hides from them."""
    record = accusation() | {"case_no": new_id()}
    record["involved_parties"] = [{"party_role": "accused", "party_kind": "person", "party_name": "某人", "party_user_ids": ["S-13"]}]
    plain, hidden = archive.deposited(), archive.deposited(record)
    with archive.as_("handler") as handler:
        assert handler.post("/v1/access-requests", json=archive.form(plain, hidden)).status_code == 201
    proven = account(archive, "case", plain, bodies="all")
    with archive.as_("accused_inspector") as inspector:
        seen = {one["index"] for one in inspector.post("/v1/audit:query", json={"case": plain, "limit": 200}).json()["entries"]}
        assert inspector.post(ASK, json={"kind": "case", "id": plain}).status_code == 403
    untold = [one for one in proven.entries if one.index not in seen and one.members is not None]
    assert "request.filed" in {one.members["kind"] for one in untold if one.members is not None}


def test_a_subject_that_never_was_is_accounted_for_like_any_other(archive: SmallArchive, busy_case: tuple[str, str]) -> None:
    known, unknown = account(archive, "case", busy_case[0]), account(archive, "case", new_id())
    assert known.entries
    assert unknown.entries == ()
    records = [entry.members for entry in archive.entries("log.queried")[-2:]]
    assert records[0]["data"].keys() == records[1]["data"].keys() == {"blind", "query", "shown", "size"}
    assert [record["data"]["size"] for record in records] == [known.size, unknown.size]
    assert records[0].keys() == records[1].keys()


def test_no_answer_leaves_before_its_question_is_on_record(
    archive: SmallArchive, busy_case: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    account(archive, "case", busy_case[0])
    entry = archive.entries("log.queried")[-1]
    assert entry.actor.role == "auditadmin"
    assert busy_case[0] not in str(entry.members)
    run = archive.house.desk.uow.run

    def failing(fonds: str, act: Any) -> Any:
        if fonds == "F001":
            raise StorageUnavailable
        return run(fonds, act)

    with archive.as_("auditadmin") as auditor:
        monkeypatch.setattr(archive.house.desk.uow, "run", failing)
        answer = auditor.post(ASK, json={"kind": "case", "id": busy_case[0]})
    assert (answer.status_code, answer.json()["code"]) == (503, "storage-unavailable")
    assert busy_case[0] not in answer.text


def test_texts_that_name_other_cases_are_left_out_unless_they_are_asked_for(archive: SmallArchive, busy_case: tuple[str, str]) -> None:
    other = archive.deposited()
    with archive.as_("inspector") as inspector:
        inspector.post("/v1/cases:find", json={})
    archive.clock.advance(30)
    with archive.as_("auditadmin") as auditor:
        for bodies, told in (({}, False), ({"bodies": "none"}, False), ({"bodies": "all"}, True)):
            answer = auditor.post(ASK, json={"kind": "case", "id": busy_case[0]} | bodies).json()
            texts = "".join(b64decode(one["body"]).decode() for one in answer["entries"] if "body" in one)
            assert (other in texts) is told
            assert other not in str(answer)


def test_questions_in_quick_succession_share_one_commitment(archive: SmallArchive) -> None:
    archive.clock.advance(30)
    before = len(archive.entries("log.indexed"))
    with archive.as_("auditadmin") as auditor:
        sizes = {auditor.post(ASK, json={"kind": "case", "id": new_id()}).json()["size"] for _ in range(4)}
    assert len(sizes) == 1
    assert len(archive.entries("log.indexed")) == before + 1


def test_an_answer_shows_that_the_log_only_grew_since_an_older_checkpoint(archive: SmallArchive) -> None:
    archive.deposited()
    archive.house.publishing.publish("F001")
    with archive.house.desk.db.read() as conn:
        published = last_checkpoint(conn, "F001")
    assert published is not None
    old, size = published.note, published.size
    with archive.as_("auditadmin") as auditor:
        archive.deposited()
        archive.clock.advance(30)
        answer = auditor.post(ASK, json={"kind": "person", "id": archive.people["handler"].person_id, "since": size})
        ahead = auditor.post(ASK, json={"kind": "case", "id": new_id(), "since": 2**50})
    proven = check_answer(answer.content, key_of(archive), old)
    assert proven.against is not None
    assert proven.against.size == size
    assert (ahead.status_code, ahead.json()["code"]) == (409, "not-yet-published")


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"kind": "unit", "id": "x"},
        {"kind": "case"},
        {"kind": "case", "id": "x", "more": 1},
        {"kind": "case", "id": 7},
        {"kind": "case", "id": "甲"},
    ],
)
def test_a_malformed_question_is_refused_without_repeating_it(archive: SmallArchive, wrong: dict[str, Any]) -> None:
    with archive.as_("auditadmin") as auditor:
        answer = auditor.post(ASK, json=wrong)
    assert answer.status_code == 422
    assert "甲" not in answer.text


def test_commitments_belong_to_the_trail_of_the_log_and_name_nobody(archive: SmallArchive, busy_case: tuple[str, str]) -> None:
    account(archive, "case", busy_case[0])
    assert "log" in TRAIL_GROUPS
    with archive.as_("inspector") as inspector:
        shown = inspector.post("/v1/audit:query", json={"kinds": ["log.indexed"], "limit": 1}).json()["entries"][0]["entry"]
    assert shown["data"].keys() == {"root", "size", "version"}
    assert shown["actor"] == {"assurance": 0, "client": "cli", "role": "archive"}


def test_a_service_commits_by_itself_while_entries_come_in(fresh_databases: FreshDatabases, tmp_path: Path) -> None:
    with fresh_databases.fresh("sqlite") as urls:
        with small_archive(urls, tmp_path, index_seconds=0.05) as archive:
            case_id = archive.deposited()
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                with archive.house.desk.db.read() as conn:
                    newest, published = newest_commitment(conn, "F001"), last_checkpoint(conn, "F001")
                if (
                    newest is not None
                    and published is not None
                    and published.size > newest.index
                    and scanned(archive, "case", case_id, newest.size)
                ):
                    break
                time.sleep(0.05)
            assert archive.house.indexer.failing == {}
            with archive.house.desk.db.read() as conn:
                found = answer(conn, "F001", Asked("case", case_id))
            assert check_answer(found.data, key_of(archive)).entries
            indexer = archive.house.indexer
        assert not indexer._thread.is_alive()
