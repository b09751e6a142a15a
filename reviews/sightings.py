"""Who saw a case, or a petitioner's cases (谁看过): in lists, searches, masked views and clear text, by person and way, in one answer.

The answer is drawn from the trail as the asker may see it (`reviews.questions`): what is hidden from them is not there, and counts nothing.
It serves the petitioner, whose case it is, and says of those who looked only that they did: it ranks nobody and rates nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from acts.deciding import permit_in_fonds
from acts.desk import Caller, Desk
from archive.finding_persons import find_person
from audit.kinds import KINDS
from audit.trail import MAX_PAGE, Question, ask_within
from foundation.errors import NotFound
from foundation.uow import Ticket, Unit
from policies.permit import Permit
from reviews.questions import Reader, Shown
from reviews.trail_groups import kinds_of

WAYS: Final[Mapping[str, tuple[str, str]]] = {
    "list": ("浏览列表", "in a list"),
    "search": ("检索", "in a search"),
    "identity-search": ("按身份检索", "in a search by identity"),
    "view": ("查看（脱敏）", "masked view"),
    "clear": ("明文调阅", "in clear"),
    "clear-unsure": ("明文调阅，结果未记", "in clear, perhaps: no outcome is on record"),
    "clear-stopped": ("明文调阅，未给出", "an opening that was stopped: nothing left"),
    "other": ("其他", "otherwise"),
}
"""Way -> what it is called. `clear-unsure` is an intent without an outcome, which counts as disclosed until it is explained."""

MOST_ENTRIES: Final = 20_000
_BY_KIND: Final = {
    "case.listed": "list",
    "case.searched": "search",
    "case.searched-by-identity": "identity-search",
    "case.viewed": "view",
    "access.intent": "clear-unsure",
}
_DISCLOSING: Final = frozenset(kind for kind, one in KINDS.items() if one.discloses)


@dataclass(slots=True)
class Sighting:
    """One person's looks at the cases in one way. `first` and `last` are instants as the entries have them, `indices` the newest places."""

    person: str | None
    account: str | None
    way: str
    times: int = 0
    first: str = ""
    last: str = ""
    roles: set[str] = field(default_factory=set)
    units: set[str] = field(default_factory=set)
    cases: set[str] = field(default_factory=set)
    purposes: set[str] = field(default_factory=set)
    grants: set[str] = field(default_factory=set)
    indices: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Sightings:
    """Who saw `cases`, the latest first. `complete`: all their entries were looked at; else those from `from_index` on."""

    cases: tuple[str, ...]
    sightings: tuple[Sighting, ...]
    complete: bool
    from_index: int
    log_index: int


def who_saw(desk: Desk, caller: Caller, case_id: str) -> Sightings:
    """Who saw this case. NotFound where the asker may not know of it, `Refused`; on record as a question to the log."""
    return _seen(desk, caller, [case_id], {"case": case_id})


def who_saw_petitioner(desk: Desk, caller: Caller, kind: str, value: str, *, purpose: str, reason: str) -> Sightings:
    """Who saw any case that names this person, among those the asker may know of: a search by identity, with its limits and its record.

    As `archive.finding_persons.find_person`, whose hundred newest cases are looked at.
    """
    found = find_person(desk, caller, kind, value, purpose=purpose, reason=reason)
    return _seen(desk, caller, [row.case_id for row in found.rows], {"search": found.log_index})


def _seen(desk: Desk, caller: Caller, cases: list[str], asked: dict[str, Any]) -> Sightings:
    allowed = permit_in_fonds(desk, caller, "audit.query")
    if allowed.trail is None:
        raise NotFound
    kinds = tuple(kind for kind in kinds_of(allowed.trail.groups) if kind in _DISCLOSING)
    entries: dict[int, Shown] = {}
    lowest, hidden = 0, False
    with desk.db.read() as conn:
        reader = Reader(desk, conn, allowed)
        for case_id in cases:
            if not kinds or not reader.may_ask(Question(case=case_id)):
                hidden = True
                continue
            lowest = max(lowest, _collect(reader, conn, allowed, case_id, kinds, entries, MOST_ENTRIES // len(cases)))
    event = caller.event(
        desk,
        "log.queried",
        object={"kind": "log", "id": caller.fonds},
        verdict="permit",
        reason=allowed.rule,
        data={"query": caller.query_digest(desk, {"who-saw": asked}), "shown": len(entries)},
    )

    def write(unit: Unit) -> Ticket:
        return unit.add(event)

    log_index = desk.uow.run(caller.fonds, write).index
    if hidden and "case" in asked:
        raise NotFound
    found = _by_person((one for index, one in sorted(entries.items()) if index >= lowest), set(cases))
    return Sightings(tuple(cases), found, lowest == 0, lowest, log_index)


def _collect(reader: Reader, conn: Any, allowed: Permit, case_id: str, kinds: tuple[str, ...], entries: dict[int, Shown], most: int) -> int:
    """Add the visible entries that disclosed the case; return from which index on they are all there (0: from the beginning)."""
    cursor, looked = None, 0
    while True:
        page = ask_within(conn, allowed.fonds, Question(case=case_id, kinds=kinds), cursor=cursor, limit=MAX_PAGE)
        entries.update((one.index, one) for one in reader.visible(page.found))
        looked += len(page.found)
        cursor = page.next_cursor
        if cursor is None:
            return 0
        if looked >= most:
            return cursor


def _by_person(entries: Iterable[Shown], cases: set[str]) -> tuple[Sighting, ...]:
    """Gather entries, oldest first, by who acted and how they saw."""
    outcomes: dict[str, str] = {}
    every = list(entries)
    for one in every:
        if one.members["kind"] == "access.outcome":
            outcomes[one.members.get("request_id", "")] = "clear" if one.members["verdict"] == "permit" else "clear-stopped"
    found: dict[tuple[str | None, str | None, str], Sighting] = {}
    for one in every:
        members = one.members
        if members["kind"] == "access.outcome":
            continue
        way = _BY_KIND.get(members["kind"], "other")
        if way == "clear-unsure":
            way = outcomes.get(members.get("request_id", ""), way)
        actor = members["actor"]
        key = actor.get("person"), actor.get("account"), way
        sighting = found.setdefault(key, Sighting(*key, first=members["time"]))
        sighting.times += 1
        sighting.last = members["time"]
        sighting.roles.add(actor["role"])
        sighting.indices = [one.index, *sighting.indices[:19]]
        about = members.get("object") or {}
        sighting.cases |= cases & {*members.get("cases", ()), *([about["id"]] if about.get("kind") == "case" else [])}
        for kept, value in (
            (sighting.units, actor.get("unit")),
            (sighting.purposes, members.get("purpose")),
            (sighting.grants, members.get("grant")),
        ):
            if value is not None:
                kept.add(value)
    return tuple(sorted(found.values(), key=lambda one: one.indices[0], reverse=True))
