from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vault.casekeys import CaseKeys, DataKey, FieldKey, MaskKey
from vault.container import Container
from vault.errors import CannotOpen
from vault.sealed import Context, Kind, associated_data, associated_head, frame, framed_size, open_value, unframe
from vault.sealing import open_field, open_fields, open_masks, seal_masks, seal_record
from vault.suites import AES, SM4, Suite

SUITES = st.sampled_from([AES, SM4])
NAME = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=20)
PLACES = st.tuples(NAME, NAME)
RECORDS = st.dictionaries(PLACES, st.none() | st.binary(max_size=600), max_size=12)
CONTEXTS = st.builds(Context, fonds=NAME, case_id=NAME, case_version=st.integers(0, 2**32 - 1), schema_version=NAME)
CONTEXT = Context("F001", "01890000-0000-7000-8000-000000000001", 1, "1.0")
ITEM = "01890000-0000-7000-8000-00000000000a"
OTHER_ITEM = "01890000-0000-7000-8000-00000000000b"
RECORD: dict[tuple[str, str], bytes | None] = {
    ("appeal", ""): "补偿".encode(),
    ("petitioners[].name", ITEM): b"same",
    ("petitioners[].name", OTHER_ITEM): b"same",
    ("petitioners[].phone", ITEM): None,
}


@given(SUITES, CONTEXTS, RECORDS)
def test_a_record_opens_as_it_was_sealed_whole_and_field_by_field(
    suite: Suite, context: Context, values: dict[tuple[str, str], bytes | None]
) -> None:
    key = CaseKeys.make(suite).data
    blob = seal_record(key, context, values)
    assert open_fields(blob, key, context) == values
    assert Container(blob).places == tuple(sorted(values))
    for (path, item), value in values.items():
        assert open_field(blob, key, context, path, item) == value
        assert open_field(blob, key.field_key(path), context, path, item) == value


@given(SUITES, CONTEXTS, CONTEXTS)
def test_a_record_opens_in_no_other_fonds_case_version_or_schema_version(suite: Suite, context: Context, other: Context) -> None:
    assume(context != other)
    key = CaseKeys.make(suite).data
    blob = seal_record(key, context, RECORD)
    for name in ("fonds", "case_id", "case_version", "schema_version"):
        moved = replace(context, **{name: getattr(other, name)})
        if moved != context:
            with pytest.raises(CannotOpen):
                open_field(blob, key, moved, "appeal")
    with pytest.raises(CannotOpen):
        open_fields(blob, key, other)


@given(SUITES, st.text("ab", max_size=3), st.text("ab", max_size=3), st.text("ab", max_size=3))
def test_neighbouring_names_cannot_trade_characters(suite: Suite, fonds: str, case_id: str, schema: str) -> None:
    key = CaseKeys.make(suite).masks
    context = Context(fonds, case_id, 1, schema)
    blob = seal_masks(key, context, b"{}")
    joined = schema + fonds + case_id
    for first in range(len(joined) + 1):
        for second in range(first, len(joined) + 1):
            other = Context(joined[first:second], joined[second:], 1, joined[:first])
            if other != context:
                with pytest.raises(CannotOpen):
                    open_masks(blob, key, other)


@pytest.mark.parametrize("suite", [AES, SM4])
def test_a_value_opens_under_no_other_generation_or_suite_though_the_key_bytes_are_the_same(suite: Suite) -> None:
    secret = os.urandom(32)
    blob = seal_record(DataKey(secret, suite, 1), CONTEXT, RECORD)
    assert open_field(blob, DataKey(secret, suite, 1), CONTEXT, "appeal") == RECORD["appeal", ""]
    with pytest.raises(CannotOpen):
        open_field(blob, DataKey(secret, suite, 2), CONTEXT, "appeal")
    other = SM4 if suite is AES else AES
    with pytest.raises(CannotOpen):
        open_field(blob, DataKey(secret, other, 1), CONTEXT, "appeal")
    relabelled = blob[:1] + bytes((other.id,)) + blob[2:]
    for key in (DataKey(secret, suite, 1), DataKey(secret, other, 1)):
        with pytest.raises(CannotOpen):
            open_field(relabelled, key, CONTEXT, "appeal")


