"""Lives of an archive, one after another, each ended by SIGKILL; after each the oracle looks. Which steps there are, the source says."""

from __future__ import annotations

import ast
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL
from typing import Any

import foundation
from crash_archive import START, CrashArchive
from crash_oracle import Oracle
from foundation.clock import iso
from house_rules import ROOT, parsed, room_modules

WORKER = Path(__file__).with_name("crash_worker.py")
# Longer than any step has to be waited for; a life that lasts so long has missed its step.
SECONDS = 30
SHARED = ("audit.entries-written", "audit.head-moved", "uow.sequenced", "uow.committed")


def _whole(act: str, before: Sequence[str], inside: Sequence[str], after: Sequence[str]) -> tuple[str, ...]:
    return (*before, *inside, *(f"{act}:{step}" for step in SHARED), *after)


DEPOSIT = _whole("deposit", ["deposit.sealed"], ["deposit.inserted"], ["deposit.recorded"])
APPROVAL = _whole("approval", ["approval.decided"], ["approval.written", "approval.granted"], ["approval.recorded"])
OPENING = _whole("opening", [], ["opening.counted"], ["opening.intended", "opening.opened", "opening.recorded"])
# Every ordered pair of these is hit by a full soak.
PAIRED = (*DEPOSIT, *APPROVAL, *OPENING)
# Only a log that was refused and is admitted comes past these.
ADMITTING = ("audit.superseded-written", "audit.superseded-renamed", "audit.restored-admitted")


def steps_of_source() -> set[str]:
    """Every step the rooms name: `reach("x")`, and `x-written`, `x-renamed` for a file written durably as "x"."""
    return {step for path in room_modules() for step in _steps_of(parsed(path))}


def named_steps() -> set[str]:
    """Those an archive passes. Witnesses, streams and copies have kills of their own (tests/service/test_witness_kills.py and
    test_stream_kills.py).
    """
    return {step for step in steps_of_source() if not step.startswith(("witness.", "streams.", "copies."))}


def _steps_of(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"reach", "write_durably"}:
            last = node.args[-1]
            if isinstance(last, ast.Constant) and isinstance(last.value, str):
                step = last.value
                yield from [step] if node.func.id == "reach" else [f"{step}-{end}" for end in ("written", "renamed")]
            else:
                # The one step made up at run time: its parts are found where `write_durably` is called.
                assert ast.unparse(last) in {"f'{step}-written'", "f'{step}-renamed'"}, ast.unparse(node)


def other_steps() -> tuple[str, ...]:
    """The steps that no pair names, in order."""
    return tuple(sorted(named_steps() - set(PAIRED) - set(SHARED) - set(ADMITTING)))


def walk(seed: int, steps: Sequence[str] = PAIRED) -> list[str]:
    """A closed walk that goes from every step to every step (itself too) exactly once: an Eulerian circuit, another for each seed."""
    chance = random.Random(seed)
    ways = {step: chance.sample(list(steps), len(steps)) for step in steps}
    path, circuit = [steps[0]], []
    while path:
        if ways[path[-1]]:
            path.append(ways[path[-1]].pop())
        else:
            circuit.append(path.pop())
    return circuit[::-1]


def stretches(seed: int, pairs: int) -> list[list[str]]:
    """The walk in stretches of so many pairs, each for an archive of its own."""
    whole = walk(seed)
    return [whole[at : at + pairs + 1] for at in range(0, len(whole) - 1, pairs)]


