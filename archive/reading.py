"""The masked view: everyone's default, also the handler's and the leaders'. One entry per view, durable before anything is opened."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row

from acts.deciding import judge, permit, record_refusal, refusal_error
from acts.desk import Caller, Desk
from archive import opening, store
from archive.facts import case_facts
from archive.masking import CaseView, show
from archive.store import StoredVersion
from archive.walls import Whom
from foundation.clock import from_ms, iso
from foundation.errors import NotFound
from foundation.steps import reach
from policies.facts import CaseFacts
from policies.permit import Permit, Refusal


def view(desk: Desk, caller: Caller, case_id: str, version: int | None = None) -> CaseView:
    """The case (its current version, or an earlier one that no correction replaced) as the caller's role and relation show it.

    NotFound where it is not theirs.
    """
    with desk.db.read() as conn:
        facts = _viewable(conn, desk, caller, case_id, version)
    about = {"kind": "case", "id": case_id}
    allowed = permit(desk, caller, "case.view", facts, about=about)
    if facts is None:
        raise NotFound
    event = caller.event(
        desk, "case.viewed", object={**about, "version": facts.version}, verdict="permit", reason=allowed.rule, time=allowed.at
    )
    index = desk.uow.run(caller.fonds, lambda unit: unit.add(event)).index
    reach("reading.recorded")
    return _masked(desk, caller, case_id, facts.version, index)


def _masked(desk: Desk, caller: Caller, case_id: str, version: int, index: int) -> CaseView:
    """Open the masks of one version and show what the plan names; the view's entry is durable: `index`.

    Judged once more in the very snapshot that is shown: a wall that went up meanwhile holds.
    """
    pair, about = (case_id, version), {"kind": "case", "id": case_id}
    with desk.db.read() as conn:
        answer = judge(desk, caller, "case.view", _viewable(conn, desk, caller, case_id, version))
        if not isinstance(answer, Refusal):
            found = store.version_and_head(conn, caller.fonds, case_id, version)
            documents = opening.masks(conn, desk.keys, answer, [pair])
            return compose(desk, answer, found, documents[pair], {}, index)
    record_refusal(desk, caller, "case.view", answer, about=about)
    raise refusal_error(answer)


def _viewable(conn: Connection, desk: Desk, caller: Caller, case_id: str, version: int | None) -> CaseFacts | None:
    # What a correction replaced was wrong, perhaps in what it hid: it is kept, and shown to nobody as if it were the case.
    facts = case_facts(conn, desk.keys, caller.fonds, {case_id: version}, Whom.of(caller.principal)).get(case_id)
    return None if facts is None or facts.corrected else facts


def compose(
    desk: Desk,
    allowed: Permit,
    found: tuple[StoredVersion, Row[Any]] | None,
    masks: dict[str, Any],
    opened: dict[tuple[str, str], Any],
    index: int,
) -> CaseView:
    """Put a view together from its parts; `found` is what the version's rows hold in plain."""
    if found is None or allowed.view is None:
        raise NotFound
    stored, head = found
    plan, catalogue = allowed.view, desk.rulebook(allowed.fonds).catalogue
    record = show(plan, catalogue, stored, made_by_archive(head, stored), masks, opened)
    sealed = {field.path for field in catalogue if field.sealed}
    return CaseView(
        case_id=stored.case_id,
        version=stored.version,
        record=record,
        clear=tuple(sorted(plan.clear & sealed)),
        masked=tuple(sorted(plan.masked)),
        withheld=tuple(sorted(plan.withheld)),
        log_index=index,
    )


def made_by_archive(head: Row[Any], stored: StoredVersion) -> dict[str, Any]:
    """What the archive itself adds to a record, in the record's form."""
    return {
        "record_id": stored.case_id,
        "fonds_code": head.fonds,
        "protection_level": head.protection,
        "retention": {
            **stored.facts.get("retention", {}),
            "disposition_state": head.disposition_state,
            "archived_at": iso(from_ms(head.archived_ms)),
        },
    }
