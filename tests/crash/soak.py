"""The full walk: every pair of steps of deposit, approval and opening is hit by two kills one after the other, on both databases.

    python3 dev.py soak [--seed 0] [--jobs 2] [--fresh] [--state build/kills-0.json]

A walk over all pairs is cut into stretches, each for an archive of its own, which ends with kills at other steps and at any moment. What
is done is kept in the state file, so that an interrupted soak goes on where it was; the table at the end counts the whole of it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from crash_archive import CrashArchive  # noqa: E402  the paths are set above
from crash_rounds import PAIRED, Rounds, Workers, other_steps, stretches  # noqa: E402
from fresh_databases import FreshDatabases  # noqa: E402

BACKENDS = ("sqlite", "postgresql")
PAIRS = 24
Stretch = tuple[str, int]


def live_through(fresh: FreshDatabases, workers: Workers, stretch: Stretch, seed: int) -> dict[str, Any]:
    """One stretch on a fresh archive: the kills in their order, and what went wrong, if anything did."""
    backend, index = stretch
    chance = random.Random(f"{seed}/{backend}/{index}")
    folder = Path(tempfile.mkdtemp(prefix="pa-kills-"))
    began = time.monotonic()
    kills: list[str] = []
    error = ""
    acknowledged = 0
    try:
        with fresh.fresh(backend) as urls:
            rounds = Rounds(CrashArchive.make(urls.application, folder), workers, seed * 1000 + index)
            kills = rounds.kills
            for step in [*stretches(seed, PAIRS)[index], *chance.sample(other_steps(), 3)]:
                rounds.kill_at(step)
            for _ in range(2):
                rounds.kill_after(chance.uniform(0, 0.8))
            rounds.finish()
            acknowledged = rounds.oracle.acknowledged
    except Exception as failure:  # noqa: BLE001  a soak goes on, and says in the end what failed
        error = repr(failure)
    finally:
        shutil.rmtree(folder)
    return {"kills": kills, "error": error, "acknowledged": acknowledged, "seconds": round(time.monotonic() - began, 1)}


def lane(waiting: Any, done: Any, seed: int) -> None:
    """One process's share: stretches from `waiting` until it gives None."""
    fresh, workers = FreshDatabases(fsync=True), Workers()
    try:
        while (stretch := waiting.get()) is not None:
            done.put((stretch, live_through(fresh, workers, stretch, seed)))
    except KeyboardInterrupt:
        pass  # told once, by the process that started this one
    finally:
        workers.close()
        fresh.close()


def table(results: dict[str, dict[str, Any]], seed: int) -> str:
    """Count kills by step and pairs by database."""
    whole = stretches(seed, PAIRS)
    steps: dict[str, Counter[str]] = {backend: Counter() for backend in BACKENDS}
    pairs: dict[str, set[tuple[str, str]]] = {backend: set() for backend in BACKENDS}
    for name, result in results.items():
        backend, index = name.split("/")
        steps[backend].update(result["kills"])
        walked = result["kills"][: len(whole[int(index)])]
        pairs[backend].update(pairwise(walked))
    every = sorted(set(steps["sqlite"]) | set(steps["postgresql"]), key=lambda step: (step not in PAIRED, step))
    lines = [f"{'step':36} {'sqlite':>8} {'postgresql':>12}"]
    lines += [f"{step:36} {steps['sqlite'][step]:8} {steps['postgresql'][step]:12}" for step in every]
    lines.append(f"{'kills':36} {steps['sqlite'].total():8} {steps['postgresql'].total():12}")
    lines.append(f"{f'pairs hit, of {len(PAIRED) ** 2}':36} {len(pairs['sqlite']):8} {len(pairs['postgresql']):12}")
    told = {backend: sum(one["acknowledged"] for name, one in results.items() if name.startswith(backend)) for backend in BACKENDS}
    lines.append(f"{'acts acknowledged and found':36} {told['sqlite']:8} {told['postgresql']:12}")
    return "\n".join(lines)


def main() -> int:
    """Go on with a soak, or begin one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--state", type=Path, help="where the progress is kept (default: build/kills-SEED.json)")
    parser.add_argument("--fresh", action="store_true", help="forget the progress and begin anew")
    options = parser.parse_args()
    state: Path = options.state or ROOT / "build" / f"kills-{options.seed}.json"
    state.parent.mkdir(parents=True, exist_ok=True)
    if options.fresh:
        state.unlink(missing_ok=True)
    results: dict[str, dict[str, Any]] = json.loads(state.read_text(encoding="utf-8")) if state.exists() else {}
    count = len(stretches(options.seed, PAIRS))
    todo = [
        (backend, index) for index in range(count) for backend in BACKENDS if results.get(f"{backend}/{index}", {"error": "-"})["error"]
    ]
    print(f"{os.cpu_count()} processors; seed {options.seed}; {2 * count} stretches, {len(todo)} to do; progress in {state}", flush=True)
    waiting: Any = multiprocessing.SimpleQueue()
    done: Any = multiprocessing.SimpleQueue()
    lanes = [multiprocessing.Process(target=lane, args=(waiting, done, options.seed)) for _ in range(options.jobs)]
    for one in lanes:
        one.start()
    for stretch in [*todo, *[None] * len(lanes)]:
        waiting.put(stretch)
    began = time.monotonic()
    for number in range(1, len(todo) + 1):
        (backend, index), result = done.get()
        results[f"{backend}/{index}"] = result
        fresh = state.with_suffix(".new")
        fresh.write_text(json.dumps(results, indent=1), encoding="utf-8")
        fresh.rename(state)
        left = (time.monotonic() - began) / number * (len(todo) - number)
        word = result["error"] or f"{len(result['kills'])} kills, {result['acknowledged']} acts, {result['seconds']} s"
        print(f"{number}/{len(todo)}  {backend}/{index}  {word}  ({left / 60:.1f} min left)", flush=True)
    for one in lanes:
        one.join()
    if results and not todo:
        print("all of it was done before; --fresh begins anew, --seed N walks another way")
    print(table(results, options.seed))
    return int(any(result["error"] for result in results.values()))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\ncut short; run it again to go on from what is done")
        sys.exit(130)
