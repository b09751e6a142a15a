"""`audit …`: the export verifies with nothing but its files and the key, and every kind of tampering is found."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from command_line import INIT, Terminal

FONDS = "QH01"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Terminal, Path, str]:
    """A founded archive, an export of its log, and the verifier key; tests work on copies."""
    folder = tmp_path_factory.mktemp("audit")
    terminal = Terminal.at(folder / "var")
    assert terminal.run(*INIT).status == 0
    said = terminal.run("audit", "export", str(folder / "export"), "--fonds", FONDS)
    assert said.status == 0, said.text
    return terminal, folder / "export", terminal.vkey(FONDS)


@pytest.fixture
def exported(kept: tuple[Terminal, Path, str], tmp_path: Path) -> Path:
    """A copy of the export."""
    return Path(shutil.copytree(kept[1], tmp_path / "export"))


@pytest.fixture
def archive_copy(kept: tuple[Terminal, Path, str], tmp_path: Path) -> Terminal:
    """A copy of the installation."""
    shutil.copytree(kept[0].home, tmp_path / "var")
    return Terminal.at(tmp_path / "var")


def anywhere() -> Terminal:
    """A terminal on a machine that has never seen the archive, with an environment that would stop every other command."""
    return Terminal(Path("/nonexistent"), {"ARCHIVE_HOME": "/nonexistent", "ARCHIVE_NONSENSE": "1"})


def test_an_export_verifies_without_database_settings_or_service(kept: tuple[Terminal, Path, str], exported: Path) -> None:
    said = anywhere().run("audit", "verify", str(exported), "--key", kept[2])
    assert said.status == 0, said.text
    assert "校验通过" in said.text


def test_the_export_is_itself_on_record_and_part_of_what_is_exported(kept: tuple[Terminal, Path, str], exported: Path) -> None:
    assert kept[0].entries(FONDS, "log.exported") == 1
    bundle = b"".join(path.read_bytes() for path in (exported / "tile" / "entries").rglob("*") if path.is_file())
    assert b'"kind":"log.exported"' in bundle


def test_what_an_omitted_older_checkpoint_leaves_unproven_is_said(kept: tuple[Terminal, Path, str], exported: Path) -> None:
    without = anywhere().run("audit", "verify", str(exported), "--key", kept[2]).text
    assert "未与先前检查点" in without
    assert "re-signed" in without
    old = exported.parent / "older"
    old.write_bytes((exported / "checkpoint").read_bytes())
    assert "未与先前检查点" not in anywhere().run("audit", "verify", str(exported), "--key", kept[2], "--against", str(old)).text


def _flip(path: Path, at: float) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * at)] ^= 1
    path.write_bytes(data)


def _entries(export: Path) -> Path:
    return next(path for path in (export / "tile" / "entries").rglob("*") if path.is_file())


def _hashes(export: Path) -> Path:
    return next(path for path in (export / "tile" / "0").rglob("*") if path.is_file())


def _shorten(export: Path) -> None:
    bundle = _entries(export)
    bundle.write_bytes(bundle.read_bytes()[:-1])


def _add_a_file(export: Path) -> None:
    (export / "tile" / "0" / "999").write_bytes(b"x" * 32)


def _resize(export: Path) -> None:
    lines = (export / "checkpoint").read_text().split("\n")
    lines[1] = str(int(lines[1]) - 1)
    (export / "checkpoint").write_text("\n".join(lines))


@pytest.mark.parametrize(
    "tamper",
    [
        lambda export: _flip(_entries(export), 0.1),
        lambda export: _flip(_entries(export), 0.9),
        lambda export: _flip(_hashes(export), 0.5),
        lambda export: _hashes(export).unlink(),
        lambda export: _entries(export).unlink(),
        _shorten,
        _add_a_file,
        _resize,
        lambda export: _flip(export / "checkpoint", 0.95),
        lambda export: (export / "checkpoint").unlink(),
    ],
)
def test_an_export_that_was_tampered_with_is_found_out(
    kept: tuple[Terminal, Path, str], exported: Path, tamper: Callable[[Path], None]
) -> None:
    tamper(exported)
    said = anywhere().run("audit", "verify", str(exported), "--key", kept[2])
    assert said.status == 1
    assert "校验未通过" in said.text
    assert "校验通过" not in said.text


def test_the_key_is_never_taken_from_the_export(kept: tuple[Terminal, Path, str], exported: Path) -> None:
    other = kept[0].vkey("system")
    (exported / "key").write_text(kept[2])
    assert anywhere().run("audit", "verify", str(exported), "--key", other).status == 1
    assert anywhere().run("audit", "verify", str(exported), "--key", "nonsense").status == 2
    assert anywhere().run("audit", "verify", str(exported)).status == 2


def test_exporting_again_adds_only_what_is_new_and_refuses_a_changed_export(archive_copy: Terminal, exported: Path) -> None:
    old = exported.parent / "old-checkpoint"
    old.write_bytes((exported / "checkpoint").read_bytes())
    assert archive_copy.run("audit", "export", str(exported), "--fonds", FONDS).status == 0
    key = archive_copy.vkey(FONDS)
    assert anywhere().run("audit", "verify", str(exported), "--key", key, "--against", str(old)).status == 0
    fresh = exported.parent / "fresh"
    assert archive_copy.run("audit", "export", str(fresh), "--fonds", FONDS).status == 0
    _flip(fresh / "checkpoint", 0.3)
    said = archive_copy.run("audit", "export", str(fresh), "--fonds", FONDS)
    assert (said.status, "log-export-differs" in said.text) == (1, True)


def test_what_a_killed_export_left_half_written_is_cleared_by_the_next_one(archive_copy: Terminal, exported: Path) -> None:
    left = [exported / ".checkpoint.12ab.tmp", _entries(exported).with_name(".17.12ab.tmp"), _hashes(exported).with_name(".001.4711.tmp")]
    for path in left:
        path.write_bytes(b"half of it")
    key = archive_copy.vkey(FONDS)
    assert anywhere().run("audit", "verify", str(exported), "--key", key).status == 1
    assert archive_copy.run("audit", "export", str(exported), "--fonds", FONDS).status == 0
    assert not any(path.exists() for path in left)
    assert anywhere().run("audit", "verify", str(exported), "--key", key).status == 0


def test_what_a_killed_process_left_among_the_anchors_is_cleared_at_start(archive_copy: Terminal) -> None:
    anchors = archive_copy.home / "anchors"
    left, other = anchors / f".{FONDS}.checkpoint.4711.tmp", anchors / ".notes.4711.tmp"
    for path in (left, other):
        path.write_bytes(b"half of it")
    said = archive_copy.run("audit", "status")
    assert said.status == 0
    assert (left.exists(), other.exists()) == (False, True)
    assert "+08:00" in said.text


def test_a_fonds_that_is_not_there_gets_no_log_by_being_asked_for(archive_copy: Terminal, tmp_path: Path) -> None:
    for words in (
        ("audit", "export", str(tmp_path / "none"), "--fonds", "NONE"),
        ("audit", "fsck", "--fonds", "NONE"),
        ("audit", "admit-restored", "--fonds", "NONE", "--reason", "x"),
    ):
        said = archive_copy.run(*words)
        assert (said.status, "没有全宗 NONE；这个档案库的日志属于：QH01、system。" in said.text) == (1, True), words
        assert "There is no fonds NONE" in said.text
    listed = archive_copy.run("keys", "list", "--fonds", "NONE")
    assert (listed.status, "密钥环中没有全宗 NONE" in listed.text) == (1, True)
    assert archive_copy.entries("NONE") == 0
    assert not (tmp_path / "none").exists()


def test_a_log_is_not_exported_into_the_export_of_another(archive_copy: Terminal, exported: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in exported.rglob("*") if path.is_file()}
    said = archive_copy.run("audit", "export", str(exported), "--fonds", "system")
    assert said.status == 1
    assert "中是日志 archive.example/QH01 的导出，不是 archive.example/system 的；未作任何改动，请另选一个空目录。" in said.text
    assert {path: path.read_bytes() for path in exported.rglob("*") if path.is_file()} == before
    assert archive_copy.entries("system", "log.exported") == 0
    said = archive_copy.run("audit", "export", str(tmp_path / "other"), "--fonds", "system", "--key", archive_copy.vkey("system"))
    assert (said.status, "--key 只与 --url 同用" in said.text) == (2, True)


def test_an_export_that_cannot_open_the_archive_points_to_the_service(archive_copy: Terminal, tmp_path: Path) -> None:
    kept = {"ARCHIVE_HOME": str(archive_copy.home)}
    said = archive_copy.run("audit", "export", str(tmp_path / "none"), "--fonds", FONDS, environment=kept)
    assert (said.status, "无法解锁密钥环" in said.text) == (1, True)
    assert "可加 --url 和 --login 由服务导出，不需要密钥环的凭据。" in said.text
    assert "(key-ring-credential)" in said.text


def test_a_row_changed_in_the_database_is_named_by_fsck(archive_copy: Terminal) -> None:
    assert archive_copy.run("audit", "fsck").status == 0
    with closing(sqlite3.connect(archive_copy.database)) as conn, conn:
        triggers = [row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'log_entries'")]
        assert triggers
        for name in triggers:
            conn.execute(f"DROP TRIGGER {name}")
        conn.execute(
            "UPDATE log_entries SET body = CAST(replace(body, 'founding', 'fovnding') AS BLOB) WHERE fonds = ? AND idx = 3", (FONDS,)
        )
    said = archive_copy.run("audit", "fsck", "--fonds", FONDS)
    assert (said.status, "log-damaged" in said.text) == (1, True)


def test_a_restored_database_is_refused_until_it_is_admitted_on_record(archive_copy: Terminal, tmp_path: Path) -> None:
    backup = tmp_path / "backup.sqlite"
    with closing(sqlite3.connect(archive_copy.database)) as conn, conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(archive_copy.database, backup)
    key = archive_copy.vkey(FONDS)
    assert archive_copy.run("audit", "export", str(tmp_path / "later"), "--fonds", FONDS).status == 0
    for suffix in ("-wal", "-shm"):
        archive_copy.database.with_name(archive_copy.database.name + suffix).unlink(missing_ok=True)
    shutil.copy(backup, archive_copy.database)

    said = archive_copy.run("serve")
    assert (said.status, "log-rolled-back" in said.text) == (1, True)
    assert "log-rolled-back" in archive_copy.run("audit", "status").text
    admitted = archive_copy.run("audit", "admit-restored", "--fonds", FONDS, "--reason", "磁盘损坏，从昨日备份恢复")
    assert admitted.status == 0, admitted.text
    assert archive_copy.entries(FONDS, "log.restored-admitted") == 1
    assert archive_copy.vkey(FONDS) != key
    assert "昨日备份".encode() not in archive_copy.bytes_at_rest()
    assert anywhere().run("audit", "verify", str(tmp_path / "later"), "--key", key).status == 0
    again = archive_copy.run("audit", "admit-restored", "--fonds", FONDS, "--reason", "再来一次")
    assert (again.status, "log-nothing-to-admit" in again.text) == (1, True)
