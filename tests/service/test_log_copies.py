"""Copies of the log leave by the API and by the command line: on record first, for those who may export, as they stand in the log."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pyotp
import pytest
from sqlalchemy import text, update

from audit.errors import LogForked
from audit.tables import log_entries
from command_line import INIT, Said, Terminal
from foundation.clock import MovableClock
from foundation.database import Database
from fresh_databases import FreshDatabases
from reviews.copies import Range, bundles
from reviews.copies_forms import FORMS, LINES, SHEET, SHEET_TYPE
from reviews.copies_rows import Row
from service.cli.door import Door
from service.cli.terminal import CommandFailed
from service.copies.files import copy_chunks, write_copy
from small_archive import FONDS, SECRET, START, SmallArchive
from stream_receivers import Listener, closing
from streamed_log import StreamedLog, streamed_log

URL = "/v1/log/copy"


@pytest.fixture(scope="module")
def published(archive: SmallArchive) -> SmallArchive:
    """An archive whose log has something in it, published."""
    for _ in range(3):
        archive.deposited()
    archive.house.publishing.publish(FONDS)
    return archive


def lines_of(answer: httpx.Response) -> list[dict[str, object]]:
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def test_a_copy_holds_the_entries_it_was_asked_for_and_is_on_record_with_its_range(published: SmallArchive) -> None:
    with published.as_("auditadmin") as auditadmin:
        before = len(published.entries("log.exported"))
        answer = auditadmin.get(URL, params={"form": "ndjson", "first": 3, "last": 7})
        assert [line["index"] for line in lines_of(answer)] == [3, 4, 5, 6, 7]
        assert answer.headers["archive-entries"] == "3-7"
        assert answer.headers["content-disposition"] == 'attachment; filename="log-3-7.ndjson"'
        entry = published.entries("log.exported")[before:]
        assert [(one.object, one.data, one.verdict) for one in entry] == [
            ({"kind": "log", "id": FONDS}, {"form": "ndjson", "first": 3, "last": 7}, "permit")
        ]
        stored = published.entries()[3:8]
        assert [line["entry"] for line in lines_of(answer)] == [dict(one.members) for one in stored]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_given_with_its_type(published: SmallArchive, form: str) -> None:
    with published.as_("auditadmin") as auditadmin:
        answer = auditadmin.get(URL, params={"form": form, "last": 9})
        assert answer.status_code == 200
        assert answer.headers["content-type"] == (SHEET_TYPE if form == SHEET else LINES[form].media_type)
        assert answer.content.startswith(b"PK" if form == SHEET else LINES[form].head or b"{" if form != "cef" else b"CEF:0|")


def test_a_copy_takes_the_right_to_export_and_goes_no_further_than_what_is_published(published: SmallArchive) -> None:
    # An inspector could look up in the raw log which cases are hidden from them: no business role has it, as with entry bundles.
    for nobody in ("inspector", "principal", "handler", "secadmin", "sysadmin"):
        with published.as_(nobody) as client:
            exported = len(published.entries("log.exported"))
            refused = client.get(URL)
            assert (refused.status_code, refused.json()["code"]) == (403, "not-permitted"), nobody
            assert len(published.entries("log.exported")) == exported
    assert published.http.get(published.url + URL).status_code == 401
    with published.as_("auditadmin") as auditadmin:
        future = auditadmin.get(URL, params={"first": 2**40})
        assert (future.status_code, future.json()["code"]) == (409, "not-yet-published")
        for wrong in ({"first": -1}, {"form": "xml"}, {"first": 5, "last": 4}):
            assert auditadmin.get(URL, params=wrong).status_code == 422, wrong
        assert [line["fonds"] for line in lines_of(auditadmin.get(URL, params={"last": 3}))] == [FONDS] * 4


def test_a_workbook_of_more_entries_than_it_may_hold_is_refused_and_other_forms_are_not(
    published: SmallArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reviews.copies.SHEET_ROWS", 5)
    with published.as_("auditadmin") as auditadmin:
        refused = auditadmin.get(URL, params={"form": "xlsx", "first": 1, "last": 6})
        assert (refused.status_code, refused.json()["code"]) == (422, "log-question-invalid")
        assert auditadmin.get(URL, params={"form": "xlsx", "first": 1, "last": 5}).status_code == 200
        assert auditadmin.get(URL, params={"form": "csv", "first": 1, "last": 6}).status_code == 200


def test_a_log_that_is_not_what_was_published_makes_no_whole_copy(fresh_databases: FreshDatabases, tmp_path: Path) -> None:
    with fresh_databases.fresh("sqlite") as urls:
        database = Database(urls.owner, pool_size=4)
        with streamed_log(database, MovableClock(START), tmp_path) as log:
            _change(log)
            found = Range("F001", 0, 299, 300)
            assert len(list(bundles(database, Range("F001", 0, 255, 300)))) == 1
            target = tmp_path / "copy.csv"
            for form in FORMS:
                target.write_bytes(b"an older copy")
                with pytest.raises(Exception, match="log-forked"):
                    write_copy(target, copy_chunks(database, form, found))
                assert target.read_bytes() == b"an older copy"
            assert sorted(path.name for path in tmp_path.iterdir()) == ["anchors", "copy.csv"]
        database.close()


def test_a_log_that_is_found_changed_at_once_is_answered_as_an_error(published: SmallArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(_db: Database, found: Range) -> Iterator[list[Row]]:
        yield from ()
        raise LogForked(fonds=found.fonds, signed=found.size, why="entry")

    monkeypatch.setattr("service.copies.files.bundles", changed)
    with published.as_("auditadmin") as auditadmin:
        for form in FORMS:
            answer = auditadmin.get(URL, params={"form": form, "last": 3})
            assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json"), form


def _change(log: StreamedLog) -> None:
    """Change an entry beyond the first bundle as whoever owns the database can."""
    log.grow(300)
    with log.db.write() as conn:
        for name in conn.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'log_entries'")).all():
            conn.exec_driver_sql(f"DROP TRIGGER {name}")
        here = (log_entries.c.fonds == "F001") & (log_entries.c.idx == 280)
        body = bytes(conn.scalar(log_entries.select().with_only_columns(log_entries.c.body).where(here)) or b"")
        conn.execute(update(log_entries).where(here).values(body=body.replace(b'"permit"', b'"refuse"')))


def test_a_copy_is_written_for_its_owner_alone_and_replaces_what_was_cut_short(fresh_databases: FreshDatabases, tmp_path: Path) -> None:
    with fresh_databases.fresh("sqlite") as urls:
        database = Database(urls.application, pool_size=4)
        with streamed_log(database, MovableClock(START), tmp_path) as log:
            log.grow(600)
            target, left = tmp_path / "copy.xlsx", tmp_path / ".copy.xlsx.4711.tmp"
            left.write_bytes(b"half of it")
            seen: list[tuple[int, int]] = []
            write_copy(target, copy_chunks(database, SHEET, Range("F001", 10, 599, 600), lambda done, of: seen.append((done, of))))
            assert target.stat().st_mode & 0o777 == 0o600
            assert not left.exists()
            assert seen == [(246, 590), (502, 590), (590, 590)]
        database.close()


# ------------------------------------------------------------------------------------------------ the command line


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    made = Terminal.at(tmp_path_factory.mktemp("copies") / "var")
    assert made.run(*INIT).status == 0
    return made


@pytest.mark.parametrize("form", FORMS)
def test_a_copy_made_at_the_terminal_is_checked_at_the_terminal(terminal: Terminal, tmp_path: Path, form: str) -> None:
    file, entries = tmp_path / f"log.{form}", terminal.entries("QH01", "log.exported")
    said = terminal.run("audit", "extract", str(file), "--fonds", "QH01", "--first", "2")
    assert said.status == 0, said.text
    assert terminal.entries("QH01", "log.exported") == entries + 1
    assert terminal.run("audit", "export", str(tmp_path / "export"), "--fonds", "QH01").status == 0
    key = terminal.vkey("QH01")
    anywhere = Terminal(Path("/nonexistent"), {"ARCHIVE_HOME": "/nonexistent"})
    check = ("audit", "check-copy", str(file), "--key", key, "--export", str(tmp_path / "export"))
    said = anywhere.run(*check)
    assert (said.status, "核对通过：第 2 至" in said.text) == (0, True), said.text
    whole = bytearray(file.read_bytes())
    whole[-300] ^= 1
    file.write_bytes(bytes(whole))
    said = anywhere.run(*check)
    assert (said.status, "核对通过" in said.text) == (1, False), said.text
    assert anywhere.run(*check[:5], terminal.vkey("system"), *check[6:]).status in {1, 2}


def test_a_whole_copy_is_checked_against_a_checkpoint_alone(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "log.ndjson"
    assert terminal.run("audit", "export", str(tmp_path / "export"), "--fonds", "QH01").status == 0
    checkpoint = tmp_path / "export" / "checkpoint"
    size = int(checkpoint.read_text().split("\n")[1])
    assert terminal.run("audit", "extract", str(file), "--fonds", "QH01", "--last", str(size - 1)).status == 0
    words = ("audit", "check-copy", str(file), "--key", terminal.vkey("QH01"), "--checkpoint", str(checkpoint))
    assert terminal.run(*words).status == 0
    file.write_bytes(file.read_bytes().replace(b'"permit"', b'"refuse"').replace(b'"fact"', b'"permit"', 1))
    said = terminal.run(*words)
    assert (said.status, "核对未通过" in said.text) == (1, True)


def test_words_that_make_no_copy_are_refused_before_anything_is_written(terminal: Terminal, tmp_path: Path) -> None:
    entries = terminal.entries("QH01", "log.exported")
    for words, status in (
        (("extract", str(tmp_path / "log.txt"), "--fonds", "QH01"), 1),
        (("extract", str(tmp_path / "log.csv"), "--fonds", "NONE"), 1),
        (("extract", str(tmp_path / "log.csv"), "--fonds", "QH01", "--first", "9999999"), 1),
        (("extract", str(tmp_path / "log.csv"), "--fonds", "QH01", "--first", "3", "--last", "2"), 1),
        (("extract", str(tmp_path / "log.csv"), "--fonds", "QH01", "--url", "http://127.0.0.1:9"), 2),
        (("check-copy", str(tmp_path / "log.csv"), "--key", "x", "--export", str(tmp_path)), 2),
        (("check-copy", str(tmp_path / "log.csv"), "--key", terminal.vkey("QH01")), 2),
    ):
        said = terminal.run("audit", *words)
        assert said.status == status, (words, said.text)
    assert terminal.entries("QH01", "log.exported") == entries
    assert list(tmp_path.iterdir()) == []


def test_a_security_auditor_takes_a_copy_from_the_running_service(published: SmallArchive, tmp_path: Path) -> None:
    somewhere = Terminal(tmp_path, {"ARCHIVE_HOME": "/nonexistent"})

    def extract(name: str, form: str) -> Said:
        published.clock.advance(60)
        factor = published.people[name].factor
        code = pyotp.TOTP(factor).at(published.clock.now()) if factor else ""
        words = ("--fonds", FONDS, "--login", name, "--url", published.url, "--last", "5")
        return somewhere.run("audit", "extract", str(tmp_path / f"log.{form}"), *words, typed=f"{SECRET}\n{code}\n")

    for form in (SHEET, "ocsf"):
        said = extract("auditadmin", form)
        assert (said.status, "第 0-5 条" in said.text) == (0, True), said.text
        assert (tmp_path / f"log.{form}").stat().st_mode & 0o777 == 0o600
    lines = (tmp_path / "log.ocsf").read_text(encoding="ascii").splitlines()
    assert [json.loads(line)["metadata"]["sequence"] for line in lines] == [0, 1, 2, 3, 4, 5]
    said = extract("principal", "csv")
    assert (said.status, "提取日志须由安全审计员登录" in said.text) == (1, True), said.text
    assert not (tmp_path / "log.csv").exists()


def test_a_copy_whose_answer_is_cut_short_is_no_copy(tmp_path: Path) -> None:
    def half(connection: socket.socket, _number: int) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nCEF:0|\r\n")

    listener = Listener(half)
    with (
        closing(listener),
        Door(f"http://127.0.0.1:{listener.port}") as door,
        pytest.raises(CommandFailed, match="cut short"),
        door.streamed(URL, {}) as answer,
    ):
        write_copy(tmp_path / "log.cef", answer.iter_bytes())
    assert list(tmp_path.iterdir()) == []
