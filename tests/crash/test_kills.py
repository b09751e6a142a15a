"""kill -9, again and again, on one archive, with the clients' own lists of what was acknowledged as oracle.

Each test is a seeded sample; `dev.py soak --laws --rounds N` gives it N seeds. `dev.py soak` walks over every pair of steps.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from crash_archive import CrashArchive
from crash_rounds import ADMITTING, APPROVAL, DEPOSIT, OPENING, PAIRED, SHARED, Rounds, Workers, named_steps, other_steps, stretches, walk
from fresh_databases import FreshDatabases

pytestmark = pytest.mark.soak
BOTH = ("sqlite", "postgresql")


def half(steps: Sequence[str], backend: str, seed: int) -> list[str]:
    """Every second of the steps, in a seeded order; the other database has the other half, and with the next seed they change sides."""
    chosen = [step for place, step in enumerate(steps) if (place + seed) % 2 == (backend == "sqlite")]
    return random.Random(f"{backend}/{seed}").sample(chosen, len(chosen))


@contextmanager
def living(fresh: FreshDatabases, backend: str, folder: Path, workers: Workers, seed: int) -> Iterator[Rounds]:
    """An archive of its own for some lives; in the end everything ever acknowledged in it is looked for once more."""
    home = folder / f"{backend}-{seed}"
    home.mkdir(mode=0o700)
    with fresh.fresh(backend) as urls:
        rounds = Rounds(CrashArchive.make(urls.application, home), workers, seed)
        yield rounds
        rounds.finish()


def test_every_named_step_of_the_source_has_a_kill_aimed_at_it() -> None:
    for seed in (0, 1):
        aimed = {*ADMITTING, *(step for steps in (PAIRED, other_steps()) for backend in BOTH for step in half(steps, backend, seed))}
        assert set(PAIRED) <= aimed
        assert {step.partition(":")[2] or step for step in aimed} == named_steps()
    assert len(named_steps()) > 40


def test_a_full_walk_hits_every_pair_of_steps_of_deposit_approval_and_opening() -> None:
    assert {step for step in named_steps() if step.startswith(("deposit.", "approval.", "opening."))} <= set(PAIRED)
    assert all({f"{act}:{step}" for step in SHARED} <= set(PAIRED) for act in ("deposit", "approval", "opening"))
    assert len(PAIRED) == len({*DEPOSIT, *APPROVAL, *OPENING})
    for seed in (0, 7):
        whole = walk(seed)
        assert sorted(pairwise(whole)) == sorted((one, other) for one in PAIRED for other in PAIRED)
        pieces = [pair for piece in stretches(seed, 20) for pair in pairwise(piece)]
        assert pieces == list(pairwise(whole))


def test_what_was_acknowledged_survives_a_kill_at_each_step_of_deposit_approval_and_opening(
    fresh_databases: FreshDatabases, backend: str, tmp_path: Path, workers: Workers, rounds: int
) -> None:
    for seed in range(rounds):
        with living(fresh_databases, backend, tmp_path, workers, seed) as archive:
            for step in half(PAIRED, backend, seed):
                archive.kill_at(step)


def test_what_was_acknowledged_survives_a_kill_at_each_other_step_of_the_house(
    fresh_databases: FreshDatabases, backend: str, tmp_path: Path, workers: Workers, rounds: int
) -> None:
    for seed in range(rounds):
        with living(fresh_databases, backend, tmp_path, workers, seed) as archive:
            for step in half(other_steps(), backend, seed):
                archive.kill_at(step)


def test_what_was_acknowledged_survives_a_kill_at_any_moment(
    fresh_databases: FreshDatabases, backend: str, tmp_path: Path, workers: Workers, rounds: int
) -> None:
    for seed in range(rounds):
        chance = random.Random(f"moment/{seed}")
        with living(fresh_databases, backend, tmp_path, workers, seed) as archive:
            for _ in range(3):
                archive.kill_after(chance.uniform(0, 0.8))


def test_a_kill_while_a_refused_log_is_admitted_never_leaves_it_half_admitted(
    fresh_databases: FreshDatabases, backend: str, tmp_path: Path, workers: Workers, rounds: int
) -> None:
    for seed in range(rounds):
        with living(fresh_databases, backend, tmp_path, workers, seed) as archive:
            archive.kill_at("deposit.recorded")
            for step in ADMITTING:
                next(archive.archive.anchors.glob("*.checkpoint")).write_bytes(b"not a checkpoint\n")
                archive.kill_at(step, admit=True)


@pytest.mark.postgresql
def test_what_was_acknowledged_survives_the_death_of_the_database_server(tmp_path: Path, workers: Workers, rounds: int) -> None:
    # A server of its own: no other test's connections die with it.
    fresh = FreshDatabases(fsync=True)
    try:
        for seed in range(rounds):
            chance = random.Random(f"server/{seed}")
            with living(fresh, "postgresql", tmp_path, workers, seed) as archive:
                for _ in range(3):
                    archive.server_dies(chance.uniform(0.2, 1.0), lambda: fresh.cluster.stop(crash=True), fresh.cluster.start)
    finally:
        fresh.close()
