"""The whole matrix of faults: each write, sync, creation, rename and removal of a growing, signed, exported log fails or is the last act.

    python tests/crash/faults.py [--jobs 2]

Prints a table of what was hit and how each ended; anything unsound ends it with status 1. Needs strace.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from fault_matrix import FAULTS, Fault, faults, prepare, suffer  # noqa: E402  the paths are set above


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2, help="faults suffered at the same time (default 2)")
    options = parser.parse_args()
    ended: Counter[tuple[str, str, str]] = Counter()
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="pa-faults-") as name, ThreadPoolExecutor(options.jobs) as pool:
        folder = Path(name)
        kept = prepare(folder / "prepared")
        every = faults(folder / "prepared", folder / "counted")

        def one(number: int, fault: Fault) -> None:
            try:
                how = suffer(folder / "prepared", kept, folder / f"f{number}", fault)
            except Exception as error:  # noqa: BLE001  the matrix goes on, and says in the end what failed
                how = "UNSOUND"
                failed.append(f"{fault}: {error!r}")
            ended[fault.call, fault.how, how] += 1
            if sys.stderr.isatty() or sum(ended.values()) % 100 == 0:
                print(f"{sum(ended.values())}/{len(every)}", end="\r" if sys.stderr.isatty() else "\n", file=sys.stderr, flush=True)

        for done in [pool.submit(one, number, fault) for number, fault in enumerate(every)]:
            done.result()
    print("\n| call | " + " | ".join(FAULTS) + " |\n|---|" + "---|" * len(FAULTS))
    for call in sorted({key[0] for key in ended}):
        cells = [", ".join(f"{how} {count}" for (c, f, how), count in sorted(ended.items()) if (c, f) == (call, fault)) for fault in FAULTS]
        print(f"| {call} | " + " | ".join(cells) + " |")
    print(f"{len(every)} faults, {len(failed)} unsound")
    for line in failed:
        print(line)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
