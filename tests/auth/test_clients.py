from __future__ import annotations

import base64
import json
import threading
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select

from auth.clients import Client, client_of, clients_in, issue_token, revoke_client
from auth.errors import AlreadyThere, BadKey, ClientRefused, NotInForce, NotSignedIn, RoleNotHeld, SignInRefused
from auth.people import account
from auth.sessions import of_bearer, principal_of, touch
from auth.tables import assertion_jtis
from auth_office import FONDS, OWN, TOKEN_ENDPOINT, Office, jwk_of, refusal, sign_es256
from foundation.errors import InvalidInput
from foundation.ids import new_id
from foundation.tables import SYSTEM_FONDS


def ask(office: Office, assertion: str) -> Any:
    return issue_token(office.ctx, assertion, network="intranet", request_id=new_id())


def session_of(office: Office, token: str) -> Any:
    with office.database.read() as conn:
        return of_bearer(office.ctx, conn, token)


def test_a_client_with_its_key_becomes_a_depositor_of_its_one_fonds(office: Office) -> None:
    client, key = office.client()
    issued = ask(office, office.assertion(client, key))
    session = session_of(office, issued.access_token)
    principal = principal_of(session)
    assert (principal.kind, principal.role, principal.posts) == ("service", "depositor", ())
    assert principal.roles == {"depositor"}
    assert (principal.fonds, principal.person_id, principal.assurance, issued.expires_in) == (FONDS, None, 1, 600)
    with office.database.read() as conn:
        found = client_of(conn, FONDS, client.client_id)
    assert found is not None
    assert (found.source_system, found.account_id) == ("xf-city", principal.account_id)
    entry = office.entries("client.token-issued")[-1]
    assert entry["object"] == {"kind": "client", "id": client.name}
    assert entry["actor"]["session"] == session.session_id


def test_a_client_can_take_no_other_role_and_no_password_opens_its_account(office: Office) -> None:
    client, key = office.client()
    session = session_of(office, ask(office, office.assertion(client, key)).access_token)
    for role in ("handler", "secadmin", ""):
        assert isinstance(refusal(partial(principal_of, session, role)), RoleNotHeld)
    with office.database.read() as conn:
        assert account(conn, FONDS, client.account_id).secret_hash is None
    assert isinstance(refusal(lambda: office.sign_in(f"client-{client.client_id}", OWN)), SignInRefused)


def test_an_assertion_is_good_once(office: Office) -> None:
    client, key = office.client()
    assertion = office.assertion(client, key)
    ask(office, assertion)
    assert isinstance(refusal(lambda: ask(office, assertion)), ClientRefused)
    assert office.entries("client.token-refused")[-1]["reason"] == "jti-used"
    assert isinstance(refusal(lambda: ask(office, office.assertion(client, key, jti=_jti(assertion)))), ClientRefused)


def _jti(assertion: str) -> str:
    part = assertion.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))["jti"])


def test_of_many_uses_of_one_assertion_at_the_same_instant_one_gets_a_token(office: Office) -> None:
    client, key = office.client()
    for _ in range(5):
        assertion = office.assertion(client, key)
        gate, outcomes = threading.Barrier(2), list[str]()

        def use(assertion: str = assertion, gate: threading.Barrier = gate, outcomes: list[str] = outcomes) -> None:
            gate.wait()
            try:
                ask(office, assertion)
                outcomes.append("token")
            except ClientRefused:
                outcomes.append("refused")

        threads = [threading.Thread(target=use) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["refused", "token"]


def test_the_same_jti_of_two_clients_is_two_names(office: Office) -> None:
    for system in ("xf-city", "hotline"):
        client, key = office.client(source_system=system)
        ask(office, office.assertion(client, key, jti="one-and-the-same"))


def test_a_used_assertion_is_remembered_for_as_long_as_it_would_still_be_taken(office: Office) -> None:
    client, key = office.client()
    assertion = office.assertion(client, key)
    ask(office, assertion)
    office.clock.advance(60 + 29)
    ask(office, office.assertion(client, key))
    assert isinstance(refusal(lambda: ask(office, assertion)), ClientRefused)
    assert office.entries("client.token-refused")[-1]["reason"] == "jti-used"
    office.clock.advance(3600)
    ask(office, office.assertion(client, key))
    with office.database.read() as conn:
        assert len(conn.execute(select(assertion_jtis)).all()) == 1, "what is past is swept away"


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "https://other.example"}, {"exp": 1}, {"iss": "F001.x"}, {"sub": "F001.x"}, {"iss": "F002"}, {"iss": 7},
        {"iss": "\0." + "0" * 36}, {"iat": True}, {"jti": ""},
    ],
)  # fmt: skip
def test_every_refused_assertion_gets_one_answer_and_an_entry(office: Office, change: dict[str, Any]) -> None:
    client, key = office.client()
    refused = refusal(lambda: ask(office, office.assertion(client, key, **change)))
    assert (type(refused), refused.params) == (ClientRefused, {})
    assert len(office.entries("client.token-refused") + office.entries("client.token-refused", SYSTEM_FONDS)) == 1


