from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signed_log import leaf, mth
from tlog.errors import ConsistencyFailed, InclusionFailed, Malformed, RangeInvalid, RolledBack
from tlog.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_path,
    inclusion_path,
    leaf_hash,
    node_hash,
    perfect_root,
    range_root,
    verify_consistency,
    verify_inclusion,
)

LEAVES = [leaf(b"%d" % n) for n in range(300)]
ALL_SIZES = range(1, 261)

# The tree of the Certificate Transparency reference implementation's tests: its entries, and its root after each.
CT_ENTRIES = [
    bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@cache
def part(start: int, end: int) -> bytes:
    return mth(LEAVES[start:end])


def source(height: int, index: int) -> bytes:
    return part(index << height, (index + 1) << height)


def reference_path(index: int, start: int, end: int) -> list[bytes]:
    """PATH of RFC 6962 section 2.1.1, word for word."""
    if end - start == 1:
        return []
    k = 1
    while k * 2 < end - start:
        k *= 2
    if index < k:
        return [*reference_path(index, start, start + k), part(start + k, end)]
    return [*reference_path(index - k, start + k, end), part(start, start + k)]


def reference_proof(old: int, start: int, end: int, *, known: bool) -> list[bytes]:
    """SUBPROOF of RFC 6962 section 2.1.2, word for word."""
    if old == end - start:
        return [] if known else [part(start, end)]
    k = 1
    while k * 2 < end - start:
        k *= 2
    if old <= k:
        return [*reference_proof(old, start, start + k, known=known), part(start + k, end)]
    return [*reference_proof(old - k, start + k, end, known=False), part(start, start + k)]


def grown(leaves: list[bytes]) -> Frontier:
    return Frontier().extended(leaves)


def test_the_roots_are_those_of_the_certificate_transparency_tests() -> None:
    tree = Frontier()
    for entry, root in zip(CT_ENTRIES, CT_ROOTS, strict=True):
        tree.append(leaf_hash(entry))
        assert tree.root().hex() == root


def test_the_empty_tree_has_the_root_of_the_specification() -> None:
    assert Frontier().root() == EMPTY_ROOT == mth([])
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_leaf_and_node_hashes_are_separated_by_their_first_byte() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert leaf_hash(left + right) != node_hash(left, right)
    assert node_hash(left, right) == mth([left, right])


def test_the_frontier_has_the_root_of_every_size() -> None:
    tree = Frontier()
    for size, hash_ in enumerate(LEAVES, start=1):
        tree.append(hash_)
        assert tree.root() == part(0, size)
        assert tree.size == size


@given(st.integers(0, 300), st.integers(0, 300))
def test_a_frontier_continues_from_its_bytes(first: int, second: int) -> None:
    cut, size = sorted((first, second))
    tree = Frontier.from_bytes(grown(LEAVES[:cut]).to_bytes())
    longer = tree.extended(LEAVES[cut:size])
    assert longer.root() == part(0, size)
    assert tree.root() == part(0, cut), "the copy must not change the original"


@given(st.binary(max_size=120))
def test_frontier_bytes_are_refused_or_come_back_the_same(data: bytes) -> None:
    try:
        tree = Frontier.from_bytes(data)
    except Malformed:
        return
    assert tree.to_bytes() == data


@pytest.mark.parametrize(
    "data", [b"", b"\x00" * 7, b"\x00" * 40, (1).to_bytes(8, "big"), (3).to_bytes(8, "big") + b"x" * 63, b"\xff" * 8 + b"x" * 2048]
)
def test_a_frontier_of_the_wrong_length_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        Frontier.from_bytes(data)


@given(st.integers(0, 8), st.integers(0, 300))
def test_a_perfect_subtree_is_appended_only_where_it_aligns(height: int, size: int) -> None:
    width = 1 << height
    tree = grown(LEAVES[:size])
    if size % width:
        with pytest.raises(RangeInvalid):
            tree.append(EMPTY_ROOT, height)
    elif size + width <= len(LEAVES):
        tree.append(perfect_root(b"".join(LEAVES[size : size + width])), height)
        assert tree.root() == part(0, size + width)


def test_inclusion_holds_for_every_entry_of_every_size_and_is_the_path_of_the_rfc() -> None:
    for size in ALL_SIZES:
        root = part(0, size)
        for index in range(size):
            path = inclusion_path(index, size, source)
            assert path == reference_path(index, 0, size)
            verify_inclusion(LEAVES[index], index, size, path, root)


def test_consistency_holds_for_every_pair_of_sizes_and_is_the_proof_of_the_rfc() -> None:
    for new in range(261):
        for old in range(new + 1):
            path = consistency_path(old, new, source)
            assert path == (reference_proof(old, 0, new, known=True) if old > 0 else [])
            verify_consistency(old, part(0, old), new, part(0, new), path)


def other(hash_: bytes, bit: int) -> bytes:
    return (int.from_bytes(hash_, "big") ^ (1 << bit)).to_bytes(32, "big")


@given(st.data())
def test_any_changed_bit_of_an_inclusion_proof_is_refused(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 300))
    index = data.draw(st.integers(0, size - 1))
    path, root = inclusion_path(index, size, source), part(0, size)
    bit = data.draw(st.integers(0, 255))
    where = data.draw(st.integers(-2, len(path) - 1))
    changed = [other(h, bit) if at == where else h for at, h in enumerate(path)]
    with pytest.raises(InclusionFailed):
        verify_inclusion(
            other(LEAVES[index], bit) if where == -2 else LEAVES[index], index, size, changed, other(root, bit) if where == -1 else root
        )


