"""The unit tree: founding a unit, renaming, moving and ending it. What it was called and where it stood stays in its history.

Moving is the security administrator's: whoever leads a unit sees the cases kept below it, so a move changes who sees what.
"""

from __future__ import annotations

from acts.deciding import permit_in_fonds
from acts.desk import Caller
from auth.errors import NoSuchThing
from auth.units import end_unit, found_unit, move_unit, rename_unit
from foundation.ids import is_id, new_id
from foundation.uow import Unit
from office.errors import OneRoot
from office.staff_desk import StaffDesk, perform


def create_unit(staff: StaffDesk, caller: Caller, *, code: str, title: str, parent_id: str | None) -> str:
    """Found a unit under a live parent and return its id.

    Refused; OneRoot without a parent; InvalidInput; AlreadyThere when the code was ever used; NoSuchThing, NotInForce for the parent.
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
        lambda unit: found_unit(unit, code=code, title=title, parent_id=_under(parent_id), at=permit.at, unit_id=unit_id),
        data={"parent": parent_id},
    )


def rename(staff: StaffDesk, caller: Caller, unit_id: str, *, title: str, reason: str | None = None) -> None:
    """Give a live unit a new title. Refused; InvalidInput; NoSuchThing, NotInForce."""
    permit = permit_in_fonds(staff.desk, caller, "office.unit_rename")

    def act(unit: Unit) -> None:
        rename_unit(unit, unit_id, title=title, at=permit.at)

    perform(staff, caller, permit, "unit.renamed", _about(unit_id), act, reason=reason)


def move(staff: StaffDesk, caller: Caller, unit_id: str, *, parent_id: str | None, reason: str | None = None) -> None:
    """Put a live unit under another. Refused; OneRoot without a parent; UnitCycle; NoSuchThing, NotInForce."""
    permit = permit_in_fonds(staff.desk, caller, "office.unit_move")
    if parent_id is not None and not is_id(parent_id):
        raise NoSuchThing

    def act(unit: Unit) -> None:
        move_unit(unit, unit_id, parent_id=_under(parent_id), at=permit.at)

    perform(staff, caller, permit, "unit.moved", _about(unit_id), act, data={"parent": parent_id}, reason=reason)


def end(staff: StaffDesk, caller: Caller, unit_id: str, *, successor_id: str | None, reason: str | None = None) -> None:
    """End a live unit without units or posts under it, naming its successor (《信访工作条例》 art. 24) where it has one.

    Refused; UnitCycle, StillInUse; NoSuchThing, NotInForce.
    """
    permit = permit_in_fonds(staff.desk, caller, "office.unit_end")
    if successor_id is not None and not is_id(successor_id):
        raise NoSuchThing

    def act(unit: Unit) -> None:
        end_unit(unit, unit_id, successor_id=successor_id, at=permit.at)

    perform(staff, caller, permit, "unit.ended", _about(unit_id), act, data={"successor": successor_id}, reason=reason)


def _under(parent_id: str | None) -> str:
    """The parent. A second root could be made the one that keeps cases of unknown units, and those who lead it would see them."""
    if parent_id is None:
        raise OneRoot
    return parent_id


def _about(unit_id: str) -> dict[str, str]:
    if not is_id(unit_id):
        raise NoSuchThing
    return {"kind": "unit", "id": unit_id}
