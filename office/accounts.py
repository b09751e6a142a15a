"""Accounts: one person, one account (一人一账号). First secrets are random, told once, and good for nothing but choosing one's own.

The system administrator opens accounts and cannot give them a role; the security administrator gives roles and resets proofs and
cannot open accounts. So it takes both to bring in somebody who can do anything, and both stand in the log.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from acts.deciding import permit_in_fonds
from acts.desk import Caller
from auth.errors import NoSuchThing, NotInForce
from auth.lockout import clear
from auth.passwords import first_secret
from auth.people import Account, account, end_sessions, normal_login, open_account, set_secret, set_state
from auth.totp import withdraw_factor
from foundation.ids import is_id, new_id
from foundation.uow import Unit
from office.administrators import keeping_administrators
from office.staff_desk import StaffDesk, not_oneself, perform


@dataclass(frozen=True, slots=True)
class FirstSecret:
    """A random secret to be handed over on paper. It is stored nowhere and cannot be shown again."""

    account_id: str
    login: str
    secret: str = field(repr=False)


def create_account(staff: StaffDesk, caller: Caller, *, person_id: str, login: str) -> FirstSecret:
    """Open the one account of a person. Refused; InvalidInput for the login; AlreadyThere; NoSuchThing, NotInForce for the person."""
    permit = permit_in_fonds(staff.desk, caller, "office.account_create")
    if not is_id(person_id):
        raise NoSuchThing
    account_id, secret = new_id(), first_secret()
    secret_hash = staff.passwords.hash(secret)
    perform(
        staff,
        caller,
        permit,
        "account.created",
        {"kind": "account", "id": account_id},
        lambda unit: open_account(unit, person_id=person_id, login=login, secret_hash=secret_hash, at=permit.at, account_id=account_id),
        data={"person": person_id},
    )
    return FirstSecret(account_id, normal_login(login), secret)


def block_account(staff: StaffDesk, caller: Caller, account_id: str, *, reason: str | None = None) -> None:
    """Block an account at once; its sessions end.

    Refused, NotOneself, LastAdministrator; NoSuchThing, NotInForce when it is blocked or closed.
    """
    _change_state(staff, caller, account_id, "office.account_block", "account.blocked", "blocked", reason)


def unblock_account(staff: StaffDesk, caller: Caller, account_id: str, *, reason: str | None = None) -> None:
    """Let a blocked account be used again. Refused, NotOneself; NoSuchThing, NotInForce when it is active or closed."""
    _change_state(staff, caller, account_id, "office.account_unblock", "account.unblocked", "active", reason)


def reset_secret(staff: StaffDesk, caller: Caller, account_id: str, *, reason: str | None = None) -> FirstSecret:
    """Give an account a new random first secret; the old one, its lock and every session end.

    Refused, NotOneself; NoSuchThing, NotInForce.
    """
    permit = permit_in_fonds(staff.desk, caller, "office.secret_reset")
    found = _of_person(staff, caller, account_id, "office.secret_reset")
    secret = first_secret()
    secret_hash = staff.passwords.hash(secret)
    keep = staff.policy_of(caller.fonds).password_history

    def reset(unit: Unit) -> None:
        if account(unit.conn, unit.fonds, account_id, lock=True).state == "closed":
            raise NotInForce
        set_secret(unit, account_id, secret_hash, at=permit.at, must_change=True, keep=keep)
        clear(unit, account_id)

    perform(staff, caller, permit, "secret.reset", {"kind": "account", "id": account_id}, reset, reason=reason)
    return FirstSecret(account_id, found.login, secret)


def reset_factor(staff: StaffDesk, caller: Caller, account_id: str, *, reason: str | None = None) -> None:
    """Withdraw an account's second factor (a lost telephone); its sessions end and a new one must be enrolled.

    Refused, NotOneself; NoSuchThing; NotInForce when no factor is enrolled.
    """
    permit = permit_in_fonds(staff.desk, caller, "office.factor_reset")
    _of_person(staff, caller, account_id, "office.factor_reset")

    def reset(unit: Unit) -> None:
        account(unit.conn, unit.fonds, account_id, lock=True)
        if not withdraw_factor(unit, account_id):
            raise NotInForce
        end_sessions(unit, account_id, at=permit.at)

    perform(staff, caller, permit, "factor.reset", {"kind": "account", "id": account_id}, reset, reason=reason)


def _change_state(staff: StaffDesk, caller: Caller, account_id: str, action: str, kind: str, state: str, reason: str | None) -> None:
    permit = permit_in_fonds(staff.desk, caller, action)
    _of_person(staff, caller, account_id, action)

    def change(unit: Unit) -> None:
        with keeping_administrators(unit, at=permit.at):
            set_state(unit, account_id, state, at=permit.at)

    perform(staff, caller, permit, kind, {"kind": "account", "id": account_id}, change, reason=reason)


def _of_person(staff: StaffDesk, caller: Caller, account_id: str, action: str) -> Account:
    """A colleague's account: not one's own (on record), and not a case system's, which is revoked as a client."""
    if not is_id(account_id):
        raise NoSuchThing
    with staff.desk.db.read() as conn:
        found = account(conn, caller.fonds, account_id)
    if found.kind != "person":
        raise NoSuchThing
    not_oneself(staff, caller, action, person_id=found.person_id, about={"kind": "account", "id": account_id})
    return found