class Workers:
    """The worker program, ready to fork a life."""

    def __init__(self) -> None:
        # The rooms may be those of a built wheel: the program takes them from where this process has them.
        rooms = Path(str(foundation.__file__)).resolve().parents[1]
        paths = os.pathsep.join([str(WORKER.parent), str(rooms)])
        self._program = subprocess.Popen(
            [sys.executable, str(WORKER)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": paths},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def live(self, order: dict[str, Any], *, kill_after: float | None = None) -> list[dict[str, Any]]:
        """One life; everything it said, the last line being how it went. `kill_after`: seconds of work until SIGKILL."""
        stdin, stdout = self._program.stdin, self._program.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(order).encode() + b"\n")
        stdin.flush()
        stuck = threading.Timer(3 * SECONDS, self._program.kill)
        timers = [stuck]
        stuck.start()
        lines = []
        try:
            for text in stdout:
                line = json.loads(text)
                lines.append(line)
                if line["act"] == "began" and kill_after is not None:
                    timers.append(threading.Timer(kill_after, os.kill, (line["pid"], SIGKILL)))
                    timers[-1].start()
                if line["act"] == "gone":
                    return lines
        finally:
            for timer in timers:
                timer.cancel()
        raise AssertionError(f"the worker itself ended: {lines[-3:]}")

    def close(self) -> None:
        """End the program."""
        if self._program.stdin is not None:
            self._program.stdin.close()
        self._program.wait(60)


@dataclass
class Rounds:
    """An archive living life after life. `kills` counts them by step."""

    archive: CrashArchive
    workers: Workers
    seed: int
    kills: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.oracle = Oracle(self.archive)
        self._lives = 0
        self._at = iso(START)
        self._chance = random.Random(self.seed)

    def kill_at(self, step: str, *, admit: bool = False) -> None:
        """A life that ends at `step`, then the oracle."""
        order = self._order(step)
        nth = 1 if step.startswith(("keyring-", *ADMITTING)) else self._chance.randint(1, 4 if step in PAIRED else 2)
        lines = self.workers.live({**order, "step": step, "nth": nth, "admit": admit})
        self._look(lines, f"{step} x{nth}", admit=admit)
        assert any(line["act"] == "killed" for line in lines), f"seed {self.seed}: {step} was never reached, {lines[-5:]}"
        self.kills.append(step)

    def kill_after(self, seconds: float) -> None:
        """A life that ends at whatever it is doing then."""
        lines = self.workers.live({**self._order("everything"), "everything": True}, kill_after=seconds)
        self._look(lines, f"after {seconds:.3f} s", admit=False)
        self.kills.append("any moment")

    def server_dies(self, seconds: float, die: Callable[[], None], rise: Callable[[], None]) -> None:
        """A life whose database server dies under it after some seconds of work; what it was told before still holds after."""
        order = {**self._order("uow.begun"), "everything": False}
        with ThreadPoolExecutor(1) as beside:
            living = beside.submit(self.workers.live, order)
            time.sleep(seconds)
            die()
            lines = living.result()
        rise()
        lost = [line for line in lines if line["act"] == "failed"]
        assert lost, "the server's death went unnoticed"
        self._hold([line for line in lines if line["act"] != "failed"], f"server dead after {seconds:.3f} s", admit=False)
        self.kills.append("the server")

    def finish(self) -> None:
        """Look once more, at everything that was ever acknowledged."""
        self.oracle.look([], self._at, everything=True)

    def _order(self, step: str) -> dict[str, Any]:
        self._lives += 1
        # A year no case was closed in before needs keys nobody has made yet.
        years = [2025, 2024, 1960 + self._lives % 60] if not step.startswith("keyring-") else [1960 + self._lives % 60]
        return {
            "url": self.archive.url,
            "folder": str(self.archive.folder),
            "life": f"L{self._lives}",
            "seed": self.seed,
            "at": self._at,
            "seconds": SECONDS,
            "years": years,
            "everything": step not in PAIRED and not step.startswith("keyring-"),
        }

    def _look(self, lines: list[dict[str, Any]], how: str, *, admit: bool) -> None:
        about = f"seed {self.seed}, life {self._lives}, {how}"
        failed = [line for line in lines if line["act"] == "failed"]
        assert not failed, f"{about}: {failed[0]['work']}: {failed[0]['error']}"
        assert lines[-1]["status"] == -SIGKILL, f"{about}: {lines[-1]}"
        self._hold(lines, how, admit=admit)

    def _hold(self, lines: list[dict[str, Any]], how: str, *, admit: bool) -> None:
        about = f"seed {self.seed}, life {self._lives}, {how}"
        try:
            self._at = self.oracle.look(lines, self._at, admit=admit)
        except Exception as error:
            raise AssertionError(f"{about}: {error!r}") from error
