"""Every system call that writes, syncs, makes, renames or removes a file while a log grows, is signed and exported, made to fail once.

strace makes the k-th call of a kind answer EIO or ENOSPC, or kills the process there. Afterwards the folder is opened again by an
undisturbed process, and must be sound: whatever was acknowledged is there exactly once, the log agrees with itself and with what was
signed before, the signer goes on, and the export completes to one that verifies against the earlier checkpoint.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from audit.export import export
from audit.fsck import fsck
from audit.tables import log_entries
from fault_act import FONDS, SIGNER, append, open_log
from service.migrations import run as migrations
from tlog.verify import verify_export

ACT = Path(__file__).with_name("fault_act.py")
BEFORE, DURING = 250, 12  # the tile of the first 256 entries fills while faults fall
CALLS = ("write", "pwrite64", "fsync", "fdatasync", "rename", "openat", "mkdir", "unlink", "ftruncate")
_CREATES = re.compile(r"O_CREAT")
FAULTS = ("error=EIO", "error=ENOSPC", "signal=SIGKILL")


@dataclass(frozen=True, slots=True)
class Fault:
    """The k-th `call` of the process meets `how`; `what` is the file it touches, for the report."""

    call: str
    k: int
    how: str
    what: str

    def __str__(self) -> str:
        return f"{self.call}#{self.k} {self.how} {self.what}"


def prepare(folder: Path) -> bytes:
    """A log of `BEFORE` entries, signed and exported; its checkpoint, kept by an outsider."""
    folder.mkdir()
    db, uow, publishing = open_log(folder)
    migrations.upgrade(db)
    for _ in range(BEFORE):
        append(uow)
    publishing.publish(FONDS)
    export(db, FONDS, folder / "export")
    uow.close()
    db.close()
    return (folder / "export" / "checkpoint").read_bytes()


def faults(prepared: Path, folder: Path) -> list[Fault]:
    """Every fault of the matrix, as counted on an undisturbed run."""
    shutil.copytree(prepared, folder)
    trace = folder / "trace"
    asked = ["-e", f"trace={','.join(CALLS)},getpriority", "-y", "-o", str(trace)]
    done = subprocess.run(["strace", "-qq", *asked, *_command(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[Fault] = []
    seen: Counter[str] = Counter()
    counting = False
    for line in trace.read_text(encoding="utf-8").splitlines():
        call = line.partition("(")[0]
        counting = counting or call == "getpriority"
        if call not in CALLS:
            continue
        seen[call] += 1
        where = re.search(r'[<"]' + re.escape(str(folder)) + r'/([^>"]*)', line)
        if not counting or where is None or (call == "openat" and not _CREATES.search(line)):
            continue
        what = re.sub(r"\.[^./]{6,}\.", ".*.", where[1])
        found += [Fault(call, seen[call], how, what) for how in FAULTS]
    shutil.rmtree(folder)
    return found


def suffer(prepared: Path, kept: bytes, folder: Path, fault: Fault) -> str:
    """Run the act with one fault, then check everything; `done`, `refused` or `killed`. AssertionError where it is unsound."""
    shutil.copytree(prepared, folder)
    injection = f"inject={fault.call}:{fault.how}:when={fault.k}"
    command = ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={fault.call}", "-e", injection, *_command(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = done.stdout.split("\n")[:-1]
    acknowledged = [one for one in said if one not in {"signed", "exported"}]
    ended = {0: "done", 3: "refused"}.get(done.returncode, "killed")
    assert ended != "killed" or "SIGKILL" in fault.how, f"{fault}: exit {done.returncode}: {done.stderr[-400:]}"
    if "exported" in said:
        verify_export(folder / "export", SIGNER.verifier, against=kept)
    db, uow, publishing = open_log(folder)
    try:
        publishing.check(FONDS)
        acknowledged.append(append(uow))
        publishing.publish(FONDS)
        sound = fsck(db, FONDS, lambda _epoch: SIGNER.vkey)
        with db.read() as conn:
            there = Counter(conn.scalars(select(log_entries.c.entry_id).where(log_entries.c.fonds == FONDS)))
        assert all(there[one] == 1 for one in acknowledged), f"{fault}: {len(acknowledged)} acknowledged, {sum(there.values())} there"
        assert BEFORE + len(acknowledged) <= sound.entries <= BEFORE + DURING + 1, f"{fault}: {sound.entries} entries"
        export(db, FONDS, folder / "export")
        report = verify_export(folder / "export", SIGNER.verifier, against=kept)
        assert report.checkpoint.size == sound.entries, str(fault)
        assert not report.beside, f"{fault}: left behind {report.beside}"
    finally:
        uow.close()
        db.close()
    shutil.rmtree(folder)
    return ended


def _command(folder: Path) -> list[str]:
    return [sys.executable, "-B", str(ACT), str(folder), str(DURING)]
