"""A case full of canaries lives through everything, processes are killed over it, and a thief takes all that lies about."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from access_forms import granted
from acts.desk import Caller, Desk
from archive.finding import find
from archive.finding_persons import find_person
from archive.intake import deposit, deposit_many
from archive.reading import view
from archive.requests.openings import open_case
from archive.versions import correct, supplement
from audit.anchor import Anchors
from audit.export import export
from audit.publishing import Publishing
from audit.sequencing import Sequencer
from auth.principal import Principal
from case_world import FONDS, World
from foundation import steps
from foundation.clock import MovableClock
from foundation.database import Database
from foundation.ids import new_id
from foundation.uow import UnitOfWork
from fresh_databases import DatabaseUrls
from policies.rulebook.load import Rulebook, base_sources
from policies.rulebook.load import compile as compile_rulebook
from postgres_cluster import PostgresCluster
from sealed_canaries import EXTRA, Canaries
from service.cli.depositors import InThisProcess
from service.importing.mapping import load
from service.importing.run import Options, import_file
from vault.keyring import KeyRing
from vault.signer import LogSigner
from vault.unlock import Credential

MAPPING = Path(__file__).resolve().parents[2] / "examples" / "import" / "message-board.toml"
FIRST_OWN_FILE = 16384  # below are the catalogs that every PostgreSQL database has
KILLED_AT = ("deposit.inserted", "uow.sequenced", "keyring-written")


def _field(name: str, kind: str, **more: Any) -> dict[str, Any]:
    return {
        "path": f"petitioners[].{name}",
        "label_zh": "示例",
        "label_en": "Example",
        "type": kind,
        "required": False,
        "classification": "sensitive",
        "search": [],
        "mask": "withheld",
        "sealed": True,
        "tier": "extended",
        "class": "sensitive_identity",
        "note_zh": "示例",
        "note_en": "example",
    } | more


def rulebook_of_every_type() -> Rulebook:
    """The base rulebook with a sealed number, a sealed time, and one item that may be collected beside the record."""
    item = {
        "name": EXTRA,
        "label_zh": "示例项",
        "label_en": "Example",
        "legal_basis_zh": "示例",
        "legal_basis_en": "Example",
        "max_length": 60,
    }
    fields = [_field("example_number", "integer", minimum=0, maximum=2**53 - 1), _field("example_time", "datetime")]
    return compile_rulebook(base_sources(), {"fields": {"extra_collected": [item], "field": fields}})


def live_through(world: World, canaries: Canaries, folder: Path) -> None:
    """Everything a case goes through: deposited, refused, supplemented, corrected, found, asked for, opened, imported, published."""
    catalogue = world.desk.rulebook(FONDS).catalogue
    record = canaries.plant(world.record(), catalogue)
    value = {path: values[0] for path, values in canaries.planted.items()}
    record["summary"] += f" 涉及{value['petitioners[].name']}（{value['petitioners[].id_number']}）"
    why = canaries.text("a reason")
    receipt = deposit(world.desk, world.system, record)
    _refused(world, record, value)
    part = {"feedback": [{"target": "petition_office", "satisfaction": "satisfied", "comment": canaries.text("supplement")}]}
    supplement(world.desk, world.system, receipt.case_id, base_version=1, part=part, reason=why)
    corrected = record | {"content": canaries.text("correction"), "title": value["title"]}
    correct(world.desk, world.system, receipt.case_id, base_version=2, record=corrected, reason=why)
    handler = world.caller("S-1")
    view(world.desk, handler, receipt.case_id)
    find(world.desk, handler, {"filters": {"case_no": {"in": [value["title"]]}}})
    for kind, path in (("name", "petitioners[].name"), ("id_number", "petitioners[].id_number"), ("phone", "petitioners[].mobile")):
        found = find_person(world.desk, handler, kind, value[path], purpose="review", reason=why)
        assert [row.case_id for row in found.rows] == [receipt.case_id]
        find_person(world.desk, handler, kind, canaries.text("searched in vain", "telephone"), purpose="review", reason=why)
    _opened(world, receipt.case_id, value, why)
    _imported(world, canaries, folder)
    _published(world, folder)


def _refused(world: World, record: dict[str, Any], value: dict[str, str]) -> None:
    with pytest.raises(Exception, match="already-deposited"):
        deposit(world.desk, world.system, record | {"title": value["title"] + "！"})
    with pytest.raises(Exception, match="invalid-input"):
        deposit(world.desk, world.system, record | {"closed_at": value["title"], value["content"]: 1})
    refused = deposit_many(
        world.desk, world.system, [record | {"case_no": value["petitioners[].name"] + " x"}, record | {"is_anonymous": True}]
    )
    assert all(isinstance(answer, Exception) for answer in refused)


def _opened(world: World, case_id: str, value: dict[str, str], why: str) -> None:
    fields = ("petitioners[].name", "petitioners[].id_number", "content")
    grant_id = granted(world, case_id, fields=fields, reason=why, comment=why)
    clear = open_case(world.desk, world.caller("S-1"), grant_id, case_id)
    assert clear.view.record["petitioners"][0]["name"] == value["petitioners[].name"]


def _imported(world: World, canaries: Canaries, folder: Path) -> None:
    """A table with a good row and a bad one; the table itself is its owner's and taken away afterwards."""
    source = folder / "imported" / "table.csv"
    source.parent.mkdir()
    header = ["留言编号", "留言用户", "留言主题", "留言时间", "留言详情", "答复意见", "答复时间"]
    rows = [
        [
            number,
            canaries.text("raw cell"),
            canaries.text("raw cell"),
            asked,
            canaries.text("raw cell"),
            canaries.text("raw cell"),
            "2024/4/2 9:00:00",
        ]
        for number, asked in (("1001", "2024/3/5 10:00:00"), ("1002", canaries.text("raw cell")))
    ]
    with source.open("w", encoding="utf-8", newline="") as table:
        csv.writer(table).writerows([header, *rows])
    mapping = load(MAPPING, world.desk.rulebook(FONDS))
    depositor = InThisProcess(world.desk, world.caller("S-7"))
    summary = depositor.on_record(lambda to: import_file(source, mapping, to, mapping_digest="x", options=Options()))
    assert (summary.created, summary.refused) == (1, 1)
    source.unlink()


