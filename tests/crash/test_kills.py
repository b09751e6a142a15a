"""kill -9, again and again, on one archive, with the clients' own lists of what was acknowledged as oracle.

Every test here is a seeded sample. The full walk over every pair of steps is `tests/crash/soak.py`; `dev.py soak --rounds N` gives
each test N other seeds.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from crash_archive import CrashArchive
from crash_rounds import ADMITTING, PAIRED, SHARED, Rounds, Workers, named_steps, other_steps, stretches, walk
from fresh_databases import BACKENDS, FreshDatabases

pytestmark = pytest.mark.soak
# How a walk of all named steps is shared between the two databases: what touches files alone is killed on one of them.
FILES_ALONE = ("keyring.", "audit.anchor", "audit.export", "rotation.")


@pytest.fixture(params=BACKENDS)
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def sample(kind: str, seed: int) -> list[str]:
    """Every step of deposit, approval and opening in a seeded order, so that each is the second of a pair; and this database's others."""
    chance = random.Random(f"{kind}/{seed}")
    rest = [step for step in other_steps() if kind == "sqlite" or not step.startswith(FILES_ALONE)]
    halves = {"sqlite": rest[::2], "postgresql": rest[1::2]}
    both = [step for step in rest if step.startswith("uow.")]
    chosen = [*PAIRED, *both, *(step for step in rest if step.startswith(FILES_ALONE))]
    chosen += [step for step in halves[kind] if step not in chosen]
    chance.shuffle(chosen)
    return chosen
