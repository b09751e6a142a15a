from __future__ import annotations

import copy
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from archive_doors import HASTY, Door
from auth.clients import register_client, revoke_client
from cutting_proxy import cutting_proxy
from deaf_network import deaf_network
from fresh_databases import FreshDatabases
from live_archive import live_archive, log_key, options_of
from petition_archive_client.assertion import ClientKey
from petition_archive_client.checking import check_receipt
from petition_archive_client.client import ArchiveClient
from petition_archive_client.connection import Retries, Timeouts
from petition_archive_client.errors import ArchiveProblem, OutcomeUnknown, ReceiptRefused
from small_archive import FONDS, OTHER_FONDS, SmallArchive
from tlog.note import VerifierKey
from tlog.proof import LogProof


@pytest.fixture(scope="module")
def live(fresh_databases: FreshDatabases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallArchive]:
    with fresh_databases.fresh("sqlite") as urls, live_archive(urls, tmp_path_factory.mktemp("live")) as archive:
        yield archive


@pytest.fixture
def case_system(live: SmallArchive, open_door: Any) -> Door:
    door: Door = open_door(live.url, **options_of(live), timeouts=Timeouts(2.0, 20.0, 30.0))
    return door


def test_a_deposited_case_is_receipted_and_proved_by_the_log(live: SmallArchive, case_system: Door) -> None:
    record = live.record()
    receipt = case_system.deposit(record)
    assert (receipt.status, receipt.version, receipt.fonds, receipt.case_no) == ("created", 1, FONDS, record["case_no"])
    proven = case_system.do("prove", receipt, log_key(live))
    assert (proven.index, proven.origin) == (receipt.log_index, log_key(live).partition("+")[0])
    entry = live.entries("case.deposited")[-1]
    assert (entry.id, entry.object["id"], entry.data["digest"]) == (receipt.entry_id, receipt.case_id, receipt.digest)


def test_the_archives_own_verifier_takes_the_proof_the_client_took(live: SmallArchive, case_system: Door) -> None:
    receipt = case_system.deposit(live.record())
    proof = LogProof.parse(case_system.do("proof", receipt.entry_id))
    assert proof.extra is not None
    assert proof.verify(proof.extra, VerifierKey.parse(log_key(live))).size > receipt.log_index


def test_a_client_that_deposits_the_same_content_again_gets_the_same_receipt(live: SmallArchive, case_system: Door) -> None:
    record = live.record()
    first, again = case_system.deposit(record), case_system.deposit(copy.deepcopy(record))
    assert again == replace(first, status="same")
    assert case_system.do("receipt", first.entry_id) == again


def test_a_case_number_with_other_content_is_a_conflict_that_says_what_fits(live: SmallArchive, case_system: Door) -> None:
    record = live.record()
    case_system.deposit(record)
    with pytest.raises(ArchiveProblem) as caught:
        case_system.deposit(record | {"title": "另一个标题"})
    assert (caught.value.status, caught.value.code) == (409, "already-deposited")
    assert "补充" in caught.value.zh
    assert "更正" in caught.value.zh


def test_an_idempotency_key_used_for_another_case_is_refused(live: SmallArchive, case_system: Door) -> None:
    key = f"key-{time.monotonic_ns()}"
    case_system.deposit(live.record(), idempotency_key=key)
    with pytest.raises(ArchiveProblem) as caught:
        case_system.deposit(live.record(), idempotency_key=key)
    assert caught.value.code == "idempotency-key-reused"


def test_a_faulty_case_gets_every_fault_and_none_of_its_values_back(live: SmallArchive, case_system: Door) -> None:
    record = live.record(closed_at="2099-01-01T00:00:00+08:00", nickname="老张头")
    record["petitioners"][0]["petitioner_kind"] = "小老百姓"
    with pytest.raises(ArchiveProblem) as caught:
        case_system.deposit(record)
    paths = {fault.path for fault in caught.value.faults}
    assert caught.value.status == 422
    assert {"closed_at", f"#{len(record)}", "petitioners[0].petitioner_kind"} <= paths
    told = caught.value.explain() + repr(caught.value)
    assert [value for value in ("2099-01-01", "nickname", "老张头", "小老百姓") if value in told] == []
    assert all(path in repr(caught.value) for path in paths)


