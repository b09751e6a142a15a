"""Timelines (经过): all that the log tells the asker of one case, or of one grant from its form to its last opening, oldest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, select

from acts.deciding import permit_in_fonds
from acts.desk import Caller, Desk
from archive.requests.tables import grants
from audit.trail import MAX_PAGE, Question, ask_within
from foundation.errors import NotFound
from foundation.uow import Ticket, Unit
from reviews.questions import Reader, Shown
from reviews.trail_groups import kinds_of

MOST_ENTRIES: Final = 5000
_REQUEST = select(grants.c.request_id).where(grants.c.fonds == bindparam("of"), grants.c.grant_id == bindparam("grant"))


@dataclass(frozen=True, slots=True)
class Timeline:
    """Entries, oldest first. `complete`: from the beginning; else the newest `MOST_ENTRIES` that were looked at."""

    entries: tuple[Shown, ...]
    complete: bool
    log_index: int


def of_case(desk: Desk, caller: Caller, case_id: str) -> Timeline:
    """All of one case. NotFound where the asker may not know of it, `Refused`; on record as a question to the log."""
    return _timeline(desk, caller, [Question(case=case_id)])


def of_grant(desk: Desk, caller: Caller, grant_id: str) -> Timeline:
    """A grant from the filing of its form to its last opening, return or revocation. As `of_case`."""
    with desk.db.read() as conn:
        request_id = conn.execute(_REQUEST, {"of": caller.fonds, "grant": grant_id}).scalar_one_or_none()
    form = [Question(about=("request", request_id))] if request_id is not None else []
    return _timeline(desk, caller, [Question(grant=grant_id), *form])


def _timeline(desk: Desk, caller: Caller, about: list[Question]) -> Timeline:
    allowed = permit_in_fonds(desk, caller, "audit.query")
    if allowed.trail is None:
        raise NotFound
    reached = frozenset(kinds_of(allowed.trail.groups))
    entries: dict[int, Shown] = {}
    lowest = 0
    with desk.db.read() as conn:
        reader = Reader(desk, conn, allowed)
        known = all(reader.may_ask(one) for one in about)
        for question in about if known else ():
            cursor, looked = None, 0
            while looked < MOST_ENTRIES:
                page = ask_within(conn, caller.fonds, question, cursor=cursor, limit=MAX_PAGE)
                entries.update((one.index, one) for one in reader.visible(page.found) if one.members["kind"] in reached)
                looked += len(page.found)
                cursor = page.next_cursor
                if cursor is None:
                    break
            lowest = max(lowest, cursor or 0)
    event = caller.event(
        desk,
        "log.queried",
        object={"kind": "log", "id": caller.fonds},
        verdict="permit",
        reason=allowed.rule,
        data={"query": caller.query_digest(desk, {"timeline": [[one.case, one.grant] for one in about]}), "shown": len(entries)},
    )

    def write(unit: Unit) -> Ticket:
        return unit.add(event)

    log_index = desk.uow.run(caller.fonds, write).index
    if not known:
        raise NotFound
    return Timeline(tuple(one for index, one in sorted(entries.items()) if index >= lowest), lowest == 0, log_index)
