"""Deciding over HTTP: on the version that was read, by those who may, once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest

from foundation.clock import iso
from small_archive import SmallArchive


def _filed(archive: SmallArchive, **changes: object) -> tuple[str, str]:
    case_id = archive.deposited()
    with archive.as_("handler") as handler:
        filed = handler.post("/v1/access-requests", json=archive.form(case_id, **changes))
    assert filed.status_code == 201, filed.text
    assert filed.headers["Location"] == f"/v1/access-requests/{filed.json()['request_id']}"
    return filed.headers["Location"], filed.headers["ETag"]


def _decide(client: httpx.Client, where: str, etag: str | None, **body: object) -> httpx.Response:
    headers = {} if etag is None else {"If-Match": etag}
    return client.post(f"{where}/decisions", json={"verdict": "approve", **body}, headers=headers)


def test_a_decision_without_if_match_is_428_malformed_400_and_stale_412(archive: SmallArchive) -> None:
    where, etag = _filed(archive)
    with archive.as_("leader") as leader:
        missing = _decide(leader, where, None)
        assert (missing.status_code, missing.json()["code"]) == (428, "if-match-required")
        for wrong in ("1", "*", 'W/"1"', '"1", "2"', '"0"', '"x"'):
            malformed = _decide(leader, where, wrong)
            assert (malformed.status_code, malformed.json()["code"]) == (400, "if-match-malformed"), wrong
        stale = _decide(leader, where, '"7"')
        assert (stale.status_code, stale.json()["code"]) == (412, "request-version-changed")
        assert _decide(leader, where, etag).status_code == 200


def test_a_withdrawal_needs_the_version_too_and_is_final(archive: SmallArchive) -> None:
    where, etag = _filed(archive)
    with archive.as_("handler") as handler:
        assert handler.post(f"{where}/withdrawal").status_code == 428
        assert handler.post(f"{where}/withdrawal", headers={"If-Match": '"9"'}).status_code == 412
        done = handler.post(f"{where}/withdrawal", headers={"If-Match": etag})
        assert (done.status_code, done.json()["status"], done.headers["ETag"]) == (200, "withdrawn", '"2"')
        again = handler.post(f"{where}/withdrawal", headers={"If-Match": '"2"'})
        assert (again.status_code, again.json()["code"]) == (409, "request-closed")
    with archive.as_("leader") as leader:
        assert _decide(leader, where, '"2"').json()["code"] == "request-closed"


def test_a_form_tells_in_every_list_when_it_was_filed(archive: SmallArchive) -> None:
    archive.clock.advance(1)
    filed_at = iso(archive.clock.now())
    where, _ = _filed(archive, not_before=iso(archive.clock.now() + timedelta(hours=1)))
    archive.clock.advance(1)
    with archive.as_("leader") as leader, archive.as_("handler") as handler:
        assert leader.get(where).json()["filed_at"] == filed_at
        for client, box in ((handler, "mine"), (leader, "to-decide")):
            listed = client.get("/v1/access-requests", params={"box": box}).json()["requests"]
            assert [one["filed_at"] for one in listed if one["request_id"] in where] == [filed_at]


def test_nobody_decides_their_own_request_nor_twice_nor_out_of_turn(archive: SmallArchive) -> None:
    where, etag = _filed(archive)
    with archive.as_("handler") as handler:
        assert _decide(handler, where, etag).json()["code"] == "not-permitted"
    with archive.as_("principal") as principal:
        assert _decide(principal, where, etag).json()["code"] == "decision-not-yours"
    with archive.as_("leader") as leader:
        assert _decide(leader, where, etag).status_code == 200
        assert _decide(leader, where, '"2"').json()["code"] == "decision-not-yours"
    with archive.as_("colleague") as colleague:
        assert colleague.get(where).status_code == 404


def test_a_refusal_needs_its_reason_and_ends_the_request(archive: SmallArchive) -> None:
    where, etag = _filed(archive)
    with archive.as_("leader") as leader:
        without = _decide(leader, where, etag, verdict="refuse")
        assert (without.status_code, without.json()["faults"][0]["path"]) == (422, "reason")
        trimmed = _decide(leader, where, etag, verdict="refuse", reason="x", trim={"max_uses": 1})
        assert trimmed.json()["faults"][0]["rule"] == "not-with-refusal"
        done = _decide(leader, where, etag, verdict="refuse", reason="材料不足")
        assert (done.status_code, done.json()["status"]) == (200, "refused")
    with archive.as_("handler") as handler:
        seen = handler.get(where).json()
        assert (seen["status"], seen["decisions"][0]["comment"]) == ("refused", "材料不足")


def test_an_approver_can_take_away_and_never_add(archive: SmallArchive) -> None:
    where, etag = _filed(archive, fields=["petitioners[].name", "petitioners[].mobile"], max_uses=2)
    with archive.as_("leader") as leader:
        added = _decide(leader, where, etag, trim={"fields": ["petitioners[].name", "petitioners[].address"]})
        assert (added.status_code, added.json()["faults"][0]["rule"]) == (422, "not-on-the-form")
        assert added.json()["faults"][0]["path"] == "trim.fields"
        more = _decide(leader, where, etag, trim={"max_uses": 5})
        assert (more.status_code, more.json()["code"]) == (409, "transition-refused")
        less = _decide(leader, where, etag, trim={"fields": ["petitioners[].name"], "max_uses": 1})
        assert less.status_code == 200
        assert leader.get(where).json()["current"]["fields"] == ["petitioners[].name"]
        assert leader.get(where).json()["asked"]["max_uses"] == 2


@pytest.mark.parametrize("attempt", range(3))
def test_of_two_decisions_at_once_one_wins_and_there_is_one_grant_in_the_end(either_archive: SmallArchive, attempt: int) -> None:
    archive = either_archive
    where, etag = _filed(archive)
    with archive.as_("leader") as leader, archive.as_("second_leader") as second, ThreadPoolExecutor(2) as pool:
        answers = [one.result() for one in [pool.submit(_decide, client, where, etag) for client in (leader, second)]]
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == 200
    assert statuses[1] in {403, 409, 412}
    assert not [entry for entry in archive.entries("grant.made") if entry.members["data"].get("request") == where.rsplit("/", 1)[-1]]


def test_a_form_that_nobody_could_approve_is_refused_when_filed_with_the_reason_per_stage(archive: SmallArchive) -> None:
    case_id = archive.deposited()
    people = archive.people
    with archive.as_("secadmin") as secadmin:
        for name in ("leader", "second_leader"):
            assert secadmin.post(f"/v1/accounts/{people[name].account_id}/block", json={}).status_code == 204
        try:
            with archive.as_("handler") as handler:
                refused = handler.post("/v1/access-requests", json=archive.form(case_id))
        finally:
            for name in ("leader", "second_leader"):
                assert secadmin.post(f"/v1/accounts/{people[name].account_id}/unblock", json={}).status_code == 204
                people[name].signed_in_at = None
                archive.clock.advance(60)
    assert (refused.status_code, refused.json()["code"]) == (409, "nobody-can-approve")
    stages = refused.json()["stages"]
    assert [stage["can_be_decided"] for stage in stages] == [False, True]
    assert people["leader"].person_id not in refused.text


def test_reading_a_request_is_on_record_with_its_reason_opened_for_those_concerned_alone(archive: SmallArchive) -> None:
    where, _ = _filed(archive, reason="核对姓名之用：甲字第1号")
    with archive.as_("leader") as leader:
        assert leader.get(where).json()["reason"] == "核对姓名之用：甲字第1号"
        listed = leader.get("/v1/access-requests", params={"box": "to-decide"})
        assert "甲字第1号" not in listed.text
    assert archive.as_("inspector").get(where).status_code == 404
    assert archive.entries("requests.listed")
