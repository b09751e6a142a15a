from __future__ import annotations

from pathlib import Path

import pytest

from audit.errors import ExportDiffers, NoSuchTile
from audit.export import export
from tlog.errors import ConsistencyFailed
from tlog.verify import verify_export

FONDS = "f-1"


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 700])
def test_an_export_verifies_and_does_so_again_after_more_appends(log, tmp_path: Path, size):
    log.grow(size)
    log.publishing.publish(FONDS)
    first = export(log.db, FONDS, tmp_path / "out")
    assert first.size == size
    verify_export(tmp_path / "out", log.key())
    for more in (1, 255, 300):
        log.grow(more)
        log.publishing.publish(FONDS)
        export(log.db, FONDS, tmp_path / "out")
        verify_export(tmp_path / "out", log.key(), against=first.note)


def test_only_what_is_published_is_exported(log, tmp_path: Path):
    log.grow(5)
    with pytest.raises(NoSuchTile):
        export(log.db, FONDS, tmp_path / "out")
    log.publishing.publish(FONDS)
    log.grow(5)
    assert export(log.db, FONDS, tmp_path / "out").size == 5
    verify_export(tmp_path / "out", log.key())


def test_a_cut_export_is_completed_by_running_it_again(log, tmp_path: Path):
    log.grow(600)
    log.publishing.publish(FONDS)

    class Cut(Exception):
        pass

    def cut(done: int, _all: int) -> None:
        if done == 3:
            raise Cut

    with pytest.raises(Cut):
        export(log.db, FONDS, tmp_path / "out", cut)
    assert not (tmp_path / "out" / "checkpoint").exists()
    seen: list[tuple[int, int]] = []
    export(log.db, FONDS, tmp_path / "out", lambda done, total: seen.append((done, total)))
    verify_export(tmp_path / "out", log.key())
    assert seen[-1][0] == seen[-1][1] == len(seen)


def test_a_changed_file_of_an_earlier_export_is_never_overwritten(log, tmp_path: Path):
    log.grow(300)
    log.publishing.publish(FONDS)
    export(log.db, FONDS, tmp_path / "out")
    tile = tmp_path / "out" / "tile/0/000"
    changed = bytearray(tile.read_bytes())
    changed[7] ^= 1
    tile.write_bytes(changed)
    with pytest.raises(ExportDiffers):
        export(log.db, FONDS, tmp_path / "out")
    assert tile.read_bytes() == changed


def test_an_export_is_not_continued_over_the_checkpoint_of_another_log(log, tmp_path: Path):
    log.grow(3)
    log.grow(4, fonds="f-2")
    for fonds in (FONDS, "f-2"):
        log.publishing.publish(fonds)
    export(log.db, FONDS, tmp_path / "out")
    before = (tmp_path / "out" / "checkpoint").read_bytes()
    with pytest.raises(ExportDiffers):
        export(log.db, "f-2", tmp_path / "out")
    assert (tmp_path / "out" / "checkpoint").read_bytes() == before


def test_history_rewritten_and_signed_again_with_the_real_key_passes_alone_and_fails_against_an_old_checkpoint(log, tmp_path: Path):
    from audit.anchor import Anchors
    from audit.publishing import Publishing

    log.grow(300)
    old = log.publishing.publish(FONDS)
    log.rewrite(17)
    forger = Publishing(log.db, log.publishing.signers, Anchors(tmp_path / "fresh"), log.clock)
    forger.publish(FONDS)
    export(log.db, FONDS, tmp_path / "out")
    verify_export(tmp_path / "out", log.key())
    with pytest.raises(ConsistencyFailed):
        verify_export(tmp_path / "out", log.key(), against=old.note)
