"""Questions to the log: by who acted, on which case, when, what, why, under which grant and with what outcome, newest first.

Whoever asks through a door of the archive must be on record for it (`log.queried`); the caller sees to that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, Select, func, select

from audit.entry import Entry
from audit.errors import BadQuestion, EntryRefused, NoSuchEntry
from audit.events import VERDICTS
from audit.forms import check_code, check_id
from audit.kinds import KINDS, OBJECTS
from audit.tables import log_entries, log_spans, log_subjects
from foundation.clock import to_ms
from foundation.database import Database
from tlog.tiles import TILE_WIDTH

MAX_PAGE: Final = 500
_MAX_INDEX: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Question:
    """What to look for; what is None or empty does not matter, everything given must hold. `kinds`: any of them.

    `case` finds an entry however it concerns the case: as its object, as one of a list's cases, or named in its data; `grant` likewise.
    `about` is any other (object kind, id). `since` is included, `until` is not.
    """

    account: str | None = None
    person: str | None = None
    unit: str | None = None
    case: str | None = None
    grant: str | None = None
    about: tuple[str, str] | None = None
    kinds: tuple[str, ...] = ()
    purpose: str | None = None
    verdict: str | None = None
    request_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """An entry and its place in the log."""

    index: int
    leaf_hash: bytes
    entry: Entry


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, newest first; `next_cursor` asks for those before them, None at the end."""

    found: tuple[Found, ...]
    next_cursor: int | None


def ask(db: Database, fonds: str, question: Question, *, cursor: int | None = None, limit: int = 50) -> Page:
    """Answer one page of at most `limit` (1 to 500) entries with an index below `cursor`. BadQuestion names the faulty member."""
    with db.read() as conn:
        return ask_within(conn, fonds, question, cursor=cursor, limit=limit)


def ask_within(conn: Connection, fonds: str, question: Question, *, cursor: int | None = None, limit: int = 50) -> Page:
    """As `ask`, inside the caller's transaction."""
    _check(question, cursor, limit)
    first, before = _places(conn, fonds, question)
    before = before if cursor is None else min(before, cursor)
    # An entry concerns a case or grant through a column or through a subject row. Each way is asked by its own index for a whole page,
    # and the pages are merged: one query with OR would walk the log.
    rows: dict[int, Any] = {}
    for query, index in _ways(fonds, question):
        ordered = query.where(index >= first, index < before).order_by(index.desc()).limit(limit + 1)
        rows.update((row.idx, row) for row in conn.execute(ordered))
    newest = sorted(rows, reverse=True)
    shown = newest[:limit]
    return Page(
        tuple(Found(index, bytes(rows[index].leaf_hash), Entry.parse(bytes(rows[index].body))) for index in shown),
        shown[-1] if len(newest) > limit else None,
    )


def entry_named(conn: Connection, fonds: str, entry_id: str) -> Found:
    """Return the entry with that id; NoSuchEntry."""
    row = conn.execute(_base().where(log_entries.c.fonds == fonds, log_entries.c.entry_id == entry_id)).one_or_none()
    if row is None:
        raise NoSuchEntry
    return Found(row.idx, bytes(row.leaf_hash), Entry.parse(bytes(row.body)))


def _base() -> Select[Any]:
    return select(log_entries.c.idx, log_entries.c.leaf_hash, log_entries.c.body)


