"""Files written whole or not at all, and what killed writers leave behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from foundation.durable import clear_unfinished, write_durably
from house_rules import ROOT

ANY = re.compile(r".+")
# A process that says when it has written the temporary file, and then waits before it renames it.
WRITER = """
import sys
from pathlib import Path
from foundation import durable, steps
def hold(step):
    if step.endswith("-written"):
        print("written", flush=True)
        sys.stdin.readline()
steps.install_hook(hold)
durable.write_durably(Path(sys.argv[1]), b"new", "test.file")
"""


def writer(path: Path) -> subprocess.Popen[str]:
    """A process that stands between writing and renaming; a line to it lets it go on."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    return process


def unfinished(folder: Path) -> list[Path]:
    return sorted(folder.glob(".*.tmp"))


def test_a_killed_writer_leaves_the_old_file_and_what_it_left_is_cleared(tmp_path: Path) -> None:
    path = tmp_path / "note"
    path.write_bytes(b"old")
    process = writer(path)
    process.kill()
    process.communicate(timeout=60)
    assert path.read_bytes() == b"old"
    assert len(unfinished(tmp_path)) == 1
    assert clear_unfinished(tmp_path, ANY) == 1
    assert unfinished(tmp_path) == []
    assert path.read_bytes() == b"old"


def test_the_file_of_a_writer_that_lives_is_never_cleared(tmp_path: Path) -> None:
    path = tmp_path / "note"
    process = writer(path)
    try:
        assert clear_unfinished(tmp_path, ANY) == 0
    finally:
        process.communicate("\n", timeout=60)
    assert process.returncode == 0
    assert path.read_bytes() == b"new"
    assert unfinished(tmp_path) == []


def test_only_temporary_files_of_our_own_kind_and_folder_are_cleared(tmp_path: Path) -> None:
    kept = [tmp_path / name for name in ("note", "note.tmp", ".note.tmp", ".note.xyz.tmp", ".other.12ab.tmp", "a.12ab.tmp")]
    deeper = tmp_path / "deeper"
    deeper.mkdir()
    target = tmp_path / "target"
    for path in (*kept, deeper / ".note.12ab.tmp", target):
        path.write_bytes(b"x")
    (tmp_path / ".note.77aa.tmp").symlink_to(target)
    (tmp_path / ".note.66aa.tmp").mkdir()
    (tmp_path / ".note.4711.tmp").write_bytes(b"x")
    assert clear_unfinished(tmp_path, re.compile("note")) == 1
    assert not (tmp_path / ".note.4711.tmp").exists()
    assert all(
        path.exists() for path in (*kept, deeper / ".note.12ab.tmp", target, tmp_path / ".note.77aa.tmp", tmp_path / ".note.66aa.tmp")
    )
    assert clear_unfinished(tmp_path / "absent", ANY) == 0


def test_a_write_that_fails_leaves_nothing_beside_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "note"
    path.write_bytes(b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_durably(path, b"new", "test.file")
    assert path.read_bytes() == b"old"
    assert unfinished(tmp_path) == []
