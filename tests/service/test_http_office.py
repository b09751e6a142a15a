"""The office over HTTP: who may do what to whom, and that it takes two administrators to make anybody anything."""

from __future__ import annotations

import pytest

from foundation.ids import new_id
from small_archive import SmallArchive

ADMINISTRATION = [
    ("/v1/units", {"code": "X-1", "title": "示例"}, {"sysadmin"}),
    ("/v1/people", {"staff_no": "X-1", "display_name": "示例"}, {"sysadmin"}),
    ("/v1/clients", {"source_system": "x", "title": "示例", "public_jwk": {}}, {"sysadmin"}),
]


@pytest.mark.parametrize(("path", "body", "allowed"), ADMINISTRATION)
def test_only_the_administrator_concerned_changes_the_office(
    archive: SmallArchive, path: str, body: dict[str, object], allowed: set[str]
) -> None:
    for name in ("handler", "leader", "principal", "inspector", "sysadmin", "secadmin", "auditadmin"):
        with archive.as_(name) as client:
            answer = client.post(path, json=body | {own: new_id() for own in ("code", "staff_no") if own in body})
        if name in allowed:
            assert answer.status_code in {201, 422, 409}, (name, answer.text)
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "not-permitted"), name


def test_the_register_is_listed_for_those_who_may_look_and_the_look_is_on_record(archive: SmallArchive) -> None:
    before = len(archive.entries("office.listed"))
    with archive.as_("secadmin") as secadmin:
        units = secadmin.get("/v1/units").json()["units"]
        posts = secadmin.get("/v1/posts").json()["posts"]
        people = secadmin.get("/v1/people", params={"limit": 3}).json()["people"]
        further = secadmin.get("/v1/people", params={"limit": 3, "after": people[-1]["person_id"]}).json()["people"]
        assert secadmin.get("/v1/people", params={"after": "x"}).status_code == 422
        assert secadmin.get("/v1/people", params={"limit": 0}).status_code == 422
        accounts = secadmin.get("/v1/accounts").json()["accounts"]
        clients = secadmin.get("/v1/clients").json()["clients"]
        sessions = secadmin.get(f"/v1/accounts/{archive.people['secadmin'].account_id}/sessions").json()["sessions"]
    assert {"U-0", "U-1"} <= {one["code"] for one in units}
    held = next(one for one in posts if one["role"] == "legal")["holders"]
    assert [one["person_id"] for one in held] == [archive.people["legal"].person_id]
    assert not {one["person_id"] for one in people} & {one["person_id"] for one in further}
    assert {"county-petition", "hotline"} <= {one["source_system"] for one in clients}
    assert next(one for one in accounts if one["login"] == "leader")["second_factor"] is True
    assert sessions[0]["assurance"] == 2
    assert len(archive.entries("office.listed")) == before + 7
    with archive.as_("handler") as handler:
        assert handler.get("/v1/people").json()["code"] == "not-permitted"


def test_nobody_appoints_themselves_nor_joins_what_must_stay_apart(archive: SmallArchive) -> None:
    with archive.as_("secadmin") as secadmin:
        posts = secadmin.get("/v1/posts").json()["posts"]
        handler_post = next(one["post_id"] for one in posts if one["role"] == "handler")
        own = secadmin.post(f"/v1/posts/{handler_post}/holdings", json={"person_id": archive.people["secadmin"].person_id})
        assert (own.status_code, own.json()["code"]) == (409, "not-oneself")
        both = secadmin.post(
            f"/v1/posts/{handler_post}/holdings", json={"person_id": archive.people["auditadmin"].person_id, "acting": True}
        )
        assert (both.status_code, both.json()["code"]) == (409, "separation-broken")
        absent = secadmin.post(f"/v1/posts/{new_id()}/holdings", json={"person_id": archive.people["handler"].person_id})
        assert absent.status_code == 404
        foreign = secadmin.post(f"/v1/accounts/{archive.people['other_handler'].account_id}/block", json={})
        assert foreign.status_code == 404


def test_a_post_left_is_left_at_the_next_request(archive: SmallArchive) -> None:
    with archive.as_("sysadmin") as sysadmin:
        unit_id = next(one["unit_id"] for one in sysadmin.get("/v1/units").json()["units"] if one["code"] == "U-1")
        post = sysadmin.post("/v1/posts", json={"unit_id": unit_id, "role": "archivist", "title": "档案员"}).json()["id"]
    colleague = archive.people["colleague"]
    with archive.as_("secadmin") as secadmin, archive.as_("colleague", role="archivist") as client:
        assert client.post("/v1/cases:find", json={}).json()["code"] == "role-not-held"
        holding = secadmin.post(f"/v1/posts/{post}/holdings", json={"person_id": colleague.person_id}).json()["id"]
        assert client.post("/v1/cases:find", json={}).status_code == 200
        assert secadmin.post(f"/v1/holdings/{holding}/end", json={"reason": "交接"}).status_code == 204
        assert client.post("/v1/cases:find", json={}).json()["code"] == "role-not-held"
        assert secadmin.post(f"/v1/holdings/{holding}/end", json={}).status_code == 409


def test_a_blocked_account_and_an_ended_session_stop_at_the_next_request(archive: SmallArchive) -> None:
    person = archive.people["collaborator"]
    person.signed_in_at = None
    with archive.as_("secadmin") as secadmin, archive.as_("collaborator") as client:
        session_id = client.get("/v1/me").json()["session_id"]
        assert secadmin.post(f"/v1/sessions/{session_id}/revocation", json={}).status_code == 204
        assert client.get("/v1/me").status_code == 401
        person.signed_in_at = None
    with archive.as_("secadmin") as secadmin, archive.as_("collaborator") as client:
        assert secadmin.post(f"/v1/accounts/{person.account_id}/block", json={"reason": "离岗"}).status_code == 204
        assert client.get("/v1/me").status_code == 401
        assert archive.sign_in("collaborator").status_code == 401
        assert secadmin.post(f"/v1/accounts/{person.account_id}/unblock", json={}).status_code == 204
    person.signed_in_at = None
    assert archive.as_("collaborator").get("/v1/me").status_code == 200


def test_a_reset_secret_is_a_first_secret_again(archive: SmallArchive) -> None:
    with archive.as_("sysadmin") as sysadmin:
        person = sysadmin.post("/v1/people", json={"staff_no": f"R-{new_id()[-6:]}", "display_name": "示例"}).json()["id"]
        made = sysadmin.post("/v1/accounts", json={"person_id": person, "login": f"r-{new_id()[-8:]}"}).json()
        assert sysadmin.post("/v1/accounts", json={"person_id": person, "login": "second-one"}).json()["code"] == "already-there"
    with archive.as_("secadmin") as secadmin:
        reset = secadmin.post(f"/v1/accounts/{made['account_id']}/secret-reset", json={}).json()
        assert secadmin.post(f"/v1/accounts/{made['account_id']}/factor-reset", json={}).status_code == 409
    body = {"fonds": "F001", "login": made["login"]}
    assert archive.http.post(f"{archive.url}/v1/sessions", json=body | {"password": made["first_secret"]}).status_code == 401
    opened = archive.http.post(f"{archive.url}/v1/sessions", json=body | {"password": reset["first_secret"]})
    assert (opened.status_code, opened.json()["must_change_secret"]) == (201, True)
