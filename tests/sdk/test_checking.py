from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petition_archive_client.answers import Receipt
from petition_archive_client.checking import check_receipt
from petition_archive_client.errors import ReceiptRefused
from petition_archive_client.notes import InclusionProof, LogKey, open_checkpoint, require_inclusion
from scripted_archive import ScriptedArchive
from signed_log import SigningKey, leaf, mth
from tlog.errors import TlogError
from tlog.merkle import inclusion_path
from tlog.note import VerifierKey
from tlog.proof import LogProof

SIGNER = SigningKey.from_seed("archive.example/F001", 3)
OTHER = SigningKey.from_seed("archive.example/F001", 4)
NEIGHBOUR = SigningKey.from_seed("archive.example/F002", 3)


def _log(size: int) -> tuple[ScriptedArchive, list[Receipt]]:
    archive = ScriptedArchive(signer=SIGNER)
    receipts = [Receipt.parse(archive.receipt({"source_system": "county", "case_no": f"XF-{n}"})) for n in range(size)]
    return archive, receipts


ARCHIVE, RECEIPTS = _log(21)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 9, 16, 17])
def test_every_receipt_of_a_log_of_any_size_is_proved(size: int) -> None:
    archive, receipts = _log(size)
    for index, receipt in enumerate(receipts):
        proven = check_receipt(receipt, archive.proof(index), SIGNER.vkey())
        assert (proven.origin, proven.index, proven.log_size) == (SIGNER.name, index, size)
        assert proven.root == mth([leaf(entry) for entry in archive.entries]).hex()


def test_the_entry_may_come_from_the_caller_instead_of_the_proof() -> None:
    bare = ARCHIVE.proof(5).replace(_extra(ARCHIVE.entries[5]), b"")
    check_receipt(RECEIPTS[5], bare, SIGNER.vkey(), ARCHIVE.entries[5])
    with pytest.raises(ReceiptRefused, match="entry-missing"):
        check_receipt(RECEIPTS[5], bare, SIGNER.vkey())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"digest": "0" * 64}, "entry-disagrees-digest"),
        ({"case_id": "01890000-0000-7000-8000-0000000000c1"}, "entry-disagrees-case"),
        ({"entry_id": "01890000-0000-7000-8000-0000000000c1"}, "entry-disagrees-id"),
        ({"version": 2}, "entry-disagrees-version"),
        ({"fonds": "F002"}, "entry-disagrees-fonds"),
        ({"log_index": 6}, "proof-of-another-index"),
        ({"log_origin": "archive.example/F002"}, "receipt-of-another-log"),
    ],
)
def test_a_receipt_that_says_anything_else_than_the_log_is_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(ReceiptRefused) as caught:
        check_receipt(replace(RECEIPTS[5], **change), ARCHIVE.proof(5), SIGNER.vkey())
    assert caught.value.reason == reason


def test_the_proof_of_another_index_proves_nothing() -> None:
    for other in (0, 4, 6, 20):
        with pytest.raises(ReceiptRefused, match="proof-of-another-index"):
            check_receipt(RECEIPTS[5], ARCHIVE.proof(other), SIGNER.vkey())
        # Relabelled, so that the index is right and the path is not.
        forged = ARCHIVE.proof(other, extra=ARCHIVE.entries[5]).replace(b"index %d\n" % other, b"index 5\n")
        with pytest.raises(ReceiptRefused, match="not-included"):
            check_receipt(RECEIPTS[5], forged, SIGNER.vkey())


