"""`witness …` as its keeper meets it, and `--witness` as whoever checks a log does."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from command_line import INIT, Said, Terminal
from signed_log import SigningKey
from tlog.note import VerifierKey
from witness_scene import GrowingLog, made_witness, served_witness

COMMAND = (sys.executable, "-m", "service.cli.main")
LOG = GrowingLog()
FORGED = GrowingLog(history="forged", branches_at=10)


@contextmanager
def serving(folder: Path, *words: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The witness in `folder`, as a process of its own: its URL, and the process."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    port = _free_port()
    words = ("witness", "serve", str(folder / "w"), "--credential", str(folder / "credential"), "--port", str(port), *words)
    process = subprocess.Popen([*COMMAND, *words], cwd=folder, env={**kept, "PYTHONUTF8": "1"}, stdout=subprocess.PIPE, text=True)
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(400):
            try:
                if httpx.get(f"{url}/healthz").status_code == 200:
                    break
            except httpx.HTTPError:
                assert process.poll() is None
                time.sleep(0.05)
        yield url, process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    """A machine that has never seen an archive, with an environment that would stop every command of one."""
    return Terminal(Path("/nonexistent"), {"ARCHIVE_HOME": "/nonexistent", "ARCHIVE_NONSENSE": "1"})


def made(terminal: Terminal, folder: Path, *words: str) -> Said:
    return terminal.run(
        "witness", "init", str(folder / "w"), "--name", "witness.invalid/w1", "--credential", str(folder / "credential"),
        "--memory", str(folder / "memory"), *words,
    )  # fmt: skip


def test_a_witness_is_made_told_of_a_log_served_and_asked_with_no_archive_near(terminal: Terminal, tmp_path: Path) -> None:
    said = made(terminal, tmp_path)
    assert said.status == 0, said.text
    (vkey,) = re.findall(r"^\s+(witness\.invalid/w1\+\S+)$", said.text, re.MULTILINE)
    assert "同一文件夹" not in said.text
    assert terminal.run("witness", "trust", str(tmp_path / "w"), str(LOG.vkey)).status == 0
    with serving(tmp_path) as (url, process):
        answer = httpx.post(f"{url}/add-checkpoint", content=LOG.ask(0, 20))
        assert answer.status_code == 200
        checkpoint = tmp_path / "checkpoint"
        checkpoint.write_bytes(LOG.note(20) + answer.content)
        # A log may be made known while it serves.
        other = GrowingLog(SigningKey.from_seed("archive.invalid/f-2", 8))
        assert httpx.post(f"{url}/add-checkpoint", content=other.ask(0, 3)).status_code == 404
        assert terminal.run("witness", "trust", str(tmp_path / "w"), str(other.vkey)).status == 0
        assert httpx.post(f"{url}/add-checkpoint", content=other.ask(0, 3)).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert process.stdout is not None
        lines = process.stdout.read()
    assert '"event": "witness.asked"' in lines
    assert '"archive": "archive.invalid/f-1"' in lines
    status = terminal.run("witness", "status", str(tmp_path / "w"))
    assert status.status == 0
    assert vkey in status.text
    assert re.search(r"archive\.invalid/f-1\s+20\s+\d{4}-\d\d-\d\d [\d:]{8}\+08:00\s+正常", status.text)
    verified = terminal.run("witness", "verify", str(checkpoint), "--key", str(LOG.vkey), "--witness", vkey)
    assert (verified.status, "校验通过" in verified.text, "witness.invalid/w1" in verified.text) == (0, True, True)
    # A second start goes on where the first one ended.
    with serving(tmp_path) as (url, process):
        assert httpx.post(f"{url}/add-checkpoint", content=LOG.ask(0, 30)).text == "20\n"
        assert httpx.post(f"{url}/add-checkpoint", content=FORGED.ask(20, 30)).status_code == 422
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def test_a_log_that_contradicted_itself_is_told_to_the_witness_s_keeper(terminal: Terminal, tmp_path: Path) -> None:
    made(terminal, tmp_path)
    terminal.run("witness", "trust", str(tmp_path / "w"), str(LOG.vkey))
    with serving(tmp_path) as (url, _):
        httpx.post(f"{url}/add-checkpoint", content=LOG.ask(0, 20))
        assert httpx.post(f"{url}/add-checkpoint", content=FORGED.ask(20, 20)).status_code == 422
    status = terminal.run("witness", "status", str(tmp_path / "w"))
    assert (status.status, "矛盾" in status.text, "contradiction-1" in status.text) == (1, True, True)


def test_a_witness_opens_with_its_passphrase_and_with_no_other(terminal: Terminal, tmp_path: Path) -> None:
    words = ("--name", "witness.invalid/w2")
    said = terminal.run("witness", "init", str(tmp_path / "p"), *words, typed="words nobody else has\nwords nobody else has\n")
    assert said.status == 0, said.text
    assert "同一文件夹" in said.text  # both memories
    assert oct((tmp_path / "p" / "key").stat().st_mode & 0o777) == "0o600"
    wrong = terminal.run("witness", "serve", str(tmp_path / "p"), typed="words somebody else has\n")
    assert (wrong.status, "key-ring-wrong-secret" in wrong.text) == (1, True)
    assert b"seed" not in (tmp_path / "p" / "key").read_bytes()


def test_a_witness_is_made_once_and_its_name_and_logs_are_what_they_are(terminal: Terminal, tmp_path: Path) -> None:
    assert made(terminal, tmp_path).status == 0
    again = made(terminal, tmp_path)
    assert (again.status, "不会覆盖" in again.text) == (1, True)
    for name in ("", "has space", "has+plus"):
        said = terminal.run("witness", "init", str(tmp_path / "n"), "--name", name, "--credential", str(tmp_path / "c"))
        assert said.status == 2
        assert not (tmp_path / "n").exists()
    folder = str(tmp_path / "w")
    assert terminal.run("witness", "trust", folder, str(LOG.vkey)).status == 0
    swapped = terminal.run("witness", "trust", folder, SigningKey.from_seed(LOG.key.name, 9).vkey())
    assert (swapped.status, "witness-other-key" in swapped.text) == (1, True)
    for nonsense in ("nonsense", SigningKey.from_seed("witness.invalid/w9", 9).vkey(4)):
        assert terminal.run("witness", "trust", folder, nonsense).status == 2
    for words in (("trust", str(tmp_path), str(LOG.vkey)), ("status", str(tmp_path)), ("serve", str(tmp_path))):
        said = terminal.run("witness", *words)
        assert (said.status, "witness-missing" in said.text) == (1, True), words


def test_a_witness_whose_making_was_cut_short_is_made_by_trying_again(terminal: Terminal, tmp_path: Path) -> None:
    assert made(terminal, tmp_path).status == 0
    (tmp_path / "w" / "witness.json").unlink()
    key = (tmp_path / "w" / "key").read_bytes()
    said = made(terminal, tmp_path)
    assert said.status == 0, said.text
    assert (tmp_path / "w" / "key").read_bytes() == key


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An export of a founded archive's log, and its key."""
    folder = tmp_path_factory.mktemp("exported")
    terminal = Terminal.at(folder / "var")
    assert terminal.run(*INIT).status == 0
    assert terminal.run("audit", "export", str(folder / "export"), "--fonds", "QH01").status == 0
    return folder / "export", terminal.vkey("QH01")


