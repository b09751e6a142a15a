"""Questions to the trail (查询留痕): who did what, on which case, when and why - for inspectors and the three administrators.

What may be asked stands in the rulebook: groups of entries, and the roles whose acts they are. The walls hold here too: an entry about a
case the asker may not know of is not there, nor is anything of a form or grant that names one; a list of cases is shown without it. What
would tell of a hidden case by being left out is left out always: the numbers of a list, the reason of an attempt on what the asker does
not know. A role that sees no cases at all (the 三员) sees that somebody acted, never on which case. Each question is itself on record
before it is answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select

from acts.deciding import permit_in_fonds
from acts.desk import Caller, Desk
from archive.facts import case_facts
from archive.requests.tables import grants, request_cases
from archive.tables import case_versions
from archive.walls import Whom
from audit.errors import BadQuestion
from audit.trail import MAX_PAGE, Found, Page, Question, ask_within
from auth.posts import posts_held
from auth.tables import accounts
from foundation.among import among
from foundation.clock import iso
from foundation.errors import NotFound
from foundation.uow import Ticket, Unit
from policies.permit import Permit
from policies.roles import KINDS as ROLE_KINDS
from policies.scope import ScopeFilter
from reviews.trail_groups import kinds_of

# An answer looks at so many entries and then goes on to the next milestone of the log alone; it is given with a cursor, so that no question
# walks the whole log. The cursor is the milestone: the place where the looking ended would be that of an entry, perhaps of a hidden one.
_SCANNED: Final = 4 * MAX_PAGE
_MILESTONE: Final = 1000
# Acts on one's own session are not done in a role: they count as acts of the roles the person held then.
_ROLELESS: Final = frozenset({"account-holder", "unknown"})

# Numbers in `data` that count hidden cases too, and the part that keeps them from being guessed. Never shown: left out beside shortened
# lists alone, they would tell which those are.
_COUNTS: Final = frozenset({"shown", "chunk", "blind"})
# Objects whose being there may be hidden.
_HIDING: Final = frozenset({"case", "request", "grant", "entry"})
# All that is shown of an attempt on what the asker does not know: the same whether it is hidden or was never there. The reason would tell
# them apart, for a grant that was returned belongs to a case that exists.
_ATTEMPT: Final = frozenset({"v", "id", "time", "fonds", "actor", "kind", "verdict", "policy_version", "request_id"})
_CASES_OF_REQUESTS = select(request_cases.c.request_id, request_cases.c.case_id).where(
    request_cases.c.fonds == bindparam("of"), among(request_cases.c.request_id, "ids")
)
# All that the form named, and not what was left of it: the chain of approvals was that of the whole form.
_CASES_OF_GRANTS = (
    select(grants.c.grant_id, request_cases.c.case_id)
    .join(request_cases, (request_cases.c.fonds == grants.c.fonds) & (request_cases.c.request_id == grants.c.request_id))
    .where(grants.c.fonds == bindparam("of"), among(grants.c.grant_id, "ids"))
)
_CASES_OF_ENTRIES = select(case_versions.c.entry_id, case_versions.c.case_id).where(
    case_versions.c.fonds == bindparam("of"), among(case_versions.c.entry_id, "ids")
)


@dataclass(frozen=True, slots=True)
class Shown:
    """One entry as the asker may see it: its place, and its members without the cases it may not tell of."""

    index: int
    members: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """A page, newest first; `cursor` asks for what came before it; `log_index` is the question's own entry."""

    entries: tuple[Shown, ...]
    cursor: int | None
    log_index: int


