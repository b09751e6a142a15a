from __future__ import annotations

import copy
from typing import Any

import pytest

from archive_doors import Door
from petition_archive_client.answers import Receipt
from petition_archive_client.checking import check_receipt
from petition_archive_client.errors import AnswerRefused, ReceiptRefused
from scripted_archive import Answering, ScriptedArchive
from signed_log import SigningKey

CASE = {"source_system": "county-petition", "case_no": "XF-1", "title": "路灯不亮"}
OTHER_CASE = {"source_system": "county-petition", "case_no": "XF-2", "title": "路灯不亮"}
CASE_ID = "01890000-0000-7000-8000-0000000000c1"


def _tampered(change: dict[str, Any], status: int = 201, kind: str = "application/json") -> Any:
    def play(answering: Answering) -> None:
        seen = answering.read()
        receipt = copy.deepcopy(answering.archive.receipt(seen.json()))
        for path, value in change.items():
            *groups, name = path.split(".")
            target = receipt
            for group in groups:
                target = target[group]
            target[name] = value
        answering.send(status, receipt, kind=kind)

    return play


def test_the_receipt_of_another_case_is_refused(archive: ScriptedArchive, door: Door) -> None:
    for change in ({"case_no": "XF-2"}, {"source_system": "hotline"}):
        archive.script = [_tampered(change)]
        with pytest.raises(AnswerRefused, match="receipt-of-another-case"):
            door.deposit(CASE)


def test_receipts_swapped_between_the_lines_of_a_batch_are_refused(archive: ScriptedArchive, door: Door) -> None:
    def swap(answering: Answering) -> None:
        first, second = (answering.archive.receipt(case) for case in answering.read().lines())
        answering.head(200, "application/x-ndjson", connection="close")
        answering.write({"line": 1, "status": 201, "receipt": second}, {"line": 2, "status": 201, "receipt": first}, {"done": True})
        answering.finish()

    archive.script = [swap]
    with pytest.raises(AnswerRefused, match="receipt-of-another-case"):
        door.deposit_many([CASE, OTHER_CASE])


@pytest.mark.parametrize(
    "lines",
    [
        [{"line": 3, "status": 201}],
        [{"line": 0, "status": 201}],
        [{"line": True, "status": 201}],
        [{"line": 1, "status": "201"}],
        [{"line": 1, "status": 302}],
        [{"line": 1, "status": 201}],
        [{"line": 1, "status": 422}],
        [["line", 1]],
        [{"done": True}, {"line": 1, "status": 422, "problem": {}}],
        [{"line": 1, "status": 422, "problem": {}}, {"line": 1, "status": 422, "problem": {}}],
    ],
)
def test_answers_to_lines_nobody_sent_or_in_no_form_are_refused(archive: ScriptedArchive, door: Door, lines: list[Any]) -> None:
    def play(answering: Answering) -> None:
        answering.read()
        answering.head(200, "application/x-ndjson", connection="close")
        answering.write(*lines)
        answering.finish()

    archive.script = [play]
    with pytest.raises(AnswerRefused):
        door.deposit_many([CASE, OTHER_CASE])


@pytest.mark.parametrize(
    "change",
    [
        {"case_id": "../../v1/me"},
        {"case_id": CASE_ID.upper()},
        {"version": 0},
        {"version": True},
        {"version": "1"},
        {"status": "perhaps"},
        {"fonds": ""},
        {"log": None},
        {"log.index": -1},
        {"log.index": 2**63},
        {"log.entry_id": "1"},
        {"digest.value": "x" * 301},
        {"digest": []},
        {"received_at": "now\u202e"},
    ],
)
def test_a_receipt_in_no_known_form_is_refused(archive: ScriptedArchive, door: Door, change: dict[str, Any]) -> None:
    archive.script = [_tampered(change)]
    with pytest.raises(AnswerRefused):
        door.deposit(CASE)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"<html>", b"\xff", b"[" * 100_000, b'{"case_id":NaN}', b"9" * 5000])
