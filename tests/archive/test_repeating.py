"""Idempotency-Key: what was done under a key is answered again and never done again, whatever became of the first answer."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from access_forms import form, granted
from acts.desk import Caller, Desk
from acts.errors import Refused
from archive.errors import KeyReused, VersionMoved
from archive.intake import deposit
from archive.receipts import Receipt
from archive.repeating import KEPT, Once
from archive.requests.approvals import decide_request
from archive.requests.filing import file, withdraw
from archive.requests.grants import give_back, grants_of, revoke
from archive.requests.openings import open_case, read_opening
from archive.requests.tables import access_requests, grants, request_decisions
from archive.tables import case_versions
from archive.versions import correct, supplement
from audit.sequencing import Sequencer
from case_world import FONDS, World
from foundation import steps
from foundation.errors import ArchiveError, InvalidInput, NotFound, StorageUnavailable
from foundation.tables import idempotency
from foundation.uow import UnitOfWork
from keyed_acts import ACTS, RATING, act_named
from policies.errors import VersionChanged

REPEATS = {"deposit.repeated", "request.repeated"}


def told(answer: Any) -> Any:
    """The answer but for the word that tells a receipt's first copy from its later ones."""
    return replace(answer, status="same") if isinstance(answer, Receipt) else answer


def state(world: World) -> list[Any]:
    """Everything that an act done twice would change."""
    with world.desk.db.read() as conn:
        return [
            sorted(tuple(row) for row in conn.execute(select(*(table.c[name] for name in columns))))
            for table, columns in (
                (case_versions, ("case_id", "version", "entry_id")),
                (access_requests, ("request_id", "version", "status", "stage")),
                (request_decisions, ("request_id", "approver_person", "request_version")),
                (grants, ("grant_id", "request_id", "uses")),
            )
        ]


class AnswerLostError(Exception):
    """Stands for whatever keeps an answer from arriving once it is durable."""


@contextmanager
def lost_after_commit(world: World, kind: str) -> Iterator[None]:
    """The act that leaves an entry of this kind is committed, and its caller never hears of it: but by its key, or not at all."""
    before = len(world.entries(kind))

    def cut(step: str) -> None:
        if step == "uow.committed" and len(world.entries(kind)) > before:
            steps.install_hook(None)
            raise AnswerLostError

    steps.install_hook(cut)
    try:
        with suppress(StorageUnavailable):
            yield
    finally:
        steps.install_hook(None)
    assert len(world.entries(kind)) == before + 1


@pytest.mark.parametrize("name", ACTS)
def test_an_act_whose_answer_was_lost_is_answered_again_and_done_once(world: World, name: str) -> None:
    act = act_named(world, name)
    done = len(world.entries(act.kind))
    with lost_after_commit(world, act.kind):
        act.do("k-1")
    after = state(world)
    first, second = act.do("k-1"), act.do("k-1")
    assert told(first) == told(second)
    assert state(world) == after
    assert len(world.entries(act.kind)) == done + 1
    assert len({entry.object["id"] for entry in world.entries(act.repeated)}) == 1


@pytest.mark.parametrize("name", ACTS)
def test_the_answer_to_a_repetition_is_the_answer_that_was_given(world: World, name: str) -> None:
    act = act_named(world, name)
    first = act.do("k-1")
    assert told(act.do("k-1")) == told(first)
    assert isinstance(first, Receipt) is (act.repeated == "deposit.repeated")


@pytest.mark.parametrize("name", ACTS)
def test_other_content_under_a_used_key_is_refused_on_record_and_changes_nothing(world: World, name: str) -> None:
    act = act_named(world, name)
    act.do("k-1")
    after = state(world)
    with pytest.raises(KeyReused):
        act.other("k-1")
    assert state(world) == after
    assert world.entries("access.refused")[-1].reason == "idempotency-key-reused"


@pytest.mark.parametrize("name", ACTS)
def test_the_key_of_another_account_is_another_key(world: World, name: str) -> None:
    act = act_named(world, name)
    act.do("k-1")
    with pytest.raises(ArchiveError) as caught:
        act.stranger("k-1")
    assert not isinstance(caught.value, KeyReused)
    assert world.entries(*REPEATS) == []


@pytest.mark.parametrize("name", ACTS)
def test_without_a_key_an_act_done_already_is_refused_as_ever(world: World, name: str) -> None:
    act = act_named(world, name)
    act.do(None)
    after = state(world)
    if name == "file":
        assert act.do(None) != act.do(None)
        return
    with pytest.raises(ArchiveError):
        act.do(None)
    assert state(world) == after
    with world.desk.db.read() as conn:
        assert conn.execute(select(idempotency)).all() == []


