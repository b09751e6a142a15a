from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from log_attacks import Attack, both, copy, flip, remove, replace, swap_entries, swap_hashes
from signed_log import SigningKey, leaf, mth, write_log
from tlog.errors import (
    ConsistencyFailed,
    FileBeyondCheckpoint,
    FileDiffers,
    FileMissing,
    FileUnreadable,
    Malformed,
    NoKnownSignature,
    OriginMismatch,
    RolledBack,
    RootMismatch,
    SignatureInvalid,
    TlogError,
)
from tlog.note import VerifierKey
from tlog.verify import verify_export

ROOT = Path(__file__).resolve().parents[2]


ATTACKS: dict[str, tuple[Attack, type[TlogError], str]] = {
    "an entry's byte changed": (flip("tile/entries/000"), FileDiffers, "tile/0/000"),
    "an entry's length changed": (flip("tile/entries/000", 1), FileDiffers, "tile/entries/000"),
    "an entry moved into its neighbour": (replace("tile/entries/001", lambda d: b"\0\x0b" + d[2:]), FileDiffers, "tile/entries/001"),
    "an entry dropped": (replace("tile/entries/000", lambda d: d[9:]), FileDiffers, "tile/entries/000"),
    "an entry added": (replace("tile/entries/000", lambda d: d + b"\0\1x"), FileDiffers, "tile/entries/000"),
    "two entries swapped": (replace("tile/entries/000", swap_entries), FileDiffers, "tile/0/000"),
    "two entries swapped with their hashes": (
        both(replace("tile/entries/000", swap_entries), replace("tile/0/000", swap_hashes)),
        FileDiffers,
        "tile/0/000.p/255",
    ),
    "an entry of the last bundle changed": (flip("tile/entries/002.p/88"), FileDiffers, "tile/0/002.p/88"),
    "a bundle cut short": (replace("tile/entries/001", lambda d: d[:-1]), FileDiffers, "tile/entries/001"),
    "a bundle extended": (replace("tile/entries/001", lambda d: d + b"\0"), FileDiffers, "tile/entries/001"),
    "a bundle emptied": (replace("tile/entries/001", lambda _: b""), FileDiffers, "tile/entries/001"),
    "a bundle missing": (remove("tile/entries/001"), FileMissing, "tile/entries/001"),
    "the last bundle missing": (remove("tile/entries/002.p/88"), FileMissing, "tile/entries/002.p/88"),
    "two bundles exchanged": (copy("tile/entries/000", "tile/entries/001"), FileDiffers, "tile/0/001"),
    "a leaf hash flipped": (flip("tile/0/001", 8191), FileDiffers, "tile/0/001"),
    "a leaf hash of the partial tile flipped": (flip("tile/0/002.p/88", 2815), FileDiffers, "tile/0/002.p/88"),
    "two leaf hashes swapped": (replace("tile/0/001", swap_hashes), FileDiffers, "tile/0/001"),
    "a hash at level 1 flipped": (flip("tile/1/000.p/2", 63), FileDiffers, "tile/1/000.p/2"),
    "a tile cut to fewer hashes": (replace("tile/0/001", lambda d: d[:-32]), FileDiffers, "tile/0/001"),
    "a partial tile made wider": (replace("tile/0/002.p/88", lambda d: d + d[:32]), FileDiffers, "tile/0/002.p/88"),
    "a tile emptied": (replace("tile/0/000", lambda _: b""), FileDiffers, "tile/0/000"),
    "a tile missing": (remove("tile/0/000"), FileMissing, "tile/0/000"),
    "a tile at level 1 missing": (remove("tile/1/000.p/2"), FileMissing, "tile/1/000.p/2"),
    "the whole tile tree missing": (lambda log: shutil.rmtree(log / "tile"), FileMissing, "tile/entries/000"),
    "a partial tile under a full tile's name": (copy("tile/0/002.p/88", "tile/0/002"), FileBeyondCheckpoint, "tile/0/002"),
    "a partial tile wider than the log": (copy("tile/0/002.p/88", "tile/0/002.p/89"), FileBeyondCheckpoint, "tile/0/002.p/89"),
    "a tile after the end": (copy("tile/0/001", "tile/0/003"), FileBeyondCheckpoint, "tile/0/003"),
    "a bundle after the end": (copy("tile/entries/001", "tile/entries/x001/000"), FileBeyondCheckpoint, "tile/entries/x001/000"),
    "a level that the log does not reach": (copy("tile/1/000.p/2", "tile/2/000.p/1"), FileBeyondCheckpoint, "tile/2/000.p/1"),
    "an older partial tile changed": (flip("tile/0/000.p/3"), FileDiffers, "tile/0/000.p/3"),
    "an older partial tile of the last tile changed": (flip("tile/0/002.p/8"), FileDiffers, "tile/0/002.p/8"),
    "an older partial tile at level 1 changed": (flip("tile/1/000.p/1"), FileDiffers, "tile/1/000.p/1"),
    "an older partial tile of another width": (copy("tile/0/000.p/3", "tile/0/000.p/4"), FileDiffers, "tile/0/000.p/4"),
    "an older bundle changed": (flip("tile/entries/000.p/255"), FileDiffers, "tile/entries/000.p/255"),
    "an older bundle cut short": (replace("tile/entries/001.p/44", lambda d: d[:-1]), FileDiffers, "tile/entries/001.p/44"),
}


