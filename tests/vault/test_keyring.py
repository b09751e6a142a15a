from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from foundation.clock import MovableClock
from vault.errors import (
    CredentialUnusable,
    KeyDestroyed,
    KeyMissing,
    KeyRingDamaged,
    KeyRingExists,
    KeyRingExposed,
    KeyRingForeign,
    KeyRingMissing,
    KeyRingStale,
    KeyRingWrong,
    KeyStillNeeded,
)
from vault.keyring import KeyRing
from vault.suites import AES, SM4, Suite
from vault.unlock import Argon2Cost, Credential, Passphrase, Unlock

ARCHIVE_ID = "01890000-0000-7000-8000-0000000000aa"
PASSPHRASE = "a passphrase of several words"
CHEAP = Argon2Cost(memory_kib=64, iterations=1, lanes=1)


def make(path: Path, unlock: Unlock, suite: Suite = AES) -> KeyRing:
    return KeyRing.create(path, unlock, archive_id=ARCHIVE_ID, archive_name="archive.example", suite=suite)


# ------------------------------------------------------------------------------------------------------------- opening the file


@pytest.mark.parametrize("suite", [AES, SM4])
def test_a_ring_comes_back_with_its_passphrase_and_with_no_other(key_folder: Path, suite: Suite) -> None:
    ring = make(key_folder / "ring", Passphrase(PASSPHRASE, CHEAP), suite)
    ring.add_fonds("F001", suite)
    kek_id = ring.ensure_kek("F001", "case", "y30", 2057)
    again = KeyRing.load(key_folder / "ring", Passphrase(PASSPHRASE), archive_id=ARCHIVE_ID)
    assert again.keys("F001") == ring.keys("F001")
    assert again.key("F001", kek_id).reveal() == ring.key("F001", kek_id).reveal()
    assert again.suite("F001") is suite
    for wrong in (Passphrase(PASSPHRASE + " "), Passphrase(""), Credential.make(key_folder / "other")):
        with pytest.raises(KeyRingWrong):
            KeyRing.load(key_folder / "ring", wrong)


def test_a_passphrase_typed_in_another_composition_is_the_same(key_folder: Path) -> None:
    make(key_folder / "ring", Passphrase("caf\u00e9 \uff41\uff42\uff43 密钥环口令", CHEAP))
    KeyRing.load(key_folder / "ring", Passphrase("cafe\u0301 abc 密钥环口令"))


def test_a_ring_comes_back_with_its_credential_and_with_no_other(ring: KeyRing, credential: Credential, key_folder: Path) -> None:
    assert KeyRing.load(ring.path, credential).archive_id == ARCHIVE_ID
    for wrong in (Credential.make(key_folder / "other"), Passphrase(PASSPHRASE)):
        with pytest.raises(KeyRingWrong):
            KeyRing.load(ring.path, wrong)


def test_a_short_passphrase_is_refused_when_a_ring_is_made(key_folder: Path) -> None:
    with pytest.raises(CredentialUnusable):
        make(key_folder / "ring", Passphrase("elf letters", CHEAP))
    assert list(key_folder.iterdir()) == []


def test_the_default_cost_is_a_serious_one() -> None:
    assert Argon2Cost() == Argon2Cost(memory_kib=65536, iterations=3, lanes=4)


def test_a_ring_of_another_installation_is_refused(ring: KeyRing, credential: Credential) -> None:
    with pytest.raises(KeyRingForeign) as caught:
        KeyRing.load(ring.path, credential, archive_id="01890000-0000-7000-8000-0000000000bb")
    assert caught.value.params["found"] == ARCHIVE_ID


def test_a_missing_ring_or_folder_is_named_as_missing(key_folder: Path, credential: Credential) -> None:
    for path in (key_folder / "nothing", key_folder / "no" / "folder"):
        with pytest.raises(KeyRingMissing):
            KeyRing.load(path, credential)


def test_an_existing_ring_is_never_written_over(ring: KeyRing, credential: Credential) -> None:
    before = ring.path.read_bytes()
    with pytest.raises(KeyRingExists):
        make(ring.path, credential)
    assert ring.path.read_bytes() == before