@pytest.mark.parametrize("name", ACTS)
def test_what_is_kept_for_a_repetition_holds_nothing_that_was_sent(world: World, name: str) -> None:
    act = act_named(world, name)
    act.do("KANARI-10000001234")
    with world.desk.db.read() as conn:
        (row,) = conn.execute(select(idempotency)).all()
    assert set(row._mapping) == {"fonds", "account_id", "key", "fingerprint", "resource_id", "created_ms"}
    assert row.resource_id in {entry.id for entry in world.entries()}
    assert len(bytes(row.fingerprint)) == 32
    assert not any(text in repr(tuple(row)) for text in ("KANARI", "10000001234", "金丝雀", "更正", "satisfied"))


def test_a_key_is_known_again_under_a_new_digest_key_and_tells_no_two_accounts_alike(world: World) -> None:
    act = act_named(world, "return")
    first = act.do("k-1")
    deposit(world.desk, world.system, world.record(case_no="XF-3"), idempotency_key="k-1")
    world.desk.keys.new_generation(FONDS, "digest", world.clock.now())
    assert act.do("k-1") == first
    with pytest.raises(KeyReused):
        act.other("k-1")
    with world.desk.db.read() as conn:
        assert len(set(conn.execute(select(idempotency.c.key)).scalars())) == 2


@pytest.mark.parametrize("name", ["supplement", "file", "approve", "last approval", "return"])
def test_many_attempts_at_once_under_one_key_do_it_once_and_are_all_answered_alike(world: World, name: str) -> None:
    act = act_named(world, name)
    done = len(world.entries(act.kind))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: act.do("k-1"), range(8)))
    assert len({repr(told(answer)) for answer in answers}) == 1
    assert len(world.entries(act.kind)) == done + 1


@pytest.mark.parametrize("attempt", range(3))
def test_attempts_that_reach_two_processes_at_once_do_it_once_and_are_answered_alike(world: World, attempt: int) -> None:
    case_id = deposit(world.desk, world.system, world.record()).case_id
    # Two processes on one database have a lane each: nothing but the database orders what they do.
    second = UnitOfWork(world.desk.db, Sequencer())
    desks = [world.desk, replace(world.desk, uow=second)] * 3
    asked = form(world, case_id)
    try:
        with ThreadPoolExecutor(6) as pool:
            filed = set(pool.map(lambda desk: file(desk, world.caller("S-1"), asked, idempotency_key=f"f-{attempt}"), desks))
            (one,) = filed

            def approve(desk: Desk) -> Any:
                leader = world.caller("S-2")
                return decide_request(
                    desk, leader, one.request_id, verdict="approve", reason="", if_match=1, idempotency_key=f"a-{attempt}"
                )

            assert len(set(pool.map(approve, desks))) == 1
    finally:
        second.close()
    assert len(world.entries("request.filed")) == len(world.entries("request.approved")) == 1


@pytest.mark.parametrize("name", ACTS)
def test_a_key_is_kept_for_a_week_and_then_forgotten(world: World, name: str) -> None:
    act = act_named(world, name)
    first = act.do("k-1")
    world.clock.advance(KEPT.total_seconds() - 1)
    assert told(act.do("k-1")) == told(first)
    world.clock.advance(1)
    repeats = len(world.entries(*REPEATS))
    if name == "file":
        with pytest.raises((InvalidInput, Refused)):
            act.do("k-1")  # the form's time is over: judged anew
    else:
        with pytest.raises(ArchiveError):
            act.do("k-1")
    assert len(world.entries(*REPEATS)) == repeats
    later = deposit(world.desk, world.system, world.record(case_no="XF-LATER"), idempotency_key="k-2")
    with world.desk.db.read() as conn:
        assert conn.execute(select(idempotency.c.resource_id)).scalars().all() == [later.entry_id]


def test_a_refused_attempt_leaves_its_key_free(world: World) -> None:
    case_id = deposit(world.desk, world.system, world.record()).case_id
    request_id = file(world.desk, world.caller("S-1"), form(world, case_id)).request_id

    def approve(version: int) -> Any:
        leader = world.caller("S-2")
        return decide_request(world.desk, leader, request_id, verdict="approve", reason="", if_match=version, idempotency_key="k-1")

    with pytest.raises(VersionChanged):
        approve(7)
    assert approve(1).version == 2
    with pytest.raises(VersionMoved):
        supplement(world.desk, world.system, case_id, base_version=9, part={"feedback": [RATING]}, reason="x", idempotency_key="k-2")
    made = supplement(world.desk, world.system, case_id, base_version=1, part={"feedback": [RATING]}, reason="x", idempotency_key="k-2")
    assert made.version == 2


