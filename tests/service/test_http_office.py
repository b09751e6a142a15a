"""The office over HTTP: who may do what to whom, and that it takes two administrators to make anybody anything."""

from __future__ import annotations

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from auth.clients import client_of
from auth_office import jwk_of
from foundation.ids import new_id
from small_archive import FONDS, SOURCE, CaseSystem, SmallArchive

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


@pytest.mark.parametrize("what", ["units", "posts", "people", "accounts"])
def test_pages_of_the_register_lead_to_the_next_until_everything_was_shown_once(archive: SmallArchive, what: str) -> None:
    with archive.as_("secadmin") as secadmin:
        whole = secadmin.get(f"/v1/{what}")
        shown, url, pages = [], httpx.URL(f"{archive.url}/v1/{what}?limit=2"), 0
        while True:
            page = secadmin.get(url)
            shown += page.json()[what]
            pages += 1
            if "next" not in page.links:
                break
            assert len(page.json()[what]) == 2
            url = page.url.join(page.links["next"]["url"])
    assert pages > 2
    assert shown == whole.json()[what]
    assert "next" not in whole.links


def test_a_question_that_is_asked_by_post_leads_on_by_its_body_alone(archive: SmallArchive) -> None:
    for _ in range(2):
        archive.deposited()
    with archive.as_("inspector") as inspector:
        for path, body in (("/v1/cases:find", {"limit": 1}), ("/v1/audit:query", {"limit": 1})):
            page = inspector.post(path, json=body)
            assert page.json()["cursor"] is not None
            assert "Link" not in page.headers


def test_units_posts_and_people_change_and_end_over_http_and_every_step_is_on_record(archive: SmallArchive) -> None:
    kinds = ("unit.renamed", "unit.moved", "unit.ended", "post.ended", "account.closed", "person.left")
    before = len(archive.entries(*kinds))
    with archive.as_("sysadmin") as sysadmin, archive.as_("secadmin") as secadmin:

        def made(path: str, **body: object) -> str:
            answer = sysadmin.post(path, json=body)
            assert answer.status_code == 201, answer.text
            return str(answer.json().get("id") or answer.json()["account_id"])

        root = next(one["unit_id"] for one in sysadmin.get("/v1/units").json()["units"] if one["code"] == "U-0")
        above = made("/v1/units", code=f"U-{new_id()[-8:]}", title="示例上级", parent_id=root)
        unit = made("/v1/units", code=f"U-{new_id()[-8:]}", title="示例科", parent_id=root)
        post = made("/v1/posts", unit_id=unit, role="handler", title="示例岗")
        person = made("/v1/people", staff_no=f"L-{new_id()[-8:]}", display_name="示例离任")
        account = made("/v1/accounts", person_id=person, login=f"leaver-{new_id()[-8:]}")
        archive.clock.advance(1)
        assert sysadmin.post(f"/v1/units/{unit}/rename", json={"title": "示例新科"}).status_code == 204
        assert sysadmin.post(f"/v1/units/{unit}/move", json={"parent_id": above}).json()["code"] == "not-permitted"
        archive.clock.advance(1)
        assert secadmin.post(f"/v1/units/{unit}/move", json={"parent_id": above, "reason": "机构改革"}).status_code == 204
        assert secadmin.post(f"/v1/units/{above}/move", json={"parent_id": unit}).json()["code"] == "unit-cycle"
        holding = secadmin.post(f"/v1/posts/{post}/holdings", json={"person_id": person}).json()["id"]
        for path in (f"/v1/people/{person}/leave", f"/v1/posts/{post}/end", f"/v1/units/{unit}/end"):
            assert sysadmin.post(path, json={}).json()["code"] == "still-in-use"
        archive.clock.advance(1)
        assert secadmin.post(f"/v1/holdings/{holding}/end", json={}).status_code == 204
        for path, body in (
            (f"/v1/people/{person}/leave", {"reason": "退休"}),
            (f"/v1/posts/{post}/end", {}),
            (f"/v1/units/{unit}/end", {"successor_id": above}),
        ):
            assert sysadmin.post(path, json=body).status_code == 204, path
            assert sysadmin.post(path, json=body).json()["code"] == "not-in-force"
        units = {one["unit_id"]: one for one in sysadmin.get("/v1/units").json()["units"]}
        accounts = {one["account_id"]: one["state"] for one in sysadmin.get("/v1/accounts").json()["accounts"]}
    assert (units[unit]["title"], units[unit]["parent_id"], units[unit]["successor_id"]) == ("示例新科", above, above)
    assert [(one["title"], one.get("parent_id")) for one in units[unit]["former"]] == [("示例科", root), ("示例新科", root)]
    assert units[above]["former"] == []
    assert accounts[account] == "closed"
    new = [entry.members for entry in archive.entries(*kinds)[before:]]
    assert [entry["kind"] for entry in new] == ["unit.renamed", "unit.moved", "account.closed", "person.left", "post.ended", "unit.ended"]
    assert [entry["object"]["id"] for entry in new] == [unit, unit, account, person, post, unit]
    assert "示例" not in str(new)


