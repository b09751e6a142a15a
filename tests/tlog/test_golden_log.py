"""The golden log of the Tessera project, which others wrote: 15 entries, a checkpoint after each, tiles of every size."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from signed_log import directory_reader
from tlog.checkpoint import open_checkpoint
from tlog.errors import FileBeyondCheckpoint, FileDiffers, FileMissing, NoKnownSignature, SignatureInvalid, TlogError
from tlog.merkle import Frontier, consistency_path, inclusion_path, leaf_hash, verify_consistency, verify_inclusion
from tlog.note import VerifierKey
from tlog.tiles import decode_bundle, root_from_tiles, tile_source
from tlog.verify import verify_export

KEY = VerifierKey.parse("example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx")


@pytest.fixture
def golden(shared_data: Path) -> Path:
    return shared_data / "vectors/tessera_log"


@pytest.fixture
def copied(golden: Path, tmp_path: Path) -> Path:
    log = tmp_path / "log"
    for file in (path for path in golden.rglob("*") if path.is_file()):  # contents only: the original may be read-only
        target = log / file.relative_to(golden)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    return log


def test_the_golden_log_verifies_whole(golden: Path) -> None:
    report = verify_export(golden, KEY)
    assert report.checkpoint.size == 15
    assert report.files == 30, "15 tiles and 15 bundles, 28 of them of earlier sizes"


@pytest.mark.parametrize("size", range(16))
def test_the_golden_log_extends_each_of_its_checkpoints(size: int, golden: Path) -> None:
    report = verify_export(golden, KEY, against=(golden / f"checkpoint.{size}").read_bytes())
    assert report.against
    assert report.against.size == size


def test_every_golden_checkpoint_has_the_root_of_entries_frontier_and_tiles(golden: Path) -> None:
    tree, read = Frontier(), directory_reader(golden)
    for size, entry in enumerate(decode_bundle(read("tile/entries/000.p/15"), 15), start=1):
        tree.append(leaf_hash(entry))
        checkpoint = open_checkpoint(read(f"checkpoint.{size}"), KEY)
        assert (checkpoint.size, checkpoint.root) == (size, tree.root())
        assert root_from_tiles(size, read) == checkpoint.root


def test_proofs_between_all_golden_checkpoints_hold(golden: Path) -> None:
    read = directory_reader(golden)
    checkpoints = [open_checkpoint(read(f"checkpoint.{size}"), KEY) for size in range(16)]
    entries = decode_bundle(read("tile/entries/000.p/15"), 15)
    for new in checkpoints:
        source = tile_source(read, new.size)
        for index in range(new.size):
            verify_inclusion(leaf_hash(entries[index]), index, new.size, inclusion_path(index, new.size, source), new.root)
        for old in checkpoints[: new.size + 1]:
            verify_consistency(old.size, old.root, new.size, new.root, consistency_path(old.size, new.size, source))


def flip(file: str, at: int) -> Callable[[Path], object]:
    def attack(log: Path) -> None:
        data = bytearray((log / file).read_bytes())
        data[at] ^= 1
        (log / file).write_bytes(data)

    return attack


ATTACKS: dict[str, tuple[Callable[[Path], object], type[TlogError]]] = {
    "an entry's byte": (flip("tile/entries/000.p/15", 3), FileDiffers),
    "an entry's length": (flip("tile/entries/000.p/15", 1), FileDiffers),
    "a leaf hash": (flip("tile/0/000.p/15", 479), FileDiffers),
    "a bundle missing": (lambda log: (log / "tile/entries/000.p/15").unlink(), FileMissing),
    "a tile missing": (lambda log: (log / "tile/0/000.p/15").unlink(), FileMissing),
    "an older tile": (flip("tile/0/000.p/7", 100), FileDiffers),
    "an older bundle": (flip("tile/entries/000.p/2", 8), FileDiffers),
    "an older tile under another width": (lambda log: (log / "tile/0/000.p/7").replace(log / "tile/0/000.p/8"), FileDiffers),
    "the size": (flip("checkpoint", 26), SignatureInvalid),
    "the root": (
        lambda log: (log / "checkpoint").write_bytes((log / "checkpoint").read_bytes().replace(b"rKbD", b"rKbE")),
        SignatureInvalid,
    ),
    "the key id": (
        lambda log: (log / "checkpoint").write_bytes((log / "checkpoint").read_bytes().replace(b"M9e0", b"M9e1")),
        NoKnownSignature,
    ),
    "rolled back": (lambda log: shutil.copyfile(log / "checkpoint.7", log / "checkpoint"), FileBeyondCheckpoint),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_the_golden_log_changed_is_refused(name: str, copied: Path) -> None:
    verify_export(copied, KEY)
    attack, kind = ATTACKS[name]
    attack(copied)
    with pytest.raises(kind):
        verify_export(copied, KEY)