@given(st.data())
def test_an_inclusion_proof_is_refused_at_another_place_or_with_another_length(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 300))
    index = data.draw(st.integers(0, size - 1))
    path, root = inclusion_path(index, size, source), part(0, size)
    wrong = data.draw(st.integers(0, size - 1).filter(lambda n: n != index))
    for args in (
        (LEAVES[index], wrong, size, path, root),
        (LEAVES[wrong], index, size, path, root),
        (LEAVES[index], index, size, path[:-1], root),
        (LEAVES[index], index, size, [*path, root], root),
    ):
        with pytest.raises(InclusionFailed):
            verify_inclusion(*args)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (-1, 5), (0, -1), (0, 2**63)])
def test_a_place_outside_the_tree_is_named(index: int, size: int) -> None:
    with pytest.raises(RangeInvalid):
        inclusion_path(index, size, source)
    with pytest.raises(RangeInvalid):
        verify_inclusion(LEAVES[0], index, size, [], LEAVES[0])


@given(st.data())
def test_any_changed_bit_of_a_consistency_proof_is_refused(data: st.DataObject) -> None:
    new = data.draw(st.integers(2, 300))
    old = data.draw(st.integers(1, new - 1))
    path, old_root, new_root = consistency_path(old, new, source), part(0, old), part(0, new)
    bit = data.draw(st.integers(0, 255))
    where = data.draw(st.integers(-2, len(path) - 1))
    changed = [other(h, bit) if at == where else h for at, h in enumerate(path)]
    with pytest.raises(ConsistencyFailed):
        verify_consistency(
            old, other(old_root, bit) if where == -2 else old_root, new, other(new_root, bit) if where == -1 else new_root, changed
        )


@given(st.data())
def test_a_consistency_proof_of_another_length_is_refused(data: st.DataObject) -> None:
    new = data.draw(st.integers(2, 300))
    old = data.draw(st.integers(1, new - 1))
    path = consistency_path(old, new, source)
    for wrong in ([], path[:-1], path[1:], [*path, path[0]], [path[0], *path]):
        with pytest.raises(ConsistencyFailed):
            verify_consistency(old, part(0, old), new, part(0, new), wrong)


def test_a_node_within_the_tree_does_not_pass_for_an_entry() -> None:
    with pytest.raises(InclusionFailed):
        verify_inclusion(part(0, 2), 0, 4, [part(2, 4)], part(0, 4))
    with pytest.raises(InclusionFailed):
        verify_inclusion(part(2, 4), 1, 4, [part(0, 2)], part(0, 4))


def test_a_path_into_a_deeper_tree_does_not_pass_in_a_shallower_one() -> None:
    with pytest.raises(InclusionFailed):
        verify_inclusion(LEAVES[3], 1, 2, [LEAVES[2], part(0, 2)], part(0, 4))


@pytest.mark.parametrize(("old", "new", "claimed_old", "claimed_new"), [(2, 4, 2, 8), (11, 12, 3, 4), (3, 4, 11, 12)])
def test_a_consistency_proof_does_not_pass_for_sizes_of_another_depth(old: int, new: int, claimed_old: int, claimed_new: int) -> None:
    with pytest.raises(ConsistencyFailed):
        verify_consistency(claimed_old, part(0, old), claimed_new, part(0, new), consistency_path(old, new, source))


@pytest.mark.parametrize(
    ("old", "old_root", "new", "new_root", "path"),
    [
        (5, part(0, 5), 5, part(0, 6), []),
        (5, part(0, 5), 5, part(0, 5), [LEAVES[0]]),
        (0, part(0, 1), 5, part(0, 5), []),
        (0, EMPTY_ROOT, 5, part(0, 5), [LEAVES[0]]),
        (0, EMPTY_ROOT, 0, LEAVES[0], []),
        (0, LEAVES[0], 0, LEAVES[0], []),
    ],
)
def test_trees_of_equal_size_and_empty_trees_have_no_proof_but_their_roots(
    old: int, old_root: bytes, new: int, new_root: bytes, path: list[bytes]
) -> None:
    with pytest.raises(ConsistencyFailed):
        verify_consistency(old, old_root, new, new_root, path)


def test_a_larger_old_tree_is_a_rollback() -> None:
    with pytest.raises(RolledBack) as caught:
        verify_consistency(6, part(0, 6), 5, part(0, 5), [])
    assert caught.value.evidence == {"old": 6, "new": 5}
    with pytest.raises(RangeInvalid):
        consistency_path(6, 5, source)


def uniform() -> Callable[[int, int], bytes]:
    """A tree whose leaves are all alike, so that even one of 2**60 leaves has known hashes."""
    perfect = [leaf(b"")]
    for _ in range(63):
        perfect.append(mth([perfect[-1], perfect[-1]]))
    return lambda height, _index: perfect[height]


@given(st.integers(1, 2**62), st.integers(0, 2**62))
def test_proofs_hold_in_trees_of_any_size(size: int, place: int) -> None:
    alike, index = uniform(), place % size
    root = range_root(0, size, alike)
    verify_inclusion(leaf(b""), index, size, inclusion_path(index, size, alike), root)
    verify_consistency(index, range_root(0, index, alike), size, root, consistency_path(index, size, alike))
