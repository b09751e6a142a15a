"""Ending a grant early (归还, 撤销), and the lists of forms and grants. Each row of a list is decided for itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, select

from acts.deciding import permit, permit_in_fonds
from acts.desk import Caller, Desk
from acts.reasons import check_reason, sealed
from archive.repeating import Once
from archive.requests.store import cases_of_grant, end_grant, grant_facts, relations_of, request_facts
from archive.requests.tables import access_requests, grants, request_decisions
from archive.requests.wording import reasons
from archive.walls import Whom
from audit.trail import Found
from foundation.errors import NotFound
from foundation.steps import reach
from foundation.uow import Ticket, Unit
from policies.decide import decide
from policies.errors import TransitionRefused
from policies.facts import GrantFacts, HoldingFacts, RequestFacts
from policies.grant_state import status
from policies.permit import Permit
from policies.request_state import status_at

PAGE = 200


@dataclass(frozen=True, slots=True)
class GrantView:
    """A grant with its status as of now."""

    grant: GrantFacts
    status: str


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request with its status as of now, and whether the caller may decide it now.

    `reason` and `usage` are the form's; `comments` the approvers', in the order of the decisions; `relations` how the applicant stood to
    each case when filing, by case id. Lists leave these four empty.
    """

    request: RequestFacts
    status: str
    decidable: bool
    reason: str = ""
    usage: str = ""
    comments: tuple[str, ...] = ()
    relations: Mapping[str, str] = field(default_factory=dict)


def give_back(desk: Desk, caller: Caller, grant_id: str, *, idempotency_key: str | None = None) -> int:
    """The holder returns a grant early; returns the entry's index."""
    return _end_once(desk, caller, grant_id, "grant.return", "returned", "", idempotency_key)


def revoke(desk: Desk, caller: Caller, grant_id: str, reason: str, *, idempotency_key: str | None = None) -> int:
    """An approver, the principal or the security administrator takes a grant back, at once and for good; returns the entry's index."""
    return _end_once(desk, caller, grant_id, "grant.revoke", "revoked", reason, idempotency_key)


def _end_once(desk: Desk, caller: Caller, grant_id: str, action: str, how: str, reason: str, key: str | None) -> int:
    once = Once.of(desk, caller, key, action, {"grant": grant_id, "reason": reason})

    def again(_: Connection, found: Found) -> int:
        return found.index

    return once.answer(lambda: _end(desk, caller, grant_id, action, how, reason, once), again, repeated="request.repeated")


def _end(desk: Desk, caller: Caller, grant_id: str, action: str, how: str, reason: str, once: Once) -> int:
    holding = _holding(desk, caller, grant_id)
    allowed = permit(desk, caller, action, holding, about={"kind": "grant", "id": grant_id})
    if holding is None:
        raise NotFound
    cases = tuple(sorted({case_id for case_id, _ in holding.grant.granted.cases}))
    check_reason(reason, required=False)
    details = (sealed(desk, caller.fonds, reason),) if reason else ()

    def end(unit: Unit) -> Ticket:
        now = desk.clock.now()
        if not end_grant(unit.conn, unit.fonds, grant_id, how, now):
            raise TransitionRefused(rule="grant-already-ended")
        reach("grant.ended")
        ticket = unit.add(
            caller.event(
                desk,
                f"grant.{how}",
                object={"kind": "grant", "id": grant_id},
                cases=cases,
                grant=grant_id,
                verdict="permit",
                reason=allowed.rule,
                time=now,
                details=details,
            )
        )
        once.keep(unit, ticket.entry_id)
        return ticket

    return desk.uow.run(caller.fonds, end).index


def grants_of(desk: Desk, caller: Caller) -> list[GrantView]:
    """The caller's grants, newest first, with their status now; the list is on record."""
    permit_in_fonds(desk, caller, "grant.list")
    now = desk.clock.now()
    with desk.db.read() as conn:
        ids = list(
            conn.execute(
                select(grants.c.grant_id)
                .where(grants.c.fonds == caller.fonds, grants.c.holder_person == caller.principal.person_id)
                .order_by(grants.c.grant_id.desc())
                .limit(PAGE)
            ).scalars()
        )
        found = grant_facts(conn, caller.fonds, ids)
        whom = Whom.of(caller.principal)
        holdings = {
            grant_id: HoldingFacts(grant=found[grant_id], cases=cases_of_grant(conn, desk.keys, found[grant_id], whom)) for grant_id in ids
        }
    shown = [grant_id for grant_id in ids if _allowed(desk, caller, "grant.view", holdings[grant_id])]
    _record_list(desk, caller, "grant", len(shown))
    return [GrantView(found[grant_id], status(found[grant_id], now)) for grant_id in shown]