def ask(desk: Desk, caller: Caller, question: Question, *, cursor: int | None = None, limit: int = 50) -> Answered:
    """Answer one page of at most `limit` (1 to 200) entries. BadQuestion, `Refused`."""
    if not 1 <= limit <= 200:
        raise BadQuestion(member="limit")
    allowed = permit_in_fonds(desk, caller, "audit.query")
    if allowed.trail is None:
        raise NotFound
    kinds = kinds_of(allowed.trail.groups)
    wanted = tuple(kind for kind in question.kinds if kind in kinds) if question.kinds else kinds
    with desk.db.read() as conn:
        reader = Reader(desk, conn, allowed)
        # Kinds out of reach and what is not to be known of are asked for in vain, like what does not exist.
        vain = not reader.may_ask(question) or not wanted
        entries, further = ((), None) if vain else reader.page(replace(question, kinds=wanted), cursor, limit)
    event = caller.event(
        desk,
        "log.queried",
        object={"kind": "log", "id": caller.fonds},
        verdict="permit",
        reason=allowed.rule,
        data={"query": caller.query_digest(desk, _plain(question)), "shown": len(entries)},
    )

    def write(unit: Unit) -> Ticket:
        return unit.add(event)

    return Answered(tuple(entries), further, desk.uow.run(caller.fonds, write).index)


def read_entry(desk: Desk, caller: Caller, index: int) -> Shown:
    """One entry by its place in the log, on record. NotFound for what the asker may not see."""
    allowed = permit_in_fonds(desk, caller, "audit.query")
    if allowed.trail is None:
        raise NotFound
    with desk.db.read() as conn:
        kinds = kinds_of(allowed.trail.groups)
        found = ask_within(conn, caller.fonds, Question(kinds=kinds), cursor=index + 1, limit=1).found if index < 2**62 else ()
        shown = Reader(desk, conn, allowed).visible([one for one in found if one.index == index])
    event = caller.event(desk, "log.queried", object={"kind": "log", "id": caller.fonds}, verdict="permit", data={"shown": len(shown)})
    desk.uow.run(caller.fonds, lambda unit: unit.add(event))
    if not shown:
        raise NotFound
    return shown[0]


