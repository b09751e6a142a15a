"""Filing and withdrawing a 信息查询审批表. What is frozen at filing is exactly what approvers see, and the most that can be granted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from sqlalchemy import Connection

from acts.deciding import permit
from acts.desk import Caller, Desk
from acts.reasons import reason_faults, sealed
from archive.facts import case_facts
from archive.office_facts import office_facts
from archive.repeating import Once
from archive.requests.store import insert_request, request_facts, save_state
from archive.walls import Whom
from audit.trail import Found
from foundation.canonical import canonical
from foundation.clock import SHANGHAI, office_day, to_ms
from foundation.errors import Fault, InvalidInput, NotFound
from foundation.ids import new_id
from foundation.steps import reach
from foundation.uow import Ticket, Unit
from policies.errors import VersionChanged
from policies.facts import Asked, FilingFacts, Target, unit_codes
from policies.level import Level
from policies.purposes import USAGES
from policies.relation import relation
from policies.request_state import filed, withdrawn
from policies.rulebook.load import Rulebook


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What an applicant asks for. `cases` are case ids (their current versions are frozen at filing); `fields` by path, all items."""

    cases: tuple[str, ...]
    fields: tuple[str, ...]
    level: Level
    purpose: str
    reason: str
    usage: str
    max_uses: int
    not_before: datetime | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Filed:
    """A filed request."""

    request_id: str
    version: int
    entry_id: str
    log_index: int


def file(desk: Desk, caller: Caller, form: Form, *, idempotency_key: str | None = None) -> Filed:
    """File a request: InvalidInput with every fault of the form, NotFound where a case is not the applicant's to know of, `Refused`
    with the reason per stage where nobody could approve it, KeyReused.
    """
    once = Once.of(desk, caller, idempotency_key, "request.file", _asked(form))

    def again(_: Connection, found: Found) -> Filed:
        return Filed(found.entry.object["id"], found.entry.object["version"], found.entry.id, found.index)

    return once.answer(lambda: _file(desk, caller, form, once), again, repeated="request.repeated")


def _file(desk: Desk, caller: Caller, form: Form, once: Once) -> Filed:
    own = _faults(form)
    now = desk.clock.now()
    rulebook = desk.rulebook(caller.fonds)
    with desk.db.read() as conn:
        office = office_facts(conn, caller.fonds, now)
        found = case_facts(conn, desk.keys, caller.fonds, dict.fromkeys(form.cases), Whom.of_office(office, caller.principal))
    complete = len(found) == len(set(form.cases))
    asked = Asked(
        targets=frozenset(Target(facts.case_id, facts.version, path) for facts in found.values() for path in form.fields),
        level=form.level,
        max_uses=form.max_uses,
        not_before=form.not_before or now,
        expires_at=form.expires_at,
    )
    filing = FilingFacts(
        fonds=caller.fonds, asked=asked, purpose=form.purpose, cases=tuple(found.values()), office=office, fields=form.fields
    )
    # A form that names one case which is not there is refused as a whole, like one that names a case of others.
    try:
        allowed = permit(desk, caller, "request.file", filing if complete else None, about={"kind": "fonds", "id": caller.fonds})
    except InvalidInput as error:
        raise InvalidInput([*own, *error.faults]) from None
    if own:
        raise InvalidInput(own)
    posts = caller.principal.posts_of(caller.principal.role)
    related = {facts.case_id: relation(caller.principal, facts, rulebook.matrix) for facts in found.values()}
    request_id, state = new_id(), filed(asked, _lapses_at(rulebook, now))
    row = {
        "request_id": request_id,
        "version": state.version,
        "status": state.status,
        "stage": state.stage,
        "applicant_person": caller.principal.person_id,
        "applicant_role": caller.principal.role,
        "applicant_units": canonical(sorted(unit_codes(posts))).decode(),
        "purpose": form.purpose,
        "usage": form.usage,
        "chain": allowed.chain,
        "filed_ms": to_ms(now),
        "lapses_ms": to_ms(state.lapses_at),
    }
    event = caller.event(
        desk,
        "request.filed",
        object={"kind": "request", "id": request_id, "version": state.version},
        cases=tuple(sorted(found)),
        fields=tuple(sorted(set(form.fields))),
        purpose=form.purpose,
        verdict="permit",
        reason=allowed.rule,
        data={"chain": allowed.chain, "usage": form.usage, "level": form.level.word, "max_uses": form.max_uses},
        details=(sealed(desk, caller.fonds, form.reason),),
    )

    def store(unit: Unit) -> Ticket:
        ticket = unit.add(event)
        insert_request(unit.conn, unit.fonds, {**row, "filed_entry": ticket.entry_id}, asked, related)
        once.keep(unit, ticket.entry_id)
        reach("request.inserted")
        return ticket

    reach("request.decided")
    ticket = desk.uow.run(caller.fonds, store)
    reach("request.recorded")
    return Filed(request_id, state.version, ticket.entry_id, ticket.index)


