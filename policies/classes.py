"""Field classes: which are plain facts, what caps a text, and what may never stand beside what. Each field names its own (fields.toml)."""

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
    "rating_text",
    "opinion",
    "staff",
    "staff_code",
    "rating",
    "handling_fact",
    "work_secret",
    "business",
    "retention",
    "integrity",
    "custody",
    "secret",
)
# What petitioners say of the handling: the units they rate may know it only in aggregates of five and more, or few would dare to say it.
RATINGS = frozenset({"rating", "rating_text"})


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
    """The classes by code, and the rules between them."""

    by_code: Mapping[str, FieldClass]
    texts: frozenset[str]
    capped_by_class: frozenset[str]
    uncapped: frozenset[str]
    beside: tuple[Beside, ...]

    def class_of(self, field: FieldShape) -> str | None:
        """The field's class; None (withheld from everybody) for an unknown one, and for a sealed or masked field of a plain one."""
        known = None if field.field_class is None else self.by_code.get(field.field_class)
        return None if known is None or (known.plain and not is_plain(field)) else known.code


def is_plain(field: FieldShape) -> bool:
    """Stored unsealed and shown as it is in a masked view."""
    return not field.sealed and field.mask == "none"


def load(sources: Mapping[str, Any]) -> Classes:
    """Read classes.toml; every class is described, and birth dates need the ID number."""
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
    beside = tuple(_beside(row) for row in root.rows("beside"))
    root.done()
    if not any(rule.needs_clear == "petitioners[].id_number" and {"birth_date", "age"} <= rule.names for rule in beside):
        root.refuse("birth date and age must need the ID number in clear", "beside")
    return Classes(
        by_code=by_code,
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
    """Hold the classes against the catalogue: every field names a known one, plain means plain, and rules name fields that exist."""
    known = {field.path: field for field in fields}
    for path, field in known.items():
        if field.field_class not in classes.by_code:
            raise RulebookRefused(file="fields", where=path, rule="names no known class")
        if classes.class_of(field) is None:
            raise RulebookRefused(file="fields", where=path, rule="a sealed or masked field cannot be of a plain class")
    for rule in classes.beside:
        if rule.needs_clear not in known:
            raise RulebookRefused(file="classes", where="beside", rule="names a field that does not exist")
