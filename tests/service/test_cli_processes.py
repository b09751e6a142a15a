"""The commands as processes of their own: the tour to its end, the demonstration twice, the service and its second process."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from command_line import INIT, Terminal

COMMAND = (sys.executable, "-m", "service.cli.main")
_SECRET = re.compile(r"\b(?:[a-z2-9]{4}-){4}[a-z2-9]{4}\b")


def run(*words: str, folder: Path, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    """Run a command in an empty folder with the environment of a fresh terminal."""
    return subprocess.run(
        [*COMMAND, *words], cwd=folder, env=environment(), capture_output=True, text=True, encoding="utf-8", timeout=timeout, check=False
    )


def environment(**more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME", "TMPDIR") if name in os.environ}
    return {**kept, "PYTHONUTF8": "1", **more}


def test_the_tour_tells_the_whole_story_and_leaves_nothing_behind(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    done = subprocess.run(
        [*COMMAND, "tour"],
        cwd=tmp_path,
        env=environment(TMPDIR=str(temporary)),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    scenes = [int(number) for number in re.findall(r"^(\d+)  \S", done.stdout, re.MULTILINE)]
    assert scenes == list(range(1, 12))
    for told in ("private_key_jwt", "初始口令随即作废", "只有批准的两项是明文", "校验通过", "此后只有追加", "校验未通过"):
        assert told in done.stdout
    assert not _SECRET.findall(done.stdout)
    # The log counts from 0, so an entry has an index (序号) and is nowhere called the Nth; and times say where they are read.
    assert not re.search(r"第 ?\d+ ?条", done.stdout)
    assert len(re.findall(r"序号 \d", done.stdout)) >= 4
    assert "北京时间 UTC+8" in done.stdout
    # The export holds the very questions just shown, and the trail shown ends with the return.
    (asked,) = re.findall(r"本身也记为序号 \d+、(\d+)。", done.stdout)
    (signed,) = re.findall(r"导出已签名的 (\d+) 条日志", done.stdout)
    assert int(signed) > int(asked)
    assert "提前归还" in done.stdout
    assert list(temporary.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tmp"]
    assert done.stderr == ""


def test_the_demonstration_is_made_reused_and_remade(tmp_path: Path) -> None:
    words = ("demo", "--home", "var", "--port", "0", "--once", "--cases", "30")
    first = run(*words, folder=tmp_path)
    assert first.returncode == 0, first.stdout + first.stderr
    secrets = _SECRET.findall(first.stdout)
    assert len(secrets) == len(set(secrets)) > 35
    at_rest = b"\0".join(path.read_bytes() for path in (tmp_path / "var").rglob("*") if path.is_file())
    assert not any(secret.encode() in at_rest for secret in secrets)
    assert oct((tmp_path / "var" / "keys" / "ring").stat().st_mode & 0o777) == "0o600"

    second = run(*words, folder=tmp_path)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "沿用上次建立的演示库 var：30 件案卷和下列人员都在，未重新归档，也未改动任何内容。" in second.stdout
    assert "demo --home var --fresh" in second.stdout
    assert not _SECRET.findall(second.stdout)

    third = run(*words, "--fresh", folder=tmp_path)
    assert third.returncode == 0, third.stdout + third.stderr
    assert set(_SECRET.findall(third.stdout)).isdisjoint(secrets)


def test_a_second_demonstration_is_told_what_to_do_and_changes_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("demo", "--home", "var", "--port", str(port), "--cases", "10", folder=tmp_path)
    assert done.returncode == 1
    assert f"127.0.0.1:{port} 已被别的程序占用，什么也没有建立或改动。" in done.stderr
    assert done.stderr.count("demo --home var --port 0") == 2
    assert not (tmp_path / "var").exists()

    words = [*COMMAND, "demo", "--home", "var", "--port", "0", "--cases", "10"]
    first = subprocess.Popen(words, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True, encoding="utf-8")
    try:
        assert first.stdout is not None
        url = next(found[0] for line in first.stdout if (found := re.findall(r"^服务地址：(\S+?)（", line)))
        for more in ((), ("--fresh",)):
            second = run("demo", "--home", "var", "--port", "0", *more, folder=tmp_path)
            assert second.returncode == 1
            assert f"演示库 var 已由另一个终端打开，地址 {url}，可以直接使用" in second.stderr
            assert f"is open in another terminal, at {url}: use it" in second.stderr
            assert second.stderr.count("demo --home var-2 --port 0") == 2
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
            assert answer.status == 200
    finally:
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=60)
    assert not (tmp_path / "var" / "served-at").exists()


def test_the_demonstration_touches_no_folder_it_did_not_make(tmp_path: Path) -> None:
    terminal = Terminal.at(tmp_path / "var")
    assert terminal.run(*INIT).status == 0
    before = terminal.bytes_at_rest()
    for words in (("demo",), ("demo", "--fresh")):
        done = run(*words, "--home", "var", "--port", "0", "--once", folder=tmp_path)
        assert done.returncode == 2
        assert "不是演示库" in done.stderr
    assert terminal.bytes_at_rest() == before


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    terminal = Terminal.at(tmp_path_factory.mktemp("installed") / "var")
    assert terminal.run(*INIT).status == 0
    return terminal


def test_the_service_answers_refuses_a_second_process_and_ends_cleanly(installation: Terminal, tmp_path: Path) -> None:
    values = environment(**installation.environment)
    port = _free_port()
    words = [*COMMAND, "serve", "--port", str(port)]
    serving = subprocess.Popen(words, cwd=tmp_path, env=values, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8")
    try:
        assert serving.stdout is not None
        for line in serving.stdout:
            if json.loads(line)["event"] == "service.started":
                break
        for _ in range(200):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                    assert answer.status == 200
                break
            except OSError:
                if serving.poll() is not None:
                    raise
        second = subprocess.run(
            [*words[:-1], "0"], cwd=tmp_path, env=values, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False
        )
        assert second.returncode == 1
        assert "另一个进程正在使用这个 SQLite 文件" in second.stderr
        assert "stop it first, or use PostgreSQL" in second.stderr
        assert "Traceback" not in second.stderr
    finally:
        serving.send_signal(signal.SIGTERM)
        _, errors = serving.communicate(timeout=60)
    assert serving.returncode == 0, errors
    assert installation.entries("system", "archive.started") >= 1


def test_a_command_alone_shows_its_help_and_is_no_fault(tmp_path: Path) -> None:
    for words in ((), ("audit",), ("keys",)):
        done = run(*words, folder=tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), words
        assert "Commands:" in done.stdout


def test_what_goes_wrong_is_told_in_words_and_never_as_a_traceback(tmp_path: Path) -> None:
    for words, status in (
        (("audit", "status"), 1),
        (("audit", "verify", "nowhere", "--key", "x"), 2),
        (("import", "absent.csv"), 2),
        (("no-such-command",), 2),
        (("first-sign-in", "--fonds", "X", "--login", "y", "--url", "http://127.0.0.1:9", "--secret-file", "-"), 1),
    ):
        done = subprocess.run(
            [*COMMAND, *words],
            cwd=tmp_path,
            env=environment(),
            input="secret of nobody\n",
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert done.returncode == status, (words, done.stderr)
        assert "Traceback" not in done.stderr
        assert done.stderr.strip()


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