def test_one_administrator_alone_empties_no_office_and_makes_no_second_root(archive: SmallArchive) -> None:
    with archive.as_("sysadmin") as sysadmin, archive.as_("secadmin") as secadmin:
        for whom, client in (("secadmin", sysadmin), ("auditadmin", sysadmin), ("auditadmin", secadmin), ("sysadmin", secadmin)):
            answer = client.post(f"/v1/accounts/{archive.people[whom].account_id}/block", json={})
            assert (answer.status_code, answer.json()["code"]) == (409, "last-administrator"), whom
        posts = {one["role"]: one for one in secadmin.get("/v1/posts").json()["posts"]}
        for whom in ("auditadmin", "sysadmin"):
            answer = secadmin.post(f"/v1/holdings/{posts[whom]['holders'][0]['holding_id']}/end", json={})
            assert (answer.status_code, answer.json()["code"]) == (409, "last-administrator"), whom
        root = sysadmin.post("/v1/units", json={"code": "000", "title": "示例另局"})
        assert (root.status_code, root.json()["code"]) == (409, "one-root")
        unit = next(one["unit_id"] for one in sysadmin.get("/v1/units").json()["units"] if one["code"] == "U-2")
        assert secadmin.post(f"/v1/units/{unit}/move", json={}).json()["code"] == "one-root"
    assert archive.sign_in("auditadmin", totp="000000").json()["code"] == "sign-in-refused"


def test_a_second_key_of_a_source_system_corrects_nothing_until_the_security_administrator_confirms_it(archive: SmallArchive) -> None:
    record = archive.record()
    case_id, key = archive.deposited(record), ec.generate_private_key(ec.SECP256R1())
    body = {"base_version": 1, "reason": "更正", "case": record | {"title": "示例改写"}}
    form = {"source_system": SOURCE, "title": "示例新密钥", "public_jwk": jwk_of(key)}
    with archive.as_("sysadmin") as sysadmin, archive.as_("secadmin") as secadmin:
        made = sysadmin.post("/v1/clients", json=form).json()
        assert made["state"] == "blocked"
        with archive.house.desk.db.read() as conn:
            client = client_of(conn, FONDS, made["client_id"])
        assert client is not None
        archive.systems["second"] = CaseSystem(client, key)
        assert archive.ask_token(archive.assertion("second")).json()["code"] == "client-refused"
        path = f"/v1/clients/{made['client_id']}/confirmation"
        assert sysadmin.post(path, json={}).json()["code"] == "not-permitted"
        assert secadmin.post(path, json={"reason": "更换密钥"}).status_code == 204
        assert secadmin.post(path, json={}).json()["code"] == "not-in-force"
        with archive.as_system("second") as second:
            assert second.post(f"/v1/cases/{case_id}/corrections", json=body).status_code == 201
        states = {one["client_id"]: one["state"] for one in secadmin.get("/v1/clients").json()["clients"]}
        assert states[made["client_id"]] == states[archive.systems[SOURCE].client.client_id] == "active"
        assert sysadmin.post(f"/v1/clients/{made['client_id']}/revocation", json={}).status_code == 204


def test_nobody_lets_themselves_leave_by_an_act_of_their_own(archive: SmallArchive) -> None:
    with archive.as_("sysadmin") as sysadmin:
        answer = sysadmin.post(f"/v1/people/{archive.people['sysadmin'].person_id}/leave", json={})
    assert (answer.status_code, answer.json()["code"]) == (409, "not-oneself")


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
