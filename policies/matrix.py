"""The access matrix: role x field class (cells), x action (rights), x relation, x trail. Every cell is written or the load fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policies import classes as class_rules
from policies import roles as role_rules
from policies.actions import ACTIONS, CEILING, RIGHTS
from policies.classes import CLASSES, RATINGS, Classes
from policies.level import Level, level_of
from policies.roles import ROLES, Roles
from policies.shape import Shape, opened

RELATIONS = ("own-handling", "in-charge", "cooperating", "keeping-line", "fonds")
FINDS = ("no", "plain", "text", "identity")
TRAIL_GROUPS = ("case", "access", "request", "grant", "identity", "office", "key", "log")
_LEVEL_WORDS = ("withheld", "masked", "clear")


@dataclass(frozen=True, slots=True)
class Cell:
    """One role x class: see the comments of matrix.toml."""

    view: Level
    high: Level
    open: Level
    find: str
    export: Level

    @property
    def shut(self) -> bool:
        """Nothing to see, open, find or export."""
        return self == _SHUT


_SHUT = Cell(view=Level.WITHHELD, high=Level.WITHHELD, open=Level.WITHHELD, find="no", export=Level.WITHHELD)


@dataclass(frozen=True, slots=True)
class Trail:
    """Which groups of log entries a role may question, of which acting roles."""

    groups: frozenset[str]
    actors: frozenset[str]


@dataclass(frozen=True, slots=True)
class ActionWords:
    """How an action is named to people."""

    code: str
    zh: str
    en: str


@dataclass(frozen=True, eq=False)
class Matrix:
    """The whole matrix, compiled to plain dictionaries. Lookups of anything unknown answer the closed value."""

    cells: Mapping[tuple[str, str], Cell]
    rights: Mapping[tuple[str, str], str]
    relations: Mapping[str, frozenset[str]]
    trails: Mapping[str, Trail]
    actions: Mapping[str, ActionWords]

    def cell(self, role: str, field_class: str | None) -> Cell:
        return self.cells.get((role, field_class), _SHUT) if field_class is not None else _SHUT

    def right(self, role: str, action: str) -> str:
        return self.rights.get((role, action), "no")

    def relations_of(self, role: str) -> frozenset[str]:
        return self.relations.get(role, frozenset())

    def trail(self, role: str) -> Trail:
        return self.trails.get(role, Trail(frozenset(), frozenset()))


def load(sources: Mapping[str, Any]) -> Matrix:
    """Read matrix.toml against roles.toml and classes.toml. Refused: gaps, unknown keys, and every loosening listed in `_check_*`."""
    roles = role_rules.load(sources)
    classes = class_rules.load(sources)
    root = opened(sources, "matrix")
    root.number("version", least=1)
    relations = {role: frozenset(words) for role, words in _relations(root.table("relations"))}
    trails = dict(_trails(root.table("trail")))
    actions = dict(_actions(root.table("actions")))
    rights = {(role, action): word for role, row in _by_role(root, "rights") for action, word in _rights(row)}
    cells = {(role, code): cell for role, row in _by_role(root, "cells") for code, cell in _cells(row)}
    root.done()
    matrix = Matrix(cells=cells, rights=rights, relations=relations, trails=trails, actions=actions)
    for role in ROLES:
        _check_rights(root, matrix, roles, role)
        _check_cells(root, matrix, classes, role)
    return matrix


def _by_role(root: Shape, key: str) -> Iterator[tuple[str, Shape]]:
    table = root.table(key)
    for role in ROLES:
        yield role, table.table(role)
    table.done()


def _relations(table: Shape) -> Iterator[tuple[str, tuple[str, ...]]]:
    for role in ROLES:
        yield role, table.words(role, allowed=RELATIONS)
    table.done()


def _trails(table: Shape) -> Iterator[tuple[str, Trail]]:
    for role in ROLES:
        row = table.table(role)
        yield role, Trail(frozenset(row.words("groups", allowed=TRAIL_GROUPS)), frozenset(row.words("actors", allowed=ROLES)))
        row.done()
    table.done()


def _actions(table: Shape) -> Iterator[tuple[str, ActionWords]]:
    for code, about in ACTIONS.items():
        row = table.table(code)
        row.one_of("about", (about,))
        yield code, ActionWords(code, row.text("zh"), row.text("en"))
        row.done()
    table.done()


def _rights(row: Shape) -> Iterator[tuple[str, str]]:
    for action, about in ACTIONS.items():
        yield action, row.one_of(action, RIGHTS[about])
    row.done()


def _cells(row: Shape) -> Iterator[tuple[str, Cell]]:
    for code in CLASSES:
        cell = row.table(code)
        yield (
            code,
            Cell(
                view=_level(cell, "view"),
                high=_level(cell, "high"),
                open=_level(cell, "open"),
                find=cell.one_of("find", FINDS),
                export=_level(cell, "export"),
            ),
        )
        cell.done()
    row.done()


def _level(cell: Shape, key: str) -> Level:
    level = level_of(cell.one_of(key, _LEVEL_WORDS))
    return level if level is not None else Level.WITHHELD


def _check_rights(root: Shape, matrix: Matrix, roles: Roles, code: str) -> None:
    role = roles.by_code[code]
    given = {action for action in ACTIONS if matrix.right(code, action) != "no"}
    beyond = sorted(given - CEILING[role.kind])
    if beyond:
        root.refuse(f"no {role.kind} role may have this right", f"rights.{code}.{beyond[0]}")
    scoped = sorted(action for action in given if matrix.right(code, action).startswith("scope"))
    if bool(scoped) != bool(matrix.relations_of(code)):
        root.refuse("scoped rights and relations need each other", f"relations.{code}")
    if ("audit.query" in given) != bool(matrix.trail(code).groups and matrix.trail(code).actors):
        root.refuse("the right to question the trail and what of it need each other", f"trail.{code}")
    if role.kind == "admin" and "case" in matrix.trail(code).groups:
        root.refuse("an administrator does not read the entries of cases", f"trail.{code}")
    if matrix.right(code, "request.decide") != "no" and not role.second_factor:
        root.refuse("who decides acts with two factors", f"rights.{code}.request.decide")
    if role.kind == "external" and any(matrix.right(code, action) == "scope" for action in scoped):
        root.refuse("an outsider sees normal protection only", f"rights.{code}.{scoped[0]}")


def _check_cells(root: Shape, matrix: Matrix, classes: Classes, role: str) -> None:
    for code in CLASSES:
        cell = matrix.cell(role, code)
        where = f"cells.{role}.{code}"
        if not matrix.relations_of(role) and not cell.shut:
            root.refuse("a role without relation to cases sees nothing of them", where)
        if code == "secret" and not cell.shut:
            root.refuse("secrets are shown to nobody", where)
        if not (cell.high <= cell.view <= cell.open and cell.export <= cell.open):
            root.refuse("must hold: high <= view <= open, and export <= open", where)
        if code in RATINGS and not cell.shut and matrix.relations_of(role) != {"fonds"}:
            root.refuse("who answers for a case sees no single rating of it", where)
        if cell.view is Level.CLEAR and not classes.by_code[code].plain:
            root.refuse("only plain facts are clear without a grant", where)
        _check_find(root, matrix, cell, role, where)


def _check_find(root: Shape, matrix: Matrix, cell: Cell, role: str, where: str) -> None:
    # What is seen masked or not at all may not be filtered, sorted or counted by: a hit would tell the value.
    if cell.find == "plain" and cell.high is not Level.CLEAR:
        root.refuse("only what is always seen in clear may be filtered, sorted and counted by", where)
    if cell.find in {"text", "identity"}:
        if cell.view is Level.WITHHELD:
            root.refuse("what is withheld cannot be searched", where)
        action = "case.search_text" if cell.find == "text" else "case.search_identity"
        if cell.high is Level.WITHHELD and matrix.right(role, action) == "scope":
            root.refuse(f"withheld at high protection, so {action} must be scope-normal", where)
