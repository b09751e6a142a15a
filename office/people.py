"""Persons: members of staff, registered once with their staff number. What they may do hangs on posts, not on this."""

from __future__ import annotations

import auth.people
from acts.deciding import permit_in_fonds
from acts.desk import Caller
from auth.errors import NoSuchThing
from foundation.ids import is_id, new_id
from foundation.uow import Unit
from office.administrators import keeping_administrators
from office.staff_desk import StaffDesk, not_oneself, perform


def register_person(staff: StaffDesk, caller: Caller, *, staff_no: str, display_name: str) -> str:
    """Register a member of staff and return the id. Refused; InvalidInput; AlreadyThere when the staff number is taken.

    Neither name nor staff number enters the log.
    """
    permit = permit_in_fonds(staff.desk, caller, "office.person_register")
    person_id = new_id()
    return perform(
        staff,
        caller,
        permit,
        "person.registered",
        {"kind": "person", "id": person_id},
        lambda unit: auth.people.register_person(unit, staff_no=staff_no, display_name=display_name, at=permit.at, person_id=person_id),
    )


def leave(staff: StaffDesk, caller: Caller, person_id: str, *, reason: str | None = None) -> None:
    """Note that a person has left, and close the account for good; nobody leaves with posts still held.

    Refused, NotOneself; StillInUse; NoSuchThing, NotInForce when they have left already.
    """
    permit = permit_in_fonds(staff.desk, caller, "office.person_leave")
    if not is_id(person_id):
        raise NoSuchThing
    about = {"kind": "person", "id": person_id}
    not_oneself(staff, caller, "office.person_leave", person_id=person_id, about=about)

    def act(unit: Unit) -> None:
        with keeping_administrators(unit, at=permit.at):
            end(unit)

    def end(unit: Unit) -> None:
        live = auth.people.account_of_person(unit.conn, unit.fonds, person_id)
        if live is not None:
            auth.people.set_state(unit, live.account_id, "closed", at=permit.at)
            closed = {"kind": "account", "id": live.account_id}
            unit.add(caller.event(staff.desk, "account.closed", object=closed, verdict="permit", reason=permit.rule, time=permit.at))
        auth.people.person_leaves(unit, person_id, at=permit.at)

    perform(staff, caller, permit, "person.left", about, act, reason=reason)
