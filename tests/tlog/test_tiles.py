from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signed_log import directory_reader, leaf, mth, path_name
from tlog.errors import FileDiffers, FileMissing, Malformed, RangeInvalid
from tlog.merkle import consistency_path, inclusion_path, verify_consistency, verify_inclusion
from tlog.tiles import (
    ENTRIES,
    Tile,
    bundle_leaves,
    decode_bundle,
    encode_bundle,
    root_from_tiles,
    tile_source,
    tiles_between,
    width_at,
)

SIZES = st.integers(0, 2**40) | st.integers(0, 70_000)


def test_the_path_example_of_the_specification() -> None:
    assert Tile(0, 1234067).path() == "tile/0/x001/x234/067"
    assert Tile(2, 0, 1).path() == "tile/2/000.p/1"
    assert Tile(ENTRIES, 273, 112).path() == "tile/entries/273.p/112"


@given(st.integers(-1, 63), st.integers(0, 2**55), st.integers(1, 256))
def test_paths_lead_back_to_their_tile(level: int, n: int, width: int) -> None:
    tile = Tile(level, n, width)
    assert Tile.parse(tile.path()) == tile
    assert tile.path() == path_name("entries" if level == ENTRIES else str(level), n, width)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/x000",
        "tile/0/x000/000",
        "tile/0/001/002",
        "tile/0/x001/x002",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/data/000",
        "tile/0/000.p",
        "tile/0/000.p/0",
        "tile/0/000.p/00",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/999",
        "tile/0/000.p/1/",
        "tile/0/000/",
        "tile/0/000\n",
        "tile/0/٠٠٠",
        "/tile/0/000",
        "tile/0/../0/000",
        "tile/0/000.gz",
        "checkpoint",
    ],
)
def test_only_the_spelling_of_the_specification_is_a_tile(path: str) -> None:
    with pytest.raises(Malformed):
        Tile.parse(path)


def test_a_log_of_70000_entries_has_the_tiles_the_specification_says() -> None:
    tiles = list(tiles_between(0, 70_000))
    by_level = [[tile for tile in tiles if tile.level == level] for level in range(4)]
    assert by_level[0] == [Tile(0, n) for n in range(273)] + [Tile(0, 273, 112)]
    assert by_level[1] == [Tile(1, 0), Tile(1, 1, 17)]
    assert by_level[2] == [Tile(2, 0, 1)]
    assert by_level[3] == []


def test_a_log_of_256_entries_has_a_full_tile_and_one_hash_above() -> None:
    assert list(tiles_between(0, 256)) == [Tile(0, 0), Tile(1, 0, 1)]
    assert list(tiles_between(0, 0)) == []


@given(st.integers(0, 2**40), st.integers(0, 2000))
def test_growing_writes_what_is_new_and_nothing_again(old: int, more: int) -> None:
    new = old + more
    written = list(tiles_between(old, new))
    assert len(written) == len(set(written))
    for tile in written:
        assert tile.width == width_at(tile.level, tile.n, new) > width_at(tile.level, tile.n, old)


@given(st.lists(st.integers(0, 70_000), min_size=1, max_size=4))
def test_growing_step_by_step_leaves_every_tile_of_the_last_size(sizes: list[int]) -> None:
    written, before = set(), 0
    for size in sorted(sizes):
        written |= set(tiles_between(before, size))
        before = size
    assert set(tiles_between(0, before)) <= written


@given(SIZES)
def test_the_partial_tile_of_a_level_is_the_size_s_digit_to_base_256(size: int) -> None:
    for level in range(6):
        partial = [tile.width for tile in tiles_between(max(0, size - 1), size) if tile.level == level and tile.width < 256]
        digit = (size >> 8 * level) % 256
        assert width_at(level, size >> 8 * (level + 1), size) == digit
        assert partial in ([], [digit])


ENTRY_LISTS = st.lists(st.binary(max_size=40), max_size=256)


@given(ENTRY_LISTS)
def test_bundles_come_back_as_they_were_written(entries: list[bytes]) -> None:
    data = encode_bundle(entries)
    assert decode_bundle(data, len(entries)) == entries
    assert bundle_leaves(data, len(entries)) == b"".join(map(leaf, entries))


