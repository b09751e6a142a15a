"""Finding cases: lists, searches, facets and counts. Each answer is one event with the ids shown, durable before a mask is opened.

Scope and walls are part of every statement, so what a caller may not know of is neither a hit nor part of a number.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, func, or_, select
from sqlalchemy import Row as Head

from acts.deciding import faults_on_record, permit_in_fonds
from acts.desk import Caller, Desk
from archive import opening, store
from archive.errors import CursorRefused
from archive.facts import FACTS, facts_of_heads
from archive.masking import Visible, pick, visible
from archive.preparing import COLUMN_OF
from archive.querying import SORTS, Query, clause, parse
from archive.scoping import Scoped, Shape, clause_of, scoped
from archive.tables import case_terms, cases
from archive.walls import Whom
from audit.events import chunk_cases
from foundation.among import among
from foundation.canonical import canonical
from foundation.clock import from_ms, iso
from foundation.errors import NotFound
from foundation.steps import reach
from foundation.uow import Ticket, Unit
from policies.decide import plan, table_of
from policies.permit import Permit
from vault.signer import keyed_digest

FACET_VALUES = 50
# What a row of a list shows, as far as the caller may see it; the whole view is one click and one entry further.
ROW = (
    "record_id",
    "archive_code",
    "source_system",
    "case_no",
    "title",
    "petition_form",
    "petition_purpose",
    "statutory_class",
    "content_category_l1",
    "locality_code",
    "petition_date",
    "closed_at",
    "closure_type",
    "grade",
    "is_repeat",
    "petitioner_count",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One case in a list; `fields` has the record's form."""

    case_id: str
    version: int
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """A page. `total` counts all cases found that the caller may know of; `facets` maps path -> [(value, count)]."""

    rows: tuple[Row, ...]
    total: int
    facets: dict[str, list[tuple[Any, int]]]
    cursor: str | None
    log_index: int


def find(desk: Desk, caller: Caller, body: Mapping[str, Any], cursor: str | None = None) -> Found:
    """Search by facts. InvalidInput with every fault, CursorRefused, `Refused`."""
    allowed = permit_in_fonds(desk, caller, "case.search" if body.get("filters") or body.get("facets") else "case.list")
    rulebook = desk.rulebook(caller.fonds)
    with faults_on_record(desk, caller, "case.search"):
        query = parse(body, rulebook.catalogue, table_of(rulebook), caller.principal.role)
    digest = _digest(desk, caller, body)
    after = _read_cursor(desk, caller, digest, cursor) if cursor is not None else None
    if allowed.scope is None:
        raise NotFound
    with desk.db.read() as conn:
        scope = scoped(conn, desk.keys, allowed.scope)
        total = int(conn.execute(_filtered(_count(scope.shape), query), scope.values).scalar_one())
        facets = {path: _facet(conn, scope, query, path) for path in query.facets}
        hits = _hits(conn, scope, query, after)
    shown, more = hits[: query.limit], len(hits) > query.limit
    kind = "case.searched" if query.filters else "case.faceted" if query.facets else "case.listed"
    data = {"query": caller.query_digest(desk, body), "shown": len(shown), "facets": list(query.facets) or None}
    index = record(desk, caller, allowed, kind, [row.case_id for row in shown], data)
    reach("finding.recorded")
    last = shown[-1] if more else None
    return Found(
        rows=rows(desk, caller, allowed, [(row.case_id, row.version) for row in shown]),
        total=total,
        facets=facets,
        cursor=_cursor(desk, caller, digest, [last.sort_value, last.case_id]) if last is not None else None,
        log_index=index,
    )


def record(desk: Desk, caller: Caller, allowed: Permit, kind: str, ids: Sequence[str], data: Mapping[str, Any], **members: Any) -> int:
    """Put what a list shows on record, durably; the index of its (first) entry."""
    event = caller.event(
        desk,
        kind,
        cases=tuple(ids),
        verdict="permit",
        reason=allowed.rule,
        time=allowed.at,
        data=data,
        **members,
    )

    def write(unit: Unit) -> list[Ticket]:
        return [unit.add(part) for part in chunk_cases(event)]

    return desk.uow.run(caller.fonds, write)[0].index


def rows(desk: Desk, caller: Caller, allowed: Permit, pairs: Sequence[tuple[str, int]]) -> tuple[Row, ...]:
    """The rows of cases already on record, each as its own relation, protection and sensitivity show it."""
    if not pairs:
        return ()
    rulebook = desk.rulebook(caller.fonds)
    shown = [rulebook.catalogue[path] for path in ROW if path in rulebook.catalogue.fields]
    columns = [(one.name, _PLACE[COLUMN_OF[one.path]], one.type) for one in shown if one.path in COLUMN_OF]
    with desk.db.read() as conn:
        wanted = {"of": caller.fonds, "ids": [case_id for case_id, _ in pairs]}
        heads = {row.case_id: row for row in conn.execute(_HEADS, wanted).all()}
        facts = facts_of_heads(conn, desk.keys, caller.fonds, dict.fromkeys(heads), list(heads.values()), Whom.of(caller.principal))
        # A version that was superseded since it was recorded is still the one to show; the head tells of its successor.
        older = store.versions_of(conn, caller.fonds, [pair for pair in pairs if heads[pair[0]].version != pair[1]])
        documents = opening.masks(conn, desk.keys, allowed, pairs)
    made = []
    seen: dict[int, Visible] = {}  # by the identity of plans, which are kept alive beside it
    plans = {case_id: plan(caller.principal, facts[case_id], rulebook) for case_id, _ in pairs}
    for pair in pairs:
        case_id, version = pair
        if allowed.scope is None or not allowed.scope.matches(facts[case_id]):
            continue  # it went out of sight between the search and this snapshot
        view = plans[case_id]
        if id(view) not in seen:
            seen[id(view)] = visible(view, shown)
        values = {**older[pair].facts, "record_id": case_id} if pair in older else _own_values(heads[case_id], columns)
        made.append(Row(case_id, version, pick(seen[id(view)], values, documents[pair], {})))
    return tuple(made)