def cosigned(export: Path, *keys: SigningKey) -> None:
    note = (export / "checkpoint").read_bytes()
    text = note.decode().partition("\n\n")[0] + "\n"
    (export / "checkpoint").write_bytes(note + "".join(key.cosignature_line(text, 1_700_000_000) for key in keys).encode())


def test_an_export_must_bear_the_witnesses_that_are_asked_for(exported: tuple[Path, str], tmp_path: Path, terminal: Terminal) -> None:
    export, key = Path(shutil.copytree(exported[0], tmp_path / "export")), exported[1]
    one, two, three = (SigningKey.from_seed(f"witness.invalid/w{seed}", seed) for seed in (1, 2, 3))

    def verify(*words: str) -> Said:
        return terminal.run("audit", "verify", str(export), "--key", key, *words)

    def named(*keys: SigningKey) -> list[str]:
        return [word for key in keys for word in ("--witness", key.vkey(4))]

    bare = verify(*named(one))
    assert (bare.status, "log-not-witnessed" in bare.text, "校验通过" in bare.text) == (1, True, False)
    cosigned(export, one, three)
    assert verify().status == 0
    for words, status in (
        (named(one), 0),
        (named(one, three), 0),
        (named(one, two), 1),
        ([*named(one, two, three), "--quorum", "2"], 0),
        ([*named(one, two, three), "--quorum", "3"], 1),
        ([*named(two), "--quorum", "1"], 1),
        ([*named(one), "--quorum", "2"], 2),
        ([*named(one, one), "--quorum", "1"], 2),
        (["--quorum", "1"], 2),
        (["--witness", key], 2),
        (["--witness", "nonsense"], 2),
    ):
        said = verify(*words)
        assert (said.status, "校验通过" in said.text) == (status, status == 0), (words, said.text)
    told = verify(*named(one)).text
    assert "witness.invalid/w1 于 2023-11-15 06:13:20+08:00 见证" in told
    cosigned(export, SigningKey.from_seed(two.name, 7))
    assert verify(*named(two)).status == 1
    # A line by a witness's key that does not hold spoils the whole, also where the others would do.
    forged = (export / "checkpoint").read_bytes() + two.cosignature_line("another text\n", 1).encode()
    (export / "checkpoint").write_bytes(forged)
    assert verify(*named(one, two, three), "--quorum", "1").status == 1


