"""Questions to the trail (查询留痕): who did what, on which case, when and why - for inspectors and the three administrators.

What may be asked stands in the rulebook: groups of entries, and the roles whose acts they are. The walls hold here too: an entry about a
case the asker may not know of is not there, and a list of cases is shown without it. A role that sees no cases at all (the 三员) sees that
somebody acted, never on which case. Each question is itself on record before it is answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, select

from acts.deciding import permit_in_fonds
from acts.desk import Caller, Desk
from archive.facts import case_facts
from archive.requests.tables import grant_cases, request_cases
from audit.errors import BadQuestion
from audit.trail import MAX_PAGE, Found, Page, Question, ask_within
from auth.posts import posts_held
from auth.tables import accounts
from foundation.canonical import canonical
from foundation.clock import iso
from foundation.errors import NotFound
from foundation.uow import Ticket, Unit
from policies.permit import Permit
from policies.roles import KINDS as ROLE_KINDS
from policies.scope import ScopeFilter
from reviews.trail_groups import kinds_of
from vault.signer import keyed_digest

# An answer looks at so many entries at the most; then it is given with a cursor, so that no question walks the whole log.
_SCANNED: Final = 4 * MAX_PAGE
# Acts on one's own session are not done in a role: they count as acts of the roles the person held then.
_ROLELESS: Final = frozenset({"account-holder", "unknown"})

_COUNTS = frozenset({"shown", "chunk"})
# Objects whose being there may be hidden.
_HIDING: Final = frozenset({"case", "request", "grant", "entry"})


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
        reader = _Reader(desk, conn, allowed)
        # Kinds out of reach and cases that are not to be known of are asked for in vain, like those that do not exist.
        vain = not wanted or (question.case is not None and not reader.knows([question.case]))
        entries, further = ((), None) if vain else reader.page(replace(question, kinds=wanted), cursor, limit)
    digest = keyed_digest(desk.keys, caller.fonds, "query", canonical(_plain(question)))
    event = caller.event(
        desk,
        "log.queried",
        object={"kind": "log", "id": caller.fonds},
        verdict="permit",
        reason=allowed.rule,
        data={"query": digest.hex(), "shown": len(entries)},
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
        shown = _Reader(desk, conn, allowed).visible([one for one in found if one.index == index])
    event = caller.event(desk, "log.queried", object={"kind": "log", "id": caller.fonds}, verdict="permit", data={"shown": len(shown)})
    desk.uow.run(caller.fonds, lambda unit: unit.add(event))
    if not shown:
        raise NotFound
    return shown[0]


class _Reader:
    """Reads the log for one permit, in one snapshot."""

    def __init__(self, desk: Desk, conn: Connection, allowed: Permit) -> None:
        self._desk = desk
        self._conn = conn
        self._fonds = allowed.fonds
        self._scope: ScopeFilter | None = allowed.scope
        self._actors = allowed.trail.actors if allowed.trail is not None else frozenset()
        self._roles_then = lru_cache(maxsize=1024)(self._look_up_roles)

    def page(self, question: Question, cursor: int | None, limit: int) -> tuple[list[Shown], int | None]:
        shown: list[Shown] = []
        scanned = 0
        while True:
            page: Page = ask_within(self._conn, self._fonds, question, cursor=cursor, limit=MAX_PAGE)
            for one in self.visible(page.found):
                if len(shown) == limit:
                    return shown, shown[-1].index
                shown.append(one)
            scanned += len(page.found)
            cursor = page.next_cursor
            if cursor is None or scanned >= _SCANNED:
                return shown, cursor

    def visible(self, found: Sequence[Found]) -> list[Shown]:
        named = {one.index: self._cases_of(one.entry.members) for one in found}
        known = self.knows({case_id for cases in named.values() for case_id in cases})
        shown = []
        for one in found:
            members = one.entry.members
            # An attempt is shown without its object, whether that was hidden from the asker or was never there.
            hidden = self._scope is not None and named[one.index] and not named[one.index] & known
            if not self._acted(members) or (hidden and members["kind"] != "access.refused"):
                continue
            shown.append(Shown(one.index, self._without(members, named[one.index], known)))
        return shown

    def knows(self, case_ids: Any) -> set[str]:
        """Which of these cases the asker may know of; a role without cases of its own knows none."""
        if self._scope is None:
            return set()
        scope = self._scope
        facts = case_facts(self._conn, self._desk.keys, self._fonds, dict.fromkeys(case_ids, None))
        return {case_id for case_id, one in facts.items() if scope.matches(one)}

    def _without(self, members: Mapping[str, Any], cases: set[str], known: set[str]) -> dict[str, Any]:
        left = {name: value for name, value in members.items() if name != "details"}
        about = left.get("object", {})
        if about.get("kind") == "case" and about["id"] not in known:
            del left["object"]
        if "cases" in left:
            shown = [case_id for case_id in left["cases"] if case_id in known]
            if len(shown) < len(left["cases"]) and "data" in left:
                # A count beside a shortened list would tell how many cases are hidden.
                left["data"] = {name: value for name, value in left["data"].items() if name not in _COUNTS}
            left["cases"] = shown
        if self._scope is None:
            left.pop("cases", None)
            left.pop("fields", None)
        elif members["kind"] == "access.refused" and not cases & known and about.get("kind") in _HIDING:
            # Of an attempt on nothing the asker knows: not what it was on, whether that is behind a wall or was never there.
            left.pop("object", None)
        return left

    def _cases_of(self, members: Mapping[str, Any]) -> set[str]:
        """The cases an entry is about: named in it, or those of the request or grant it is about."""
        cases = set(members.get("cases", ()))
        about = members.get("object") or {}
        if about.get("kind") == "case":
            cases.add(about["id"])
        if not cases and about.get("kind") == "request":
            query = select(request_cases.c.case_id).where(request_cases.c.fonds == self._fonds, request_cases.c.request_id == about["id"])
            cases.update(self._conn.execute(query).scalars())
        grant = members.get("grant") or (about.get("id") if about.get("kind") == "grant" else None)
        if not cases and grant is not None:
            query = select(grant_cases.c.case_id).where(grant_cases.c.fonds == self._fonds, grant_cases.c.grant_id == grant)
            cases.update(self._conn.execute(query).scalars())
        return cases

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


def _plain(question: Question) -> dict[str, Any]:
    values = {name: getattr(question, name) for name in question.__slots__}
    return {
        name: iso(value) if isinstance(value, datetime) else list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if value not in (None, ())
    }
