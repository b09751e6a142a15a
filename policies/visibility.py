"""Which fields a view shows, and how much of each: computed once per role, relation, protection and set of grants, applied to many rows.

For every field: take the matrix cell's base, join what live grants lift it to (never above the cell's `open`), meet the caps (wall,
relation, hold), settle on what the field's mask can give, and hide what may not stand beside a half-hidden ID number. All steps are
monotone, joins before meets, so that removing a grant never reveals and the order of rules never matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from policies.classes import Classes, FieldShape, is_plain
from policies.grant_state import Raise
from policies.level import Level
from policies.matrix import Cell, Matrix


@dataclass(frozen=True, slots=True)
class VisibilityPlan:
    """The levels of all fields of one view. A path that is not in it is withheld. `raised`: paths a grant lifted above the base."""

    levels: Mapping[str, Level] = field(repr=False)
    clear: frozenset[str] = field(repr=False)
    masked: frozenset[str] = field(repr=False)
    withheld: frozenset[str] = field(repr=False)
    raised: frozenset[str]

    def level(self, path: str) -> Level:
        return self.levels.get(path, Level.WITHHELD)


@dataclass(frozen=True, slots=True)
class _Row:
    base: tuple[Level, ...]
    open: tuple[Level, ...]
    export: tuple[Level, ...]


class Table:
    """The matrix compiled over a catalogue: a row of levels per role, protection and sensitivity, by field index."""

    def __init__(self, matrix: Matrix, classes: Classes, fields: Iterable[FieldShape]) -> None:
        """Compile; the three parts are not looked at again."""
        self._matrix = matrix
        self._classes = classes
        self._fields = tuple(fields)
        self._index = {one.path: index for index, one in enumerate(self._fields)}
        self._plain = tuple(is_plain(one) for one in self._fields)
        self._maskable = tuple(one.mask not in {"none", "withheld"} for one in self._fields)
        self._class_of = tuple(classes.class_of(one) for one in self._fields)
        covered = [(rule.needs_clear, index) for rule in classes.beside for path, index in self._index.items() if rule.covers(path)]
        self._beside = tuple((self._index[needed], index) for needed, index in covered if needed in self._index)
        self._orphans = tuple(index for needed, index in covered if needed not in self._index)
        self._rows: dict[tuple[str, bool, str | None], _Row] = {}
        self._plans: dict[tuple[str, bool, str | None], VisibilityPlan] = {}
        self._nothing = self._finish([Level.WITHHELD] * len(self._fields), (Level.WITHHELD,) * len(self._fields))

    @property
    def paths(self) -> tuple[str, ...]:
        """The catalogue's field paths in their order."""
        return tuple(self._index)

    def field_class(self, path: str) -> str | None:
        """The class of a field; None for an unknown field and for one withheld from everybody."""
        return self._class_of[self._index[path]] if path in self._index else None

    def find(self, role: str, path: str) -> str:
        """How this role may find by this field: `no`, `plain`, `text`, `identity`. `no` for everything unknown."""
        return self._matrix.cell(role, self.field_class(path)).find

    def lifted(self, role: str, protection: str, sensitivity: str, path: str, level: Level) -> tuple[Level, Level]:
        """What the role sees of the field without a grant, and under a grant of this level: both as settled on its mask."""
        if path not in self._index:
            return Level.WITHHELD, Level.WITHHELD
        index, row = self._index[path], self._row(role, protection, sensitivity)
        return self._settle(index, row.base[index]), self._settle(index, max(row.base[index], min(level, row.open[index])))

    def plan(
        self,
        *,
        role: str,
        relation: str | None,
        protection: str,
        sensitivity: str,
        walled: bool,
        hold_cap: Level = Level.CLEAR,
        raises: frozenset[Raise] = frozenset(),
        export: bool = False,
    ) -> VisibilityPlan:
        """The view of one role in one relation to a case. Anything unknown, a wall, and a relation the role may not use: all withheld."""
        if walled or relation not in self._matrix.relations_of(role) or hold_cap is Level.WITHHELD:
            return self._nothing
        key = self._key(role, protection, sensitivity)
        bare = not raises and not export and hold_cap is Level.CLEAR
        if bare and key in self._plans:
            return self._plans[key]
        plan = self._lifted(self._row(role, protection, sensitivity), hold_cap, raises, export=export)
        if bare:
            self._plans[key] = plan
        return plan

    def _lifted(self, row: _Row, hold_cap: Level, raises: frozenset[Raise], *, export: bool) -> VisibilityPlan:
        levels = list(row.base)
        for one in raises:
            index = self._index.get(one.path)
            if index is not None:
                levels[index] = max(levels[index], min(one.level, row.open[index]))
        if export:
            levels = [min(level, cap) for level, cap in zip(levels, row.export, strict=True)]
        settled = [self._settle(index, min(level, hold_cap)) for index, level in enumerate(levels)]
        return self._finish(settled, tuple(self._settle(index, level) for index, level in enumerate(row.base)))

    def _finish(self, levels: list[Level], base: tuple[Level, ...]) -> VisibilityPlan:
        for index in self._orphans:
            levels[index] = Level.WITHHELD
        hiding = True
        while hiding:  # a hidden field may itself be one that others need
            hiding = False
            for needed, covered in self._beside:
                if levels[needed] is not Level.CLEAR and levels[covered] is not Level.WITHHELD:
                    levels[covered] = Level.WITHHELD
                    hiding = True
        by_path = dict(zip(self._index, levels, strict=True))
        sets = {level: frozenset(path for path, found in by_path.items() if found is level) for level in Level}
        raised = frozenset(path for path, found, before in zip(self._index, levels, base, strict=True) if found > before)
        return VisibilityPlan(MappingProxyType(by_path), sets[Level.CLEAR], sets[Level.MASKED], sets[Level.WITHHELD], raised)

    def _settle(self, index: int, level: Level) -> Level:
        # The masked form of a plain fact is the fact; a sealed field without a mask has no masked form at all.
        if level is not Level.MASKED:
            return level
        if self._plain[index]:
            return Level.CLEAR
        return Level.MASKED if self._maskable[index] else Level.WITHHELD

    def _key(self, role: str, protection: str, sensitivity: str) -> tuple[str, bool, str | None]:
        if sensitivity in self._classes.uncapped:
            return role, protection == "normal", None
        return role, protection == "normal", sensitivity if sensitivity in self._classes.capped_by_class else "?"

    def _row(self, role: str, protection: str, sensitivity: str) -> _Row:
        key = self._key(role, protection, sensitivity)
        row = self._rows.get(key)
        if row is None:
            cells = tuple(self._capped(role, code, key[2]) for code in self._class_of)
            row = _Row(
                base=tuple(cell.view if key[1] else cell.high for cell in cells),
                open=tuple(cell.open for cell in cells),
                export=tuple(cell.export for cell in cells),
            )
            self._rows[key] = row
        return row

    def _capped(self, role: str, code: str | None, level: str | None) -> Cell:
        cell = self._matrix.cell(role, code)
        if level is None or code not in self._classes.texts:
            return cell
        cap = self._matrix.cell(role, level if level in self._classes.capped_by_class else None)
        return Cell(
            view=min(cell.view, cap.view),
            high=min(cell.high, cap.high),
            open=min(cell.open, cap.open),
            find=cell.find,
            export=min(cell.export, cap.export),
        )
