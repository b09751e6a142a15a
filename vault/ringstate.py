"""What a key ring holds, and the changes it can undergo, apart from any file.

A key has a fonds, a scope, and a generation within the scope; its id is `<scope>/<generation>`. Scopes:

    case/<retention class>/<year|permanent>    wraps data keys         mask/<retention class>/<year|permanent>   wraps mask keys
    blind/<field class>                        blind indexes           digest                                    keyed digests
    detail                                     audit details           log                                       signs the log (Ed25519)
    token                                      signs tokens (ES256, in the system fonds)

States: `current` (new work uses it, one per scope), `retired` (still opens), `destroyed` (a tombstone without key material).
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from vault.blind import BlindKey
from vault.errors import KeyDestroyed, KeyMissing, KeyStillNeeded, UnknownSuite
from vault.suites import SECRET_SIZE, Suite, suite_by_id, suite_named
from vault.wraps import PURPOSES, Kek

# Longer than any act runs: whoever still uses a key that was just retired has committed by then.
RETIREMENT_SECONDS: Final = 3600
_SCOPE: Final = re.compile(r"(case|mask)/[a-z0-9_-]{1,24}/([0-9]{4}|permanent)|blind/[a-z0-9_-]{1,24}|digest|detail|log|token", re.ASCII)

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What may be told of a key: everything but the key."""

    fonds: str
    scope: str
    generation: int
    state: str
    suite: str
    retired_ms: int | None

    @property
    def id(self) -> str:
        """The key's id within its fonds."""
        return f"{self.scope}/{self.generation}"


@dataclass(frozen=True, slots=True, eq=False)
class RingKey:
    """One key with its material; `reveal` hands that out, nothing else shows it."""

    info: KeyInfo
    _secret: bytes | None = field(repr=False)

    def reveal(self) -> bytes:
        """Return the key bytes, or raise `KeyDestroyed`."""
        if self._secret is None:
            raise KeyDestroyed(fonds=self.info.fonds, key=self.info.id)
        return self._secret

    def __reduce__(self) -> NoReturn:
        raise TypeError("keys are not pickled")


class RingState:
    """One state of the ring, read from its document and never changed. ValueError or KeyError when the document is malformed."""

    def __init__(self, document: Document) -> None:
        self.archive_id: str = document["archive_id"]
        self.archive_name: str = document["archive_name"]
        self.serial: int = document["serial"]
        self.suites: dict[str, Suite] = {}
        self.keys: dict[tuple[str, str], RingKey] = {}
        self.current: dict[tuple[str, str], RingKey] = {}
        self.keks: dict[tuple[str, str], Kek] = {}
        self._blind: dict[tuple[str, str], list[BlindKey]] = {}
        for fonds, part in document["fonds"].items():
            self.suites[fonds] = suite_named(part["suite"])
            for key_id, entry in part["keys"].items():
                self._add(_read_key(fonds, key_id, entry))
        for keys in self._blind.values():
            keys.sort(key=lambda key: -key.generation)

    def blind_keys(self, fonds: str, field_class: str) -> tuple[BlindKey, ...]:
        """The generations of a blind index that still answer, newest first."""
        return tuple(self._blind.get((fonds, f"blind/{field_class}"), ()))

    def _add(self, key: RingKey) -> None:
        info = key.info
        self.keys[info.fonds, info.id] = key
        if info.state == "destroyed":
            return
        if info.state == "current":
            self.current[info.fonds, info.scope] = key
        suite = suite_named(info.suite)
        if info.scope.startswith(PURPOSES):
            self.keks[info.fonds, info.id] = Kek(info.id, suite, key.reveal())
        elif info.scope.startswith("blind/"):
            self._blind.setdefault((info.fonds, info.scope), []).append(BlindKey(info.generation, suite.id, key.reveal()))

    def __repr__(self) -> str:
        return f"<RingState {self.serial} of {self.archive_name}, {len(self.keys)} keys>"


def empty_document(archive_id: str, archive_name: str) -> Document:
    """Return the document of a ring without keys."""
    return {"archive_id": archive_id, "archive_name": archive_name, "serial": 0, "fonds": {}}


def add_fonds(document: Document, fonds: str, suite: Suite) -> bool:
    """Make room for a fonds with its digest, detail and log keys; False when it is there already."""
    if fonds in document["fonds"]:
        return False
    document["fonds"][fonds] = {"suite": suite.name, "keys": {}}
    for scope in ("digest", "detail", "log"):
        add_generation(document, fonds, scope)
    return True


def has_current(document: Document, fonds: str, scope: str) -> bool:
    """Tell whether a scope has a current key."""
    return any(entry["state"] == "current" for _, entry in _generations(document, fonds, scope))


def add_generation(document: Document, fonds: str, scope: str) -> str:
    """Make the next generation of a scope current and return its id; the caller retires the one before. ValueError on a bad scope."""
    if not _SCOPE.fullmatch(scope):
        raise ValueError("no scope of a key")
    if fonds not in document["fonds"]:
        raise KeyMissing(fonds=fonds, key=scope)
    generation = 1 + max((number for number, _ in _generations(document, fonds, scope)), default=0)
    suite = suite_named(document["fonds"][fonds]["suite"])
    entry = {"state": "current", "suite": suite.id, "key": base64.b64encode(_material(scope)).decode()}
    document["fonds"][fonds]["keys"][f"{scope}/{generation}"] = entry
    return f"{scope}/{generation}"


def retire(document: Document, fonds: str, scope: str, now_ms: int) -> bool:
    """Retire a scope's current key; False when there is none."""
    retired = False
    for _, entry in _generations(document, fonds, scope):
        if entry["state"] == "current":
            entry.update(state="retired", retired_ms=now_ms)
            retired = True
    return retired


def destroy(document: Document, fonds: str, key_id: str, now_ms: int) -> bool:
    """Take a retired key's material away and leave a tombstone; False when it was destroyed before. `KeyStillNeeded` too early."""
    try:
        entry = document["fonds"][fonds]["keys"][key_id]
    except KeyError:
        raise KeyMissing(fonds=fonds, key=key_id) from None
    if entry["state"] == "destroyed":
        return False
    if entry["state"] == "current" or now_ms - entry["retired_ms"] < RETIREMENT_SECONDS * 1000:
        raise KeyStillNeeded(fonds=fonds, key=key_id, seconds=RETIREMENT_SECONDS)
    del entry["key"]
    entry.update(state="destroyed", destroyed_ms=now_ms)
    return True


def _generations(document: Document, fonds: str, scope: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for key_id, entry in document["fonds"].get(fonds, {"keys": {}})["keys"].items():
        of, _, generation = key_id.rpartition("/")
        if of == scope:
            yield int(generation), entry


def _material(scope: str) -> bytes:
    if scope != "token":
        return os.urandom(SECRET_SIZE)
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _read_key(fonds: str, key_id: str, entry: dict[str, Any]) -> RingKey:
    scope, _, generation = key_id.rpartition("/")
    state = entry["state"]
    if not _SCOPE.fullmatch(scope) or state not in {"current", "retired", "destroyed"}:
        raise ValueError("a key of an unknown kind")
    try:
        secret = None if state == "destroyed" else base64.b64decode(entry["key"], validate=True)
        suite = suite_by_id(entry["suite"]).name
    except (binascii.Error, UnknownSuite):
        raise ValueError("a key that cannot be read") from None
    return RingKey(KeyInfo(fonds, scope, int(generation), state, suite, entry.get("retired_ms")), secret)
