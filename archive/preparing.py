"""From a checked record to rows: everything is decided, resolved, masked and sealed here, before any transaction is open."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection, select

from acts.desk import Desk
from archive.record_form import ItemIds, give_item_ids, sealed_values, strip
from archive.walls import outsider_tag, person_tag, unit_tag
from auth import tables as register
from foundation.canonical import canonical
from foundation.clock import office_day, parse_iso, to_ms
from foundation.errors import InvalidInput
from foundation.ids import new_id
from foundation.strict_json import loads
from policies import plain_texts
from policies.checked import AccusedFacts, Checked
from policies.masked_copy import mask_record
from policies.retention import Proposal, propose
from policies.rulebook.load import Rulebook
from policies.validation import validate
from vault.blind import BlindIndex
from vault.casekeys import CaseKeys
from vault.keyring import KeyRing
from vault.sealed import Context
from vault.sealing import seal_masks, seal_record
from vault.signer import keyed_digest
from vault.wraps import WrapRow, issue_case_keys

SCHEMA_VERSION = "1"
RECEIPT = "receipt"
# The columns of `cases` that hold a fact by the same name, and how the fact is written there.
_SAME_NAME = (
    "petition_form",
    "petition_purpose",
    "statutory_class",
    "content_category_l1",
    "content_category_code",
    "locality_code",
    "petition_date",
    "registering_unit_code",
    "is_repeat",
    "petitioner_count",
    "is_group_visit",
    "grade",
    "sensitivity_level",
    "closure_type",
)
_INSTANTS = {"registered_at": "registered_ms", "closed_at": "closed_ms"}
# Served by columns or by the head's own keys; everything else that can be searched goes into `case_terms`.
COLUMN_OF: Mapping[str, str] = {**{name: name for name in _SAME_NAME}, **_INSTANTS, "source_system": "source_system", "case_no": "case_no"}
_NORMAL_FORMS = {"name": "name", "unit": "name", "number": "id_number", "phone": "phone"}
TERM_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Tools:
    """All that preparing a case takes: no database, so that it can be done in any process that has the key ring."""

    keys: KeyRing
    rulebook: Rulebook
    now: datetime


@dataclass(frozen=True, slots=True)
class Named:
    """Whom and what of the register a record names, by staff numbers and unit codes."""

    handler: str | None
    leader: str | None
    registering_unit: str | None
    wall: AccusedFacts


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the register says of the codes a record names."""

    handler_id: str | None
    leader_id: str | None
    keeping_unit: str
    wall_tags: tuple[bytes, ...]
    wall_resolved: bool
    named_persons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LaterVersion:
    """What a supplement or correction continues. `item_ids` are those of the items it keeps, in their order; empty for a correction."""

    act: str
    case_id: str
    version: int
    item_ids: ItemIds
    keys: CaseKeys
    retention: dict[str, Any]  # how long the case is kept was settled with its keys, at deposit


@dataclass(slots=True)
class Prepared:
    """One case version, ready to be stored once `settle` has told it what the register says of those it names.

    `plain` is the canonical record its digest is over; it never leaves memory.
    """

    case_id: str
    version: int
    source_system: str
    case_no: str
    plain: bytes = field(repr=False)
    digest: bytes
    head: dict[str, Any]
    version_row: dict[str, Any]
    seal_row: dict[str, Any]
    mask_row: dict[str, Any]
    wraps: tuple[WrapRow, ...]
    tags: list[tuple[str, int, bytes]]  # path, generation, tag
    terms: list[tuple[str, str]]  # path, term
    units: list[dict[str, Any]]
    walls: list[dict[str, Any]]
    named: list[dict[str, Any]]
    names: Named


Outcome = Prepared | InvalidInput
"""What became of one record: ready but for the register, or refused."""


class Preparers(Protocol):
    """Processes that prepare beside this one."""

    def prepare(self, tools: Tools, fonds: str, records: Sequence[object]) -> list[Outcome] | None:
        """As `prepare_all` here would; None where it is to be done here. PreparationInterrupted where a process ended meanwhile."""
        ...


def prepare_all(tools: Tools, fonds: str, records: Sequence[object]) -> list[Outcome]:
    """Check, mask and seal new cases, an outcome each, in order. A record is a parsed JSON value, or the bytes of one."""
    return [_outcome(tools, fonds, record) for record in records]


def _outcome(tools: Tools, fonds: str, record: object) -> Outcome:
    try:
        parsed = loads(record, max_bytes=len(record)) if isinstance(record, bytes) else record  # its sender has bounded it
        return seal(tools, fonds, check_with(tools, parsed))
    except InvalidInput as error:
        return error


