"""The life of a request, as pure transitions: pending stage by stage, then approved, refused or withdrawn - and then final.

A form nobody answers ends by the clock: it is never written down that it lapsed (`status_at`). Every transition gives a new state whose
`version` is one more; the store writes it only where the stored version is the one read, in the same transaction as its one audit entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from policies.eligibility import StageRule
from policies.errors import TransitionRefused, VersionChanged
from policies.facts import Asked, Decision, RequestState, Status


@dataclass(frozen=True, slots=True)
class Turn:
    """The stages of the chain, the persons who may decide the current one now (from `chain.eligible`), the time, and the version read."""

    stages: Sequence[StageRule]
    eligible: frozenset[str]
    now: datetime
    if_match: int


def filed(asked: Asked, lapses_at: datetime) -> RequestState:
    """A request at its first stage, version 1."""
    return RequestState(status="pending", stage=0, version=1, current=asked, decisions=(), lapses_at=lapses_at)


def status_at(state: RequestState, now: datetime) -> Status:
    """The status at this moment: a pending request past its time has lapsed, though nothing writes it down."""
    return "lapsed" if state.status == "pending" and now >= state.lapses_at else state.status


def trim(asked: Asked, approved: Asked) -> Asked:
    """What is left: `approved`, if it is what was asked or less in every respect, and something at all. Otherwise `TransitionRefused`."""
    if not approved.targets:
        raise TransitionRefused(rule="nothing-left")
    less = (
        approved.targets <= asked.targets
        and approved.level <= asked.level
        and 1 <= approved.max_uses <= asked.max_uses
        and asked.not_before <= approved.not_before < approved.expires_at <= asked.expires_at
    )
    if not less:
        raise TransitionRefused(rule="adds-to-what-was-asked")
    return approved


def decided(state: RequestState, decision: Decision, turn: Turn) -> RequestState:
    """Take one approver's decision. A refusal ends the request; an approval may complete the stage and, with the last, the request."""
    _open(state, turn)
    if decision.stage != state.stage:
        raise TransitionRefused(rule="not-this-stage")
    if decision.standing_for is not None:
        raise TransitionRefused(rule="deputies-not-in-force")
    if any(decision.person_id == earlier.person_id for earlier in state.decisions):
        raise TransitionRefused(rule="already-counted")
    if decision.person_id not in turn.eligible:
        raise TransitionRefused(rule="not-eligible")
    decisions = (*state.decisions, decision)
    if decision.verdict == "refuse":
        return replace(state, status="refused", version=state.version + 1, decisions=decisions)
    if decision.approved is None:
        raise TransitionRefused(rule="nothing-left")
    current = trim(state.current, decision.approved)
    left = replace(state, version=state.version + 1, current=current, decisions=decisions)
    if not _complete(turn.stages[state.stage], turn, frozenset(one.person_id for one in decisions if one.stage == state.stage)):
        return left
    last = state.stage == len(turn.stages) - 1
    return replace(left, status="approved") if last else replace(left, stage=state.stage + 1)


def withdrawn(state: RequestState, *, now: datetime, if_match: int) -> RequestState:
    """The applicant takes a pending request back."""
    return replace(_pending(state, now, if_match), status="withdrawn", version=state.version + 1)


def granted(state: RequestState) -> Asked:
    """What an approved request grants: exactly what its approvers left."""
    if state.status != "approved":
        raise TransitionRefused(rule="not-approved")
    return state.current


def _pending(state: RequestState, now: datetime, if_match: int) -> RequestState:
    if status_at(state, now) != "pending":
        raise TransitionRefused(rule="already-final")
    if if_match != state.version:
        raise VersionChanged
    return state


def _open(state: RequestState, turn: Turn) -> None:
    _pending(state, turn.now, turn.if_match)
    if not 0 <= state.stage < len(turn.stages):
        raise TransitionRefused(rule="not-this-stage")


def _complete(stage: StageRule, turn: Turn, approvers: frozenset[str]) -> bool:
    # "all" means everybody who may decide now: who lost post or eligibility meanwhile no longer holds the stage up.
    return turn.eligible <= approvers if stage.need == "all" else len(approvers) >= stage.need
