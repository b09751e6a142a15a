"""The one judge: `decide(principal, action, facts, grants, now, rulebook) -> Permit | Refusal`. Pure; nothing else makes a Permit.

First what depends on the principal alone (role held, separation, factors, the role's right): those refusals say so, and say the same
whatever the object. Then everything that depends on the object: absent, of another fonds, out of scope, walled, shut by a hold - one
refusal, equal in every part the caller can see. Only to somebody the object exists for are further reasons given.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any

from auth.principal import Principal
from policies import chain as chain_rules
from policies import filing as filing_rules
from policies import grant_state, visibility
from policies.actions import ACTIONS, BLIND, FINDING, LISTING, OPENING
from policies.eligibility import Matter, ineligible
from policies.facts import CaseFacts, Facts, FilingFacts, FondsFacts, GrantFacts, HoldingFacts, PersonFacts, RequestFacts, unit_codes
from policies.level import Level
from policies.permit import _SEAL, Permit, Refusal
from policies.relation import relation
from policies.request_state import status_at
from policies.rulebook.load import Rulebook
from policies.scope import filter_for, links_identity
from policies.visibility import Table
from policies.wall import walled_from

_ABSENT = {
    "case": "case-not-found",
    "filing": "case-not-found",
    "request": "request-not-found",
    "holding": "grant-not-found",
    "fonds": "not-permitted",
}


def decide(
    principal: Principal, action: str, facts: Facts | None, grants: Iterable[GrantFacts], now: datetime, rulebook: Rulebook
) -> Permit | Refusal:
    """Judge one act. `facts` None means the object does not exist; `grants` matter to openings only; `now` is aware UTC."""
    barred = _standing(principal, action, rulebook)
    if barred is not None:
        return barred
    judge = _Judge(principal, action, now, rulebook)
    about = ACTIONS[action]
    match facts:
        case FondsFacts() if about == "fonds" or action in FINDING or action in LISTING:
            return judge.fonds(facts)
        case CaseFacts() if about == "fonds" and action in BLIND:
            return judge.blind(facts)
        case CaseFacts() if about == "case":
            return judge.case(facts, tuple(grants))
        case FilingFacts() if about == "filing":
            return judge.filing(facts)
        case RequestFacts() if about == "request":
            return judge.request(facts)
        case HoldingFacts() if about == "holding":
            return judge.holding(facts)
        case _:
            return Refusal(_ABSENT[about], cause="absent")


def plan(principal: Principal, facts: CaseFacts, rulebook: Rulebook) -> visibility.VisibilityPlan:
    """What a masked view of this case would show this principal: for previews; it permits nothing."""
    return table_of(rulebook).plan(
        role=principal.role,
        relation=relation(principal, facts, rulebook.matrix),
        protection=facts.protection,
        sensitivity=facts.sensitivity,
        walled=walled_from(principal, (facts,)),
        hold_cap=facts.hold_cap,
    )


@lru_cache(maxsize=16)  # one per fonds' rulebook and a few of the past; a lost one is compiled again
def table_of(rulebook: Rulebook) -> Table:
    """The compiled visibility table of this very rulebook, made once."""
    return Table(rulebook.matrix, rulebook.classes, rulebook.catalogue)


def _standing(principal: Principal, action: str, rulebook: Rulebook) -> Refusal | None:
    """What bars the principal whatever the object is."""
    roles = rulebook.roles
    cause = None
    if action not in ACTIONS:
        cause = "unknown-action"
    elif principal.role not in principal.roles or not roles.may_be_held_by(principal.role, principal.kind):
        cause = "role-not-held"
    elif (principal.person_id is None) != (principal.kind == "service"):
        cause = "no-person"
    elif roles.clashes(principal.roles):
        cause = "separation"
    elif rulebook.matrix.right(principal.role, action) == "no":
        cause = "no-right"
    if cause is not None:
        return Refusal("not-permitted", cause=cause)
    if principal.assurance < roles.assurance(principal.role):
        return Refusal("second-factor-required", cause="one-factor")
    return None


class _Judge:
    """One decision on its way; the right is known not to be `no`."""

    def __init__(self, principal: Principal, action: str, now: datetime, rulebook: Rulebook) -> None:
        self.principal = principal
        self.action = action
        self.now = now
        self.rules = rulebook
        self.right = rulebook.matrix.right(principal.role, action)
        self.absent = _ABSENT[ACTIONS[action]]

    def permit(self, **more: Any) -> Permit:
        return Permit(
            seal=_SEAL,
            action=self.action,
            fonds=self.principal.fonds,
            account_id=self.principal.account_id,
            person_id=self.principal.person_id,
            role=self.principal.role,
            rule=f"rights.{self.principal.role}.{self.action}:{self.right}",
            policy_version=self.rules.version,
            at=self.now,
            **more,
        )

    def hidden(self, cases: tuple[CaseFacts, ...], fonds: str) -> str | None:
        """Why these cases do not exist for the principal, apart from scope."""
        if fonds != self.principal.fonds or any(facts.fonds != fonds for facts in cases):
            return "other-fonds"
        if walled_from(self.principal, cases):
            return "wall"
        return "hold" if any(facts.hold_cap is Level.WITHHELD for facts in cases) else None

    def reach(self, facts: CaseFacts) -> str | None:
        """Why this case is not within the right's scope."""
        cause = self.hidden((facts,), facts.fonds)
        if cause is not None:
            return cause
        if relation(self.principal, facts, self.rules.matrix) is None:
            return "out-of-scope"
        if self.right == "scope-normal" and facts.protection != "normal":
            return "high-protection"
        return "anonymous" if links_identity(self.action) and facts.anonymous else None

    def fonds(self, facts: FondsFacts) -> Permit | Refusal:
        if facts.fonds != self.principal.fonds:
            return Refusal("not-permitted", cause="other-fonds")
        if self.action == "case.search_identity" and not self.rules.purposes.allowed(facts.purpose, "search", self.principal.role):
            return Refusal("purpose-required", cause="purpose")
        trail = self.rules.matrix.trail(self.principal.role) if self.action == "audit.query" else None
        # The trail of cases is questioned through the scope of the role's masked view: the walls hold there too.
        scope = filter_for(self.principal, "case.view" if trail is not None else self.action, self.rules.matrix)
        return self.permit(scope=scope, trail=trail)

    def blind(self, facts: CaseFacts) -> Permit | Refusal:
        if facts.fonds != self.principal.fonds:
            return Refusal("not-permitted", cause="other-fonds")
        cause = None if self.principal.kind == "service" else self.hidden((facts,), facts.fonds)
        if cause is not None:
            return Refusal("case-not-found", cause=cause)
        return self.permit(object_id=facts.case_id, version=facts.version)

    def case(self, facts: CaseFacts, grants: tuple[GrantFacts, ...]) -> Permit | Refusal:
        cause = self.reach(facts)
        if cause is not None:
            return Refusal(self.absent, cause=cause)
        live = grant_state.live(grants if self.action in OPENING else (), self.principal, facts, self.now)
        related = relation(self.principal, facts, self.rules.matrix)
        view = table_of(self.rules).plan(
            role=self.principal.role,
            relation=related,
            protection=facts.protection,
            sensitivity=facts.sensitivity,
            walled=False,
            hold_cap=facts.hold_cap,
            raises=live.raises,
            export=self.action == "case.export",
        )
        if self.action in OPENING and not view.raised:
            return Refusal("grant-required", cause=min(live.ended, default="no-grant"))
        return self.permit(
            object_id=facts.case_id,
            version=facts.version,
            view=view,
            grant_ids=tuple(sorted({one.grant_id for one in live.raises})),
            new_opening=live.new_opening,
        )

    def filing(self, filing: FilingFacts) -> Permit | Refusal:
        cause = self.hidden(filing.cases, filing.fonds) or next(
            (cause for cause in (self.reach(facts) for facts in filing.cases) if cause is not None), None
        )
        if cause is not None:
            return Refusal(self.absent, cause=cause)
        role, rules = self.principal.role, self.rules
        found = filing_rules.faults(filing, role, self.now, table_of(rules), rules.classes, rules.purposes, rules.chains)
        if found:
            return Refusal("request-not-acceptable", cause="faults", faults=found)
        chain = rules.chains.choose(role, filing.cases)
        if chain is None or filing.office.fonds != filing.fonds:
            return Refusal("nobody-can-approve", cause="no-chain")
        matter = Matter.of_filing(filing, self.principal.person_id, unit_codes(self.principal.posts_of(role)))
        stages = chain_rules.resolve(chain, matter, filing.office)
        if not all(stage.can_be_decided for stage in stages):
            return Refusal("nobody-can-approve", cause="stage", stages=stages)
        return self.permit(chain=chain.code)

    def request(self, request: RequestFacts) -> Permit | Refusal:
        cause = self.hidden(request.cases, request.fonds)
        own = request.applicant_id is not None and request.applicant_id == self.principal.person_id
        decided = any(self.principal.person_id == one.person_id for one in request.state.decisions)
        if cause is None and not (own or (self.sees_as_approver() and (decided or self.could_decide(request)))):
            cause = "not-concerned"
        if cause is not None:
            return Refusal(self.absent, cause=cause)
        if self.action in {"request.view", "request.list"}:
            return self.permit(object_id=request.request_id, version=request.state.version)
        return self.request_act(request, own=own)

    def request_act(self, request: RequestFacts, *, own: bool) -> Permit | Refusal:
        if status_at(request.state, self.now) != "pending":
            return Refusal("request-closed", cause="final")
        if self.action == "request.withdraw" and own:
            return self.permit(object_id=request.request_id, version=request.state.version)
        chain = self.rules.chains.by_code.get(request.chain)
        if self.action != "request.decide" or chain is None or not 0 <= request.state.stage < len(chain.stages):
            return Refusal("decision-not-yours", cause="not-own" if chain else "no-chain")
        why = ineligible(PersonFacts.of(self.principal), chain.stages[request.state.stage], Matter.of_request(request))
        if why is not None:
            return Refusal("decision-not-yours", cause=why)
        return self.permit(object_id=request.request_id, version=request.state.version, chain=chain.code)

    def sees_as_approver(self) -> bool:
        return self.rules.matrix.right(self.principal.role, "request.decide") == "approver"

    def could_decide(self, request: RequestFacts) -> bool:
        """Whether any stage of the request is for this person to decide, had nobody decided anything yet."""
        chain = self.rules.chains.by_code.get(request.chain)
        matter = Matter(
            fonds=request.fonds,
            applicant_id=request.applicant_id,
            applicant_units=request.applicant_units,
            cases=request.cases,
            counted=frozenset(),
        )
        person = PersonFacts.of(self.principal)
        return chain is not None and any(ineligible(person, stage, matter) is None for stage in chain.stages)

    def holding(self, holding: HoldingFacts) -> Permit | Refusal:
        grant = holding.grant
        cause = self.hidden(holding.cases, grant.fonds)
        if cause is None and not self.concerned(holding):
            cause = "not-concerned"
        if cause is not None:
            return Refusal(self.absent, cause=cause)
        return self.permit(object_id=grant.grant_id, grant_ids=(grant.grant_id,))

    def concerned(self, holding: HoldingFacts) -> bool:
        me, grant = self.principal.person_id, holding.grant
        own = me == grant.holder_id
        if self.action == "grant.return":
            return own
        if self.right == "fonds":
            return True
        if self.right == "scope":
            related = [relation(self.principal, facts, self.rules.matrix) is not None for facts in holding.cases]
            return bool(related) and all(related)
        # Taking one's own grant back is returning it; revoking is for those who gave it.
        if self.right == "approver" and me in grant.approver_ids:
            return True
        return own and self.action != "grant.revoke"