@pytest.mark.parametrize("garbage", ["", "a.b.c", "x" * 9000, "\ud800.a.b", "..", "eyJ9.eyJ9.AA"])
def test_garbage_in_place_of_an_assertion_is_refused_alike(office: Office, garbage: str) -> None:
    assert isinstance(refusal(lambda: ask(office, garbage)), ClientRefused)
    assert len(office.entries("client.token-refused", SYSTEM_FONDS)) == 1


def test_another_clients_key_does_not_speak_for_this_one(office: Office) -> None:
    client, _ = office.client()
    other, other_key = office.client(source_system="hotline")
    assert isinstance(refusal(lambda: ask(office, office.assertion(client, other_key))), ClientRefused)
    stolen_name = Client(other.fonds, other.client_id, other.account_id, "x", client.kid, {}, "active", revoked=False)
    assert isinstance(refusal(lambda: ask(office, office.assertion(stolen_name, other_key))), ClientRefused)


def test_a_client_of_one_fonds_is_unknown_in_another(office: Office) -> None:
    client, key = office.client()
    now = int(office.clock.now().timestamp())
    name = f"F002.{client.client_id}"
    body = {"iss": name, "sub": name, "aud": TOKEN_ENDPOINT, "jti": new_id(), "iat": now, "exp": now + 60}
    assert isinstance(refusal(lambda: ask(office, sign_es256(key, {"alg": "ES256"}, body))), ClientRefused)


def test_an_access_token_is_no_assertion_and_an_assertion_no_access_token(office: Office) -> None:
    client, key = office.client()
    assertion = office.assertion(client, key)
    token = ask(office, assertion).access_token
    assert isinstance(refusal(lambda: ask(office, token)), ClientRefused)
    assert isinstance(refusal(lambda: session_of(office, assertion)), NotSignedIn)


def test_revoking_a_client_ends_its_tokens_at_their_next_use(office: Office) -> None:
    client, key = office.client()
    token = ask(office, office.assertion(client, key)).access_token
    session_of(office, token)
    office.do(lambda unit: revoke_client(unit, client.client_id, at=office.clock.now()))
    assert isinstance(refusal(lambda: session_of(office, token)), NotSignedIn)
    assert isinstance(refusal(lambda: ask(office, office.assertion(client, key))), ClientRefused)
    assert office.entries("client.token-refused")[-1]["reason"] == "revoked"
    again = refusal(lambda: office.do(lambda unit: revoke_client(unit, client.client_id, at=office.clock.now())))
    assert isinstance(again, NotInForce)


def test_a_clients_token_ends_by_itself(office: Office) -> None:
    client, key = office.client()
    token = ask(office, office.assertion(client, key)).access_token
    session = session_of(office, token)
    touch(office.ctx, session)
    office.clock.advance(600)
    assert isinstance(refusal(lambda: session_of(office, token)), NotSignedIn)
    assert session.expires - session.created == timedelta(minutes=10)


def test_one_key_is_one_client_and_gets_its_thumbprint_as_kid(office: Office) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    client, _ = office.client(public_jwk=jwk_of(key))
    assert len(client.kid) == 43
    assert isinstance(refusal(lambda: office.client(public_jwk=jwk_of(key))), AlreadyThere)
    named, _ = office.client(public_jwk={**jwk_of(ec.generate_private_key(ec.SECP256R1())), "kid": "xf-2026", "use": "sig", "alg": "ES256"})
    assert named.kid == "xf-2026"
    with office.database.read() as conn:
        assert [found.client_id for found in clients_in(conn, FONDS)] == [client.client_id, named.client_id]


def test_a_private_key_is_not_taken_and_not_kept(office: Office) -> None:
    jwk = {**jwk_of(ec.generate_private_key(ec.SECP256R1())), "d": "AAAA"}
    assert isinstance(refusal(lambda: office.client(public_jwk=jwk)), BadKey)


@pytest.mark.parametrize("bad", [{"source_system": ""}, {"title": "x\n"}, {"source_system": "x" * 61}])
def test_a_client_is_registered_under_a_readable_name(office: Office, bad: dict[str, str]) -> None:
    assert isinstance(refusal(lambda: office.client(**bad)), InvalidInput)
    key = {**jwk_of(ec.generate_private_key(ec.SECP256R1())), "kid": "河"}
    assert isinstance(refusal(lambda: office.client(public_jwk=key)), InvalidInput)