def test_the_file_is_made_with_mode_0600_whatever_the_umask(key_folder: Path, credential: Credential) -> None:
    for number, umask in enumerate((0o000, 0o077, 0o777)):
        before = os.umask(umask)
        try:
            made = make(key_folder / f"ring{number}", credential)
        finally:
            os.umask(before)
        assert stat.S_IMODE(made.path.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o700, 0o777])
def test_a_ring_others_could_read_is_refused(ring: KeyRing, credential: Credential, mode: int) -> None:
    ring.path.chmod(mode)
    with pytest.raises(KeyRingExposed):
        KeyRing.load(ring.path, credential)
    with pytest.raises(KeyRingExposed):
        ring.ensure_kek("F001", "case", "y30", 2057)


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o1777])
def test_a_folder_others_could_write_is_refused(ring: KeyRing, credential: Credential, mode: int) -> None:
    ring.path.parent.chmod(mode)
    with pytest.raises(KeyRingExposed):
        KeyRing.load(ring.path, credential)
    with pytest.raises(KeyRingExposed):
        ring.add_fonds("F002")


def test_a_link_in_the_ring_s_place_is_refused(ring: KeyRing, credential: Credential, tmp_path: Path) -> None:
    ring.path.rename(tmp_path / "elsewhere")
    ring.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyRingExposed):
        KeyRing.load(ring.path, credential)


@pytest.mark.parametrize("mode", [0o604, 0o660, 0o644])
def test_a_credential_others_could_read_is_refused(ring: KeyRing, credential: Credential, mode: int) -> None:
    credential.path.chmod(mode)
    with pytest.raises(KeyRingExposed):
        KeyRing.load(ring.path, credential)


@pytest.mark.parametrize("content", [None, b"", bytes(31), bytes(33)])
def test_a_missing_or_malformed_credential_is_named_as_such(ring: KeyRing, credential: Credential, content: bytes | None) -> None:
    if content is None:
        credential.path.unlink()
    else:
        credential.path.write_bytes(content)
    with pytest.raises(CredentialUnusable):
        KeyRing.load(ring.path, credential)


def test_a_ring_cut_short_or_altered_anywhere_is_refused_and_never_half_read(ring: KeyRing, credential: Credential) -> None:
    whole = ring.path.read_bytes()
    for size in range(0, len(whole) - 1, 37):
        ring.path.write_bytes(whole[:size])
        with pytest.raises(KeyRingDamaged):
            KeyRing.load(ring.path, credential)
    for position in range(0, len(whole) - 1, 7):
        altered = bytearray(whole)
        altered[position] ^= 0x01
        ring.path.write_bytes(altered)
        with pytest.raises((KeyRingDamaged, KeyRingWrong)):
            KeyRing.load(ring.path, credential)
    ring.path.write_bytes(whole)
    assert KeyRing.load(ring.path, credential).keys("F001") == ring.keys("F001")


def test_what_stands_in_the_open_part_of_the_file_is_bound_to_the_sealed_part(ring: KeyRing, credential: Credential) -> None:
    envelope = json.loads(ring.path.read_bytes())
    envelope["header"]["note"] = "added by a stranger"
    ring.path.write_text(json.dumps(envelope))
    with pytest.raises(KeyRingDamaged):
        KeyRing.load(ring.path, credential)


def test_a_ring_with_an_absurd_cost_does_not_exhaust_the_machine(key_folder: Path) -> None:
    ring = make(key_folder / "ring", Passphrase(PASSPHRASE, CHEAP))
    envelope = json.loads(ring.path.read_bytes())
    envelope["header"]["unlock"]["memory_kib"] = 2**40
    ring.path.write_text(json.dumps(envelope))
    with pytest.raises(KeyRingWrong):
        KeyRing.load(ring.path, Passphrase(PASSPHRASE))


# ------------------------------------------------------------------------------------------------------------------- generations


def test_keks_are_bound_to_purpose_retention_class_and_year(ring: KeyRing) -> None:
    ids = [
        ring.ensure_kek("F001", "case", "y30", 2057),
        ring.ensure_kek("F001", "mask", "y30", 2057),
        ring.ensure_kek("F001", "case", "y10", 2057),
        ring.ensure_kek("F001", "case", "y30", 2058),
        ring.ensure_kek("F001", "case", "permanent", None),
    ]
    assert ids == ["case/y30/2057/1", "mask/y30/2057/1", "case/y10/2057/1", "case/y30/2058/1", "case/permanent/permanent/1"]
    assert len({ring.key("F001", kek_id).reveal() for kek_id in ids}) == 5
    assert ring.ensure_kek("F001", "case", "y30", 2057) == ids[0]