@pytest.mark.parametrize("suite", [AES, SM4])
def test_a_value_exchanged_between_items_or_fields_of_one_record_opens_nowhere(suite: Suite) -> None:
    key = CaseKeys.make(suite).data
    blob = seal_record(key, CONTEXT, RECORD)
    # All four values have one size here, so that exchanging their bytes keeps the container well formed.
    size = 62
    starts = [len(blob) - size * (len(RECORD) - index) for index in range(len(RECORD))]
    parts = [blob[start : start + size] for start in starts]
    places = sorted(RECORD)
    for first in range(len(parts)):
        for second in range(first + 1, len(parts)):
            swapped = list(parts)
            swapped[first], swapped[second] = parts[second], parts[first]
            moved = blob[: starts[0]] + b"".join(swapped)
            for index in (first, second):
                with pytest.raises(CannotOpen):
                    open_field(moved, key, CONTEXT, *places[index])


@pytest.mark.parametrize("suite", [AES, SM4])
def test_a_container_that_lost_or_gained_a_value_opens_nowhere(suite: Suite) -> None:
    key = CaseKeys.make(suite).data
    places = sorted(RECORD)
    blob = seal_record(key, CONTEXT, RECORD)
    fewer = seal_record(key, CONTEXT, {place: RECORD[place] for place in places[:-1]})
    values_of_blob = blob[-62 * 4 :]
    directory_of_fewer = fewer[: -62 * 3]
    shortened = directory_of_fewer + values_of_blob[: 62 * 3]
    directory_of_blob = blob[: -62 * 4]
    lengthened = directory_of_blob + fewer[-62 * 3 :] + values_of_blob[62 * 3 :]
    for place in places[:-1]:
        for forged in (shortened, lengthened):
            with pytest.raises(CannotOpen):
                open_field(forged, key, CONTEXT, *place)


@pytest.mark.parametrize("suite", [AES, SM4])
def test_no_flipped_bit_of_a_container_goes_unnoticed(suite: Suite) -> None:
    key = CaseKeys.make(suite).data
    blob = seal_record(key, CONTEXT, RECORD)
    for position in range(len(blob)):
        for bit in range(8):
            altered = bytearray(blob)
            altered[position] ^= 1 << bit
            with pytest.raises(CannotOpen):
                open_fields(bytes(altered), key, CONTEXT, RECORD)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_container_are_refused_with_the_one_error(junk: bytes) -> None:
    key = CaseKeys.make().data
    for blob in (junk, b"\x01\x01" + junk):
        with pytest.raises(CannotOpen):
            open_field(blob, key, CONTEXT, "appeal")


def test_a_container_cut_short_or_lengthened_is_refused() -> None:
    key = CaseKeys.make().data
    blob = seal_record(key, CONTEXT, RECORD)
    for size in range(len(blob)):
        with pytest.raises(CannotOpen):
            open_fields(blob[:size], key, CONTEXT, RECORD)
    with pytest.raises(CannotOpen):
        open_fields(blob + b"\0", key, CONTEXT, RECORD)


@given(SUITES, st.binary(max_size=50))
def test_sealing_the_same_twice_gives_different_bytes_everywhere(suite: Suite, value: bytes) -> None:
    key = CaseKeys.make(suite)
    places = {("a", ""): value, ("a", "1"): value, ("b", ""): value}
    sealed = [seal_record(key.data, CONTEXT, places) for _ in range(2)]
    size = len(frame(value)) + 30
    values = {blob[len(blob) - size * (3 - i) :][:size] for blob in sealed for i in range(3)}
    assert len(values) == 6
    assert seal_masks(key.masks, CONTEXT, value) != seal_masks(key.masks, CONTEXT, value)