def _own_values(head: Head[Any], columns: Sequence[tuple[str, int, str]]) -> dict[str, Any]:
    """What a head's columns hold, in the record's own form; `columns` are (field name, place in the row, type of the field)."""
    row = tuple(head)
    values: dict[str, Any] = {"record_id": head.case_id}
    for name, place, kind in columns:
        stored = row[place]
        if stored is not None:
            values[name] = iso(from_ms(stored)) if kind == "datetime" else bool(stored) if kind == "bool" else stored
    return values


# Statements without a condition of the caller's own are built once for each shape of scope.
_LISTED = (*FACTS, *(cases.c[COLUMN_OF[path]] for path in ROW if COLUMN_OF.get(path) not in {None, *(one.name for one in FACTS)}))
_PLACE = {column.name: place for place, column in enumerate(_LISTED)}
_HEADS = select(*_LISTED).where(cases.c.fonds == bindparam("of"), among(cases.c.case_id, "ids"))


@lru_cache(maxsize=256)
def _count(shape: Shape) -> Select[Any]:
    return select(func.count()).select_from(cases).where(clause_of(shape))


@lru_cache(maxsize=256)
def _page(shape: Shape, sort: str, *, descending: bool, further: bool) -> Select[Any]:
    column = SORTS[sort]
    statement = select(cases.c.case_id, cases.c.version, column.label("sort_value")).where(clause_of(shape))
    if further:
        value, case_id = bindparam("after_value", type_=column.type), bindparam("after_id", type_=cases.c.case_id.type)
        statement = statement.where(
            or_(column < value, and_(column == value, cases.c.case_id < case_id))
            if descending
            else or_(column > value, and_(column == value, cases.c.case_id > case_id))
        )
    order = (column.desc(), cases.c.case_id.desc()) if descending else (column.asc(), cases.c.case_id.asc())
    return statement.order_by(*order).limit(bindparam("most"))


def _filtered(statement: Select[Any], query: Query) -> Select[Any]:
    return statement.where(clause(query)) if query.filters else statement


def _hits(conn: Connection, scope: Scoped, query: Query, after: list[Any] | None) -> Sequence[Any]:
    statement = _page(scope.shape, query.sort, descending=query.descending, further=after is not None)
    values = {**scope.values, "most": query.limit + 1}
    if after is not None:
        values["after_value"], values["after_id"] = after
    return conn.execute(_filtered(statement, query), values).all()


def _facet(conn: Connection, scope: Scoped, query: Query, path: str) -> list[tuple[Any, int]]:
    where = and_(clause_of(scope.shape), clause(query))
    counted = func.count().label("counted")
    if path in COLUMN_OF:
        column = cases.c[COLUMN_OF[path]]
        statement = select(column, counted).where(where, column.is_not(None)).group_by(column).order_by(counted.desc(), column)
    else:
        term = case_terms.c.term
        statement = (
            select(term, counted)
            .select_from(cases.join(case_terms, and_(case_terms.c.fonds == cases.c.fonds, case_terms.c.case_id == cases.c.case_id)))
            .where(where, case_terms.c.path == path)
            .group_by(term)
            .order_by(counted.desc(), term)
        )
    return [(value, int(count)) for value, count in conn.execute(statement.limit(FACET_VALUES), scope.values)]


def _digest(desk: Desk, caller: Caller, body: Mapping[str, Any]) -> bytes:
    # For cursors, which have to know their question again in a later request; it is never on record.
    return keyed_digest(desk.keys, caller.fonds, "cursor", canonical(dict(body)))


def _cursor(desk: Desk, caller: Caller, digest: bytes, place: list[Any]) -> str:
    payload = json.dumps(place).encode()
    return _spelled(_cursor_tag(desk, caller, digest, payload) + payload)


def _spelled(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _read_cursor(desk: Desk, caller: Caller, digest: bytes, cursor: str) -> list[Any]:
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except ValueError:
        raise CursorRefused from None
    tag, payload = raw[:16], raw[16:]
    if len(cursor) > 400 or _spelled(raw) != cursor or not hmac.compare_digest(tag, _cursor_tag(desk, caller, digest, payload)):
        raise CursorRefused
    place: list[Any] = json.loads(payload)
    return place


def _cursor_tag(desk: Desk, caller: Caller, digest: bytes, payload: bytes) -> bytes:
    # Bound to the account, the role and the question: a cursor of another is worthless.
    bound = f"{caller.principal.account_id}/{caller.principal.role}/".encode() + digest + payload
    return keyed_digest(desk.keys, caller.fonds, "cursor", bound)[:16]
