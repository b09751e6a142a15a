"""A log that grows under load to any size while outsiders read it over HTTP, then checked by all three checkers, on both databases.

    python tests/tlog/growing.py --entries 70000 [--writers 4] [--backend sqlite]

Prints what each outsider saw. Exits 1 where anything was not accepted.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support"), str(ROOT / "sdk")]

from audit.export import export  # noqa: E402  the paths are set above
from fresh_databases import FreshDatabases  # noqa: E402
from growing_log import Outsider, under_load  # noqa: E402
from live_archive import live_archive  # noqa: E402
from log_life import signed_up_to  # noqa: E402
from other_checkers import Check, aics_checker, go_checker  # noqa: E402
from small_archive import FONDS  # noqa: E402
from tlog.note import VerifierKey  # noqa: E402
from tlog.verify import verify_export  # noqa: E402


def grow(fresh: FreshDatabases, backend: str, go: Check, entries: int, writers: int) -> list[str]:
    """One log from its founding to `entries`; what was not accepted."""
    folder = Path(tempfile.mkdtemp(prefix="pa-growing-"))
    refused: list[str] = []
    try:
        with fresh.fresh(backend) as urls, live_archive(urls, folder) as archive:
            vkey = archive.house.publishing.signers(FONDS, 1).vkey
            outsider = Outsider(archive, VerifierKey.parse(vkey))
            began = time.monotonic()
            by_go: list[tuple[bool, str]] = []
            following = threading.Thread(target=lambda: by_go.append(go(f"{archive.url}/log/{FONDS}", vkey, entries)))
            with under_load(archive, writers=writers, batches=writers) as stopped:
                following.start()
                outsider.follow(entries, stopped)
                following.join(timeout=120)
            outsider.finish()
            seconds = time.monotonic() - began
            print(f"{backend}: {outsider.size} entries in {seconds:.0f} s", flush=True)
            print(f"  here: {len(outsider.seen)} checkpoints, {outsider.fetched} files fetched, each extending the last", flush=True)
            kept = folder / "kept"
            kept.write_bytes(outsider.seen[len(outsider.seen) // 2][1])
            signed_up_to(archive.house)
            export(archive.house.desk.db, FONDS, folder / "log")
            told = [("go over HTTP", *by_go[0])]
            told += [(name, *check(folder / "log", vkey, kept)) for name, check in (("go", go), ("aics-tlog, pymerkle", aics_checker()))]
            report = verify_export(folder / "log", VerifierKey.parse(vkey), against=kept.read_bytes())
            print(f"  ours, on the export: {report.checkpoint.size} entries", flush=True)
            for name, accepted, words in told:
                print(f"  {name}: {words.strip()}", flush=True)
                if not accepted:
                    refused.append(name)
    finally:
        shutil.rmtree(folder)
    return refused


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=5000)
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--backend", choices=("sqlite", "postgresql"), help="default: both")
    options = parser.parse_args()
    built = Path(tempfile.mkdtemp(prefix="pa-go-"))
    fresh = FreshDatabases(fsync=True)
    try:
        go = go_checker(built)
        refused = [
            one
            for backend in ([options.backend] if options.backend else ["sqlite", "postgresql"])
            for one in grow(fresh, backend, go, options.entries, options.writers)
        ]
    finally:
        fresh.close()
        shutil.rmtree(built)
    return int(bool(refused))


if __name__ == "__main__":
    sys.exit(main())
