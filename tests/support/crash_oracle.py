"""The oracle: what clients were told, held against what is there.

After each life the archive is opened as by a process that starts, and must be whole in itself (`crash_invariants`), hold everything
that was acknowledged exactly once, and show a log that extends every checkpoint anybody was shown.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select

import crash_invariants as whole
from archive.intake import deposit
from archive.receipts import Receipt
from archive.requests.tables import access_requests, grants, openings, request_decisions
from archive.tables import case_versions, cases
from audit.entry import Entry
from audit.errors import LogRefused
from audit.events import Actor
from audit.export import export
from audit.fsck import fsck
from audit.publishing import Publishing
from audit.restoring import Admission, admit_restored
from audit.store import TileRows, head_of
from audit.tables import log_checkpoints, log_entries
from auth.tables import sessions
from case_world import FONDS, World
from crash_archive import CrashArchive, later, record_for
from foundation.clock import from_ms, iso
from foundation.tables import idempotency
from tlog.note import VerifierKey
from tlog.verify import verify_export
from vault.signer import LogSigner

Line = dict[str, Any]


class Oracle:
    """Everything acknowledged in the lives of one archive so far."""

    def __init__(self, archive: CrashArchive) -> None:
        self._archive = archive
        self._asked: dict[str, str | None] = {}
        self._heard: list[Line] = []
        self._acknowledged: list[Line] = []
        self._known: dict[str, Line] = {}  # case number -> the line of its deposit
        self._entries: dict[str, Entry] = {}  # by id, in the order of the log
        self._places: list[Entry] = []
        self._opened: set[tuple[str, int]] = set()
        self._exports: dict[int, bytes] = {}  # epoch -> the checkpoint it was last exported at
        self.acknowledged = 0

    def look(self, lines: list[Line], at: str, *, admit: bool = False, everything: bool = False) -> str:
        """Hold the archive against what this life's clients heard (and, if `everything`, all before); return when the next may begin."""
        self._hear(lines)
        with self._archive.opened(later(at, minutes=16)) as world:
            publishing = self._archive.publishing(world, Publishing)
            self._admit(publishing, world, allowed=admit)
            publishing.check(FONDS)
            self._sound(world)
            self._whole(world)
            with world.desk.db.read() as conn:
                for line in [*self._acknowledged, *self._heard] if everything else self._heard:
                    self._there(conn, line)
            self._acknowledged += self._heard
            self._heard.clear()
            self._retry(world)
            if everything:
                self._whole(world)
            self._log(world, publishing)
            with world.desk.db.read() as conn:
                last = conn.scalar(select(func.max(log_entries.c.time_ms)).where(log_entries.c.fonds == FONDS))
        assert last is not None
        return later(iso(from_ms(last)), minutes=16)  # past every session: what is opened then is a use of its own

    def _hear(self, lines: list[Line]) -> None:
        for line in lines:
            if line["act"] == "deposit-asked":
                self._asked.setdefault(line["case_no"], line["key"])
            elif line["act"] not in {"began", "killed", "gone", "ended"}:
                self._heard.append(line)
                self.acknowledged += 1

    def _admit(self, publishing: Publishing, world: World, *, allowed: bool) -> None:
        try:
            publishing.check(FONDS)
        except LogRefused:
            if not allowed:
                raise
            admit_restored(publishing, world.desk.uow, FONDS, Admission(actor=Actor()))

    def _sound(self, world: World) -> None:
        fsck(world.desk.db, FONDS, lambda epoch: LogSigner.of(world.desk.keys, FONDS, epoch).vkey)

    def _whole(self, world: World) -> None:
        with world.desk.db.read() as conn:
            fresh = select(log_entries.c.idx, log_entries.c.body).where(
                log_entries.c.fonds == FONDS, log_entries.c.idx >= len(self._entries)
            )
            for row in conn.execute(fresh.order_by(log_entries.c.idx)):
                entry = Entry.parse(bytes(row.body))
                assert row.idx == len(self._entries)
                self._entries[entry.id] = entry
                self._places.append(entry)
        whole.cases_are_whole(world, self._entries, self._opened)
        whole.keys_are_there(world)
        whole.requests_are_whole(world, self._entries)
        whole.uses_are_counted(world, self._entries)

    # ------------------------------------------------------------------------------------------------ what was acknowledged

    def _there(self, conn: Connection, line: Line) -> None:
        match line["act"]:
            case "deposit" | "supplement" | "correction":
                self._version_there(conn, line)
            case "filed":
                self._row(conn, access_requests, request_id=line["request"], filed_entry=line["entry"])
                assert self._at(line["index"]).id == line["entry"]
            case "decided":
                self._row(conn, request_decisions, request_id=line["request"], request_version=line["version"])
                assert self._at(line["index"]).members["object"]["id"] == line["request"]
                if line["grant"] is not None:
                    self._row(conn, grants, grant_id=line["grant"], request_id=line["request"])
            case "opened":
                self._row(conn, openings, opening_id=line["opening"], grant_id=line["grant"], case_id=line["case"])
                for kind in ("intent", "outcome"):
                    entry = self._at(line[kind])
                    assert entry.kind == f"access.{kind}"
                    assert entry.members["data"]["opening"] == line["opening"]
            case "returned":
                assert self._at(line["index"]).kind == "grant.returned"
                assert self._row(conn, grants, grant_id=line["grant"]).returned_ms is not None
            case "viewed":
                assert self._at(line["index"]).members["object"]["id"] == line["case"]
            case "signed-in":
                self._row(conn, sessions, session_id=line["session"])
            case "published":
                self._row(conn, log_checkpoints, size=line["size"], root=bytes.fromhex(line["root"]))
                assert TileRows(conn, FONDS).root(line["size"]).hex() == line["root"]
            case "exported" | "admitted":
                assert len(self._entries) >= line.get("size", 1)
            case other:
                raise AssertionError(f"nobody knows how to check {other}")

    def _version_there(self, conn: Connection, line: Line) -> None:
        self._row(conn, cases, source_system="county-petition", case_no=line["case_no"], case_id=line["case"])
        place = {"case_id": line["case"], "version": line["version"]}
        row = self._row(conn, case_versions, **place, act=line["act"], entry_id=line["entry"])
        assert bytes(row.digest).hex() == line["digest"]
        assert self._at(line["index"]).id == line["entry"]
        if line["act"] == "deposit":
            first = self._known.setdefault(line["case_no"], line)
            for name in ("case", "version", "digest", "entry", "index"):
                assert line[name] == first[name], f"two receipts of {line['case_no']}"
            if line["key"] is not None:
                self._row(conn, idempotency, resource_id=line["entry"])

    def _row(self, conn: Connection, table: Any, **values: Any) -> Any:
        query = select(table).where(table.c.fonds == FONDS, *(table.c[name] == value for name, value in values.items()))
        found = conn.execute(query).all()
        assert len(found) == 1, f"{table.name}: {len(found)} rows for {values}"
        return found[0]

    def _at(self, index: int) -> Entry:
        return self._places[index]

    # ------------------------------------------------------------------------------------------------ what was not

    def _retry(self, world: World) -> None:
        """Hand in again what was never answered; it is taken once, whether it was there or not."""
        for case_no, key in self._asked.items():
            if case_no in self._known:
                continue
            answers = [deposit(world.desk, world.system, record_for(case_no), idempotency_key=key) for _ in range(2)]
            assert answers[1].status == "same"
            assert answers[0].case_id == answers[1].case_id
            assert answers[0].digest == answers[1].digest
            self._keep(answers[0], key)
        self._asked.clear()

    def _keep(self, receipt: Receipt, key: str | None) -> None:
        line = {
            "act": "deposit",
            "case_no": receipt.case_no,
            "case": receipt.case_id,
            "version": receipt.version,
            "digest": receipt.digest.hex(),
            "entry": receipt.entry_id,
            "index": receipt.log_index,
            "key": key,
        }
        self._known[receipt.case_no] = line
        self._acknowledged.append(line)

    # ------------------------------------------------------------------------------------------------ the log

    def _log(self, world: World, publishing: Publishing) -> None:
        """Publish, export, and verify the export from its files alone, against the checkpoint it stood at before."""
        publishing.publish(FONDS)
        with world.desk.db.read() as conn:
            head = head_of(conn, FONDS)
        assert head is not None
        folder = self._archive.folder / f"export-{head.epoch}"
        made = export(world.desk.db, FONDS, folder)
        assert made.size == head.size
        key = VerifierKey.parse(LogSigner.of(world.desk.keys, FONDS, head.epoch).vkey)
        report = verify_export(folder, key, against=self._exports.get(head.epoch))
        assert report.checkpoint.size == head.size
        self._exports[head.epoch] = made.note
