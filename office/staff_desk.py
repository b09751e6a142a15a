"""What the acts of the office work with, and the one way they change anything: decided, then done and recorded in one unit of work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from acts.desk import Caller, Desk, log_detail
from audit.events import SealedDetail
from auth.errors import SeparationBroken
from auth.passwords import Passwords
from auth.policy import AuthPolicy
from foundation.errors import ArchiveError, Fault, InvalidInput
from foundation.uow import Unit
from office.errors import NotOneself
from policies.permit import Permit
from vault.details import seal_detail

T = TypeVar("T")
REASON_LENGTH = 2000


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
    """Do a permitted act and record it, in one transaction. A separation it would break is put on record, then raised.

    `reason` is free text, sealed beside the log; InvalidInput when it is longer than REASON_LENGTH.
    """
    event = caller.event(
        staff.desk,
        kind,
        object=about,
        verdict="permit",
        reason=permit.rule,
        time=permit.at,
        data=data or {},
        details=_details(staff, caller, reason),
    )

    def recorded(unit: Unit) -> T:
        value = act(unit)
        unit.add(event)
        return value

    try:
        return staff.desk.uow.run(caller.fonds, recorded)
    except SeparationBroken as broken:
        _refuse(staff, caller, permit.action, broken, about)


def not_oneself(staff: StaffDesk, caller: Caller, action: str, *, person_id: str | None, about: dict[str, str]) -> None:
    """Refuse, on record, an act of the caller upon the caller."""
    if person_id is not None and person_id == caller.principal.person_id:
        _refuse(staff, caller, action, NotOneself(), about)


def _refuse(staff: StaffDesk, caller: Caller, action: str, error: ArchiveError, about: dict[str, str]) -> NoReturn:
    event = caller.event(staff.desk, "access.refused", object=about, verdict="refuse", reason=error.code, data={"action": action})
    staff.desk.uow.run(caller.fonds, lambda unit: unit.add(event))
    raise error


def _details(staff: StaffDesk, caller: Caller, reason: str | None) -> tuple[SealedDetail, ...]:
    if reason is None or not reason.strip():
        return ()
    if len(reason) > REASON_LENGTH:
        raise InvalidInput([Fault("reason", "length", f"理由至多 {REASON_LENGTH} 字。", f"At most {REASON_LENGTH} characters.")])
    return (log_detail("reason", seal_detail(staff.desk.keys.detail_key(caller.fonds), caller.fonds, "reason", reason)),)