def _ways(fonds: str, question: Question) -> Iterator[tuple[Select[Any], Column[int]]]:
    """Yield one query per combination of ways in which the asked case and grant can be met, and the index column that leads it."""
    row = log_entries.c
    fixed: list[ColumnElement[bool]] = [row.fonds == fonds]
    equal = {
        row.actor_account: question.account,
        row.actor_person: question.person,
        row.unit: question.unit,
        row.purpose: question.purpose,
        row.verdict: question.verdict,
        row.request_ref: question.request_id,
    }
    fixed += [column == value for column, value in equal.items() if value is not None]
    if len(question.kinds) == 1:
        fixed.append(row.kind == question.kinds[0])
    elif question.kinds:
        fixed.append(row.kind.in_(question.kinds))
    if question.since is not None:
        fixed.append(row.time_ms >= to_ms(question.since))
    if question.until is not None:
        fixed.append(row.time_ms < to_ms(question.until))
    things: list[list[ColumnElement[bool] | tuple[str, str]]] = [
        [column == wanted, (kind, wanted)]
        for kind, column, wanted in (("case", row.case_id, question.case), ("grant", row.grant_id, question.grant))
        if wanted is not None
    ]
    if question.about is not None:
        things.append([question.about])
    for met in product(*things):
        named = [one for one in met if isinstance(one, tuple)]
        query, leading = _of_subjects(fonds, named)
        yield query.where(*fixed, *(one for one in met if not isinstance(one, tuple))), leading


def _places(conn: Connection, fonds: str, question: Question) -> tuple[int, int]:
    """Return between which indices, the second excluded, every entry lies that happened when it is asked for."""
    if question.since is None and question.until is None:
        return 0, _MAX_INDEX
    tile, row = log_spans.c, log_entries.c
    known, fresh = [tile.fonds == fonds], [row.fonds == fonds]
    if question.since is not None:
        known.append(tile.latest_ms >= to_ms(question.since))
        fresh.append(row.time_ms >= to_ms(question.since))
    if question.until is not None:
        known.append(tile.earliest_ms < to_ms(question.until))
        fresh.append(row.time_ms < to_ms(question.until))
    tiles = conn.execute(select(func.min(tile.n), func.max(tile.n)).where(*known)).one()
    # The entries of the last, partial tile have no span yet.
    newest = select(func.coalesce(func.max(tile.n) + 1, 0) * TILE_WIDTH).where(tile.fonds == fonds).scalar_subquery()
    rest = conn.execute(select(func.min(row.idx), func.max(row.idx)).where(*fresh, row.idx >= newest)).one()
    places = [] if tiles[0] is None else [tiles[0] * TILE_WIDTH, (tiles[1] + 1) * TILE_WIDTH]
    places += [] if rest[0] is None else [rest[0], rest[1] + 1]
    return (min(places), max(places)) if places else (0, 0)


def _of_subjects(fonds: str, named: list[tuple[str, str]]) -> tuple[Select[Any], Column[int]]:
    """Select the entries with all these subject rows, led by the first: its key has them in order, so a page is read, not the log."""
    query, leading = _base(), log_entries.c.idx
    for kind, subject in reversed(named):
        about = log_subjects.alias().c
        query = query.where(about.fonds == fonds, about.subject_kind == kind, about.subject_id == subject, about.idx == leading)
        leading = about.idx
    return query, leading


def _check(question: Question, cursor: int | None, limit: int) -> None:
    if not 1 <= limit <= MAX_PAGE:
        raise BadQuestion(member="limit")
    if cursor is not None and not 0 <= cursor <= _MAX_INDEX:
        raise BadQuestion(member="cursor")
    if question.verdict is not None and question.verdict not in VERDICTS:
        raise BadQuestion(member="verdict")
    if any(kind not in KINDS for kind in question.kinds):
        raise BadQuestion(member="kinds")
    if question.about is not None and question.about[0] not in OBJECTS:
        raise BadQuestion(member="about")
    for name in ("since", "until"):
        instant = getattr(question, name)
        if instant is not None and instant.tzinfo is None:
            raise BadQuestion(member=name)
    texts = {name: getattr(question, name) for name in ("unit", "purpose", "request_id")}
    ids = {name: getattr(question, name) for name in ("account", "person", "case", "grant")}
    for name, value in {**texts, **ids, "about": question.about[1] if question.about else None}.items():
        if value is None:
            continue
        try:
            (check_id if name in ids else check_code)(name, value)
        except EntryRefused:
            raise BadQuestion(member=name) from None
