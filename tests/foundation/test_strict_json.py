from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import InvalidInput
from foundation.strict_json import loads

CANARY = "金丝雀999999189913321234"

ATTACKS = [
    ("duplicate-key", '{"a": 1, "a": 2}'),
    ("duplicate-key", '{"x": {"\\u0061": 1, "a": 2}}'),
    ("not-a-number", '{"a": NaN}'),
    ("not-a-number", "[-Infinity]"),
    ("number-too-large", "[1e999]"),
    ("number-too-large", "[90071992547409921]"),
    ("number-too-large", "[" + "9" * 5000 + "]"),
    ("lone-surrogate", '["\\ud800"]'),
    ("lone-surrogate", '{"\\udfff": 1}'),
    ("nul", '["a\\u0000b"]'),
    ("too-deep", "[" * 40 + "]" * 40),
    ("too-deep", '{"a":' * 100_000 + "1" + "}" * 100_000),
    ("not-json", '{"a": }'),
    ("not-json", ""),
    ("not-json", '{"a": 1} x'),
]


@pytest.mark.parametrize(("rule", "text"), ATTACKS)
def test_json_that_could_be_read_in_two_ways_is_refused_by_rule(rule: str, text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        loads(text.encode())
    assert [fault.rule for fault in caught.value.faults] == [rule]


def test_bytes_that_are_no_utf8_and_bytes_past_the_limit_are_refused() -> None:
    for data, rule in ((b'["\xff"]', "not-utf8"), (b"[" + b" " * 100 + b"]", "too-large")):
        with pytest.raises(InvalidInput) as caught:
            loads(data, max_bytes=100)
        assert caught.value.faults[0].rule == rule


HALF_A_MILLION_QUOTES = b'\\"' * 500_000


@pytest.mark.parametrize(
    "text", [HALF_A_MILLION_QUOTES + b"[" * 33, b"[{" * 17 + HALF_A_MILLION_QUOTES, b'["' + b"\\" * 1_000_001 + b"[" * 33]
)
def test_quotes_that_never_close_are_read_once_each(text: bytes) -> None:
    """With one look ahead for each quote this would take hours."""
    with pytest.raises(InvalidInput) as caught:
        loads(text)
    assert caught.value.faults[0].rule in {"not-json", "too-deep"}


def test_a_fault_never_repeats_what_was_sent() -> None:
    for text in (f'{{"{CANARY}": 1, "{CANARY}": 2}}', f'["{CANARY}", NaN]', f'{{"{CANARY}": }}', f'["{CANARY}\\ud800"]'):
        with pytest.raises(InvalidInput) as caught:
            loads(text.encode())
        said = " ".join(f"{fault.path} {fault.zh} {fault.en}" for fault in caught.value.faults) + str(caught.value) + repr(caught.value)
        assert CANARY not in said


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="ascii", exclude_characters="\0")), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(values)
def test_what_the_strict_reader_accepts_it_reads_like_any_other(value: Any) -> None:
    assert loads(json.dumps(value).encode(), max_depth=64) == value


def test_brackets_inside_texts_do_not_count_as_depth() -> None:
    assert loads(json.dumps(["[" * 1000 + '\\"{' * 10]).encode()) == ["[" * 1000 + '\\"{' * 10]
