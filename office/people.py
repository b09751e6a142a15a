"""Persons: members of staff, registered once with their staff number. What they may do hangs on posts, not on this."""

from __future__ import annotations

import auth.people
from acts.deciding import permit_in_fonds
from acts.desk import Caller
from foundation.ids import new_id
from office.staff_desk import StaffDesk, perform


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
