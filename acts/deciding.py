"""Asking the rules, and keeping their answer: a refusal is committed to the log before it is raised."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from acts.desk import Caller, Desk
from acts.errors import Refused
from foundation.errors import InvalidInput, NotFound
from policies.decide import decide
from policies.facts import Facts, FondsFacts, GrantFacts
from policies.permit import Permit, Refusal

# These say nothing more than "not found, or not yours to know of", and are answered as such.
_HIDDEN = frozenset({"case-not-found", "request-not-found", "grant-not-found"})


def permit(
    desk: Desk, caller: Caller, action: str, facts: Facts | None, grants: Iterable[GrantFacts] = (), *, about: dict[str, Any] | None = None
) -> Permit:
    """The permit for one act, or the refusal on record and then raised: `Refused`, `NotFound`, or `InvalidInput` about a form.

    `about` is the entry's object where it is not the fonds. An absent case and a hidden one take this same way.
    """
    answer = decide(caller.principal, action, facts, tuple(grants), desk.clock.now(), desk.rulebook(caller.fonds))
    if isinstance(answer, Permit):
        return answer
    record_refusal(desk, caller, action, answer, about=about)
    if answer.faults:
        raise InvalidInput(answer.faults)
    if answer.code in _HIDDEN or answer.cause == "absent":
        raise NotFound
    raise Refused(answer.code, answer.zh, answer.en, answer.stages)


def permit_in_fonds(desk: Desk, caller: Caller, action: str, *, purpose: str | None = None) -> Permit:
    """The permit for an act upon the caller's own fonds."""
    return permit(desk, caller, action, FondsFacts(fonds=caller.fonds, purpose=purpose), about={"kind": "fonds", "id": caller.fonds})


def record_refusal(desk: Desk, caller: Caller, action: str, refusal: Refusal, *, about: dict[str, Any] | None = None) -> None:
    """Commit the refusal. Its cause stands in the entry, where inspectors read it, and nowhere else."""
    event = caller.event(
        desk,
        "access.refused",
        object=about,
        verdict="refuse",
        reason=refusal.code,
        data={"action": action, "cause": refusal.cause or None, "alarm": True if refusal.alarm else None},
    )
    desk.uow.run(caller.fonds, lambda unit: unit.add(event))
