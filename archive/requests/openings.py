"""Clear openings: a session on one case under one grant, counted when it begins and never refunded.

The order is the promise: the use is taken and `access.intent` written in one transaction, and only when that is durable is anything
opened; `access.outcome` is committed before the values leave. An intent without an outcome reads as "possibly disclosed". Reading
again inside the session costs no further use, yet each reading has its own two entries, and the grant is judged anew each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection, bindparam, func, insert, select

from acts.deciding import judge, permit, record_refusal, refusal_error, refusal_event
from acts.desk import Caller, Desk
from acts.standing import stands
from archive import opening, store
from archive.facts import case_facts, facts_of_heads, locked_heads
from archive.masking import CaseView
from archive.reading import compose
from archive.requests.store import grant_facts, take_use
from archive.requests.tables import openings
from archive.walls import Whom
from audit.events import Event, Verdict
from audit.tables import log_entries
from foundation.clock import iso, to_ms
from foundation.errors import ArchiveError, Conflict, NotFound
from foundation.ids import new_id
from foundation.steps import reach
from foundation.uow import Ticket, Unit
from policies import grant_state
from policies.facts import GrantFacts
from policies.permit import Permit, Refusal

CLOCK_LEEWAY_MS = 60_000
CLOCK_MEMORY = 1000  # entries; a clock that was once too far ahead is forgotten after as many
T = TypeVar("T")


class ClockBehind(ArchiveError):
    """The machine's clock is behind the log's newest entry by more than a minute."""

    code = "clock-behind"
    zh = "系统时钟落后于审计日志，暂不能调阅明文；请管理员校准时钟。"
    en = "The clock is behind the log, so nothing is opened in clear; have the administrator set it right."


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
        # Read even where no grant names the case, so that the work tells nothing of it.
        read = case_facts(conn, desk.keys, caller.fonds, {case_id: version or 1}, Whom.of(caller.principal))
        facts = read.get(case_id) if version else None
        # Only a grant under which something was opened on this case has a session to look for.
        opened = grant is not None and any(one.case_id == case_id for one in grant.openings)
        running = _running(conn, caller, grant_id, case_id, now) if opened else None
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
        # Ended, another's, or never there: one answer, and on record like every refusal.
        refusal = Refusal("grant-not-found", cause="absent")
        record_refusal(desk, caller, "case.open", refusal)
        raise refusal_error(refusal)
    return open_case(desk, caller, row.grant_id, row.case_id)


def _read(desk: Desk, caller: Caller, grant: GrantFacts, allowed: Permit, running: str | None) -> ClearView:
    case_id, version = str(allowed.object_id), int(allowed.version or 0)
    pair = (case_id, version)
    begun = _Opening(desk, caller, grant, allowed, running)
    intent, until, uses_left = _answered(desk.uow.run(caller.fonds, begun.intend))
    reach("opening.intended")
    with desk.db.read() as conn:
        found = store.version_and_head(conn, caller.fonds, case_id, version)
        documents = opening.masks(conn, desk.keys, allowed, [pair])
        opened = opening.fields(conn, desk.keys, allowed, case_id, version)
    reach("opening.opened")
    outcome = _answered(desk.uow.run(caller.fonds, begun.conclude))
    reach("opening.recorded")
    return ClearView(
        view=compose(desk, allowed, found, documents[pair], opened, outcome.index),
        opening_id=begun.opening_id,
        grant_id=grant.grant_id,
        ends_at=iso(until),
        uses_left=uses_left,
        intent_index=intent.index,
        outcome_index=outcome.index,
        holder_id=grant.holder_id,
        opened_at=iso(outcome.event.time),
    )


def _answered(answer: T | ArchiveError) -> T:
    """What a transaction around an opening came to; where that is a refusal, its entry is durable before it is raised."""
    if isinstance(answer, ArchiveError):
        raise answer
    return answer


class _Opening:
    """The two transactions around an opening. Each judges anew under the locks of the case and the grant: a wall, a return, a revocation,
    a post or session lost meanwhile holds in the first before anything is opened, and in the second before anything leaves. A refusal is
    not raised inside, which would take its entry back with the rest, but returned.
    """

    def __init__(self, desk: Desk, caller: Caller, grant: GrantFacts, allowed: Permit, running: str | None) -> None:
        self.desk = desk
        self.caller = caller
        self.grant = grant
        self.allowed = allowed
        self.running = running
        self.opening_id = running or new_id()
        self.about = {"kind": "case", "id": allowed.object_id, "version": allowed.version}

    def intend(self, unit: Unit) -> tuple[Ticket, datetime, int] | ArchiveError:
        """The ticket of the intent, when the session ends, and how many uses are left; all of it or none."""
        now = self.desk.clock.now()
        if not _clock_is_right(unit, now):
            unit.add(refusal_event(self.desk, self.caller, "case.open", Refusal("grant-required", cause="clock-behind"), about=self.about))
            return ClockBehind()
        refusal, current = self._judged(unit, now)
        if refusal is not None:
            return self._refused(unit, refusal)
        session = grant_state.running(current, str(self.allowed.object_id), int(self.allowed.version or 0), now)
        if self.running is not None and session is not None:
            ticket = unit.add(self._event("access.intent", now, "permit"))
            return ticket, session.ends_at, current.granted.max_uses - current.uses
        if self.running is not None or not take_use(unit.conn, unit.fonds, self.grant.grant_id, now):
            unit.add(refusal_event(self.desk, self.caller, "case.open", Refusal("grant-required", cause="spent"), about=self.about))
            return GrantSpent()
        reach("opening.counted")
        ticket = unit.add(self._event("access.intent", now, "permit"))
        length = self.desk.rulebook(unit.fonds).limits.length("opening_length")
        ends = min(now + length, current.granted.expires_at)
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
                "started_ms": to_ms(now),
                "ends_ms": to_ms(ends),
                "entry_id": ticket.entry_id,
            },
        )
        return ticket, ends, current.granted.max_uses - current.uses - 1

    def conclude(self, unit: Unit) -> Ticket | ArchiveError:
        """The ticket of the outcome; where the permit no longer holds, the outcome says that nothing left."""
        now = self.desk.clock.now()
        refusal, _ = self._judged(unit, now)
        ticket = unit.add(self._event("access.outcome", now, "permit" if refusal is None else "refuse"))
        return ticket if refusal is None else self._refused(unit, refusal)

    def _refused(self, unit: Unit, refusal: Refusal) -> ArchiveError:
        unit.add(refusal_event(self.desk, self.caller, "case.open", refusal, about=self.about))
        return refusal_error(refusal)

    def _judged(self, unit: Unit, now: datetime) -> tuple[Refusal | None, GrantFacts]:
        case_id, version = str(self.allowed.object_id), self.allowed.version
        heads = locked_heads(unit.conn, unit.fonds, case_id)
        current = grant_facts(unit.conn, unit.fonds, [self.grant.grant_id], lock=True)[self.grant.grant_id]
        facts = facts_of_heads(unit.conn, self.desk.keys, unit.fonds, {case_id: version}, heads, Whom.of(self.caller.principal)).get(
            case_id
        )
        if not stands(unit.conn, self.caller.principal, now):
            return Refusal("not-permitted", cause="no-longer-standing"), current
        answer = judge(self.desk, self.caller, "case.open", facts, [current])
        # What was opened is what the first permit named: one that now names other fields is another opening.
        same = isinstance(answer, Permit) and answer.view == self.allowed.view
        return (None if same else answer if isinstance(answer, Refusal) else Refusal("grant-required", cause="changed")), current

    def _event(self, kind: str, time: datetime, verdict: Verdict) -> Event:
        allowed = self.allowed
        return self.caller.event(
            self.desk,
            kind,
            object=self.about,
            fields=tuple(sorted(allowed.view.raised)) if allowed.view else (),
            purpose=self.grant.purpose,
            grant=self.grant.grant_id,
            verdict=verdict,
            reason=allowed.rule,
            time=time,
            data={"opening": self.opening_id, "counted": self.running is None},
        )


def _clock_is_right(unit: Unit, now: datetime) -> bool:
    """A clock set back would revive what has expired: nothing is opened at a time the log has left behind."""
    newest = unit.conn.execute(_NEWEST, {"of": unit.fonds}).scalar_one_or_none()
    return newest is None or to_ms(now) >= newest - CLOCK_LEEWAY_MS


def _running(conn: Connection, caller: Caller, grant_id: str, case_id: str, now: datetime) -> str | None:
    mine = {"of": caller.fonds, "grant": grant_id, "case": case_id, "person": caller.principal.person_id, "at": to_ms(now)}
    return conn.execute(_LAST_RUNNING, mine).scalar_one_or_none()


# Of the last entries, not the last alone: one look at the false time must not make the false time the newest.
_LAST = (
    select(log_entries.c.time_ms)
    .where(log_entries.c.fonds == bindparam("of"))
    .order_by(log_entries.c.idx.desc())
    .limit(CLOCK_MEMORY)
    .subquery()
)
_NEWEST = select(func.max(_LAST.c.time_ms))
_LAST_RUNNING = (
    select(openings.c.opening_id)
    .where(
        openings.c.fonds == bindparam("of"),
        openings.c.grant_id == bindparam("grant"),
        openings.c.case_id == bindparam("case"),
        openings.c.person_id == bindparam("person"),
        openings.c.ends_ms > bindparam("at"),
    )
    .order_by(openings.c.ends_ms.desc())
    .limit(1)
)


def _granted_version(grant: GrantFacts | None, case_id: str) -> int | None:
    return next((version for case, version in grant.granted.cases if case == case_id), None) if grant is not None else None