def test_a_sound_log_verifies_and_every_file_of_it_was_compared(log: Path, key: VerifierKey, entries: list[bytes]) -> None:
    report = verify_export(log, key)
    assert report.files == sum(1 for path in (log / "tile").rglob("*") if path.is_file())
    assert report.entry_bytes == sum(map(len, entries[:600]))
    assert (report.checkpoint.size, report.checkpoint.root) == (600, mth([leaf(entry) for entry in entries[:600]]))


@pytest.mark.parametrize("name", ATTACKS)
def test_a_changed_export_is_refused_and_the_file_named(name: str, log: Path, key: VerifierKey) -> None:
    attack, kind, path = ATTACKS[name]
    attack(log)
    with pytest.raises(TlogError) as caught:
        verify_export(log, key)
    assert type(caught.value) is kind
    assert caught.value.evidence["path"] == path
    assert path in str(caught.value)


def test_there_are_attacks_on_every_kind_of_file() -> None:
    assert len(ATTACKS) >= 20
    for kind in ("tile/entries/", "tile/0/", "tile/1/", ".p/"):
        assert any(kind in path for _, _, path in ATTACKS.values())


@pytest.mark.parametrize(
    "name", ["tile/0/000.bak", "tile/notes.txt", "tile/0/.000.swp", "tile/0/000.p/x", "tile/entries/1", "tile/0/\x1b[2J"]
)
def test_a_file_that_belongs_to_no_log_is_refused_and_named_without_its_control_characters(name: str, log: Path, key: VerifierKey) -> None:
    (log / name).write_bytes(b"")
    with pytest.raises(Malformed) as caught:
        verify_export(log, key)
    assert caught.value.evidence["rule"] == repr(name)


def test_a_link_to_a_folder_among_the_tiles_is_refused(log: Path, key: VerifierKey) -> None:
    (log / "tile/0").rename(log / "elsewhere")
    (log / "tile/0").symlink_to(log / "elsewhere")
    with pytest.raises(Malformed):
        verify_export(log, key)


def test_a_file_that_cannot_be_read_is_named(log: Path, key: VerifierKey) -> None:
    (log / "tile/0/001").unlink()
    (log / "tile/0/001").mkdir()
    with pytest.raises(FileUnreadable) as caught:
        verify_export(log, key)
    assert caught.value.evidence["path"] == "tile/0/001"


# ------------------------------------------------------------------------------------------ the checkpoint


def test_a_checkpoint_with_another_size_root_or_origin_is_not_signed(log: Path, key: VerifierKey) -> None:
    sound = (log / "checkpoint").read_bytes()
    origin, size, root, *_ = sound.split(b"\n")
    for line, other in ((size, b"599"), (root, root.swapcase()), (root, b"A" * 43 + b"="), (origin, b"archive.example/fonds-2")):
        (log / "checkpoint").write_bytes(sound.replace(line, other, 1))
        with pytest.raises(SignatureInvalid):
            verify_export(log, key)


def test_a_changed_signature_is_refused(log: Path, key: VerifierKey, signer: SigningKey) -> None:
    other = signer.checkpoint([b"l" * 32]).split(b"\n")[-2]
    lines = (log / "checkpoint").read_bytes().split(b"\n")
    (log / "checkpoint").write_bytes(b"\n".join([*lines[:4], other, b""]))
    with pytest.raises(SignatureInvalid):
        verify_export(log, key)


