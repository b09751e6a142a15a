"""A refusal that is found out only inside the transaction of an opening: answered as outside a race, and on record like any other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import update

from access_forms import granted
from acts.errors import Refused
from archive.intake import deposit, deposit_many
from archive.receipts import Receipt
from archive.requests.grants import give_back, revoke
from archive.requests.openings import GrantSpent, open_case
from archive.versions import correct
from auth.tables import sessions
from case_world import FONDS, World, make_world
from foundation.clock import MovableClock
from foundation.database import Database
from foundation.errors import ArchiveError, NotFound
from fresh_databases import BACKENDS, FreshDatabases
from petition_records import accusation


@pytest.fixture(params=BACKENDS)
def either(request: pytest.FixtureRequest, fresh_databases: FreshDatabases, clock: MovableClock, tmp_path: Path) -> Iterator[World]:
    with fresh_databases.fresh(request.param) as urls:
        database = Database(urls.application)
        world = make_world(database, clock, tmp_path)
        try:
            yield world
        finally:
            world.desk.uow.close()
            database.close()


def eight(world: World, grant_id: str, case_ids: list[str]) -> Counter[str]:
    """Eight openings that are all permitted before the first of them is counted; what each was answered."""
    callers = [world.caller("S-1") for _ in case_ids]
    begun = Barrier(len(case_ids))
    run = world.desk.uow.run

    def together(fonds: str, fn: Callable[..., object]) -> object:
        if getattr(fn, "__name__", "") == "intend":
            begun.wait(30)
        return run(fonds, fn)

    def once(number: int) -> str:
        try:
            open_case(world.desk, callers[number], grant_id, case_ids[number])
        except ArchiveError as error:
            return type(error).__name__
        return "opened"

    world.desk.uow.run = together  # type: ignore[method-assign, assignment]
    try:
        with ThreadPoolExecutor(8) as pool:
            return Counter(pool.map(once, range(8)))
    finally:
        world.desk.uow.run = run  # type: ignore[method-assign]


def test_of_eight_openings_at_once_of_a_single_use_seven_are_refused_and_on_record(either: World) -> None:
    receipts = deposit_many(either.desk, either.system, [either.record(case_no=f"XF-{number}") for number in range(8)])
    cases = [receipt.case_id for receipt in receipts if isinstance(receipt, Receipt)]
    grant_id = granted(either, *cases, max_uses=1)
    assert eight(either, grant_id, cases) == {"opened": 1, "Refused": 7}
    refusals = either.entries("access.refused")
    assert Counter((entry.reason, entry.data["cause"]) for entry in refusals) == {("grant-required", "used-up"): 7}
    assert len({entry.object["id"] for entry in refusals}) == 7


def test_of_eight_openings_at_once_of_the_same_case_seven_leave_an_entry(either: World) -> None:
    case_id = deposit(either.desk, either.system, either.record()).case_id
    grant_id = granted(either, case_id, max_uses=1)
    assert eight(either, grant_id, [case_id] * 8) == {"opened": 1, GrantSpent.__name__: 7}
    refusals = either.entries("access.refused")
    assert Counter((entry.reason, entry.data["cause"]) for entry in refusals) == {("grant-required", "spent"): 7}


def _wall(world: World, case_id: str, _: str) -> None:
    accused = accusation() | {"case_no": world.record()["case_no"]}
    accused["involved_parties"] = [{"party_role": "accused", "party_kind": "person", "party_name": "某人", "party_user_ids": ["S-1"]}]
    correct(world.desk, world.system, case_id, base_version=1, record=accused, reason="更正")


def _sign_out(world: World, *_: str) -> None:
    ended = update(sessions).where(sessions.c.session_id == world.session_of("S-1")).values(revoked_ms=1)
    world.desk.uow.bookkeep(FONDS, lambda unit: unit.conn.execute(ended))


MEANWHILE: dict[str, tuple[Callable[[World, str, str], object], type[ArchiveError], str]] = {
    "walled": (_wall, NotFound, "case-not-found"),
    "revoked": (lambda world, _, grant: revoke(world.desk, world.caller("S-2"), grant, "不再需要"), Refused, "grant-required"),
    "returned": (lambda world, _, grant: give_back(world.desk, world.caller("S-1"), grant), Refused, "grant-required"),
    "signed-out": (_sign_out, Refused, "not-permitted"),
}


@pytest.mark.parametrize("how", MEANWHILE)
def test_what_ends_a_permit_before_it_is_counted_is_a_recorded_refusal(either: World, how: str) -> None:
    case_id = deposit(either.desk, either.system, either.record()).case_id
    grant_id = granted(either, case_id, max_uses=1)
    end, answered, reason = MEANWHILE[how]
    run = either.desk.uow.run

    def meanwhile(fonds: str, fn: Callable[..., object]) -> object:
        if getattr(fn, "__name__", "") == "intend":
            either.desk.uow.run = run  # type: ignore[method-assign]
            end(either, case_id, grant_id)
        return run(fonds, fn)

    either.desk.uow.run = meanwhile  # type: ignore[method-assign, assignment]
    try:
        with pytest.raises(answered):
            open_case(either.desk, either.caller("S-1"), grant_id, case_id)
    finally:
        either.desk.uow.run = run  # type: ignore[method-assign]
    (refusal,) = either.entries("access.refused")
    assert (refusal.reason, refusal.data["action"], refusal.object["id"]) == (reason, "case.open", case_id)
    assert either.entries("access.intent") == []
