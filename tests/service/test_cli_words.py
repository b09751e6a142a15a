"""What the commands say when something is wrong: one Chinese sentence and one English, what was looked for, what to do, and no secret."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest
import typer.main

from command_line import INIT, Terminal
from foundation.errors import WrongDatabase
from house_rules import ROOT
from service.cli.main import app
from service.cli.misuse import in_chinese
from service.wiring import Settings, open_archive

COMMAND = (sys.executable, "-m", "service.cli.main")
_HAN = re.compile(r"[\u4e00-\u9fff]")
# Every command that opens an archive which is there.
OPENING = (
    ("serve",),
    ("migrate",),
    ("fonds-create", "--fonds", "X1", "--title-zh", "甲", "--sysadmin", "1,甲,a", "--secadmin", "2,乙,b", "--auditadmin", "3,丙,c"),
    ("audit", "status"),
    ("audit", "fsck"),
    ("audit", "export", "out", "--fonds", "QH01"),
    ("audit", "admit-restored", "--fonds", "QH01", "--reason", "x"),
)


def run(*words: str, folder: Path, typed: str = "", **values: str) -> subprocess.CompletedProcess[str]:
    """Run a command without any terminal, as a supervisor or a pipeline would."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return subprocess.run(
        [*COMMAND, *words],
        cwd=folder,
        env={**kept, "HOME": str(folder), "PYTHONUTF8": "1", **values},
        input=typed,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        start_new_session=True,
        check=False,
    )


def sentences(said: str) -> tuple[list[str], list[str]]:
    """(lines in Chinese, lines in English) of what was said; a line is one or the other by how it begins."""
    lines = [line for line in said.splitlines() if line.strip()]
    chinese = [line for line in lines if _HAN.search(line.partition("；")[0].partition("：")[0])]
    return chinese, [line for line in lines if line not in chinese]


def test_a_wrong_home_is_told_as_such_by_every_command_that_opens_it(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for home, why in ((tmp_path / "nowhere", "文件夹不存在"), (empty, "文件夹中没有此文件")):
        for words in OPENING:
            said = Terminal.at(home).run(*words)
            assert said.status == 1, words
            assert f"{home}/archive.sqlite（{why}）" in said.text, (words, said.text)
            assert "请核对 ARCHIVE_HOME" in said.text
            assert "check ARCHIVE_HOME" in said.text
            assert "稍后重试" not in said.text
    assert list(empty.iterdir()) == []
    assert not (tmp_path / "nowhere").exists()
    assert "ARCHIVE_HOME" in Terminal.at(empty / "x").run("keys", "list").text


def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path) -> None:
    terminal = Terminal.at(tmp_path)
    terminal.database.write_bytes(b"not a database, but somebody's notes")
    for words in (*OPENING, INIT):
        said = terminal.run(*words)
        assert (said.status, "不是 SQLite 数据库" in said.text) == (1, True), (words, said.text)
    assert terminal.database.read_bytes() == b"not a database, but somebody's notes"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive.sqlite"]


