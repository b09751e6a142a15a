"""The archive's one story, over real HTTP, on both databases."""

from __future__ import annotations

import time
from typing import Any

import pytest

from petition_records import ID_ZHANG, MOBILE
from small_archive import SmallArchive
from tlog.note import VerifierKey
from tlog.proof import LogProof


@pytest.fixture
def story(either_archive: SmallArchive) -> SmallArchive:
    return either_archive


def test_a_deposit_is_masked_asked_for_approved_opened_in_part_and_over_when_it_is_given_back(story: SmallArchive) -> None:
    case_id = _deposited_and_masked(story)
    grant = _approved_in_part(story, case_id)
    _opened_and_given_back(story, case_id, grant)
    inspector = story.as_("inspector")
    asked = inspector.post("/v1/audit:query", json={"case": case_id, "kinds": ["access.intent", "access.outcome"]}).json()
    assert [one["entry"]["kind"] for one in asked["entries"]] == ["access.outcome", "access.intent"] * 2
    assert {one["entry"]["grant"] for one in asked["entries"]} == {grant}
    assert story.entries("log.queried")


def _deposited_and_masked(story: SmallArchive) -> str:
    with story.as_system() as system:
        receipt = system.post("/v1/cases", json=story.record()).json()
    assert receipt["status"] == "created"
    assert receipt["log"]["origin"] == "archive.example/F001"
    with story.as_("handler") as handler:
        masked = handler.get(f"/v1/cases/{receipt['case_id']}").json()
    assert "petitioners[].name" in masked["masked"]
    assert masked["record"]["petitioners"][0]["name"] != "张三"
    assert ID_ZHANG not in str(masked)
    assert MOBILE not in str(masked)
    return str(receipt["case_id"])


def _approved_in_part(story: SmallArchive, case_id: str) -> str:
    with story.as_("handler") as handler:
        filed = handler.post("/v1/access-requests", json=story.form(case_id, fields=["petitioners[].name", "petitioners[].mobile"]))
    assert filed.status_code == 201, filed.text
    where = f"/v1/access-requests/{filed.json()['request_id']}"
    with story.as_("leader") as leader:
        read = leader.get(where)
        assert read.json()["decidable"] is True
        assert read.json()["reason"] == "复查需要核对信访人姓名"
        assert read.headers["ETag"] == '"1"'
        trimmed = leader.post(
            f"{where}/decisions",
            json={"verdict": "approve", "reason": "只同意姓名", "trim": {"fields": ["petitioners[].name"]}},
            headers={"If-Match": read.headers["ETag"]},
        )
    assert trimmed.json()["status"] == "pending", trimmed.text
    with story.as_("principal") as principal:
        waiting = principal.get("/v1/access-requests", params={"box": "to-decide"}).json()["requests"]
        assert filed.json()["request_id"] in {one["request_id"] for one in waiting}
        assert principal.get(where).json()["decisions"][0]["comment"] == "只同意姓名"
        decided = principal.post(f"{where}/decisions", json={"verdict": "approve"}, headers={"If-Match": trimmed.headers["ETag"]})
    assert decided.json()["status"] == "approved", decided.text
    return str(decided.json()["grant_id"])


def _opened_and_given_back(story: SmallArchive, case_id: str, grant: str) -> None:
    handler = story.as_("handler")
    opened = handler.post(f"/v1/grants/{grant}/openings", json={"case_id": case_id})
    assert opened.status_code == 201, opened.text
    view = opened.json()["view"]
    assert view["record"]["petitioners"][0]["name"] == "张三"
    assert view["clear"] == ["petitioners[].name"]
    assert "petitioners[].mobile" in view["masked"]
    assert MOBILE not in opened.text
    assert opened.json()["uses_left"] == 1
    assert opened.json()["watermark"]["log_index"] == opened.json()["outcome_index"]
    again = handler.get(opened.headers["Location"])
    assert (again.status_code, again.json()["uses_left"]) == (200, 1)
    assert story.entries("access.intent")[-1].fields == ("petitioners[].name",)
    assert handler.post(f"/v1/grants/{grant}/return").status_code == 200
    assert handler.get(opened.headers["Location"]).status_code == 403
    refused = handler.post(f"/v1/grants/{grant}/openings", json={"case_id": case_id})
    assert (refused.status_code, refused.json()["code"]) == (403, "grant-required")
    assert handler.get(f"/v1/cases/{case_id}").json()["record"]["petitioners"][0]["name"] != "张三"
    assert handler.get("/v1/grants").json()["grants"][0]["status"] == "returned"


def test_a_grant_ends_by_itself_and_its_running_session_with_it(story: SmallArchive) -> None:
    case_id = story.deposited()
    grant = story.granted(case_id)
    opened = story.as_("handler").post(f"/v1/grants/{grant}/openings", json={"case_id": case_id})
    assert opened.status_code == 201
    story.clock.advance(3 * 86400)
    handler = story.as_("handler")
    assert handler.get(opened.headers["Location"]).status_code == 404
    assert handler.post(f"/v1/grants/{grant}/openings", json={"case_id": case_id}).json()["code"] == "grant-required"


def test_a_grant_opens_as_often_as_it_says_and_not_once_more(story: SmallArchive) -> None:
    case_id = story.deposited()
    grant = story.granted(case_id, max_uses=2)
    for left in (1, 0):
        answer = story.as_("handler").post(f"/v1/grants/{grant}/openings", json={"case_id": case_id})
        assert (answer.status_code, answer.json()["uses_left"]) == (201, left)
        story.clock.advance(16 * 60)
    assert story.as_("handler").post(f"/v1/grants/{grant}/openings", json={"case_id": case_id}).status_code == 403


def test_an_approver_takes_a_grant_back_and_the_next_read_shows_nothing(story: SmallArchive) -> None:
    case_id = story.deposited()
    grant = story.granted(case_id)
    opened = story.as_("handler").post(f"/v1/grants/{grant}/openings", json={"case_id": case_id})
    assert story.as_("leader").post(f"/v1/grants/{grant}/revocation", json={"reason": "任务变化"}).status_code == 200
    assert story.as_("handler").get(opened.headers["Location"]).status_code == 403


def test_a_receipt_is_proved_by_the_published_log_alone(story: SmallArchive) -> None:
    with story.as_system() as system:
        receipt = system.post("/v1/cases", json=story.record()).json()
        proof = _until_published(lambda: system.get(receipt["proof_url"]))
    found = LogProof.parse(proof.content)
    key = VerifierKey.parse(story.house.publishing.signers("F001", 1).vkey)
    assert found.extra is not None
    found.verify(found.extra, key)
    assert found.index == receipt["log"]["index"]
    assert receipt["digest"]["value"] in found.extra.decode()


def _until_published(ask: Any) -> Any:
    deadline = time.monotonic() + 20
    answer = ask()
    while answer.status_code == 409 and time.monotonic() < deadline:
        assert answer.json()["code"] == "not-yet-published"
        assert answer.headers["Retry-After"] == "1"
        time.sleep(0.1)
        answer = ask()
    assert answer.status_code == 200, answer.text
    return answer