def _published(world: World, folder: Path) -> None:
    ring = world.desk.keys
    publishing = Publishing(world.desk.db, lambda fonds, _epoch: LogSigner.of(ring, fonds), Anchors(folder / "anchors"), world.clock)
    publishing.publish(FONDS)
    export(world.desk.db, FONDS, folder / "export")


def killed_over(world: World, urls: DatabaseUrls, folder: Path, record: dict[str, Any], step: str) -> None:
    """Have another process deposit the record (or make a key) and kill it at `step`; whatever it leaves stays lying there."""
    order = {"url": urls.application, "folder": str(folder), "record": record, "step": step, "account": world.system.principal.account_id}
    run = subprocess.run(
        [sys.executable, "-c", "import json, sys, thief_scene; thief_scene.be_killed(json.load(sys.stdin))"],
        input=json.dumps(order),
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
        capture_output=True,
        check=False,
    )
    assert run.returncode == -signal.SIGKILL, run.stderr


def be_killed(order: dict[str, Any]) -> None:
    """The other process."""
    keys = Path(order["folder"]) / "keys"
    ring = KeyRing.load(keys / "ring", Credential(keys / "credential"))
    database = Database(order["url"])
    rules = rulebook_of_every_type()
    clock = MovableClock(datetime(2026, 3, 18, 5, 0, tzinfo=UTC))
    desk = Desk(db=database, uow=UnitOfWork(database, Sequencer()), clock=clock, keys=ring, rulebook=lambda _fonds: rules)

    def kill(step: str) -> None:
        if step == order["step"]:
            os.kill(os.getpid(), signal.SIGKILL)

    steps.install_hook(kill)
    if order["step"].startswith("keyring"):
        ring.add_fonds("F003")
    source = Principal(FONDS, order["account"], None, "service", (), "depositor", 1, new_id(), "intranet", clock.now())
    deposit(desk, Caller(source, new_id()), order["record"])


def loot(database: Database, folder: Path, cluster: PostgresCluster | None, since: str) -> bytes:
    """All bytes a thief could carry off: what a query tells, the files of the database, and every file the archive wrote."""
    parts = []
    tables = (
        "SELECT name FROM sqlite_master WHERE type = 'table'"
        if database.dialect == "sqlite"
        else "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    )
    with database.read() as conn:
        for table in conn.execute(text(tables)).scalars().all():
            for row in conn.execute(text(f'SELECT * FROM "{table}"')):
                parts += [value if isinstance(value, bytes) else str(value).encode() for value in row]
    if database.dialect == "sqlite":
        path = Path(str(database.url.database))
        parts += [one.read_bytes() for one in sorted(path.parent.glob(path.name + "*"))]
    elif cluster is not None:
        parts += _cluster_files(str(database.url.database), cluster, since)
    parts += [one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file()]
    return b"\x1e".join(parts)


def write_ahead_position(database: Database) -> str:
    """The name of the segment PostgreSQL writes its log to now; empty for SQLite."""
    if database.dialect == "sqlite":
        return ""
    with database.read() as conn:
        return str(conn.execute(text("SELECT pg_walfile_name(pg_current_wal_lsn())")).scalar_one())


def _cluster_files(name: str, cluster: PostgresCluster, since: str) -> list[bytes]:
    """The files of every table, index and TOAST of this database after a checkpoint, its temporary files, and the write-ahead log."""
    with cluster._admin() as conn:
        conn.execute("CHECKPOINT")
        found = conn.execute("SELECT oid FROM pg_database WHERE datname = %s", (name,)).fetchone()
    assert found is not None
    base, log = cluster.data / "base", cluster.data / "pg_wal"
    files = [
        one for one in (base / str(found[0])).iterdir() if (number := re.match("[0-9]+", one.name)) and int(number[0]) >= FIRST_OWN_FILE
    ]
    files += base.glob("pgsql_tmp/*")
    files += (one for one in log.iterdir() if len(one.name) == 24 and one.name >= since)
    return [one.read_bytes().replace(b"\0" * 64, b"") for one in files]