def test_another_key_of_the_same_name_is_refused(log: Path, signer: SigningKey) -> None:
    with pytest.raises(NoKnownSignature):
        verify_export(log, VerifierKey.parse(SigningKey.from_seed(signer.name, 8).vkey()))


def test_a_key_found_in_the_export_is_never_used(log: Path, key: VerifierKey, entries: list[bytes]) -> None:
    impostor = SigningKey.from_seed(key.name, 66)
    shutil.rmtree(log)
    write_log(log, entries[:10], impostor)
    for name in ("vkey", "key", "public_key", "checkpoint.vkey"):
        (log / name).write_text(impostor.vkey())
    with pytest.raises(NoKnownSignature):
        verify_export(log, key)


def test_a_checkpoint_of_another_log_signed_with_the_same_key_is_refused(
    log: Path, key: VerifierKey, signer: SigningKey, entries: list[bytes]
) -> None:
    (log / "checkpoint").write_bytes(signer.checkpoint([leaf(entry) for entry in entries[:600]], origin="archive.example/fonds-2"))
    with pytest.raises(OriginMismatch):
        verify_export(log, key)


def test_a_missing_or_overlong_checkpoint_is_refused(log: Path, key: VerifierKey) -> None:
    (log / "checkpoint").write_bytes((log / "checkpoint").read_bytes() + b"x" * 2_000_000)
    with pytest.raises(Malformed):
        verify_export(log, key)
    (log / "checkpoint").unlink()
    with pytest.raises(FileMissing) as caught:
        verify_export(log, key)
    assert caught.value.evidence["path"] == "checkpoint"


def test_a_signed_root_that_the_entries_do_not_give_is_refused(
    log: Path, key: VerifierKey, signer: SigningKey, entries: list[bytes]
) -> None:
    (log / "checkpoint").write_bytes(signer.checkpoint([leaf(entry) for entry in entries[1:601]]))
    with pytest.raises(RootMismatch):
        verify_export(log, key)


def test_an_older_checkpoint_put_back_leaves_tiles_it_does_not_cover(
    log: Path, key: VerifierKey, signer: SigningKey, entries: list[bytes]
) -> None:
    (log / "checkpoint").write_bytes(signer.checkpoint([leaf(entry) for entry in entries[:520]]))
    with pytest.raises(FileBeyondCheckpoint):
        verify_export(log, key)


# ------------------------------------------------------------------------------------------ an earlier checkpoint


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 300, 511, 512, 513, 599, 600])
def test_every_earlier_checkpoint_is_found_to_be_a_beginning(
    size: int, log: Path, key: VerifierKey, signer: SigningKey, entries: list[bytes]
) -> None:
    report = verify_export(log, key, against=signer.checkpoint([leaf(entry) for entry in entries[:size]]))
    assert report.against
    assert report.against.size == size


@pytest.mark.parametrize("size", [1, 255, 256, 257, 512, 599, 600])
def test_a_history_rewritten_and_signed_again_passes_alone_and_fails_against_any_older_checkpoint(
    size: int, tmp_path: Path, key: VerifierKey, signer: SigningKey, entries: list[bytes]
) -> None:
    write_log(tmp_path / "log", [b'{"n":"forged"}', *entries[1:600]], signer)
    alone = verify_export(tmp_path / "log", key)
    assert any("--against" in line and "改写" in line for line in alone.unproven())
    with pytest.raises(ConsistencyFailed) as caught:
        verify_export(tmp_path / "log", key, against=signer.checkpoint([leaf(entry) for entry in entries[:size]]))
    assert (caught.value.evidence["old"], caught.value.evidence["new"]) == (size, 600)


def test_a_rollback_is_found_even_when_its_surplus_was_cleaned_away(
    tmp_path: Path, key: VerifierKey, signer: SigningKey, entries: list[bytes]
) -> None:
    write_log(tmp_path / "log", entries[:520], signer)
    with pytest.raises(RolledBack) as caught:
        verify_export(tmp_path / "log", key, against=signer.checkpoint([leaf(entry) for entry in entries[:600]]))
    assert caught.value.evidence == {"old": 600, "new": 520}


