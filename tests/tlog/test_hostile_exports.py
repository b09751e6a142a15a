"""Exports that would have the verifier wait, swallow memory or look away: it answers at once, and names what it could not look at."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from signed_log import SigningKey, write_log
from tlog.errors import FileDiffers, FileUnreadable, TlogError
from tlog.note import VerifierKey
from tlog.verify import verify_export

ROOT = Path(__file__).resolve().parents[2]
PLACES = ["checkpoint", "tile/0/001", "tile/entries/001", "tile/1/000.p/2", "tile/0/000.p/3", "tile/entries/000.p/255"]


def pipe(file: Path) -> None:
    os.mkfifo(file)


def endless(file: Path) -> None:
    file.symlink_to("/dev/zero")


def folder_link(file: Path) -> None:
    file.symlink_to("/tmp")


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("make", [pipe, endless, folder_link])
def test_what_is_no_regular_file_is_refused_at_any_place_and_not_waited_for(
    name: str, make: Callable[[Path], None], log: Path, key: VerifierKey
) -> None:
    (log / name).unlink()
    make(log / name)
    with pytest.raises(FileUnreadable) as caught:
        verify_export(log, key)
    assert caught.value.evidence["path"] == name


def verify_without_privilege(log: Path, key: VerifierKey) -> str:
    """What the verifier says to a user for whom permissions count, as they do not for root: in a process that gives it up."""
    outer, inner = os.pipe()
    if (child := os.fork()) == 0:
        said = b"the process failed"
        try:
            os.chdir(log)  # the folders above may be root's alone
            if os.geteuid() == 0:
                os.setuid(65_534)
            verify_export(Path(), key)
            said = b"verified"
        except TlogError as error:
            said = f"{error.code} {error.evidence['path']}".encode()
        finally:
            os.write(inner, said)
            os._exit(0)
    os.close(inner)
    os.waitpid(child, 0)
    with os.fdopen(outer) as pipe_end:
        return pipe_end.read()


@pytest.mark.parametrize("mode", [0o000, 0o100])
@pytest.mark.parametrize("name", ["tile/entries/x999", "tile/0/000.p", "tile/7"])
def test_a_folder_that_cannot_be_looked_into_is_named_and_never_passed_over(name: str, mode: int, log: Path, key: VerifierKey) -> None:
    (log / name).mkdir(parents=True, exist_ok=True)
    for folder in (log, *(path for path in log.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    (log / name / "000").write_bytes(b"not covered by any signature")
    (log / name).chmod(mode)
    assert verify_without_privilege(log, key) == f"file-unreadable {name}"


@pytest.mark.parametrize("name", ["tile/0/000.p", "tile/entries/000.p"])
def test_a_folder_whose_files_cannot_be_opened_is_an_answer_and_no_accident(name: str, log: Path, key: VerifierKey) -> None:
    for folder in (log, *(path for path in log.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    (log / name).chmod(0o400)
    assert verify_without_privilege(log, key).startswith(f"file-unreadable {name}")


@pytest.mark.parametrize("size", [2**36, 2**62, 2**63 - 1])
@pytest.mark.parametrize("processes", [1, 2])
def test_a_signed_size_beyond_any_disk_is_answered_in_little_memory(size: int, processes: int, log: Path, signer: SigningKey) -> None:
    (log / "checkpoint").write_bytes(signer.checkpoint([b"l" * 32], size=size))
    shutil.rmtree(log / "tile/0/002.p")  # 512 entries are there; the files that follow are not
    shutil.rmtree(log / "tile/entries/002.p")
    command = [sys.executable, "-m", "tlog", "verify", str(log), "--key", signer.vkey(), "--processes", str(processes)]
    little = 2**30  # of addresses, the libraries' among them
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (little, little)),
    )
    assert done.returncode == 1, done.stderr.decode()
    assert "[file-missing]" in done.stdout.decode()
    assert "tile/entries/002" in done.stdout.decode()


def test_other_processes_find_first_what_lies_first_in_the_log(tmp_path: Path, key: VerifierKey, signer: SigningKey) -> None:
    write_log(tmp_path / "log", [b"%d" % n for n in range(40_000)], signer)
    (tmp_path / "log/tile/entries/150").unlink()
    (tmp_path / "log/tile/0/003").write_bytes(b"")
    with pytest.raises(FileDiffers) as caught:
        verify_export(tmp_path / "log", key, processes=2)
    assert caught.value.evidence["path"] == "tile/0/003"