def test_an_answer_that_is_no_receipt_is_refused(archive: ScriptedArchive, door: Door, body: bytes) -> None:
    def play(answering: Answering) -> None:
        answering.read()
        answering.send(201, body)

    archive.script = [play]
    with pytest.raises(AnswerRefused):
        door.deposit(CASE)


def test_a_page_of_something_on_the_way_is_no_receipt(archive: ScriptedArchive, door: Door) -> None:
    archive.script = [_tampered({}, kind="text/html")]
    with pytest.raises(AnswerRefused, match="media-type"):
        door.deposit(CASE)


def test_a_supplement_of_another_case_or_version_is_refused(archive: ScriptedArchive, door: Door) -> None:
    for change in ({"case_id": CASE_ID, "version": 3}, {"version": 2}):

        def play(answering: Answering, change: dict[str, Any] = change) -> None:
            answering.read()
            answering.send(201, answering.archive.receipt(CASE) | change)

        archive.script = [play]
        with pytest.raises(AnswerRefused, match="receipt-of-another-case"):
            door.do("supplement", CASE_ID, base_version=1, supplement={"reviews": [{}]}, reason="补充")


def test_a_receipt_fetched_by_its_entry_is_that_entrys(archive: ScriptedArchive, door: Door) -> None:
    mine, other = door.deposit(CASE), door.deposit(OTHER_CASE)

    def play(answering: Answering) -> None:
        answering.read()
        answering.send(200, answering.archive.receipt(OTHER_CASE))

    archive.script = [play, play]
    with pytest.raises(AnswerRefused, match="receipt-of-another-entry"):
        door.do("receipt", mine.entry_id)
    assert door.do("receipt", other.entry_id).case_id == other.case_id


def test_what_the_archive_calls_the_proofs_address_is_never_gone_to(
    archive: ScriptedArchive, other_host: ScriptedArchive, door: Door
) -> None:
    archive.script = [_tampered({"proof_url": f"{other_host.url}/v1/receipts/x/proof"})]
    receipt = door.deposit(CASE)
    door.do("prove", receipt, archive.signer.vkey())
    assert other_host.seen == []


@pytest.mark.parametrize("entry_id", ["", "../clients", CASE_ID + "/../..", CASE_ID + "\n", "?x=1"])
def test_an_id_that_is_none_never_becomes_part_of_an_address(archive: ScriptedArchive, door: Door, entry_id: str) -> None:
    for act in ("receipt", "proof"):
        with pytest.raises(ValueError):
            door.do(act, entry_id)
    with pytest.raises(ValueError):
        door.do("correct", entry_id, base_version=1, case=CASE, reason="更正")
    assert archive.seen == []


def test_a_digest_the_log_does_not_hold_is_found_out(archive: ScriptedArchive, door: Door) -> None:
    archive.script = [_tampered({"digest.value": "e" * 64})]
    receipt = door.deposit(CASE)
    with pytest.raises(ReceiptRefused, match="entry-disagrees-digest"):
        door.do("prove", receipt, archive.signer.vkey())


def test_a_proof_under_a_key_the_client_does_not_hold_is_found_out(archive: ScriptedArchive, door: Door) -> None:
    held = archive.signer.vkey()
    receipt = door.deposit(CASE)
    archive.signer = SigningKey.from_seed(archive.signer.name, 99)
    with pytest.raises(ReceiptRefused, match="signed-by-another-key"):
        door.do("prove", receipt, held)


def test_the_proof_of_another_entry_is_found_out(archive: ScriptedArchive, door: Door) -> None:
    mine, other = door.deposit(CASE), door.deposit(OTHER_CASE)
    assert check_receipt(mine, archive.proof(0), archive.signer.vkey()).log_size == 2
    for receipt, index in ((mine, 1), (other, 0)):

        def play(answering: Answering, index: int = index) -> None:
            answering.read()
            answering.send(200, answering.archive.proof(index), kind="text/plain")

        archive.script = [play]
        with pytest.raises(ReceiptRefused):
            door.do("prove", receipt, archive.signer.vkey())


def test_a_receipt_kept_as_json_is_the_same_receipt(door: Door) -> None:
    receipt = door.deposit(CASE)
    assert Receipt.parse(receipt.members()) == receipt
