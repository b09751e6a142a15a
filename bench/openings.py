"""Reading in clear: granted fields of one case, against the same values from StringEncryptedType columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from archive import opening
from archive.facts import case_facts
from archive.requests.openings import open_case
from archive.requests.store import grant_facts
from archive.walls import Whom
from bench.baselines import Baseline
from bench.rounds import Stopwatch, Times, race
from bench.world import FONDS, World
from policies.decide import decide
from policies.permit import Permit

HANDLER = "S1001"
PATHS = ("content", "title", "locality_detail", "petitioners[].name", "petitioners[].id_number", "petitioners[].mobile")
CASES = 6
FIELDS, ACT, ENCRYPTED = "open fields", "open case", "encrypted rows"


@dataclass(frozen=True)
class Granted:
    """One case under a grant, with a permit made as the act makes it."""

    case_id: str
    grant_id: str
    permit: Permit


def granted(world: World, count: int = CASES) -> list[Granted]:
    """Cases of the handler with two or fewer petitioners, each under a grant of its own that names `PATHS`."""
    desk, caller = world.desk, world.person(HANDLER)
    found: list[Granted] = []
    for case_id in world.shelf_of(HANDLER):
        if len(found) == count:
            break
        grant_id = world.grant(case_id, PATHS, HANDLER)
        with desk.db.read() as conn:
            facts = case_facts(conn, desk.keys, FONDS, {case_id: 1}, Whom.of(caller.principal))[case_id]
            grant = grant_facts(conn, FONDS, [grant_id])[grant_id]
        answer = decide(caller.principal, "case.open", facts, (grant,), desk.clock.now(), desk.rulebook(FONDS))
        assert isinstance(answer, Permit)
        found.append(Granted(case_id, grant_id, answer))
    assert len(found) == count
    return found


def measure(world: World, beside: Baseline, rounds: int, say: Callable[[str], None], repeats: int = 20) -> Times:
    """Race the container, the whole act and the rows; a sample is the mean over all cases and some repeats."""
    cases = granted(world)
    times = race(
        {
            FIELDS: lambda _: _open_fields(world, cases, repeats),
            ENCRYPTED: lambda _: _read_rows(beside, cases, repeats),
            ACT: lambda _: _open_cases(world, cases, max(1, repeats // 5)),
        },
        rounds,
        say,
    )
    with world.desk.db.read() as conn:
        one = opening.fields(conn, world.desk.keys, cases[0].permit, cases[0].case_id, 1)
    assert {path for path, _ in one} == set(PATHS)
    return times


def _open_fields(world: World, cases: list[Granted], repeats: int) -> float:
    watch = Stopwatch()
    with world.desk.db.read() as conn, watch.running():
        for _ in range(repeats):
            for one in cases:
                opening.fields(conn, world.desk.keys, one.permit, one.case_id, 1)
    return watch.seconds / (repeats * len(cases))


def _read_rows(beside: Baseline, cases: list[Granted], repeats: int) -> float:
    record, petitioner = beside.models["sealed_record"], beside.models["sealed_petitioners"]
    watch = Stopwatch()
    with Session(beside.db.engine) as session, watch.running():
        for _ in range(repeats):
            for one in cases:
                session.execute(
                    select(record.content, record.title, record.locality_detail).where(record.fonds == FONDS, record.case_id == one.case_id)
                ).all()
                session.execute(
                    select(petitioner.item, petitioner.name, petitioner.id_number, petitioner.mobile).where(
                        petitioner.fonds == FONDS, petitioner.case_id == one.case_id
                    )
                ).all()
    return watch.seconds / (repeats * len(cases))


def _open_cases(world: World, cases: list[Granted], repeats: int) -> float:
    caller = world.person(HANDLER)
    watch = Stopwatch()
    with watch.running():
        for _ in range(repeats):
            for one in cases:
                open_case(world.desk, caller, one.grant_id, one.case_id)
    return watch.seconds / (repeats * len(cases))