@contextmanager
def _nobody() -> Iterator[None]:
    """As a user without rights; the suite may run as root, whom no mode keeps out."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_an_archive_one_may_not_read_is_no_outage(tmp_path: Path) -> None:
    home = tmp_path / "var"
    terminal = Terminal.at(home)
    assert terminal.run(*INIT).status == 0
    settings = Settings(home=home, key_ring_credential=home / "keys" / "credential")
    for path, mode in ((home, 0o000), (terminal.database, 0o000)):
        before = path.stat().st_mode
        path.chmod(mode)
        try:
            with _nobody(), pytest.raises(WrongDatabase) as refused:
                open_archive(settings, purpose="examine")
        finally:
            path.chmod(before)
        assert "无权读写" in refused.value.text_zh
        assert "may not read and write" in refused.value.text_en


def test_wrong_settings_are_told_one_by_one_in_both_languages(tmp_path: Path) -> None:
    said = run(
        "audit", "status", folder=tmp_path, ARCHIVE_KEYRING="x", ARCHIVE_PORT="70000", ARCHIVE_THREADS="many", ARCHIVE_PUBLIC_URL="ftp://x"
    )
    assert said.returncode == 2
    chinese, english = sentences(said.stderr)
    assert len(chinese) == len(english) == 4
    assert "是否应为 ARCHIVE_KEY_RING？" in said.stderr
    assert "ARCHIVE_PORT 有误：不得大于 65535。" in said.stderr
    assert not any(re.search(r"(?i)[a-z]{3,} [a-z]{3,}", line) for line in chinese)
    assert not any(_HAN.search(line) for line in english)
    assert "many" not in said.stderr
    assert "70000" not in said.stderr


def test_how_the_key_ring_is_unlocked_is_told_in_whole_sentences(tmp_path: Path) -> None:
    home = tmp_path / "var"
    assert Terminal.at(home).run(*INIT).status == 0
    for values, zh, en in (
        ({}, "都没有设置", "set one of"),
        ({"ARCHIVE_KEY_RING_CREDENTIAL": "/nonexistent", "ARCHIVE_KEY_RING_PASSPHRASE": "canary of twelve"}, "同时设置了", "only one"),
        ({"ARCHIVE_KEY_RING_CREDENTIAL": "/nonexistent"}, "凭据文件 /nonexistent 不存在，或当前用户无权读取", "is not there"),
    ):
        said = run("audit", "status", folder=tmp_path, ARCHIVE_HOME=str(home), **values)
        chinese, english = sentences(said.stderr)
        assert (said.returncode, len(chinese), len(english)) == (1, 1, 1), said.stderr
        assert zh in chinese[0]
        assert en in english[0]
        assert "canary" not in said.stderr


def test_a_database_that_does_not_answer_is_told_with_the_setting_that_names_it(tmp_path: Path) -> None:
    said = run("audit", "status", folder=tmp_path, ARCHIVE_DATABASE_URL="postgresql://x:canary@127.0.0.1:1/y")
    chinese, english = sentences(said.stderr)
    assert (said.returncode, len(chinese), len(english)) == (1, 1, 1), said.stderr
    assert "ARCHIVE_DATABASE_URL" in chinese[0]
    assert "storage-unavailable" in english[0]
    assert "canary" not in said.stderr


def test_wrong_usage_is_told_in_chinese_and_english_with_status_two(tmp_path: Path) -> None:
    for words, zh in (
        (("inti",), "没有命令 inti，是否应为 init"),
        (("xyz",), "没有命令 xyz；"),
        (("init", "--fons", "X"), "没有选项 --fons，是否应为 --fonds"),
        (("audit", "verify"), "缺少 DIR"),
        (("audit", "export", "out"), "缺少选项 --fonds"),
        (("serve", "--port", "many"), "--port 须为整数"),
        (("serve", "--port", "70000"), "--port 不得大于 65535"),
        (("generate", "0"), "N 不得小于 1"),
        (("generate", "3", "4", "5"), "多写了 4 5"),
        (("generate", "3", "--seed"), "选项 --seed 后面缺少取值"),
        (("demo", "--fresh=1"), "选项 --fresh 不带取值"),
        (("import", "absent.csv"), "FILE 所指的文件 absent.csv 不存在"),
        (("import", "."), "FILE 所指的 . 是文件夹，须为文件"),
        (("audit", "verify", ".", "--key", "nonsense"), "不是验证公钥"),
        (("init",), "还有问题没有回答"),
    ):
        said = run(*words, folder=tmp_path)
        assert said.returncode == 2, (words, said.stderr)
        chinese, english = sentences(said.stderr)
        assert len(chinese) == len(english) == 1, said.stderr
        assert zh in chinese[0]


def test_without_a_terminal_no_secret_is_read_unless_a_file_is_named(tmp_path: Path) -> None:
    words = ("first-sign-in", "--fonds", "X", "--login", "y", "--url", "http://127.0.0.1:9")
    said = run(*words, folder=tmp_path, typed="canary-secret\n")
    assert said.returncode == 2
    assert "--secret-file" in said.stderr
    assert "GetPassWarning" not in said.stderr
    file = tmp_path / "secrets"
    file.write_text("canary-secret\n", encoding="utf-8")
    file.chmod(0o644)
    assert "chmod 600" in run(*words, "--secret-file", str(file), folder=tmp_path).stderr
    file.chmod(0o600)
    for source, typed in ((str(file), ""), ("-", "canary-secret\n")):
        said = run(*words, "--secret-file", source, folder=tmp_path, typed=typed)
        assert (said.returncode, "没有应答" in said.stderr) == (1, True)
        assert "canary" not in said.stdout + said.stderr
    file.write_text("", encoding="utf-8")
    assert "行数不够" in run(*words, "--secret-file", str(file), folder=tmp_path).stderr


def test_a_folder_one_cannot_write_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = run("generate", "3", "--to", "file/cases.ndjson", folder=tmp_path)
    assert said.returncode == 1
    assert "路径中有一段不是文件夹" in said.stderr
    assert "Traceback" not in said.stderr


def test_wrong_usage_of_a_form_that_is_not_known_is_quoted() -> None:
    assert in_chinese("Something new.") == "“Something new”"
    assert in_chinese("Invalid value for '--x': odd.") == "--x 的取值不对（odd.）"


def test_the_program_says_which_version_it_is(tmp_path: Path) -> None:
    said = run("--version", folder=tmp_path)
    assert (said.returncode, said.stderr) == (0, "")
    assert re.fullmatch(r"petition-archive \d+\.\d+\.\d+\n", said.stdout)


def test_no_list_of_commands_is_cut_short(tmp_path: Path) -> None:
    terminal = Terminal.at(tmp_path)
    for words in ((), *((name,) for name in _names(()) if _names((name,)))):
        listed = terminal.run(*words, "--help", environment={"COLUMNS": "80"}).text.partition("Commands:")[2].partition("退出码")[0]
        assert len(_names(words)) >= 3
        for line in listed.strip().splitlines():
            assert re.fullmatch(r" *[a-z-]+ +[\u4e00-\u9fff、。，：；]+ / .*[^.]", line.rstrip()), line


def test_every_help_page_teaches_an_example_what_is_written_and_the_status(tmp_path: Path) -> None:
    terminal = Terminal.at(tmp_path)
    pages: list[tuple[str, ...]] = [(name,) for name in _names(()) if not _names((name,))]
    pages += [(group, name) for group in _names(()) for name in _names((group,))]
    assert len(pages) >= 16
    for words in pages:
        text = terminal.run(*words, "--help").text
        assert "例 example:\n    " in text, words
        assert "petition-archive " + " ".join(words) in text.partition("例 example")[2], words
        assert "写入 writes:\n" in text, words
        assert re.search(r"退出码 exit status:\n +0 ", text), words


def _names(words: tuple[str, ...]) -> list[str]:
    text = Terminal(Path(), {}).run(*words, "--help").text
    return re.findall(r"^  ([a-z][a-z-]+) ", text.partition("Commands:")[2], re.MULTILINE)


@pytest.fixture(scope="module")
def launcher() -> ModuleType:
    """`dev.py`, read without running it."""
    spec = importlib.util.spec_from_file_location("launcher", ROOT / "dev.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_launcher_shows_every_option_of_the_demonstration(launcher: ModuleType) -> None:
    command = typer.main.get_command(app).commands["demo"]  # type: ignore[attr-defined]  # a group
    options = {option for param in command.params for option in param.opts}
    shown = set(re.findall(r"--[a-z]+", launcher.DEMO_OPTIONS))
    assert shown == options


def test_the_launcher_explains_itself_in_an_empty_environment(tmp_path: Path) -> None:
    for words, told in (
        ((), ("demo", "test", "bench", "soak", "render", "lint", "doctor")),
        (("demo", "--help"), ("--cases", "--fresh", "--home")),
        (("soak", "--help"), ("--fresh", "--seed", "--laws")),
        (("bench", "--help"), ("--rounds", "--print")),
        (("test", "--help"), ("--jobs",)),
    ):
        said = subprocess.run(
            [sys.executable, "-I", str(ROOT / "dev.py"), *words],
            cwd=tmp_path,
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONUTF8": "1"},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert said.returncode == 0, said.stderr
        assert [name for name in told if name not in said.stdout] == []