def test_an_earlier_checkpoint_counts_only_signed_by_the_same_key_for_the_same_log(log: Path, key: VerifierKey, signer: SigningKey) -> None:
    leaves = [b"l" * 32]
    with pytest.raises(NoKnownSignature):
        verify_export(log, key, against=SigningKey.from_seed(signer.name, 8).checkpoint(leaves))
    with pytest.raises(OriginMismatch):
        verify_export(log, key, against=signer.checkpoint(leaves, origin="archive.example/fonds-2"))
    with pytest.raises(SignatureInvalid):
        verify_export(log, key, against=signer.checkpoint(leaves).replace(b"\n1\n", b"\n2\n"))
    with pytest.raises(Malformed):
        verify_export(log, key, against=b"")


# ------------------------------------------------------------------------------------------ sizes, reports


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 513])
def test_logs_verify_on_both_sides_of_a_tile_s_edge(
    size: int, tmp_path: Path, key: VerifierKey, signer: SigningKey, entries: list[bytes]
) -> None:
    (tmp_path / "log").mkdir()
    write_log(tmp_path / "log", entries[:size], signer)
    steps: list[tuple[int, int]] = []
    assert verify_export(tmp_path / "log", key, progress=lambda done, total: steps.append((done, total))).checkpoint.size == size
    assert [done for done, _ in steps] == [*range(256, size, 256), *([size] if size else [])]


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537])
def test_logs_verify_on_both_sides_of_a_second_level_tile_s_edge(
    size: int, tmp_path: Path, key: VerifierKey, signer: SigningKey, entries: list[bytes]
) -> None:
    leaves = write_log(tmp_path / "log", entries[:size], signer, older=(65_535, 65_536))
    assert verify_export(tmp_path / "log", key, against=signer.checkpoint(leaves[:65_535])).checkpoint.size == size


@pytest.mark.parametrize("file", ["tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1", "tile/0/272", "tile/entries/100"])
def test_a_flipped_bit_is_found_at_every_level_of_a_tall_log(file: str, big_log: Path, key: VerifierKey) -> None:
    sound = (big_log / file).read_bytes()
    try:
        flip(file, 20)(big_log)
        with pytest.raises(FileDiffers) as caught:
            verify_export(big_log, key)
        assert caught.value.evidence["path"] == file.replace("entries", "0")
    finally:
        (big_log / file).write_bytes(sound)


def test_two_processes_find_what_one_finds(big_log: Path, key: VerifierKey, signer: SigningKey, entries: list[bytes]) -> None:
    old = signer.checkpoint([leaf(entry) for entry in entries[:65_700]])
    assert verify_export(big_log, key, against=old, processes=2) == verify_export(big_log, key, against=old)
    file = big_log / "tile/0/200"
    sound = file.read_bytes()
    try:
        file.write_bytes(sound[:-1] + b"?")
        with pytest.raises(FileDiffers) as caught:
            verify_export(big_log, key, processes=2)
        assert caught.value.evidence["path"] == "tile/0/200"
    finally:
        file.write_bytes(sound)


def test_entries_of_the_greatest_and_the_least_length_verify(tmp_path: Path, key: VerifierKey, signer: SigningKey) -> None:
    write_log(tmp_path / "log", [b"", b"x" * 65_535, b"", b"y" * 65_534], signer)
    assert verify_export(tmp_path / "log", key).entry_bytes == 131_069


def test_a_report_says_what_is_proven_and_what_is_not(log: Path, key: VerifierKey, signer: SigningKey, entries: list[bytes]) -> None:
    (log / "README").write_text("by the archive")
    alone = verify_export(log, key)
    compared = verify_export(log, key, against=signer.checkpoint([leaf(entry) for entry in entries[:520]]))
    assert len(compared.proven()) == len(alone.proven()) + 1
    assert "520" in compared.proven()[-1]
    assert set(alone.unproven()) - set(compared.unproven()) == {alone.unproven()[0]}
    assert "'README'" in alone.unproven()[-1]
    for line in alone.proven() + alone.unproven():
        chinese, _, english = line.partition(" / ")
        assert chinese
        assert english
    for text in (str(alone), str(compared)):
        assert text.startswith("校验通过 / verified\n")
        assert key.name in text
        assert "未能证明 / not proven" in text


def test_the_verifier_stays_small_enough_to_read() -> None:
    assert sum(len(module.read_text().splitlines()) for module in (ROOT / "tlog").glob("*.py")) < 900
