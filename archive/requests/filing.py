"""Filing and withdrawing a 信息查询审批表. What is frozen at filing is exactly what approvers see, and the most that can be granted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time

from acts.deciding import permit
from acts.desk import Caller, Desk, log_detail
from archive.facts import case_facts
from archive.office_facts import office_facts
from archive.requests.store import insert_request, request_facts, save_state
from foundation.canonical import canonical
from foundation.clock import SHANGHAI, office_day, to_ms
from foundation.errors import Fault, InvalidInput, NotFound
from foundation.ids import new_id
from foundation.steps import reach
from foundation.uow import Ticket, Unit
from policies.errors import VersionChanged
from policies.facts import Asked, FilingFacts, Target, unit_codes
from policies.level import Level
from policies.request_state import withdrawn
from policies.rulebook.load import Rulebook
from vault.details import seal_detail

REASON_LENGTH = 2000
# How what is read will be used: codes, so that the form can be counted and checked.
USAGES = ("read-only", "reply-drafting", "verification", "evidence", "statistics")


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What an applicant asks for. `cases` are case ids (their current versions are frozen at filing); `paths` field paths, all items."""

    cases: tuple[str, ...]
    paths: tuple[str, ...]
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


def file(desk: Desk, caller: Caller, form: Form) -> Filed:
    """File a request: InvalidInput with every fault of the form, NotFound where a case is not the applicant's to know of, `Refused`
    with the reason per stage where nobody could approve it.
    """
    _check_texts(form)
    now = desk.clock.now()
    rulebook = desk.rulebook(caller.fonds)
    with desk.db.read() as conn:
        found = case_facts(conn, desk.keys, caller.fonds, dict.fromkeys(form.cases))
        office = office_facts(conn, caller.fonds, now)
    complete = len(found) == len(set(form.cases))
    asked = Asked(
        targets=frozenset(Target(facts.case_id, facts.version, path) for facts in found.values() for path in form.paths),
        level=form.level,
        max_uses=form.max_uses,
        not_before=form.not_before or now,
        expires_at=form.expires_at,
    )
    filing = FilingFacts(fonds=caller.fonds, asked=asked, purpose=form.purpose, cases=tuple(found.values()), office=office)
    # A form that names one case which is not there is refused as a whole, like one that names a case of others.
    allowed = permit(desk, caller, "request.file", filing if complete else None, about={"kind": "fonds", "id": caller.fonds})
    posts = caller.principal.posts_of(caller.principal.role)
    request_id = new_id()
    row = {
        "request_id": request_id,
        "version": 1,
        "status": "pending",
        "stage": 0,
        "applicant_person": caller.principal.person_id,
        "applicant_account": caller.principal.account_id,
        "applicant_post": posts[0].post_id,
        "applicant_role": caller.principal.role,
        "applicant_units": canonical(sorted(unit_codes(posts))).decode(),
        "relation": allowed.relation or caller.principal.role,
        "purpose": form.purpose,
        "usage": form.usage,
        "chain": allowed.chain,
        "policy_version": rulebook.version,
        "filed_ms": to_ms(now),
        "updated_ms": to_ms(now),
        "lapses_ms": to_ms(_lapses_at(rulebook, now)),
    }
    reason = seal_detail(desk.keys.detail_key(caller.fonds), caller.fonds, "reason", form.reason)
    event = caller.event(
        desk,
        "request.filed",
        object={"kind": "request", "id": request_id, "version": 1},
        cases=tuple(sorted(found)),
        fields=tuple(sorted(form.paths)),
        purpose=form.purpose,
        verdict="permit",
        reason=allowed.rule,
        data={"chain": allowed.chain, "usage": form.usage, "level": form.level.word, "max_uses": form.max_uses},
        details=(log_detail("reason", reason),),
    )

    def store(unit: Unit) -> Ticket:
        ticket = unit.add(event)
        insert_request(unit.conn, unit.fonds, {**row, "filed_entry": ticket.entry_id}, asked)
        reach("request.inserted")
        return ticket

    reach("request.decided")
    ticket = desk.uow.run(caller.fonds, store)
    reach("request.recorded")
    return Filed(request_id, 1, ticket.entry_id, ticket.index)


def withdraw(desk: Desk, caller: Caller, request_id: str, if_match: int) -> int:
    """The applicant takes a pending request back; returns the new version. VersionChanged, TransitionRefused, NotFound."""
    with desk.db.read() as conn:
        facts = request_facts(conn, desk.keys, caller.fonds, [request_id]).get(request_id)
    about = {"kind": "request", "id": request_id}
    allowed = permit(desk, caller, "request.withdraw", facts, about=about)
    if facts is None:
        raise NotFound
    state = withdrawn(facts.state, now=allowed.at, if_match=if_match)

    def store(unit: Unit) -> None:
        if not save_state(unit.conn, unit.fonds, request_id, if_match, state, allowed.at):
            raise VersionChanged
        unit.add(caller.event(desk, "request.withdrawn", object={**about, "version": state.version}, reason=allowed.rule))

    desk.uow.run(caller.fonds, store)
    return state.version


def _lapses_at(rulebook: Rulebook, now: datetime) -> datetime:
    # A request not answered by the end of this working day, Shanghai time, has lapsed.
    day = rulebook.calendar.add_working_days(office_day(now), rulebook.chains.lapse_working_days)
    return datetime.combine(day, time.max, SHANGHAI)


def _check_texts(form: Form) -> None:
    faults = []
    if not form.reason.strip():
        faults.append(Fault("reason", "required", "请写明查询事由。", "State the reason."))
    if len(form.reason) > REASON_LENGTH:
        faults.append(Fault("reason", "too-long", f"事由不超过 {REASON_LENGTH} 字。", f"The reason is at most {REASON_LENGTH} characters."))
    if form.usage not in USAGES:
        faults.append(Fault("usage", "unknown-code", "使用方式不在清单内。", "The usage is not on the list."))
    if len(set(form.cases)) != len(form.cases):
        faults.append(Fault("cases", "duplicate", "案卷重复。", "A case is named twice."))
    if faults:
        raise InvalidInput(faults)