class Reader:
    """Reads the log for one permit, in one snapshot."""

    def __init__(self, desk: Desk, conn: Connection, allowed: Permit) -> None:
        self._desk = desk
        self._conn = conn
        self._fonds = allowed.fonds
        self._scope: ScopeFilter | None = allowed.scope
        self._actors = allowed.trail.actors if allowed.trail is not None else frozenset()
        self._roles_then = lru_cache(maxsize=1024)(self._look_up_roles)

    def may_ask(self, question: Question) -> bool:
        """Whether the asker may know of every case, form, grant and entry asked about. A role without cases asks about no case."""
        about = [("case", question.case), ("grant", question.grant), question.about or ("", None)]
        asked = [{"object": {"kind": kind, "id": name}} for kind, name in about if name is not None and kind in _HIDING]
        if self._scope is None:
            return all(one["object"]["kind"] != "case" for one in asked)
        whole = self._cases_of(asked)
        known = self._known(case_id for cases in whole for case_id in cases)
        return all(cases and cases <= known for cases in whole)

    def page(self, question: Question, cursor: int | None, limit: int) -> tuple[list[Shown], int | None]:
        shown: list[Shown] = []
        scanned, floor = 0, 0
        while True:
            page: Page = ask_within(self._conn, self._fonds, question, cursor=cursor, limit=MAX_PAGE)
            for one in self.visible([one for one in page.found if one.index >= floor]):
                if len(shown) == limit:
                    return shown, shown[-1].index
                shown.append(one)
            scanned += len(page.found)
            cursor = page.next_cursor
            if cursor is None or cursor <= floor:
                return shown, floor or None
            if scanned >= _SCANNED and not floor:
                floor = cursor // _MILESTONE * _MILESTONE
                if cursor == floor:
                    return shown, floor or None

    def visible(self, found: Sequence[Found]) -> list[Shown]:
        every = [one.entry.members for one in found]
        whole = self._cases_of(every)
        known = self._known(case_id for cases in (*whole, *(members.get("cases", ()) for members in every)) for case_id in cases)
        return [
            Shown(one.index, shown)
            for one, members, cases in zip(found, every, whole, strict=True)
            if self._acted(members) and (shown := self._without(members, cases, known)) is not None
        ]

    def _known(self, case_ids: Iterable[str]) -> set[str]:
        """Which of these cases the asker may know of; a role without cases of its own knows none."""
        if self._scope is None:
            return set()
        scope = self._scope
        whom = Whom(frozenset({scope.person_id}), scope.member_of)
        facts = case_facts(self._conn, self._desk.keys, self._fonds, dict.fromkeys(case_ids, None), whom)
        return {case_id for case_id, one in facts.items() if scope.matches(one)}

    def _without(self, members: Mapping[str, Any], whole: set[str], known: set[str]) -> dict[str, Any] | None:
        """What the asker may see of an entry, None for nothing; `whole`: the cases that must all be known for it to be shown as it is."""
        left = {name: value for name, value in members.items() if name != "details"}
        if "data" in left:
            left["data"] = {name: value for name, value in left["data"].items() if name not in _COUNTS}
        about = left.get("object", {})
        if self._scope is None:
            if about.get("kind") == "case":
                del left["object"]
            return {name: value for name, value in left.items() if name not in {"cases", "fields"}}
        if (whole or about.get("kind") in _HIDING) and not (whole and whole <= known):
            return _attempt(left) if left["kind"] == "access.refused" else None
        if whole and left["kind"] == "access.refused":
            # How a grant ended would tell that there was one: perhaps of a form that is hidden for another of its cases.
            left["data"] = {name: value for name, value in left.get("data", {}).items() if name != "cause"}
        if "cases" in left:
            left["cases"] = [case_id for case_id in left["cases"] if case_id in known]
            return left if left["cases"] else None
        return left

    def _cases_of(self, every: Sequence[Mapping[str, Any]]) -> list[set[str]]:
        """For each of some entries the cases it is about as one thing: the case itself, all those of the form or grant it belongs to.

        The cases of a list are not among them. As many statements for many entries as for none.
        """
        named = [_named(members) for members in every]
        cases: dict[tuple[str, str], set[str]] = {}
        for kind, query in (("request", _CASES_OF_REQUESTS), ("grant", _CASES_OF_GRANTS), ("entry", _CASES_OF_ENTRIES)):
            wanted = sorted({name for one in named for its, name in one if its == kind})
            for name, case_id in self._conn.execute(query, {"of": self._fonds, "ids": wanted}):
                cases.setdefault((kind, name), set()).add(case_id)
        return [{case_id for thing in one for case_id in ({thing[1]} if thing[0] == "case" else cases.get(thing, ()))} for one in named]

    def _acted(self, members: Mapping[str, Any]) -> bool:
        actor = members["actor"]
        role = actor["role"]
        if role == "archive":
            return True
        if role not in _ROLELESS:
            return role in self._actors
        about = members.get("object") or {}
        account = actor.get("account") or (about.get("id") if about.get("kind") == "account" else None)
        roles = self._roles_then(account, members["time"]) if account is not None else frozenset()
        # Nobody's attempts are those of whoever is outside: they are for the role that looks after the users.
        return bool(roles & self._actors) if roles else any(ROLE_KINDS[one] == "business" for one in self._actors)

    def _look_up_roles(self, account: str, at: str) -> frozenset[str]:
        person = self._conn.execute(
            select(accounts.c.person_id).where(accounts.c.fonds == self._fonds, accounts.c.account_id == account)
        ).scalar_one_or_none()
        if person is None:
            return frozenset()
        return frozenset(post.role for post in posts_held(self._conn, self._fonds, person, at=datetime.fromisoformat(at)))


def _attempt(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if name in _ATTEMPT} | {
        "data": {name: value for name, value in members.get("data", {}).items() if name == "action"}
    }


def _named(members: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The things an entry is about whose being there may be hidden, as (kind, id)."""
    about = members.get("object") or {}
    named = [(str(about["kind"]), str(about["id"]))] if about.get("kind") in _HIDING else []
    return [*named, ("grant", str(members["grant"]))] if "grant" in members else named


def _plain(question: Question) -> dict[str, Any]:
    values = {name: getattr(question, name) for name in question.__slots__}
    return {
        name: iso(value) if isinstance(value, datetime) else list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if value not in (None, ())
    }
