"""Deposit: acknowledged means stored once, sealed and on record; refused means nothing changed and nothing repeated."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import delete, func, select

from acts.errors import Refused
from archive.errors import AlreadyDeposited, KeyReused, VersionMoved
from archive.finding import find
from archive.intake import deposit, deposit_many
from archive.reading import view
from archive.receipts import Receipt
from archive.tables import case_tags, case_versions, case_walls, cases
from archive.versions import correct, supplement
from auth.people import register_person
from case_world import FONDS, PEOPLE, World
from foundation.errors import ArchiveError, Fault, InvalidInput, NotFound
from petition_records import accusation

CANARY = "金丝雀KANARI"


def count(world: World) -> int:
    with world.desk.db.read() as conn:
        return int(conn.execute(select(func.count()).select_from(cases)).scalar_one())


def test_the_same_content_again_answers_the_same_receipt(world: World) -> None:
    first = deposit(world.desk, world.system, world.record())
    again = deposit(world.desk, world.system, world.record())
    assert (first.status, again.status) == ("created", "same")
    assert (again.case_id, again.entry_id, again.log_index, again.digest) == (first.case_id, first.entry_id, first.log_index, first.digest)
    assert count(world) == 1
    assert [entry.kind for entry in world.entries("case.deposited", "deposit.repeated")] == ["case.deposited", "deposit.repeated"]


def test_other_content_of_the_same_number_is_a_conflict_that_says_what_fits(world: World) -> None:
    deposit(world.desk, world.system, world.record())
    with pytest.raises(AlreadyDeposited) as caught:
        deposit(world.desk, world.system, world.record(title="另一标题"))
    assert "补充归档" in caught.value.text_zh
    assert "supplement" in caught.value.text_en
    assert count(world) == 1
    assert [entry.reason for entry in world.entries("deposit.refused")] == ["already-deposited"]


def test_an_idempotency_key_answers_the_same_receipt_and_is_bound_to_its_content(world: World) -> None:
    first = deposit(world.desk, world.system, world.record(), idempotency_key="k-1")
    assert deposit(world.desk, world.system, world.record(), idempotency_key="k-1").entry_id == first.entry_id
    with pytest.raises(KeyReused):
        deposit(world.desk, world.system, world.record(case_no="XF-2"), idempotency_key="k-1")
    assert count(world) == 1


def test_two_deposits_of_the_same_case_at_once_make_one_case(world: World) -> None:
    with ThreadPoolExecutor(12) as pool:
        receipts = list(pool.map(lambda _: deposit(world.desk, world.system, world.record()), range(12)))
    assert len({receipt.case_id for receipt in receipts}) == 1
    assert [receipt.status for receipt in receipts].count("created") == 1
    assert count(world) == 1


def test_each_line_of_a_batch_gets_its_own_answer(world: World) -> None:
    spoilt = InvalidInput([Fault("$", "not-json", "x", "x")])
    lines: list[Any] = [
        world.record(case_no="A"),
        {"source_system": "county-petition"},
        world.record(case_no="B"),
        world.record(case_no="A"),
        world.record(case_no="A", title="不同"),
        spoilt,
        world.record(case_no="C", source_system="somebody-else"),
    ]
    answers = deposit_many(world.desk, world.system, lines)
    kinds = [answer.status if isinstance(answer, Receipt) else answer.code for answer in answers]
    assert kinds == ["created", "invalid-input", "created", "same", "already-deposited", "invalid-input", "invalid-input"]
    assert isinstance(answers[0], Receipt)
    assert isinstance(answers[3], Receipt)
    assert answers[0].case_id == answers[3].case_id
    assert count(world) == 2
    assert len(world.entries("deposit.refused")) == 4


def test_a_refusal_names_rules_and_paths_and_never_a_value(world: World) -> None:
    record = world.record(**{CANARY: CANARY, "petition_form": CANARY, "closed_at": CANARY, "ethnicity": CANARY})
    record["petitioners"][0]["id_number"] = CANARY
    with pytest.raises(InvalidInput) as caught:
        deposit(world.desk, world.system, record)
    said = json.dumps([[fault.path, fault.rule, fault.zh, fault.en] for fault in caught.value.faults], ensure_ascii=False)
    assert CANARY not in said
    assert len(caught.value.faults) >= 4
    logged = world.entries("deposit.refused")[0]
    assert CANARY.encode() not in logged.body
    assert count(world) == 0


def test_a_client_deposits_for_its_own_source_system_alone(world: World) -> None:
    with pytest.raises(InvalidInput) as caught:
        deposit(world.desk, world.system, world.record(source_system="somebody-else"))
    assert [fault.rule for fault in caught.value.faults] == ["source-of-another"]


@pytest.mark.parametrize("staff_no", ["S-1", "S-2", "S-3", "S-4", "S-9", "S-10"])
def test_no_person_deposits_as_if_they_were_a_case_system(world: World, staff_no: str) -> None:
    with pytest.raises(Refused):
        deposit(world.desk, world.caller(staff_no), world.record())
    refused = world.entries("access.refused")[-1]
    assert refused.data["action"] == "deposit.create"
    assert count(world) == 0


def test_an_anonymous_case_leaves_no_tag_to_search_by(world: World) -> None:
    record = world.record(is_anonymous=True, petitioners=[], petitioner_count=1)
    for name in ("title", "summary", "content", "grade_reason_nature"):
        record[name] = "匿名反映路灯不亮"
    deposit(world.desk, world.system, record)
    with world.desk.db.read() as conn:
        assert conn.execute(select(func.count()).select_from(case_tags)).scalar_one() == 0


def test_a_later_version_starts_from_the_current_one_or_not_at_all(world: World) -> None:
    receipt = deposit(world.desk, world.system, world.record())
    rating = {"feedback": [{"target": "petition_office", "satisfaction": "satisfied"}]}
    supplement(world.desk, world.system, receipt.case_id, base_version=1, part=rating, reason="评价")
    with pytest.raises(VersionMoved):
        supplement(world.desk, world.system, receipt.case_id, base_version=1, part=rating, reason="评价")
    with world.desk.db.read() as conn:
        acts = conn.execute(select(case_versions.c.act).where(case_versions.c.fonds == FONDS).order_by(case_versions.c.version)).scalars()
        assert list(acts) == ["deposit", "supplement"]


def test_two_supplements_of_one_version_at_once_make_one_new_version(world: World) -> None:
    receipt = deposit(world.desk, world.system, world.record())
    rating = {"feedback": [{"target": "petition_office", "satisfaction": "satisfied"}]}

    def once(_: int) -> bool:
        try:
            supplement(world.desk, world.system, receipt.case_id, base_version=1, part=rating, reason="评价")
        except VersionMoved:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(once, range(6))) == 1


def test_a_supplement_adds_later_items_and_touches_nothing_else(world: World) -> None:
    receipt = deposit(world.desk, world.system, world.record())
    parts: list[dict[str, Any]] = [{}, {"title": "新标题"}, {"petitioners": [{"name": "王五"}]}, {"feedback": []}, {"feedback": {}}]
    for part in parts:
        with pytest.raises(InvalidInput):
            supplement(world.desk, world.system, receipt.case_id, base_version=1, part=part, reason="补充")
    with pytest.raises(InvalidInput):
        supplement(world.desk, world.system, receipt.case_id, base_version=1, part={"feedback": [{}]}, reason=" ")


def seen_by(world: World, case_id: str) -> set[str]:
    """The staff numbers whose masked view shows the case."""
    seen = set()
    for staff_no in PEOPLE:
        with suppress(ArchiveError):
            view(world.desk, world.caller(staff_no), case_id)
            seen.add(staff_no)
    return seen


def test_a_correction_keeps_the_wall_and_the_protection_without_a_word(world: World) -> None:
    # A refusal would tell whoever holds a case system's key who is accused and what is under high protection.
    record = accusation()
    record["involved_parties"] = [{"party_role": "accused", "party_kind": "person", "party_name": "司马丁", "party_user_ids": ["S-4"]}]
    receipt = deposit(world.desk, world.system, record)
    before = seen_by(world, receipt.case_id)
    assert "S-4" not in before
    softened = record | {"statutory_class": "appeal_request", "petition_purpose": "request", "involved_parties": []}
    correct(world.desk, world.system, receipt.case_id, base_version=1, record=softened, reason="更正")
    assert seen_by(world, receipt.case_id) == before
    shown = view(world.desk, world.caller("S-8"), receipt.case_id).record
    assert not {"name", "id_number", "mobile"} & set(shown["petitioners"][0])


def test_a_case_system_cannot_resolve_an_accusation_by_naming_a_decoy(world: World) -> None:
    record = accusation()
    record["involved_parties"] = [{"party_role": "accused", "party_kind": "person", "party_name": "某科长"}]
    receipt = deposit(world.desk, world.system, record)
    before = seen_by(world, receipt.case_id)
    decoy = record | {"case_handler_staff_id": "S-5"}
    decoy["involved_parties"] = [{"party_role": "accused", "party_kind": "person", "party_name": "某科长", "party_user_ids": ["P-7"]}]
    correct(world.desk, world.system, receipt.case_id, base_version=1, record=decoy, reason="更正")
    assert seen_by(world, receipt.case_id) <= before


def test_an_accused_who_is_registered_later_does_not_block_the_case(world: World) -> None:
    record = accusation()
    record["involved_parties"] = [{"party_role": "accused", "party_kind": "person", "party_name": "某人", "party_user_ids": ["NEW-1"]}]
    receipt = deposit(world.desk, world.system, record)
    world.do(lambda unit: register_person(unit, staff_no="NEW-1", display_name="示例新人", at=world.clock.now()))
    rating = {"feedback": [{"target": "petition_office", "satisfaction": "satisfied"}]}
    assert supplement(world.desk, world.system, receipt.case_id, base_version=1, part=rating, reason="评价").version == 2


def test_a_supplement_opens_the_earlier_version_on_record_and_a_correction_opens_nothing(world: World) -> None:
    receipt = deposit(world.desk, world.system, world.record())
    with pytest.raises(InvalidInput):
        correct(world.desk, world.system, receipt.case_id, base_version=1, record={"title": "缺项"}, reason="更正")
    assert world.entries("case.reopened") == []
    bad = {"feedback": [{"target": "nobody", "satisfaction": "satisfied"}]}
    for _ in range(2):
        with pytest.raises(InvalidInput):
            supplement(world.desk, world.system, receipt.case_id, base_version=1, part=bad, reason="评价")
    assert len(world.entries("case.reopened")) == 2
    assert len(world.entries("deposit.refused")) == 3


def test_the_level_that_hides_texts_is_not_lowered_by_a_case_system(world: World) -> None:
    receipt = deposit(world.desk, world.system, world.record(sensitivity_level="work_secret"))
    with pytest.raises(InvalidInput) as caught:
        correct(world.desk, world.system, receipt.case_id, base_version=1, record=world.record(sensitivity_level="internal"), reason="更正")
    assert [fault.path for fault in caught.value.faults] == ["sensitivity_level"]


def test_rotating_keys_opens_no_wall_and_breaks_no_promise_of_the_same_answer(world: World) -> None:
    record = accusation()
    record["involved_parties"] = [{"party_role": "accused", "party_kind": "person", "party_name": "司马丁", "party_user_ids": ["S-4"]}]
    receipt = deposit(world.desk, world.system, record, idempotency_key="k-9")
    before = seen_by(world, receipt.case_id), find(world.desk, world.caller("S-4"), {}).total
    for info in world.desk.keys.keys(FONDS):
        if info.state == "current" and info.scope.startswith(("digest", "blind/", "detail")):
            world.desk.keys.new_generation(FONDS, info.scope, world.clock.now())
    assert (seen_by(world, receipt.case_id), find(world.desk, world.caller("S-4"), {}).total) == before
    assert deposit(world.desk, world.system, record, idempotency_key="k-9").entry_id == receipt.entry_id
    assert deposit(world.desk, world.system, record).status == "same"


def test_a_wall_whose_rows_are_gone_is_closed_for_lists_too(world: World) -> None:
    record = accusation()
    record["involved_parties"] = [{"party_role": "accused", "party_kind": "person", "party_name": "司马丁", "party_user_ids": ["S-4"]}]
    deposit(world.desk, world.system, record)
    world.desk.uow.bookkeep(FONDS, lambda unit: unit.conn.execute(delete(case_walls)))
    assert find(world.desk, world.caller("S-4"), {}).total == 0


def test_a_case_of_another_source_system_does_not_exist_for_a_client(world: World) -> None:
    receipt = deposit(world.desk, world.system, world.record())
    stranger = world.caller("S-1")
    rating = {"feedback": [{"target": "petition_office", "satisfaction": "satisfied"}]}
    with pytest.raises(Refused):
        supplement(world.desk, stranger, receipt.case_id, base_version=1, part=rating, reason="评价")
    with pytest.raises(NotFound):
        supplement(world.desk, world.system, receipt.entry_id, base_version=1, part=rating, reason="评价")


def test_a_name_in_a_readable_code_is_refused_at_deposit_and_at_correction_and_stored_nowhere(world: World) -> None:
    for slip in ({"case_no": "来信-张三-1"}, {"registering_unit_code": "张三户"}, {"cooperating_unit_codes": ["10000001234"]}):
        with pytest.raises(InvalidInput) as caught:
            deposit(world.desk, world.system, world.record(**slip))
        assert [fault.path.removesuffix("[0]") for fault in caught.value.faults] == list(slip)
    with world.desk.db.read() as conn:
        assert conn.execute(select(func.count()).select_from(cases)).scalar_one() == 0
    receipt = deposit(world.desk, world.system, world.record())
    with pytest.raises(InvalidInput) as caught:
        correct(
            world.desk,
            world.system,
            receipt.case_id,
            base_version=1,
            record=world.record(case_leader_staff_id="10000001234"),
            reason="更正",
        )
    assert [fault.path for fault in caught.value.faults] == ["case_leader_staff_id"]