def test_no_two_keys_of_a_ring_are_alike(ring: KeyRing) -> None:
    ring.add_fonds("F002")
    keys = [ring.key(fonds, info.id).reveal() for fonds in ("F001", "F002") for info in ring.keys(fonds)]
    assert len(set(keys)) == len(keys) == 6


@pytest.mark.parametrize(("retention_class", "year"), [("../x", 2057), ("Y30", 2057), ("", 2057), ("y30", 20570), ("y30", -1)])
def test_a_malformed_class_or_year_makes_no_key(ring: KeyRing, retention_class: str, year: int) -> None:
    before = ring.path.read_bytes()
    with pytest.raises(ValueError):
        ring.ensure_kek("F001", "case", retention_class, year)
    assert ring.path.read_bytes() == before


def test_a_fonds_the_ring_does_not_know_gets_no_key(ring: KeyRing) -> None:
    with pytest.raises(KeyMissing):
        ring.ensure_kek("F404", "case", "y30", 2057)
    with pytest.raises(KeyMissing):
        ring.suite("F404")
    with pytest.raises(KeyMissing):
        ring.kek("F001", "case/y30/2057/1")


def test_a_new_generation_is_used_for_new_work_and_the_old_one_still_opens(ring: KeyRing, clock: MovableClock) -> None:
    first = ring.ensure_kek("F001", "case", "y30", 2057)
    assert ring.new_generation("F001", "case/y30/2057", clock.now()) == "case/y30/2057/2"
    assert ring.ensure_kek("F001", "case", "y30", 2057) == "case/y30/2057/2"
    assert ring.kek("F001", first).id == first
    assert ring.retired_keks("F001") == {first: "case/y30/2057/2"}


def test_a_key_in_use_or_just_retired_cannot_be_destroyed(ring: KeyRing, clock: MovableClock) -> None:
    kek_id = ring.ensure_kek("F001", "case", "y1", 2027)
    with pytest.raises(KeyStillNeeded):
        ring.destroy_generation("F001", kek_id, clock.now())
    ring.retire_generation("F001", "case/y1/2027", clock.now())
    clock.advance(3599)
    with pytest.raises(KeyStillNeeded):
        ring.destroy_generation("F001", kek_id, clock.now())
    assert ring.kek("F001", kek_id).id == kek_id
    clock.advance(1)
    assert ring.destroy_generation("F001", kek_id, clock.now())
    assert not ring.destroy_generation("F001", kek_id, clock.now())


def test_a_destroyed_key_leaves_the_file_and_a_tombstone_that_later_keys_do_not_reuse(
    ring: KeyRing, credential: Credential, clock: MovableClock
) -> None:
    kek_id = ring.ensure_kek("F001", "case", "y1", 2027)
    secret = ring.key("F001", kek_id)
    ring.retire_generation("F001", "case/y1/2027", clock.now())
    clock.advance(3600)
    ring.destroy_generation("F001", kek_id, clock.now())
    for view in (ring, KeyRing.load(ring.path, credential)):
        with pytest.raises(KeyDestroyed):
            view.kek("F001", kek_id)
        with pytest.raises(KeyDestroyed):
            view.key("F001", kek_id)
        assert [info.state for info in view.keys("F001") if info.id == kek_id] == ["destroyed"]
    document = ring._file.read(ring._key)
    assert "key" not in document["fonds"]["F001"]["keys"][kek_id]
    assert ring.ensure_kek("F001", "case", "y1", 2027) == "case/y1/2027/2"
    assert ring.key("F001", "case/y1/2027/2").reveal() != secret.reveal()


def test_destroying_a_key_that_never_was_says_so(ring: KeyRing, clock: MovableClock) -> None:
    with pytest.raises(KeyMissing):
        ring.destroy_generation("F001", "case/y1/2027/1", clock.now())


# --------------------------------------------------------------------------------------------------------------- several processes