def test_an_entry_made_up_to_fit_the_receipt_is_not_in_the_log() -> None:
    receipt = replace(RECEIPTS[5], digest="f" * 64)
    entry = json.loads(ARCHIVE.entries[5])
    entry["data"]["digest"] = "f" * 64
    made_up = json.dumps(entry, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(ReceiptRefused, match="not-included"):
        check_receipt(receipt, ARCHIVE.proof(5, extra=made_up), SIGNER.vkey())
    with pytest.raises(ReceiptRefused, match="not-included"):
        check_receipt(receipt, ARCHIVE.proof(5), SIGNER.vkey(), made_up)


def test_a_checkpoint_signed_by_another_key_is_not_the_logs() -> None:
    with pytest.raises(ReceiptRefused, match="signed-by-another-key"):
        check_receipt(RECEIPTS[5], ARCHIVE.proof(5, signer=OTHER), SIGNER.vkey())
    with pytest.raises(ReceiptRefused, match="signed-by-another-key"):
        check_receipt(RECEIPTS[5], ARCHIVE.proof(5), OTHER.vkey())
    with pytest.raises(ReceiptRefused):
        check_receipt(RECEIPTS[5], ARCHIVE.proof(5, signer=NEIGHBOUR), NEIGHBOUR.vkey())


def test_another_keys_signature_under_the_known_keys_name_and_id_is_refused() -> None:
    proof = ARCHIVE.proof(5)
    head, _, _ = proof.rpartition("— ".encode())
    text = proof.partition(b"\n\n")[2].rpartition(b"\n\n")[0] + b"\n"
    forged = b64encode(SIGNER.key_id() + OTHER.private.sign(text))
    with pytest.raises(ReceiptRefused, match="signature-invalid"):
        check_receipt(RECEIPTS[5], head + f"— {SIGNER.name} ".encode() + forged + b"\n", SIGNER.vkey())


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "case.viewed"},
        {"v": 2},
        {"v": True},
        {"object": {"kind": "case", "id": RECEIPTS[0].case_id, "version": True}},
        {"object": None},
        {"data": []},
    ],
)
def test_an_entry_of_another_kind_or_form_is_no_deposit_though_it_is_in_the_log(change: dict[str, Any]) -> None:
    archive, receipts = _log(3)
    entry = json.loads(archive.entries[1]) | change
    archive.entries[1] = json.dumps(entry, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(ReceiptRefused, match=r"entry-"):
        check_receipt(receipts[1], archive.proof(1), SIGNER.vkey())


def test_an_entry_that_can_be_read_in_two_ways_is_refused() -> None:
    archive, receipts = _log(3)
    archive.entries[1] = archive.entries[1].replace(b'{"data":', b'{"data":{},"data":')
    with pytest.raises(ReceiptRefused, match="entry-malformed"):
        check_receipt(receipts[1], archive.proof(1), SIGNER.vkey())


@pytest.mark.parametrize("vkey", ["", "x", SIGNER.vkey(4), SIGNER.vkey()[:-4], SIGNER.vkey().replace("F001", "F002"), "a+b+c"])
def test_an_unusable_log_key_is_the_callers_mistake(vkey: str) -> None:
    with pytest.raises(ValueError):
        check_receipt(RECEIPTS[0], ARCHIVE.proof(0), vkey)


def test_a_log_key_of_another_name_says_that_its_id_does_not_belong() -> None:
    with pytest.raises(ValueError, match="公钥标识与名称不符"):
        LogKey.parse("archive.example/F001+4455331e+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs")
    LogKey.parse("archive.example/F001+f11bc2fc+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs")


def test_the_vectors_of_the_format_document_are_read_alike() -> None:
    foo = LogKey.parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
    assert foo.id.hex() == "530d903a"
    log = LogKey.parse("archive.example/fonds-1+4455331e+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs")
    proof = InclusionProof.parse(_DOCUMENT.encode())
    checkpoint = open_checkpoint(proof.checkpoint, log)
    require_inclusion(b"three", proof.index, proof.path, checkpoint)
    assert checkpoint.size == 3


# ------------------------------------------------------------------------------------------------ against the room tlog


def _both(data: bytes, entry: bytes, vkey: str) -> tuple[bool, bool]:
    """Whether this checker takes a proof, and whether the archive's own does."""
    try:
        proof = InclusionProof.parse(data)
        require_inclusion(entry, proof.index, proof.path, open_checkpoint(proof.checkpoint, LogKey.parse(vkey)))
        ours = True
    except ReceiptRefused:
        ours = False
    try:
        LogProof.parse(data).verify(entry, VerifierKey.parse(vkey))
        theirs = True
    except TlogError:
        theirs = False
    return ours, theirs


@given(st.data())
def test_both_checkers_take_the_same_proofs_of_random_logs(data: st.DataObject) -> None:
    entries = data.draw(st.lists(st.binary(max_size=40), min_size=1, max_size=70))
    index = data.draw(st.integers(0, len(entries) - 1))
    leaves = [leaf(entry) for entry in entries]
    path = inclusion_path(index, len(leaves), lambda height, at: mth(leaves[at << height : (at + 1) << height]))
    proof = LogProof(index, tuple(path), SIGNER.checkpoint(leaves), data.draw(st.none() | st.binary(max_size=9))).format()
    assert _both(proof, entries[index], SIGNER.vkey()) == (True, True)
    other = data.draw(st.binary(max_size=40))
    ours, theirs = _both(proof, other, SIGNER.vkey())
    assert ours is theirs is (other == entries[index])


@given(st.data())
def test_both_checkers_judge_every_damaged_proof_alike(data: st.DataObject) -> None:
    good = ARCHIVE.proof(5)
    kind = data.draw(st.sampled_from(["byte", "cut", "insert", "drop-line", "double-line", "swap-lines"]))
    at = data.draw(st.integers(0, len(good) - 1))
    lines = good.split(b"\n")
    number = data.draw(st.integers(0, len(lines) - 1))
    if kind == "byte":
        damaged = good[:at] + bytes([good[at] ^ data.draw(st.integers(1, 255))]) + good[at + 1 :]
    elif kind == "cut":
        damaged = good[:at]
    elif kind == "insert":
        damaged = good[:at] + data.draw(st.sampled_from([b"\n", b" ", b"\r", b"=", b"0", b"\x00", "—".encode(), b"\n\n"])) + good[at:]
    elif kind == "drop-line":
        damaged = b"\n".join(lines[:number] + lines[number + 1 :])
    elif kind == "double-line":
        damaged = b"\n".join([*lines[:number], lines[number], *lines[number:]])
    else:
        other = data.draw(st.integers(0, len(lines) - 1))
        lines[number], lines[other] = lines[other], lines[number]
        damaged = b"\n".join(lines)
    ours, theirs = _both(damaged, ARCHIVE.entries[5], SIGNER.vkey())
    assert ours is theirs


@given(st.text(alphabet="archive.example/F01+ \t—é", max_size=30), st.binary(max_size=34))
def test_both_checkers_read_the_same_keys(name: str, material: bytes) -> None:
    hex_id = hashlib.sha256(name.encode() + b"\n" + material).digest()[:4].hex()
    vkey = f"{name}+{hex_id}+{b64encode(material).decode()}"
    try:
        theirs = VerifierKey.parse(vkey).type_byte == 1
    except TlogError:
        theirs = False
    try:
        LogKey.parse(vkey)
        ours = True
    except ValueError:
        ours = False
    assert ours is theirs


def _extra(entry: bytes) -> bytes:
    return b"extra " + b64encode(entry) + b"\n"


_DOCUMENT = """\
c2sp.org/tlog-proof@v1
index 2
T1X2GdkhUjV3iyufF9b0kVsWFxIU0VI4EpNml2Teci4=

archive.example/fonds-1
3
Wqx3HImawpLnS/Gv4ubjAvi1WIOy0b8Ze0amvqbavKk=

— archive.example/fonds-1 RFUzHlmj64vBrbfKdpI1VY6X6eyyiaJpFTl0Ll3lSbhLbCGdN2zHKuKDlAXToZxkQqqZST1bJBLJkNOXeGDuHImSswE=
— witness.example/w1 JLXZ/gAAAABlU/EAcuX3xSaEH6sGVpXs3ILcgCD5wgpsXm+5cDfr0GAYTZuqMfMCBA2PZ989l1ThWzpv98py3OxiZ5ZMsNnommxlBw==
"""
