"""Checkers that others wrote accept our logs and the golden one, and reject what our verifier rejects.

`go/main.go` holds a log against the Go project's golang.org/x/mod/sumdb; `aics_check.py` among the support holds it against the packages
of `checkers.lock`: `aics-tlog`, and `pymerkle` for the roots. Nothing of the archive takes part in either.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from log_attacks import Attack, both, copy, exchange, flip, remove, replace, swap_entries, swap_hashes
from other_checkers import Check, aics_checker, go_checker
from signed_log import SigningKey, leaf, write_log
from tlog.errors import TlogError
from tlog.note import VerifierKey
from tlog.verify import verify_export

SIZES = [1, 255, 256, 257, 65_535, 65_536, 65_537]
GOLDEN_KEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"


@pytest.fixture(
    scope="session", params=[pytest.param("go", marks=pytest.mark.golang), pytest.param("aics", marks=pytest.mark.other_checkers)]
)
def check(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Check:
    """One of the checkers."""
    return aics_checker() if request.param == "aics" else go_checker(tmp_path_factory.mktemp("go"))


# The Go project's proofs begin at a tree of one: an older checkpoint of an empty log is for our own tests.
@pytest.mark.parametrize("older", [None, *range(1, 16)])
def test_other_checkers_accept_the_golden_log_and_each_of_its_checkpoints(older: int | None, check: Check, shared_data: Path) -> None:
    golden = shared_data / "vectors/tessera_log"
    accepted, said = check(golden, GOLDEN_KEY, None if older is None else golden / f"checkpoint.{older}")
    assert accepted, said
    assert "15 entries" in said


@pytest.mark.parametrize("size", SIZES)
def test_other_checkers_accept_our_logs_on_both_sides_of_every_edge(
    size: int, check: Check, tmp_path: Path, signer: SigningKey, entries: list[bytes]
) -> None:
    leaves = write_log(tmp_path / "log", entries[:size], signer)
    for old in {min(size, 256), max(1, size - 1)} | ({1, min(size, 255), size} if size < 1_000 else set()):
        (tmp_path / "older").write_bytes(signer.checkpoint(leaves[:old]))
        accepted, said = check(tmp_path / "log", signer.vkey(), tmp_path / "older")
        assert accepted, said
        assert f"{size} entries" in said
        assert f"extends {old}" in said


def signed(by: SigningKey, leaves: list[bytes], *, origin: str | None = None, size: int | None = None) -> Attack:
    """Put another checkpoint in place."""
    return lambda log: (log / "checkpoint").write_bytes(by.checkpoint(leaves, origin=origin, size=size))


def in_checkpoint(old: bytes, new: bytes) -> Attack:
    def attack(log: Path) -> None:
        sound = (log / "checkpoint").read_bytes()
        assert old in sound
        (log / "checkpoint").write_bytes(sound.replace(old, new, 1))

    return attack


def rewritten(by: SigningKey, entries: list[bytes], at: int, *, keep_checkpoint: bool = False) -> Attack:
    """Exchange one entry and compute everything anew, signed again or not."""

    def attack(log: Path) -> None:
        log.mkdir(exist_ok=True)
        sound = (log / "checkpoint").read_bytes() if keep_checkpoint else b""
        write_log(log, [*entries[:at], b"forged", *entries[at + 1 :]], by)
        if keep_checkpoint:
            (log / "checkpoint").write_bytes(sound)

    return attack


ENTRIES = [b'{"n":%d}' % n for n in range(70_000)]
LEAVES = [leaf(entry) for entry in ENTRIES[:1_000]]
SIGNER = SigningKey.from_seed("archive.example/fonds-1", 7)
IMPOSTOR = SigningKey.from_seed(SIGNER.name, 8)

CHANGES: dict[str, Attack] = {
    "an entry's byte": flip("tile/entries/000"),
    "an entry's length": flip("tile/entries/000", 1),
    "an entry of the last bundle": flip("tile/entries/002.p/88"),
    "an entry dropped": replace("tile/entries/000", lambda d: d[9:]),
    "an entry added": replace("tile/entries/000", lambda d: d + b"\0\1x"),
    "two entries swapped": replace("tile/entries/000", swap_entries),
    "two entries swapped with their hashes": both(replace("tile/entries/000", swap_entries), replace("tile/0/000", swap_hashes)),
    "a bundle cut short": replace("tile/entries/001", lambda d: d[:-1]),
    "a bundle extended": replace("tile/entries/001", lambda d: d + b"\0"),
    "a bundle emptied": replace("tile/entries/001", lambda _: b""),
    "a bundle missing": remove("tile/entries/001"),
    "the last bundle missing": remove("tile/entries/002.p/88"),
    "two bundles exchanged": exchange("tile/entries/000", "tile/entries/001"),
    "a bundle in the place of another": copy("tile/entries/000", "tile/entries/001"),
    "a leaf hash": flip("tile/0/001", 8191),
    "a leaf hash of the partial tile": flip("tile/0/002.p/88", 2815),
    "two leaf hashes swapped": replace("tile/0/001", swap_hashes),
    "two tiles exchanged": exchange("tile/0/000", "tile/0/001"),
    "a tile cut short": replace("tile/0/001", lambda d: d[:-32]),
    "a tile emptied": replace("tile/0/000", lambda _: b""),
    "a tile missing": remove("tile/0/000"),
    "a hash at level 1": flip("tile/1/000.p/2", 63),
    "two hashes at level 1 swapped": replace("tile/1/000.p/2", swap_hashes),
    "a tile at level 1 cut short": replace("tile/1/000.p/2", lambda d: d[:32]),
    "a tile at level 1 missing": remove("tile/1/000.p/2"),
    "all tiles missing": lambda log: shutil.rmtree(log / "tile"),
    "the size": in_checkpoint(b"\n600\n", b"\n599\n"),
    "the size spelled otherwise": in_checkpoint(b"\n600\n", b"\n0600\n"),
    "the origin": in_checkpoint(b"fonds-1\n", b"fonds-2\n"),
    "the signed bytes' end": in_checkpoint(b"\n\n", b"\nmore\n\n"),
    "the key's name in the signature": in_checkpoint("— archive".encode(), "— Archive".encode()),
    "the signature": replace("checkpoint", lambda d: d[:-20] + (b"A" if d[-20:-19] != b"A" else b"B") + d[-19:]),
    "the signature taken away": replace("checkpoint", lambda d: d[: d.index(b"\n\n") + 2]),
    "the checkpoint emptied": replace("checkpoint", lambda _: b""),
    "the checkpoint missing": remove("checkpoint"),
    "signed by another key of the same name": signed(IMPOSTOR, LEAVES[:600]),
    "the checkpoint of another log": signed(SIGNER, LEAVES[:600], origin="archive.example/fonds-2"),
    "the checkpoint of another history": signed(SIGNER, LEAVES[1:601]),
    "a size larger than the log": signed(SIGNER, LEAVES[:601]),
    "a size of another root": signed(SIGNER, LEAVES[:600], size=512),
    "an entry rewritten with all above it, not signed": rewritten(SIGNER, ENTRIES[:600], 300, keep_checkpoint=True),
    "an entry rewritten, signed by another key": rewritten(IMPOSTOR, ENTRIES[:600], 300),
}


def must_be_rejected(change: Attack, check: Check, sound: Path, log: Path) -> None:
    """Change a log that both accept; neither does any more."""
    shutil.copytree(sound, log)
    for older in log.glob("tile/*/*.p/*"):
        if older.relative_to(log).as_posix() not in {"tile/0/002.p/88", "tile/entries/002.p/88", "tile/1/000.p/2"}:
            older.unlink()  # which the other checkers have no reason to read
    key = VerifierKey.parse(SIGNER.vkey())
    accepted, said = check(log, SIGNER.vkey())
    assert accepted, said
    verify_export(log, key)
    change(log)
    accepted, said = check(log, SIGNER.vkey())
    assert not accepted, said
    with pytest.raises(TlogError):
        verify_export(log, key)


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_log_is_rejected_by_other_checkers_and_by_ours(name: str, check: Check, tmp_path: Path, small_log: Path) -> None:
    must_be_rejected(CHANGES[name], check, small_log, tmp_path / "log")


# `aics-tlog` looks no further than the hashes it needs.
@pytest.mark.parametrize("check", [pytest.param("go", marks=pytest.mark.golang)], indirect=True)
def test_a_tile_longer_than_its_name_says_is_rejected_by_go_and_by_ours(check: Check, tmp_path: Path, small_log: Path) -> None:
    must_be_rejected(replace("tile/0/002.p/88", lambda d: d + d[:32]), check, small_log, tmp_path / "log")


@pytest.mark.parametrize("file", ["tile/2/000.p/1", "tile/1/000", "tile/1/001.p/17", "tile/0/272", "tile/entries/273.p/112"])
def test_a_flipped_bit_of_a_tall_log_is_rejected_by_other_checkers_and_by_ours(
    file: str, check: Check, tmp_path: Path, big_log: Path
) -> None:
    shutil.copytree(big_log, tmp_path / "log")
    flip(file, 20)(tmp_path / "log")
    accepted, said = check(tmp_path / "log", SIGNER.vkey())
    assert not accepted, said
    with pytest.raises(TlogError):
        verify_export(tmp_path / "log", VerifierKey.parse(SIGNER.vkey()))


OLDER = {
    "of another history": SIGNER.checkpoint(LEAVES[1:301]),
    "of the same size and another history": SIGNER.checkpoint([*LEAVES[:599], LEAVES[700]]),
    "larger than the log": SIGNER.checkpoint(LEAVES[:601]),
    "signed by another key": IMPOSTOR.checkpoint(LEAVES[:300]),
    "of another log": SIGNER.checkpoint(LEAVES[:300], origin="archive.example/fonds-2"),
    "with another size": SIGNER.checkpoint(LEAVES[:300]).replace(b"\n300\n", b"\n299\n"),
    "of a root of another size": SIGNER.checkpoint(LEAVES[:300], size=299),
    "that is empty": b"",
}


@pytest.mark.parametrize("name", OLDER)
def test_an_older_checkpoint_that_does_not_fit_is_rejected_by_other_checkers_and_by_ours(
    name: str, check: Check, tmp_path: Path, small_log: Path
) -> None:
    (tmp_path / "older").write_bytes(OLDER[name])
    accepted, said = check(small_log, SIGNER.vkey(), tmp_path / "older")
    assert not accepted, said
    with pytest.raises(TlogError):
        verify_export(small_log, VerifierKey.parse(SIGNER.vkey()), against=OLDER[name])


@pytest.mark.parametrize("at", [0, 255, 256, 299])
def test_a_history_rewritten_and_signed_again_is_rejected_by_all_only_against_an_older_checkpoint(
    at: int, check: Check, tmp_path: Path
) -> None:
    rewritten(SIGNER, ENTRIES[:600], at)(tmp_path / "log")
    (tmp_path / "older").write_bytes(SIGNER.checkpoint(LEAVES[:300]))
    key = VerifierKey.parse(SIGNER.vkey())
    assert check(tmp_path / "log", SIGNER.vkey())[0]
    assert verify_export(tmp_path / "log", key).checkpoint.size == 600
    assert not check(tmp_path / "log", SIGNER.vkey(), tmp_path / "older")[0]
    with pytest.raises(TlogError):
        verify_export(tmp_path / "log", key, against=(tmp_path / "older").read_bytes())
