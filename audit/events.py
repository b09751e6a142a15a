"""Events: what the rest of the archive hands to the log. An event that breaks the form cannot be made (`EntryRefused`).

The rules are checked when the value is made, not when it is written, so that a faulty event fails the act that made it before any
transaction is open. `docs/formats/audit-entry.md` has the exact form.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal

from audit.forms import check_code, check_id, check_integer, check_name, check_value, is_instant, refuse
from audit.kinds import KINDS, OBJECTS
from foundation.clock import iso, parse_iso

Verdict = Literal["permit", "refuse", "fact"]
VERDICTS: Final = ("permit", "refuse", "fact")
CLIENTS: Final = ("loopback", "intranet", "other", "cli")
CHUNK = 1000
"""Cases per entry of a long list: a case takes 39 bytes, an entry at most 65,535."""

_ACTOR_IDS = ("account", "person", "post", "session")
_TEXTS = ("purpose", "reason", "policy_version", "request_id")
_LISTS_LIMIT = 1500


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acted, by ids and codes: account, person, post, session are ids; `unit` a unit's code; `assurance` 1 or 2 factors (0: none);
    `client` the class of the network. What does not apply is None; the program itself is `Actor()`.
    """

    account: str | None = None
    person: str | None = None
    post: str | None = None
    unit: str | None = None
    role: str = "archive"
    assurance: int = 0
    session: str | None = None
    client: str = "cli"

    def members(self) -> dict[str, Any]:
        """Return the entry's `actor` member; what is None is left out."""
        return {name: value for name in self.__slots__ if (value := getattr(self, name)) not in (None, "")}


