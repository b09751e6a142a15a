"""Entries, version 1: an event as the canonical JSON (RFC 8785) whose bytes are the log's leaf.

All strings are ASCII and all numbers integers below 2**53, where the standard library's sorted, compact JSON is the canonical form byte
for byte (a test compares the two); it is five times as fast as the general encoder. `docs/formats/audit-entry.md` has a vector.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from audit.events import Actor, Event, check_members
from audit.forms import check_code, check_id, refuse
from foundation import strict_json
from foundation.clock import parse_iso
from foundation.errors import InvalidInput
from tlog.tiles import MAX_ENTRY

VERSION: Final = 1
MAX_FONDS = 40
# The last gate, on the bytes themselves: whatever happened to the values before, no character outside a code (or base64, for the
# commitments) reaches the log, and no string longer than a code may be.
_CLOSED = re.compile(rb'(?:[{}\[\]:,]|"[A-Za-z0-9_.:/\-\[\]+=]{1,120}"|-?[0-9]{1,16}|true|false)+')
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def encode(event: Event, entry_id: str, fonds: str) -> bytes:
    """Return the entry of `event`, at most 65,535 bytes; EntryRefused where it cannot be one."""
    check_id("id", entry_id)
    _check_fonds(fonds)
    body = _encode({"v": VERSION, "id": entry_id, "fonds": fonds, **event.members}).encode("ascii")
    if len(body) > MAX_ENTRY:
        raise refuse("entry", "too-large")
    if not _CLOSED.fullmatch(body):
        raise refuse("entry", "free-text")
    return body


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry read back. `members` is the parsed JSON as it stands; the properties give its parts, empty where left out."""

    body: bytes
    members: dict[str, Any]

    @classmethod
    def parse(cls, body: bytes) -> Entry:
        """Read the bytes of an entry as strictly as they are written; EntryRefused."""
        try:
            members = strict_json.loads(body, max_bytes=MAX_ENTRY, max_depth=8)
        except InvalidInput as error:
            raise refuse("entry", error.faults[0].rule) from None
        if not isinstance(members, dict) or type(members.get("v")) is not int or members["v"] != VERSION:
            raise refuse("v", "version")
        rest = {name: value for name, value in members.items() if name not in {"v", "id", "fonds"}}
        check_id("id", members.get("id"))
        _check_fonds(members.get("fonds"))
        check_members(rest)
        if _encode(members).encode("ascii") != body:
            raise refuse("entry", "not-canonical")
        return cls(body, members)

    @property
    def id(self) -> str:
        return str(self.members["id"])

    @property
    def fonds(self) -> str:
        return str(self.members["fonds"])

    @property
    def kind(self) -> str:
        return str(self.members["kind"])

    @property
    def time(self) -> datetime:
        return parse_iso(self.members["time"])

    @property
    def actor(self) -> Actor:
        return Actor(**self.members["actor"])

    @property
    def object(self) -> dict[str, Any]:
        return dict(self.members.get("object", {}))

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(self.members.get("fields", ()))

    @property
    def cases(self) -> tuple[str, ...]:
        return tuple(self.members.get("cases", ()))

    @property
    def purpose(self) -> str | None:
        return self.members.get("purpose")

    @property
    def grant(self) -> str | None:
        return self.members.get("grant")

    @property
    def verdict(self) -> str:
        return str(self.members["verdict"])

    @property
    def reason(self) -> str:
        return str(self.members.get("reason", ""))

    @property
    def policy_version(self) -> str:
        return str(self.members.get("policy_version", ""))

    @property
    def request_id(self) -> str:
        return str(self.members.get("request_id", ""))

    @property
    def data(self) -> dict[str, Any]:
        return dict(self.members.get("data", {}))

    @property
    def details(self) -> dict[str, bytes]:
        """Name of the detail -> its commitment, 32 bytes."""
        return {name: base64.b64decode(value) for name, value in self.members.get("details", {}).items()}


def _check_fonds(fonds: object) -> None:
    check_code("fonds", fonds)
    if len(str(fonds)) > MAX_FONDS:
        raise refuse("fonds", "code")
