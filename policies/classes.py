"""Field classes: which class each field belongs to, which are plain facts, what caps a text, and what may never stand beside what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from policies.errors import RulebookRefused
from policies.shape import Shape, opened

# A rulebook may move fields between classes, but the classes themselves are what the matrix and the code speak of.
CLASSES: tuple[str, ...] = (
    "identity",
    "sensitive_identity",
    "contact",
    "accused",
    "narrative",
    "redacted_text",
    "opinion",
    "staff",
    "staff_code",
    "handling_fact",
    "work_secret",
    "business",
    "retention",
    "integrity",
    "custody",
    "secret",
)


class FieldShape(Protocol):
    """What rules need of a catalogue field."""

    @property
    def path(self) -> str: ...
    @property
    def mask(self) -> str: ...
    @property
    def sealed(self) -> bool: ...
    @property
    def field_class(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class FieldClass:
    """One class; `plain` classes hold only unsealed fields with the mask `none`."""

    code: str
    zh: str
    en: str
    about_zh: str
    about_en: str
    plain: bool


@dataclass(frozen=True, slots=True)
class Beside:
    """Fields (by path or by last name) that are shown only where `needs_clear` is clear in the same view."""

    names: frozenset[str]
    paths: frozenset[str]
    needs_clear: str

    def covers(self, path: str) -> bool:
        last = path.rpartition(".")[2].removesuffix("[]")
        return path != self.needs_clear and (path in self.paths or last in self.names)


@dataclass(frozen=True, slots=True)
class Classes:
    """The partition. `class_of` answers None for a field of no class: withheld from everybody."""

    by_code: Mapping[str, FieldClass]
    fields: Mapping[str, str]
    texts: frozenset[str]
    capped_by_class: frozenset[str]
    uncapped: frozenset[str]
    beside: tuple[Beside, ...]

    def class_of(self, path: str, named: str | None = None) -> str | None:
        """The class written here, else the one the field itself names, if that class exists; where the two differ, none."""
        written = self.fields.get(path)
        if written is not None:
            return written if named in {None, written} else None
        return named if named in self.by_code else None

    def class_of_field(self, field: FieldShape) -> str | None:
        """`class_of`, and None too for a sealed or masked field in a plain class: a slip there must hide, not show."""
        code = self.class_of(field.path, field.field_class)
        if code is not None and self.by_code[code].plain and not is_plain(field):
            return None
        return code


def is_plain(field: FieldShape) -> bool:
    """Stored unsealed and shown as it is in a masked view."""
    return not field.sealed and field.mask == "none"


def load(sources: Mapping[str, Any]) -> Classes:
    """Read classes.toml; every class is described, every field names one of them."""
    root = opened(sources, "classes")
    root.number("version", least=1)
    table = root.table("classes")
    by_code = {code: _class(table, code) for code in CLASSES}
    table.done()
    levels = root.table("sensitivity")
    texts = levels.words("texts", allowed=CLASSES)
    capped = levels.words("capped_by_class", allowed=CLASSES)
    uncapped = levels.words("uncapped")
    if set(capped) & set(uncapped):
        levels.refuse("a level is both capped and uncapped")
    levels.done()
    fields = root.table("fields")
    mapping = {path: fields.one_of(path, CLASSES) for path in fields}
    beside = tuple(_beside(row) for row in root.rows("beside"))
    root.done()
    for rule in beside:
        if rule.needs_clear not in mapping:
            root.refuse(f"names a field that has no class: {rule.needs_clear}", "beside")
    if not any(rule.needs_clear == "petitioners[].id_number" and {"birth_date", "age"} <= rule.names for rule in beside):
        root.refuse("birth date and age must need the ID number in clear", "beside")
    return Classes(
        by_code=by_code,
        fields=mapping,
        texts=frozenset(texts),
        capped_by_class=frozenset(capped),
        uncapped=frozenset(uncapped),
        beside=beside,
    )


def _class(table: Shape, code: str) -> FieldClass:
    row = table.table(code)
    found = FieldClass(
        code=code,
        zh=row.text("zh"),
        en=row.text("en"),
        about_zh=row.text("about_zh"),
        about_en=row.text("about_en"),
        plain=row.flag("plain"),
    )
    row.done()
    return found


def _beside(row: Shape) -> Beside:
    found = Beside(
        names=frozenset(row.words("names")),
        paths=frozenset(row.words("paths")),
        needs_clear=row.text("needs_clear"),
    )
    row.done()
    return found


def check(classes: Classes, fields: Iterable[FieldShape]) -> None:
    """Hold the partition against the catalogue: every path exists, both name the same class, and plain means plain."""
    known = {field.path: field for field in fields}
    for path in classes.fields:
        if path not in known:
            raise RulebookRefused(file="classes", where=path, rule="is not a field of the catalogue")
    for path, field in known.items():
        if path in classes.fields and field.field_class not in {None, classes.fields[path]}:
            raise RulebookRefused(file="classes", where=path, rule="the catalogue names another class")
        code = classes.class_of(path, field.field_class)
        if code is not None and classes.by_code[code].plain and not is_plain(field):
            raise RulebookRefused(file="classes", where=path, rule="a sealed or masked field cannot be of a plain class")