@dataclass(frozen=True, slots=True)
class SealedDetail:
    """A text beside the log: the entry carries `commitment` (32 bytes, salted), the database `sealed`, openable by `key_ref`."""

    name: str
    commitment: bytes
    sealed: bytes
    key_ref: str

    def __post_init__(self) -> None:
        check_name("details", self.name)
        check_code("details.key_ref", self.key_ref)
        if type(self.commitment) is not bytes or len(self.commitment) != 32:
            raise refuse(f"details.{self.name}", "commitment")
        if type(self.sealed) is not bytes or not self.sealed:
            raise refuse(f"details.{self.name}", "sealed")


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `object` is {kind, id, version?}; `fields` are field paths, `cases` ids; `data` holds ids, codes, integers
    of at most ten digits and booleans, in lists and objects three deep (members that are None are left out); no text of any person.

    EntryRefused for everything else.
    """

    kind: str
    actor: Actor
    time: datetime
    object: Mapping[str, Any] | None = None
    fields: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    purpose: str | None = None
    grant: str | None = None
    verdict: Verdict = "fact"
    reason: str = ""
    policy_version: str = ""
    request_id: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    details: tuple[SealedDetail, ...] = ()
    # The entry's members but `v`, `id` and `fonds`, copied from the values above and checked.
    members: dict[str, Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.time.tzinfo is None:
            raise refuse("time", "instant")
        members: dict[str, Any] = {"actor": self.actor.members(), "kind": self.kind, "time": iso(self.time), "verdict": self.verdict}
        optional = {
            "cases": list(self.cases),
            "data": {name: _copy(value) for name, value in self.data.items() if value is not None},
            "details": {detail.name: base64.b64encode(detail.commitment).decode() for detail in self.details},
            "fields": list(self.fields),
            "grant": self.grant,
            "object": _copy(self.object) if self.object else None,
            "policy_version": self.policy_version,
            "purpose": self.purpose,
            "reason": self.reason,
            "request_id": self.request_id,
        }
        members.update((name, value) for name, value in optional.items() if value)
        if len(members.get("details", ())) != len(self.details):
            raise refuse("details", "name-twice")
        check_members(members)
        object.__setattr__(self, "members", members)


def chunk_cases(event: Event, n: int = CHUNK) -> list[Event]:
    """Spread an event of many cases over events of at most `n`, each saying in `data.chunk` which part of how many it is.

    Details go with the first. An event of `n` cases or fewer comes back alone and unchanged.
    """
    if n < 1:
        raise ValueError("a chunk holds at least one case")
    if len(event.cases) <= n:
        return [event]
    starts = range(0, len(event.cases), n)
    return [
        replace(
            event,
            cases=event.cases[start : start + n],
            data={**event.data, "chunk": {"part": part, "of": len(starts)}},
            details=event.details if part == 1 else (),
        )
        for part, start in enumerate(starts, start=1)
    ]


def check_members(members: Mapping[str, Any]) -> None:
    """Refuse members (all but `v`, `id`, `fonds`) that an entry may not have. EntryRefused names the first by its path."""
    for name, value in members.items():
        check = _CHECKS.get(name)
        if check is None:
            raise refuse("entry", "unknown-member")
        check(name, value)
    for name in ("actor", "kind", "time", "verdict"):
        if name not in members:
            raise refuse(name, "missing")
    about = members.get("object")
    kind = KINDS[members["kind"]]
    if kind.required and about is None:
        raise refuse("object", "missing")
    if about is not None and about["kind"] not in kind.objects:
        raise refuse("object.kind", "not-of-this-kind")


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _copy(item) for name, item in value.items() if item is not None}
    return [_copy(item) for item in value] if isinstance(value, list | tuple) else value


def _check_actor(path: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise refuse(path, "type")
    for name, item in value.items():
        if name in _ACTOR_IDS:
            check_id(f"{path}.{name}", item)
        elif name in {"unit", "role"}:
            check_code(f"{path}.{name}", item)
        elif name == "assurance":
            check_integer(f"{path}.{name}", item, 9)
        elif name != "client":
            raise refuse(path, "unknown-member")
    if value.get("client") not in CLIENTS or "role" not in value or value.get("assurance", -1) < 0:
        raise refuse(path, "role, assurance, client")


def _check_object(path: str, value: Any) -> None:
    if not isinstance(value, dict) or not {"kind", "id"} <= value.keys() <= {"kind", "id", "version"}:
        raise refuse(path, "members")
    form = OBJECTS.get(value["kind"]) if isinstance(value["kind"], str) else None
    if form is None:
        raise refuse(f"{path}.kind", "unknown")
    (check_id if form == "id" else check_code)(f"{path}.id", value["id"])
    if "version" in value:
        check_integer(f"{path}.version", value["version"])


def _check_kind(path: str, value: Any) -> None:
    if not isinstance(value, str) or value not in KINDS:
        raise refuse(path, "unknown-kind")


def _check_time(path: str, value: Any) -> None:
    if not is_instant(value):
        raise refuse(path, "instant")
    try:
        parse_iso(value)
    except ValueError:
        raise refuse(path, "instant") from None


def _check_verdict(path: str, value: Any) -> None:
    if value not in VERDICTS:
        raise refuse(path, "verdict")


def _check_codes(path: str, value: Any) -> None:
    for item in _items(path, value):
        check_code(f"{path}[]", item)


def _check_ids(path: str, value: Any) -> None:
    for item in _items(path, value):
        check_id(f"{path}[]", item)


def _items(path: str, value: Any) -> Sequence[Any]:
    if not isinstance(value, list) or not 1 <= len(value) <= _LISTS_LIMIT:
        raise refuse(path, "list")
    return value


def _check_data(path: str, value: Any) -> None:
    if not isinstance(value, dict) or not value:
        raise refuse(path, "type")
    check_value(path, value)


def _check_details(path: str, value: Any) -> None:
    if not isinstance(value, dict) or not value:
        raise refuse(path, "type")
    for name, commitment in value.items():
        check_name(path, name)
        try:
            raw = base64.b64decode(commitment, validate=True)
        except (TypeError, ValueError):
            raise refuse(f"{path}.{name}", "commitment") from None
        if len(raw) != 32 or base64.b64encode(raw).decode() != commitment:
            raise refuse(f"{path}.{name}", "commitment")


_CHECKS: Final = {
    "actor": _check_actor,
    "cases": _check_ids,
    "data": _check_data,
    "details": _check_details,
    "fields": _check_codes,
    "grant": check_id,
    "kind": _check_kind,
    "object": _check_object,
    "time": _check_time,
    "verdict": _check_verdict,
    **dict.fromkeys(_TEXTS, check_code),
}