def test_one_key_cannot_serve_two_different_acts(world: World) -> None:
    case_id = deposit(world.desk, world.system, world.record(), idempotency_key="k-1").case_id
    with pytest.raises(KeyReused):
        supplement(world.desk, world.system, case_id, base_version=1, part={"feedback": [RATING]}, reason="x", idempotency_key="k-1")
    with pytest.raises(KeyReused):
        correct(world.desk, world.system, case_id, base_version=1, record=world.record(), reason="x", idempotency_key="k-1")
    supplement(world.desk, world.system, case_id, base_version=1, part={"feedback": [RATING]}, reason="x", idempotency_key="k-2")
    with pytest.raises(KeyReused):
        deposit(world.desk, world.system, world.record(), idempotency_key="k-2")
    assert [entry.reason for entry in world.entries("deposit.refused")] == ["idempotency-key-reused"]


def test_a_key_belongs_to_one_act_in_one_role_even_where_the_same_is_asked(world: World) -> None:
    me, asked = world.caller("S-1"), {"grant": "g", "reason": ""}
    first = Once.of(world.desk, me, "k-1", "grant.return", asked)
    world.desk.uow.bookkeep(FONDS, lambda unit: first.keep(unit, "the entry"))
    in_another_role = Caller(replace(me.principal, role="leader"), me.request_id)
    with world.desk.db.read() as conn:
        assert Once.of(world.desk, me, "k-1", "grant.return", dict(asked)).entry_id(conn) == "the entry"
        for other in (
            Once.of(world.desk, me, "k-1", "grant.revoke", asked),
            Once.of(world.desk, in_another_role, "k-1", "grant.return", asked),
        ):
            with pytest.raises(KeyReused):
                other.entry_id(conn)


def test_the_first_of_two_approvals_is_answered_as_it_stood_even_when_the_last_has_been_given(world: World) -> None:
    case_id = deposit(world.desk, world.system, world.record()).case_id
    request_id = file(world.desk, world.caller("S-1"), form(world, case_id)).request_id

    def approve(staff_no: str, version: int) -> Any:
        who = world.caller(staff_no)
        return decide_request(world.desk, who, request_id, verdict="approve", reason="", if_match=version, idempotency_key="k")

    first = approve("S-2", 1)
    last = approve("S-3", first.version)
    assert (first.status, first.stage, first.grant_id) == ("pending", 1, None)
    assert (approve("S-2", 1), approve("S-3", first.version)) == (first, last)
    give_back(world.desk, world.caller("S-1"), str(last.grant_id))
    assert approve("S-3", first.version) == last
    assert len(world.entries("grant.made")) == 1


def test_an_approval_is_answered_as_it_stood_when_the_request_was_then_withdrawn_or_refused(world: World) -> None:
    case_id = deposit(world.desk, world.system, world.record()).case_id
    leader = world.caller("S-2")
    for end in ("withdraw", "refuse"):
        request_id = file(world.desk, world.caller("S-1"), form(world, case_id)).request_id

        def approve(request_id: str = request_id) -> Any:
            key = f"k-{request_id}"
            return decide_request(world.desk, leader, request_id, verdict="approve", reason="", if_match=1, idempotency_key=key)

        first = approve()
        if end == "withdraw":
            withdraw(world.desk, world.caller("S-1"), request_id, 2)
        else:
            decide_request(world.desk, world.caller("S-3"), request_id, verdict="refuse", reason="事由不足", if_match=2)
        assert approve() == first


def test_an_opening_asked_for_again_is_judged_again_and_costs_no_use_inside_its_session(world: World) -> None:
    case_id = deposit(world.desk, world.system, world.record()).case_id
    grant_id = granted(world, case_id)
    me = world.caller("S-1")
    with lost_after_commit(world, "access.outcome"):
        open_case(world.desk, me, grant_id, case_id)
    again = open_case(world.desk, me, grant_id, case_id)
    assert again.uses_left == 1
    assert [entry.data["counted"] for entry in world.entries("access.intent")] == [True, False]
    assert grants_of(world.desk, me)[0].grant.uses == 1
    revoke(world.desk, world.caller("S-2"), grant_id, "不再需要")
    for attempt in (lambda: open_case(world.desk, me, grant_id, case_id), lambda: read_opening(world.desk, me, again.opening_id)):
        with pytest.raises((Refused, NotFound)):
            attempt()
    with world.desk.db.read() as conn:
        assert conn.execute(select(idempotency).where(idempotency.c.fonds == FONDS)).all() == []


def test_a_content_no_canonical_form_could_write_is_refused_like_any_fault(world: World) -> None:
    case_id = deposit(world.desk, world.system, world.record()).case_id
    for strange in (2**70, "\ud800", 1e300):
        record = world.record(petitioner_count=strange)
        with pytest.raises(InvalidInput):
            correct(world.desk, world.system, case_id, base_version=1, record=record, reason="x", idempotency_key="k-1")
