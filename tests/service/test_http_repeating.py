"""Idempotency-Key over HTTP: the same bytes again, and a description that says so."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from foundation.ids import new_id
from small_archive import SmallArchive

RATING = {"target": "petition_office", "satisfaction": "satisfied", "rated_at": "2024-03-01T09:00:00+08:00"}
KEYED = {
    "/v1/cases",
    "/v1/cases/{case_id}/supplements",
    "/v1/cases/{case_id}/corrections",
    "/v1/access-requests",
    "/v1/access-requests/{request_id}/withdrawal",
    "/v1/access-requests/{request_id}/decisions",
    "/v1/grants/{grant_id}/return",
    "/v1/grants/{grant_id}/revocation",
}


def _twice(client: httpx.Client, where: str, body: Any = None, **headers: str) -> tuple[httpx.Response, httpx.Response]:
    """The same request sent twice under one new key, and once more with other content, which must be refused."""
    headers = {"Idempotency-Key": new_id(), **headers}
    first, again = (client.post(where, json=body, headers=headers) for _ in range(2))
    other = {**(body or {}), "reason": "另一理由"}
    if body is not None:
        reused = client.post(where, json=other, headers=headers)
        assert (reused.status_code, reused.json()["code"]) == (409, "idempotency-key-reused")
        assert "另一理由" not in reused.text
    return first, again


def _same(pair: tuple[httpx.Response, httpx.Response]) -> httpx.Response:
    first, again = pair
    assert first.is_success, first.text
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert [again.headers.get(name) for name in ("ETag", "Location")] == [first.headers.get(name) for name in ("ETag", "Location")]
    return first


def test_every_act_on_a_form_is_answered_byte_for_byte_again_under_its_key(either_archive: SmallArchive) -> None:
    archive = either_archive
    case_id = archive.deposited()
    with archive.as_("handler") as handler, archive.as_("leader") as leader, archive.as_("principal") as principal:
        filed = _same(_twice(handler, "/v1/access-requests", archive.form(case_id)))
        where = filed.headers["Location"]
        _same(_twice(handler, f"{where}/withdrawal", **{"If-Match": '"1"'}))
        where = _same(_twice(handler, "/v1/access-requests", archive.form(case_id))).headers["Location"]
        approval = {"verdict": "approve", "reason": "同意", "trim": {"max_uses": 1}}
        assert _same(_twice(leader, f"{where}/decisions", approval, **{"If-Match": '"1"'})).json()["status"] == "pending"
        last = _same(_twice(principal, f"{where}/decisions", {"verdict": "approve", "reason": "同意"}, **{"If-Match": '"2"'})).json()
        assert last["status"] == "approved"
        revoked = _same(_twice(leader, f"/v1/grants/{last['grant_id']}/revocation", {"reason": "任务变化"}))
        _same(_twice(handler, f"/v1/grants/{archive.granted(case_id)}/return"))
    assert [entry.grant for entry in archive.entries("grant.revoked")].count(last["grant_id"]) == 1
    assert archive.entries()[revoked.json()["log_index"]].kind == "grant.revoked"


def test_a_later_version_is_made_once_under_its_key_and_answered_with_its_receipt(either_archive: SmallArchive) -> None:
    archive = either_archive
    record = archive.record()
    case_id = archive.deposited(record)
    corrected = {**record, "title": "反映宅基地被占（更正）", "feedback": [*record["feedback"], RATING]}
    with archive.as_system() as system:
        for number, (path, body) in enumerate(
            (("supplements", {"supplement": {"feedback": [RATING]}}), ("corrections", {"case": corrected})), start=1
        ):
            form = {"base_version": number, "reason": "笔误", **body}
            first, again = _twice(system, f"/v1/cases/{case_id}/{path}", form)
            assert (first.status_code, again.status_code) == (201, 200), first.text
            assert first.json()["version"] == number + 1
            assert again.json() == {**first.json(), "status": "same"}
            assert system.get(f"/v1/receipts/{first.json()['log']['entry_id']}").json() == again.json()
        last = {"base_version": 2, "reason": "笔误", "case": corrected}
        stale = system.post(f"/v1/cases/{case_id}/corrections", json=last, headers={"Idempotency-Key": new_id()})
        assert (stale.status_code, stale.json()["code"]) == (409, "case-version-changed")


@pytest.mark.parametrize("wrong", ["", "a b", "x" * 129])
def test_an_unusable_key_is_refused_before_anything_is_done(archive: SmallArchive, wrong: str) -> None:
    case_id = archive.deposited()
    before = len(archive.entries("request.filed"))
    with archive.as_("handler") as handler:
        answer = handler.post("/v1/access-requests", json=archive.form(case_id), headers={"Idempotency-Key": wrong})
    assert (answer.status_code, answer.json()["faults"][0]["rule"]) == (422, "shape")
    assert len(archive.entries("request.filed")) == before


def test_a_clear_opening_is_never_answered_from_what_was_kept(archive: SmallArchive) -> None:
    case_id = archive.deposited()
    grant = archive.granted(case_id)
    key = {"Idempotency-Key": new_id()}
    with archive.as_("handler") as handler, archive.as_("leader") as leader:
        first, again = (handler.post(f"/v1/grants/{grant}/openings", json={"case_id": case_id}, headers=key) for _ in range(2))
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.json()["opening_id"] == first.json()["opening_id"]
        assert again.json()["intent_index"] > first.json()["outcome_index"]
        assert (first.json()["uses_left"], again.json()["uses_left"]) == (1, 1)
        assert leader.post(f"/v1/grants/{grant}/revocation", json={"reason": "任务变化"}).status_code == 200
        assert handler.post(f"/v1/grants/{grant}/openings", json={"case_id": case_id}, headers=key).status_code == 403


def test_the_description_names_the_key_and_its_term_wherever_it_is_taken(archive: SmallArchive) -> None:
    described = archive.http.get(f"{archive.url}/v1/openapi.json").json()
    found = {}
    for path, item in described["paths"].items():
        for operation in item.values():
            for parameter in operation.get("parameters", ()):
                if parameter["name"] == "Idempotency-Key":
                    found[path] = (operation, parameter)
    assert set(found) == KEYED
    for operation, parameter in found.values():
        assert (parameter["in"], parameter["required"]) == ("header", False)
        assert "7 days" in parameter["description"]
        assert "409" in operation["responses"]
    for path in (path for path in KEYED if path.startswith("/v1/cases")):
        assert {"200", "201"} <= set(found[path][0]["responses"]), path


def test_an_approver_reads_how_the_applicant_stands_to_each_case(archive: SmallArchive) -> None:
    case_id = archive.deposited()
    with archive.as_("handler") as handler:
        where = handler.post("/v1/access-requests", json=archive.form(case_id)).headers["Location"]
        assert handler.get("/v1/access-requests").json()["requests"][0].get("relations") is None
    with archive.as_("leader") as leader:
        read = leader.get(where).json()
    assert read["relations"] == [{"case_id": case_id, "relation": "own-handling"}]
