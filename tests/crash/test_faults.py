"""Faults of the disk at single system calls: a seeded sample of the matrix that `python tests/crash/faults.py` walks as a whole."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fault_matrix import FAULTS, Fault, faults, prepare, suffer

SAMPLE = 24


@pytest.mark.strace
def test_a_fault_at_any_system_call_leaves_a_sound_log_that_goes_on(tmp_path: Path) -> None:
    kept = prepare(tmp_path / "prepared")
    every = faults(tmp_path / "prepared", tmp_path / "counted")
    chance = random.Random(0)
    calls = sorted({one.call for one in every})
    assert {"fdatasync", "fsync", "pwrite64", "rename", "write"} <= set(calls)
    # Each call with each fault in turn, so that the rare ones are there as often as the many writes.
    chosen: list[Fault] = []
    for number in range(SAMPLE):
        call, how = calls[number % len(calls)], FAULTS[number % len(FAULTS)]
        chosen.append(chance.choice([one for one in every if (one.call, one.how) == (call, how)]))
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(suffer, tmp_path / "prepared", kept, tmp_path / f"f{number}", one) for number, one in enumerate(chosen)]
        ended = [job.result() for job in jobs]
    assert "refused" in ended
    assert "killed" in ended
