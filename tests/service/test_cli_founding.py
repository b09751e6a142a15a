"""`init` and what guards it: an archive is founded once, and only under its own key ring."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from command_line import INIT, Terminal
from foundation.database import Database
from foundation.ids import new_id
from service.cli.terminal import warn_of_exposure
from service.wiring import Settings
from vault.keyring import KeyRing
from vault.unlock import Credential


@pytest.fixture(scope="module")
def founded_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Terminal, list[str]]:
    """A founded archive and the first secrets shown for it; copied by tests that change it."""
    terminal = Terminal.at(tmp_path_factory.mktemp("founded") / "var")
    said = terminal.run(*INIT)
    assert said.status == 0, said.text
    return terminal, said.secrets


@pytest.fixture
def founded(founded_once: tuple[Terminal, list[str]], tmp_path: Path) -> Terminal:
    """A copy of it of one's own."""
    home = tmp_path / "var"
    shutil.copytree(founded_once[0].home, home)
    return Terminal.at(home)


def test_init_makes_an_archive_its_three_administrators_can_sign_in_to(founded_once: tuple[Terminal, list[str]]) -> None:
    from auth.signin import Attempt, sign_in
    from service.wiring import open_archive

    terminal, secrets = founded_once
    assert len(set(secrets)) == 3
    settings = Settings(home=terminal.home, key_ring_credential=terminal.home / "keys" / "credential")
    house = open_archive(settings, purpose="act")
    try:
        for login, secret in zip(("xt.admin", "aq.admin", "sj.admin"), secrets, strict=True):
            attempt = Attempt(client="cli", address="127.0.0.1", request_id=new_id())
            session = sign_in(house.auth, fonds="QH01", login=login, secret=secret, code=None, attempt=attempt).session
            assert session.pending == {"secret", "factor"}
    finally:
        house.close()


def test_first_secrets_are_shown_once_and_stored_nowhere(founded_once: tuple[Terminal, list[str]]) -> None:
    terminal, secrets = founded_once
    at_rest = terminal.bytes_at_rest()
    assert not any(secret.encode() in at_rest for secret in secrets)
    assert not terminal.run("audit", "status").secrets


def test_what_init_makes_is_its_owners_alone_under_any_umask(tmp_path: Path) -> None:
    terminal = Terminal.at(tmp_path / "deep" / "var")
    before = os.umask(0o022)
    try:
        said = terminal.run(*INIT)
        assert said.status == 0, said.text
        db = Database(f"sqlite:///{terminal.database}")
        db.own()
        with db.write() as conn:
            conn.exec_driver_sql("UPDATE fonds SET training = training")
            beside = sorted(path.name for path in terminal.home.glob("archive.sqlite*"))
            modes = {path.stat().st_mode & 0o777 for path in terminal.home.glob("archive.sqlite*")}
        db.close()
    finally:
        os.umask(before)
    assert terminal.home.stat().st_mode & 0o777 == 0o700
    assert beside == ["archive.sqlite", "archive.sqlite-shm", "archive.sqlite-wal", "archive.sqlite.lock"]
    assert modes == {0o600}


def test_init_says_where_the_credential_was_made_and_to_keep_it_apart(tmp_path: Path) -> None:
    beside = Terminal.at(tmp_path / "var").run(*INIT).text
    assert f"凭据文件已生成：{tmp_path}/var/keys/credential" in beside
    assert "谁拿走这个文件夹，谁就能打开一切" in beside
    apart = Terminal.at(tmp_path / "other", ARCHIVE_KEY_RING_CREDENTIAL=str(tmp_path / "etc" / "credential")).run(*INIT).text
    assert f"凭据文件已生成：{tmp_path}/etc/credential" in apart
    assert "谁拿走这个文件夹" not in apart


