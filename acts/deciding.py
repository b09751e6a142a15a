"""Asking the rules, and keeping their answer: a refusal is committed to the log before it is raised."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from acts.desk import Caller, Desk
from acts.errors import Refused
from acts.reasons import sealed
from audit.events import Event, SealedDetail
from foundation.errors import ArchiveError, InvalidInput, NotFound
from policies.decide import decide
from policies.errors import TransitionRefused
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
    answer = judge(desk, caller, action, facts, grants)
    if isinstance(answer, Permit):
        return answer
    record_refusal(desk, caller, action, answer, about=about)
    raise refusal_error(answer)


def judge(desk: Desk, caller: Caller, action: str, facts: Facts | None, grants: Iterable[GrantFacts] = ()) -> Permit | Refusal:
    """The rules' answer as of now, not yet on record: for asking once more inside the transaction or snapshot that acts on it."""
    return decide(caller.principal, action, facts, tuple(grants), desk.clock.now(), desk.rulebook(caller.fonds))


def refusal_error(refusal: Refusal) -> ArchiveError:
    """What a refusal is raised as, once it is on record."""
    if refusal.faults:
        return InvalidInput(refusal.faults)
    if refusal.code in _HIDDEN or refusal.cause == "absent":
        return NotFound()
    return Refused(refusal.code, refusal.zh, refusal.en, refusal.stages)


def permit_in_fonds(desk: Desk, caller: Caller, action: str, *, purpose: str | None = None) -> Permit:
    """The permit for an act upon the caller's own fonds."""
    return permit(desk, caller, action, FondsFacts(fonds=caller.fonds, purpose=purpose), about={"kind": "fonds", "id": caller.fonds})


def record_refusal(desk: Desk, caller: Caller, action: str, refusal: Refusal, *, about: dict[str, Any] | None = None) -> None:
    """Commit the refusal.

    Why an object is hidden is nobody's to read off the log: the cause and the alarm of such a refusal are a sealed detail, the same in
    form for a wall, a colleague's case and a case that does not exist.
    """
    event = refusal_event(desk, caller, action, refusal, about=about)
    desk.uow.run(caller.fonds, lambda unit: unit.add(event))


def refusal_event(desk: Desk, caller: Caller, action: str, refusal: Refusal, *, about: dict[str, Any] | None = None) -> Event:
    """The entry of a refusal, for a transaction that finds out only inside that it may not go on."""
    hidden = refusal.code in _HIDDEN or refusal.cause == "absent"
    return caller.event(
        desk,
        "access.refused",
        object=about,
        verdict="refuse",
        reason=refusal.code,
        data={"action": action, "cause": None if hidden else refusal.cause or None},
        details=(_sealed_cause(desk, caller.fonds, refusal),) if hidden else (),
    )


@contextmanager
def faults_on_record(desk: Desk, caller: Caller, action: str, *, about: dict[str, Any] | None = None) -> Iterator[None]:
    """Commit what breaks the rules inside the block before it is raised on: an attempt is an attempt, even a malformed one."""
    try:
        yield
    except (InvalidInput, TransitionRefused) as error:
        rules = sorted({fault.rule for fault in error.faults}) if isinstance(error, InvalidInput) else [str(error.params["rule"])]
        event = caller.event(
            desk, "access.refused", object=about, verdict="refuse", reason=error.code, data={"action": action, "rules": rules}
        )
        desk.uow.run(caller.fonds, lambda unit: unit.add(event))
        raise


def _sealed_cause(desk: Desk, fonds: str, refusal: Refusal) -> SealedDetail:
    # Of one length, so that the sealed form does not tell which cause it is.
    text = f"{refusal.cause}{' alarm' if refusal.alarm else ''}".ljust(32)
    return sealed(desk, fonds, text, "cause")