def test_supplement_and_correction_make_versions_with_receipts_of_their_own(live: SmallArchive, case_system: Door) -> None:
    record = live.record()
    first = case_system.deposit(record)
    rating = {"target": "petition_office", "satisfaction": "satisfied", "rated_at": "2024-03-01T09:00:00+08:00"}
    second = case_system.do(
        "supplement", first.case_id, base_version=1, supplement={"feedback": [rating]}, reason="群众后来对信访部门作了评价"
    )
    corrected = record | {"title": "反映张三宅基地被占问题", "feedback": [*record["feedback"], rating]}
    third = case_system.do("correct", first.case_id, base_version=2, case=corrected, reason="标题录入有误")
    assert [first.version, second.version, third.version] == [1, 2, 3]
    for receipt in (first, second, third):
        assert case_system.do("prove", receipt, log_key(live)).receipt == receipt
    with pytest.raises(ArchiveProblem) as caught:
        case_system.do("correct", first.case_id, base_version=2, case=corrected, reason="标题录入有误")
    assert caught.value.code == "case-version-changed"


def test_a_later_version_whose_answer_was_lost_on_the_way_is_made_once_and_receipted(live: SmallArchive, open_door: Any) -> None:
    record = live.record()
    rating = {"target": "petition_office", "satisfaction": "satisfied", "rated_at": "2024-03-01T09:00:00+08:00"}
    corrected = record | {"title": "反映张三宅基地被占问题", "feedback": [*record["feedback"], rating]}
    with deaf_network(live.url, b"/supplements", b"/corrections", left=0) as network:
        door = open_door(network.url, **options_of(live), timeouts=Timeouts(2.0, 20.0, 30.0))
        first = door.deposit(record)
        network.left = 2
        second = door.do("supplement", first.case_id, base_version=1, supplement={"feedback": [rating]}, reason="群众评价")
        network.left = 2
        third = door.do("correct", first.case_id, base_version=2, case=corrected, reason="标题录入有误")
        assert network.lost == 4
        assert [(one.version, one.status) for one in (second, third)] == [(2, "same"), (3, "same")]
        for receipt in (second, third):
            assert door.do("prove", receipt, log_key(live)).receipt == receipt
    made = [entry for entry in live.entries("case.supplemented", "case.corrected") if entry.object["id"] == first.case_id]
    assert [(entry.object["version"], entry.id) for entry in made] == [(2, second.entry_id), (3, third.entry_id)]


def test_the_key_of_an_unknown_outcome_tells_later_what_became_of_it(live: SmallArchive, open_door: Any) -> None:
    rating = {"target": "petition_office", "satisfaction": "satisfied", "rated_at": "2024-03-01T09:00:00+08:00"}
    later = {"base_version": 1, "supplement": {"feedback": [rating]}, "reason": "群众评价"}
    with deaf_network(live.url, b"/supplements", left=HASTY.attempts) as network:
        door = open_door(network.url, **options_of(live))
        first = door.deposit(live.record())
        with pytest.raises(OutcomeUnknown) as caught:
            door.do("supplement", first.case_id, **later)
        settled = door.do("supplement", first.case_id, **later, idempotency_key=caught.value.idempotency_key)
    assert (settled.version, settled.status) == (2, "same")
    with pytest.raises(ArchiveProblem) as refused:
        door.do("supplement", first.case_id, **later | {"reason": "另一理由"}, idempotency_key=caught.value.idempotency_key)
    assert refused.value.code == "idempotency-key-reused"


def test_every_line_of_a_long_stream_is_answered_and_archived_once(live: SmallArchive, case_system: Door) -> None:
    before = len(live.entries("case.deposited"))
    records = [live.record() for _ in range(450)]
    records[7] = records[7] | {"closure_type": "no-such-type"}
    records[300] = copy.deepcopy(records[299])
    answers = case_system.deposit_many(records)
    assert [answer.line for answer in answers] == list(range(1, 451))
    assert [answer.line for answer in answers if not answer.accepted] == [8]
    assert isinstance(answers[7].problem, ArchiveProblem)
    assert [fault.path for fault in answers[7].problem.faults] == ["closure_type"]
    assert {answer.status for answer in answers} == {200, 201, 422}
    assert len(live.entries("case.deposited")) == before + 448
    last = answers[-1].receipt
    assert last is not None
    assert case_system.do("prove", last, log_key(live)).index == last.log_index


@pytest.mark.parametrize("seed", range(3))
def test_over_a_network_that_cuts_everything_is_acknowledged_and_archived_once(live: SmallArchive, open_door: Any, seed: int) -> None:
    before = len(live.entries("case.deposited"))
    records = [live.record() for _ in range(120)]
    with cutting_proxy(live.url, seed, 60_000) as network:
        patient = Retries(attempts=30, first=0.001, longest=0.02)
        door = open_door(network.url, **options_of(live), retries=patient, timeouts=Timeouts(2.0, 20.0, 30.0))
        answers = door.deposit_many(records)
        for record in records[:10]:
            assert door.deposit(record).status == "same"
    assert network.cuts > 3
    assert sorted(answer.line for answer in answers) == list(range(1, 121))
    receipts = {answer.line: answer.receipt for answer in answers}
    assert {receipt.case_no for receipt in receipts.values() if receipt} == {record["case_no"] for record in records}
    deposited = live.entries("case.deposited")[before:]
    assert sorted(entry.object["id"] for entry in deposited) == sorted(receipt.case_id for receipt in receipts.values() if receipt)


