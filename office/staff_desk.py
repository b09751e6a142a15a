"""What the acts of the office work with, and the one way they change anything: decided, then done and recorded in one unit of work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from acts.deciding import record_refusal, refusal_error
from acts.desk import Caller, Desk
from acts.reasons import check_reason, sealed
from acts.standing import stands
from auth.errors import SeparationBroken
from auth.passwords import Passwords
from auth.policy import AuthPolicy
from foundation.errors import ArchiveError
from foundation.uow import Unit
from office.errors import LastAdministrator, NotOneself, OneRoot
from policies.permit import Permit, Refusal

T = TypeVar("T")


class _NoLongerStandingError(Exception):
    """Ends the transaction of an act whose caller is not who they were; never leaves this module."""


@dataclass(frozen=True, slots=True)
class StaffDesk:
    """The desk of every act, and what auth needs beside it. `policy_of` gives a fonds' rules for sign-in and posts."""

    desk: Desk
    passwords: Passwords
    policy_of: Callable[[str], AuthPolicy]


def perform(
    staff: StaffDesk,
    caller: Caller,
    permit: Permit,
    kind: str,
    about: dict[str, str],
    act: Callable[[Unit], T],
    *,
    data: dict[str, Any] | None = None,
    reason: str | None = None,
) -> T:
    """Do a permitted act and record it, in one transaction. A separation it would break is put on record, then raised; so is
    LastAdministrator, and OneRoot. Refused, on record, where the caller's session has ended or their posts have changed since they asked.

    `reason` is free text, sealed beside the log; InvalidInput when it is too long (`acts.reasons`).
    """
    reason = reason or ""
    check_reason(reason, required=False)
    event = caller.event(
        staff.desk,
        kind,
        object=about,
        verdict="permit",
        reason=permit.rule,
        time=permit.at,
        data=data or {},
        details=(sealed(staff.desk, caller.fonds, reason),) if reason.strip() else (),
    )

    def recorded(unit: Unit) -> T:
        if not stands(unit.conn, caller.principal, staff.desk.clock.now()):
            raise _NoLongerStandingError
        value = act(unit)
        unit.add(event)
        return value

    try:
        return staff.desk.uow.run(caller.fonds, recorded)
    except (SeparationBroken, LastAdministrator, OneRoot) as broken:
        _refuse(staff, caller, permit.action, broken, about)
    except _NoLongerStandingError:
        refusal = Refusal("not-permitted", cause="no-longer-standing")
        record_refusal(staff.desk, caller, permit.action, refusal, about=about)
        raise refusal_error(refusal) from None


def not_oneself(staff: StaffDesk, caller: Caller, action: str, *, person_id: str | None, about: dict[str, str]) -> None:
    """Refuse, on record, an act of the caller upon the caller."""
    if person_id is not None and person_id == caller.principal.person_id:
        _refuse(staff, caller, action, NotOneself(), about)


def _refuse(staff: StaffDesk, caller: Caller, action: str, error: ArchiveError, about: dict[str, str]) -> NoReturn:
    event = caller.event(staff.desk, "access.refused", object=about, verdict="refuse", reason=error.code, data={"action": action})
    staff.desk.uow.run(caller.fonds, lambda unit: unit.add(event))
    raise error
