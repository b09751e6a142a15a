"""`audit account-for`, `audit check-answer` and what `audit verify` says of the index: an archive that cheated is caught by strangers."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from pathlib import Path
from typing import Any

import pyotp
import pytest

import naive_index
from audit.entry import encode
from audit.events import Actor, Event
from command_line import INIT, Said, Terminal
from foundation.clock import parse_iso
from foundation.ids import new_id
from signed_log import SigningKey, write_log
from small_archive import SECRET, SmallArchive

PAGE = Path(__file__).parents[2] / "docs" / "formats" / "log-index.md"


def anywhere(*words: str) -> Said:
    """A terminal on a machine that has never seen the archive."""
    return Terminal(Path("/nonexistent"), {"ARCHIVE_HOME": "/nonexistent", "ARCHIVE_NONSENSE": "1"}).run(*words)


@pytest.fixture
def answer(tmp_path: Path) -> tuple[Path, str]:
    """The answer of the format's page, and its key."""
    text = PAGE.read_text(encoding="utf-8")
    file = tmp_path / "answer.json"
    file.write_text(re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[1], encoding="utf-8")
    return file, re.findall(r"with the key `([^`]+)`", text)[0]


def test_an_answer_is_checked_without_log_database_settings_or_service(answer: tuple[Path, str]) -> None:
    said = anywhere("audit", "check-answer", str(answer[0]), "--key", answer[1])
    assert said.status == 0, said.text
    assert "答复成立" in said.text
    assert "exactly 2 entries" in said.text
    assert "re-signed" in said.text


def test_an_answer_that_was_changed_is_not_verified_and_says_where(answer: tuple[Path, str]) -> None:
    file, key = answer
    given = json.loads(file.read_text(encoding="utf-8"))
    given["cover"][0]["found"]["entries"] = [0]
    given["entries"].pop()
    file.write_text(json.dumps(given), encoding="utf-8")
    said = anywhere("audit", "check-answer", str(file), "--key", key)
    assert said.status == 1
    assert "校验未通过" in said.text
    assert "answer-rejected" in said.text
    assert "cover[0].found" in said.text
    assert "答复成立" not in said.text


def test_a_missing_answer_or_a_wrong_key_is_told_apart_from_a_false_one(answer: tuple[Path, str], tmp_path: Path) -> None:
    file, key = answer
    assert anywhere("audit", "check-answer", str(tmp_path / "nothing"), "--key", key).status == 2
    assert anywhere("audit", "check-answer", str(file), "--key", "nonsense").status == 2
    assert anywhere("audit", "check-answer", str(file), "--key", key, "--against", str(tmp_path / "nothing")).status == 2
    said = anywhere("audit", "check-answer", str(file), "--key", key, "--against", str(file))
    assert said.status == 1


def exported(folder: Path, *, honest: bool) -> str:
    """An export whose archive committed to an index of three entries, true or without the last of them; its key."""
    at = parse_iso("2026-03-18T04:00:00.123Z")
    actor = Actor(account=new_id(), person=new_id(), role="handler", client="intranet")
    case = new_id()
    bodies = [encode(Event("case.viewed", actor, at, object={"kind": "case", "id": case}), new_id(), "f-1") for _ in range(3)]
    every = [naive_index.subjects(json.loads(body)) for body in bodies]
    if not honest:
        every[2] = set()
    data = {"version": 1, "size": 3, "root": naive_index.root(every, 3).hex()}
    bodies.append(encode(Event("log.indexed", Actor(), at, object={"kind": "log", "id": "f-1"}, data=data), new_id(), "f-1"))
    key = SigningKey.from_seed("archive.invalid/f-1", 9)
    folder.mkdir()
    write_log(folder, bodies, key)
    return key.vkey()