def test_a_database_that_others_may_read_is_warned_of(founded: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    settings = Settings(home=founded.home, key_ring_credential=founded.home.parent / "credential")
    warn_of_exposure(settings)
    assert capsys.readouterr().err == ""
    founded.database.chmod(0o640)
    warn_of_exposure(settings)
    assert "本机其他用户可以读取数据库" in capsys.readouterr().err


def test_init_is_refused_a_second_time_and_changes_nothing(founded: Terminal) -> None:
    ring, size = (founded.home / "keys" / "ring").read_bytes(), founded.entries("system")
    said = founded.run(*INIT)
    assert said.status == 1
    assert "archive-already-founded" in said.text
    assert not said.secrets
    assert ((founded.home / "keys" / "ring").read_bytes(), founded.entries("system")) == (ring, size)


def test_init_says_what_is_missing_when_nothing_unlocks_the_ring(tmp_path: Path) -> None:
    terminal = Terminal.at(tmp_path / "var", ARCHIVE_KEY_RING_CREDENTIAL="")
    said = terminal.run(*INIT)
    assert (said.status, "ARCHIVE_KEY_RING_CREDENTIAL" in said.text) == (2, True)
    assert not terminal.home.exists()


def test_init_goes_on_where_an_earlier_one_was_killed(tmp_path: Path) -> None:
    terminal = Terminal.at(tmp_path / "var")
    keys = terminal.home / "keys"
    keys.mkdir(mode=0o700, parents=True)
    ring = KeyRing.create(keys / "ring", Credential.make(keys / "credential"), archive_id=new_id(), archive_name="archive.example")
    said = terminal.run(*INIT)
    assert said.status == 0, said.text
    assert ring.archive_id in said.text


def test_a_key_ring_locked_anew_opens_with_the_new_secret_alone_and_the_log_says_so(founded: Terminal) -> None:
    again = str(founded.home / "keys" / "credential-2")
    said = founded.run("keys", "relock", "--credential", again)
    assert said.status == 0, said.text
    assert founded.entries("system", "key.relocked") == 1
    assert (founded.run("keys", "list").status, "key-ring-wrong" in founded.run("keys", "list").text) == (1, True)
    second = Terminal.at(founded.home, ARCHIVE_KEY_RING_CREDENTIAL=again)
    assert second.run("audit", "fsck").status == 0
    phrase = "an invented phrase 2"
    assert second.run("keys", "relock", typed="too short\n").status == 1
    assert second.run("keys", "relock", typed=f"{phrase}\n").status == 0
    assert second.run("keys", "list").status == 1
    third = Terminal.at(founded.home, ARCHIVE_KEY_RING_CREDENTIAL="", ARCHIVE_KEY_RING_PASSPHRASE=phrase)
    assert third.run("keys", "list").status == 0
    assert founded.entries("system", "key.relocked") == 2


def test_a_key_ring_is_not_locked_anew_with_the_credential_in_use(founded: Terminal) -> None:
    ring = (founded.home / "keys" / "ring").read_bytes()
    assert founded.run("keys", "relock", "--credential", str(founded.home / "keys" / "credential")).status == 2
    assert (founded.home / "keys" / "ring").read_bytes() == ring


@pytest.mark.parametrize(
    ("place", "value", "rule"),
    [
        ("--secadmin", "A-1,安测二,aq.admin", "three-persons"),
        ("--secadmin", "A-2,安测二,XT.ADMIN", "three-persons"),
        ("--fonds", "system", "shape"),
        ("--fonds", "全宗", "shape"),
        ("--title-zh", " ", "length"),
    ],
)
def test_a_faulty_plan_founds_nothing_at_all(tmp_path: Path, place: str, value: str, rule: str) -> None:
    terminal = Terminal.at(tmp_path / "var")
    words = list(INIT)
    words[words.index(place) + 1] = value
    said = terminal.run(*words)
    assert said.status == 1
    assert rule in said.text
    assert not terminal.home.exists()


def test_administrators_are_given_by_number_name_and_login(tmp_path: Path) -> None:
    words = list(INIT)
    words[words.index("--secadmin") + 1] = "只有名字"
    assert Terminal.at(tmp_path / "var").run(*words).status == 2


def test_a_further_fonds_gets_keys_a_log_and_administrators_of_its_own(founded: Terminal) -> None:
    three = ("--sysadmin", "B-1,系样一,sp.xt", "--secadmin", "B-2,安样二,sp.aq", "--auditadmin", "B-3,审样三,sp.sj")
    words = ("fonds-create", "--fonds", "SP01", "--title-zh", "松坪县信访局", "--superior", "QH01", "--training", *three)
    said = founded.run(*words)
    assert said.status == 0, said.text
    assert len(set(said.secrets)) == 3
    assert founded.entries("SP01", "fonds.created") == 1
    assert "fonds-exists" in founded.run(*words).text
    assert founded.vkey("SP01") != founded.vkey("QH01")


def test_a_fonds_below_one_that_is_not_there_is_refused(founded: Terminal) -> None:
    three = ("--sysadmin", "B-1,系样一,sp.xt", "--secadmin", "B-2,安样二,sp.aq", "--auditadmin", "B-3,审样三,sp.sj")
    said = founded.run("fonds-create", "--fonds", "SP01", "--title-zh", "松坪县信访局", "--superior", "NONE", *three)
    assert (said.status, "invalid-input" in said.text) == (1, True)


def test_a_lost_key_ring_is_named_as_what_is_missing(founded: Terminal) -> None:
    (founded.home / "keys" / "ring").unlink()
    said = founded.run("audit", "status")
    assert (said.status, "key-ring-missing" in said.text) == (1, True)


def test_another_credential_does_not_open_the_archive(founded: Terminal) -> None:
    credential = founded.home / "keys" / "credential"
    credential.unlink()
    Credential.make(credential)
    said = founded.run("audit", "status")
    assert (said.status, "key-ring-wrong-secret" in said.text) == (1, True)


def test_the_key_ring_of_another_archive_is_told_apart(founded: Terminal) -> None:
    keys = founded.home / "keys"
    (keys / "ring").unlink()
    KeyRing.create(keys / "ring", Credential(keys / "credential"), archive_id=new_id(), archive_name="archive.example")
    said = founded.run("audit", "status")
    assert (said.status, "key-ring-foreign" in said.text) == (1, True)


def test_a_key_ring_that_others_can_read_is_refused(founded: Terminal) -> None:
    (founded.home / "keys" / "ring").chmod(0o644)
    said = founded.run("audit", "status")
    assert (said.status, "key-ring-exposed" in said.text) == (1, True)


def test_a_misspelt_setting_stops_every_command(founded: Terminal) -> None:
    said = founded.run("audit", "status", environment=founded.environment | {"ARCHIVE_KEYRING": "x"})
    assert (said.status, "ARCHIVE_KEYRING" in said.text) == (2, True)


def test_two_ways_to_unlock_are_one_too_many(founded: Terminal) -> None:
    said = founded.run("audit", "status", environment=founded.environment | {"ARCHIVE_KEY_RING_PASSPHRASE": "long enough a phrase"})
    assert (said.status, "key-ring-credential" in said.text) == (1, True)
    assert "long enough" not in said.text


def test_a_database_that_another_process_holds_is_not_opened_to_act(founded: Terminal) -> None:
    holder = Database(f"sqlite:///{founded.database}", pool_size=1)
    holder.own()
    try:
        for words in (("serve",), ("audit", "export", str(founded.home / "x"), "--fonds", "QH01"), ("migrate",)):
            said = founded.run(*words)
            assert (said.status, "SQLite" in said.text) == (1, True)
        assert founded.run("audit", "status").status == 0
        assert founded.run("audit", "fsck").status == 0
        assert founded.run("keys", "list").status == 0
    finally:
        holder.close()


def test_a_database_of_a_newer_program_is_refused_by_every_command(founded: Terminal) -> None:
    with closing(sqlite3.connect(founded.database)) as conn, conn:
        conn.execute("UPDATE alembic_version SET version_num = '9999'")
    for words in (("audit", "status"), ("serve",), ("migrate",)):
        said = founded.run(*words)
        assert (said.status, "wrong-database" in said.text) == (1, True)


def test_an_empty_database_is_not_served(tmp_path: Path) -> None:
    terminal = Terminal.at(tmp_path / "var")
    terminal.home.mkdir()
    terminal.database.touch()
    assert terminal.run("migrate").status == 0
    said = terminal.run("serve")
    assert (said.status, "archive-not-founded" in said.text) == (1, True)


def test_the_help_teaches_in_chinese_first_and_english(founded_once: tuple[Terminal, list[str]]) -> None:
    terminal, _ = founded_once
    top = terminal.run("--help").text
    names = re.findall(r"^  ([a-z][a-z-]+) ", top.partition("Commands:")[2], re.MULTILINE)
    assert set(names) == {
        "init",
        "fonds-create",
        "migrate",
        "serve",
        "first-sign-in",
        "import",
        "generate",
        "demo",
        "tour",
        "audit",
        "keys",
        "witness",
    }
    pages = [(name, "--help") for name in names] + [
        ("audit", one, "--help") for one in ("export", "verify", "status", "fsck", "admit-restored")
    ]
    pages += [("witness", one, "--help") for one in ("init", "trust", "serve", "status", "verify")]
    for words in [*pages, ("keys", "rotate", "--help"), ("keys", "list", "--help")]:
        text = terminal.run(*words).text
        assert re.search(r"[\u4e00-\u9fff]", text), words
        assert re.search(r"[A-Z][a-z]+ [a-z]+", text.partition("\n")[2]), words


def test_keys_are_listed_without_their_material(founded_once: tuple[Terminal, list[str]]) -> None:
    text = founded_once[0].run("keys", "list", "--fonds", "QH01").text
    assert {"log/1", "detail/1", "digest/1"} <= set(text.split())
    assert not re.search(r"[A-Za-z0-9+/=]{40,}", text)
