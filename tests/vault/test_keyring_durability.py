"""The key ring under kill -9 and under several processes at once."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from foundation.clock import MovableClock
from vault.errors import KeyMissing
from vault.keyring import KeyRing
from vault.unlock import CREDENTIAL_SIZE, Credential

ROOT = Path(__file__).resolve().parents[2]
STEPS = ("keyring-written", "keyring-renamed")

ENSURE = """
import os, signal, sys
from pathlib import Path
from foundation import steps
from vault.keyring import KeyRing
from vault.unlock import Credential

path, credential, step, retention_class, year = sys.argv[1:]
ring = KeyRing.load(Path(path), Credential(Path(credential)))
steps.install_hook(lambda reached: os.kill(os.getpid(), signal.SIGKILL) if reached == step else None)
sys.stdin.readline()
print(ring.ensure_kek("F001", "case", retention_class, int(year)), flush=True)
"""


def process(ring: KeyRing, credential: Credential, step: str, retention_class: str, year: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", ENSURE, str(ring.path), str(credential.path), step, retention_class, str(year)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_leaves_the_old_ring_or_the_new_one(ring: KeyRing, credential: Credential, step: str) -> None:
    before = {info.id for info in ring.keys("F001")}
    killed = process(ring, credential, step, "y30", 2057)
    output, _ = killed.communicate("\n", timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert output == ""
    after = KeyRing.load(ring.path, credential)
    new = {info.id for info in after.keys("F001")} - before
    assert new == ({"case/y30/2057/1"} if step == "keyring-renamed" else set())
    assert after.ensure_kek("F001", "case", "y30", 2057) == "case/y30/2057/1"
    assert not list(ring.path.parent.glob(".ring.*"))
    assert ring.ensure_kek("F001", "case", "y30", 2057) == "case/y30/2057/1"


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_while_a_key_is_destroyed_leaves_it_whole_or_gone(
    ring: KeyRing, credential: Credential, clock: MovableClock, step: str
) -> None:
    ring.ensure_kek("F001", "case", "y1", 2027)
    ring.retire_generation("F001", "case/y1/2027", clock.now())
    code = ENSURE.replace(
        'print(ring.ensure_kek("F001", "case", retention_class, int(year)), flush=True)',
        'from foundation.clock import from_ms\nring.destroy_generation("F001", retention_class, from_ms(int(year)))',
    )
    late = str(int(clock.advance(7200).timestamp() * 1000))
    command = [sys.executable, "-c", code, str(ring.path), str(credential.path), step, "case/y1/2027/1", late]
    killed = subprocess.run(command, cwd=ROOT, input="\n", text=True, check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    state = {info.id: info.state for info in KeyRing.load(ring.path, credential).keys("F001")}["case/y1/2027/1"]
    assert state == ("destroyed" if step == "keyring-renamed" else "retired")


def test_processes_ensuring_the_same_kek_at_once_get_one_and_lose_none(ring: KeyRing, credential: Credential) -> None:
    asked = [("y30", 2057)] * 3 + [("y10", 2037), ("y5", 2032)]
    running = [process(ring, credential, "", *scope) for scope in asked]
    answers = []
    for one in running:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    for one in running:
        output, _ = one.communicate(timeout=60)
        assert one.returncode == 0
        answers.append(output.strip())
    assert answers == [f"case/{retention_class}/{year}/1" for retention_class, year in asked]
    fresh = KeyRing.load(ring.path, credential)
    assert sorted(info.id for info in fresh.keys("F001") if info.scope.startswith("case/")) == sorted(set(answers))
    for kek_id in set(answers):
        assert ring.kek("F001", kek_id).id == kek_id


def test_the_new_file_is_synced_before_it_takes_the_old_one_s_place_and_the_folder_after(
    ring: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, rename = os.fsync, os.rename

    def noted_sync(descriptor: int) -> None:
        done.append("sync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync file")
        sync(descriptor)

    def noted_rename(old: str, new: str) -> None:
        done.append("rename")
        rename(old, new)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(os, "rename", noted_rename)
    ring.ensure_kek("F001", "case", "y30", 2057)
    assert done == ["sync file", "rename", "sync folder"]


def test_a_kek_is_on_disk_before_it_is_handed_out(ring: KeyRing, credential: Credential) -> None:
    with pytest.raises(KeyMissing):
        ring.kek("F001", "mask/y5/2032/1")
    kek_id = ring.ensure_kek("F001", "mask", "y5", 2032)
    assert KeyRing.load(ring.path, credential).key("F001", kek_id).reveal() == ring.key("F001", kek_id).reveal()


def test_neither_the_file_nor_what_a_kill_leaves_beside_it_shows_a_key(ring: KeyRing, credential: Credential) -> None:
    killed = process(ring, credential, "keyring-written", "y30", 2057)
    killed.communicate("\n", timeout=60)
    (left,) = ring.path.parent.glob(".ring.*.tmp")
    content = ring.path.read_bytes() + left.read_bytes()
    for word in (b"F001", b"case/", b"digest", b'"key"'):
        assert word not in content
    assert left.stat().st_mode & 0o777 == 0o600


MAKE = """
import os, signal, sys
from pathlib import Path
from foundation import steps
from vault.unlock import Credential

steps.install_hook(lambda reached: os.kill(os.getpid(), signal.SIGKILL) if reached == sys.argv[2] else None)
Credential.make(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("step", ["credential-written", "credential-renamed"])
def test_a_kill_while_a_credential_is_made_leaves_a_whole_one_or_none(key_folder: Path, step: str) -> None:
    path = key_folder / "made"
    killed = subprocess.run([sys.executable, "-c", MAKE, str(path), step], cwd=ROOT, check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    if step == "credential-written":
        assert not path.exists()
        Credential.make(path)
    assert len(path.read_bytes()) == CREDENTIAL_SIZE
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_nlink == 1
    assert [one for one in key_folder.iterdir() if one.name.startswith(".made.")] == []


@pytest.mark.parametrize("links", [True, False])
def test_a_credential_that_is_there_is_never_written_over(key_folder: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "no links on this file system")

    if not links:
        monkeypatch.setattr(os, "link", refused)
    made = Credential.make(key_folder / "made")
    before = made.path.read_bytes()
    with pytest.raises(FileExistsError):
        Credential.make(made.path)
    assert len(before) == CREDENTIAL_SIZE
    assert made.path.read_bytes() == before
    assert [one.name for one in key_folder.iterdir() if one.name.startswith(".made.")] == []