def test_an_assertion_for_another_archive_gets_no_token(live: SmallArchive, open_door: Any) -> None:
    for audience in ("https://elsewhere.example/v1/token", f"{live.url}/v1/token", "https://archive.example/v1/token/"):
        with pytest.raises(ArchiveProblem) as caught:
            open_door(live.url, **(options_of(live) | {"audience": audience})).deposit(live.record())
        assert (caught.value.status, caught.value.code) == (401, "client-refused")


def test_a_key_that_is_not_registered_gets_no_token(live: SmallArchive, open_door: Any) -> None:
    with pytest.raises(ArchiveProblem) as caught:
        open_door(live.url, **(options_of(live) | {"key": ClientKey.generate()})).deposit(live.record())
    assert caught.value.code == "client-refused"


def test_another_source_system_or_fonds_sees_no_receipt_of_this_one(live: SmallArchive, case_system: Door, open_door: Any) -> None:
    receipt = case_system.deposit(live.record())
    for system in ("hotline", "other-system"):
        stranger = open_door(live.url, **options_of(live, system))
        for act in ("receipt", "proof"):
            with pytest.raises(ArchiveProblem) as caught:
                stranger.do(act, receipt.entry_id)
            assert caught.value.status == 404


def test_a_case_of_another_source_system_cannot_be_deposited(live: SmallArchive, open_door: Any) -> None:
    with pytest.raises(ArchiveProblem) as caught:
        open_door(live.url, **options_of(live, "hotline")).deposit(live.record())
    assert [fault.rule for fault in caught.value.faults] == ["source-of-another"]


def test_the_log_key_of_another_fonds_proves_nothing_here(live: SmallArchive, case_system: Door) -> None:
    receipt = case_system.deposit(live.record())
    proof = case_system.do("proof", receipt.entry_id)
    with pytest.raises(ReceiptRefused):
        check_receipt(receipt, proof, log_key(live, OTHER_FONDS))


def test_the_proof_of_one_case_is_none_of_another(live: SmallArchive, case_system: Door) -> None:
    one, other = case_system.deposit(live.record()), case_system.deposit(live.record())
    proof = case_system.do("proof", other.entry_id)
    with pytest.raises(ReceiptRefused):
        check_receipt(one, proof, log_key(live))
    with pytest.raises(ReceiptRefused):
        check_receipt(replace(one, log_index=other.log_index), proof, log_key(live))


def test_a_revoked_client_is_out_at_once(live: SmallArchive) -> None:
    key = ClientKey.generate()

    def enter(unit: Any) -> Any:
        made = register_client(unit, source_system="short-lived", title="示例短期系统", public_jwk=key.public_jwk(), at=live.clock.now())
        unit.add(_event(live, made.name))
        return made

    def end(unit: Any) -> None:
        revoke_client(unit, registered.client_id, at=live.clock.now())
        unit.add(_event(live, registered.name))

    registered = live.house.desk.uow.run(FONDS, enter)
    options = options_of(live) | {"client": registered.name, "key": key, "retries": HASTY}
    with ArchiveClient(live.url, **options) as client:
        assert client.deposit(live.record(source_system="short-lived")).status == "created"
        live.house.desk.uow.run(FONDS, end)
        with pytest.raises(ArchiveProblem) as caught:
            client.deposit(live.record(source_system="short-lived"))
        assert caught.value.status == 401
        with pytest.raises(ArchiveProblem):
            list(client.deposit_many([live.record(source_system="short-lived")]))


def test_threads_that_share_a_client_share_one_token(live: SmallArchive) -> None:
    before = len(live.entries("client.token-issued"))
    records = [live.record() for _ in range(24)]
    receipts: list[Any] = []
    with ArchiveClient(live.url, **options_of(live)) as client:
        threads = [threading.Thread(target=lambda record=record: receipts.append(client.deposit(record))) for record in records]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {receipt.case_no for receipt in receipts} == {record["case_no"] for record in records}
    assert len(live.entries("client.token-issued")) == before + 1


def _event(live: SmallArchive, name: str) -> Any:
    from audit.events import Actor, Event

    return Event("client.registered", Actor(), live.clock.now(), object={"kind": "client", "id": name})