def test_a_receipt_and_a_checkpoint_are_checked_for_witnesses_offline(terminal: Terminal, tmp_path: Path) -> None:
    witness = SigningKey.from_seed("witness.invalid/w1", 1)
    file = tmp_path / "checkpoint"
    text = LOG.note(5).decode().partition("\n\n")[0] + "\n"
    file.write_bytes(LOG.note(5) + witness.cosignature_line(text, 1_700_000_000).encode())
    words = ("witness", "verify", str(file), "--key", str(LOG.vkey))
    assert terminal.run(*words, "--witness", witness.vkey(4)).status == 0
    assert terminal.run(*words).status == 2
    assert terminal.run(*words, "--witness", SigningKey.from_seed("witness.invalid/w1", 2).vkey(4)).status == 1
    other = ("witness", "verify", str(file), "--key", SigningKey.from_seed(LOG.key.name, 9).vkey(), "--witness", witness.vkey(4))
    assert terminal.run(*other).status == 1
    document = Path(__file__).resolve().parents[2] / "docs" / "formats" / "log.md"
    page = document.read_text(encoding="utf-8")
    log, cosigner = re.findall(r"^(\S+\.example/\S+\+[0-9a-f]{8}\+\S+)$", page, re.MULTILINE)
    (receipt,) = re.findall(r"^(c2sp\.org/tlog-proof@v1\n.*?\n)```", page, re.MULTILINE | re.DOTALL)
    file.write_text(receipt, encoding="utf-8")
    said = terminal.run("witness", "verify", str(file), "--key", log, "--witness", cosigner)
    assert (said.status, "2023-11-15 06:13:20+08:00" in said.text) == (0, True), said.text
    assert terminal.run("witness", "verify", str(tmp_path / "absent"), "--key", log, "--witness", cosigner).status == 2


def test_an_archive_asks_its_witnesses_before_it_exports_and_exports_what_they_cosigned(terminal: Terminal, tmp_path: Path) -> None:
    witness = made_witness(tmp_path / "w")
    with served_witness(witness) as url:
        (tmp_path / "witnesses.toml").write_text(f'quorum = 1\n[[witness]]\nurl = "{url}"\nvkey = "{witness.folder.key}"\n')
        archive = Terminal.at(tmp_path / "var", ARCHIVE_WITNESSES=str(tmp_path / "witnesses.toml"))
        assert archive.run(*INIT).status == 0
        key = archive.vkey("QH01")
        out = tmp_path / "export"
        none = archive.run("audit", "export", str(out), "--fonds", "QH01", "--witnessed")
        assert (none.status, "还没有经足够见证人签署的检查点" in none.text) == (1, True), none.text
        assert not (out / "checkpoint").exists()
        witness.folder.trust(VerifierKey.parse(key))
        words = ("--key", key, "--witness", str(witness.folder.key))
        for more in ((), ("--witnessed",)):
            said = archive.run("audit", "export", str(out), "--fonds", "QH01", *more)
            assert said.status == 0, said.text
            assert terminal.run("audit", "verify", str(out), *words).status == 0
    # The witness is away: an export is made all the same, and one of what was witnessed ends where that did.
    before = (out / "checkpoint").read_bytes()
    assert archive.run("audit", "export", str(tmp_path / "later"), "--fonds", "QH01").status == 0
    assert terminal.run("audit", "verify", str(tmp_path / "later"), *words).status == 1
    assert archive.run("audit", "export", str(tmp_path / "witnessed"), "--fonds", "QH01", "--witnessed").status == 0
    assert (tmp_path / "witnessed" / "checkpoint").read_bytes() == before
    assert terminal.run("audit", "verify", str(tmp_path / "witnessed"), *words).status == 0
