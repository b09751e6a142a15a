"""Exact search by name, document number or phone: the one exception to "find only by what you see", so purposed, limited and on record.

Each search names one value; there is no way to look up a list. The value itself is nowhere: not in the log, not in an error.
"""

from __future__ import annotations

from typing import Literal

from sqlalchemy import and_, exists, insert, or_, select, update

from acts.deciding import permit_in_fonds
from acts.desk import Caller, Desk
from acts.reasons import reason_faults, sealed
from archive.errors import TooManySearches
from archive.finding import Found, record, rows
from archive.preparing import normal_form
from archive.scoping import clause_of, scoped
from archive.tables import case_tags, cases
from foundation.clock import to_ms
from foundation.errors import Fault, InvalidInput, NotFound
from foundation.tables import rate_limits
from foundation.uow import Unit
from policies.decide import table_of
from vault.blind import BlindIndex

Kind = Literal["name", "id_number", "phone"]
KINDS: tuple[Kind, ...] = ("name", "id_number", "phone")
HITS = 100
VALUE_LENGTH = 100
WINDOW_MS = 3_600_000
_LIMIT_NAME = "identity-search"


def find_person(desk: Desk, caller: Caller, kind: str, value: str, *, purpose: str, reason: str) -> Found:
    """The cases in the caller's scope that name this person, at most 100. InvalidInput, TooManySearches, `Refused`."""
    _check(kind, value, reason)
    allowed = permit_in_fonds(desk, caller, "case.search_identity", purpose=purpose)
    left = _count(desk, caller, purpose)
    if left is not None:
        raise TooManySearches(seconds=left)
    rulebook = desk.rulebook(caller.fonds)
    table = table_of(rulebook)
    paths = [
        field.path
        for field in rulebook.catalogue
        if field.blind and normal_form(rulebook, field.path) == kind and table.find(caller.principal.role, field.path) == "identity"
    ]
    index = BlindIndex(desk.keys, caller.fonds)
    wanted = [
        and_(case_tags.c.path == path, case_tags.c.generation == tag.generation, case_tags.c.tag == tag.value)
        for path in paths
        for tag in index.search_tags(kind, path, value)
    ]
    if not wanted:
        raise InvalidInput([_fault("value", "value", "检索值为空或无法识别。", "The value is empty or of no known form.")])
    if allowed.scope is None:
        raise NotFound
    with desk.db.read() as conn:
        tagged = exists().where(case_tags.c.fonds == cases.c.fonds, case_tags.c.case_id == cases.c.case_id, or_(*wanted))
        scope = scoped(conn, desk.keys, allowed.scope)
        where = and_(clause_of(scope.shape), tagged)
        hits = conn.execute(
            select(cases.c.case_id, cases.c.version).where(where).order_by(cases.c.closed_ms.desc(), cases.c.case_id).limit(HITS),
            scope.values,
        ).all()
    log_index = record(
        desk,
        caller,
        allowed,
        "case.searched-by-identity",
        [row.case_id for row in hits],
        {"by": kind, "shown": len(hits)},
        purpose=purpose,
        details=(sealed(desk, caller.fonds, reason),),
    )
    found = rows(desk, caller, allowed, [(row.case_id, row.version) for row in hits])
    return Found(rows=found, total=len(found), facets={}, cursor=None, log_index=log_index)


def _count(desk: Desk, caller: Caller, purpose: str) -> int | None:
    """Count one search; None, or the seconds until the window ends when the limit was reached already (which is on record)."""
    now = to_ms(desk.clock.now())
    most = _most(desk, caller)
    own = {"fonds": caller.fonds, "subject": caller.principal.account_id, "limit_name": _LIMIT_NAME}
    this = and_(*(rate_limits.c[name] == value for name, value in own.items()))

    def count(unit: Unit) -> int | None:
        row = unit.conn.execute(select(rate_limits).where(this).with_for_update()).one_or_none()
        if row is None:
            unit.conn.execute(insert(rate_limits), {**own, "window_start_ms": now, "used": 1})
            return None
        # A clock set back opens no new window.
        if now - row.window_start_ms >= WINDOW_MS:
            unit.conn.execute(update(rate_limits).where(this).values(window_start_ms=now, used=1))
            return None
        if row.used >= most:
            return max(1, int(row.window_start_ms + WINDOW_MS - now) // 1000)
        unit.conn.execute(update(rate_limits).where(this).values(used=row.used + 1))
        return None

    left = desk.uow.bookkeep(caller.fonds, count)
    if left is not None:
        event = caller.event(
            desk,
            "access.refused",
            object={"kind": "fonds", "id": caller.fonds},
            purpose=purpose,
            verdict="refuse",
            reason=TooManySearches.code,
            data={"action": "case.search_identity"},
        )
        desk.uow.run(caller.fonds, lambda unit: unit.add(event))
    return left


def allowance(desk: Desk, caller: Caller) -> tuple[int, int, int]:
    """(searches per window, searches left, seconds until the window ends) of the caller's account, for the door to tell."""
    most = _most(desk, caller)
    own = {"fonds": caller.fonds, "subject": caller.principal.account_id, "limit_name": _LIMIT_NAME}
    with desk.db.read() as conn:
        row = conn.execute(select(rate_limits).where(*(rate_limits.c[name] == value for name, value in own.items()))).one_or_none()
    now = to_ms(desk.clock.now())
    if row is None or now - row.window_start_ms >= WINDOW_MS:
        return most, most, WINDOW_MS // 1000
    return most, max(0, most - row.used), max(1, int(row.window_start_ms + WINDOW_MS - now) // 1000)


def _most(desk: Desk, caller: Caller) -> int:
    # Exact search is an oracle, so the rulebook says how many of them an account has in a window.
    return desk.rulebook(caller.fonds).limits.count("identity_searches")


def _check(kind: str, value: str, reason: str) -> None:
    faults = []
    if kind not in KINDS:
        faults.append(_fault("kind", "unknown-code", "只能按姓名、证件号码或电话检索。", "Search by name, id_number or phone."))
    if not 1 <= len(value) <= VALUE_LENGTH:
        faults.append(_fault("value", "too-long", f"检索值为 1 至 {VALUE_LENGTH} 字。", f"The value has 1 to {VALUE_LENGTH} characters."))
    faults += reason_faults(reason, required=True)
    if faults:
        raise InvalidInput(faults)


def _fault(path: str, rule: str, zh: str, en: str) -> Fault:
    return Fault(path, rule, zh, en)
