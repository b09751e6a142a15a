"""Measure the archive against its baselines, all in one run, and put the table into docs/performance.md.

`python3 dev.py bench` takes some three minutes; `python3 dev.py bench --rounds 3 --print` is a quick look that writes nothing.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from bench import counting, deposits, openings, pages, report, routes
from bench.baselines import Baseline
from bench.world import FONDS, archive, fill
from service.generator.cases import generate

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "performance.md"
SHELF = 1000
SEED = 20_26


def main() -> None:
    """Run every comparison and report."""
    options = _options()
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - begun:6.1f} s  {text}", flush=True)

    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    measured = []
    with tempfile.TemporaryDirectory(dir=build, prefix="bench-") as name:
        folder = Path(name)
        say(f"deposits: {options.rounds} rounds of {options.batches} x {deposits.BATCH} records, ten contenders")
        records = list(generate((options.rounds + 1) * options.batches * deposits.BATCH, seed=SEED))
        with archive(_sub(folder, "deposits"), options.url) as world:
            engine = world.desk.db.dialect
            times = deposits.measure(world, folder / "deposits", records, options.rounds, say, options.beside)
        measured.append((report.DEPOSIT_ROWS, times))
        say("counting statements, ciphers, fsyncs")
        costs = counting.measure(folder)
        say(f"reading: {SHELF} cases laid out in both")
        with archive(_sub(folder, "reading")) as world:
            beside = Baseline.make("encrypted", folder / "reading", world.desk.rulebook(FONDS).catalogue, encrypted=True)
            fill(world, beside, list(generate(SHELF, seed=SEED + 1)))
            try:
                say("clear text")
                measured.append((report.OPENING_ROWS, openings.measure(world, beside, options.rounds, say)))
                say("masked pages")
                measured.append((report.PAGE_ROWS, pages.measure(world, beside, options.rounds, say)))
                say("pages over HTTP")
                measured.append((report.ROUTE_ROWS, routes.measure(world, options.rounds, say)))
            finally:
                beside.db.close()
    table = report.render(measured, costs, report.machine(engine), options.rounds)
    print("\n" + table)
    if not options.print:
        report.write(DOCUMENT, table)
        say(f"written to {DOCUMENT.relative_to(ROOT)}")


def _sub(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="rounds that count, after one that warms up (default 9)")
    parser.add_argument("--batches", type=int, default=4, help="batches of 200 records a round (default 4)")
    parser.add_argument("--print", action="store_true", help="print the table and leave docs/performance.md alone")
    parser.add_argument("--url", help="measure the deposits on this empty PostgreSQL database (with the role archive_app)")
    parser.add_argument(
        "--beside",
        action="append",
        default=[],
        metavar="NAME=URL",
        help=f"with --url: an empty database of the same server for each of {', '.join(deposits.BASELINES)}",
    )
    options = parser.parse_args()
    options.beside = dict(one.split("=", 1) for one in options.beside)
    if options.url and set(options.beside) != set(deposits.BASELINES):
        parser.error("--url needs one --beside for each baseline")
    return options


if __name__ == "__main__":
    main()