def requests_of(desk: Desk, caller: Caller, *, to_decide: bool) -> list[RequestView]:
    """The caller's own requests, or those that wait for the caller's decision; newest first, on record."""
    permit_in_fonds(desk, caller, "request.list")
    mine = access_requests.c.applicant_person == caller.principal.person_id
    with desk.db.read() as conn:
        ids = list(
            conn.execute(
                select(access_requests.c.request_id)
                .where(access_requests.c.fonds == caller.fonds, access_requests.c.status == "pending" if to_decide else mine)
                .order_by(access_requests.c.request_id.desc())
                .limit(PAGE * 5 if to_decide else PAGE)
            ).scalars()
        )
        found = request_facts(conn, desk.keys, caller.fonds, ids, Whom.of(caller.principal))
    action = "request.decide" if to_decide else "request.view"
    shown = [request_id for request_id in ids if _allowed(desk, caller, action, found[request_id])][:PAGE]
    _record_list(desk, caller, "request", len(shown))
    return [_request_view(desk, caller, found[request_id]) for request_id in shown]


def read_request(desk: Desk, caller: Caller, request_id: str) -> RequestView:
    """One request, for its applicant and for those who may decide or have decided it."""
    with desk.db.read() as conn:
        facts = request_facts(conn, desk.keys, caller.fonds, [request_id], Whom.of(caller.principal)).get(request_id)
    allowed = permit(desk, caller, "request.view", facts, about={"kind": "request", "id": request_id})
    if facts is None:
        raise NotFound
    about = {"kind": "request", "id": request_id}
    event = caller.event(desk, "requests.listed", object=about, verdict="permit", reason=allowed.rule, data={"what": "request"})
    desk.uow.run(caller.fonds, lambda unit: unit.add(event))
    with desk.db.read() as conn:
        form = conn.execute(
            select(access_requests.c.usage, access_requests.c.filed_entry).where(
                access_requests.c.fonds == caller.fonds, access_requests.c.request_id == request_id
            )
        ).one()
        entries = list(
            conn.execute(
                select(request_decisions.c.entry_id)
                .where(request_decisions.c.fonds == caller.fonds, request_decisions.c.request_id == request_id)
                .order_by(request_decisions.c.request_version)
            ).scalars()
        )
        related = relations_of(conn, caller.fonds, request_id)
        told = reasons(conn, desk.keys, allowed, [form.filed_entry, *entries])
    return replace(
        _request_view(desk, caller, facts),
        reason=told.get(form.filed_entry, ""),
        usage=form.usage,
        comments=tuple(told.get(entry, "") for entry in entries[: len(facts.state.decisions)]),
        relations=related,
    )


def _request_view(desk: Desk, caller: Caller, facts: RequestFacts) -> RequestView:
    return RequestView(facts, status_at(facts.state, desk.clock.now()), _allowed(desk, caller, "request.decide", facts))


def _allowed(desk: Desk, caller: Caller, action: str, facts: RequestFacts | HoldingFacts) -> bool:
    answer = decide(caller.principal, action, facts, (), desk.clock.now(), desk.rulebook(caller.fonds))
    return isinstance(answer, Permit)


def _holding(desk: Desk, caller: Caller, grant_id: str) -> HoldingFacts | None:
    with desk.db.read() as conn:
        grant = grant_facts(conn, caller.fonds, [grant_id]).get(grant_id)
        if grant is None:
            return None
        return HoldingFacts(grant=grant, cases=cases_of_grant(conn, desk.keys, grant, Whom.of(caller.principal)))


def _record_list(desk: Desk, caller: Caller, what: str, shown: int) -> None:
    event = caller.event(
        desk, "requests.listed", object={"kind": "fonds", "id": caller.fonds}, verdict="permit", data={"what": what, "shown": shown}
    )
    desk.uow.run(caller.fonds, lambda unit: unit.add(event))
