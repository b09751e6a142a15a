"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): an act asked for again under its key is answered again, not done again.

A keyed digest of the key stands in the act's own transaction, with one of what was asked and the id of the entry that records the act:
nothing that was sent, a key made of somebody's number included, and nothing that was shown. The answer is made anew from there. Only what
took effect is kept, for `KEPT`: a refused attempt leaves its key free. A key is its account's own. Openings in clear take none: each is
judged anew, and inside its session costs no use.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.exc import IntegrityError

from acts.desk import Caller, Desk
from archive.errors import KeyReused
from audit.trail import Found, entry_named
from foundation.clock import to_ms
from foundation.errors import ArchiveError
from foundation.tables import idempotency
from foundation.uow import Unit
from vault.signer import digest_matches, keyed_digest, live_digests

KEPT: Final = timedelta(days=7)
_PURPOSE: Final = "idempotency"
_NAMED: Final = "idempotency-key"
T = TypeVar("T")


class Once:
    """One act under its caller's key; without a key, an act like any other."""

    __slots__ = ("_caller", "_desk", "_key", "_plain")

    def __init__(self, desk: Desk, caller: Caller, key: str | None, plain: bytes) -> None:
        """`plain`: what is asked for, as bytes no other act would have; they are digested and never stored."""
        self._desk = desk
        self._caller = caller
        self._key = key
        self._plain = plain

    @classmethod
    def of(cls, desk: Desk, caller: Caller, key: str | None, act: str, asked: Mapping[str, Any]) -> Once:
        """`act`: the name of the action; `asked`: what it is to do, as a JSON object. The role acted in is a part of what is asked."""
        return cls(desk, caller, key, _json([act, caller.principal.role, asked]).encode() if key is not None else b"")

    def entry_id(self, conn: Connection) -> str | None:
        """The entry of the act done under this key; None while there is none. KeyReused where something else was done under it."""
        if self._key is None:
            return None
        names = [name.hex() for name in live_digests(self._desk.keys, self._caller.fonds, _NAMED, self._key_of_account())]
        row = conn.execute(
            select(idempotency.c.fingerprint, idempotency.c.resource_id).where(
                idempotency.c.fonds == self._caller.fonds,
                idempotency.c.account_id == self._caller.principal.account_id,
                idempotency.c.key.in_(names),
                idempotency.c.created_ms > self._oldest_ms(),
            )
        ).first()
        if row is None:
            return None
        if not digest_matches(self._desk.keys, self._caller.fonds, _PURPOSE, self._plain, bytes(row.fingerprint)):
            raise KeyReused
        return str(row.resource_id)

    def keep(self, unit: Unit, entry_id: str) -> None:
        """Remember the act in its own transaction, and forget what is older than `KEPT`; IntegrityError where the key was just taken."""
        if self._key is None:
            return
        unit.conn.execute(delete(idempotency).where(idempotency.c.fonds == unit.fonds, idempotency.c.created_ms <= self._oldest_ms()))
        unit.conn.execute(
            insert(idempotency),
            {
                "fonds": unit.fonds,
                "account_id": self._caller.principal.account_id,
                "key": keyed_digest(self._desk.keys, unit.fonds, _NAMED, self._key_of_account()).hex(),
                "fingerprint": keyed_digest(self._desk.keys, unit.fonds, _PURPOSE, self._plain),
                "resource_id": entry_id,
                "created_ms": to_ms(self._desk.clock.now()),
            },
        )

    def answer(self, act: Callable[[], T], again: Callable[[Connection, Found], T], *, repeated: str) -> T:
        """Do `act`, whose transaction calls `keep`; or, where it was done under this key before, answer by `again` from its entry.

        `repeated`: the kind of the entry that a repeated answer leaves. Errors of `act`; KeyReused, on record.
        """
        entry_id = self._before()
        if entry_id is None:
            try:
                return act()
            except (ArchiveError, IntegrityError):
                # Perhaps another attempt under this key was faster, and what it changed is what stood in the way of this one.
                entry_id = self._before()
                if entry_id is None:
                    raise
        with self._desk.db.read() as conn:
            found = entry_named(conn, self._caller.fonds, entry_id)
            answer = again(conn, found)
        event = self._caller.event(self._desk, repeated, object=found.entry.object, data={"entry": entry_id})
        self._desk.uow.run(self._caller.fonds, lambda unit: unit.add(event))
        return answer

    def _before(self) -> str | None:
        if self._key is None:
            return None
        try:
            with self._desk.db.read() as conn:
                return self.entry_id(conn)
        except KeyReused as error:
            event = self._caller.event(self._desk, "access.refused", verdict="refuse", reason=error.code)
            self._desk.uow.run(self._caller.fonds, lambda unit: unit.add(event))
            raise

    def _key_of_account(self) -> bytes:
        return f"{self._caller.principal.account_id}/{self._key}".encode()

    def _oldest_ms(self) -> int:
        return to_ms(self._desk.clock.now() - KEPT)


# Total on all that a body can say, numbers of any size and lone surrogates among it: what is asked has not been checked yet.
_json = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
