from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signed_log import SigningKey, directory_reader, leaf
from tlog.errors import InclusionFailed, Malformed, NoKnownSignature, OriginMismatch, RangeInvalid
from tlog.merkle import inclusion_path
from tlog.note import VerifierKey
from tlog.proof import LogProof
from tlog.tiles import tile_source

HASH = b64encode(b"h" * 32).decode()


@pytest.fixture(scope="module")
def receipt(small_log: Path) -> LogProof:
    path = inclusion_path(421, 600, tile_source(directory_reader(small_log), 600))
    return LogProof(421, tuple(path), (small_log / "checkpoint").read_bytes())


def test_a_receipt_proves_its_entry_offline(receipt: LogProof, entries: list[bytes], key: VerifierKey) -> None:
    again = LogProof.parse(receipt.format())
    assert again == receipt
    assert again.verify(entries[421], key).size == 600


def test_a_receipt_has_the_lines_of_the_specification(receipt: LogProof) -> None:
    head, _, checkpoint = receipt.format().partition(b"\n\n")
    lines = head.decode().split("\n")
    assert lines[:2] == ["c2sp.org/tlog-proof@v1", "index 421"]
    assert lines[2:] == [b64encode(hash_).decode() for hash_ in receipt.path]
    assert checkpoint == receipt.checkpoint


def test_the_only_entry_of_a_log_needs_no_hashes(signer: SigningKey, key: VerifierKey) -> None:
    proof = LogProof(0, (), signer.checkpoint([leaf(b"one")]))
    assert proof.format().startswith(b"c2sp.org/tlog-proof@v1\nindex 0\n\narchive.example/fonds-1\n1\n")
    assert LogProof.parse(proof.format()).verify(b"one", key).size == 1


def test_extra_data_is_carried_and_not_believed(receipt: LogProof, entries: list[bytes], key: VerifierKey) -> None:
    with_extra = LogProof(receipt.index, receipt.path, receipt.checkpoint, "附言".encode())
    assert LogProof.parse(with_extra.format()).extra == "附言".encode()
    with_extra.verify(entries[421], key)


def test_a_receipt_proves_no_other_entry_place_log_or_key(
    receipt: LogProof, entries: list[bytes], key: VerifierKey, signer: SigningKey
) -> None:
    with pytest.raises(InclusionFailed):
        receipt.verify(entries[420], key)
    with pytest.raises(InclusionFailed):
        LogProof(420, receipt.path, receipt.checkpoint).verify(entries[421], key)
    with pytest.raises(InclusionFailed):
        LogProof(421, receipt.path[:-1], receipt.checkpoint).verify(entries[421], key)
    with pytest.raises(InclusionFailed):
        LogProof(421, receipt.path, signer.checkpoint([leaf(entry) for entry in entries[1:601]])).verify(entries[421], key)
    with pytest.raises(RangeInvalid):
        LogProof(600, receipt.path, receipt.checkpoint).verify(entries[421], key)
    with pytest.raises(NoKnownSignature):
        receipt.verify(entries[421], VerifierKey.parse(SigningKey.from_seed(signer.name, 9).vkey()))
    with pytest.raises(OriginMismatch):
        LogProof(0, (), signer.checkpoint([leaf(b"one")], origin="other.example")).verify(b"one", key)


@pytest.mark.parametrize(
    "data",
    [
        "",
        "c2sp.org/tlog-proof@v1\n",
        "c2sp.org/tlog-proof@v1\nindex 0\n",
        "c2sp.org/tlog-proof@v2\nindex 0\n\ncheckpoint\n",
        " c2sp.org/tlog-proof@v1\nindex 0\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nindex\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nindex 01\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nindex -5\n\ncheckpoint\n",
        f"c2sp.org/tlog-proof@v1\nindex {2**63}\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nindex notanumber\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nextra !!notbase64!!\nindex 0\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nindex 0\nextra AAAA\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nextra AAAA\nextra AAAA\nindex 0\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nindex 0\n!!notbase64!!\n\ncheckpoint\n",
        f"c2sp.org/tlog-proof@v1\nindex 0\n{b64encode(bytes(64)).decode()}\n\ncheckpoint\n",
        f"c2sp.org/tlog-proof@v1\nindex 0\n{HASH} \n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nindex 0\n" + f"{HASH}\n" * 64 + "\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\r\nindex 0\r\n\r\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nindex ０\n\ncheckpoint\n",
    ],
)
def test_a_receipt_is_read_strictly(data: str) -> None:
    with pytest.raises(Malformed):
        LogProof.parse(data.encode())


HASHES = st.lists(st.binary(min_size=32, max_size=32), max_size=63).map(tuple)


@given(st.integers(0, 2**63 - 1), HASHES, st.binary(max_size=200), st.none() | st.binary(max_size=50))
def test_receipts_come_back_as_they_were_written(index: int, path: tuple[bytes, ...], checkpoint: bytes, extra: bytes | None) -> None:
    proof = LogProof(index, path, checkpoint, extra)
    assert LogProof.parse(proof.format()) == proof
