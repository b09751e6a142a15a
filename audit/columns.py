"""What an entry can be found by: the query columns and subjects, derived from its members alone, when writing and when checking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from audit.kinds import OBJECTS
from foundation.clock import parse_iso, to_ms
from foundation.ids import is_id

# Members of `data` that say what else the entry concerns: `<object kind>`, `<object kind>_id`, and these roles of a person.
_ROLES: Final = ("applicant", "approver", "deputy", "holder")
NAMED_IN_DATA: Final[dict[str, str]] = {
    **{f"{kind}{ending}": kind for kind, form in OBJECTS.items() if form == "id" for ending in ("", "_id")},
    **{f"{role}{ending}": "person" for role in _ROLES for ending in ("", "_id")},
}
COLUMNS: Final = ("time_ms", "kind", "verdict", "actor_account", "actor_person", "unit", "case_id", "grant_id", "purpose", "request_ref")


def columns_of(members: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the values of `COLUMNS` for an entry."""
    actor = members["actor"]
    return (
        to_ms(parse_iso(members["time"])),
        members["kind"],
        members["verdict"],
        actor.get("account"),
        actor.get("person"),
        actor.get("unit"),
        _the_case(members),
        _the_grant(members),
        members.get("purpose"),
        members.get("request_id"),
    )


def subjects_of(members: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what else the entry concerns as sorted (kind, id) pairs: all that the columns cannot hold, each once."""
    found = {("case", case) for case in members.get("cases", ())}
    about = members.get("object")
    if about:
        found.add((about["kind"], str(about["id"])))
    for name, value in members.get("data", {}).items():
        kind = NAMED_IN_DATA.get(name)
        if kind is not None:
            found.update((kind, item) for item in (value if isinstance(value, list) else [value]) if is_id(item))
    if not found:
        return []
    found.discard(("case", _the_case(members) or ""))
    found.discard(("grant", _the_grant(members) or ""))
    return sorted(found)


def _the_case(members: Mapping[str, Any]) -> str | None:
    about = members.get("object")
    if about and about["kind"] == "case":
        return str(about["id"])
    cases = members.get("cases", ())
    return cases[0] if len(cases) == 1 else None


def _the_grant(members: Mapping[str, Any]) -> str | None:
    if "grant" in members:
        return str(members["grant"])
    about = members.get("object")
    return str(about["id"]) if about and about["kind"] == "grant" else None
