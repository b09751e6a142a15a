"""Posts and who holds them. The system administrator makes posts, the security administrator fills them, and neither their own."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

import auth.posts
from acts.deciding import permit_in_fonds
from acts.desk import Caller
from auth.errors import NoSuchThing
from auth.tables import post_holdings
from foundation.clock import iso
from foundation.errors import Fault, InvalidInput
from foundation.ids import is_id, new_id
from foundation.uow import Unit
from office.administrators import keeping_administrators
from office.staff_desk import StaffDesk, not_oneself, perform


def create_post(staff: StaffDesk, caller: Caller, *, unit_id: str, role: str, title: str) -> str:
    """Create a post in a live unit and return its id.

    Refused; InvalidInput, also for a role no person may hold; NoSuchThing, NotInForce.
    """
    permit = permit_in_fonds(staff.desk, caller, "office.post_create")
    policy = staff.policy_of(caller.fonds)
    post_id = new_id()
    return perform(
        staff,
        caller,
        permit,
        "post.created",
        {"kind": "post", "id": post_id},
        lambda unit: auth.posts.create_post(unit, unit_id=unit_id, role=role, title=title, at=permit.at, policy=policy, post_id=post_id),
        data={"role": role, "unit": unit_id} if role in policy.post_roles and is_id(unit_id) else {},
    )


def end_post(staff: StaffDesk, caller: Caller, post_id: str, *, reason: str | None = None) -> None:
    """End a post that nobody holds, now or later. Refused; StillInUse; NoSuchThing, NotInForce."""
    permit = permit_in_fonds(staff.desk, caller, "office.post_end")
    if not is_id(post_id):
        raise NoSuchThing

    def end(unit: Unit) -> None:
        auth.posts.end_post(unit, post_id, at=permit.at)

    perform(staff, caller, permit, "post.ended", {"kind": "post", "id": post_id}, end, reason=reason)


def hold_post(
    staff: StaffDesk,
    caller: Caller,
    *,
    post_id: str,
    person_id: str,
    begins: datetime | None = None,
    ends: datetime | None = None,
    acting: bool = False,
    reason: str | None = None,
) -> str:
    """Put a person into a post over [begins, ends) (default: from now, open) and return the holding's id. This is what grants a role.

    Refused, NotOneself, SeparationBroken (each on record); PostTaken, NotInForce, NoSuchThing, InvalidInput.
    """
    permit = permit_in_fonds(staff.desk, caller, "office.post_hold")
    if not (is_id(post_id) and is_id(person_id)):
        raise NoSuchThing
    about = {"kind": "post", "id": post_id}
    not_oneself(staff, caller, "office.post_hold", person_id=person_id, about=about)
    start = permit.at if begins is None else begins
    if start < permit.at:
        # Who held which post when is evidence: it is written as it happens, never afterwards.
        raise InvalidInput([Fault("begins", "past", "任岗不能早于现在开始。", "A post is not taken up in the past.")])
    policy = staff.policy_of(caller.fonds)
    return perform(
        staff,
        caller,
        permit,
        "post.held",
        about,
        lambda unit: auth.posts.hold_post(
            unit, post_id=post_id, person_id=person_id, begins=start, policy=policy, ends=ends, acting=acting
        ),
        data={"person": person_id, "begins": iso(start), "ends": None if ends is None else iso(ends), "acting": acting},
        reason=reason,
    )


def leave_post(staff: StaffDesk, caller: Caller, holding_id: str, *, reason: str | None = None) -> None:
    """Take a person out of a post now; the holding stays in the history.

    Refused, NotOneself, LastAdministrator; NoSuchThing, NotInForce.
    """
    permit = permit_in_fonds(staff.desk, caller, "office.post_leave")
    with staff.desk.db.read() as conn:
        row = conn.execute(
            select(post_holdings.c.post_id, post_holdings.c.person_id).where(
                post_holdings.c.fonds == caller.fonds, post_holdings.c.holding_id == holding_id
            )
        ).first()
    if row is None:
        raise NoSuchThing
    about = {"kind": "post", "id": row.post_id}
    not_oneself(staff, caller, "office.post_leave", person_id=row.person_id, about=about)

    def leave(unit: Unit) -> None:
        with keeping_administrators(unit, at=permit.at):
            auth.posts.leave_post(unit, holding_id, at=permit.at)

    perform(staff, caller, permit, "post.left", about, leave, data={"person": row.person_id, "holding": holding_id}, reason=reason)