def test_verifying_an_export_derives_its_index_and_catches_one_that_leaves_an_entry_out(tmp_path: Path) -> None:
    key = exported(tmp_path / "honest", honest=True)
    said = anywhere("audit", "verify", str(tmp_path / "honest"), "--key", key)
    assert said.status == 0, said.text
    assert "1 commitments to the index" in said.text
    key = exported(tmp_path / "cheat", honest=False)
    said = anywhere("audit", "verify", str(tmp_path / "cheat"), "--key", key)
    assert said.status == 1
    assert "index-differs" in said.text
    assert "index 3" in said.text
    assert "校验通过" not in said.text


def test_an_export_without_commitments_says_that_there_are_none(tmp_path: Path) -> None:
    terminal = Terminal.at(tmp_path / "var")
    assert terminal.run(*INIT).status == 0
    assert terminal.run("audit", "export", str(tmp_path / "export"), "--fonds", "QH01").status == 0
    said = anywhere("audit", "verify", str(tmp_path / "export"), "--key", terminal.vkey("QH01"))
    assert said.status == 0, said.text
    assert "no index is committed to" in said.text
    assert "0 commitments" in terminal.run("audit", "fsck", "--fonds", "QH01").text


def asked(archive: SmallArchive, file: Path, subject: str, *more: str, name: str = "auditadmin") -> Said:
    """Ask the running service as this person."""
    archive.clock.advance(60)  # a one-time code is taken once
    person = archive.people[name]
    code = "" if person.factor is None else pyotp.TOTP(person.factor).at(archive.clock.now())
    words = ("audit", "account-for", subject, str(file), "--fonds", "F001", "--url", archive.url, "--login", person.login)
    return Terminal(Path("/nonexistent")).run(*words, *more, typed=f"{SECRET}\n{code}\n")


def test_an_auditor_fetches_an_answer_and_a_stranger_checks_it(archive: SmallArchive, tmp_path: Path) -> None:
    case_id = archive.deposited()
    archive.house.publishing.publish("F001")
    old = archive.house.publishing.anchors.read("F001")
    assert old is not None
    (tmp_path / "old").write_bytes(old)
    size = old.split(b"\n")[1].decode()
    said = asked(archive, tmp_path / "answer.json", f"case:{case_id}", "--since", size, "--bodies", "all")
    assert said.status == 0, said.text
    key = archive.house.publishing.signers("F001", 1).vkey
    checked = anywhere("audit", "check-answer", str(tmp_path / "answer.json"), "--key", key, "--against", str(tmp_path / "old"))
    assert checked.status == 0, checked.text
    assert "case.deposited" in checked.text
    assert "re-signed" not in checked.text


def test_whoever_may_not_have_an_answer_is_told_who_may_and_gets_no_file(archive: SmallArchive, tmp_path: Path) -> None:
    said = asked(archive, tmp_path / "answer.json", f"case:{new_id()}", name="inspector")
    assert said.status == 1
    assert "安全审计员" in said.text
    assert not (tmp_path / "answer.json").exists()


@pytest.mark.parametrize(("subject", "more"), [("unit:x", ()), ("x", ()), ("case:x", ("--bodies", "some"))])
def test_a_subject_of_no_kind_is_refused_before_anybody_signs_in(tmp_path: Path, subject: str, more: tuple[str, ...]) -> None:
    words: tuple[Any, ...] = ("audit", "account-for", subject, str(tmp_path / "a"), "--fonds", "F001", "--url", "http://127.0.0.1:9")
    said = anywhere(*words, "--login", "x", *more)
    assert said.status == 2
    assert "case" in said.text


def test_a_log_whose_entries_are_none_of_an_archive_is_not_verified(tmp_path: Path) -> None:
    key = SigningKey.from_seed("archive.invalid/f-1", 9)
    write_log(tmp_path, [b"one", b"two"], key)
    said = anywhere("audit", "verify", str(tmp_path), "--key", key.vkey())
    assert (said.status, "entry-unreadable" in said.text) == (1, True)
    assert b64encode(b"one").decode() not in said.text
