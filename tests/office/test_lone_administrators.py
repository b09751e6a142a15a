"""What one administrator alone cannot do: empty another's office, make a second root, or put a key in a case system's place."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from acts.errors import Refused
from auth.clients import Client, client_of, issue_token
from auth.errors import ClientRefused, NoSuchThing, NotInForce, StillInUse
from auth_office import holdings_of, jwk_of, sign_es256
from foundation.errors import ArchiveError
from foundation.ids import new_id
from office import people, units
from office.accounts import block_account, unblock_account
from office.administrators import ADMINISTRATORS
from office.clients import confirm_client, register_client, revoke_client
from office.errors import LastAdministrator, OneRoot
from office.posts import hold_post, leave_post
from office.reading import list_clients
from office.units import create_unit
from staff_world import FONDS, ISSUER, StaffWorld


@pytest.mark.parametrize(("by", "whom"), [(by, whom) for by in ("sysadmin", "secadmin") for whom in ADMINISTRATORS if by != whom])
def test_the_only_holder_of_an_administrators_office_cannot_be_blocked(staff_world: StaffWorld, by: str, whom: str) -> None:
    caller, account_id = staff_world.as_(by), staff_world.founded.secrets[whom].account_id
    with pytest.raises(LastAdministrator) as caught:
        block_account(staff_world.staff, caller, account_id)
    assert whom in caught.value.text_zh
    entry = staff_world.entries("access.refused")[-1].members
    assert (entry["reason"], entry["object"]["id"], entry["data"]["action"]) == ("last-administrator", account_id, "office.account_block")
    second = staff_world.hire(whom)
    block_account(staff_world.staff, caller, account_id)
    with pytest.raises(LastAdministrator):
        block_account(staff_world.staff, staff_world.as_(by) if by != whom else caller, second.account_id)


@pytest.mark.parametrize("whom", ["sysadmin", "auditadmin"])
def test_the_only_holder_of_an_administrators_office_cannot_be_taken_out_of_it(staff_world: StaffWorld, whom: str) -> None:
    by, person_id = staff_world.as_("secadmin"), staff_world.as_(whom).principal.person_id
    assert person_id is not None
    with staff_world.desk.db.read() as conn:
        holding = holdings_of(conn, FONDS, person_id=person_id)[0].holding_id
    with pytest.raises(LastAdministrator):
        leave_post(staff_world.staff, by, holding)
    if whom != "sysadmin":
        with pytest.raises(StillInUse):
            people.leave(staff_world.staff, staff_world.as_("sysadmin"), person_id)
    staff_world.hire(whom)
    leave_post(staff_world.staff, by, holding)


def test_a_stand_in_with_an_end_and_a_blocked_colleague_are_no_successors(staff_world: StaffWorld) -> None:
    by, only = staff_world.as_("secadmin"), staff_world.founded.secrets["auditadmin"].account_id
    week = staff_world.clock.now() + timedelta(days=7)
    other = staff_world.hire("inspector")
    leave_post(staff_world.staff, by, other.holding_id)
    staff_world.clock.advance(1)
    hold_post(staff_world.staff, staff_world.as_("secadmin"), post_id=staff_world.post("auditadmin"), person_id=other.person_id, ends=week)
    with pytest.raises(LastAdministrator):
        block_account(staff_world.staff, by, only)
    second = staff_world.hire("auditadmin")
    block_account(staff_world.staff, by, second.account_id)
    with pytest.raises(LastAdministrator):
        block_account(staff_world.staff, by, only)
    unblock_account(staff_world.staff, by, second.account_id)
    block_account(staff_world.staff, by, only)


def test_two_security_administrators_who_block_each_other_at_once_do_not_both_succeed(staff_world: StaffWorld) -> None:
    second = staff_world.hire("secadmin")
    first_id = staff_world.founded.secrets["secadmin"].account_id
    pairs = [(staff_world.as_("secadmin"), second.account_id), (staff_world.caller_of(second.account_id, "secadmin"), first_id)]
    gate, outcomes = threading.Barrier(2), list[str]()

    def block(n: int) -> None:
        caller, account_id = pairs[n]
        gate.wait()
        try:
            block_account(staff_world.staff, caller, account_id)
            outcomes.append("blocked")
        except ArchiveError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=block, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # The slower one finds their own session ended with their account, or, having looked just before, that they would block the last one.
    assert sorted(outcomes) in (["blocked", "last-administrator"], ["blocked", "refused"])


def test_a_fonds_has_one_root_unit_and_the_attempt_at_a_second_is_on_record(staff_world: StaffWorld) -> None:
    root = staff_world.founded.unit_id
    with pytest.raises(OneRoot):
        create_unit(staff_world.staff, staff_world.as_("sysadmin"), code="000", title="另一个局", parent_id=None)
    assert staff_world.entries("access.refused")[-1].members["reason"] == "one-root"
    below = create_unit(staff_world.staff, staff_world.as_("sysadmin"), code="000", title="某科", parent_id=root)
    staff_world.clock.advance(1)
    for unit_id in (below, root):
        with pytest.raises(OneRoot):
            units.move(staff_world.staff, staff_world.as_("secadmin"), unit_id, parent_id=None)


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _register(world: StaffWorld, key: ec.EllipticCurvePrivateKey, source: str = "xf") -> Client:
    return register_client(world.staff, world.as_("sysadmin"), source_system=source, title="业务系统", public_jwk=jwk_of(key))


def _ask(world: StaffWorld, client: Client, key: ec.EllipticCurvePrivateKey) -> object:
    now = int(world.clock.now().timestamp())
    body: dict[str, Any] = {
        "iss": client.name,
        "sub": client.name,
        "aud": f"{ISSUER}/v1/token",
        "jti": new_id(),
        "iat": now,
        "exp": now + 60,
    }
    assertion = sign_es256(key, {"alg": "ES256", "typ": "JWT", "kid": client.kid}, body)
    return issue_token(world.auth, assertion, network="intranet")


@pytest.mark.parametrize("revoked_first", [False, True])
def test_a_key_in_the_place_of_a_case_systems_is_good_for_nothing_until_two_have_agreed(
    staff_world: StaffWorld, *, revoked_first: bool
) -> None:
    world, own, new = staff_world, _key(), _key()
    first = _register(world, own)
    assert first.state == "active"
    _ask(world, first, own)
    if revoked_first:
        revoke_client(world.staff, world.as_("sysadmin"), first.client_id)
    second = _register(world, new)
    assert second.state == "blocked"
    with pytest.raises(ClientRefused):
        _ask(world, second, new)
    with pytest.raises(Refused):
        confirm_client(world.staff, world.as_("sysadmin"), second.client_id)
    with pytest.raises(NoSuchThing):
        unblock_account(world.staff, world.as_("secadmin"), second.account_id)
    confirm_client(world.staff, world.as_("secadmin"), second.client_id, reason="更换密钥")
    _ask(world, second, new)
    entry = world.entries("account.unblocked")[-1].members
    assert (entry["object"]["id"], entry["data"]) == (second.account_id, {"client": second.name})
    assert [view.state for view in list_clients(world.staff, world.as_("secadmin"))] == ["closed" if revoked_first else "active", "active"]


def test_a_client_that_waits_for_nothing_or_is_revoked_is_not_confirmed(staff_world: StaffWorld) -> None:
    world, key = staff_world, _key()
    first, other = _register(world, key), _register(world, _key())
    by = world.as_("secadmin")
    with pytest.raises(NotInForce):
        confirm_client(world.staff, by, first.client_id)
    revoke_client(world.staff, by, other.client_id)
    with pytest.raises(NotInForce):
        confirm_client(world.staff, by, other.client_id)
    with pytest.raises(NoSuchThing):
        confirm_client(world.staff, by, new_id())
    with world.desk.db.read() as conn:
        found = client_of(conn, FONDS, other.client_id)
    assert found is not None
    assert (found.state, found.revoked) == ("closed", True)
    assert _register(world, _key(), "hotline").state == "active"
