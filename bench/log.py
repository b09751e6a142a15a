"""Measure the log: appending by 1, 16 and 64 writers against its peers, on this machine's disk and on a slower one, and the syncs it takes.

`python -m bench.log` takes some minutes and puts its table into docs/performance.md; `--print` only prints it. A slower disk is this one
with every sync made to last longer by strace, which traces nothing else; where strace is missing, that part is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench import report
from bench.appending import ARCHIVE, CHAIN, PYMERKLE, PYMERKLE_WAL, Append, group_commit, naive_chain, pymerkle_tree, syncs, turn
from bench.rounds import Spread

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- log:begin -->", "<!-- log:end -->"
WRITERS = (1, 16, 64)
DISK = "disk"
_MARK = (os.PRIO_PROCESS, 0)
_AIMS = {("sqlite", 1): "0.95", ("sqlite", 16): "10", ("postgresql", 16): "15"}
_SYNC_AIMS = {1: "1.05", 16: "0.08", 64: "0.03"}


def main() -> None:
    """Measure everything, each disk in a process of its own, and report."""
    options = _options()
    if options.be is not None:
        _be(options)
        return
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    about = f"{report.machine('sqlite and postgresql')}; {options.rounds} rounds"
    lines = [f"{about}. Ratios above 1: the archive is the faster one. Median (lowest to highest).", ""]
    with tempfile.TemporaryDirectory(dir=build, prefix="bench-log-") as name:
        lines += _table("SQLite, this disk", "sqlite", _run(Path(name), options, "sqlite", None))
        if shutil.which("strace"):
            found = _run(Path(name), options, "sqlite", options.delay)
            lines += _table(f"SQLite, every sync {options.delay} ms longer", "sqlite-slow", found)
        with _postgresql() as urls:
            if urls:
                lines += _table("PostgreSQL, this disk", "postgresql", _run(Path(name), options, "postgresql", None, urls))
    table = "\n".join(lines)
    print(table)
    if not options.print:
        report.write(DOCUMENT, table, BEGIN, END)


def _run(
    folder: Path, options: argparse.Namespace, engine: str, delay: int | None, urls: dict[str, str] | None = None
) -> list[dict[str, Any]]:
    """The turns of all contenders, by a process of its own; with `delay` every sync is counted and made to last so many ms longer."""
    print(f"{engine}, {options.rounds} rounds" + (f", syncs {delay} ms longer" if delay is not None else ""), file=sys.stderr, flush=True)
    inner = Path(tempfile.mkdtemp(dir=folder))
    trace = inner / "trace"
    command = [sys.executable, "-m", "bench.log", "--be", str(inner), "--rounds", str(options.rounds), "--entries", str(options.entries)]
    for name, url in (urls or {}).items():
        command += ["--url", f"{name}={url}"]
    if delay is not None:
        asked = ["-e", "trace=fsync,fdatasync,getpriority", "-e", f"inject=fsync,fdatasync:delay_exit={delay * 1000}"]
        command = ["strace", "-f", "-qq", "--seccomp-bpf", *asked, "-o", str(trace), *command]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603  this module
    turns = [json.loads(line) for line in done.stdout.splitlines()]
    if delay is not None:
        for one, count in zip(turns, _counted(trace), strict=True):
            one["syncs"] = count
    return turns


def _counted(trace: Path) -> list[int]:
    """Syncs between each pair of marks."""
    counts: list[int] = []
    marks = 0
    with trace.open(encoding="utf-8") as lines:
        for line in lines:
            if "getpriority(" in line:
                marks += 1
                if marks % 2:
                    counts.append(0)
            elif marks % 2 and re.search(r"\bf(?:data)?sync\(", line):
                counts[-1] += 1
    return counts


def _be(options: argparse.Namespace) -> None:
    """Run the turns and print one JSON line for each; called by `_run`."""
    urls = dict(one.split("=", 1) for one in options.url)
    with ExitStack() as held:
        contenders: dict[str, Append] = {}
        for name, make in ((ARCHIVE, group_commit), (CHAIN, naive_chain)):
            contenders[name] = held.enter_context(make(options.be, urls.get(name)))
        if not urls and (tree := pymerkle_tree(ROOT / "build" / "checkers")) is not None:
            contenders[PYMERKLE] = held.enter_context(tree(options.be / "shipped.db", wal=False))
            contenders[PYMERKLE_WAL] = held.enter_context(tree(options.be / "wal.db", wal=True))
        names = list(contenders)
        for number in range(options.rounds + 1):
            for writers in WRITERS:
                disk = syncs(options.be / "disk", 200)
                order = names[number % len(names) :] + names[: number % len(names)]
                for name in order:
                    entries = options.entries if writers > 1 else options.entries // 4
                    os.getpriority(*_MARK)
                    ran = turn(contenders[name], writers, entries)
                    os.getpriority(*_MARK)
                    waits = sorted(ran.waits)
                    p99 = waits[int(len(waits) * 0.99)]
                    made = {"round": number, "writers": writers, "name": name, "each": ran.each, "p50": waits[len(waits) // 2], "p99": p99}
                    print(json.dumps(made | {"entries": len(waits), "disk": disk}), flush=True)


def _table(title: str, engine: str, turns: list[dict[str, Any]]) -> list[str]:
    counted = [one for one in turns if one["round"]]
    names = list(dict.fromkeys(one["name"] for one in turns))
    lines = [
        f"**{title}**: one sync takes {_ms([one['disk'][0] for one in counted])} (p50), {_ms([one['disk'][1] for one in counted])} (p99).",
        "",
        "| writers | contender | entries a second | archive : contender | aim | p50 | p99 | p99 in syncs (p99) | syncs an entry | aim |",
        "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for writers in WRITERS:
        own = {one["round"]: one["each"] for one in counted if (one["writers"], one["name"]) == (writers, ARCHIVE)}
        for name in names:
            turns_of = [one for one in counted if (one["writers"], one["name"]) == (writers, name)]
            rates = Spread.of([1 / one["each"] for one in turns_of])
            ratio = report.ratio(Spread.of([one["each"] / own[one["round"]] for one in turns_of])) if name != ARCHIVE else ""
            aim = _AIMS.get((engine, writers), "") if name == CHAIN else ""
            waits = Spread.of([one["p99"] / one["disk"][1] for one in turns_of])
            each = Spread.of([one["syncs"] / one["entries"] for one in turns_of]).middle if "syncs" in turns_of[0] else None
            sync_aim = _SYNC_AIMS[writers] if name == ARCHIVE and each is not None else ""
            shown = "" if each is None else f"{each:.3f}"
            p50, p99 = (_ms([one[part] for one in turns_of]) for part in ("p50", "p99"))
            lines.append(
                f"| {writers} | {name} | {rates.middle:,.0f} ({rates.low:,.0f} to {rates.high:,.0f}) | {ratio} | {aim} | {p50} | {p99} | "
                f"{waits.middle:.0f} | {shown} | {sync_aim} |"
            )
    return [*lines, ""]


def _ms(samples: list[float]) -> str:
    return f"{Spread.of(samples).middle * 1e3:.2f} ms"


@contextmanager
def _postgresql() -> Iterator[dict[str, str]]:
    """A cluster of its own with a database for each contender; nothing where PostgreSQL is not installed."""
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    from postgres_cluster import OWNER, PostgresCluster, server_binaries  # noqa: PLC0415  the tests' own, which a wheel does not have

    if server_binaries() is None:
        yield {}
        return
    cluster = PostgresCluster()
    try:
        yield {name: cluster.url(cluster.create_database(), OWNER) for name in (ARCHIVE, CHAIN)}
    finally:
        cluster.remove()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="rounds that count, after one that warms up (default 7)")
    parser.add_argument("--entries", type=int, default=3200, help="entries a turn; a quarter of them by one writer (default 3200)")
    parser.add_argument("--delay", type=int, default=4, metavar="MS", help="how much longer a sync of the slower disk lasts (default 4 ms)")
    parser.add_argument("--print", action="store_true", help="print the table and leave docs/performance.md alone")
    parser.add_argument("--be", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--url", action="append", default=[], help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