def test_a_field_s_key_opens_all_items_of_that_field_and_no_other_field() -> None:
    keys = CaseKeys.make()
    blob = seal_record(keys.data, CONTEXT, RECORD)
    handed_out = FieldKey(keys.data.field_key("petitioners[].name").reveal())
    for item in (ITEM, OTHER_ITEM):
        assert open_field(blob, handed_out, CONTEXT, "petitioners[].name", item) == b"same"
    for path, item in (("appeal", ""), ("petitioners[].phone", ITEM)):
        with pytest.raises(CannotOpen):
            open_field(blob, handed_out, CONTEXT, path, item)


def test_a_mask_key_opens_no_field_even_with_the_same_bytes_in_a_data_key_s_place() -> None:
    keys = CaseKeys.make()
    blob = seal_record(keys.data, CONTEXT, RECORD)
    with pytest.raises(CannotOpen):
        open_fields(blob, DataKey(keys.masks.reveal()), CONTEXT)
    same_bytes = MaskKey(keys.data.reveal())
    masks = seal_masks(same_bytes, CONTEXT, b"{}")
    associated = associated_data(associated_head(AES, Kind.MASKS, 1, CONTEXT), "masks", "")
    with pytest.raises(CannotOpen):
        open_value(AES, keys.data.field_key("masks").reveal(), masks, associated)
    assert open_masks(masks, same_bytes, CONTEXT) == b"{}"


@given(SUITES, st.binary(max_size=2000))
def test_masks_open_as_sealed_and_under_no_other_key(suite: Suite, document: bytes) -> None:
    key = CaseKeys.make(suite).masks
    blob = seal_masks(key, CONTEXT, document)
    assert open_masks(blob, key, CONTEXT) == document
    with pytest.raises(CannotOpen):
        open_masks(blob, CaseKeys.make(suite).masks, CONTEXT)


def test_a_place_that_was_never_sealed_is_refused_not_read_as_empty() -> None:
    key = CaseKeys.make().data
    blob = seal_record(key, CONTEXT, RECORD)
    for path, item in (("appeal", ITEM), ("nothing", ""), ("petitioners[].phone", OTHER_ITEM)):
        with pytest.raises(CannotOpen):
            open_field(blob, key, CONTEXT, path, item)


@given(st.none() | st.binary(max_size=5000))
def test_a_frame_gives_back_its_value(value: bytes | None) -> None:
    assert unframe(frame(value)) == value
    assert len(frame(value)) == framed_size(value)


def test_absent_and_short_values_have_one_length_and_long_ones_give_away_an_eighth() -> None:
    assert {framed_size(None)} | {framed_size(bytes(size)) for size in range(29)} == {32}
    for size in range(29, 20000):
        padded = framed_size(bytes(size)) if size < 1000 or size % 97 == 0 else None
        if padded is not None:
            assert size + 4 <= padded <= max(size + 4 + 31, (size + 4) * 1.125 + 1)
    assert len({framed_size(bytes(size)) for size in range(253, 509)}) == 8
    assert len({framed_size(bytes(size)) for size in range(4093, 8189)}) == 8


def test_a_long_text_leaves_only_its_size_step_in_the_container() -> None:
    key = CaseKeys.make().data
    one, other = (seal_record(key, CONTEXT, {("appeal", ""): bytes(size)}) for size in (900, 950))
    assert len(one) == len(other)


@pytest.mark.parametrize("bad", [b"", bytes(31), bytes(33)])
def test_keys_of_another_size_are_refused(bad: bytes) -> None:
    with pytest.raises(ValueError):
        DataKey(bad)
    with pytest.raises(ValueError):
        FieldKey(bad)


@pytest.mark.parametrize("name", ["a\nb", "x" * 65536])
def test_names_that_would_make_a_directory_ambiguous_are_refused(name: str) -> None:
    key: Any = CaseKeys.make().data
    with pytest.raises(ValueError):
        seal_record(key, CONTEXT, {(name, ""): b""})
