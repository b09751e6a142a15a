"""What cleaning does to a cell, rule by rule, and that nothing is lost by it."""

# ruff: noqa: DTZ001  a spreadsheet's date has no zone

from __future__ import annotations

import json
from datetime import date, datetime
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.characters import refused, tidy
from service.importing.cells import as_count, as_flag, as_moment, as_text
from service.importing.cleaning import CODE, LINE, RULES, TEXT, clean
from service.importing.rows import exact_json, opening


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [
        ("excel-escapes", "一_x000D_\n二", "一\n二"),
        ("excel-escapes", "一_x000D__x000A_二_x0009_三", "一\n二\t三"),
        ("excel-escapes", "a_x005F_b_x0041_c_x0000_d", "a_b_x0041_cd"),
        ("line-ends", "一\r\n二\r三\u2028四", "一\n二\n三\n四"),
        ("tabs", "\t\t一\t\t二", " 一 二"),
        ("wide-spaces", "一\u3000二\u00a0三\u2003四", "一 二 三 四"),
        ("zero-width", "一\u200b二\ufeff三\u2060四\u00ad", "一二三四"),
        ("edges", "\u3000\u3000一\n\t 二  \n", "一\n二"),
        ("runs", "一    二\n三 四", "一 二\n三 四"),
        ("blank-lines", "一\n\n\n\n二\n\n三", "一\n\n二\n\n三"),
        ("one-line", "一 \n\n 二", "一 二"),
        ("full-width", "ＡＢ１２－３", "AB12-3"),
        ("no-spaces", " 1 2\u30003\n", "123"),
    ],
)
def test_a_cleaning_rule_does_what_its_name_says_and_is_noted(rule: str, before: str, after: str) -> None:
    assert clean(before, [rule]) == (after, (rule,))
    assert clean(after, [rule]) == (after, ())


def test_every_cleaning_rule_has_a_promise() -> None:
    marks = test_a_cleaning_rule_does_what_its_name_says_and_is_noted.pytestmark  # type: ignore[attr-defined]
    assert {case[0] for case in marks[0].args[1]} == set(RULES)


@given(st.text(), st.sampled_from([TEXT, LINE, CODE]))
def test_a_text_changes_only_where_a_rule_is_noted(text: str, rules: tuple[str, ...]) -> None:
    cleaned, noted = clean(text, rules)
    assert (cleaned == text) == (noted == ())
    assert set(noted) <= set(rules)


@given(st.text(alphabet=st.characters(codec="utf-8", categories=("L", "N", "P", "Zs", "Cf")) | st.sampled_from("\t\n\u3000\u200b _x0D")))
def test_the_letters_of_a_text_survive_its_cleaning(text: str) -> None:
    if "_x" not in text:
        assert [one for one in clean(text, TEXT)[0] if one.isalnum()] == [one for one in text if one.isalnum()]


@given(st.dictionaries(st.text(max_size=5), st.text() | st.none() | st.booleans() | st.integers(-(2**53), 2**53)))
def test_a_raw_cell_comes_back_exactly_through_everything_the_archive_does_to_a_text(cells: dict[str, object]) -> None:
    kept = exact_json({"cells": cells})
    assert refused(kept, "text") == []
    assert normalize("NFC", kept) == kept
    assert json.loads(tidy(kept)) == {"cells": cells}


@pytest.mark.parametrize("nasty", ["\u202e", "\0", "\ud800", "\x07", "\u00a0", "e\u0301", "\r\n", "\U000e0041", "\U00020000", "\ufffe"])
def test_a_raw_cell_that_no_field_may_hold_is_still_kept(nasty: str) -> None:
    kept = exact_json({"cells": {"a": nasty}})
    assert refused(kept, "text") == []
    assert json.loads(tidy(kept))["cells"]["a"] == nasty


@pytest.mark.parametrize(
    ("cell", "at", "has_time", "form"),
    [
        ("2018/4/4 19:26:42", datetime(2018, 4, 4, 19, 26, 42), True, "slash"),
        ("2018-04-04 09:06:02", datetime(2018, 4, 4, 9, 6, 2), True, "dash"),
        ("2018-04-04T09:06", datetime(2018, 4, 4, 9, 6), True, "dash"),
        ("2018.4.4", datetime(2018, 4, 4), False, "dot"),
        ("２０１８年４月４日", datetime(2018, 4, 4), False, "chinese"),
        ("20180404", datetime(2018, 4, 4), False, "compact"),
        ("20180404090602", datetime(2018, 4, 4, 9, 6, 2), True, "compact"),
        (datetime(2018, 4, 4, 9, 6), datetime(2018, 4, 4, 9, 6), True, "typed"),
        (datetime(2018, 4, 4), datetime(2018, 4, 4), False, "typed"),
        (date(2018, 4, 4), datetime(2018, 4, 4), False, "typed"),
        (43194.5, datetime(2018, 4, 4, 12), True, "serial"),
        ("43194", datetime(2018, 4, 4), False, "serial"),
    ],
)
def test_a_date_is_read_in_the_forms_offices_write(cell: object, at: datetime, has_time: bool, form: str) -> None:
    moment = as_moment(cell, serial=True)  # type: ignore[arg-type]
    assert moment is not None
    assert (moment.at, moment.has_time, moment.form) == (at, has_time, form)


@pytest.mark.parametrize(
    "cell", ["", "去年", "2018/2/30", "04/05/2018", "18-4-4", "2018/4", "2018/4/4 25:00", "43194", 43194, True, "9" * 5000]
)
def test_a_date_that_could_be_read_in_two_ways_or_none_is_not_read(cell: object) -> None:
    assert as_moment(cell, serial=False) is None  # type: ignore[arg-type]


def test_a_day_number_is_a_date_only_where_the_mapping_says_so() -> None:
    assert as_moment("43194", serial=False) is None
    assert as_moment("43194", serial=True) is not None


def test_a_number_that_lost_its_digits_is_no_text() -> None:
    assert as_text(990101199001011000.0) is None
    assert as_text(10000001234.0) == "10000001234"
    assert as_text(1.5) == "1.5"
    assert as_text(None) == ""
    assert as_text(True) == "是"


@pytest.mark.parametrize(
    ("text", "count"), [("3", 3), ("３人", 3), (" 12 户", 12), ("3.0", 3), ("3.5", None), ("三", None), ("", None), ("-1", None)]
)
def test_a_count_is_read_with_its_counting_word(text: str, count: int | None) -> None:
    assert as_count(text) == count


@pytest.mark.parametrize(
    ("text", "flag"), [("是", True), ("√", True), ("Ｙ", True), ("否", False), ("0", False), ("大概", None), ("", None)]
)
def test_yes_and_no_are_read_and_nothing_else_is_guessed(text: str, flag: bool | None) -> None:
    assert as_flag(text) is flag


@given(st.text(min_size=1), st.integers(20, 200))
def test_an_opening_is_the_beginning_of_its_text_and_fits(text: str, length: int) -> None:
    flat = clean(text, ("one-line", "edges"))[0]
    found = opening(text, length)
    assert len(found) <= length
    assert flat.startswith(found.removesuffix("…").rstrip()) or flat == found