def test_the_bundle_example_of_the_format() -> None:
    data = encode_bundle([b"one", b"two", b"three"])
    assert data.hex() == "00036f6e65" + "000374776f" + "00057468726565"
    assert bundle_leaves(data, 3) == leaf(b"one") + leaf(b"two") + leaf(b"three")


@given(ENTRY_LISTS, st.integers(0, 256), st.binary(max_size=3), st.integers(0, 3))
def test_a_bundle_that_is_not_filled_exactly_is_refused(entries: list[bytes], width: int, more: bytes, less: int) -> None:
    data = encode_bundle(entries)
    data = data[: len(data) - less] + more
    try:
        found = decode_bundle(data, width)
    except Malformed:
        return
    assert encode_bundle(found) == data
    assert len(found) == width


@pytest.mark.parametrize(
    ("data", "width"), [(b"", 1), (b"\0", 1), (b"\0\1", 1), (b"\0\1a\0", 1), (b"\0\1a", 2), (b"\0\1a\0\1b", 1), (b"\xff\xff", 2), (b"x", 0)]
)
def test_bundles_cut_short_or_too_long_are_refused(data: bytes, width: int) -> None:
    with pytest.raises(Malformed):
        decode_bundle(data, width)
    with pytest.raises(Malformed):
        bundle_leaves(data, width)


def test_an_entry_has_at_most_65535_bytes_and_a_bundle_256_entries() -> None:
    longest = [b"x" * 65_535]
    assert decode_bundle(encode_bundle(longest), 1) == longest
    for entries in ([b"x" * 65_536], [b""] * 257):
        with pytest.raises(Malformed):
            encode_bundle(entries)


def test_proofs_can_be_made_from_the_tiles_alone(big_log: Path, entries: list[bytes]) -> None:
    size = len(entries)
    source, root = tile_source(directory_reader(big_log), size), root_from_tiles(size, directory_reader(big_log))
    assert root == mth([leaf(entry) for entry in entries])
    for index in (0, 255, 256, 65_535, 65_536, 69_887, 69_888, 69_999):
        verify_inclusion(leaf(entries[index]), index, size, inclusion_path(index, size, source), root)
    for old in (1, 255, 256, 257, 65_535, 65_536, 65_537, 69_999, 70_000):
        old_root = mth([leaf(entry) for entry in entries[:old]])
        verify_consistency(old, old_root, size, root, consistency_path(old, size, source))


def test_the_tiles_may_come_from_anywhere_that_reads(small_log: Path, entries: list[bytes]) -> None:
    asked: list[str] = []
    held = {path.relative_to(small_log).as_posix(): path.read_bytes() for path in small_log.rglob("*") if path.is_file()}

    def read(path: str) -> bytes:
        asked.append(path)
        if path not in held:
            raise FileNotFoundError(path)
        return held[path]

    assert root_from_tiles(520, read) == mth([leaf(entry) for entry in entries[:520]])
    assert set(asked) == {"tile/1/000.p/2", "tile/0/002.p/8"}


def test_a_full_tile_stands_in_for_a_partial_one_that_was_dropped(tmp_path: Path, small_log: Path, entries: list[bytes]) -> None:
    shutil.copytree(small_log, tmp_path / "log")
    shutil.rmtree(tmp_path / "log/tile/0/000.p")
    assert root_from_tiles(255, directory_reader(tmp_path / "log")) == mth([leaf(entry) for entry in entries[:255]])


def test_a_missing_or_misshapen_tile_is_named(tmp_path: Path, small_log: Path) -> None:
    log = tmp_path / "log"
    shutil.copytree(small_log, log)
    (log / "tile/0/002.p/88").write_bytes(b"short")
    with pytest.raises(FileDiffers) as differs:
        root_from_tiles(600, directory_reader(log))
    assert differs.value.evidence["path"] == "tile/0/002.p/88"
    (log / "tile/0/002.p/88").unlink()
    with pytest.raises(FileMissing) as missing:
        root_from_tiles(600, directory_reader(log))
    assert missing.value.evidence["path"] == "tile/0/002.p/88"


def test_hashes_beyond_the_size_are_not_given_out(small_log: Path) -> None:
    source = tile_source(directory_reader(small_log), 520)
    for height, index in ((0, 520), (3, 65), (9, 1), (10, 0)):
        with pytest.raises(RangeInvalid):
            source(height, index)
