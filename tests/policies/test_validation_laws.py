"""Laws of validation over arbitrary JSON: one kind of exception, no value in it, bounded answers."""

from __future__ import annotations

from datetime import date
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.errors import InvalidInput
from petition_records import typical
from policies.characters import ORDINARY, REFUSED, tidy
from policies.checked import Checked
from policies.faults import MOST_FAULTS
from policies.rulebook.load import base
from policies.validation import validate

TODAY = date(2026, 11, 22)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=40),
    st.sampled_from(["2024-01-01", "2024-01-01T00:00:00Z", "unknown", "accusation", "accused", "9999-12-31T23:59:59-23:59", "机密★"]),
)
JSON = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=10), inner, max_size=4)), max_leaves=12
)
PATHS = [field.path for field in base().catalogue] + [group.key for group in base().catalogue.groups if group.key]


def run(record: Any) -> Checked | InvalidInput:
    try:
        outcome: Checked | InvalidInput = validate(record, base(), today=TODAY)
    except InvalidInput as refusal:
        outcome = refusal
    if isinstance(outcome, InvalidInput):
        assert 0 < len(outcome.faults) <= MOST_FAULTS + 1
    return outcome


def place(record: dict[str, Any], path: str, value: Any) -> None:
    group, dot, name = path.rpartition(".")
    if not dot:
        record[name] = value
    elif group.endswith("[]"):
        items = record.setdefault(group[:-2], [{}])
        if isinstance(items, list) and items and isinstance(items[0], dict):
            items[0][name] = value
    elif isinstance(record.setdefault(group, {}), dict):
        record[group][name] = value


@given(JSON)
def test_arbitrary_json_is_taken_or_refused_and_nothing_else_happens(value: Any) -> None:
    run(value)


@settings(max_examples=400)
@given(st.dictionaries(st.sampled_from(PATHS), JSON, min_size=1, max_size=6))
def test_arbitrary_values_in_known_places_are_taken_or_refused(values: dict[str, Any]) -> None:
    record = typical()
    for path, value in values.items():
        place(record, path, value)
    run(record)


CANARY = "Kq7真冬Zx91啄木鸟55"


@settings(max_examples=400)
@given(
    st.lists(st.sampled_from(PATHS), min_size=1, max_size=5),
    st.sampled_from(
        [
            CANARY,
            [CANARY],
            {CANARY: CANARY},
            CANARY + "\x00",
            CANARY + "\u202e",
            "机密★" + CANARY,
            CANARY * 20_000,
            {"date": CANARY, "text": 1},
        ]
    ),
    st.booleans(),
)
def test_no_fault_repeats_a_value_or_a_made_up_key(paths: list[str], value: Any, as_key: bool) -> None:
    record = typical()
    for path in paths:
        place(record, path, value)
        if as_key:
            place(record, f"{path.rpartition('.')[0]}.{CANARY}".lstrip("."), 1)
    outcome = run(record)
    if isinstance(outcome, InvalidInput):
        told = (
            repr([(fault.path, fault.rule, fault.zh, fault.en) for fault in outcome.faults])
            + repr(outcome)
            + outcome.text_zh
            + str(outcome.params)
        )
        assert CANARY not in told
        assert "啄木鸟" not in told
        assert "Kq7" not in told


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=60))
def test_a_text_that_is_taken_is_stored_in_one_form(text: str) -> None:
    record = typical()
    record["content"] = text
    outcome = run(record)
    if isinstance(outcome, Checked):
        stored = outcome.sealed["content", None]
        record["content"] = stored
        again = run(record)
        assert isinstance(again, Checked)
        assert again.sealed["content", None] == stored


def test_ordinary_characters_are_tidy_and_refused_nowhere() -> None:
    ordinary = [chr(point) for point in range(0x110000) if ORDINARY.fullmatch(chr(point))]
    assert len(ordinary) > 20_000
    for character in ordinary:
        assert tidy(character) == character
        assert not any(pattern.search(character) for pattern in REFUSED.values())


@given(st.text(st.sampled_from("文字一㐀，。、A9~!é\u0301\u3099か\u200b \u3000\n"), max_size=8))
def test_a_text_of_ordinary_characters_is_stored_as_it_is(text: str) -> None:
    if ORDINARY.fullmatch(text):
        assert tidy(text) == text
