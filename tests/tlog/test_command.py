from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from signed_log import SigningKey, directory_reader, leaf
from tlog.__main__ import main
from tlog.merkle import inclusion_path
from tlog.proof import LogProof
from tlog.tiles import tile_source

ROOT = Path(__file__).resolve().parents[2]


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    try:
        status = main([str(argument) for argument in arguments])
    except SystemExit as exited:
        status = int(exited.code or 0)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_sound_export_exits_with_0_and_says_what_is_unproven(
    capsys: pytest.CaptureFixture[str], small_log: Path, signer: SigningKey
) -> None:
    status, out, err = run(capsys, "verify", small_log, "--key", signer.vkey())
    assert (status, err) == (0, "")
    assert "校验通过 / verified" in out
    assert "--against" in out


def test_an_earlier_checkpoint_is_read_from_its_file(
    capsys: pytest.CaptureFixture[str], small_log: Path, tmp_path: Path, signer: SigningKey, entries: list[bytes]
) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(signer.checkpoint([leaf(entry) for entry in entries[:300]]))
    assert run(capsys, "verify", small_log, "--key", signer.vkey(), "--against", kept, "--processes", "2")[0] == 0
    kept.write_bytes(signer.checkpoint([leaf(entry) for entry in entries[1:301]]))
    status, out, _ = run(capsys, "verify", small_log, "--key", signer.vkey(), "--against", kept)
    assert status == 1
    assert "NOT verified [consistency-failed]" in out


def test_a_changed_export_exits_with_1_and_names_the_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, small_log: Path, signer: SigningKey
) -> None:
    (tmp_path / "checkpoint").write_bytes((small_log / "checkpoint").read_bytes())
    status, out, _ = run(capsys, "verify", tmp_path, "--key", signer.vkey())
    assert status == 1
    assert "校验未通过 / NOT verified [file-missing]" in out
    assert "tile/entries/000" in out


def test_a_receipt_is_checked_from_its_files(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, small_log: Path, signer: SigningKey, entries: list[bytes]
) -> None:
    path = inclusion_path(5, 600, tile_source(directory_reader(small_log), 600))
    receipt, entry = tmp_path / "r.tlog-proof", tmp_path / "entry.json"
    receipt.write_bytes(LogProof(5, tuple(path), (small_log / "checkpoint").read_bytes()).format())
    entry.write_bytes(entries[5])
    status, out, _ = run(capsys, "proof", receipt, "--key", signer.vkey(), "--entry", entry)
    assert status == 0
    assert "archive.example/fonds-1 [5/600]" in out
    entry.write_bytes(entries[6])
    assert run(capsys, "proof", receipt, "--key", signer.vkey(), "--entry", entry)[0] == 1


def test_a_receipt_that_carries_its_entry_is_checked_by_itself(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, small_log: Path, signer: SigningKey, entries: list[bytes]
) -> None:
    path = tuple(inclusion_path(5, 600, tile_source(directory_reader(small_log), 600)))
    receipt, checkpoint = tmp_path / "r.tlog-proof", (small_log / "checkpoint").read_bytes()
    for extra, status in ((entries[5], 0), (entries[6], 1), (None, 1)):
        receipt.write_bytes(LogProof(5, path, checkpoint, extra).format())
        assert run(capsys, "proof", receipt, "--key", signer.vkey())[0] == status


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["verify"],
        ["verify", "DIR"],
        ["verify", "DIR", "--key", "no key"],
        ["verify", "DIR/absent", "--key", "VKEY"],
        ["verify", "DIR/checkpoint", "--key", "VKEY"],
        ["verify", "DIR", "--key", "VKEY", "--against", "DIR/absent"],
        ["proof", "DIR/checkpoint"],
        ["proof", "DIR/absent", "--key", "VKEY", "--entry", "DIR/checkpoint"],
        ["forge", "DIR", "--key", "VKEY"],
    ],
)
def test_wrong_use_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str], small_log: Path, signer: SigningKey) -> None:
    given = [argument.replace("DIR", str(small_log)).replace("VKEY", signer.vkey()) for argument in arguments]
    status, out, err = run(capsys, *given)
    assert (status, out) == (2, "")
    assert "usage" in err


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    "arguments",
    [
        ["verify", "DIR", "--key", "VKEY", "--against", "PIPE"],
        ["proof", "PIPE", "--key", "VKEY", "--entry", "DIR/checkpoint"],
        ["proof", "RECEIPT", "--key", "VKEY", "--entry", "PIPE"],
    ],
)
def test_a_pipe_given_as_a_file_is_not_waited_for(
    arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, small_log: Path, signer: SigningKey
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "receipt").write_bytes(LogProof(0, (), (small_log / "checkpoint").read_bytes()).format())
    places = {"DIR": small_log, "VKEY": signer.vkey(), "PIPE": tmp_path / "pipe", "RECEIPT": tmp_path / "receipt"}
    for name, place in places.items():
        arguments = [argument.replace(name, str(place)) for argument in arguments]
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert "pipe" in err


@pytest.mark.parametrize("arguments", [["--help"], ["verify", "--help"], ["proof", "--help"]])
def test_the_help_teaches_in_both_languages(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, *arguments)
    assert status == 0
    for promise in ("什么也证明不了", "proves nothing", "退出码 / exit status: 0", "checkpoint-of-last-year"):
        assert promise in out


def test_the_module_runs_alone_with_a_bar_on_a_terminal(small_log: Path, signer: SigningKey) -> None:
    outer, inner = pty.openpty()
    command = [sys.executable, "-m", "tlog", "verify", str(small_log), "--key", signer.vkey()]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=inner, check=False)
    os.close(inner)
    drawn = os.read(outer, 4096).decode()
    os.close(outer)
    assert done.returncode == 0
    assert "校验通过" in done.stdout.decode()
    assert f"[{'#' * 30}] 600/600" in drawn
