"""Deciding a request. One decision, one transaction: the decision's row, the request's new state, the grant if it was the last, and an
entry for each - or nothing of it. Two decisions at once: one wins, the other gets `DecidedMeanwhile` (409).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from acts.deciding import faults_on_record, permit
from acts.desk import Caller, Desk
from acts.reasons import check_reason, sealed
from archive.office_facts import office_facts
from archive.repeating import Once
from archive.requests.store import insert_decision, insert_grant, request_facts, save_state, stood_after
from archive.walls import Whom
from audit.events import SealedDetail
from audit.trail import Found
from foundation.clock import to_ms
from foundation.errors import Fault, InvalidInput
from foundation.ids import new_id
from foundation.steps import reach
from foundation.uow import Ticket, Unit
from policies import chain as chains
from policies.eligibility import Matter, StageRule
from policies.errors import VersionChanged
from policies.facts import Asked, Decision, GrantFacts, RequestFacts, RequestState
from policies.level import Level
from policies.permit import Permit
from policies.request_state import Turn, decided, granted


class DecidedMeanwhile(VersionChanged):
    """Two decisions at once: the other one won."""

    code = "request-decided-meanwhile"
    zh = "另一审批人的决定先于您生效，请重新读取申请。"
    en = "Another decision was taken just before yours; read the request again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Trim:
    """What an approver takes away; None leaves it as it is. Nothing here can add: what is not left of the form is refused."""

    cases: tuple[str, ...] | None = None
    fields: tuple[str, ...] | None = None
    level: Level | None = None
    max_uses: int | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """Where the request stands after a decision, and the grant if it was the last one."""

    request_id: str
    version: int
    status: str
    stage: int
    grant_id: str | None
    log_index: int


def decide_request(
    desk: Desk,
    caller: Caller,
    request_id: str,
    *,
    verdict: Literal["approve", "refuse"],
    reason: str,
    if_match: int,
    trim: Trim | None = None,
    idempotency_key: str | None = None,
) -> Decided:
    """Approve (perhaps less than was asked) or refuse, as read at version `if_match`. A refusal needs its reason.

    NotFound, `Refused`, VersionChanged (412), DecidedMeanwhile (409), TransitionRefused, InvalidInput, KeyReused.
    """
    asked = {"request": request_id, "verdict": verdict, "reason": reason, "if_match": if_match, "trim": _members(trim)}
    once = Once.of(desk, caller, idempotency_key, "request.decide", asked)
    act = _Act(desk, caller, once, request_id, verdict, if_match, trim)
    return once.answer(lambda: act.decide(reason), act.again, repeated="request.repeated")


class _Act:
    def __init__(
        self,
        desk: Desk,
        caller: Caller,
        once: Once,
        request_id: str,
        verdict: Literal["approve", "refuse"],
        if_match: int,
        trim: Trim | None,
    ) -> None:
        self.desk = desk
        self.caller = caller
        self.once = once
        self.request_id = request_id
        self.verdict = verdict
        self.if_match = if_match
        self.trim = trim
        self.details: tuple[SealedDetail, ...] = ()
        self.allowed: Permit | None = None

    def decide(self, reason: str) -> Decided:
        desk, fonds, about = self.desk, self.caller.fonds, {"kind": "request", "id": self.request_id}
        check_reason(reason, required=self.verdict == "refuse")
        if reason:
            self.details = (sealed(desk, fonds, reason),)
        with desk.db.read() as conn:
            facts = request_facts(conn, desk.keys, fonds, [self.request_id], Whom.of(self.caller.principal)).get(self.request_id)
        self.allowed = permit(desk, self.caller, "request.decide", facts, about=about)
        reach("approval.decided")
        # An attempt to add to a form is an attempt: what breaks the rules here is on record like any refusal.
        with faults_on_record(desk, self.caller, "request.decide", about=about):
            try:
                written = desk.uow.run(fonds, self.write)
            except IntegrityError:
                raise DecidedMeanwhile from None
        reach("approval.recorded")
        return self.finish(*written)

    def again(self, conn: Connection, found: Found) -> Decided:
        """Where the request stood after this decision, whatever has become of it since."""
        stood = stood_after(conn, self.caller.fonds, self.request_id, found.entry.id)
        return Decided(self.request_id, found.entry.object["version"], stood.status, stood.stage, stood.grant_id, found.index)

    def write(self, unit: Unit) -> tuple[RequestState, GrantFacts | None, Ticket]:
        # Read again under lock: what was permitted on is decided on, or not at all.
        wanted, whom = [self.request_id], Whom.of(self.caller.principal)
        facts = request_facts(unit.conn, self.desk.keys, unit.fonds, wanted, whom, lock=True).get(self.request_id)
        if facts is None or self.allowed is None or facts.state.version != self.allowed.version:
            raise DecidedMeanwhile
        now = self.desk.clock.now()
        office = office_facts(unit.conn, unit.fonds, now)
        facts = request_facts(unit.conn, self.desk.keys, unit.fonds, wanted, Whom.of_office(office, self.caller.principal))[self.request_id]
        stages = self.desk.rulebook(unit.fonds).chains.by_code[facts.chain].stages
        eligible = chains.eligible(stages[facts.state.stage], Matter.of_request(facts), office)
        decision = self._decision(facts, stages, now)
        state = decided(facts.state, decision, Turn(stages=stages, eligible=eligible, now=now, if_match=self.if_match))
        trimmed = state.current != facts.state.current
        kind = "request.refused" if self.verdict == "refuse" else "request.trimmed-approved" if trimmed else "request.approved"
        ticket = unit.add(
            self.caller.event(
                self.desk,
                kind,
                object={"kind": "request", "id": self.request_id, "version": state.version},
                cases=tuple(sorted(case_id for case_id, _ in state.current.cases)),
                purpose=facts.purpose,
                verdict="refuse" if self.verdict == "refuse" else "permit",
                reason=self.allowed.rule,
                time=now,
                data={"stage": decision.stage, "chain": facts.chain},
                details=self.details,
            )
        )
        insert_decision(unit.conn, unit.fonds, self.request_id, decision, state.version, ticket.entry_id)
        self.once.keep(unit, ticket.entry_id)
        reach("approval.written")
        if not save_state(unit.conn, unit.fonds, self.request_id, facts.state.version, state):
            raise DecidedMeanwhile
        grant = self._grant(unit, facts, state) if state.status == "approved" else None
        return state, grant, ticket

    def finish(self, state: RequestState, grant: GrantFacts | None, ticket: Ticket) -> Decided:
        return Decided(
            request_id=self.request_id,
            version=state.version,
            status=state.status,
            stage=state.stage,
            grant_id=grant.grant_id if grant is not None else None,
            log_index=ticket.index,
        )

    def _decision(self, facts: RequestFacts, stages: tuple[StageRule, ...], now: datetime) -> Decision:
        principal = self.caller.principal
        roles = {rule.role for rule in stages[facts.state.stage].approvers}
        post = next((post for post in principal.posts_of(principal.role) if post.role in roles), principal.posts_of(principal.role)[0])
        return Decision(
            stage=facts.state.stage,
            person_id=str(principal.person_id),
            account_id=principal.account_id,
            post_id=post.post_id,
            verdict=self.verdict,
            at=now,
            approved=left(facts.state.current, self.trim) if self.verdict == "approve" else None,
        )

    def _grant(self, unit: Unit, facts: RequestFacts, state: RequestState) -> GrantFacts:
        terms = granted(state)
        grant = GrantFacts(
            grant_id=new_id(),
            request_id=self.request_id,
            fonds=unit.fonds,
            holder_id=str(facts.applicant_id),
            role=facts.applicant_role,
            granted=terms,
            purpose=facts.purpose,
            uses=0,
            returned_at=None,
            revoked_at=None,
            approver_ids=frozenset(one.person_id for one in state.decisions),
        )
        ticket = unit.add(
            self.caller.event(
                self.desk,
                "grant.made",
                object={"kind": "grant", "id": grant.grant_id},
                cases=tuple(sorted(case_id for case_id, _ in terms.cases)),
                fields=tuple(sorted({target.path for target in terms.targets})),
                purpose=facts.purpose,
                grant=grant.grant_id,
                verdict="permit",
                data={"request": self.request_id, "holder": facts.applicant_id, "max_uses": terms.max_uses, "level": terms.level.word},
            )
        )
        insert_grant(unit.conn, grant, ticket.entry_id)
        reach("approval.granted")
        return grant


def left(current: Asked, trim: Trim | None) -> Asked:
    """What is left of a form after trimming. A case or field the form does not name is a fault: nothing can be added here."""
    if trim is None:
        return current
    faults = []
    if trim.level is Level.WITHHELD:
        words = ("不予显示等于不同意，请改为不同意并写明理由。", "To leave nothing, refuse, with the reason.")
        faults.append(Fault("trim.level", "nothing-left", *words))
    if trim.cases is not None and not {target.case_id for target in current.targets}.issuperset(trim.cases):
        faults.append(Fault("trim.cases", "not-on-the-form", "只能在申请所列案卷中取舍。", "Only cases of the form can be left."))
    if trim.fields is not None and not {target.path for target in current.targets}.issuperset(trim.fields):
        faults.append(Fault("trim.fields", "not-on-the-form", "只能在申请所列字段中取舍。", "Only fields of the form can be left."))
    if faults:
        raise InvalidInput(faults)
    targets = frozenset(
        target
        for target in current.targets
        if (trim.cases is None or target.case_id in trim.cases) and (trim.fields is None or target.path in trim.fields)
    )
    return replace(
        current,
        targets=targets,
        level=trim.level if trim.level is not None else current.level,
        max_uses=trim.max_uses if trim.max_uses is not None else current.max_uses,
        expires_at=trim.expires_at if trim.expires_at is not None else current.expires_at,
    )


def _members(trim: Trim | None) -> dict[str, Any] | None:
    """What is taken away, as it was sent, for the decision's fingerprint."""
    if trim is None:
        return None
    return {
        "cases": trim.cases,
        "fields": trim.fields,
        "level": trim.level.word if trim.level is not None else None,
        "max_uses": trim.max_uses,
        "expires_at": to_ms(trim.expires_at) if trim.expires_at is not None else None,
    }
