"""What is not yours does not exist: absent, hidden, walled and foreign are one answer, and cursors and tokens of others are worthless."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest

from foundation.ids import new_id
from petition_records import ID_ZHANG, accusation
from small_archive import OTHER_FONDS, PEOPLE, SmallArchive


def _bare(answer: httpx.Response) -> tuple[int, dict[str, Any], set[tuple[str, str]]]:
    """Everything of an answer that a caller could compare, but the ids made for this one request."""
    body = answer.json()
    body.pop("request_id")
    own = {"request-id", "date"}
    return answer.status_code, body, {(name, value) for name, value in answer.headers.items() if name not in own}


@pytest.fixture(scope="module")
def walled_case(archive: SmallArchive) -> str:
    return archive.deposited(accusation() | {"case_no": new_id()})


@pytest.fixture(scope="module")
def plain_case(archive: SmallArchive) -> str:
    return archive.deposited()


def test_absent_hidden_and_malformed_cases_are_answered_alike(archive: SmallArchive, walled_case: str, plain_case: str) -> None:
    with archive.as_("colleague") as colleague:
        absent = _bare(colleague.get(f"/v1/cases/{new_id()}"))
        assert absent[0] == 404
        assert _bare(colleague.get(f"/v1/cases/{plain_case}")) == absent
        assert _bare(colleague.get(f"/v1/cases/{walled_case}")) == absent
        assert _bare(colleague.get("/v1/cases/not-an-id")) == absent
        assert _bare(colleague.get(f"/v1/cases/{plain_case.upper()}")) == absent


def test_the_accused_and_their_unit_learn_nothing_by_any_door(archive: SmallArchive, walled_case: str) -> None:
    assert archive.as_("inspector").get(f"/v1/cases/{walled_case}").status_code == 200
    for name in ("accused", "accused_inspector"):
        with archive.as_(name) as accused:
            absent = _bare(accused.get(f"/v1/cases/{new_id()}"))
            assert _bare(accused.get(f"/v1/cases/{walled_case}")) == absent
            filed = [accused.post("/v1/access-requests", json=archive.form(case)) for case in (new_id(), walled_case)]
            assert _bare(filed[0]) == _bare(filed[1])
    with archive.as_("accused_inspector") as accused, archive.as_("inspector") as inspector:
        found = accused.post("/v1/cases:find", json={"filters": {"statutory_class": {"in": ["accusation"]}}, "facets": ["statutory_class"]})
        assert (found.json()["total"], found.json()["rows"], found.json()["facets"]["statutory_class"]) == (0, [], [])
        everybody = inspector.post("/v1/cases:find", json={"filters": {"statutory_class": {"in": ["accusation"]}}})
        assert everybody.json()["total"] >= 1
        for case in (walled_case, new_id()):
            asked = accused.post("/v1/audit:query", json={"case": case})
            assert (asked.status_code, asked.json()["entries"]) == (200, [])
        assert inspector.post("/v1/audit:query", json={"case": walled_case}).json()["entries"]
        shown = accused.post("/v1/audit:query", json={"limit": 200}).text
        assert walled_case not in shown
        assert '"wall"' not in shown


def test_an_attempt_on_the_wall_is_on_record_in_the_same_form_as_one_on_nothing(archive: SmallArchive, walled_case: str) -> None:
    entries = []
    for name in ("accused", "accused_inspector"):
        with archive.as_(name) as accused:
            for case_id in (walled_case, new_id()):
                accused.get(f"/v1/cases/{case_id}")
                entry = archive.entries("access.refused")[-1]
                assert entry.object["id"] == case_id
                entries.append(entry)
    for walled, absent in zip(entries[::2], entries[1::2], strict=True):
        assert walled.members["data"] == absent.members["data"] == {"action": "case.view"}
        assert walled.members["details"].keys() == absent.members["details"].keys() == {"cause"}


def test_another_fonds_sees_nothing_of_this_one(archive: SmallArchive, plain_case: str) -> None:
    with archive.as_("other_handler") as other:
        absent = _bare(other.get(f"/v1/cases/{new_id()}"))
        assert _bare(other.get(f"/v1/cases/{plain_case}")) == absent
    with archive.as_("other_inspector") as other:
        assert other.post("/v1/cases:find", json={}).json()["total"] == 0
        assert other.post("/v1/audit:query", json={"case": plain_case}).json()["entries"] == []
    with archive.as_system("other-system") as other:
        record = archive.record()
        refused = other.post("/v1/cases", json=record)
        assert refused.status_code == 422
        taken = other.post("/v1/cases", json=record | {"source_system": "other-system"})
        assert (taken.status_code, taken.json()["fonds"]) == (201, OTHER_FONDS)
        supplement = {"base_version": 1, "reason": "x", "supplement": {"feedback": [{}]}}
        assert other.post(f"/v1/cases/{plain_case}/supplements", json=supplement).status_code == 404


def test_a_receipt_is_for_the_system_that_deposited_it_alone(archive: SmallArchive) -> None:
    with archive.as_system() as system:
        receipt = system.post("/v1/cases", json=archive.record()).json()
        where = f"/v1/receipts/{receipt['log']['entry_id']}"
        fetched = system.get(where)
        assert fetched.status_code == 200
        assert fetched.json() == receipt | {"status": "same"}
    with archive.as_system("hotline") as other:
        absent = _bare(other.get(f"/v1/receipts/{new_id()}"))
        assert _bare(other.get(where)) == absent
        assert _bare(other.get(f"{where}/proof")) == _bare(other.get(f"/v1/receipts/{new_id()}/proof"))
    with archive.as_system("other-system") as other:
        assert other.get(where).status_code == 404
    assert archive.as_("archivist").get(where).status_code == 200
    assert archive.as_("handler").get(where).json()["code"] == "not-permitted"


def test_a_cursor_is_good_for_its_maker_its_question_and_its_role_alone(archive: SmallArchive) -> None:
    for _ in range(3):
        archive.deposited()
    with archive.as_("inspector") as inspector, archive.as_("archivist") as archivist:
        page = inspector.post("/v1/cases:find", json={"limit": 1}).json()
        cursor = page["cursor"]
        further = inspector.post("/v1/cases:find", json={"limit": 1, "cursor": cursor})
        assert further.status_code == 200
        assert further.json()["rows"][0]["case_id"] != page["rows"][0]["case_id"]
        raw = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        raw[-3] ^= 1
        forged = base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")
        for client, body in (
            (archivist, {"limit": 1, "cursor": cursor}),
            (inspector, {"limit": 2, "cursor": cursor}),
            (inspector, {"limit": 1, "cursor": cursor, "sort": "closed_at"}),
            (inspector, {"limit": 1, "cursor": forged}),
            (inspector, {"limit": 1, "cursor": "AAAA"}),
            (inspector, {"limit": 1, "cursor": "长"}),
        ):
            answer = client.post("/v1/cases:find", json=body)
            assert (answer.status_code, answer.json()["code"]) == (400, "cursor-refused")


def test_a_page_after_page_walk_shows_every_case_once(archive: SmallArchive) -> None:
    with archive.as_system("hotline") as hotline:
        for number in range(5):
            deposited = hotline.post("/v1/cases", json=archive.record(source_system="hotline", case_no=f"W-{number}-{new_id()}"))
            assert deposited.status_code == 201
    seen: list[str] = []
    cursor = None
    with archive.as_("inspector") as inspector:
        while True:
            body: dict[str, Any] = {"limit": 2, "filters": {"source_system": {"in": ["hotline"]}}}
            page = inspector.post("/v1/cases:find", json=body | ({"cursor": cursor} if cursor else {})).json()
            seen += [row["case_id"] for row in page["rows"]]
            cursor = page.get("cursor")
            if cursor is None:
                break
    assert len(seen) == len(set(seen)) == page["total"] == 5


def test_grants_and_openings_of_others_do_not_exist(archive: SmallArchive) -> None:
    case_id = archive.deposited()
    grant = archive.granted(case_id)
    opened = archive.as_("handler").post(f"/v1/grants/{grant}/openings", json={"case_id": case_id}).json()
    with archive.as_("colleague") as colleague:
        for method, path, body in (
            ("POST", "/v1/grants/{}/openings", {"case_id": case_id}),
            ("POST", "/v1/grants/{}/return", None),
            ("POST", "/v1/grants/{}/revocation", {"reason": "x"}),
        ):
            answers = [colleague.request(method, path.format(one), json=body) for one in (grant, new_id())]
            assert {answer.status_code for answer in answers} <= {403, 404}
            assert _bare(answers[0]) == _bare(answers[1])
        assert colleague.get(f"/v1/openings/{opened['opening_id']}").status_code == 404
    with archive.as_("handler") as handler:
        other = archive.deposited()
        assert handler.post(f"/v1/grants/{grant}/openings", json={"case_id": other}).status_code == 404
        assert handler.post(f"/v1/grants/{grant}/revocation", json={"reason": "x"}).json()["code"] == "not-permitted"


ROLES_THAT_SEE = {"handler", "leader", "collaborator", "principal", "inspector", "archivist", "legal", "external_supervisor"}


@pytest.mark.parametrize("name", [name for name in PEOPLE if name not in {"two_posts", "accused_inspector", "second_leader"}])
def test_each_role_sees_a_case_masked_or_not_at_all_and_never_in_clear(archive: SmallArchive, plain_case: str, name: str) -> None:
    with archive.as_(name) as client:
        answer = client.get(f"/v1/cases/{plain_case}")
    if name in ROLES_THAT_SEE:
        assert answer.status_code == 200, answer.text
        assert answer.json()["clear"] == []
        assert "petitioners[].id_number" in {*answer.json()["masked"], *answer.json()["withheld"]}
        for clear in (ID_ZHANG, "张三", "欧阳小明", "10000001234", "幸福路12号3栋501室"):
            assert clear not in json.dumps(answer.json()["record"], ensure_ascii=False), (name, clear)
    else:
        assert answer.status_code in {403, 404}


def test_a_machine_sees_no_case_not_even_its_own(archive: SmallArchive, plain_case: str) -> None:
    with archive.as_system() as system:
        for answer in (
            system.get(f"/v1/cases/{plain_case}"),
            system.post("/v1/cases:find", json={}),
            system.post("/v1/access-requests", json=archive.form(plain_case)),
            system.post("/v1/audit:query", json={}),
            system.get("/v1/units"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, "not-permitted")


def test_a_search_by_identity_finds_counts_and_stops(archive: SmallArchive) -> None:
    archive.deposited()
    body = {"kind": "id_number", "value": ID_ZHANG, "purpose": "repeat_petition", "reason": "核对重复信访"}
    with archive.as_("second_leader") as leader:
        found = leader.post("/v1/cases:find-identity", json=body)
        assert (found.status_code, found.json()["total"]) == (200, 0)  # not in charge of any of them
        assert found.headers["RateLimit-Policy"] == '"identity-search";q=30;w=3600'
        assert found.headers["RateLimit"].startswith('"identity-search";r=29;t=')
    with archive.as_("leader") as leader:
        found = leader.post("/v1/cases:find-identity", json=body)
        assert found.json()["total"] >= 1
        assert ID_ZHANG not in found.text
        without = leader.post("/v1/cases:find-identity", json=body | {"purpose": "watching"})
        assert (without.status_code, without.json()["code"]) == (403, "purpose-required")
        statuses = [leader.post("/v1/cases:find-identity", json=body).status_code for _ in range(30)]
        assert statuses[0] == 200
        last = leader.post("/v1/cases:find-identity", json=body)
        assert (last.status_code, last.json()["code"]) == (429, "identity-search-limit")
        assert int(last.headers["Retry-After"]) > 0
        assert last.headers["RateLimit"].startswith('"identity-search";r=0;')
    assert all(ID_ZHANG not in json.dumps(entry.members) for entry in archive.entries("case.searched-by-identity"))


def test_who_saw_and_the_timelines_hold_the_wall_and_are_for_those_who_question_the_trail(
    archive: SmallArchive, walled_case: str, plain_case: str
) -> None:
    with archive.as_("inspector") as inspector, archive.as_("accused_inspector") as accused, archive.as_("colleague") as colleague:
        inspector.get(f"/v1/cases/{walled_case}")
        seen = inspector.post("/v1/audit:who-saw", json={"case": walled_case}).json()
        assert "view" in [one["way"] for one in seen["sightings"]]
        for door in ("/v1/audit:who-saw", "/v1/audit:timeline"):
            absent = _bare(accused.post(door, json={"case": new_id()}))
            assert absent[0] == 404
            assert _bare(accused.post(door, json={"case": walled_case})) == absent
            assert colleague.post(door, json={"case": plain_case}).status_code == 403
            assert inspector.post(door, json={}).json()["faults"][0]["rule"] == "one-of"
        timeline = inspector.post("/v1/audit:timeline", json={"case": plain_case}).json()
        assert timeline["entries"][0]["zh"] == "案卷归档"
