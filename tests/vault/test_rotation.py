from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import Connection, select, update

from foundation.clock import MovableClock
from foundation.database import Database
from foundation.ids import new_id
from vault import rotation
from vault.errors import CannotOpen
from vault.keyring import KeyRing
from vault.rotation import rotate_keks
from vault.sealed import Context
from vault.sealing import open_field, seal_record
from vault.store import count_under, delete_wraps, insert_wraps, wraps_of
from vault.suites import calls
from vault.tables import case_wraps
from vault.wraps import WrapRow, issue_case_keys, unwrap_data_key, unwrap_mask_key

SCOPES = ("case/y30/2057", "mask/y30/2057")


class PowerCut(Exception):
    pass


def writer(database: Database) -> Callable[[Callable[[Connection], int]], int]:
    def write(fn: Callable[[Connection], int]) -> int:
        with database.write() as conn:
            return fn(conn)

    return write


def deposit(database: Database, ring: KeyRing, count: int) -> dict[str, tuple[bytes, bytes]]:
    secrets: dict[str, tuple[bytes, bytes]] = {}
    rows: list[WrapRow] = []
    for _ in range(count):
        case_id = new_id()
        keys, wraps = issue_case_keys(ring, "F001", case_id, retention_class="y30", year=2057)
        secrets[case_id] = keys.data.reveal(), keys.masks.reveal()
        rows += wraps
    with database.write() as conn:
        insert_wraps(conn, rows)
    return secrets


def assert_all_open(database: Database, ring: KeyRing, secrets: dict[str, tuple[bytes, bytes]]) -> None:
    with database.read() as conn:
        data = wraps_of(conn, "F001", list(secrets), "case")
        masks = wraps_of(conn, "F001", list(secrets), "mask")
    assert {
        case: (unwrap_data_key(ring, data[case, 1]).reveal(), unwrap_mask_key(ring, masks[case, 1]).reveal()) for case in secrets
    } == secrets


def test_a_rotation_moves_every_wrap_opens_no_field_and_shows_progress(database: Database, ring: KeyRing, clock: MovableClock) -> None:
    secrets = deposit(database, ring, 12)
    assert rotate_keks(database.read, writer(database), ring, "F001") == 0
    for scope in SCOPES:
        ring.new_generation("F001", scope, clock.now())
    shown: list[tuple[int, int]] = []
    calls.reset()
    moved = rotate_keks(database.read, writer(database), ring, "F001", batch=7, progress=lambda done, total: shown.append((done, total)))
    assert moved == 24
    assert shown == [(7, 24), (14, 24), (21, 24), (24, 24)]
    assert calls.counts() == {"sealed": 0, "opened": 0, "wrapped": 24, "unwrapped": 24}
    with database.read() as conn:
        assert count_under(conn, "F001", [f"{scope}/1" for scope in SCOPES]) == 0
        assert count_under(conn, "F001", [f"{scope}/2" for scope in SCOPES]) == 24
    clock.advance(3600)
    for scope in SCOPES:
        ring.destroy_generation("F001", f"{scope}/1", clock.now())
    assert_all_open(database, ring, secrets)


@pytest.mark.parametrize("step", ["rotation.wrapped", "rotation.batch-written"])
@pytest.mark.parametrize("batches", [0, 2])
def test_an_interrupted_rotation_is_resumed_by_starting_it_again(
    database: Database, ring: KeyRing, clock: MovableClock, monkeypatch: pytest.MonkeyPatch, step: str, batches: int
) -> None:
    secrets = deposit(database, ring, 8)
    for scope in SCOPES:
        ring.new_generation("F001", scope, clock.now())
    left = batches

    def cut(reached: str) -> None:
        nonlocal left
        if reached == step:
            if left == 0:
                raise PowerCut
            left -= 1

    with monkeypatch.context() as patch:
        patch.setattr(rotation, "reach", cut)
        with pytest.raises(PowerCut):
            rotate_keks(database.read, writer(database), ring, "F001", batch=3)
    assert_all_open(database, ring, secrets)
    done = 3 * (batches + (step == "rotation.batch-written"))
    assert rotate_keks(database.read, writer(database), ring, "F001", batch=3) == 16 - done
    assert_all_open(database, ring, secrets)
    with database.read() as conn:
        assert count_under(conn, "F001", [f"{scope}/1" for scope in SCOPES]) == 0


def test_a_case_erased_while_its_wrap_was_in_hand_does_not_come_back(database: Database, ring: KeyRing, clock: MovableClock) -> None:
    secrets = deposit(database, ring, 4)
    erased = next(iter(secrets))
    for scope in SCOPES:
        ring.new_generation("F001", scope, clock.now())

    def write_after_an_erasure(fn: Callable[[Connection], int]) -> int:
        with database.write() as conn:
            delete_wraps(conn, "F001", erased)
        return writer(database)(fn)

    assert rotate_keks(database.read, write_after_an_erasure, ring, "F001") == 6
    with database.read() as conn:
        assert not wraps_of(conn, "F001", [erased], "case")
    assert_all_open(database, ring, {case: both for case, both in secrets.items() if case != erased})


def test_a_rotation_stops_at_a_wrap_that_was_tampered_with_and_leaves_it_as_it_is(
    database: Database, ring: KeyRing, clock: MovableClock
) -> None:
    secrets = deposit(database, ring, 1)
    with database.write() as conn:
        conn.execute(update(case_wraps).where(case_wraps.c.purpose == "case").values(wrapped=b"\x01\x01\x01" + bytes(40)))
    ring.new_generation("F001", SCOPES[0], clock.now())
    with pytest.raises(CannotOpen):
        rotate_keks(database.read, writer(database), ring, "F001")
    with database.read() as conn:
        assert conn.execute(select(case_wraps.c.kek_id).where(case_wraps.c.purpose == "case")).scalar_one() == "case/y30/2057/1"
    assert len(secrets) == 1


def test_records_sealed_before_a_rotation_open_after_it(database: Database, ring: KeyRing, clock: MovableClock) -> None:
    case_id = new_id()
    context = Context("F001", case_id, 1, "1.0")
    keys, rows = issue_case_keys(ring, "F001", case_id, retention_class="permanent", year=None)
    blob = seal_record(keys.data, context, {("appeal", ""): "补偿".encode()})
    with database.write() as conn:
        insert_wraps(conn, rows)
    ring.new_generation("F001", "case/permanent/permanent", clock.now())
    rotate_keks(database.read, writer(database), ring, "F001")
    with database.read() as conn:
        row = wraps_of(conn, "F001", [case_id], "case")[case_id, 1]
    assert row.kek_id == "case/permanent/permanent/2"
    assert row != replace(row, wrapped=rows[0].wrapped)
    assert open_field(blob, unwrap_data_key(ring, row), context, "appeal") == "补偿".encode()


def test_a_slow_rotation_does_not_undo_a_later_one(database: Database, ring: KeyRing, clock: MovableClock) -> None:
    secrets = deposit(database, ring, 3)
    ring.new_generation("F001", SCOPES[0], clock.now())

    def write_after_a_later_rotation(fn: Callable[[Connection], int]) -> int:
        ring.new_generation("F001", SCOPES[0], clock.now())
        assert rotate_keks(database.read, writer(database), ring, "F001") == 3
        return writer(database)(fn)

    assert rotate_keks(database.read, write_after_a_later_rotation, ring, "F001") == 0
    with database.read() as conn:
        assert count_under(conn, "F001", ["case/y30/2057/3"]) == 3
    assert_all_open(database, ring, secrets)