def check(desk: Desk, fonds: str, record: object) -> Checked:
    """Hold a record against the fonds' rulebook of today; InvalidInput with every fault."""
    return check_with(tools_of(desk, fonds), record)


def check_with(tools: Tools, record: object) -> Checked:
    """The same with the tools at hand."""
    checked = validate(record, tools.rulebook, today=office_day(tools.now))
    slipped = plain_texts.faults(checked, tools.rulebook)
    if slipped:
        raise InvalidInput(slipped)
    return checked


def tools_of(desk: Desk, fonds: str) -> Tools:
    """The tools for one fonds as of now."""
    return Tools(desk.keys, desk.rulebook(fonds), desk.clock.now())


def prepare(
    desk: Desk,
    fonds: str,
    checked: Checked,
    resolved: Resolved,
    *,
    later: LaterVersion | None = None,
) -> Prepared:
    """Seal and mask one case version, what the register says of it included."""
    prepared = seal(tools_of(desk, fonds), fonds, checked, later=later)
    settle(prepared, resolved)
    return prepared


def settle(prepared: Prepared, resolved: Resolved) -> None:
    """Put into the rows what the register says."""
    own = {"fonds": prepared.head["fonds"], "case_id": prepared.case_id}
    prepared.head |= {
        "handler_id": resolved.handler_id,
        "leader_id": resolved.leader_id,
        "keeping_unit": resolved.keeping_unit,
        "wall_resolved": int(resolved.wall_resolved),
    }
    prepared.walls = [{**own, "tag": tag} for tag in dict.fromkeys(resolved.wall_tags)]
    prepared.named = [{**own, "person_id": person_id} for person_id in dict.fromkeys(resolved.named_persons)]


def seal(tools: Tools, fonds: str, checked: Checked, *, later: LaterVersion | None = None) -> Prepared:
    """Seal and mask one case version. A new case gets its id and keys here; a later version keeps those of its case."""
    rulebook, ring, at = tools.rulebook, tools.keys, tools.now
    retention = propose(checked.facts, rulebook.retention)
    wraps: tuple[WrapRow, ...] = ()
    if later is not None:
        case_id, version, keys = later.case_id, later.version, later.keys
    else:
        case_id, version = new_id(), 1
        keys, wraps = issue_case_keys(ring, fonds, case_id, retention_class=retention.retention_class, year=retention.destruction_year)
    ids = _completed(later.item_ids if later else {}, give_item_ids(checked.record, rulebook.catalogue))
    context = Context(fonds, case_id, version, SCHEMA_VERSION)
    place = {"fonds": fonds, "case_id": case_id, "version": version, "seal_generation": keys.data.generation}
    own = {"fonds": fonds, "case_id": case_id}
    plain = canonical(dict(checked.record))
    digest = keyed_digest(ring, fonds, RECEIPT, plain)
    facts = checked.facts
    head: dict[str, Any] = {
        **own,
        "version": version,
        "seal_generation": keys.data.generation,
        "state": "active",
        "accusation": int(checked.wall.accusation),
        "protection": checked.protection_level,
        "anonymous": int(checked.anonymous),
        "retention_class": retention.retention_class,
        "destroy_year": retention.destruction_year,
        "disposition_state": "active",
        "archived_ms": to_ms(at),
        "source_system": facts["source_system"],
        "case_no": facts["case_no"],
        **{name: _column_value(facts.get(name)) for name in _SAME_NAME},
        **{column: to_ms(parse_iso(facts[name])) if name in facts else None for name, column in _INSTANTS.items()},
    }
    return Prepared(
        case_id=case_id,
        version=version,
        source_system=facts["source_system"],
        case_no=facts["case_no"],
        plain=plain,
        digest=digest,
        head=head,
        version_row={
            **own,
            "version": version,
            "act": later.act if later else "deposit",
            "facts": _json(
                {
                    **strip(checked.record, rulebook.catalogue),
                    "code_versions": dict(checked.code_versions),
                    "retention": later.retention if later else _term(retention),
                }
            ),
            "item_ids": _json(ids),
            "digest": digest,
            "made_ms": to_ms(at),
        },
        seal_row={
            **place,
            "schema_version": SCHEMA_VERSION,
            "record": seal_record(keys.data, context, sealed_values(checked.record, rulebook.catalogue, ids)),
        },
        mask_row={
            **place,
            "schema_version": SCHEMA_VERSION,
            "masks": seal_masks(keys.masks, context, _json(mask_record(checked, rulebook)).encode()),
        },
        wraps=wraps,
        tags=list(_tags(ring, fonds, checked, rulebook)),
        terms=list(_terms(checked)),
        units=[{**own, "unit_code": code} for code in dict.fromkeys(facts.get("cooperating_unit_codes") or ())],
        walls=[],
        named=[],
        names=_names(checked),
    )


