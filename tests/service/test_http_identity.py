"""Signing in, tokens, roles and what a session may do before it may do anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from auth.clients import client_of
from auth_office import b64, jwk_of, sign_es256
from foundation.ids import new_id
from fresh_databases import FreshDatabases
from small_archive import FONDS, PUBLIC_URL, SECRET, SOURCE, CaseSystem, SmallArchive, small_archive

OWN = "蓝色 lantern under nine bridges"


def test_sign_in_gives_a_token_that_opens_exactly_one_account(archive: SmallArchive) -> None:
    with archive.as_("leader") as leader:
        me = leader.get("/v1/me").json()
    assert me["account_id"] == archive.people["leader"].account_id
    assert (me["assurance"], me["must_change_secret"], me["must_enrol_factor"]) == (2, False, False)
    assert [post["role"] for post in me["posts"]] == ["leader"]
    assert me["posts"][0]["unit_path"] == ["U-0", "U-1"]


def test_every_refused_sign_in_reads_alike(archive: SmallArchive) -> None:
    archive.clock.advance(60)
    answers = [
        archive.sign_in("legal", password="wrong wrong wrong"),
        archive.sign_in("legal", login="nobody-of-that-name"),
        archive.sign_in("legal", fonds="F999"),
        archive.sign_in("legal", fonds="no such fonds!"),
        archive.sign_in("legal", totp="000000"),
        archive.sign_in("legal", totp=None),
        archive.sign_in("legal", login="client-" + archive.systems[SOURCE].client.client_id),
    ]
    bodies = [{name: value for name, value in answer.json().items() if name != "request_id"} for answer in answers]
    assert {answer.status_code for answer in answers} == {401}
    assert all(body == bodies[0] for body in bodies)
    assert bodies[0]["code"] == "sign-in-refused"


def test_a_one_time_code_is_good_once(archive: SmallArchive) -> None:
    archive.clock.advance(60)
    first, second = archive.sign_in("auditadmin"), archive.sign_in("auditadmin")
    assert (first.status_code, second.status_code) == (201, 401)


def test_a_first_secret_must_be_changed_and_a_factor_enrolled_before_anything_else(archive: SmallArchive) -> None:
    with archive.as_("sysadmin") as sysadmin:
        unit_id = next(one["unit_id"] for one in sysadmin.get("/v1/units").json()["units"] if one["code"] == "U-2")
        person = sysadmin.post("/v1/people", json={"staff_no": f"N-{new_id()[-6:]}", "display_name": "示例新人"}).json()["id"]
        post = sysadmin.post("/v1/posts", json={"unit_id": unit_id, "role": "leader", "title": "分管领导"}).json()["id"]
        made = sysadmin.post("/v1/accounts", json={"person_id": person, "login": f"new-{new_id()[-8:]}"}).json()
    with archive.as_("secadmin") as secadmin:
        assert secadmin.post(f"/v1/posts/{post}/holdings", json={"person_id": person}).status_code == 201
    body = {"fonds": FONDS, "login": made["login"], "password": made["first_secret"]}
    opened = archive.http.post(f"{archive.url}/v1/sessions", json=body).json()
    assert (opened["must_change_secret"], opened["must_enrol_factor"]) == (True, True)
    client = httpx.Client(base_url=archive.url, headers={"Authorization": f"Bearer {opened['access_token']}"}, timeout=60)
    assert client.post("/v1/cases:find", json={}).json()["code"] == "secret-must-change"
    assert client.post("/v1/me/totp", json={"current": made["first_secret"]}).json()["code"] == "secret-must-change"
    weak = client.post("/v1/me/secret", json={"current": made["first_secret"], "new": "password1234"})
    assert (weak.status_code, weak.json()["code"]) == (422, "secret-refused")
    assert client.post("/v1/me/secret", json={"current": "wrong", "new": OWN}).json()["code"] == "secret-wrong"
    assert client.post("/v1/me/secret", json={"current": made["first_secret"], "new": OWN}).status_code == 204
    step_up = client.post("/v1/cases:find", json={})
    assert (step_up.status_code, step_up.json()["code"]) == (401, "factor-missing")
    assert 'error="insufficient_user_authentication"' in step_up.headers["WWW-Authenticate"]
    assert client.get("/v1/me").json()["must_enrol_factor"] is True
    assert client.post("/v1/me/totp", json={}).status_code == 422
    stolen = client.post("/v1/me/totp", json={"current": made["first_secret"]})
    assert (stolen.status_code, stolen.json()["code"]) == (403, "secret-wrong")
    enrolment = client.post("/v1/me/totp", json={"current": OWN}).json()
    assert enrolment["otpauth_uri"].startswith("otpauth://totp/")
    assert client.post("/v1/me/totp:confirm", json={"code": "000000"}).json()["code"] == "factor-refused"
    code = pyotp.TOTP(enrolment["secret"]).at(archive.clock.now())
    assert client.post("/v1/me/totp:confirm", json={"code": code}).status_code == 204
    assert client.post("/v1/cases:find", json={}).status_code == 200
    assert client.get("/v1/me").json()["assurance"] == 2


def test_a_session_is_listed_renewed_ended_and_then_worthless(archive: SmallArchive) -> None:
    archive.people["collaborator"].signed_in_at = None
    with archive.as_("collaborator") as here:
        elsewhere = archive.sign_in("collaborator").json()
        listed = here.get("/v1/sessions").json()["sessions"]
        assert sum(one["current"] for one in listed) == 1
        assert elsewhere["session_id"] in {one["session_id"] for one in listed}
        other = httpx.Client(base_url=archive.url, headers={"Authorization": f"Bearer {elsewhere['access_token']}"})
        assert other.get("/v1/me").status_code == 200
        assert here.delete(f"/v1/sessions/{elsewhere['session_id']}").status_code == 204
        ended = other.get("/v1/me")
        assert (ended.status_code, ended.json()["code"]) == (401, "not-signed-in")
        assert 'error="invalid_token"' in ended.headers["WWW-Authenticate"]
        assert here.delete(f"/v1/sessions/{new_id()}").status_code == 404
        renewed = here.post("/v1/sessions/current/token").json()
        fresh = httpx.Client(base_url=archive.url, headers={"Authorization": f"Bearer {renewed['access_token']}"})
        assert fresh.delete("/v1/sessions/current").status_code == 204
        assert here.get("/v1/me").status_code == 401
    archive.people["collaborator"].signed_in_at = None


def test_nobody_ends_a_session_of_somebody_else_through_their_own_list(archive: SmallArchive) -> None:
    with archive.as_("leader") as leader, archive.as_("colleague") as colleague:
        session_id = leader.get("/v1/me").json()["session_id"]
        assert colleague.delete(f"/v1/sessions/{session_id}").status_code == 404
        assert leader.get("/v1/me").status_code == 200


def test_the_role_acted_in_is_chosen_among_those_held_and_no_other(archive: SmallArchive) -> None:
    with archive.as_("two_posts") as client:
        assert client.post("/v1/cases:find", json={}).status_code == 200
        for role, status in (("handler", 200), ("leader", 200), ("inspector", 403), ("sysadmin", 403), ("no-such-role", 403)):
            answer = client.post("/v1/cases:find", json={}, headers={"Archive-Role": role})
            assert answer.status_code == status, role
    entries = [entry.members["actor"]["role"] for entry in archive.entries("case.listed")[-3:]]
    assert entries == ["handler", "handler", "leader"]


def test_an_idle_session_ends_and_an_access_token_sooner(archive: SmallArchive) -> None:
    with archive.as_("external_supervisor") as client:
        assert client.get("/v1/me").status_code == 200
        archive.clock.advance(11 * 60)
        assert client.get("/v1/me").status_code == 401
    assert archive.as_("external_supervisor").get("/v1/me").status_code == 200


# ------------------------------------------------------------------------------------------------ tokens of case systems


def test_an_assertion_is_good_for_one_token(archive: SmallArchive) -> None:
    assertion = archive.assertion()
    first, again = archive.ask_token(assertion), archive.ask_token(assertion)
    assert (first.status_code, first.json()["token_type"]) == (200, "Bearer")
    assert (again.status_code, again.json()["code"], again.json()["error"]) == (401, "client-refused", "invalid_client")


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": f"{PUBLIC_URL}/v1"},
        {"aud": "https://elsewhere.example/v1/token"},
        {"exp": 4102444800},
        {"iss": "F001.nobody"},
        {"sub": "F002.somebody"},
        {"jti": ""},
        {"exp": "soon"},
    ],
)
def test_an_assertion_that_says_anything_else_is_refused_alike(archive: SmallArchive, changed: dict[str, Any]) -> None:
    answer = archive.ask_token(archive.assertion(**changed))
    assert (answer.status_code, answer.json()["code"]) == (401, "client-refused")


def test_an_assertion_of_one_client_signed_by_another_is_refused(archive: SmallArchive) -> None:
    mine, other = archive.systems[SOURCE], archive.systems["hotline"]
    now = int(archive.clock.now().timestamp())
    body = {"iss": mine.client.name, "sub": mine.client.name, "aud": f"{PUBLIC_URL}/v1/token", "jti": new_id(), "iat": now, "exp": now + 60}
    forged = sign_es256(other.key, {"alg": "ES256", "typ": "JWT", "kid": mine.client.kid}, body)
    assert archive.ask_token(forged).status_code == 401


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("grant_type=password&username=a&password=b", "unsupported-grant-type"),
        ("grant_type=client_credentials", "unsupported-grant-type"),
        ("grant_type=client_credentials&grant_type=client_credentials", "bad-request"),
        ("nonsense", "bad-request"),
        ("", "unsupported-grant-type"),
        ("&".join(f"a{number}=1" for number in range(20)), "bad-request"),
    ],
)
def test_the_token_endpoint_takes_one_grant_and_says_so(archive: SmallArchive, body: str, code: str) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = archive.http.post(f"{archive.url}/v1/token", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_a_token_that_was_forged_altered_or_made_by_nobody_opens_nothing(archive: SmallArchive) -> None:
    token = archive.token("handler")
    head, body, signature = token.split(".")
    unsigned = b64(json.dumps({"alg": "none", "typ": "at+jwt"}).encode())
    for wrong in ("x", "a.b.c", f"{head}.{body}.", f"{unsigned}.{body}.", f"{head}.{body}A.{signature}", token + "A", "x" * 9000):
        answer = archive.http.get(f"{archive.url}/v1/me", headers={"Authorization": f"Bearer {wrong}"})
        assert (answer.status_code, answer.json()["code"]) == (401, "not-signed-in"), wrong[:20]
    for shown in (f"Basic {token}", f"Token {token}", token, "Bearer"):
        assert archive.http.get(f"{archive.url}/v1/me", headers={"Authorization": shown}).status_code == 401


def test_a_revoked_client_and_its_tokens_end_at_once(archive: SmallArchive) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    with archive.as_("sysadmin") as sysadmin:
        body = {"source_system": "short-lived", "title": "示例系统", "public_jwk": jwk_of(key)}
        made = sysadmin.post("/v1/clients", json=body)
        assert made.status_code == 201, made.text
        private = body | {"public_jwk": jwk_of(key) | {"d": "AA"}}
        assert sysadmin.post("/v1/clients", json=private).json()["code"] == "key-refused"
    with archive.house.desk.db.read() as conn:
        client = client_of(conn, FONDS, made.json()["client_id"])
    assert client is not None
    archive.systems["short-lived"] = CaseSystem(client, key)
    with archive.as_system("short-lived") as system:
        assert system.post("/v1/cases", json=archive.record(source_system="short-lived")).status_code == 201
        with archive.as_("secadmin") as secadmin:
            assert secadmin.post(f"/v1/clients/{client.client_id}/revocation", json={"reason": "密钥外泄"}).status_code == 204
        assert system.post("/v1/cases", json=archive.record(source_system="short-lived")).status_code == 401
    assert archive.ask_token(archive.assertion("short-lived")).status_code == 401


def test_a_secret_that_is_too_old_must_be_changed_first(fresh_databases: FreshDatabases, tmp_path: Path) -> None:
    with fresh_databases.fresh("sqlite") as urls, small_archive(urls, tmp_path) as archive:
        archive.clock.advance(91 * 86400)
        opened = archive.sign_in("archivist").json()
        assert opened["must_change_secret"] is True
        with httpx.Client(base_url=archive.url, headers={"Authorization": f"Bearer {opened['access_token']}"}, timeout=60) as client:
            assert client.post("/v1/cases:find", json={}).json()["code"] == "secret-must-change"
            assert client.post("/v1/me/secret", json={"current": SECRET, "new": OWN}).status_code == 204
            assert client.post("/v1/cases:find", json={}).status_code == 200
