from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.clock import MovableClock
from foundation.ids import new_id
from vault.casekeys import CaseKeys
from vault.details import FondsDetailKey, case_detail_ref, open_detail, read_detail_ref, seal_detail
from vault.errors import CannotOpen
from vault.keyring import KeyRing

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@given(TEXT)
def test_a_detail_opens_with_its_case_s_data_key_and_matches_its_commitment(text: str) -> None:
    key, case_id = CaseKeys.make(generation=2).data, new_id()
    detail = seal_detail(key, "F001", "reason", text, case_id=case_id)
    assert open_detail(key, "F001", "reason", detail, case_id=case_id) == text
    assert read_detail_ref(detail.key_ref) == (case_id, 2)


def test_a_commitment_cannot_be_found_by_trying_the_text() -> None:
    key, case_id = CaseKeys.make().data, new_id()
    first, second = (seal_detail(key, "F001", "reason", "同一理由", case_id=case_id) for _ in range(2))
    assert first.commitment != second.commitment
    assert sha256("同一理由".encode()).digest() not in {first.commitment, second.commitment}
    assert len(first.commitment) == 32


def test_a_detail_moved_renamed_or_given_another_commitment_does_not_open() -> None:
    key, case_id, elsewhere = CaseKeys.make().data, new_id(), new_id()
    detail = seal_detail(key, "F001", "reason", "理由", case_id=case_id)
    other = seal_detail(key, "F001", "reason", "理由", case_id=case_id)
    attempts = [
        (key, "F002", "reason", detail, case_id),
        (key, "F001", "opinion", detail, case_id),
        (key, "F001", "reason", detail, new_id()),
        (key, "F001", "reason", replace(detail, commitment=other.commitment), case_id),
        (key, "F001", "reason", replace(detail, commitment=sha256("理由".encode()).digest()), case_id),
        (key, "F001", "reason", replace(detail, key_ref=case_detail_ref(elsewhere, 1)), elsewhere),
        (CaseKeys.make().data, "F001", "reason", detail, case_id),
        (CaseKeys.make(generation=2).data, "F001", "reason", detail, case_id),
    ]
    for attempted_key, fonds, name, sealed, case in attempts:
        with pytest.raises(CannotOpen):
            open_detail(attempted_key, fonds, name, sealed, case_id=case)


def test_a_fonds_detail_opens_by_its_key_reference_also_after_a_new_generation(ring: KeyRing, clock: MovableClock) -> None:
    detail = seal_detail(ring.detail_key("F001"), "F001", "comment", "交接说明")
    ring.new_generation("F001", "detail", clock.now())
    case_id, generation = read_detail_ref(detail.key_ref)
    assert case_id is None
    assert open_detail(ring.detail_key("F001", generation), "F001", "comment", detail) == "交接说明"
    with pytest.raises(CannotOpen):
        open_detail(ring.detail_key("F001"), "F001", "comment", detail)
    assert detail.key_ref in {info.id for info in ring.keys("F001")}


def test_the_key_and_the_case_must_fit() -> None:
    with pytest.raises(ValueError):
        seal_detail(CaseKeys.make().data, "F001", "reason", "x")
    with pytest.raises(ValueError):
        seal_detail(FondsDetailKey(bytes(32)), "F001", "reason", "x", case_id=new_id())


@pytest.mark.parametrize("bad", ["", "detail/", "detail/x", "case::1", "case:a:", "case:a:b:1", "other:a:1", "detail/²"])
def test_a_malformed_key_reference_is_refused(bad: str) -> None:
    with pytest.raises(ValueError):
        read_detail_ref(bad)


def test_sealed_details_show_neither_text_nor_exact_length() -> None:
    key, case_id = CaseKeys.make().data, new_id()
    sealed = [seal_detail(key, "F001", "reason", "查" * count, case_id=case_id).sealed for count in (1, 9)]
    assert len(sealed[0]) == len(sealed[1])
    assert "查".encode() not in sealed[0]