def test_a_key_another_process_made_is_found_on_a_miss(ring: KeyRing, credential: Credential) -> None:
    other = KeyRing.load(ring.path, credential)
    kek_id = other.ensure_kek("F001", "mask", "y10", 2037)
    other.add_fonds("F002", SM4)
    assert ring.kek("F001", kek_id).id == kek_id
    assert ring.key("F001", kek_id).reveal() == other.key("F001", kek_id).reveal()
    assert ring.suite("F002") is SM4


def test_a_process_seals_under_no_key_that_another_has_retired(ring: KeyRing, credential: Credential, clock: MovableClock) -> None:
    other = KeyRing.load(ring.path, credential)
    assert other.ensure_kek("F001", "case", "y30", 2057) == ring.ensure_kek("F001", "case", "y30", 2057)
    ring.new_generation("F001", "case/y30/2057", clock.now())
    assert other.ensure_kek("F001", "case", "y30", 2057) == "case/y30/2057/2"


def test_changes_of_two_rings_on_one_file_are_both_kept(ring: KeyRing, credential: Credential) -> None:
    other = KeyRing.load(ring.path, credential)
    for year in range(2030, 2035):
        ring.ensure_kek("F001", "case", "y10", year)
        other.ensure_kek("F001", "case", "y30", year)
    fresh = KeyRing.load(ring.path, credential)
    assert len([info for info in fresh.keys("F001") if info.scope.startswith("case/")]) == 10


def test_threads_ensuring_the_same_kek_get_one(ring: KeyRing) -> None:
    start, found = threading.Barrier(8), []

    def ensure() -> None:
        start.wait()
        found.append(ring.ensure_kek("F001", "case", "y30", 2057))

    threads = [threading.Thread(target=ensure) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["case/y30/2057/1"] * 8
    assert len([info for info in ring.keys("F001") if info.scope == "case/y30/2057"]) == 1


def test_an_older_file_put_over_a_ring_in_use_is_refused(ring: KeyRing) -> None:
    backup = ring.path.read_bytes()
    ring.ensure_kek("F001", "case", "y30", 2057)
    ring.path.write_bytes(backup)
    with pytest.raises(KeyRingStale):
        ring.refresh()
    with pytest.raises(KeyRingStale):
        ring.ensure_kek("F001", "case", "y10", 2037)
    with pytest.raises(KeyRingStale):
        ring.add_fonds("F009")
    assert ring.path.read_bytes() == backup


def test_a_ring_that_vanished_is_noticed_before_anything_is_sealed_under_it(ring: KeyRing) -> None:
    ring.ensure_kek("F001", "case", "y30", 2057)
    ring.path.unlink()
    with pytest.raises(KeyRingMissing):
        ring.ensure_kek("F001", "case", "y30", 2057)


def test_a_changed_passphrase_locks_the_old_one_out_and_loses_no_key(ring: KeyRing, credential: Credential) -> None:
    other = KeyRing.load(ring.path, credential)
    kek_id = ring.ensure_kek("F001", "case", "y30", 2057)
    ring.change_unlock(Passphrase(PASSPHRASE, CHEAP))
    with pytest.raises(KeyRingWrong):
        KeyRing.load(ring.path, credential)
    with pytest.raises(KeyRingWrong):
        other.ensure_kek("F001", "case", "y10", 2037)
    again = KeyRing.load(ring.path, Passphrase(PASSPHRASE))
    assert again.key("F001", kek_id).reveal() == ring.key("F001", kek_id).reveal()
    assert ring.ensure_kek("F001", "case", "y10", 2037)


def test_adding_a_fonds_twice_changes_nothing(ring: KeyRing) -> None:
    before = ring.path.read_bytes()
    assert not ring.add_fonds("F001")
    assert ring.path.read_bytes() == before
    assert ring.fonds() == ("F001",)


@pytest.mark.parametrize("name", ["", "with space", "with+plus", "tab\tname"])
def test_a_name_no_log_could_carry_is_refused(key_folder: Path, credential: Credential, name: str) -> None:
    with pytest.raises(ValueError):
        KeyRing.create(key_folder / "ring", credential, archive_id=ARCHIVE_ID, archive_name=name)
    assert not (key_folder / "ring").exists()