def _term(retention: Proposal) -> dict[str, Any]:
    return {
        "retention_class": retention.retention_class,
        "retention_basis": retention.basis_zh,
        "retention_starts_on": retention.starts_on.isoformat(),
        "retention_until": retention.until.isoformat() if retention.until else None,
    }


def resolve(conn: Connection, desk: Desk, fonds: str, records: Iterable[Checked]) -> list[Resolved]:
    """Look up staff numbers and unit codes of many records at once. Whom the register does not know stays unresolved, never guessed.

    An accusation whose accused are not all resolved is open to its handler and leader alone, as the persons named.
    """
    return resolve_names(conn, desk, fonds, [_names(checked) for checked in records])


def resolve_names(conn: Connection, desk: Desk, fonds: str, every: Sequence[Named]) -> list[Resolved]:
    """The same for records that are prepared already."""
    staff = {number for names in every for number in (*names.wall.person_ids, names.handler, names.leader) if number}
    persons = {
        row.staff_no: row.person_id
        for row in conn.execute(
            select(register.persons.c.staff_no, register.persons.c.person_id).where(
                register.persons.c.fonds == fonds, register.persons.c.staff_no.in_(sorted(staff))
            )
        )
    }
    units = list(conn.execute(select(register.units.c.code, register.units.c.parent_id).where(register.units.c.fonds == fonds)))
    codes = {row.code for row in units}
    root = next((row.code for row in sorted(units) if row.parent_id is None), "unknown")
    return [_resolved(desk, fonds, names, persons, codes, root) for names in every]


def _resolved(desk: Desk, fonds: str, names: Named, persons: Mapping[str, str], codes: set[str], root: str) -> Resolved:
    wall = names.wall
    tags = [
        person_tag(desk.keys, fonds, persons[number]) if number in persons else outsider_tag(desk.keys, fonds, number)
        for number in wall.person_ids
    ] + [unit_tag(desk.keys, fonds, code) if code in codes else outsider_tag(desk.keys, fonds, code) for code in wall.unit_codes]
    known = wall.resolved and bool(tags) and all(number in persons for number in wall.person_ids) and codes.issuperset(wall.unit_codes)
    handler = persons.get(names.handler or "")
    leader = persons.get(names.leader or "")
    keeping = names.registering_unit
    return Resolved(
        handler_id=handler,
        leader_id=leader,
        keeping_unit=keeping if keeping in codes else root,
        wall_tags=tuple(tags),
        wall_resolved=known,
        named_persons=tuple(person for person in (handler, leader) if person is not None) if wall.accusation and not known else (),
    )


def _names(checked: Checked) -> Named:
    facts = checked.facts
    return Named(facts.get("case_handler_staff_id"), facts.get("case_leader_staff_id"), facts.get("registering_unit_code"), checked.wall)


def _tags(ring: KeyRing, fonds: str, checked: Checked, rulebook: Rulebook) -> Iterable[tuple[str, int, bytes]]:
    # No search may link an anonymous writer, so nothing of an anonymous case is tagged.
    if checked.anonymous:
        return
    wanted = [(normal_form(rulebook, path), path, value) for path, values in checked.blind.items() for value in values]
    found = zip(wanted, BlindIndex(ring, fonds).tags(wanted), strict=True)
    yield from dict.fromkeys((path, tag.generation, tag.value) for (_, path, _), tag in found if tag is not None)


def normal_form(rulebook: Rulebook, path: str) -> str:
    """The normal form a blind index of this field compares in."""
    return _NORMAL_FORMS.get(rulebook.catalogue[path].entity or "", "plain")


def _terms(checked: Checked) -> Iterable[tuple[str, str]]:
    for path, values in checked.search_terms.items():
        if path not in COLUMN_OF:
            if len(values) == 1:
                yield path, term_of(values[0])
            else:
                yield from ((path, term) for term in dict.fromkeys(map(term_of, values)))


def term_of(value: object) -> str:
    """A plain value as a term: truth values as 1 and 0, numbers with leading zeros so that they sort, texts as they are, cut to length."""
    if type(value) is str:
        return value[:TERM_LENGTH]
    if isinstance(value, bool):
        return "1" if value else "0"
    return f"{value:012d}" if isinstance(value, int) else str(value)[:TERM_LENGTH]


def _column_value(value: object) -> object:
    return int(value) if isinstance(value, bool) else value


def _completed(kept: ItemIds, fresh: ItemIds) -> ItemIds:
    # The items an earlier version had keep their ids; those that came after them get new ones.
    return {group: (kept.get(group, []) + ids)[: len(ids)] for group, ids in fresh.items()}


# Made once: an encoder for each of the four documents of a version would cost more than it writes.
_json = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"), sort_keys=True).encode
