"""Names and codes of places."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.rulebook.load import base

PLACES = base().divisions


def test_every_province_and_prefecture_is_there() -> None:
    assert len(PLACES.provinces) == 34
    assert sum(len(code) == 4 for code in PLACES.names) >= 330
    assert sum(len(code) == 6 for code in PLACES.names) >= 2800


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("430104", "湖南省长沙市岳麓区"),
        ("110105", "北京市朝阳区"),
        ("430000", "湖南省"),
        ("430100", "湖南省长沙市"),
        ("430104001002", "湖南省长沙市岳麓区"),
        ("999999", None),
        ("430199", None),
    ],
)
def test_a_code_has_its_full_name(code: str, name: str | None) -> None:
    assert PLACES.name(code) == name


def test_every_county_is_cut_at_itself() -> None:
    for code, county in PLACES.names.items():
        if len(code) == 6:
            whole = PLACES.name(code)
            assert whole is not None
            assert PLACES.cut(f"{whole}幸福路1号") == whole, (code, county)


@given(st.text(max_size=40))
def test_what_is_shown_is_a_beginning_of_what_was_written(address: str) -> None:
    shown = PLACES.cut(address)
    assert shown is None or address.startswith(shown)
