"""May this person decide this stage now. By id, fonds and posts held at this moment, never by name; whatever cannot be resolved refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from policies.facts import CaseFacts, FilingFacts, PersonFacts, RequestFacts, unit_codes
from policies.wall import walled

# Where the post of an approver must lie.
#   applicant-line  in a unit the applicant's posts lie in or under (own unit and every unit around it)
#   keeping-line    in the keeping unit of every case asked for, or in a unit around it
#   case-leader     the person is the leader in charge of every case asked for
#   fonds           anywhere in the fonds
PLACES = ("applicant-line", "keeping-line", "case-leader", "fonds")

Need = int | Literal["all"]


@dataclass(frozen=True, slots=True)
class ApproverRule:
    """A role and where its post must lie. Several rules of a stage are a union: no rule shadows another."""

    role: str
    place: str


@dataclass(frozen=True, slots=True)
class StageRule:
    """One stage: who may decide it, and how many must (`all`, or a number of at least 1)."""

    zh: str
    en: str
    approvers: tuple[ApproverRule, ...]
    need: Need


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """What a stage is decided about. `counted` are the persons who have already decided in any stage of this request."""

    fonds: str
    applicant_id: str | None
    applicant_units: frozenset[str]
    cases: tuple[CaseFacts, ...]
    counted: frozenset[str]

    @classmethod
    def of_request(cls, request: RequestFacts) -> Matter:
        return cls(
            fonds=request.fonds,
            applicant_id=request.applicant_id,
            applicant_units=request.applicant_units,
            cases=request.cases,
            counted=frozenset(
                one for decision in request.state.decisions for one in (decision.person_id, decision.standing_for) if one is not None
            ),
        )

    @classmethod
    def of_filing(cls, filing: FilingFacts, applicant_id: str | None, applicant_units: frozenset[str]) -> Matter:
        return cls(
            fonds=filing.fonds,
            applicant_id=applicant_id,
            applicant_units=applicant_units,
            cases=filing.cases,
            counted=frozenset(),
        )


def ineligible(person: PersonFacts, stage: StageRule, matter: Matter) -> str | None:
    """Why this person may not decide this stage, or None if they may. The reason is for explanations to the trail, never to the person."""
    if person.kind != "person" or person.person_id is None:
        return "machine"
    if person.fonds != matter.fonds:
        return "other-fonds"
    if not person.active:
        return "inactive"
    if matter.applicant_id is None or not matter.cases or any(facts.fonds != matter.fonds for facts in matter.cases):
        return "unresolvable"
    if person.person_id == matter.applicant_id:
        return "self-approval"
    if person.standing_for is not None:
        return "deputies-not-in-force"
    if person.person_id in matter.counted:
        return "already-counted"
    barred = _barred(person.person_id, person, matter)
    if barred is not None:
        return barred
    return None if any(_fits(person, rule, matter) for rule in stage.approvers) else "no-post"


def _barred(person_id: str, person: PersonFacts, matter: Matter) -> str | None:
    units = unit_codes(person.posts)
    if any(walled(person_id, units, facts) for facts in matter.cases):
        return "wall"
    if any(person_id in facts.conflicted_ids for facts in matter.cases):
        return "conflict"
    return None


def _fits(person: PersonFacts, rule: ApproverRule, matter: Matter) -> bool:
    if person.acting_role not in {None, rule.role}:
        return False
    posts = [post for post in person.posts if post.role == rule.role and post.unit_path]
    if rule.place == "case-leader":
        return bool(posts) and all(facts.leader_id == person.person_id for facts in matter.cases)
    if rule.place == "fonds":
        return bool(posts)
    own_units = {post.unit_path[-1] for post in posts}
    if rule.place == "applicant-line":
        return bool(own_units & matter.applicant_units)
    if rule.place == "keeping-line":
        return all(own_units & set(facts.unit_path) for facts in matter.cases)
    return False
