"""Clear openings: a session on one case under one grant, counted when it begins and never refunded.

The order is the promise: the use is taken and `access.intent` written in one transaction, and only when that is durable is anything
opened; `access.outcome` is committed before the values leave. An intent without an outcome reads as "possibly disclosed". Reading
again inside the session costs no further use, yet each reading has its own two entries, and the grant is judged anew each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, insert, select

from acts.deciding import permit
from acts.desk import Caller, Desk
from archive import opening, store
from archive.facts import case_facts
from archive.masking import CaseView
from archive.reading import compose
from archive.requests.store import grant_facts, take_use
from archive.requests.tables import openings
from audit.events import Event
from foundation.clock import iso, to_ms
from foundation.errors import Conflict, NotFound
from foundation.ids import new_id
from foundation.steps import reach
from foundation.uow import Ticket, Unit
from policies import grant_state
from policies.facts import GrantFacts
from policies.permit import Permit

SESSION = timedelta(minutes=15)


class GrantSpent(Conflict):
    """Another opening took the last use, or the grant ended, between the decision and the count."""

    code = "grant-ended"
    zh = "授权刚刚用尽或失效，未打开任何内容。"
    en = "The grant was used up or ended just now; nothing was opened."


@dataclass(frozen=True, slots=True)
class ClearView:
    """A view in clear under a grant, with what its watermark says: who, when, under which grant, at which place in the log."""

    view: CaseView
    opening_id: str
    grant_id: str
    ends_at: str
    uses_left: int
    intent_index: int
    outcome_index: int
    holder_id: str
    opened_at: str


def open_case(desk: Desk, caller: Caller, grant_id: str, case_id: str) -> ClearView:
    """Open the granted fields of one case in clear: beginning a session (one use), or reading inside the one that runs."""
    now = desk.clock.now()
    with desk.db.read() as conn:
        grant = grant_facts(conn, caller.fonds, [grant_id]).get(grant_id)
        version = _granted_version(grant, case_id)
        facts = case_facts(conn, desk.keys, caller.fonds, {case_id: version}).get(case_id) if version else None
        running = _running(conn, caller, grant_id, case_id, now)
    about = {"kind": "case", "id": case_id, "version": version} if version else {"kind": "case", "id": case_id}
    allowed = permit(desk, caller, "case.open", facts, [grant] if grant else (), about=about)
    if grant is None or facts is None:
        raise NotFound
    return _read(desk, caller, grant, allowed, running if not allowed.new_opening else None)


def read_opening(desk: Desk, caller: Caller, opening_id: str) -> ClearView:
    """Read once more inside a running session. NotFound when it has ended or is another's."""
    with desk.db.read() as conn:
        row = conn.execute(
            select(openings).where(
                openings.c.fonds == caller.fonds,
                openings.c.opening_id == opening_id,
                openings.c.person_id == caller.principal.person_id,
                openings.c.ends_ms > to_ms(desk.clock.now()),
            )
        ).one_or_none()
    if row is None:
        raise NotFound
    return open_case(desk, caller, row.grant_id, row.case_id)


def _read(desk: Desk, caller: Caller, grant: GrantFacts, allowed: Permit, running: str | None) -> ClearView:
    case_id, version = str(allowed.object_id), int(allowed.version or 0)
    pair = (case_id, version)
    begun = _Intent(desk, caller, grant, allowed, running)
    intent, until, uses_left = desk.uow.run(caller.fonds, begun.write)
    reach("opening.intended")
    with desk.db.read() as conn:
        head = store.head(conn, caller.fonds, case_id)
        stored = store.versions_of(conn, caller.fonds, [pair])[pair]
        documents = opening.masks(conn, desk.keys, allowed, [pair])
        opened = opening.fields(conn, desk.keys, allowed, case_id, version)
    reach("opening.opened")
    event = begun.event("access.outcome", desk.clock.now())
    outcome = desk.uow.run(caller.fonds, lambda unit: unit.add(event))
    reach("opening.recorded")
    return ClearView(
        view=compose(desk, allowed, head, stored, documents[pair], opened, outcome.index),
        opening_id=begun.opening_id,
        grant_id=grant.grant_id,
        ends_at=iso(until),
        uses_left=uses_left,
        intent_index=intent.index,
        outcome_index=outcome.index,
        holder_id=grant.holder_id,
        opened_at=iso(event.time),
    )


class _Intent:
    """The transaction before anything is opened: the use, the session and the entry stand or fall together."""

    def __init__(self, desk: Desk, caller: Caller, grant: GrantFacts, allowed: Permit, running: str | None) -> None:
        self.desk = desk
        self.caller = caller
        self.grant = grant
        self.allowed = allowed
        self.running = running
        self.opening_id = running or new_id()

    def event(self, kind: str, time: datetime) -> Event:
        allowed = self.allowed
        return self.caller.event(
            self.desk,
            kind,
            object={"kind": "case", "id": allowed.object_id, "version": allowed.version},
            fields=tuple(sorted(allowed.view.raised)) if allowed.view else (),
            purpose=self.grant.purpose,
            grant=self.grant.grant_id,
            verdict="permit",
            reason=allowed.rule,
            time=time,
            data={"opening": self.opening_id, "counted": self.running is None},
        )

    def write(self, unit: Unit) -> tuple[Ticket, datetime, int]:
        """The ticket of the intent, when the session ends, and how many uses are left."""
        now = self.desk.clock.now()
        if self.running is None and not take_use(unit.conn, unit.fonds, self.grant.grant_id, now):
            raise GrantSpent
        reach("opening.counted")
        current = grant_facts(unit.conn, unit.fonds, [self.grant.grant_id], lock=True)[self.grant.grant_id]
        session = grant_state.running(current, str(self.allowed.object_id), int(self.allowed.version or 0), now)
        if self.running is not None and session is None:
            raise GrantSpent
        ticket = unit.add(self.event("access.intent", self.allowed.at))
        if session is not None and self.running is not None:
            return ticket, session.ends_at, current.granted.max_uses - current.uses
        ends = min(self.allowed.at + SESSION, current.granted.expires_at)
        unit.conn.execute(
            insert(openings),
            {
                "fonds": unit.fonds,
                "opening_id": self.opening_id,
                "grant_id": self.grant.grant_id,
                "case_id": self.allowed.object_id,
                "case_version": self.allowed.version,
                "person_id": self.caller.principal.person_id,
                "session_id": self.caller.principal.session_id,
                "started_ms": to_ms(self.allowed.at),
                "ends_ms": to_ms(ends),
                "entry_id": ticket.entry_id,
            },
        )
        return ticket, ends, current.granted.max_uses - current.uses


def _running(conn: Connection, caller: Caller, grant_id: str, case_id: str, now: datetime) -> str | None:
    query = (
        select(openings.c.opening_id)
        .where(
            openings.c.fonds == caller.fonds,
            openings.c.grant_id == grant_id,
            openings.c.case_id == case_id,
            openings.c.person_id == caller.principal.person_id,
            openings.c.ends_ms > to_ms(now),
        )
        .order_by(openings.c.ends_ms.desc())
        .limit(1)
    )
    return conn.execute(query).scalar_one_or_none()


def _granted_version(grant: GrantFacts | None, case_id: str) -> int | None:
    return next((version for case, version in grant.granted.cases if case == case_id), None) if grant is not None else None