def withdraw(desk: Desk, caller: Caller, request_id: str, if_match: int, *, idempotency_key: str | None = None) -> int:
    """The applicant takes a pending request back; returns the new version. VersionChanged, TransitionRefused, NotFound, KeyReused."""
    once = Once.of(desk, caller, idempotency_key, "request.withdraw", {"request": request_id, "if_match": if_match})

    def again(_: Connection, found: Found) -> int:
        return int(found.entry.object["version"])

    return once.answer(lambda: _withdraw(desk, caller, request_id, if_match, once), again, repeated="request.repeated")


def _withdraw(desk: Desk, caller: Caller, request_id: str, if_match: int, once: Once) -> int:
    with desk.db.read() as conn:
        facts = request_facts(conn, desk.keys, caller.fonds, [request_id], Whom.of(caller.principal)).get(request_id)
    about = {"kind": "request", "id": request_id}
    allowed = permit(desk, caller, "request.withdraw", facts, about=about)
    if facts is None:
        raise NotFound
    state = withdrawn(facts.state, now=allowed.at, if_match=if_match)

    def store(unit: Unit) -> None:
        if not save_state(unit.conn, unit.fonds, request_id, if_match, state):
            raise VersionChanged
        event = caller.event(desk, "request.withdrawn", object={**about, "version": state.version}, reason=allowed.rule)
        once.keep(unit, unit.add(event).entry_id)

    desk.uow.run(caller.fonds, store)
    return state.version


def _asked(form: Form) -> dict[str, Any]:
    """The form as it was sent, for its fingerprint."""
    return {
        "cases": form.cases,
        "fields": form.fields,
        "level": form.level.word,
        "purpose": form.purpose,
        "reason": form.reason,
        "usage": form.usage,
        "max_uses": form.max_uses,
        "not_before": to_ms(form.not_before) if form.not_before is not None else None,
        "expires_at": to_ms(form.expires_at),
    }


def _lapses_at(rulebook: Rulebook, now: datetime) -> datetime:
    # A request not answered by the end of this working day, Shanghai time, has lapsed.
    day = rulebook.calendar.add_working_days(office_day(now), rulebook.chains.lapse_working_days)
    return datetime.combine(day, time.max, SHANGHAI)


def _faults(form: Form) -> list[Fault]:
    """What is wrong with the form whatever the cases are; the rules find the rest, and all of it is told at once."""
    faults = reason_faults(form.reason, required=True)
    if form.usage not in USAGES:
        codes = ", ".join(USAGES)
        words = (f"使用方式不在清单内：{'、'.join(USAGES)}。", f"The usage is not on the list: {codes}.")
        faults.append(Fault("usage", "unknown-code", *words))
    if len(set(form.cases)) != len(form.cases):
        faults.append(Fault("cases", "duplicate", "案卷重复。", "A case is named twice."))
    return faults
