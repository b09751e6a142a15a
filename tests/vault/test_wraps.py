from __future__ import annotations

import os
from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError

from foundation.clock import MovableClock
from foundation.database import Database
from foundation.ids import new_id
from vault.casekeys import CaseKeys
from vault.errors import CannotOpen, KeyDestroyed
from vault.keyring import KeyRing
from vault.store import count_under, delete_wraps, insert_wraps, wraps_of
from vault.suites import AES, SM4, Suite
from vault.tables import case_wraps
from vault.wraps import Kek, WrapRow, issue_case_keys, unwrap_data_key, unwrap_mask_key, wrap


@pytest.mark.parametrize("kek_suite", [AES, SM4])
@pytest.mark.parametrize("case_suite", [AES, SM4])
def test_a_case_s_keys_come_back_from_their_wraps_in_their_suite(ring: KeyRing, kek_suite: Suite, case_suite: Suite) -> None:
    ring.add_fonds("F00X", kek_suite)
    case_id, keys = new_id(), CaseKeys.make(case_suite, generation=5)
    data = wrap(ring.kek("F00X", ring.ensure_kek("F00X", "case", "y30", 2057)), "F00X", case_id, keys.data)
    masks = wrap(ring.kek("F00X", ring.ensure_kek("F00X", "mask", "y30", 2057)), "F00X", case_id, keys.masks)
    opened, opened_masks = unwrap_data_key(ring, data), unwrap_mask_key(ring, masks)
    assert (opened.reveal(), opened.suite, opened.generation) == (keys.data.reveal(), case_suite, 5)
    assert (opened_masks.reveal(), opened_masks.suite) == (keys.masks.reveal(), case_suite)
    for row, key in ((data, keys.data), (masks, keys.masks)):
        assert key.reveal() not in row.wrapped


@pytest.mark.parametrize("suite", [AES, SM4])
def test_a_wrap_moved_to_another_row_or_altered_does_not_unwrap(ring: KeyRing, suite: Suite) -> None:
    for fonds in ("F00X", "F00Y"):
        ring.add_fonds(fonds, suite)
        ring.ensure_kek(fonds, "case", "y30", 2057)
    _, (row, mask_row) = issue_case_keys(ring, "F00X", new_id(), retention_class="y30", year=2057)
    other_class = ring.ensure_kek("F00X", "case", "y10", 2057)
    moved = [
        replace(row, case_id=new_id()),
        replace(row, fonds="F00Y"),
        replace(row, seal_generation=2),
        replace(row, kek_id=other_class),
        replace(row, kek_id=mask_row.kek_id),
        replace(row, purpose="mask"),
        replace(mask_row, purpose="case"),
        replace(mask_row, purpose="case", kek_id=row.kek_id),
        *(replace(row, wrapped=row.wrapped[:size]) for size in range(len(row.wrapped))),
    ]
    for position in range(len(row.wrapped)):
        altered = bytearray(row.wrapped)
        altered[position] ^= 1
        moved.append(replace(row, wrapped=bytes(altered)))
    for attempt in moved:
        with pytest.raises(CannotOpen):
            unwrap_data_key(ring, attempt)


def test_a_key_is_wrapped_only_under_a_kek_of_its_purpose() -> None:
    kek = Kek("mask/y30/2057/1", AES, os.urandom(32))
    with pytest.raises(ValueError):
        wrap(kek, "F001", new_id(), CaseKeys.make().data)


def test_a_wrap_made_for_one_purpose_is_unwrapped_for_no_other(ring: KeyRing) -> None:
    keys, (data_row, mask_row) = issue_case_keys(ring, "F001", new_id(), retention_class="permanent", year=None)
    assert unwrap_mask_key(ring, mask_row).reveal() == keys.masks.reveal()
    for attempt in (mask_row, replace(data_row, purpose="mask"), replace(data_row, kek_id=mask_row.kek_id)):
        with pytest.raises(CannotOpen):
            unwrap_data_key(ring, attempt)
    for attempt in (data_row, replace(data_row, purpose="mask"), replace(data_row, kek_id=mask_row.kek_id)):
        with pytest.raises(CannotOpen):
            unwrap_mask_key(ring, attempt)


def test_wraps_are_stored_and_found_by_case_and_generation(database: Database, ring: KeyRing) -> None:
    cases = [new_id() for _ in range(5)]
    rows = [row for case in cases for row in issue_case_keys(ring, "F001", case, retention_class="y30", year=2057)[1]]
    rows += issue_case_keys(ring, "F001", cases[0], retention_class="y30", year=2057, generation=2)[1]
    with database.write() as conn:
        insert_wraps(conn, [])
        insert_wraps(conn, rows)
    with database.read() as conn:
        found = wraps_of(conn, "F001", cases[:2], "mask")
        assert found == {(row.case_id, row.seal_generation): row for row in rows if row.case_id in cases[:2] and row.purpose == "mask"}
        assert len(found) == 3
        assert wraps_of(conn, "F002", cases, "mask") == {}
        assert wraps_of(conn, "F001", [], "case") == {}
        assert count_under(conn, "F001", ["case/y30/2057/1"]) == 6
    with pytest.raises(IntegrityError), database.write() as conn:
        insert_wraps(conn, rows[:1])


def test_a_case_without_its_wraps_is_erased_and_a_destroyed_kek_erases_every_copy(
    database: Database, ring: KeyRing, clock: MovableClock
) -> None:
    case_id, neighbour = new_id(), new_id()
    _, rows = issue_case_keys(ring, "F001", case_id, retention_class="y1", year=2027)
    _, others = issue_case_keys(ring, "F001", neighbour, retention_class="y3", year=2029)
    with database.write() as conn:
        insert_wraps(conn, [*rows, *others])
    with database.write() as conn:
        assert delete_wraps(conn, "F001", case_id) == 2
    with database.read() as conn:
        assert wraps_of(conn, "F001", [case_id], "case") == {}
        assert count_under(conn, "F001", [row.kek_id for row in rows]) == 0
    backup = rows  # a copy of the database from before
    for row in backup:
        scope = row.kek_id.rpartition("/")[0]
        ring.retire_generation("F001", scope, clock.now())
    clock.advance(3600)
    for row in backup:
        ring.destroy_generation("F001", row.kek_id, clock.now())
    with pytest.raises(KeyDestroyed):
        unwrap_data_key(ring, backup[0])
    with pytest.raises(KeyDestroyed):
        unwrap_mask_key(ring, backup[1])
    assert unwrap_data_key(ring, others[0]).reveal()


def test_the_table_s_columns_are_the_row_s_fields_in_order() -> None:
    assert tuple(column.name for column in case_wraps.columns) == WrapRow.__slots__
    assert case_wraps.primary_key.columns.keys()[0] == "fonds"
