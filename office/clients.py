"""Case systems: registered with their public key, revoked for good. Their one role is depositor, and their one fonds is this one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import auth.clients
from acts.deciding import permit_in_fonds
from acts.desk import Caller
from auth.clients import Client, client_of
from auth.errors import NoSuchThing
from foundation.ids import is_id, new_id
from foundation.uow import Unit
from office.staff_desk import StaffDesk, perform


def register_client(staff: StaffDesk, caller: Caller, *, source_system: str, title: str, public_jwk: Mapping[str, Any]) -> Client:
    """Register a case system with its public key (P-256 JWK); it calls itself `Client.name`.

    Where its source system has or had a client, its `state` is `blocked` until `confirm_client`: one person alone puts no key in another's
    place. Refused; BadKey, InvalidInput, AlreadyThere.
    """
    permit = permit_in_fonds(staff.desk, caller, "office.client_register")
    client_id = new_id()
    return perform(
        staff,
        caller,
        permit,
        "client.registered",
        {"kind": "client", "id": f"{caller.fonds}.{client_id}"},
        lambda unit: auth.clients.register_client(
            unit, source_system=source_system, title=title, public_jwk=public_jwk, at=permit.at, client_id=client_id
        ),
    )


def confirm_client(staff: StaffDesk, caller: Caller, client_id: str, *, reason: str | None = None) -> None:
    """Let a later client of a source system be used. The security administrator's: it unblocks the client's account.

    Refused; NoSuchThing; NotInForce when it waits for no confirmation.
    """
    permit = permit_in_fonds(staff.desk, caller, "office.account_unblock")
    if not is_id(client_id):
        raise NoSuchThing
    with staff.desk.db.read() as conn:
        found = client_of(conn, caller.fonds, client_id)
    if found is None:
        raise NoSuchThing

    def confirm(unit: Unit) -> None:
        auth.clients.confirm_client(unit, client_id, at=permit.at)

    about = {"kind": "account", "id": found.account_id}
    perform(staff, caller, permit, "account.unblocked", about, confirm, data={"client": found.name}, reason=reason)


def revoke_client(staff: StaffDesk, caller: Caller, client_id: str, *, reason: str | None = None) -> None:
    """Revoke a case system: its account is closed and its tokens end at their next use. Refused; NoSuchThing, NotInForce."""
    permit = permit_in_fonds(staff.desk, caller, "office.client_revoke")
    if not is_id(client_id):
        raise NoSuchThing

    def revoke(unit: Unit) -> None:
        auth.clients.revoke_client(unit, client_id, at=permit.at)

    about = {"kind": "client", "id": f"{caller.fonds}.{client_id}"}
    perform(staff, caller, permit, "client.revoked", about, revoke, reason=reason)
