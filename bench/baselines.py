"""The two baselines: the same records without protection, and with sqlalchemy-utils' StringEncryptedType.

Both live in a database of their own in the archive's folder, opened by the archive's own `Database` (SQLite: WAL, synchronous=FULL, the
same cache and pragmas), and are written by `session.execute(insert(Model), rows)` in one transaction a batch. Their tables are the
archive's own definitions of `cases`, `case_versions`, `case_terms`, `case_units` and `case_named_persons`, indexes and keys included.

* `plain` keeps the whole record in `case_versions.facts`, and what the archive tags blindly as clear terms in `case_terms`.
* `encrypted` keeps the unsealed facts there, and every sealed field as a StringEncryptedType column (AesEngine, one key for all) of a
  table per group of the record: `sealed_record`, `sealed_petitioners`, ... It has no index on the encrypted columns.

Neither validates, masks, redacts, binds a value to its place, keys a case or a field, tags blindly, or keeps a log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Column, ForeignKeyConstraint, Integer, MetaData, Table, UnicodeText, insert
from sqlalchemy.orm import Session, registry
from sqlalchemy_utils.types.encrypted.encrypted_type import AesEngine, StringEncryptedType

from archive.preparing import COLUMN_OF, Prepared, term_of
from archive.record_form import strip
from archive.tables import case_named_persons, case_terms, case_units, case_versions, cases
from foundation.canonical import canonical
from foundation.database import Database
from foundation.tables import FONDS, ID
from policies.catalogue import Catalogue
from policies.checked import Checked

Rows = dict[str, list[dict[str, Any]]]
"""Table name -> rows as parameters of an INSERT."""
SHARED: tuple[Table, ...] = (cases, case_versions, case_terms, case_units, case_named_persons)
_KEY = "a key of thirty-two characters.."
_WRITE = {"archive_write": True}  # the option by which foundation.database begins a write transaction


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True)
class Baseline:
    """One baseline's models and database. `models` maps a table's name to its ORM class; `sealed` groups to encrypted field names."""

    name: str
    db: Database
    models: Mapping[str, type[Any]]
    sealed: Mapping[str, tuple[str, ...]]
    catalogue: Catalogue

    @classmethod
    def make(cls, name: str, folder: Path, catalogue: Catalogue, *, encrypted: bool, url: str | None = None) -> Baseline:
        """Create its tables in a database of its own (on PostgreSQL: the empty one at `url`)."""
        metadata = MetaData()
        tables = {table.name: table.to_metadata(metadata) for table in SHARED}
        sealed: dict[str, tuple[str, ...]] = {}
        for group in catalogue.groups if encrypted else ():
            names = tuple(field.name for field in catalogue.by_group[group.name].values() if field.sealed)
            if names:
                sealed[group.key] = names
                table = _sealed_table(metadata, group.key, names)
                tables[table.name] = table
        mapped = registry(metadata=metadata)
        models = {table.name: _model(mapped, table) for table in tables.values()}
        db = Database(url or f"sqlite:///{folder / f'{name}.db'}", pool_size=4)
        with db.write() as conn:
            metadata.create_all(conn)
        return cls(name, db, models, sealed, catalogue)

    def rows(self, made: Sequence[tuple[Checked, Prepared]]) -> Rows:
        """The rows of some records. Ids, head and item ids are taken from what the archive prepared: this is not on the clock."""
        rows: Rows = {name: [] for name in self.models}
        for checked, prepared in made:
            self._common(rows, checked, prepared.head, {**prepared.version_row, "entry_id": prepared.case_id})
            rows["case_named_persons"] += prepared.named
        return rows

    def rows_of_record(self, rows: Rows, checked: Checked, head: dict[str, Any], entry_id: str) -> None:
        """The same from a checked record and its head alone, as a system without the archive would make them: this is on the clock."""
        own = {"fonds": head["fonds"], "case_id": head["case_id"]}
        version = {
            **own,
            "version": 1,
            "act": "deposit",
            "item_ids": "{}",
            "digest": b"",
            "made_ms": head["archived_ms"],
            "entry_id": entry_id,
        }
        self._common(rows, checked, head, version)

    def _common(self, rows: Rows, checked: Checked, head: dict[str, Any], version: dict[str, Any]) -> None:
        own = {"fonds": head["fonds"], "case_id": head["case_id"]}
        rows["cases"].append(head)
        kept = strip(checked.record, self.catalogue) if self.sealed else dict(checked.record)
        rows["case_versions"].append({**version, "facts": canonical(kept).decode()})
        found = [(path, term_of(value)) for path, values in checked.search_terms.items() if path not in COLUMN_OF for value in values]
        if not self.sealed:
            found += [(path, term_of(value)) for path, values in checked.blind.items() for value in values]
        rows["case_terms"] += [{**own, "path": path, "term": term} for path, term in dict.fromkeys(found)]
        units = dict.fromkeys(checked.facts.get("cooperating_unit_codes") or ())
        rows["case_units"] += [{**own, "unit_code": code} for code in units]
        for key, names in self.sealed.items():
            items: Any = checked.record.get(key, ()) if key else [checked.record]
            rows[_table_name(key)] += [
                {**own, "item": number} | {name: None if item.get(name) is None else _text(item[name]) for name in names}
                for number, item in enumerate([items] if isinstance(items, dict) else items)
            ]

    def store(self, rows: Rows) -> None:
        """Insert through the ORM, a statement a table, and commit durably."""
        with Session(self.db.engine.execution_options(**_WRITE)) as session:
            for name, model in self.models.items():
                if rows[name]:
                    session.execute(insert(model), rows[name])
            session.commit()


def _table_name(key: str) -> str:
    return f"sealed_{key or 'record'}"


def _sealed_table(metadata: MetaData, key: str, names: tuple[str, ...]) -> Table:
    return Table(
        _table_name(key),
        metadata,
        Column("fonds", FONDS, primary_key=True),
        Column("case_id", ID, primary_key=True),
        Column("item", Integer, primary_key=True),
        *(Column(name, StringEncryptedType(UnicodeText, _KEY, AesEngine, "pkcs5"), nullable=True) for name in names),
        ForeignKeyConstraint(["fonds", "case_id"], ["cases.fonds", "cases.case_id"]),
    )


def _model(mapped: registry, table: Table) -> type[Any]:
    model = type(table.name.title().replace("_", ""), (), {})
    mapped.map_imperatively(model, table)
    return model
