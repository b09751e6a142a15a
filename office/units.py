"""The unit tree: founding a unit."""

from __future__ import annotations

from acts.deciding import permit_in_fonds
from acts.desk import Caller
from auth.errors import NoSuchThing
from auth.units import found_unit
from foundation.ids import is_id, new_id
from office.staff_desk import StaffDesk, perform


def create_unit(staff: StaffDesk, caller: Caller, *, code: str, title: str, parent_id: str | None) -> str:
    """Found a unit under a live parent (None: a root) and return its id.

    Refused; InvalidInput; AlreadyThere when the code was ever used; NoSuchThing, NotInForce for the parent.
    """
    permit = permit_in_fonds(staff.desk, caller, "office.unit_create")
    if parent_id is not None and not is_id(parent_id):
        raise NoSuchThing
    unit_id = new_id()
    return perform(
        staff,
        caller,
        permit,
        "unit.created",
        {"kind": "unit", "id": unit_id},
        lambda unit: found_unit(unit, code=code, title=title, parent_id=parent_id, at=permit.at, unit_id=unit_id),
        data={"parent": parent_id},
    )
